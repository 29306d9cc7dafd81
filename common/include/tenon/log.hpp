/// @file
/// Diagnostics for people (text), for callers (JSON lines), and for files that both may read.
///
/// One message is one write(2): lines of two processes that share the file never mix. The JSON
/// keys are those that containerd's shim reads back: level, msg, time (RFC 3339).
#pragma once

#include <string>
#include <string_view>

#include "tenon/fd.hpp"

namespace tenon {

/// How much a message matters.
enum class LogLevel { Debug, Info, Warning, Error };
/// How a message is written.
enum class LogFormat {
    Text,      ///< `error: message`: on a terminal
    Json,      ///< one JSON object per line
    KeyValue,  ///< `time="2026-01-31T23:59:59.000000Z" level=error msg="message"`: in a file
};

/// Where messages go, in which form, and from which level on.
class Log {
  public:
    /// @param out  a loan; stays open as long as the Log is used
    explicit Log(FdRef out, LogFormat format = LogFormat::Text, LogLevel lowest = LogLevel::Info)
        : out_(out), format_(format), lowest_(lowest) {}

    void debug(std::string_view message) const { write(LogLevel::Debug, message); }
    void info(std::string_view message) const { write(LogLevel::Info, message); }
    void warning(std::string_view message) const { write(LogLevel::Warning, message); }
    void error(std::string_view message) const { write(LogLevel::Error, message); }
    void message(LogLevel level, std::string_view text) const { write(level, text); }
    /// @p text as it is: a table that somebody asked for. As with messages, a failed write is none
    /// of our caller's business.
    void plain(std::string_view text) const;

  private:
    void write(LogLevel level, std::string_view message) const;

    FdRef out_;
    LogFormat format_;
    LogLevel lowest_;
};

/// @p text with its control characters as \\n or \\xNN: a file name may hold a newline or a
/// terminal's control sequence (C0, DEL, and C1 in UTF-8), and neither may forge a line.
std::string printable(std::string_view text);

/// @p text as a JSON string with its quotes. Control characters are escaped and bytes that are
/// not UTF-8 become U+FFFD, so the result is valid JSON whatever comes in. @see RFC 8259, 7
std::string json_quote(std::string_view text);

}  // namespace tenon
