// run: create, start, and stay until it has ended; or leave at once.
#include "extensions.hpp"
#include "launch_options.hpp"
#include "notify_socket.hpp"
#include "tenon/joining.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/unfinished_file.hpp"
#include "tenon/unwritable.hpp"

namespace tenon::cli {

namespace {

// It tells our manager, while we are busy with the container.
std::optional<Child> teller_beside(const std::optional<ext::NotifyProxy>& proxy,
                                   const Child& first) {
    if (!proxy) return std::nullopt;
    return spawn({}, [&](SyncSocket& to_parent) {
        to_parent.close();
        proxy->forward(first.pidfd(), first.pid());
        return 0;
    });
}

// A program that never ran leaves no file with the pid of a dead process.
template <typename Start>
void start_or_forget(const std::string& pid_file, const Start& start) {
    try {
        start();
    } catch (...) {
        if (!pid_file.empty()) remove_file(FdRef::working_directory(), pid_file);
        throw;
    }
}

// As start, with what comes after it.
void start_and_leave(const NewContainer& made, const Global& global, const std::string& pid_file) {
    const ContainerRecord& record = made.container.record();
    const std::optional<ext::NotifyProxy> proxy =
        ext::NotifyProxy::open(global.root, record.id, notify_socket_of_caller());
    const UniqueFd first = sys::pidfd_open(record.pid);
    start_or_forget(pid_file, [&] { made.container.start(); });
    if (proxy) proxy->forward(first, record.pid);
}

int start_and_stay(NewContainer& made, Attention& attention, const Global& global,
                   const LaunchOptions& options) {
    const std::optional<ext::NotifyProxy> proxy =
        ext::NotifyProxy::open(global.root, made.container.record().id, notify_socket_of_caller());
    // A process of its own, which ends with this function.
    const std::optional<Child> teller = teller_beside(proxy, made.child);
    start_or_forget(options.pid_file, [&] { made.container.start_now(made.child); });
    const int code = stay_with(made.child, attention, std::move(made.terminal)).shell_code();
    if (!options.keep) remove_ended(global, made.container, true);
    return code;
}

}  // namespace

int run(const Global& global, Words words) {
    protect_own_binary(global.arguments);
    LaunchOptions options;
    const std::string id = only_id("run", take_options(words, run_table(options), Where::Anywhere));
    LaunchRequest request = request_from(global, options, id);
    close_leaked_descriptors(request);
    Bundle bundle = bundle_from(global, options);
    stay_at_terminal(request, options, bundle.spec);
    const ext::Wishes wishes = wishes_from(global, options, id, bundle.spec);
    const ext::Extensions extensions{bundle.spec, wishes};
    const ContainerRoot root = ContainerRoot::make(global.root);
    if (options.detach) {
        NewContainer made =
            Container::create(root, request, std::move(bundle), extensions.all(), Begin::AtGate);
        extensions.keep();
        or_remove(global, made.container, [&] { start_and_leave(made, global, options.pid_file); });
        return 0;
    }
    Attention attention;
    NewContainer made =
        Container::create(root, request, std::move(bundle), extensions.all(), Begin::AtOnce);
    extensions.keep();
    return or_remove(global, made.container,
                     [&] { return start_and_stay(made, attention, global, options); });
}

}  // namespace tenon::cli
