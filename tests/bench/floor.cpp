// The floor: what the kernel charges for the container that launch.py's podman bundle describes, by
// a program that knows it beforehand. The same namespaces, group, device program, mounts, masks,
// capabilities and filter, by the calls that cost least; nothing is checked, refused, undone or
// explained. Who does all that is measured by what it costs on top of this.
//
//     floor run BUNDLE STATE NAME FILTER     create, start, wait, delete; of /bin/true
//     floor exec PID GROUP FILTER            /bin/true in the container of PID, and in its group
//
// BUNDLE has a config.json, which is read and kept like everybody's, and `root`, `hosts`, `shm`:
// links to what is mounted. FILTER is a file of struct sock_filter, as they go to seccomp(2).
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace {

constexpr const char* hierarchy = "/sys/fs/cgroup";
// What podman leaves: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
// net_bind_service, sys_chroot, setfcap.
constexpr std::uint32_t kept_capabilities = 0x800405fb;
constexpr int last_capability = 40;  // CAP_CHECKPOINT_RESTORE

int must(long result, const char* what) {
    if (result < 0) {
        std::perror(what);
        std::exit(1);
    }
    return static_cast<int>(result);
}

template <typename... Arguments>
int call(const char* what, long number, Arguments... arguments) {
    return must(::syscall(number, arguments...), what);
}

void write_file(int folder, const char* name, std::span<const char> text, int flags) {
    const int file = must(::openat(folder, name, O_WRONLY | O_CLOEXEC | flags, 0600), name);
    must(::write(file, text.data(), text.size()), name);
    ::close(file);
}

std::string read_file(int folder, const char* name) {
    const int file = must(::openat(folder, name, O_RDONLY | O_CLOEXEC), name);
    struct stat found {};
    must(::fstat(file, &found), name);
    std::string text(static_cast<std::size_t>(found.st_size), '\0');
    must(::read(file, text.data(), text.size()), name);
    ::close(file);
    return text;
}

// --- the device program: every mknod, and the devices that every container has ---------------

constexpr bpf_insn instruction(int code, int to, int from, int offset, int value) {
    return {static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(to & 0xf),
            static_cast<std::uint8_t>(from & 0xf), static_cast<std::int16_t>(offset), value};
}

constexpr bpf_insn jump_if_equal(int reg, int value, int skip) {
    return instruction(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, skip, value);
}

constexpr std::array device_program{
    instruction(BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(bpf_cgroup_dev_ctx, access_type), 0),
    instruction(BPF_LDX | BPF_MEM | BPF_W, 4, 1, offsetof(bpf_cgroup_dev_ctx, major), 0),
    instruction(BPF_LDX | BPF_MEM | BPF_W, 5, 1, offsetof(bpf_cgroup_dev_ctx, minor), 0),
    instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1),
    instruction(BPF_ALU64 | BPF_MOV | BPF_X, 3, 2, 0, 0),
    instruction(BPF_ALU64 | BPF_RSH | BPF_K, 3, 0, 0, 16),
    jump_if_equal(3, BPF_DEVCG_ACC_MKNOD, 12),
    instruction(BPF_ALU64 | BPF_AND | BPF_K, 2, 0, 0, 0xffff),
    instruction(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 9, BPF_DEVCG_DEV_CHAR),
    jump_if_equal(4, 136, 9),
    instruction(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 4, 1),
    jump_if_equal(5, 3, 7),
    jump_if_equal(5, 5, 6),
    instruction(BPF_JMP | BPF_JLT | BPF_K, 5, 0, 4, 7),
    instruction(BPF_JMP | BPF_JLE | BPF_K, 5, 0, 4, 9),
    instruction(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 2, 5),
    jump_if_equal(5, 0, 2),
    jump_if_equal(5, 2, 1),
    instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
    instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
};

void judge_devices(int group) {
    bpf_attr load{};
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insn_cnt = device_program.size();
    load.insns = reinterpret_cast<std::uintptr_t>(device_program.data());
    load.license = reinterpret_cast<std::uintptr_t>("MIT");
    const int program = call("load the device program", SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
    bpf_attr attach{};
    attach.target_fd = static_cast<std::uint32_t>(group);
    attach.attach_bpf_fd = static_cast<std::uint32_t>(program);
    attach.attach_type = BPF_CGROUP_DEVICE;
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    call("attach the device program", SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach);
    ::close(program);
}

// --- mounts ----------------------------------------------------------------------------------

struct Setting {
    const char* key;
    const char* value;  // none: a flag
};

int make_mount(const char* type, unsigned attributes, std::initializer_list<Setting> settings) {
    const int context = call(type, SYS_fsopen, type, FSOPEN_CLOEXEC);
    for (const Setting& one : settings) {
        const unsigned kind = one.value != nullptr ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
        call(one.key, SYS_fsconfig, context, kind, one.key, one.value, 0);
    }
    call(type, SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
    const int mount = call(type, SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
    ::close(context);
    return mount;
}

int clone_tree(int folder, const char* path, unsigned flags = 0) {
    return call(path, SYS_open_tree, folder, path,
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | flags);
}

void set_attributes(int mount, std::uint64_t set, std::uint64_t propagation, unsigned flags = 0) {
    mount_attr attributes{};
    attributes.attr_set = set;
    attributes.propagation = propagation;
    call("mount_setattr", SYS_mount_setattr, mount, "", AT_EMPTY_PATH | flags, &attributes,
         sizeof attributes);
}

void attach(int mount, int root, const char* path) {
    call(path, SYS_move_mount, mount, "", root, path,
         MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

void attach_and_close(int mount, int root, const char* path) {
    attach(mount, root, path);
    ::close(mount);
}

constexpr unsigned quiet = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

int make_dev() {
    const int dev = make_mount("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME,
                               {{"source", "tmpfs"}, {"mode", "755"}, {"size", "65536k"}});
    struct Node {
        const char* name;
        unsigned major, minor;
    };
    for (const Node& one : {Node{"null", 1, 3}, Node{"zero", 1, 5}, Node{"full", 1, 7},
                            Node{"random", 1, 8}, Node{"urandom", 1, 9}, Node{"tty", 5, 0}}) {
        must(::mknodat(dev, one.name, S_IFCHR | 0666, makedev(one.major, one.minor)), one.name);
    }
    must(::symlinkat("/proc/self/fd", dev, "fd"), "fd");
    must(::symlinkat("/proc/self/fd/0", dev, "stdin"), "stdin");
    must(::symlinkat("/proc/self/fd/1", dev, "stdout"), "stdout");
    must(::symlinkat("/proc/self/fd/2", dev, "stderr"), "stderr");
    must(::symlinkat("pts/ptmx", dev, "ptmx"), "ptmx");
    for (const char* name : {"pts", "mqueue", "shm"}) must(::mkdirat(dev, name, 0755), name);
    return dev;
}

void mount_all(int bundle, int root) {
    attach_and_close(make_mount("proc", quiet, {{"source", "proc"}}), root, "proc");
    attach_and_close(make_dev(), root, "dev");
    attach_and_close(
        make_mount("sysfs", quiet | MOUNT_ATTR_RDONLY, {{"source", "sysfs"}, {"ro", nullptr}}),
        root, "sys");
    attach_and_close(make_mount("devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                                {{"source", "devpts"},
                                 {"newinstance", nullptr},
                                 {"ptmxmode", "0666"},
                                 {"mode", "0620"},
                                 {"gid", "5"}}),
                     root, "dev/pts");
    attach_and_close(make_mount("mqueue", quiet, {{"source", "mqueue"}}), root, "dev/mqueue");
    attach_and_close(clone_tree(bundle, "hosts"), root, "etc/hosts");
    const int shm = clone_tree(bundle, "shm");
    set_attributes(shm, quiet, 0);
    attach_and_close(shm, root, "dev/shm");
    attach_and_close(make_mount("cgroup2", quiet | MOUNT_ATTR_RDONLY, {{"source", "cgroup"}}), root,
                     "sys/fs/cgroup");
}

// One empty file system and one null device, cloned for each path. What is missing needs none.
void hide_paths(int root) {
    const int empty = make_mount("tmpfs", quiet | MOUNT_ATTR_RDONLY, {{"mode", "000"}});
    const int null = clone_tree(root, "dev/null");
    set_attributes(null, MOUNT_ATTR_RDONLY, 0);
    for (const char* path :
         {"proc/asound", "proc/acpi", "proc/kcore", "proc/keys", "proc/latency_stats",
          "proc/timer_list", "proc/timer_stats", "proc/sched_debug", "proc/scsi", "sys/firmware",
          "sys/fs/selinux", "sys/dev/block"}) {
        struct stat found {};
        if (::fstatat(root, path, &found, AT_SYMLINK_NOFOLLOW) != 0) continue;
        attach_and_close(clone_tree(S_ISDIR(found.st_mode) ? empty : null, ""), root, path);
    }
    for (const char* path : {"proc/bus", "proc/fs", "proc/irq", "proc/sys"}) {
        const int tree = clone_tree(root, path, AT_RECURSIVE);
        set_attributes(tree, MOUNT_ATTR_RDONLY, 0, AT_RECURSIVE);
        attach_and_close(tree, root, path);
    }
}

void enter_root(int bundle) {
    set_attributes(must(::open("/", O_PATH | O_CLOEXEC), "/"), 0, MS_PRIVATE, AT_RECURSIVE);
    const int place = must(::openat(bundle, "root", O_PATH | O_CLOEXEC), "root");
    const int root = clone_tree(place, "", AT_RECURSIVE);
    attach(root, place, "");
    mount_all(bundle, root);
    hide_paths(root);
    must(::fchdir(root), "the root");
    call("pivot_root", SYS_pivot_root, ".", ".");
    must(::umount2(".", MNT_DETACH), "the old root");
    set_attributes(root, 0, MS_SLAVE, AT_RECURSIVE);
}

// --- what a process may do -------------------------------------------------------------------

void bring_up_loopback() {
    const int any = must(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    ifreq lo{};
    std::strcpy(lo.ifr_name, "lo");
    lo.ifr_flags = IFF_UP | IFF_LOOPBACK;
    must(::ioctl(any, SIOCSIFFLAGS, &lo), "lo");
    ::close(any);
}

void set_names() {
    must(::unshare(CLONE_NEWCGROUP), "the cgroup namespace");
    call("the keyring", SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "_ses.floor");
    must(::sethostname("8f2c1d6a0b7e", 12), "the host name");
    write_file(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range", std::string_view{"0 0"}, 0);
}

[[noreturn]] void become_program(const std::string& filter) {
    for (int one = 0; one <= last_capability; ++one) {
        const bool kept = one < 32 && ((kept_capabilities >> one) & 1U) != 0;
        if (!kept) must(::prctl(PR_CAPBSET_DROP, one, 0, 0, 0), "the bounding set");
    }
    const gid_t group = 10;
    must(::setgroups(1, &group), "setgroups");
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};
    // seccomp(2) wants one more; it goes with execve, by the bounding set.
    const std::uint32_t held = kept_capabilities | 1U << CAP_SYS_ADMIN;
    sets[0] = {held, held, 0};
    call("capset", SYS_capset, &header, sets.data());
    const sock_fprog program{static_cast<unsigned short>(filter.size() / sizeof(sock_filter)),
                             reinterpret_cast<sock_filter*>(const_cast<char*>(filter.data()))};
    must(::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC), "close_range");
    call("seccomp", SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    const std::array<const char*, 2> words{"/bin/true", nullptr};
    const std::array<const char*, 2> environment{"PATH=/usr/bin:/bin", nullptr};
    ::execve(words[0], const_cast<char**>(words.data()), const_cast<char**>(environment.data()));
    must(-1, words[0]);
    ::_exit(127);
}

// --- the two commands ------------------------------------------------------------------------

pid_t clone_into(int group, std::uint64_t flags) {
    clone_args arguments{};
    arguments.flags = flags | CLONE_INTO_CGROUP;
    arguments.exit_signal = SIGCHLD;
    arguments.cgroup = static_cast<std::uint64_t>(group);
    return call("clone3", SYS_clone3, &arguments, sizeof arguments);
}

int wait_for(pid_t child) {
    int status = 0;
    must(::waitpid(child, &status, 0), "wait");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run(const char* bundle_path, const char* state_path, const char* name,
        const char* filter_path) {
    const int bundle = must(::open(bundle_path, O_PATH | O_CLOEXEC), bundle_path);
    const std::string config = read_file(bundle, "config.json");
    const std::string filter = read_file(AT_FDCWD, filter_path);
    const int above = must(::open(state_path, O_PATH | O_CLOEXEC), state_path);
    must(::mkdirat(above, name, 0700), name);
    const int state = must(::openat(above, name, O_PATH | O_CLOEXEC), name);
    write_file(state, "config.json", config, O_CREAT);
    const int groups = must(::open(hierarchy, O_PATH | O_CLOEXEC), hierarchy);
    must(::mkdirat(groups, name, 0755), name);
    const int group = must(::openat(groups, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), name);
    judge_devices(group);
    const pid_t child =
        clone_into(group, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC);
    if (child == 0) {
        set_names();
        bring_up_loopback();
        enter_root(bundle);
        must(::setsid(), "setsid");
        become_program(filter);
    }
    const std::string record = "{\"pid\":" + std::to_string(child) + "}";
    write_file(state, "state.json", record, O_CREAT);
    const int code = wait_for(child);
    must(::unlinkat(groups, name, AT_REMOVEDIR), name);
    must(::unlinkat(state, "state.json", 0), "state.json");
    must(::unlinkat(state, "config.json", 0), "config.json");
    must(::unlinkat(above, name, AT_REMOVEDIR), name);
    return code;
}

int exec(const char* pid, const char* group_path, const char* filter_path) {
    const std::string filter = read_file(AT_FDCWD, filter_path);
    const int group = must(::open(group_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), group_path);
    const int process = call("pidfd_open", SYS_pidfd_open, std::atoi(pid), 0);
    must(::setns(process, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC |
                              CLONE_NEWCGROUP),
         "setns");
    const pid_t child = clone_into(group, 0);
    if (child == 0) {
        call("the keyring", SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "_ses.floor");
        must(::setsid(), "setsid");
        become_program(filter);
    }
    return wait_for(child);
}

}  // namespace

int main(int argc, char** argv) {
    const std::span<char*> words{argv, static_cast<std::size_t>(argc)};
    ::umask(0);
    if (words.size() == 6 && std::string_view{words[1]} == "run") {
        return run(words[2], words[3], words[4], words[5]);
    }
    if (words.size() == 5 && std::string_view{words[1]} == "exec") {
        return exec(words[2], words[3], words[4]);
    }
    std::fputs("usage: floor run BUNDLE STATE NAME FILTER | floor exec PID GROUP FILTER\n", stderr);
    return 2;
}
