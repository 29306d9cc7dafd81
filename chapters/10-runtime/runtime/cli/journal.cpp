#include "journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <memory>

#include "error_text.hpp"
#include "tenon/messages.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon::cli {

namespace {

UniqueFd open_file(const std::string& path) {
    return sys::openat(FdRef::working_directory(), path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY,
                       0644);
}

LogFormat format_for_file(const Global& global) {
    return global.json_log ? LogFormat::Json : LogFormat::KeyValue;
}

LogFormat format_for_people(const Global& global) {
    return global.json_log && global.log.empty() ? LogFormat::Json : LogFormat::Text;
}

LogLevel lowest_level(const Global& global) {
    return global.debug ? LogLevel::Debug : LogLevel::Info;
}

// Opened when there is something to tell, which is seldom.
class File {
  public:
    explicit File(const Global& global)
        : path_(global.log), format_(format_for_file(global)), lowest_(lowest_level(global)) {}
    void open() {
        if (!file_.valid()) file_ = open_file(path_);
    }
    void write(LogLevel level, std::string_view message) {
        open();
        Log{file_, format_, lowest_}.message(level, message);
    }

  private:
    std::string path_;
    LogFormat format_;
    LogLevel lowest_;
    UniqueFd file_;
};

MessageSink standard_error(const Global& global) {
    const Log log{FdRef{STDERR_FILENO}, format_for_people(global), lowest_level(global)};
    return [log](LogLevel level, std::string_view message) { log.message(level, message); };
}

MessageSink file_of(const Global& global) {
    const auto file = std::make_shared<File>(global);
    // Where the child tells its part, there is no path to it any more.
    if (global.debug) file->open();
    return [file](LogLevel level, std::string_view message) { file->write(level, message); };
}

}  // namespace

void open_journal(const Global& global) {
    send_messages_to(global.log.empty() ? standard_error(global) : file_of(global));
    if (global.debug) trace::enable(FdRef{STDERR_FILENO}, {.format = trace::Format::Messages});
}

void report(const Global& global, std::string_view message) {
    const Log people{FdRef{STDERR_FILENO}, format_for_people(global)};
    people.error(message);
    if (global.log.empty()) return;
    try {
        File{global}.write(LogLevel::Error, message);
    } catch (const std::exception& error) {
        people.error(text_of(error));
    }
}

}  // namespace tenon::cli
