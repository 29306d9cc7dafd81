#!/bin/sh
# A filter costs time only for the calls that it has to look at. A container copies bytes one by one,
# two system calls each: without a filter; with one of 300 rules that allow by name; and with one of
# 2000 rules about an argument of read and write. What is allowed whatever its arguments are, the
# kernel found out when the filter was installed, and asks a bitmap; what depends on an argument has
# it run the program, instruction by instruction. Each row is the fastest of nine runs: what else the
# machine does can only add to one.
#
# TENON_BIN     folder of ch08
# TENON_ROOTFS  a root file system with busybox
# Exit status: 0 the claim holds, 1 it does not, 2 it cannot be measured here.
set -u
: "${TENON_BIN:?the folder of ch08}" "${TENON_ROOTFS:?a root file system}"

calls=100000
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM

# A bundle whose config has that policy. An ordinary user's gets a user namespace.
bundle() {  # NAME
    mkdir "$work/$1"
    python3 - "$TENON_ROOTFS" "$work/$1.policy" "$(id -u)" > "$work/$1/config.json" << 'END'
import json, sys
rootfs, policy, uid = sys.argv[1], json.load(open(sys.argv[2])), int(sys.argv[3])
kinds = ["mount", "pid", "ipc", "uts"] + (["user"] if uid else [])
linux = {"namespaces": [{"type": kind} for kind in kinds]}
if policy:
    linux["seccomp"] = policy
proc = {"destination": "/proc", "type": "proc", "source": "proc"}
dev = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}
print(json.dumps({"ociVersion": "1.0.2", "root": {"path": rootfs, "readonly": True},
                  "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["true"],
                              "env": ["PATH=/bin"], "noNewPrivileges": True},
                  "mounts": [proc, dev], "linux": linux}))
END
}

policy() {  # KIND
    python3 - "$1" << 'END'
import json, sys
def rule(names, *args):
    return {"names": names, "action": "SCMP_ACT_ERRNO", "args": list(args)}
def on(index, value):
    return {"index": index, "value": value, "op": "SCMP_CMP_EQ"}
rules = {"none": [], "names": [], "arguments":
         [rule(["read", "write"], on(0, 1000 + number)) for number in range(2000)]}[sys.argv[1]]
if sys.argv[1] == "names":
    # Every call but those that a shell and dd need: what is left is allowed by name.
    import ctypes, ctypes.util
    library = ctypes.CDLL(ctypes.util.find_library("seccomp"))
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_char_p
    native = ctypes.c_uint32(library.seccomp_arch_native()).value
    names = [library.seccomp_syscall_resolve_num_arch(ctypes.c_uint32(native), number)
             for number in range(300)]
    rules = [{"names": [name.decode() for name in names if name], "action": "SCMP_ACT_ALLOW"}]
    print(json.dumps({"defaultAction": "SCMP_ACT_LOG", "syscalls": rules}))
else:
    print(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules} if rules else None))
END
}

# The clock is the container's shell's own.
# shellcheck disable=SC2016  # the container's shell expands it
script='a=$EPOCHREALTIME
dd if=/dev/zero of=/dev/null bs=1 count='$((calls / 2))' 2> /dev/null || exit
b=$EPOCHREALTIME; echo $((${b%.*}${b#*.} - ${a%.*}${a#*.}))'
kinds='none names arguments'
for kind in $kinds; do
    policy "$kind" > "$work/$kind.policy" && bundle "$kind" || exit 2
done
# In turns: what else the machine does meets all three.
for _ in 1 2 3 4 5 6 7 8 9; do
    for kind in $kinds; do
        "$TENON_BIN/ch08" run --bundle "$work/$kind" -- sh -c "$script" >> "$work/$kind.us" || exit 2
    done
done

# Nanoseconds of a call.
fastest() { sort -n "$work/$1.us" | sed -n 1p | awk -v calls=$calls '{printf "%.0f", $1 * 1000 / calls}'; }
row() { printf '%-34s  %s ns\n' "$1" "$2"; }

none=$(fastest none) names=$(fastest names) arguments=$(fastest arguments)
row 'no filter' "$none"
row '300 rules that name calls' "$names"
row '2000 rules about an argument' "$arguments"

# What a filter adds to the call; of two that add next to nothing none is the cheaper one.
[ $(((names - none) * 3)) -lt $(((arguments - none) * 2)) ]
