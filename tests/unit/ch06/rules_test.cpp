// The rules that are given: one row per rule, with what it refuses. Each row changes a valid spec.
#include <fmt/format.h>

#include <functional>

#include "catch.hpp"
#include "configs.hpp"

namespace tenon::test {

namespace {

struct Row {
    const char* pointer;  // of the one violation; null: there is none
    std::function<void(oci::Spec&)> change;
};

void check_rows(const std::vector<Row>& rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        oci::Spec spec = valid_spec();
        rows[i].change(spec);
        const std::vector<oci::Violation> violations = oci::validate(spec);
        INFO("row " << i << ": " << told(violations));
        if (rows[i].pointer == nullptr) {
            CHECK(violations.empty());
        } else {
            CHECK(violations.size() == 1);
            CHECK(speaks_of(violations, rows[i].pointer));
        }
    }
}

oci::Resources& resources(oci::Spec& spec) {
    return spec.linux->resources ? *spec.linux->resources : spec.linux->resources.emplace();
}

oci::Seccomp& seccomp(oci::Spec& spec) {
    if (!spec.linux->seccomp) spec.linux->seccomp.emplace().default_action = "SCMP_ACT_ALLOW";
    return *spec.linux->seccomp;
}

}  // namespace

TEST_CASE("versions 1.0 to 1.3 are understood", "[uses-06.2]") {
    for (const char* version : {"1.0.0", "1.0.2-dev", "1.0.0-rc5", "1.1.0", "1.2.1", "1.3.0",
                                "1.3.99+build.01", "1.2.0-rc.1+x-y", "1.0.0-alpha.0"}) {
        oci::Spec spec = valid_spec();
        spec.oci_version = version;
        INFO(version);
        CHECK(told(oci::validate(spec)) == "none");
    }
    for (const char* version : {"",
                                "1",
                                "1.0",
                                "1.4.0",
                                "1.10.0",
                                "2.0.0",
                                "0.5.0",
                                "01.0.0",
                                "1.00.0",
                                "1.0.0-",
                                "1.0.0-a..b",
                                "1.0.0+",
                                "1.0.0+a+b",
                                "v1.0.0",
                                " 1.0.0",
                                "1.0.0 ",
                                "1.0.0.0",
                                "1.-1.0",
                                "1.99999999999999999999.0",
                                "11.0.0"}) {
        oci::Spec spec = valid_spec();
        spec.oci_version = version;
        INFO(version);
        CHECK(speaks_of(oci::validate(spec), "/ociVersion"));
    }
}

TEST_CASE("rules for the process", "[uses-06.2]") {
    check_rows({
        {"/process/cwd", [](auto& s) { s.process->cwd = "tmp"; }},
        {"/process/cwd", [](auto& s) { s.process->cwd = ""; }},
        {"/process/env/1",
         [](auto& s) {
             s.process->env = {"A=", "B"};
         }},
        {"/process/env/0", [](auto& s) { s.process->env = {"=x"}; }},
        {nullptr,
         [](auto& s) {
             s.process->env = {"A=b=c", "A=", "a b=c"};
         }},
        {"/process/user/umask", [](auto& s) { s.process->user.umask = 01000; }},
        {nullptr, [](auto& s) { s.process->user.umask = 0777; }},
        {"/process/oomScoreAdj", [](auto& s) { s.process->oom_score_adj = 1001; }},
        {"/process/oomScoreAdj", [](auto& s) { s.process->oom_score_adj = -1001; }},
        {nullptr, [](auto& s) { s.process->oom_score_adj = -1000; }},
        {nullptr, [](auto& s) { s.process->console_size = {.height = 70000, .width = 1}; }},
        {"/process/consoleSize/height",
         [](auto& s) {
             s.process->terminal = true;
             s.process->console_size = {.height = 70000, .width = 1};
         }},
        {"/process/ioPriority/class",
         [](auto& s) { s.process->io_priority = {.io_class = "IOPRIO_CLASS_NONE"}; }},
        {"/process/ioPriority/priority",
         [](auto& s) { s.process->io_priority = {.io_class = "IOPRIO_CLASS_BE", .priority = 8}; }},
        {"/process/execCPUAffinity/final",
         [](auto& s) { s.process->exec_cpu_affinity = {.initial = "0-3,7", .final = "3-1"}; }},
        // Capabilities are not judged: what a kernel does not know is a warning.
        {nullptr, [](auto& s) { s.process->capabilities = {.bounding = {"CAP_NEWER"}}; }},
    });
}

TEST_CASE("rules for the scheduler", "[uses-06.2]") {
    const auto with = [](oci::Scheduler scheduler) {
        return [scheduler](oci::Spec& spec) { spec.process->scheduler = scheduler; };
    };
    check_rows({
        {nullptr, with({.policy = "SCHED_OTHER", .nice = -20})},
        {nullptr, with({.policy = "SCHED_FIFO", .priority = 99})},
        {nullptr, with({.policy = "SCHED_DEADLINE", .runtime = 1, .deadline = 2, .period = 2})},
        {nullptr, with({.policy = "SCHED_DEADLINE", .runtime = 1, .deadline = 2})},
        {"/process/scheduler/policy", with({.policy = "FIFO"})},
        {"/process/scheduler/nice", with({.policy = "SCHED_OTHER", .nice = 20})},
        {"/process/scheduler/priority", with({.policy = "SCHED_RR", .priority = 0})},
        {"/process/scheduler/priority", with({.policy = "SCHED_BATCH", .priority = 1})},
        {"/process/scheduler/flags/0", with({.policy = "SCHED_IDLE", .flags = {"X"}})},
        {"/process/scheduler", with({.policy = "SCHED_OTHER", .runtime = 1})},
        {"/process/scheduler/runtime", with({.policy = "SCHED_DEADLINE", .deadline = 1})},
        {"/process/scheduler/runtime",
         with({.policy = "SCHED_DEADLINE", .runtime = 3, .deadline = 2})},
        {"/process/scheduler/runtime",
         with({.policy = "SCHED_DEADLINE", .runtime = 1, .deadline = 3, .period = 2})},
    });
}

TEST_CASE("rules for hooks and annotations", "[uses-06.2]") {
    check_rows({
        {"/hooks/prestart/0/path",
         [](auto& s) { s.hooks.emplace().prestart = {{.path = "bin/x"}}; }},
        {"/hooks/createRuntime/0/path",
         [](auto& s) { s.hooks.emplace().create_runtime = {{.path = ""}}; }},
        {"/hooks/createContainer/1/timeout",
         [](auto& s) {
             s.hooks.emplace().create_container = {{.path = "/x"}, {.path = "/x", .timeout = 0}};
         }},
        {"/hooks/startContainer/0/timeout",
         [](auto& s) { s.hooks.emplace().start_container = {{.path = "/x", .timeout = -1}}; }},
        {"/hooks/poststart/0/env/0",
         [](auto& s) { s.hooks.emplace().poststart = {{.path = "/x", .env = {"x"}}}; }},
        {"/hooks/poststop/0/path", [](auto& s) { s.hooks.emplace().poststop = {{.path = "x"}}; }},
        {nullptr, [](auto& s) { s.hooks.emplace().poststop = {{.path = "/x", .timeout = 1}}; }},
        {"/annotations",
         [](auto& s) {
             s.annotations = {{"", "x"}};
         }},
        {nullptr,
         [](auto& s) {
             s.annotations = {{"x", ""}};
         }},
    });
}

TEST_CASE("rules for id mappings", "[uses-06.2]") {
    const auto with = [](std::vector<oci::IdMapping> mappings) {
        return [mappings](oci::Spec& spec) {
            spec.linux->namespaces = {{.type = "user"}};
            spec.linux->uid_mappings = mappings;
        };
    };
    std::vector<oci::IdMapping> many;
    for (std::uint32_t i = 0; i < 341; ++i) many.push_back({i, 1000 + i, 1});
    const std::vector<oci::IdMapping> as_many_as_may_be(many.begin(), many.end() - 1);
    check_rows({
        {nullptr, with({{0, 1000, 1}, {1, 100000, 65536}})},
        {nullptr, with({{0, 0, 4294967295}})},
        {nullptr, with(as_many_as_may_be)},
        {"/linux/uidMappings", with(many)},
        {"/linux/uidMappings/0", with({{0, 0, 0}})},
        {"/linux/uidMappings/0", with({{1, 0, 4294967295}})},
        {"/linux/uidMappings/0", with({{0, 4294967295, 1}})},
        {"/linux/uidMappings/1", with({{0, 1000, 10}, {9, 2000, 1}})},
        {"/linux/uidMappings/1", with({{0, 1000, 10}, {10, 1009, 1}})},
        {"/linux/gidMappings",
         [](auto& s) {
             s.linux->gid_mappings = {{0, 0, 1}};
         }},
    });
}

TEST_CASE("rules for linux", "[uses-06.2]") {
    check_rows({
        {"/linux/timeOffsets",
         [](auto& s) {
             s.linux->time_offsets = {{"boottime", {.secs = 1}}};
         }},
        {"/linux/timeOffsets/realtime",
         [](auto& s) {
             s.linux->namespaces = {{.type = "time"}};
             s.linux->time_offsets = {{"realtime", {.secs = 1}}};
         }},
        {"/linux/timeOffsets/monotonic/nanosecs",
         [](auto& s) {
             s.linux->namespaces = {{.type = "time"}};
             s.linux->time_offsets = {{"monotonic", {.nanosecs = 1'000'000'000}}};
         }},
        {"/linux/devices/0/path", [](auto& s) { s.linux->devices = {{.path = "x", .type = "p"}}; }},
        {"/linux/devices/0/type",
         [](auto& s) { s.linux->devices = {{.path = "/x", .type = "a", .major = 1, .minor = 1}}; }},
        {"/linux/devices/0/minor",
         [](auto& s) { s.linux->devices = {{.path = "/x", .type = "c", .major = 1}}; }},
        {"/linux/devices/0/major",
         [](auto& s) {
             s.linux->devices = {{.path = "/x", .type = "b", .major = 4096, .minor = 0}};
         }},
        {"/linux/devices/0/minor",
         [](auto& s) {
             s.linux->devices = {{.path = "/x", .type = "c", .major = 1, .minor = -1}};
         }},
        {nullptr, [](auto& s) { s.linux->devices = {{.path = "/x", .type = "p"}}; }},
        {"/linux/netDevices",
         [](auto& s) {
             s.linux->net_devices = {{"eth0", {}}};
         }},
        {"/linux/netDevices/a~1b",
         [](auto& s) {
             s.linux->namespaces = {{.type = "network"}};
             s.linux->net_devices = {{"a/b", {}}};
         }},
        {"/linux/netDevices/eth0/name",
         [](auto& s) {
             s.linux->namespaces = {{.type = "network"}};
             s.linux->net_devices = {{"eth0", {.name = "0123456789abcdef"}}};
         }},
        {nullptr,
         [](auto& s) {
             s.linux->namespaces = {{.type = "network"}};
             s.linux->net_devices = {{"eth0", {.name = "eth%d"}}, {"eth1", {}}};
         }},
        {"/linux/cgroupsPath", [](auto& s) { s.linux->cgroups_path = "/a/../../b"; }},
        {"/linux/cgroupsPath", [](auto& s) { s.linux->cgroups_path = ".."; }},
        {nullptr, [](auto& s) { s.linux->cgroups_path = "system.slice:docker:a..b"; }},
        {"/linux/maskedPaths/1",
         [](auto& s) {
             s.linux->masked_paths = {"/a", "b"};
         }},
        {"/linux/readonlyPaths/0", [](auto& s) { s.linux->readonly_paths = {""}; }},
        {"/linux/rootfsPropagation", [](auto& s) { s.linux->rootfs_propagation = "Shared"; }},
        {nullptr, [](auto& s) { s.linux->rootfs_propagation = "rslave"; }},
        {"/linux/sysctl/net.a+b",
         [](auto& s) {
             s.linux->sysctl = {{"net.a+b", "1"}};
         }},
        {"/linux/sysctl/..~1a",
         [](auto& s) {
             s.linux->sysctl = {{"../a", "1"}};
         }},
        {"/linux/sysctl/net.a",
         [](auto& s) {
             s.linux->sysctl = {{"net.a", "1\n2"}};
         }},
        {nullptr,
         [](auto& s) {
             s.linux->sysctl = {{"net/ipv4/conf/eth0.1/x", "0 5"}};
         }},
    });
}

TEST_CASE("rules for what few use", "[uses-06.2]") {
    check_rows({
        {"/linux/intelRdt/closID", [](auto& s) { s.linux->intel_rdt = {.clos_id = "../x"}; }},
        {"/linux/intelRdt/closID", [](auto& s) { s.linux->intel_rdt = {.clos_id = ".."}; }},
        {"/linux/intelRdt/schemata/0",
         [](auto& s) { s.linux->intel_rdt = {.schemata = {"L3:0=f\nMB:0=1"}}; }},
        {"/linux/intelRdt/memBwSchema",
         [](auto& s) { s.linux->intel_rdt = {.mem_bw_schema = "L3:0=f"}; }},
        {"/linux/memoryPolicy/mode",
         [](auto& s) { s.linux->memory_policy = {.mode = "BIND", .nodes = "0"}; }},
        {"/linux/memoryPolicy/nodes",
         [](auto& s) { s.linux->memory_policy = {.mode = "MPOL_BIND"}; }},
        {"/linux/memoryPolicy/nodes",
         [](auto& s) { s.linux->memory_policy = {.mode = "MPOL_LOCAL", .nodes = "0"}; }},
        {"/linux/memoryPolicy/nodes",
         [](auto& s) { s.linux->memory_policy = {.mode = "MPOL_BIND", .nodes = "x"}; }},
        {"/linux/memoryPolicy/flags/0",
         [](auto& s) { s.linux->memory_policy = {.mode = "MPOL_DEFAULT", .flags = {"MPOL_F_X"}}; }},
        {nullptr, [](auto& s) { s.linux->memory_policy = {.mode = "MPOL_PREFERRED"}; }},
        {"/linux/personality/domain", [](auto& s) { s.linux->personality = {.domain = "X"}; }},
        {"/linux/personality/flags/0",
         [](auto& s) { s.linux->personality = {.domain = "LINUX", .flags = {"X"}}; }},
        {nullptr, [](auto& s) { s.linux->personality = {.domain = "LINUX32"}; }},
    });
}

TEST_CASE("rules for resources", "[uses-06.2]") {
    check_rows({
        {"/linux/resources/devices/0/type",
         [](auto& s) { resources(s).devices = {{.allow = true, .type = "p"}}; }},
        {"/linux/resources/devices/0/access",
         [](auto& s) { resources(s).devices = {{.access = "rx"}}; }},
        {"/linux/resources/devices/0/major",
         [](auto& s) { resources(s).devices = {{.major = -2}}; }},
        {nullptr,
         [](auto& s) {
             resources(s).devices = {{}, {.allow = true, .type = "a", .major = -1, .access = "m"}};
         }},
        {"/linux/resources/memory/limit", [](auto& s) { resources(s).memory = {.limit = -2}; }},
        {"/linux/resources/memory/swap",
         [](auto& s) { resources(s).memory = {.limit = 100, .swap = 99}; }},
        {nullptr, [](auto& s) { resources(s).memory = {.limit = 100, .swap = 0}; }},
        {nullptr, [](auto& s) { resources(s).memory = {.limit = 100, .swap = -1}; }},
        {"/linux/resources/memory/swappiness",
         [](auto& s) { resources(s).memory = {.swappiness = 101}; }},
        {"/linux/resources/cpu/burst",
         [](auto& s) { resources(s).cpu = {.quota = 10, .burst = 11}; }},
        {nullptr, [](auto& s) { resources(s).cpu = {.quota = -1, .burst = 11}; }},
        {"/linux/resources/cpu/idle", [](auto& s) { resources(s).cpu = {.idle = 2}; }},
        {"/linux/resources/cpu/cpus", [](auto& s) { resources(s).cpu = {.cpus = "0,"}; }},
        {"/linux/resources/cpu/mems", [](auto& s) { resources(s).cpu = {.mems = "a"}; }},
        {"/linux/resources/blockIO/weight", [](auto& s) { resources(s).block_io = {.weight = 9}; }},
        {"/linux/resources/blockIO/leafWeight",
         [](auto& s) { resources(s).block_io = {.leaf_weight = 1001}; }},
        {"/linux/resources/blockIO/weightDevice/0",
         [](auto& s) { resources(s).block_io.emplace().weight_device = {{.major = 8}}; }},
        {"/linux/resources/blockIO/throttleWriteIOPSDevice/0/major",
         [](auto& s) {
             resources(s).block_io.emplace().throttle_write_iops_device = {{.major = -1}};
         }},
        {"/linux/resources/hugepageLimits/0/pageSize",
         [](auto& s) { resources(s).hugepage_limits = {{.page_size = "2M"}}; }},
        {"/linux/resources/hugepageLimits/1",
         [](auto& s) {
             resources(s).hugepage_limits = {{.page_size = "2MB"}, {.page_size = "2MB"}};
         }},
        {"/linux/resources/rdma/mlx",
         [](auto& s) {
             resources(s).rdma = {{"mlx", {}}};
         }},
        {"/linux/resources/unified/cgroup.procs",
         [](auto& s) {
             resources(s).unified = {{"cgroup.procs", "1"}};
         }},
        {nullptr,
         [](auto& s) {
             resources(s).unified = {{"memory.high", "max"}};
         }},
        // As Docker sends them.
        {nullptr,
         [](auto& s) {
             resources(s).cpu = {.shares = 0};
             resources(s).memory = oci::Memory{};
             resources(s).block_io = {.weight = 0};
             resources(s).pids = {.limit = 0};
         }},
    });
}

TEST_CASE("rules for seccomp", "[uses-06.2]") {
    const auto with = [](oci::SeccompSyscall rule) {
        return [rule](oci::Spec& spec) { seccomp(spec).syscalls = {rule}; };
    };
    check_rows({
        {"/linux/seccomp/defaultAction", [](auto& s) { seccomp(s).default_action = "ALLOW"; }},
        {"/linux/seccomp/defaultErrnoRet", [](auto& s) { seccomp(s).default_errno_ret = 1; }},
        {"/linux/seccomp/architectures/0",
         [](auto& s) { seccomp(s).architectures = {"SCMP_ARCH_NATIVE"}; }},
        {"/linux/seccomp/flags/0",
         [](auto& s) { seccomp(s).flags = {"SECCOMP_FILTER_FLAG_NEW_LISTENER"}; }},
        {"/linux/seccomp/listenerMetadata", [](auto& s) { seccomp(s).listener_metadata = "x"; }},
        {"/linux/seccomp/listenerPath", with({.names = {"a"}, .action = "SCMP_ACT_NOTIFY"})},
        {"/linux/seccomp/syscalls/0/names", with({.action = "SCMP_ACT_LOG"})},
        {"/linux/seccomp/syscalls/0/names/0", with({.names = {""}, .action = "SCMP_ACT_LOG"})},
        {"/linux/seccomp/syscalls/0/action", with({.names = {"a"}, .action = "x"})},
        {"/linux/seccomp/syscalls/0/errnoRet",
         with({.names = {"a"}, .action = "SCMP_ACT_KILL", .errno_ret = 1})},
        {"/linux/seccomp/syscalls/0/errnoRet",
         with({.names = {"a"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 4096})},
        {"/linux/seccomp/syscalls/0/args/0/index",
         with({.names = {"a"},
               .action = "SCMP_ACT_LOG",
               .args = {{.index = 6, .op = "SCMP_CMP_EQ"}}})},
        {"/linux/seccomp/syscalls/0/args/0/op",
         with({.names = {"a"}, .action = "SCMP_ACT_LOG", .args = {{.op = "=="}}})},
        {nullptr, with({.names = {"a"}, .action = "SCMP_ACT_TRACE", .errno_ret = 65535})},
    });
}

}  // namespace tenon::test
