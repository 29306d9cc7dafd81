// Advice, in one table. A row says what to do, not what went wrong: the error already said that.
#include "tenon/hints.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>

#include "tenon/error.hpp"

namespace tenon {

namespace {

struct Hint {
    std::string_view call;  // empty: any call
    int error;
    std::string_view advice;
};

constexpr std::string_view not_delegated =
    "that group is not yours to change: run as root, or in a group that systemd hands over to you: "
    "systemd-run --user --scope -p Delegate=yes COMMAND";

constexpr std::string_view too_few_delegated =
    "that group passes on fewer controllers, and is not yours to change: run as root, or let "
    "systemd hand them over to you: systemctl edit user@.service, with [Service] Delegate=cpu "
    "cpuset io memory pids, then systemd-run --user --scope -p Delegate=yes COMMAND";

constexpr std::string_view no_net_admin =
    "changing the network needs CAP_NET_ADMIN in it: run as root, or leave the network alone with "
    "--network none or --network host";

constexpr std::string_view device_gone =
    "there is no such device in this network namespace: ip link lists those that are";

constexpr std::string_view store_lacks_xattrs =
    "the file system of the store lacks what an overlay needs: name another place with --store";

// The first row that fits is taken: (call, errno) rows stand before the rows for any call.
constexpr std::array hints{
    Hint{"clone3", EPERM,
         "new namespaces need root, or a user namespace: add --user; if that is refused too, "
         "see kernel.apparmor_restrict_unprivileged_userns and kernel.unprivileged_userns_clone "
         "(docs/troubleshooting.md)"},
    Hint{"clone3", ENOSPC,
         "a limit on namespaces is reached: raise /proc/sys/user/max_user_namespaces (or the "
         "file of the kind you asked for)"},
    Hint{"clone3", EINVAL, "this kernel lacks one of the namespaces: compare /proc/self/ns"},
    Hint{"clone3", ENOSYS,
         "Tenon needs Linux 5.12 or newer, and a seccomp profile that allows "
         "clone3 when it runs inside a container"},
    Hint{"pidfd_open", ESRCH, "that process has ended, or never was: check the pid"},
    Hint{"pidfd_send_signal", ESRCH, "that process has ended"},
    Hint{"setns", EPERM,
         "joining needs CAP_SYS_ADMIN in the user namespace that owns the target: run as root, or "
         "as the user who started that container"},
    Hint{"setns", EINVAL,
         "a process cannot re-enter its own user namespace, nor join a pid "
         "namespace that is not below its own"},
    Hint{"open namespace", ENOENT, "its process has ended, or nobody has bound it there"},
    Hint{"open namespace", EINVAL,
         "name the file of such a namespace, for example /proc/PID/ns/net"},
    Hint{"sethostname", EINVAL, "a host name has at most 64 bytes"},
    Hint{"setdomainname", EINVAL, "a domain name has at most 64 bytes"},
    Hint{"sethostname", EPERM, "a new host name needs a new UTS namespace: add --uts"},
    Hint{"setdomainname", EPERM, "a new domain name needs a new UTS namespace: add --uts"},
    Hint{"pid file", ENOENT, "its folder does not exist"},
    Hint{"pid file", EEXIST, "something that is no plain file has that name: choose another"},
    Hint{"open config.json", ENOENT,
         "a bundle has one: name its folder with --bundle, or let the verb spec (ch06, tenon-oci) "
         "write one to start from"},
    Hint{"open config.json", ELOOP,
         "it is a link, and a bundle has the file itself: copy it there"},
    Hint{"create config.json", EEXIST,
         "it is never overwritten: move it away, or name another folder with --bundle"},
    Hint{"open --root", EACCES,
         "it is somebody else's: name a folder of yours with --root; tenon-oci takes the one in "
         "XDG_RUNTIME_DIR, which a login sets"},
    Hint{"open rootfs", ENOENT, "./course up makes one in build/rootfs"},
    Hint{"open rootfs", ENOTDIR, "it must be a folder with the container's files in it"},
    Hint{"open rootfs", EXDEV,
         "a relative root.path stays within the bundle, through links too: write an absolute path "
         "for a folder elsewhere"},
    Hint{"open rootfs", ELOOP, "write the path of the folder itself, without a link"},
    Hint{"open rootfs", ESTALE, "another folder took its name meanwhile: try again"},
    Hint{"open bundle", ENOENT, "a bundle is a folder with a config.json"},
    Hint{"open bundle", ENOTDIR, "a bundle is a folder with a config.json, not that file"},
    Hint{"chdir", ENOENT, "the working directory must lie in the container's own root"},
    Hint{"chdir", ELOOP, "a link on its way leads out, as those in /proc/PID/fd do"},
    Hint{"chdir", EROFS, "it is not there, and the root is read-only: make it in the image"},
    Hint{"prlimit", EPERM,
         "a hard limit is raised by CAP_SYS_RESOURCE only: ask for no more than ulimit -H says"},
    Hint{"prlimit", EINVAL, "the soft limit is above the hard one"},
    Hint{"sysctl", ENOENT, "this kernel has no such setting in the container's namespaces"},
    Hint{"sysctl", EINVAL, "the kernel does not take that value"},
    Hint{"sysctl", EROFS, "/proc/sys is read-only here: another container is around this one"},
    Hint{"sysctl", EACCES, "only the root of the user namespace that owns it may change it"},
    Hint{"setgroups", EINVAL,
         "a process has at most 65536 groups, and in a user namespace each of them is mapped"},
    Hint{"setgroups", EPERM,
         "whoever made the user namespace denied it: leave out additionalGids, or run as root"},
    Hint{"sched_setattr", EPERM, "a higher priority needs CAP_SYS_NICE, as the host's root has it"},
    Hint{"ioprio_set", EPERM, "IOPRIO_CLASS_RT needs CAP_SYS_ADMIN, as the host's root has it"},
    Hint{"execve", ENOENT, "is it in the root file system, and in PATH?"},
    Hint{"execve", E2BIG,
         "all of it may be as long as a quarter of the stack limit (ulimit -s), and each argument "
         "or variable 128 KiB"},
    Hint{"execve", EACCES,
         "it is there but may not be executed: check its mode (chmod +x), that "
         "it is a regular file, and that its mount is not noexec"},
    Hint{"execve", ENOEXEC,
         "it is no program for this machine: a script needs #! in its first "
         "line, a binary the right architecture"},
    Hint{"mount_setattr", ENOSYS, "Tenon needs Linux 5.12 or newer"},
    Hint{"mount_setattr", EPERM,
         "inside a user namespace the flags that a mount brought along (ro, nosuid, nodev, "
         "noexec) are locked: ask for them too"},
    Hint{"openat2", ENOSYS, "Tenon needs Linux 5.12 or newer"},
    Hint{"openat2", ELOOP, "a symbolic link stands where none is allowed"},
    Hint{"openat2", EXDEV, "the path leaves the root file system"},
    Hint{"open_tree", ENOENT, "nothing is there to bind: check the path"},
    Hint{"open_tree", ENOTDIR, "a folder is needed, and one part of this path is a file"},
    Hint{"open_tree", EINVAL,
         "it cannot be cloned alone: it is unbindable, or has mounts below it that a user "
         "namespace may not uncover (ask for rbind)"},
    Hint{"fsopen", ENODEV, "this kernel does not have that file system"},
    Hint{"fsmount", EPERM,
         "in a user namespace procfs and sysfs can be mounted only with a pid or network "
         "namespace of their own, and only where the host's own is fully visible"},
    Hint{"fsconfig", EPERM, "the file system may not be mounted in a user namespace"},
    Hint{
        "fsconfig", EINVAL,
        "the file system does not know that option, or not that value, or the value is longer than "
        "255 bytes"},
    Hint{"idmap mount", EPERM,
         "only root of the machine may map the owners of its file systems: run as root, or leave "
         "idmap out: for an ordinary user their own files are root's inside anyway"},
    Hint{"idmap mount", EINVAL,
         "its file system knows no id-mapped mounts (FUSE, NFS and 9p; see mount_setattr(2)), or "
         "it, or a mount below it, is mapped already: leave idmap out, or chown the files"},
    Hint{"move network device", EINVAL, "the kernel keeps a device of that kind in its namespace"},
    Hint{"move network device", EEXIST,
         "the container has a device of that name: give it another one in /linux/netDevices"},
    Hint{"find network device", ENODEV,
         "`ip link` lists those of the network namespace that this was called in"},
    Hint{"setresuid", EINVAL, "nobody mapped that id in the user namespace"},
    Hint{"setresgid", EINVAL, "nobody mapped that id in the user namespace"},
    Hint{
        "clone3", EAGAIN,
        "a limit on processes is reached: pids.max of the cgroup or of one above it, or ulimit -u"},
    Hint{"create cgroup", EEXIST, "a group of that name is there already: choose another name"},
    Hint{"create cgroup", ENOENT, "the group above it does not exist: make it first, by mkdir"},
    Hint{"create cgroup", EACCES, not_delegated},
    Hint{"create cgroup", EPERM, not_delegated},
    Hint{"create cgroup", EROFS,
         "cgroupfs is mounted read-only here: inside a container, groups cannot be made unless "
         "its engine allows it"},
    Hint{"create cgroup", EAGAIN,
         "a group above it limits how many there may be: cgroup.max.descendants, cgroup.max.depth"},
    Hint{"open cgroup", ENOENT, "there is no such group: see it with ls /sys/fs/cgroup"},
    Hint{"enable controllers", EBUSY,
         "no internal processes: a group either has processes or passes controllers on. Move "
         "those in its cgroup.procs to a group below it, or name another place with "
         "--cgroup-path"},
    Hint{"enable controllers", EACCES, too_few_delegated},
    Hint{"enable controllers", EPERM, too_few_delegated},
    Hint{"enable controllers", EOPNOTSUPP,
         "a threaded group has no such controllers: see its cgroup.type"},
    Hint{"apply limit", ENOENT, "this kernel or this controller has no such file"},
    Hint{"apply limit", EINVAL, "the kernel does not take that value for this file"},
    Hint{"apply limit", ERANGE, "the value is out of the range that the kernel takes"},
    Hint{"apply limit", ENODEV,
         "limits belong to whole disks: not to partitions, nor to numbers that no disk has "
         "(lsblk lists them)"},
    Hint{"apply limit", EACCES, not_delegated},
    Hint{"start in cgroup", EAGAIN,
         "a limit on processes is reached: --pids-limit, pids.max of a group above, or ulimit -u"},
    Hint{"start in cgroup", EBUSY,
         "no internal processes: the group passes controllers on, so only groups below it may "
         "have processes"},
    Hint{"start in cgroup", EOPNOTSUPP,
         "a group above it is threaded, and so it takes threads only: see cgroup.type there"},
    Hint{"start in cgroup", EACCES, not_delegated},
    Hint{"start in cgroup", ENOENT,
         "the group is out of sight of our cgroup namespace: name another place with "
         "--cgroup-path"},
    Hint{"attach to cgroup", EBUSY,
         "no internal processes: the group passes controllers on, so only groups below it may "
         "have processes"},
    Hint{"attach to cgroup", EACCES, not_delegated},
    Hint{"attach to cgroup", ESRCH, "that process has ended"},
    Hint{"wait for cgroup", ETIMEDOUT,
         "a process that waits for a disk or a dead server cannot be stopped before it is "
         "answered (state D in ps)"},
    Hint{"remove cgroup", ENOENT, "cgroup.kill needs Linux 5.14 or newer"},
    Hint{"remove cgroup", EACCES,
         "somebody who may write to the group took its rights away: chmod 755 it, then rmdir"},
    Hint{"remove cgroup", EBUSY, "somebody moved a process into it meanwhile: try again"},
    Hint{"mount overlay", EINVAL,
         "the folder of changes must lie on a file system with extended attributes that is no "
         "overlay itself: name another place with --store"},
    Hint{"mount overlay", ENODEV, "this kernel has no overlay file system: modprobe overlay"},
    Hint{"mount overlay", EPERM, "overlays in a user namespace need Linux 5.11 or newer"},
    Hint{"mount overlay", ELOOP, "a layer lies on an overlay of an overlay: name another --store"},
    Hint{"mount overlay", ESTALE, "the folder of changes was used with other layers before"},
    Hint{"mount overlay", EOPNOTSUPP, store_lacks_xattrs},
    Hint{"setxattr", EOPNOTSUPP, store_lacks_xattrs},
    Hint{"open image", ENOENT, "an image layout is a folder: skopeo copy SOURCE oci:DIR:REFERENCE"},
    Hint{"open image", ENOTDIR,
         "an image layout is a folder: skopeo copy SOURCE oci:DIR:REFERENCE"},
    Hint{"open layer store", ENOENT, "the folder that it is to be made in does not exist"},
    Hint{"open layer store", EACCES, "name a folder of yours with --store"},
    Hint{"open layer store", EROFS, "name a folder that can be written to with --store"},
    Hint{"connect to network", EPERM,
         "a bridge and its rules need CAP_NET_ADMIN on the host: run as root"},
    Hint{"open network state", EACCES,
         "that folder is root's: run as root, or name another with --network-state"},
    Hint{"reserve port", EACCES,
         "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE: run as root, "
         "or choose a higher one"},
    Hint{"reserve port", EADDRNOTAVAIL,
         "the host has no such address: see ip address, or publish on 0.0.0.0"},
    Hint{"reserve port", EAFNOSUPPORT, "IPv6 is switched off on this host"},
    Hint{"mount", EPERM,
         "what procfs shows is what the container's protection stands on: mount it elsewhere"},
    Hint{"mknodat", EEXIST,
         "remove that file from the root file system, or the device from the "
         "config"},
    Hint{"mount", EISDIR, "a file can only cover a file, and that target is a folder"},
    Hint{"mount", ENOTDIR, "a folder can only cover a folder, and that target is a file"},
    Hint{"prctl", EPERM,
         "the bounding set is lowered by CAP_SETPCAP, which you do not have: run as root, or give "
         "the container a user namespace"},
    Hint{"capset", EPERM,
         "nobody gives away what he does not have: list fewer capabilities, or run with more"},
    Hint{"apply label", ENOENT,
         "no such profile is loaded on this machine: aa-status lists those that are, "
         "apparmor_parser -r FILE loads one"},
    Hint{"apply label", EINVAL,
         "the security module does not know this label: compare those that ps -eZ shows"},
    Hint{"apply label", EACCES,
         "your own label does not allow the change to this one: run unconfined, or ask whoever "
         "wrote the policy"},
    Hint{"seccomp", EACCES,
         "a filter needs no_new_privs, or CAP_SYS_ADMIN: set process.noNewPrivileges, or "
         "--security-opt no-new-privileges"},
    Hint{"seccomp", EINVAL,
         "this kernel does not know one of the profile's flags or actions: compare "
         "/proc/sys/kernel/seccomp/actions_avail"},
    Hint{"seccomp", EBUSY,
         "a filter around us has a listener already, and there can be one only: start this outside "
         "of that, or leave SCMP_ACT_NOTIFY out of the profile"},
    Hint{"seccomp", ENOMEM,
         "all filters around a process together may have 32768 instructions: there are too many "
         "already, or too long ones"},
    Hint{"seccomp", ENOSYS, "this kernel was built without CONFIG_SECCOMP_FILTER"},
    Hint{
        "recvmsg", EPIPE,
        "it was killed, or broke down, on its way: a memory limit that is too small does that, and "
        "the kernel's log (dmesg) tells of it"},
    Hint{"sendmsg", EPIPE, "the other side closed the connection before it had the message"},
    Hint{"connect", ECONNREFUSED,
         "nobody listens on that socket: start the agent first, or correct listenerPath"},

    Hint{"open init", ENOENT,
         "tenon-init lies beside the stage program, where the build puts it: name another with "
         "--init-path"},
    Hint{"execve init", ENOENT,
         "what it is loaded or interpreted by is looked for in the container's root: take a static "
         "program"},
    Hint{"execve init", EACCES,
         "it must be a regular file that may be executed (chmod +x), on a mount that is not "
         "noexec"},
    Hint{"execve init", ENOEXEC, "it is no program that this kernel runs: take a static one"},
    Hint{"open root", EACCES, "that process is another user's: run as root"},
    Hint{"open root", EPERM, "that process is another user's: run as root"},
    Hint{"pivot_root", EINVAL,
         "the new root must be a mount point, and no mount involved may be "
         "shared: make mounts private first (chapter 02)"},
    Hint{"pivot_root", EBUSY, "the new root is already the root"},
    Hint{"make bridge", EPERM, no_net_admin},
    Hint{"make bridge", EEXIST,
         "a device of that name is there, and is no bridge: choose another name with --bridge"},
    Hint{"make bridge", EOPNOTSUPP, "this kernel has no bridges: modprobe bridge, as root"},
    Hint{"set up bridge", EPERM, no_net_admin},
    Hint{"set up bridge", EINVAL, "the MTU of a bridge is 68 to 65535"},
    Hint{"make veth", EPERM, no_net_admin},
    Hint{"make veth", EEXIST,
         "a device of that name is there already, on the host or in the container"},
    Hint{"make veth", EOPNOTSUPP, "this kernel has no veth devices: modprobe veth, as root"},
    Hint{"make veth", EINVAL,
         "it takes a network namespace, a bridge that is there, and an MTU of 68 to 65535"},
    Hint{"make veth", EADDRNOTAVAIL,
         "that MAC address stands for a group of devices: the first byte of one is even"},
    Hint{"find link", ENODEV, device_gone},
    Hint{"set link up", ENODEV, device_gone},
    Hint{"set link up", EPERM, no_net_admin},
    Hint{"wait for port", ETIMEDOUT,
         "the other end of that cable is down, or spanning tree is on at the bridge"},
    Hint{"delete link", EPERM, no_net_admin},
    Hint{"delete link", EOPNOTSUPP, "that device is hardware, or loopback: it cannot be deleted"},
    Hint{"add address", ENODEV, device_gone},
    Hint{"add address", EPERM, no_net_admin},
    Hint{"add address", EACCES,
         "IPv6 is switched off there: see sysctl net.ipv6.conf.all.disable_ipv6, or do without"},
    Hint{"add route", EPERM, no_net_admin},
    Hint{"add route", EEXIST, "there is such a route already: ip route shows it"},
    Hint{"add route", ENETUNREACH,
         "the gateway is in none of the device's networks, or the device is down"},
    Hint{"openat", ENOTDIR, "a folder is needed, and one part of this path is a file"},
    Hint{"", ENOSYS,
         "this kernel is too old for Tenon (5.12 or newer), or a seccomp profile "
         "hides the call"},
    Hint{"", ENOSPC, "a limit or the disk is full"},
    Hint{"", EMFILE, "too many open files: raise ulimit -n"},
};

bool fits(const Hint& hint, const SysError& error) {
    return hint.error == error.error() && (hint.call.empty() || hint.call == error.call());
}

}  // namespace

std::string_view hint_for(const SysError& error) {
    for (const Hint& hint : hints) {
        if (fits(hint, error)) return hint.advice;
    }
    return {};
}

std::string with_advice(const SysError& error) {
    const std::string_view advice = hint_for(error);
    return fmt::format("{}{}{}", error.what(), advice.empty() ? "" : ": ", advice);
}

}  // namespace tenon
