// libnftables takes the text that nft(8) takes, and sends it as one netlink batch: the kernel does
// all of it or nothing. Its errors are text too; the sentence and the command reach the user.
#include <fmt/format.h>
#include <nftables/libnftables.h>

#include <stdexcept>
#include <string_view>

#include "tenon/nat.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

std::string_view first_line(std::string_view text) {
    return text.substr(0, text.find('\n'));
}

// "Error: No such file or directory", and then the command; but of a text of many lines the library
// shows the first one, whichever it was.
std::string sentence_of(std::string_view error, std::string_view commands) {
    constexpr std::string_view mark = "Error: ";
    const auto at = error.find(mark);
    if (at != std::string_view::npos) error.remove_prefix(at + mark.size());
    const std::string_view command = first_line(commands);
    const bool is_only_one = commands.size() <= command.size() + 1;
    return is_only_one ? fmt::format("{}: {}", command, first_line(error))
                       : std::string{first_line(error)};
}

std::string_view advice_for(std::string_view sentence) {
    if (sentence.find("Operation not permitted") == std::string_view::npos) return "";
    return ": that needs CAP_NET_ADMIN: run as root";
}

int traced_run(nft_ctx* nft, const std::string& commands) {
    if (!trace::enabled()) return nft_run_cmd_from_buffer(nft, commands.c_str());
    trace::Call record{"nft", commands};
    const int rc = nft_run_cmd_from_buffer(nft, commands.c_str());
    record.finish(0, rc == 0 ? "done" : "refused");
    return rc;
}

}  // namespace

struct Nftables::Context {
    nft_ctx* nft = nullptr;
};

Nftables::Nftables() : context_(std::make_unique<Context>(Context{nft_ctx_new(NFT_CTX_DEFAULT)})) {
    if (context_->nft == nullptr) throw std::runtime_error("nftables: no memory, or no netlink");
    nft_ctx_buffer_output(context_->nft);
    nft_ctx_buffer_error(context_->nft);
}

Nftables::~Nftables() {
    nft_ctx_free(context_->nft);
}

void Nftables::run(const std::string& commands) const {
    static_cast<void>(ask(commands));
}

std::string Nftables::ask(const std::string& command) const {
    const int rc = traced_run(context_->nft, command);
    std::string output = nft_ctx_get_output_buffer(context_->nft);
    const std::string errors = nft_ctx_get_error_buffer(context_->nft);
    if (rc == 0) return output;
    const std::string sentence = sentence_of(errors, command);
    throw std::runtime_error(fmt::format("nftables: {}{}", sentence, advice_for(sentence)));
}

}  // namespace tenon
