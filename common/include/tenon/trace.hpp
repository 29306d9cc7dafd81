/// @file
/// A launch that tells its own story.
///
/// Parent and child run at the same time, so neither can print the story alone. Each wrapper of
/// syscalls.hpp writes one fixed-size record into a page range that both share (mmap(2),
/// MAP_SHARED | MAP_ANONYMOUS survives clone). A record's place and time are claimed together when
/// the call begins: the order of the records is the order of time. Whoever is about to become
/// another program prints the story so far; the parent prints the rest at the end.
///
/// Off, a wrapper pays one predictable branch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tenon/fd.hpp"

namespace tenon::trace {

/// For people; one JSON object per line; or one debug message per call, to where messages go.
enum class Format { Text, Json, Messages };

/// How a story is told. Colour is used only when asked for.
struct Options {
    Format format = Format::Text;
    bool colour = false;
};

/// Starts recording; the story goes to @p out (a loan for the life of the process; of no
/// consequence for Format::Messages).
/// @throws SysError  mmap: ENOMEM
void enable(FdRef out, Options options);

namespace detail {
extern bool enabled;
}
/// Whether calls are recorded. Inline: the branch that every system call pays.
inline bool enabled() {
    return detail::enabled;
}

/// Says who speaks from here on in this process: "parent", "joiner", "child".
void set_role(const char* role);

/// Prints each record that is complete and not printed yet, in order of time: the end of the story.
/// @pre called by one process at a time (the other one waits on the sync socket, or has ended)
void flush() noexcept;

/// The same up to the first record that another process has not completed: what follows it must
/// wait for it, or the order would be lost. @pre as flush()
void flush_before_exec() noexcept;

/// Names what the calls in this scope are for. Both texts must outlive the scope (literals).
///
///     trace::Step step{2, "make every mount private", "or our mounts would show on the host"};
class Step {
  public:
    Step(int chapter, const char* name, const char* why) noexcept;
    ~Step();
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

  private:
    int outer_chapter_;
    const char* outer_name_;
    const char* outer_why_;
};

/// One system call in progress.
class Call {
  public:
    /// Claims the record's place in time. Does nothing when the story is full (the end says so).
    Call(std::string_view name, std::string_view arguments) noexcept;

    /// Completes the record. @param error  an errno, or 0  @param result  shown when error is 0
    void finish(int error, std::string_view result) noexcept;

  private:
    struct Record* record_ = nullptr;
    friend void flush() noexcept;
};

}  // namespace tenon::trace
