// A seccomp agent for tests: listens, takes one connection, receives one message with what came
// along, and answers calls.
#pragma once

#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tenon/error.hpp"
#include "tenon/fd.hpp"

namespace tenon::test {

class Agent {
  public:
    // What is answered to a call by its number: an errno; 0 and calls that are not here go on.
    using Answers = std::map<int, int>;

    explicit Agent(std::filesystem::path path) : path_(std::move(path)) {
        socket_ = UniqueFd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string folder = path_.parent_path().string();
        const UniqueFd open{::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
        const std::string name = "/proc/self/fd/" + std::to_string(open.ref().number()) + "/" +
                                 path_.filename().string();
        std::strncpy(address.sun_path, name.c_str(), sizeof address.sun_path - 1);
        check(::bind(number(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              "bind");
        check(::listen(number(), 4), "listen");
    }
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;
    ~Agent() {
        ::shutdown(number(), SHUT_RDWR);  // nobody came: accept(2) ends, too
        join();
    }

    // From now on, in a thread: one connection, then calls until nobody has the filter any more.
    void serve(Answers answers) {
        thread_ = std::thread{[this, answers = std::move(answers)] {
            receive();
            if (!listeners.empty()) answer_calls(answers);
        }};
    }
    // Takes one connection, and is gone.
    void hang_up() {
        thread_ = std::thread{[this] { ::close(::accept(number(), nullptr, nullptr)); }};
    }
    void join() {
        if (thread_.joinable()) thread_.join();
    }

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    // To be read after join().
    std::string message;
    std::vector<UniqueFd> listeners;
    std::size_t with_first_byte = 0;  // descriptors that came with it
    bool ended = false;               // the connection was closed by the other side
    std::map<int, int> asked;         // how often, by number

  private:
    [[nodiscard]] int number() const { return socket_.ref().number(); }

    void receive() {
        const UniqueFd peer{::accept4(number(), nullptr, nullptr, SOCK_CLOEXEC)};
        while (true) {
            std::array<char, 4096> text{};
            iovec part{text.data(), text.size()};
            alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> control{};
            msghdr header{};
            header.msg_iov = &part;
            header.msg_iovlen = 1;
            header.msg_control = control.data();
            header.msg_controllen = control.size();
            const long length = ::recvmsg(peer.ref().number(), &header, MSG_CMSG_CLOEXEC);
            if (length <= 0) {
                ended = length == 0;
                return;
            }
            if (message.empty()) with_first_byte = take(header);
            message.append(text.data(), static_cast<std::size_t>(length));
        }
    }
    std::size_t take(msghdr& header) {
        const cmsghdr* const rights = CMSG_FIRSTHDR(&header);
        if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS) return 0;
        const std::size_t count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int one = -1;
            std::memcpy(&one, CMSG_DATA(rights) + i * sizeof one, sizeof one);
            listeners.emplace_back(one);
        }
        return count;
    }
    void answer_calls(const Answers& answers) {
        const int listener = listeners.front().ref().number();
        while (true) {
            pollfd watched{listener, POLLIN, 0};
            ::poll(&watched, 1, -1);
            if ((watched.revents & POLLIN) == 0) return;  // POLLHUP: the last one has ended
            seccomp_notif call{};
            if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
            ++asked[call.data.nr];
            const auto found = answers.find(call.data.nr);
            const int error = found == answers.end() ? 0 : found->second;
            seccomp_notif_resp answer{
                call.id, 0, -error,
                static_cast<__u32>(error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0)};
            ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        }
    }

    std::filesystem::path path_;
    UniqueFd socket_;
    std::thread thread_;
};

}  // namespace tenon::test
