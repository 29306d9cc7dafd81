/// @file
/// What parent and child say to each other between clone and exec.
///
///     parent                         joiner (only with --join)          child
///       | -- clone3 ------------------------------------------------->  |
///       | -- Go (after a prepare step, or when a joiner made it) ---->  |
///       |                                | -- Spawned + pidfd -> parent |
///       | <- Failed {errno, call, subject} ----------------------------  |
///       | <- end of file: the socket closed, by exec or by exit -------  |
///
/// A child that is to wait once more says so by Ready, and goes on with the next Go: chapter 10.
///
/// A SOCK_SEQPACKET pair keeps messages whole, passes descriptors (\man{unix,7}, SCM_RIGHTS), and
/// reports the death of the other side as end of file, so nobody waits for the dead.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tenon/fd.hpp"

namespace tenon {

/// What a message says.
enum class SyncKind : std::uint8_t {
    Go,       ///< parent to child: what you had to wait for is done
    Spawned,  ///< joiner to parent: text is the pid, the descriptor its pidfd
    Failed,   ///< child to parent: text is an encoded exception
    Ready,    ///< child to parent: I wait for another Go; text says what is done
};

/// One message, whole.
struct SyncMessage {
    SyncKind kind = SyncKind::Go;
    std::string text;
    UniqueFd fd;  ///< valid when the message carried one
};

/// One end of the pair.
class SyncSocket {
  public:
    /// @throws SysError  socketpair: EMFILE, ENFILE
    static std::pair<SyncSocket, SyncSocket> make_pair();

    SyncSocket() = default;
    /// One end of a connection between strangers. @param socket  SOCK_SEQPACKET, connected
    static SyncSocket over(UniqueFd socket) { return SyncSocket{std::move(socket)}; }

    /// @param text  at most 4000 bytes (longer is cut)
    /// @throws SysError  sendmsg: EPIPE when the other side is gone
    void send(SyncKind kind, std::string_view text = {}, std::optional<FdRef> fd = {}) const;

    /// The next message, or nothing at end of file. @throws SysError  recvmsg
    [[nodiscard]] std::optional<SyncMessage> receive() const;

    /// Waits for a message of @p kind. @throws what the other side sent as Failed
    /// @throws SysError  recvmsg: EPIPE when the other side ended, EPROTO for another message
    // NOLINTNEXTLINE(modernize-use-nodiscard): that it came is often all that matters
    SyncMessage expect(SyncKind kind) const;

    /// Sends @p error as Failed: SysError and NotImplemented arrive as themselves, any other
    /// exception as std::runtime_error with its text. Never throws: a lost parent hears nothing.
    void send_failure(const std::exception_ptr& error) const noexcept;

    /// Whether the other end is closed: its process ended, or let go of it. Does not wait.
    [[nodiscard]] bool peer_closed() const noexcept;

    void close() noexcept { fd_.reset(); }
    [[nodiscard]] bool open() const { return fd_.valid(); }
    /// To wait for with others: readable when there is a message or the end of file.
    [[nodiscard]] FdRef fd() const { return fd_; }

  private:
    explicit SyncSocket(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

/// Throws the exception that a Failed message carries.
[[noreturn]] void rethrow_failure(const SyncMessage& message);

}  // namespace tenon
