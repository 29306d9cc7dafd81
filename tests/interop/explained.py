"""Why tenon-oci does otherwise than the OCI's validation programs want it, by their names.

Who fails alike is said, too; tests run them beside ours, where they are installed. Used of the
topics (topics.py), which are named like the programs, and of the programs themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BOTH = frozenset({"crun", "runc"})
RUNC = frozenset({"runc"})
NOBODY: frozenset[str] = frozenset()
SYS_RESOURCE = 1 << 24


def may_all() -> bool:
    """Whether we may give a container CAP_SYS_RESOURCE. crun 1.8.1 needs it for any container."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    bounding = next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd"))
    return bool(int(bounding, 16) & SYS_RESOURCE)


@dataclass(frozen=True)
class Reason:
    text: str
    alike: frozenset[str] = RUNC
    applies: Callable[[], bool] = lambda: True
    always: bool = True  # or only sometimes: a race of the program's own


DELETES_CREATED = Reason(
    "runtime.md: \"Attempting to delete a container that is not stopped MUST have no effect\". "
    "runc has always deleted created ones, and containerd counts on it", BOTH)
NEEDS_PROCESS = Reason(
    "config.md: process is required when start is called. A container is made of its process: "
    "create refuses, as crun and runc do", BOTH)
POSTSTART_FAILS = Reason(
    "up to 1.2 of the specification a failure was a warning; since 1.3 it is an error, and ends "
    "the container. runc 1.1.5 is no help to either: it runs these hooks within create")
UNKNOWN_CAPABILITY = Reason(
    "1.0 wanted an error; config.md since 1.1: \"Runtimes SHOULD NOT fail if the container "
    "configuration requests capabilities that cannot be granted\", but warn", BOTH)
NO_CAPABILITY = Reason(
    "config.md: what cannot be granted is no error, but a warning; we have no CAP_SYS_RESOURCE to "
    "give. runc refuses", NOBODY, lambda: not may_all())
NO_PROFILE = Reason(
    "nobody has loaded acme_secure_profile, and many kernels run no AppArmor: config.md, \"MUST "
    "generate an error when invalid or unsupported values are encountered\"")
NO_LABEL = Reason(
    "this kernel runs no SELinux: config.md, an unsupported value MUST generate an error", RUNC,
    lambda: not Path("/sys/fs/selinux/enforce").exists())
READ_TOO_LATE = Reason(
    "the program reads what its hooks wrote when the bundle with it is gone, and expects words "
    "they do not write: nobody passes. The topic of this name asks for the order")
WITHIN_CREATE = Reason(
    "the program is of 1.0.0, where these hooks came after start; config.md since 1.0.2: they "
    "\"MUST be called as part of the create operation\"")
STILL_CREATING = Reason(
    "runtime.md, State: within create the status is `creating`; so prestart hooks are told. The "
    "program wants `created`")
NO_SUCH_PROGRAM = Reason(
    "the program puts no /runtimetest into its first bundle, and a config whose args[0] does not "
    "exist is refused by create")
BIND_HAS_NO_DATA = Reason(
    "the kernel ignores mode= and size= of a bind mount, and nobody could tell: refused, as runc "
    "does since 1.2; 1.1.5 passes them on, to no effect", NOBODY)
GO_RAISES = Reason(
    "Go's runtime raises its soft limit of open files to the hard one since 1.19: runtimetest sees "
    "what it did itself. The topic of this name asks /proc/PID/limits", NOBODY)
KILLS_THE_ENDED = Reason(
    "the program kills /bin/true, which has ended by then if start waited for it: and an ended "
    "container MUST refuse, which the program `kill` asks for", NOBODY, always=False)

# Of topics.
TOPICS = {
    "delete_created": DELETES_CREATED,
    "start_without_process": NEEDS_PROCESS,
    "poststart_fail": POSTSTART_FAILS,
    "process_capabilities_fail": UNKNOWN_CAPABILITY,
}
# Of programs: what each complains of, as a regular expression.
PROGRAMS = {
    "delete": {r"^2 - .*MUST generate an error": DELETES_CREATED,
               r"^3 - .*MUST have no effect": DELETES_CREATED},
    "hooks": {"Hooks MUST be called in the listed order": READ_TOO_LATE},
    "hooks_stdin": {r'^1 - .*"prestart" hook': STILL_CREATING},
    "linux_mount_label": {"exit status 1": NO_LABEL},
    "linux_process": {"exit status 1": NO_PROFILE},
    "linux_process_apparmor_profile": {"exit status 1": NO_PROFILE},
    "misc_props": {"^1 - .*unknown annotation key": NO_SUCH_PROGRAM},
    "mounts": {"exit status 1": BIND_HAS_NO_DATA},
    "pidfile": {"^1 - create with": KILLS_THE_ENDED},
    "poststart_fail": {"if any poststart hook fails": POSTSTART_FAILS},
    "prestart": {"Pre-start hooks MUST be called after the `start`": WITHIN_CREATE},
    "process_capabilities": {"capability CAP_SYS_RESOURCE set$": NO_CAPABILITY},
    "process_capabilities_fail": {"^exit: .*#linux-process": UNKNOWN_CAPABILITY},
    "process_rlimits": {"has expected soft RLIMIT_NOFILE": GO_RAISES},
    "start": {"^7 - exit status 1": NEEDS_PROCESS},
}
# Programs that race with what they have started: one time of several has to be well.
BY_CHANCE = {
    "hooks_stdin": "a hook that is a second late is ended",
    "killsig": "it does not wait until the shell has set its trap",
    "poststart": "the process has been executed when the hook is: both are shells that write to "
                 "one file, and the process is wanted to be first",
}
V1 = "reads the files of cgroup v1, which tenon does not use; the topic of this name asks v2"
LEFT_OUT = {f"linux_cgroups_{kind}{name}": V1 for kind in ("", "relative_") for name in
            ("blkio", "cpus", "devices", "hugetlb", "memory", "network", "pids")}
LEFT_OUT |= {"delete_resources": V1, "delete_only_create_resources": V1}
