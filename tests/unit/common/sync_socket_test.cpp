#include "tenon/sync_socket.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iterator>
#include <vector>

#include "catch.hpp"
#include "descriptors.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/todo.hpp"

namespace tenon::test {

namespace {

// Both ends, with the number of the second: a peer that does not keep to our protocol.
struct Pair {
    SyncSocket ours;
    SyncSocket theirs;
    int their_number = -1;
};

Pair make_sync_pair() {
    const auto before = open_descriptors();
    auto [ours, theirs] = SyncSocket::make_pair();
    const auto after = open_descriptors();
    std::vector<int> added;
    std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                        std::back_inserter(added));
    return {std::move(ours), std::move(theirs), added.at(1)};
}

// Sends `bytes` with copies of standard error's descriptor, by hand.
void send_raw(const Pair& pair, std::string bytes, std::size_t descriptors) {
    const std::vector<int> numbers(descriptors, STDERR_FILENO);
    alignas(cmsghdr) std::array<char, CMSG_SPACE(8 * sizeof(int))> control{};
    iovec part{bytes.data(), bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = CMSG_LEN(descriptors * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    *rights = {CMSG_LEN(descriptors * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    std::memcpy(CMSG_DATA(rights), numbers.data(), descriptors * sizeof(int));
    REQUIRE(::sendmsg(pair.their_number, &header, MSG_NOSIGNAL) == static_cast<long>(bytes.size()));
}

// What the parent catches when the child throws `error`.
template <typename Error>
std::exception_ptr carried(const Error& error) {
    const Pair pair = make_sync_pair();
    pair.theirs.send_failure(std::make_exception_ptr(error));
    try {
        pair.ours.expect(SyncKind::Go);
    } catch (...) {
        return std::current_exception();
    }
    return nullptr;
}

std::string carried_text(const auto& error) {
    try {
        std::rethrow_exception(carried(error));
    } catch (const std::runtime_error& e) {  // SysError is one, too
        return dynamic_cast<const SysError*>(&e) == nullptr ? e.what() : "a SysError";
    }
}

}  // namespace

TEST_CASE("make_pair gives two sockets that keep messages whole, close-on-exec") {
    const auto before = open_descriptors();
    const auto [ours, theirs] = SyncSocket::make_pair();
    CHECK(ours.open());
    CHECK(theirs.open());
    CHECK_FALSE(SyncSocket{}.open());
    for (const int number : open_descriptors()) {
        if (before.contains(number)) continue;
        int type = 0;
        socklen_t size = sizeof type;
        CHECK(::getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &size) == 0);
        CHECK(type == SOCK_SEQPACKET);
        CHECK(is_cloexec(number));
    }
    CHECK(open_descriptors().size() == before.size() + 2);
}

TEST_CASE("SyncSocket carries each kind, in order and apart from the next") {
    const auto [ours, theirs] = SyncSocket::make_pair();
    theirs.send(SyncKind::Go);
    theirs.send(SyncKind::Spawned, "4711");
    theirs.send(SyncKind::Failed, "text");
    const std::pair<SyncKind, std::string> expected[] = {
        {SyncKind::Go, ""}, {SyncKind::Spawned, "4711"}, {SyncKind::Failed, "text"}};
    for (const auto& [kind, text] : expected) {
        const auto message = ours.receive();
        REQUIRE(message);
        CHECK(message->kind == kind);
        CHECK(message->text == text);
        CHECK_FALSE(message->fd.valid());
    }
}

TEST_CASE("SyncSocket carries any bytes up to 4000 and cuts there") {
    const auto [ours, theirs] = SyncSocket::make_pair();
    const std::string mixed{"a\0b\n\xC3\xBC\xFF", 7};
    const std::string full = random_name(4000);
    for (const std::string& text : {mixed, full, full + "more"}) {
        theirs.send(SyncKind::Spawned, text);
        CHECK(ours.expect(SyncKind::Spawned).text == text.substr(0, 4000));
    }
}

TEST_CASE("SyncSocket passes a descriptor: the same file, close-on-exec, once") {
    const auto [ours, theirs] = SyncSocket::make_pair();
    const Ends pipe = make_test_pipe();
    const auto before = open_descriptors();
    theirs.send(SyncKind::Spawned, "with", pipe.first.ref());
    {
        const SyncMessage message = ours.expect(SyncKind::Spawned);
        REQUIRE(message.fd.valid());
        CHECK(message.text == "with");
        CHECK(is_cloexec(message.fd));
        CHECK(message.fd.ref().number() != pipe.first.ref().number());
        CHECK(sys::fstat(message.fd).st_ino == sys::fstat(pipe.first).st_ino);
        CHECK(open_descriptors().size() == before.size() + 1);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("SyncSocket delivers what was sent, then end of file") {
    auto [ours, theirs] = SyncSocket::make_pair();
    theirs.send(SyncKind::Go);
    theirs.close();
    CHECK_FALSE(theirs.open());
    CHECK(ours.receive().has_value());
    CHECK_FALSE(ours.receive().has_value());
    CHECK_FALSE(ours.receive().has_value());
    CHECK(refusal([&ours = ours] { ours.expect(SyncKind::Go); }) ==
          "recvmsg the sync socket (the other side ended): EPIPE");
}

TEST_CASE("a peer that dies with our message unread is an end of file") {
    auto [ours, theirs] = SyncSocket::make_pair();
    ours.send(SyncKind::Go);
    theirs.close();
    SECTION("to receive") {
        CHECK_FALSE(ours.receive().has_value());
    }
    SECTION("to expect") {
        CHECK(refusal([&ours = ours] { ours.expect(SyncKind::Go); }).ends_with("EPIPE"));
    }
    SECTION("to send") {
        CHECK(refusal([&ours = ours] { ours.send(SyncKind::Go); }) ==
              "sendmsg the sync socket: EPIPE");
    }
    SECTION("to peer_closed") {
        CHECK(ours.peer_closed());
    }
}

TEST_CASE("expect refuses another kind") {
    const auto [ours, theirs] = SyncSocket::make_pair();
    theirs.send(SyncKind::Spawned, "1");
    CHECK(refusal([&ours = ours] { ours.expect(SyncKind::Go); }) ==
          "recvmsg the sync socket: EPROTO");
}

TEST_CASE("send to nobody is EPIPE and no SIGPIPE") {
    const Forked process = run_forked([] {
        std::signal(SIGPIPE, SIG_DFL);
        auto [ours, theirs] = SyncSocket::make_pair();
        theirs.close();
        say(refusal([&ours = ours] { ours.send(SyncKind::Go); }));
        ours.send_failure(std::make_exception_ptr(std::runtime_error("unheard")));
        return 7;
    });
    CHECK(process.out == "sendmsg the sync socket: EPIPE");
    CHECK(process.status == ExitStatus::exited(7));
}

TEST_CASE("peer_closed sees the end, whatever is still unread, and takes nothing") {
    auto [ours, theirs] = SyncSocket::make_pair();
    CHECK_FALSE(ours.peer_closed());
    theirs.send(SyncKind::Go, "unread");
    CHECK_FALSE(ours.peer_closed());
    theirs.close();
    CHECK(ours.peer_closed());
    CHECK(ours.expect(SyncKind::Go).text == "unread");
    CHECK(ours.peer_closed());
}

TEST_CASE("SysError travels whole") {
    const SysError sent(ENOTTY, "ioctl", "a path\nwith lines and\ttabs \xC3\xBC");
    try {
        std::rethrow_exception(carried(sent));
    } catch (const SysError& got) {
        CHECK(got.error() == ENOTTY);
        CHECK(got.call() == "ioctl");
        CHECK(got.subject() == sent.subject());
        CHECK(std::string{got.what()} == sent.what());
    }
    using namespace std::string_literals;
    CHECK_THROWS_AS(std::rethrow_exception(carried(SysError(EPERM, "clone3"))), SysError);
    try {
        std::rethrow_exception(carried(SysError(EINVAL, "write", "file <- a\0b"s)));
    } catch (const SysError& got) {
        CHECK(got.subject() == "file <- a\0b"s);
    }
}

TEST_CASE("NotImplemented travels with its exercise") {
    try {
        std::rethrow_exception(carried(NotImplemented("03.2")));
    } catch (const NotImplemented& got) {
        CHECK(got.exercise_id() == "03.2");
        CHECK(std::string{got.what()} == NotImplemented("03.2").what());
        return;
    }
    FAIL("another exception");
}

TEST_CASE("any other exception travels with its text") {
    CHECK(carried_text(std::out_of_range("two\nlines")) == "two\nlines");
    CHECK(carried_text(std::runtime_error("")).empty());
    CHECK(carried_text(42) == "an exception that is not a std::exception");
}

TEST_CASE("a malformed failure is still a failure") {
    for (const char* text : {"", "S", "N", "?", "E"}) {
        SyncMessage message;
        message.kind = SyncKind::Failed;
        message.text = text;
        CHECK_THROWS_AS(rethrow_failure(message), std::exception);
    }
}

TEST_CASE("a descriptor that came with the wrong message is closed") {
    const Pair pair = make_sync_pair();
    const auto before = open_descriptors();
    const auto refused = [&] {
        CHECK_THROWS_AS(pair.ours.expect(SyncKind::Go), std::runtime_error);
        return open_descriptors() == before;
    };
    using namespace std::string_literals;
    SECTION("another kind") {
        pair.theirs.send(SyncKind::Spawned, "1", FdRef{STDERR_FILENO});
        CHECK(refused());
    }
    SECTION("a failure") {
        pair.theirs.send(SyncKind::Failed, "E\0000\0text"s, FdRef{STDERR_FILENO});
        CHECK(refused());
    }
    SECTION("a kind that does not exist") {
        send_raw(pair, "\x77text", 1);
        CHECK(refused());
    }
    SECTION("a message without a kind") {
        send_raw(pair, "", 1);
        CHECK(refused());
    }
    SECTION("more descriptors than the one of our protocol") {
        for (const std::size_t count : {2U, 3U, 8U}) {
            send_raw(pair, "\x01", count);
            CHECK(refused());
        }
    }
}

}  // namespace tenon::test
