// Whole messages, descriptors alongside, and end of file as the news that the other side is gone.
#include "tenon/sync_socket.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "tenon/error.hpp"
#include "tenon/todo.hpp"

namespace tenon {

namespace {

constexpr std::size_t max_text = 4000;
using ControlBuffer = std::array<char, CMSG_SPACE(sizeof(int))>;

void attach_fd(msghdr& header, ControlBuffer& control, FdRef fd) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = fd.number();
    std::memcpy(CMSG_DATA(part), &number, sizeof number);
}

UniqueFd received_fd(msghdr& header) {
    const cmsghdr* part = CMSG_FIRSTHDR(&header);
    if (part == nullptr || part->cmsg_type != SCM_RIGHTS) return {};
    int number = -1;
    std::memcpy(&number, CMSG_DATA(part), sizeof number);
    return UniqueFd{number};
}

// The encoding of an exception: type, errno, call, subject, parted by NUL, which none contains.
constexpr char system_error = 'S';
constexpr char not_implemented = 'N';
constexpr char other_error = 'E';

std::string encode(const std::exception_ptr& error) {
    const auto join = [](char type, int number, std::string_view call, std::string_view subject) {
        return fmt::format("{}{}{}{}{}{}{}", type, '\0', number, '\0', call, '\0', subject);
    };
    try {
        std::rethrow_exception(error);
    } catch (const SysError& e) {
        return join(system_error, e.error(), e.call(), e.subject());
    } catch (const NotImplemented& e) {
        return join(not_implemented, 0, e.exercise_id(), {});
    } catch (const std::exception& e) {
        return join(other_error, 0, e.what(), {});
    } catch (...) {
        return join(other_error, 0, "an exception that is not a std::exception", {});
    }
}

std::vector<std::string> split_fields(std::string_view text) {
    std::vector<std::string> fields;
    while (fields.size() < 3) {
        const auto end = text.find('\0');
        fields.emplace_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    fields.emplace_back(text);
    return fields;
}

}  // namespace

std::pair<SyncSocket, SyncSocket> SyncSocket::make_pair() {
    std::array<int, 2> ends{};
    check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
    return {SyncSocket{UniqueFd{ends[0]}}, SyncSocket{UniqueFd{ends[1]}}};
}

void SyncSocket::send(SyncKind kind, std::string_view text, std::optional<FdRef> fd) const {
    std::array<iovec, 2> parts{};
    parts[0] = {&kind, sizeof kind};
    parts[1] = {const_cast<char*>(text.data()), std::min(text.size(), max_text)};
    msghdr header{};
    header.msg_iov = parts.data();
    header.msg_iovlen = parts.size();
    alignas(cmsghdr) ControlBuffer control{};
    if (fd) attach_fd(header, control, *fd);
    const long sent = ::sendmsg(fd_.ref().number(), &header, MSG_NOSIGNAL);
    // A peer that died with our last message unread: gone is gone.
    if (sent < 0 && errno == ECONNRESET) errno = EPIPE;
    check(sent, "sendmsg", "the sync socket");
}

std::optional<SyncMessage> SyncSocket::receive() const {
    SyncMessage message;
    std::array<char, max_text> text{};
    std::array<iovec, 2> parts{};
    parts[0] = {&message.kind, sizeof message.kind};
    parts[1] = {text.data(), text.size()};
    alignas(cmsghdr) ControlBuffer control{};
    msghdr header{};
    header.msg_iov = parts.data();
    header.msg_iovlen = parts.size();
    header.msg_control = control.data();
    // Not CMSG_SPACE: its padding has room for a second descriptor, which nobody would close.
    header.msg_controllen = CMSG_LEN(sizeof(int));
    long length = 0;
    do {
        length = ::recvmsg(fd_.ref().number(), &header, MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    // A peer that died with our message unread resets the connection: also an end.
    if (length < 0 && errno == ECONNRESET) return std::nullopt;
    check(length, "recvmsg", "the sync socket");
    // First of all: a descriptor is ours, and to be closed, whatever the message turns out to be.
    message.fd = received_fd(header);
    if (length == 0) return std::nullopt;
    message.text.assign(text.data(), static_cast<std::size_t>(length) - sizeof message.kind);
    return message;
}

SyncMessage SyncSocket::expect(SyncKind kind) const {
    std::optional<SyncMessage> message = receive();
    if (!message) throw SysError(EPIPE, "recvmsg", "the sync socket (the other side ended)");
    if (message->kind == SyncKind::Failed) rethrow_failure(*message);
    if (message->kind != kind) throw SysError(EPROTO, "recvmsg", "the sync socket");
    return std::move(*message);
}

bool SyncSocket::peer_closed() const noexcept {
    // recv(MSG_PEEK) would not do: a message or an error that waits to be fetched hides the end.
    pollfd watched{fd_.ref().number(), 0, 0};
    return ::poll(&watched, 1, 0) == 1 && (watched.revents & POLLHUP) != 0;
}

void SyncSocket::send_failure(const std::exception_ptr& error) const noexcept {
    try {
        send(SyncKind::Failed, encode(error));
    } catch (const std::exception&) {
        return;  // the parent is gone: nobody is left to tell
    }
}

void rethrow_failure(const SyncMessage& message) {
    const std::vector<std::string> fields = split_fields(message.text);
    int error = 0;
    std::from_chars(fields[1].data(), fields[1].data() + fields[1].size(), error);
    switch (fields[0].empty() ? other_error : fields[0].front()) {
        case system_error: throw SysError(error, fields[2], fields[3]);
        case not_implemented: throw NotImplemented(fields[2]);
        default: throw std::runtime_error(fields[2]);
    }
}

}  // namespace tenon
