#include "error_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "tenon/error.hpp"
#include "tenon/hints.hpp"
#include "tenon/log.hpp"

namespace tenon::cli {

namespace {

// `Permission denied` as Go spells it.
std::string small_letters(std::string text) {
    if (!text.empty()) {
        text.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(text.front())));
    }
    return text;
}

std::string reason(const SysError& error) {
    return small_letters(error.code().message());
}

std::string exec_text(const SysError& error) {
    const std::string& name = error.subject();
    if (error.error() == ENOENT && name.find('/') == std::string::npos) {
        return fmt::format("exec: \"{}\": executable file not found in $PATH", name);
    }
    if (error.error() == ENOENT)
        return fmt::format("exec: \"{}\": stat {}: {}", name, name, reason(error));
    return fmt::format("exec: \"{}\": {}", name, reason(error));
}

// Every kernel has execve(2): the one that is missing is execveat(2).
SysError missing_call(const SysError& error) {
    return {ENOSYS, "execveat", error.subject()};
}

std::string call_text(const SysError& error) {
    const std::string subject = error.subject().empty() ? "" : " " + error.subject();
    const std::string what = fmt::format("{}{}: {}", error.call(), subject, reason(error));
    const std::string_view hint = hint_for(error);
    return hint.empty() ? what : fmt::format("{}: {}", what, hint);
}

}  // namespace

std::string text_of(const std::exception& error) {
    const auto* const refused = dynamic_cast<const SysError*>(&error);
    if (refused == nullptr) return printable(error.what());
    const bool exec = refused->call() == "execve";
    if (exec && refused->error() == ENOSYS) return printable(call_text(missing_call(*refused)));
    return printable(exec ? exec_text(*refused) : call_text(*refused));
}

}  // namespace tenon::cli
