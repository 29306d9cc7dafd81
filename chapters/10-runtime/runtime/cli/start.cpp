// start: through the gate; and where a manager waits for it, until the program is ready.
#include "launch_options.hpp"
#include "notify_socket.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::cli {

int start(const Global& global, Words words) {
    const Container container =
        load(global, only_id("start", take_options(words, {}, Where::Anywhere)));
    const std::string manager = notify_socket_of_caller();
    if (manager.empty()) {
        container.start();
        return 0;
    }
    const ContainerRecord& record = container.record();
    // A second start must not take the socket of the first.
    require(container.status(), Operation::Start, record.id);
    const std::optional<ext::NotifyProxy> proxy =
        ext::NotifyProxy::open(global.root, record.id, manager);
    const UniqueFd first = sys::pidfd_open(record.pid);
    container.start();
    if (proxy) proxy->forward(first, record.pid);
    return 0;
}

}  // namespace tenon::cli
