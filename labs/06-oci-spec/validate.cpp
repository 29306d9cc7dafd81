// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// What the types cannot say: which values the specification forbids, and which ones the kernel
// would take in a sense that nobody meant. Each rule is judged on its own, and none of them asks
// the machine: whether a file exists, and whether we may, is for whoever opens it. runtime-spec
// config.md, "Valid values"; the words of a rule are in rules.hpp
#include <algorithm>

#include "findings.hpp"
#include "rules.hpp"
#include "tenon/oci_config.hpp"
#include "tenon/todo.hpp"

namespace tenon::oci {

namespace {

// The limits of getrlimit(2) by the names of its page.
constexpr auto limits = std::to_array<std::string_view>(
    {"RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_LOCKS",
     "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_NOFILE", "RLIMIT_NPROC",
     "RLIMIT_RSS", "RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK"});

// ---- process ----------------------------------------------------------------------------------

// 4294967295 is the word for "leave it as it is", of setresuid(2) and setgroups(2) alike: a
// process that was to be nobody would stay root.
void judge_id(Findings& findings, const Place& at, std::uint32_t id) {
    // TASK 06.2  what the specification forbids  (40 points)
    // man: setresuid(2), getrlimit(2), mount(2), namespaces(7)
    // hint: The comment above each function says its rules; runtime-spec config.md and
    //   config-linux.md say why. A rule that is kept says nothing, one that is broken adds a
    //   violation at the place of the value.
    // more: ./course hint 06.2
    TENON_TODO("06.2");
}

void judge_user(Findings& findings, const Place& at, const User& user) {
    judge_id(findings, Place{at, "uid"}, user.uid);
    judge_id(findings, Place{at, "gid"}, user.gid);
    each(user.additional_gids, Place{at, "additionalGids"},
         [&](std::uint32_t gid, const Place& place) { judge_id(findings, place, gid); });
    if (user.umask) expect_range(findings, Place{at, "umask"}, *user.umask, 0, 0777);
}

// A known type, once, and soft not above hard: else setrlimit(2) says EINVAL, or the last one
// counts.
void judge_rlimits(Findings& findings, const Place& at, const std::vector<Rlimit>& list) {
    // TASK 06.2, continued
    TENON_TODO("06.2");
}

// At least one word, the first of which is not empty.
void judge_args(Findings& findings, const Place& at, const std::vector<std::string>& args) {
    // TASK 06.2, continued
    TENON_TODO("06.2");
}

void judge_process(Findings& findings, const Place& at, const Process& process) {
    judge_args(findings, Place{at, "args"}, process.args);
    expect_environment(findings, Place{at, "env"}, process.env);
    expect_absolute(findings, Place{at, "cwd"}, process.cwd);
    judge_user(findings, Place{at, "user", "config.md, POSIX-platform User"}, process.user);
    judge_rlimits(findings, Place{at, "rlimits", "config.md, POSIX process"}, process.rlimits);
    const Place oom{at, "oomScoreAdj", "config.md, Linux Process"};
    if (process.oom_score_adj) expect_range(findings, oom, *process.oom_score_adj, -1000, 1000);
    judge_scheduling(findings, at, process);
}

// ---- root and mounts --------------------------------------------------------------------------

void judge_root(Findings& findings, const Place& at, const std::optional<Root>& root) {
    // TASK 06.2, continued
    TENON_TODO("06.2");
}

// `bind` or `rbind` among its options makes a mount a bind mount, whatever its type says.
bool is_bind(const Mount& mount) {
    return std::any_of(mount.options.begin(), mount.options.end(), [](const std::string& option) {
        return is_one_of(option, {"bind", "rbind"});
    });
}

// A destination; a type, or for a bind mount a source; no option that is empty; id mappings for
// users and groups, or for neither.
void judge_mount(Findings& findings, const Place& at, const Mount& mount) {
    // TASK 06.2, continued
    TENON_TODO("06.2");
    expect_mappings(findings, Place{at, "uidMappings"}, mount.uid_mappings);
    expect_mappings(findings, Place{at, "gidMappings"}, mount.gid_mappings);
}

// ---- namespaces -------------------------------------------------------------------------------

// A known type, once; a path, where there is one, is absolute: it is the runtime's, not the
// bundle's.
void judge_namespaces(Findings& findings, const Place& at,
                      const std::vector<LinuxNamespace>& list) {
    // TASK 06.2, continued
    TENON_TODO("06.2");
}

}  // namespace

std::vector<Violation> validate_process(const Process& process, const std::string& at) {
    Findings findings;
    judge_process(findings, Place{at, "config.md, Process"}, process);
    return findings.take();
}

std::vector<Violation> validate(const Spec& spec) {
    Findings findings;
    const Place root{"", "config.md"};
    judge_version(findings, Place{root, "ociVersion", "config.md, Specification version"},
                  spec.oci_version);
    if (spec.process) {
        judge_process(findings, Place{root, "process", "config.md, Process"}, *spec.process);
    }
    judge_root(findings, Place{root, "root", "config.md, Root"}, spec.root);
    each(spec.mounts, Place{root, "mounts", "config.md, Mounts"},
         [&](const Mount& mount, const Place& place) { judge_mount(findings, place, mount); });
    const Place hooks{root, "hooks", "config.md, POSIX-platform Hooks"};
    if (spec.hooks) judge_hooks(findings, hooks, *spec.hooks);
    judge_annotations(findings, root, spec);
    const Place linux{root, "linux", "config-linux.md"};
    if (!spec.linux) return findings.take();
    judge_namespaces(findings, Place{linux, "namespaces", "config-linux.md, Namespaces"},
                     spec.linux->namespaces);
    judge_linux(findings, linux, *spec.linux);
    return findings.take();
}

}  // namespace tenon::oci
