// restore: a container that is made of the images of checkpoint, and runs on.
#include "checkpoint_options.hpp"
#include "criu.hpp"
#include "extensions.hpp"
#include "launch_options.hpp"
#include "refusals.hpp"
#include "tenon/joining.hpp"

namespace tenon::cli {

namespace {

struct RestoreWords {
    CriuWords criu;
    LaunchOptions launch;
    std::string lsm_profile;
    std::string lsm_mount_context;
};

std::vector<Option> table_for(RestoreWords& words) {
    std::vector<Option> table = criu_table(words.criu);
    LaunchOptions& launch = words.launch;
    table.push_back(bundle_option(launch));
    table.push_back(pid_file_option(launch));
    table.push_back(console_socket_option(launch));
    table.push_back(detach_option(launch));
    table.push_back(flag("no-pivot", launch.no_pivot, "refused: criu knows no other way"));
    table.push_back(
        text("lsm-profile", words.lsm_profile, "MODULE:NAME", "apparmor:NAME or selinux:LABEL"));
    table.push_back(
        text("lsm-mount-context", words.lsm_mount_context, "LABEL", "of its mounts, by SELinux"));
    // Whose child the container becomes when we end is for our caller to say.
    table.push_back(ignored("no-subreaper"));
    return table;
}

ext::RestoreWishes wishes_of(const RestoreWords& words) {
    if (words.launch.no_pivot) refuse("restore --no-pivot: criu makes the root by pivot_root");
    const std::string& profile = words.lsm_profile;
    if (!profile.empty() && !profile.starts_with("apparmor:") && !profile.starts_with("selinux:")) {
        throw UsageError("--lsm-profile " + profile + ": write apparmor:NAME or selinux:LABEL");
    }
    return {.criu = wishes_from(words.criu),
            .lsm_profile = profile,
            .lsm_mount_context = words.lsm_mount_context};
}

// As run does: with it until it has ended, and then it goes.
int stay(NewContainer& made, Attention& attention, const Global& global) {
    const int code = stay_with(made.child, attention, std::move(made.terminal)).shell_code();
    remove_ended(global, made.container, true);
    return code;
}

}  // namespace

int restore(const Global& global, Words words) {
    RestoreWords given;
    const std::string id =
        only_id("restore", take_options(words, table_for(given), Where::Anywhere));
    const ext::RestoreWishes wishes = wishes_of(given);
    ext::require_criu("restore");
    LaunchOptions& options = given.launch;
    LaunchRequest request = request_from(global, options, id);
    close_leaked_descriptors(request);
    Bundle bundle = bundle_from(global, options);
    stay_at_terminal(request, options, bundle.spec);
    const ext::Wishes asked = wishes_from(global, options, id, bundle.spec);
    const ext::Extensions extensions{bundle.spec, asked};
    std::optional<Attention> attention;
    if (!options.detach) attention.emplace();
    NewContainer made =
        Container::adopt(ContainerRoot::make(global.root), request, std::move(bundle),
                         extensions.all(), ext::restoring(wishes));
    extensions.keep();
    if (!options.detach) {
        return or_remove(global, made.container, [&] { return stay(made, *attention, global); });
    }
    made.child.detach();
    return 0;
}

}  // namespace tenon::cli
