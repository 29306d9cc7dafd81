// One destination for the whole process: who tells something need not be told where to.
#include "tenon/messages.hpp"

#include <unistd.h>

#include <exception>
#include <utility>

namespace tenon {

namespace {

MessageSink& current() {
    static MessageSink sink = [](LogLevel level, std::string_view message) {
        Log{FdRef{STDERR_FILENO}}.message(level, message);
    };
    return sink;
}

}  // namespace

void send_messages_to(MessageSink sink) {
    current() = std::move(sink);
}

void tell(LogLevel level, std::string_view message) noexcept {
    try {
        current()(level, message);
    } catch (const std::exception&) {
        return;  // no memory, no file: what is told is less than what is done
    }
}

}  // namespace tenon
