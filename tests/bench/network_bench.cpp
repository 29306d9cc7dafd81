// What chapter 05 does for one container, and nothing else: connected and disconnected again, in
// the network namespace that is named. tests/bench/network.py times it as a whole command.
//
//     network_bench STATE NETNS ID
#include <fcntl.h>

#include <cstdio>
#include <span>

#include "tenon/container_network.hpp"
#include "tenon/program.hpp"
#include "tenon/syscalls.hpp"

int main(int argc, char** argv) {
    const std::span<char*> words{argv, static_cast<std::size_t>(argc)};
    if (words.size() != 4) {
        std::fputs("usage: network_bench STATE NETNS ID\n", stderr);
        return 2;
    }
    return tenon::run_program("network_bench", [&] {
        const tenon::UniqueFd netns =
            tenon::sys::openat(tenon::FdRef::working_directory(), words[2], O_RDONLY);
        tenon::NetworkState state = tenon::NetworkState::open(words[1]);
        tenon::EndpointSpec endpoint{.id = words[3]};
        endpoint.ports.push_back(tenon::PortMapping::parse("0.0.0.0:18080:80"));
        state.connect({}, endpoint, netns).disconnect();
        return 0;
    });
}
