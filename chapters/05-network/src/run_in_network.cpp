// A connection around a container's life: made while it waits, removed in any case.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <random>

#include "tenon/ending.hpp"
#include "tenon/error.hpp"
#include "tenon/log.hpp"
#include "tenon/network_options.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

EndpointSpec endpoint_spec(const NetworkOptions& options) {
    std::random_device random;
    return {fmt::format("tenon-{}-{:08x}", ::getpid(), random()), options.ports, options.address,
            options.address6};
}

UniqueFd network_namespace(const Child& child) {
    return sys::openat(FdRef::working_directory(), fmt::format("/proc/{}/ns/net", child.pid()),
                       O_RDONLY);
}

// What goes wrong after the command has ended is told, and does not change how it ended.
void disconnect(Endpoint& endpoint) {
    try {
        endpoint.disconnect();
    } catch (const std::exception& error) {
        Log{FdRef{STDERR_FILENO}}.warning(error.what());
    }
}

}  // namespace

int run_in_network(const NetworkOptions& options, const NamespaceOptions& namespaces,
                   const CgroupOptions& cgroup, const ChildMain& child_main) {
    if (options.mode != NetworkMode::Bridge) return run_in_cgroup(namespaces, cgroup, child_main);
    const EndingSignals signals;  // from before the endpoint is made until it is gone
    NetworkState state = NetworkState::open(options.state);
    std::optional<Endpoint> endpoint;
    const int code = run_in_cgroup(namespaces, cgroup, child_main, [&](const Child& child) {
        endpoint.emplace(
            state.connect(options.network, endpoint_spec(options), network_namespace(child)));
    });
    if (endpoint) disconnect(*endpoint);
    return code;
}

}  // namespace tenon
