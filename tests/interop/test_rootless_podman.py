"""podman of an ordinary user: our runtime as root of a user namespace that podman made.

All of it is one script, in namespaces of its own: podman of a user keeps a process that holds its
user namespace, which ends with them. What it says here it says with runc, word for word.
"""

import os
import shutil

import pytest

from engines import ENGINES, make_root, program
from kit.engines import is_whole
from shellkit.accounts import User, passwd_of

USER = User("ann", 61_000, 61_001)

CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=30000:30000"]
pids_limit = 0
[network]
network_backend = "cni"
[engine]
conmon_path = ["{folder}/engines/bin/conmon"]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "ours"
runtime_supports_json = ["ours"]
runtime_supports_nocgroup = ["ours"]
[engine.runtimes]
ours = ["{ours}"]
"""

# Root's part: a machine on which the user is known, with the engines of $3. $1 is the folder of all
# this, $2 the script.
MACHINE = """
cd "$1"
mount --make-rslave /; mount --make-shared /
mount --bind "$3" engines
libraries=/usr/lib/$(uname -m)-linux-gnu
mount -t overlay libraries -o "lowerdir=$3/lib:$libraries" "$libraries"
mount -t overlay etc -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/work" /etc
cat passwd > /etc/passwd
echo ann:200000:65536 > /etc/subuid; echo ann:200000:65536 > /etc/subgid
for folder in /var/tmp /dev/shm; do mount -t tmpfs -o mode=1777 none "$folder"; done
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs none /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
# podman's own commands refuse a longer name than 50 letters for what lies below it.
mkdir /run/ann; chown 61000:61001 /run/ann
cd home
exec setpriv --reuid=61000 --regid=61001 --clear-groups sh -c "$2"
"""

# `p WORDS` says how it ended as well.
DEEDS = """
p() { podman --log-level=error "$@"; echo "= $?"; }
p run --rm --network none --rootfs $R id
p run --rm --network none --user 7:8 --rootfs $R id -u
p run --rm --network none --cap-drop=all --cgroups=disabled --rootfs $R grep CapEff /proc/self/status
p run --rm --network none --rootfs $R nosuch 2>/dev/null
p run -d --network none --name one --rootfs $R sh -c \
    'echo begun; trap "exit 5" TERM; while :; do sleep 0.1; done' > /dev/null
p exec one sh -c 'id -u; exit 4'
p exec --user 7 one id -u
p stop --time 20 one
p wait one
p logs one
p inspect --format '{{.State.Status}}' one
p rm one
p ps -aq
"""
SAID = """\
uid=0(root) gid=0(root)
= 0
7
= 0
CapEff:\t0000000000000000
= 0
= 127
0
= 4
7
= 0
one
= 0
5
= 0
begun
= 0
exited
= 0
one
= 0
= 0
"""


@pytest.fixture
def folder(host, scratch, real_root, tenon_oci):
    """With all that the script needs, as the user's own."""
    if not is_whole(ENGINES):
        pytest.skip("needs podman: ./course up --authors, on Debian 12")
    missing = [name for name in ("newuidmap", "setpriv", "unshare") if program(name) is None]
    if missing or host.rootfs is None:
        pytest.skip(f"needs the programs {', '.join(missing)}" if missing else host.no_rootfs)
    made = scratch / "machine"
    for name in ("engines", "etc", "work", "home"):
        (made / name).mkdir(parents=True)
    make_root(made / "root", host.rootfs / "bin/busybox")
    (made / "passwd").write_text(passwd_of(USER), encoding="ascii")
    (made / "containers.conf").write_text(CONF.format(folder=made, ours=tenon_oci), encoding="utf-8")
    (made / "storage.conf").write_text('[storage]\ndriver = "vfs"\n', encoding="utf-8")
    for name in ("home", "root"):
        for path, _, names in os.walk(made / name):
            for each in (path, *(f"{path}/{found}" for found in names)):
                os.chown(each, USER.uid, USER.gid, follow_symlinks=False)
    yield made
    shutil.rmtree(made)


def test_a_users_podman_runs_execs_and_stops(folder, run):
    environment = {"PATH": f"{folder}/engines/bin:{run.environment['PATH']}",
                   "HOME": folder / "home", "XDG_RUNTIME_DIR": "/run/ann", "R": folder / "root",
                   "CONTAINERS_CONF": folder / "containers.conf",
                   "CONTAINERS_STORAGE_CONF": folder / "storage.conf"}
    done = run.plain(["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork",
                      "--kill-child", "--mount-proc", "sh", "-ec", MACHINE, "sh", folder, DEEDS,
                      ENGINES], timeout=120,
                     environment={name: str(value) for name, value in environment.items()})
    assert done.out.decode() == SAID, done
