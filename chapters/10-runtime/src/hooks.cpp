// A hook is a program of somebody else's with our rights: what it gets is said by the config, how
// long it may take is said by the config, and that it failed is said by us.
#include "tenon/hooks.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "tenon/error.hpp"
#include "tenon/helper.hpp"
#include "tenon/messages.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

std::string end_of(const HelperResult& result) {
    if (result.timed_out) return "timed out, and was killed";
    const int signal = result.status.signal();
    return signal != 0 ? fmt::format("ended by signal {}", signal)
                       : fmt::format("exit status {}", result.status.shell_code());
}

std::string trimmed(std::string_view text) {
    const std::size_t last = text.find_last_not_of(" \n\t");
    return std::string{text.substr(0, last == std::string_view::npos ? 0 : last + 1)};
}

[[noreturn]] void fail(std::string_view list, std::size_t index, const oci::Hook& hook,
                       const std::string& why) {
    throw HookFailed(fmt::format("error running {} hook #{}: {}: {}", list, index, hook.path, why));
}

// What all hooks of one list are given.
struct Given {
    std::string_view state;
    FdRef folder;
    const EndingSignals* signals = nullptr;
};

void run_hook(std::string_view list, std::size_t index, const oci::Hook& hook, const Given& given) {
    Helper helper{.path = hook.path,
                  .argv = hook.args,
                  .environment = hook.env,
                  .input = given.state,
                  .folder = given.folder,
                  .signals = given.signals};
    if (hook.timeout) helper.timeout = std::chrono::seconds{*hook.timeout};
    HelperResult result;
    try {
        result = run_helper(helper);
    } catch (const SysError& error) {
        fail(list, index, hook, error.what());
    }
    if (result.status.success() && !result.timed_out) return;
    const std::string said = trimmed(result.output);
    fail(list, index, hook, end_of(result) + (said.empty() ? "" : ": " + said));
}

}  // namespace

std::vector<oci::Hook> with_environment(std::vector<oci::Hook> hooks,
                                        const std::vector<std::string>& environment) {
    for (oci::Hook& each : hooks) {
        if (each.env.empty()) each.env = environment;
    }
    return hooks;
}

void run_hooks(std::string_view list, const std::vector<oci::Hook>& hooks, std::string_view state,
               FdRef folder, const EndingSignals* signals) {
    if (hooks.empty()) return;
    const trace::Step step{10, "run hooks", "programs that the config names for this moment"};
    const Given given{.state = state, .folder = folder, .signals = signals};
    for (std::size_t i = 0; i < hooks.size(); ++i) run_hook(list, i, hooks[i], given);
}

void run_hooks_anyway(std::string_view list, const std::vector<oci::Hook>& hooks,
                      std::string_view state) {
    for (std::size_t i = 0; i < hooks.size(); ++i) {
        try {
            run_hook(list, i, hooks[i], {.state = state, .folder = {}});
        } catch (const HookFailed& error) {
            tell_warning(error.what());
        }
    }
}

}  // namespace tenon
