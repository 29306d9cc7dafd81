// The story is a fixed array of fixed-size records in memory that parent and child share. A
// record is claimed by one atomic increment, so nobody waits for anybody, and a process that is
// killed in the middle leaves at worst one record that is never complete.
#include "tenon/trace.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ratio>
#include <span>

#include "filtered_trace.hpp"
#include "tenon/error.hpp"
#include "tenon/log.hpp"
#include "tenon/messages.hpp"

namespace tenon::trace {

namespace {

using Ticks = std::chrono::duration<std::uint64_t, std::ratio<1, 10'000'000>>;
using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC: comparable between processes
template <std::size_t Size>
using Text = std::array<char, Size>;

// Copies what fits; the rest of a very long argument is not worth a growing buffer.
template <std::size_t Size>
void assign(Text<Size>& to, std::string_view from) {
    const std::size_t length = std::min(from.size(), Size - 1);
    std::memcpy(to.data(), from.data(), length);
    to[length] = '\0';
}

}  // namespace

struct Record {
    std::atomic<bool> complete;
    bool printed;
    int chapter;
    int error;
    pid_t pid;
    Ticks at;                 // since the story's start
    Clock::time_point begin;  // of the call itself, for its duration
    Clock::time_point end;
    const char* step;  // literals: at the same address in the child, which never execs before use
    const char* why;
    const char* role;
    Text<24> call;
    Text<240> arguments;
    Text<48> result;
};

namespace {

constexpr std::size_t capacity = 1024;

// How many calls were claimed, and when the last of them began, in one word: place and time are
// taken in one step, so that the order of places is the order of time for all writers. 44 bits of
// ticks last 20 days.
using Claims = std::uint64_t;
constexpr unsigned count_bits = 20;
constexpr Claims count_mask = (Claims{1} << count_bits) - 1;

struct Story {
    std::atomic<Claims> claims;
    std::size_t printed_records;  // numbers the lines: records print once, in order
    std::size_t told_lost;        // calls that found the story full, as far as it was said
    const char* last_step;        // so that a step's heading is printed when it changes
    const char* last_role;
    Clock::time_point start;
    std::array<Record, capacity> records;
};

struct State {
    Story* story = nullptr;
    FdRef out;
    Options options;
    int chapter = 0;
    const char* step = "";
    const char* why = "";
    const char* role = "parent";
    pid_t filtered = 0;  // who is behind a filter: this process
    bool behind_filter = false;
};
State state;  // one thread per process: the rule of the runtime

using Microseconds = std::chrono::duration<double, std::micro>;

double microseconds(Microseconds span) {
    return span.count();
}

std::size_t claimed_calls(const Story& story) {
    return story.claims.load() & count_mask;
}

struct Claim {
    std::size_t place;
    Ticks at;
};

Claim claim(Story& story) {
    Claims seen = story.claims.load();
    while (true) {
        const auto now = std::chrono::duration_cast<Ticks>(Clock::now() - story.start).count();
        const Claims count = seen & count_mask;
        const Claims at = std::max<Claims>(static_cast<Claims>(now), seen >> count_bits);
        const Claims next = at << count_bits | std::min(count + 1, count_mask);
        if (story.claims.compare_exchange_weak(seen, next)) return {count, Ticks{at}};
    }
}

std::string_view colour(std::string_view code) {
    return state.options.colour ? code : std::string_view{};
}

std::string outcome(const Record& record) {
    if (record.error == 0) return record.result.data();
    return fmt::format("{} ({})", errno_name(record.error),
                       std::generic_category().message(record.error));
}

std::string json_line(const Record& record, std::size_t number) {
    return fmt::format(
        R"({{"n":{},"at_us":{:.1f},"who":{},"pid":{},"chapter":"{:02}","step":{},"why":{},)"
        R"("call":{},"args":{},"result":{},"errno":{},"us":{:.1f}}})"
        "\n",
        number, microseconds(record.at), json_quote(record.role), record.pid, record.chapter,
        json_quote(record.step), json_quote(record.why), json_quote(record.call.data()),
        json_quote(record.arguments.data()), json_quote(outcome(record)), record.error,
        record.complete ? microseconds(record.end - record.begin) : 0.0);
}

// A heading where the step or the speaker changes, then the call with its result. What has a
// fixed width stands first, so that long arguments cannot push a column.
std::string text_lines(const Record& record, std::size_t number) {
    std::string text;
    const bool new_step =
        record.step != state.story->last_step || record.role != state.story->last_role;
    if (new_step && *record.step != '\0') {
        text += fmt::format("{}{} {}{}: {}\n", colour("\033[1m"), record.role, record.step,
                            colour("\033[0m"), record.why);
    }
    state.story->last_step = record.step;
    state.story->last_role = record.role;
    text += fmt::format("{:>4}  ch{:02}  {:<6} {:>6.0f} us  {}({}) = {}{}{}\n", number,
                        record.chapter, record.role, microseconds(record.end - record.begin),
                        record.call.data(), printable(record.arguments.data()),
                        colour(record.error != 0 ? "\033[31m" : "\033[32m"), outcome(record),
                        colour("\033[0m"));
    return text;
}

// One line of a log among others: what a call was for stands in each.
std::string message_line(const Record& record) {
    const std::string_view step = record.step;
    return fmt::format("{}: {}{}{}({}) = {} ({:.0f} us)", record.role, step,
                       step.empty() ? "" : ": ", record.call.data(), record.arguments.data(),
                       outcome(record), microseconds(record.end - record.begin));
}

void deliver(const std::string& text) {
    if (state.options.format == Format::Messages) return tell(LogLevel::Debug, text);
    [[maybe_unused]] const long written = ::write(state.out.number(), text.data(), text.size());
}

bool broken_pipe_waits() {
    sigset_t waiting{};
    ::sigpending(&waiting);
    return sigismember(&waiting, SIGPIPE) == 1;
}

// The story is told beside the work: a reader that went away must not stop a container. SIGPIPE
// would, for just before exec its default is back: it is held off, and taken if it came of this.
void print(const std::string& text) {
    sigset_t broken_pipe{};
    sigset_t outer{};
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    ::sigprocmask(SIG_BLOCK, &broken_pipe, &outer);
    const bool before = broken_pipe_waits();
    deliver(text);
    const timespec no_wait{};
    if (!before) ::sigtimedwait(&broken_pipe, nullptr, &no_wait);
    ::sigprocmask(SIG_SETMASK, &outer, nullptr);
}

std::string line_for(const Record& record, std::size_t number) {
    switch (state.options.format) {
        case Format::Json: return json_line(record, number);
        case Format::Messages: return message_line(record);
        case Format::Text: break;
    }
    return text_lines(record, number);
}

// Calls that found the story full are not told one by one, but nobody shall think there were none.
std::string line_for_lost(std::size_t calls) {
    if (state.options.format == Format::Json) return fmt::format("{{\"lost\":{}}}\n", calls);
    const std::string said =
        fmt::format("{} more calls are not told: a story holds {}", calls, capacity);
    return state.options.format == Format::Messages ? said : "      " + said + "\n";
}

std::span<Record> claimed_records() {
    return std::span{state.story->records}.first(std::min(claimed_calls(*state.story), capacity));
}

bool is_complete(const Record& record) {
    return record.complete.load(std::memory_order_acquire);
}

// The other side may be between two instructions: it is given a chance to run, not a deadline. It
// may also be stopped by a debugger; then the rest of the story is told at the end.
bool completes_soon(const Record& record) {
    constexpr int chances = 1000;
    for (int i = 0; i < chances && !is_complete(record); ++i) ::sched_yield();
    return is_complete(record);
}

void print_once(Record& record) {
    if (record.printed) return;
    record.printed = true;
    print(line_for(record, ++state.story->printed_records));
}

void print_lost() {
    Story& story = *state.story;
    const std::size_t claimed = claimed_calls(story);
    if (claimed <= capacity + story.told_lost) return;
    print(line_for_lost(claimed - capacity - story.told_lost));
    story.told_lost = claimed - capacity;
}

}  // namespace

namespace detail {
bool enabled = false;
}

void enable(FdRef out, Options options) {
    void* memory =
        ::mmap(nullptr, sizeof(Story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) check(-1, "mmap", "the trace");
    state.story = new (memory) Story{};
    state.story->start = Clock::now();
    state.out = out;
    state.options = options;
    detail::enabled = true;
}

void set_role(const char* role) {
    state.role = role;
}

void flush() noexcept {
    if (!detail::enabled || state.behind_filter) return;
    try {
        for (Record& record : claimed_records()) {
            if (is_complete(record)) print_once(record);
        }
        print_lost();
    } catch (const std::exception&) {
        return;  // out of memory: the story ends here, the container goes on
    }
}

void flush_before_exec() noexcept {
    if (!detail::enabled || state.behind_filter) return;
    try {
        for (Record& record : claimed_records()) {
            if (!completes_soon(record)) return;
            print_once(record);
        }
    } catch (const std::exception&) {
        return;  // as in flush()
    }
}

void expect_filter() noexcept {
    if (!detail::enabled) return;
    flush_before_exec();
    state.filtered = ::getpid();
}

void obey_filter() noexcept {
    state.behind_filter = detail::enabled;
}

Step::Step(int chapter, const char* name, const char* why) noexcept
    : outer_chapter_(state.chapter), outer_name_(state.step), outer_why_(state.why) {
    state.chapter = chapter;
    state.step = name;
    state.why = why;
}

Step::~Step() {
    state.chapter = outer_chapter_;
    state.step = outer_name_;
    state.why = outer_why_;
}

Call::Call(std::string_view name, std::string_view arguments) noexcept {
    const Claim mine = claim(*state.story);
    if (mine.place >= capacity) return;
    record_ = &state.story->records[mine.place];
    record_->at = mine.at;
    record_->chapter = state.chapter;
    record_->pid = state.behind_filter ? state.filtered : ::getpid();
    record_->step = state.step;
    record_->why = state.why;
    record_->role = state.role;
    assign(record_->call, name);
    assign(record_->arguments, arguments);
    record_->begin = Clock::now();
}

void Call::finish(int error, std::string_view result) noexcept {
    if (record_ == nullptr) return;
    record_->end = Clock::now();
    record_->error = error;
    assign(record_->result, result);
    record_->complete.store(true, std::memory_order_release);
}

}  // namespace tenon::trace
