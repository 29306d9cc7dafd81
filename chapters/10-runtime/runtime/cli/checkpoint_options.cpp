#include "checkpoint_options.hpp"

#include <fmt/format.h>

namespace tenon::cli {

namespace {

ext::CriuCgroups cgroups_from(const std::string& mode) {
    if (mode.empty() || mode == "soft") return ext::CriuCgroups::Soft;
    if (mode == "full") return ext::CriuCgroups::Full;
    if (mode == "strict") return ext::CriuCgroups::Strict;
    if (mode == "ignore") return ext::CriuCgroups::Ignore;
    throw UsageError("--manage-cgroups-mode " + mode + ": use soft, full, strict or ignore");
}

}  // namespace

std::vector<Option> criu_table(CriuWords& words) {
    ext::CriuFlags& flags = words.flags;
    return {text("image-path", words.image_path, "DIR", "the images (checkpoint)"),
            text("work-path", words.work_path, "DIR", "criu's log and notes (the images')"),
            text("manage-cgroups-mode", words.cgroups_mode, "MODE",
                 "soft, full, strict or ignore (soft)"),
            text("empty-ns", words.empty_namespace, "network", "is empty in any case"),
            flag("tcp-established", flags.tcp_established, "with open connections"),
            flag("ext-unix-sk", flags.external_unix_sockets, "with sockets of outside"),
            flag("shell-job", flags.shell_job, "with a terminal of outside"),
            flag("file-locks", flags.file_locks, "with locks of files"),
            flag("lazy-pages", flags.lazy_pages, "memory when it is asked for: userfaultfd"),
            flag("auto-dedup", flags.auto_dedup, "no page is in the images twice")};
}

ext::CriuWishes wishes_from(const CriuWords& words) {
    ext::CriuWishes wishes{.flags = words.flags};
    wishes.image_path = absolute_path(words.image_path.empty() ? "checkpoint" : words.image_path);
    if (!words.work_path.empty()) wishes.work_path = absolute_path(words.work_path);
    wishes.cgroups = cgroups_from(words.cgroups_mode);
    // What is in a network is never restored here, as in runc: the option says what holds anyway.
    if (!words.empty_namespace.empty() && words.empty_namespace != "network") {
        throw UsageError("--empty-ns " + words.empty_namespace + ": only network can be emptied");
    }
    return wishes;
}

}  // namespace tenon::cli
