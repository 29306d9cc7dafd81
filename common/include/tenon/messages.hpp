/// @file
/// What is worth telling, from those who know it to wherever this program's messages go.
///
/// A library knows that a group could not be removed; only the program knows whether somebody reads
/// its standard error, or a log file that its caller named. So libraries tell, and the program says
/// once where to.
#pragma once

#include <functional>
#include <string_view>

#include "tenon/log.hpp"

namespace tenon {

/// Receives messages. What it throws is lost, as the message is: the work goes on.
using MessageSink = std::function<void(LogLevel level, std::string_view message)>;

/// From here on messages of this process, and of its children, go to @p sink.
void send_messages_to(MessageSink sink);

/// To the sink; without one, info and worse to standard error, as text.
void tell(LogLevel level, std::string_view message) noexcept;

/// What did not go as it should, and is no reason to stop.
inline void tell_warning(std::string_view message) noexcept {
    tell(LogLevel::Warning, message);
}

}  // namespace tenon
