// trusting_service ADDRESS PORT [FRIEND]: a decoy that believes what a packet says of its sender.
//
// Many services do: a database with `trust` for one address, a cache, an admin port that listens on
// 127.0.0.1 "because only this machine reaches that". This one answers nothing. For each datagram
// it prints `granted TEXT` when it came from FRIEND, or from anybody when there is none, else
// `refused TEXT`. The text `end` ends it, and so do ten seconds.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

int listen_on(const char* address, int port) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(static_cast<std::uint16_t>(port));
    const int service = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (::inet_pton(AF_INET, address, &where.sin_addr) != 1 ||
        ::bind(service, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
        std::perror(address);
        std::exit(1);
    }
    return service;
}

std::string name_of(const sockaddr_in& sender) {
    std::array<char, INET_ADDRSTRLEN> name{};
    ::inet_ntop(AF_INET, &sender.sin_addr, name.data(), name.size());
    return name.data();
}

void say(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3 && argc != 4) {
        std::fprintf(stderr, "usage: trusting_service ADDRESS PORT [FRIEND]\n");
        return 2;
    }
    ::alarm(10);
    const int service = listen_on(argv[1], std::atoi(argv[2]));
    say("ready");
    for (std::string text; text != "end";) {
        std::array<char, 100> bytes{};
        sockaddr_in sender{};
        socklen_t size = sizeof sender;
        const ssize_t got = ::recvfrom(service, bytes.data(), bytes.size(), 0,
                                       reinterpret_cast<sockaddr*>(&sender), &size);
        if (got < 0) return 1;
        text.assign(bytes.data(), static_cast<std::size_t>(got));
        const bool friendly = argc == 3 || name_of(sender) == argv[3];
        say((friendly ? "granted " : "refused ") + text);
    }
    return 0;
}
