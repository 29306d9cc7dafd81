// features: what a caller may ask for. Every element that is listed works.
#include <nlohmann/json.hpp>

#include "tenon/capabilities.hpp"
#include "tenon/oci_spec.hpp"
#include "verbs.hpp"

namespace tenon::cli {

namespace {

using Json = nlohmann::ordered_json;

// What is listed is what this program knows, whatever machine it is on. features.md
Json capability_names() {
    constexpr Capability last_known = 40;  // CAP_CHECKPOINT_RESTORE
    Json names = Json::array();
    for (Capability each = 0; each <= last_known; ++each) {
        names.push_back(capability_name(each));
    }
    return names;
}

Json mount_options() {
    return {"async",         "atime",        "bind",
            "defaults",      "dev",          "diratime",
            "dirsync",       "exec",         "idmap",
            "iversion",      "lazytime",     "loud",
            "mand",          "noatime",      "nodev",
            "nodiratime",    "noexec",       "noiversion",
            "nolazytime",    "nomand",       "norelatime",
            "nostrictatime", "nosuid",       "nosymfollow",
            "private",       "ratime",       "rbind",
            "rdev",          "rdiratime",    "relatime",
            "remount",       "rexec",        "ridmap",
            "rnoatime",      "rnodev",       "rnodiratime",
            "rnoexec",       "rnorelatime",  "rnostrictatime",
            "rnosuid",       "rnosymfollow", "ro",
            "rprivate",      "rrelatime",    "rro",
            "rrw",           "rshared",      "rslave",
            "rstrictatime",  "rsuid",        "rsymfollow",
            "runbindable",   "rw",           "shared",
            "silent",        "slave",        "strictatime",
            "suid",          "symfollow",    "sync",
            "tmpcopyup",     "unbindable"};
}

Json seccomp_features() {
    const Json flags{"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                     "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
    return {{"enabled", true},
            {"actions",
             {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
              "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE",
              "SCMP_ACT_TRAP"}},
            {"operators",
             {"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
              "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"}},
            {"archs", {"SCMP_ARCH_AARCH64",     "SCMP_ARCH_ARM",    "SCMP_ARCH_LOONGARCH64",
                       "SCMP_ARCH_M68K",        "SCMP_ARCH_MIPS",   "SCMP_ARCH_MIPS64",
                       "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
                       "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64",
                       "SCMP_ARCH_PPC",         "SCMP_ARCH_PPC64",  "SCMP_ARCH_PPC64LE",
                       "SCMP_ARCH_RISCV64",     "SCMP_ARCH_S390",   "SCMP_ARCH_S390X",
                       "SCMP_ARCH_SH",          "SCMP_ARCH_SHEB",   "SCMP_ARCH_X32",
                       "SCMP_ARCH_X86",         "SCMP_ARCH_X86_64"}},
            {"knownFlags", flags},
            {"supportedFlags", flags}};
}

Json memory_policy_features() {
    return {{"modes",
             {"MPOL_BIND", "MPOL_DEFAULT", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED",
              "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE"}},
            {"flags", {"MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"}}};
}

Json linux_features() {
    return {
        {"namespaces", {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}},
        {"capabilities", capability_names()},
        {"cgroup",
         {{"v1", false}, {"v2", true}, {"systemd", true}, {"systemdUser", true}, {"rdma", true}}},
        {"seccomp", seccomp_features()},
        {"apparmor", {{"enabled", true}}},
        {"selinux", {{"enabled", true}}},
        {"intelRdt", {{"enabled", true}, {"schemata", true}, {"monitoring", true}}},
        {"memoryPolicy", memory_policy_features()},
        {"mountExtensions", {{"idmap", {{"enabled", true}}}}},
        {"netDevices", {{"enabled", true}}}};
}

}  // namespace

int features(const Global& /*global*/, Words words) {
    if (!take_options(words, {}, Where::Anywhere).empty()) {
        throw UsageError("\"features\" takes no arguments");
    }
    const Json all{{"ociVersionMin", "1.0.0"},
                   {"ociVersionMax", oci::spec_version},
                   {"hooks",
                    {"prestart", "createRuntime", "createContainer", "startContainer", "poststart",
                     "poststop"}},
                   {"mountOptions", mount_options()},
                   {"linux", linux_features()},
                   {"annotations", Json::object()},
                   // None of those that a config may hold changes what we do.
                   {"potentiallyUnsafeConfigAnnotations", Json::array()}};
    print(all.dump(2) + "\n");
    return 0;
}

}  // namespace tenon::cli
