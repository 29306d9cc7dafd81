// A conversation with the kernel over a socket: one message goes out, one or many come back, the
// last of which says how it went. With NETLINK_EXT_ACK the kernel adds a sentence to its errno, and
// that is what a user needs: EINVAL alone has forty reasons. netlink(7)
#include <fcntl.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <span>

#include "netlink_answer.hpp"
#include "tenon/error.hpp"
#include "tenon/links.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

// The kernel's answers in a dump are up to 32 KiB long, whatever the page size. linux: netlink_dump
constexpr std::size_t largest_answer = 32768;

struct CloseSocket {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};

// What is being asked, for errors and for the trace.
struct Request {
    std::string_view call;
    std::string_view subject;
};

// How a request ended.
struct Outcome {
    int error = 0;
    std::string sentence;  // the kernel's own; may be empty
};

std::string_view message_name(std::uint16_t type) {
    switch (type) {
        case RTM_NEWLINK: return "RTM_NEWLINK";
        case RTM_DELLINK: return "RTM_DELLINK";
        case RTM_GETLINK: return "RTM_GETLINK";
        case RTM_NEWADDR: return "RTM_NEWADDR";
        case RTM_GETADDR: return "RTM_GETADDR";
        case RTM_NEWROUTE: return "RTM_NEWROUTE";
        case RTM_GETROUTE: return "RTM_GETROUTE";
        default: return "netlink";
    }
}

void switch_on(mnl_socket& socket, int option) {
    int on = 1;
    check(mnl_socket_setsockopt(&socket, option, &on, sizeof on), "setsockopt", "netlink");
}

// The sentence among the attributes that begin at @p offset of an answer.
std::string sentence_at(const nlmsghdr& answer, std::size_t offset) {
    std::string sentence;
    if ((answer.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return sentence;
    for_each_attribute(answer, offset, [&](const nlattr& attribute) {
        if (mnl_attr_get_type(&attribute) == NLMSGERR_ATTR_MSG) sentence = text_of(attribute);
    });
    return sentence;
}

// Both kinds of last message begin with a negative errno.
int error_of(const nlmsghdr& answer) {
    return -header_of<int>(answer);
}

// NLMSG_ERROR, which is also the acknowledgement. NETLINK_CAP_ACK leaves out what we sent, all but
// its header: so the attributes are where nlmsgerr ends.
Outcome outcome_of_error(const nlmsghdr& answer) {
    return {error_of(answer), sentence_at(answer, sizeof(nlmsgerr))};
}

Outcome outcome_of_done(const nlmsghdr& answer) {
    return {error_of(answer), sentence_at(answer, sizeof(int))};
}

[[noreturn]] void refuse(const Request& request, const Outcome& outcome) {
    const bool blank = request.subject.empty() || outcome.sentence.empty();
    throw SysError(outcome.error, request.call,
                   fmt::format("{}{}{}", request.subject, blank ? "" : " ",
                               outcome.sentence.empty() ? "" : "(" + outcome.sentence + ")"));
}

}  // namespace

// The socket with what a conversation needs.
class Netlink::Socket {
  public:
    explicit Socket(int protocol);
    [[nodiscard]] mnl_socket& handle() const { return *handle_; }
    Outcome converse(nlmsghdr& message, std::vector<std::byte>& answers);
    bool await_news();

  private:
    std::size_t receive();
    [[nodiscard]] bool is_ours(const nlmsghdr& answer) const;
    std::optional<Outcome> take(std::size_t size, std::vector<std::byte>& answers);

    std::unique_ptr<mnl_socket, CloseSocket> handle_;
    std::uint32_t sequence_ = 0;  // of the last request; answers to others are not for us
    alignas(nlmsghdr) std::array<std::byte, largest_answer> buffer_{};
    bool interrupted_ = false;
};

Netlink::Socket::Socket(int protocol) : handle_(mnl_socket_open2(protocol, SOCK_CLOEXEC)) {
    check(handle_ ? 0 : -1, "socket", "netlink");
    check(mnl_socket_bind(handle_.get(), 0, MNL_SOCKET_AUTOPID), "bind", "netlink");
    switch_on(*handle_, NETLINK_EXT_ACK);
    switch_on(*handle_, NETLINK_CAP_ACK);
    // Or the kernel ignores what it does not know in a question, and answers another one.
    switch_on(*handle_, NETLINK_GET_STRICT_CHK);
}

// A signal handler may run in between: the answer is still to come.
std::size_t Netlink::Socket::receive() {
    while (true) {
        try {
            return static_cast<std::size_t>(
                check(mnl_socket_recvfrom(handle_.get(), buffer_.data(), buffer_.size()), "recvmsg",
                      "netlink"));
        } catch (const SysError& error) {
            if (error.error() != EINTR) throw;
        }
    }
}

bool Netlink::Socket::is_ours(const nlmsghdr& answer) const {
    // By hand: mnl_nlmsg_seq_ok() takes news, which have no number, for an answer to everything.
    return answer.nlmsg_seq == sequence_ &&
           mnl_nlmsg_portid_ok(&answer, mnl_socket_get_portid(handle_.get()));
}

// Keeps the answers in what was received; the outcome, when the last one is among them.
std::optional<Outcome> Netlink::Socket::take(std::size_t size, std::vector<std::byte>& answers) {
    int left = static_cast<int>(size);
    const void* at = buffer_.data();
    for (auto* answer = static_cast<const nlmsghdr*>(at); mnl_nlmsg_ok(answer, left);
         answer = mnl_nlmsg_next(answer, &left)) {
        if (!is_ours(*answer)) continue;
        interrupted_ = interrupted_ || (answer->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (answer->nlmsg_type == NLMSG_ERROR) return outcome_of_error(*answer);
        if (answer->nlmsg_type == NLMSG_DONE) return outcome_of_done(*answer);
        const auto bytes = std::as_bytes(std::span{answer, 1});
        answers.insert(answers.end(), bytes.data(), bytes.data() + MNL_ALIGN(answer->nlmsg_len));
    }
    return {};
}

// One request with all its answers. A dump comes in pieces, and what changes between two of them
// may be in neither or in both: the kernel says so, and we begin again.
Outcome Netlink::Socket::converse(nlmsghdr& message, std::vector<std::byte>& answers) {
    constexpr int tries = 64;
    for (int i = 0; i < tries; ++i) {
        answers.clear();
        interrupted_ = false;
        message.nlmsg_seq = ++sequence_;
        check(mnl_socket_sendto(handle_.get(), &message, message.nlmsg_len), "sendto", "netlink");
        std::optional<Outcome> outcome;
        while (!outcome) outcome = take(receive(), answers);
        if (!interrupted_) return *outcome;
    }
    return {EAGAIN, "it changes faster than it can be read"};
}

// Whatever it is: who waits asks again.
bool Netlink::Socket::await_news() {
    constexpr std::chrono::seconds patience{2};
    const FdRef socket{mnl_socket_get_fd(handle_.get())};
    if (!sys::poll_for_input(socket, patience)) return false;
    receive();
    return true;
}

Netlink::Netlink(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}
Netlink::Netlink(Netlink&&) noexcept = default;
Netlink& Netlink::operator=(Netlink&&) noexcept = default;
Netlink::~Netlink() = default;

Netlink Netlink::open() {
    return Netlink{std::make_unique<Socket>(NETLINK_ROUTE)};
}

Netlink Netlink::open_netfilter() {
    return Netlink{std::make_unique<Socket>(NETLINK_NETFILTER)};
}

namespace {

// Back in the namespace where we were, whatever happens meanwhile. If that is refused, the process
// ends (a destructor does not throw): anywhere else it would go on to configure the wrong host.
class Excursion {
  public:
    explicit Excursion(FdRef netns)
        : home_(sys::openat(FdRef::working_directory(), "/proc/self/ns/net", O_RDONLY)) {
        sys::setns(netns, CLONE_NEWNET, "network namespace");
    }
    Excursion(const Excursion&) = delete;
    Excursion& operator=(const Excursion&) = delete;
    ~Excursion() { sys::setns(home_, CLONE_NEWNET, "our own network namespace"); }

  private:
    UniqueFd home_;
};

}  // namespace

Netlink Netlink::open_in(FdRef netns) {
    const Excursion there{netns};
    return open();
}

void Netlink::ask(nlmsghdr& message, std::string_view call, std::string_view subject,
                  const Each& each) const {
    std::vector<std::byte> answers;
    const bool dump = (message.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (!dump) message.nlmsg_flags |= NLM_F_ACK;
    std::optional<trace::Call> record;
    if (trace::enabled()) {
        record.emplace(message_name(message.nlmsg_type), fmt::format("{} {}", call, subject));
    }
    const Outcome outcome = socket_->converse(message, answers);
    if (record) record->finish(outcome.error, outcome.sentence.empty() ? "0" : outcome.sentence);
    if (outcome.error != 0) refuse({call, subject}, outcome);
    int left = static_cast<int>(answers.size());
    const void* at = answers.data();
    for (auto* answer = static_cast<const nlmsghdr*>(at); mnl_nlmsg_ok(answer, left);
         answer = mnl_nlmsg_next(answer, &left)) {
        each(*answer);
    }
}

void Netlink::request(nlmsghdr& message, std::string_view call, std::string_view subject) const {
    ask(message, call, subject, [](const nlmsghdr&) {});
}

namespace {

// The news of devices, while it lives. They come in between answers, which know their question.
class Subscription {
  public:
    explicit Subscription(mnl_socket& socket) : socket_(socket) {
        int group = RTNLGRP_LINK;
        check(mnl_socket_setsockopt(&socket_, NETLINK_ADD_MEMBERSHIP, &group, sizeof group),
              "setsockopt", "netlink");
    }
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription() {
        int group = RTNLGRP_LINK;
        mnl_socket_setsockopt(&socket_, NETLINK_DROP_MEMBERSHIP, &group, sizeof group);
    }

  private:
    mnl_socket& socket_;
};

}  // namespace

void Netlink::wait_for_link(const std::function<bool()>& is_reached, std::string_view call,
                            std::string_view subject) const {
    const Subscription news{socket_->handle()};
    while (!is_reached()) {
        if (!socket_->await_news()) throw SysError(ETIMEDOUT, call, subject);
    }
}

}  // namespace tenon
