// checkpoint: the container becomes files, and ends, unless it is to be left running.
#include "checkpoint_options.hpp"
#include "tenon/program_syscalls.hpp"

namespace tenon::cli {

namespace {

struct CheckpointWords {
    CriuWords criu;
    std::string parent_path;
    std::string page_server;
    std::string status;
    bool leave_running = false;
    bool pre_dump = false;
};

std::vector<Option> table_for(CheckpointWords& words) {
    std::vector<Option> table = criu_table(words.criu);
    table.push_back(text("parent-path", words.parent_path, "DIR",
                         "images of before: what they have is left out"));
    table.push_back(text("page-server", words.page_server, "ADDRESS:PORT", "takes the memory"));
    table.push_back(text("status-fd", words.status, "FD", "criu writes there when it is ready"));
    table.push_back(flag("leave-running", words.leave_running, "the container goes on"));
    table.push_back(flag("pre-dump", words.pre_dump, "memory alone, and it goes on"));
    return table;
}

// ADDRESS:PORT, an address of IPv6 in brackets.
void read_page_server(const std::string& text, ext::CheckpointWishes& wishes) {
    if (text.empty()) return;
    constexpr long last_port = 65535;
    const std::size_t colon = text.rfind(':');
    std::string address = text.substr(0, colon);
    if (address.starts_with('[') && address.ends_with(']')) {
        address = address.substr(1, address.size() - 2);
    }
    const bool parted = colon != std::string::npos && !address.empty();
    const long port = parted ? parse_number("page-server", text.substr(colon + 1)) : 0;
    if (port < 1 || port > last_port) {
        throw UsageError("Use --page-server ADDRESS:PORT to specify page server");
    }
    wishes.page_server = address;
    wishes.page_server_port = static_cast<unsigned>(port);
}

// -1 is none, which is what callers of runc write out.
std::optional<FdRef> status_from(const std::string& text) {
    if (text.empty()) return std::nullopt;
    const long number = parse_number("status-fd", text);
    if (number == -1) return std::nullopt;
    const FdRef file{static_cast<int>(number)};
    if (number < 0 || number > 1'000'000 || !sys::can_be_written(file)) {
        throw UsageError("invalid --status-fd argument " + text + ": not writable");
    }
    return file;
}

ext::CheckpointWishes wishes_of(const CheckpointWords& words) {
    ext::CheckpointWishes wishes{.criu = wishes_from(words.criu),
                                 .parent_path = words.parent_path,
                                 .page_server = {},
                                 .status = status_from(words.status),
                                 .leave_running = words.leave_running,
                                 .pre_dump = words.pre_dump};
    read_page_server(words.page_server, wishes);
    return wishes;
}

}  // namespace

int checkpoint(const Global& global, Words words) {
    CheckpointWords given;
    const std::string id =
        only_id("checkpoint", take_options(words, table_for(given), Where::Anywhere));
    const ext::CheckpointWishes wishes = wishes_of(given);
    const Container container = load(global, id);
    ext::write_checkpoint(ContainerRoot::make(global.root), id, wishes);
    if (wishes.leave_running || wishes.pre_dump) return 0;
    // As from runc: what is in the images is not there a second time.
    remove_ended(global, container, false);
    return 0;
}

}  // namespace tenon::cli
