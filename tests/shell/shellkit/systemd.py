"""A systemd of a test's own, as process 1 of its own namespaces.

systemd as process 1 takes the machine that it finds for its own: it clears /tmp, writes sysctls,
starts what is installed. So it is booted in the lab VM only, which is thrown away, and with a unit
path that holds the units written here and nothing of the distribution's.

    systemd   process 1 of a pid namespace; the test's cgroup is the root that it sees
    dbus      the distribution's dbus-daemon, on a socket that systemd holds
    user      an ordinary user's systemd, with a bus of its own
"""

import os
import select
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from shellkit.cgroups import Home, hierarchy
from shellkit.programs import PATIENCE

PROGRAM = "/usr/lib/systemd/systemd"
NEEDED = (PROGRAM, "/usr/bin/busctl", "/usr/bin/systemctl", "/usr/bin/dbus-daemon")
USER = 65534  # has an entry everywhere
RUNTIME = f"/run/user/{USER}"

LONELY = "[Unit]\nDefaultDependencies=no\n"
BUS = {
    "lab.target": f"{LONELY}Requires=dbus.service\nAfter=dbus.service\n",
    "shutdown.target": LONELY,
    "dbus.socket": LONELY + "[Socket]\nListenStream={socket}\n",
    "dbus.service": LONELY + """Requires=dbus.socket
[Service]
Type=notify
ExecStart=/usr/bin/dbus-daemon {kind} --address=systemd: --nofork --nopidfile --systemd-activation
""",
}
USER_UNIT = f"""{LONELY}
[Service]
Type=notify
User={USER}
Group={USER}
Delegate=cpu cpuset io memory pids
Environment=XDG_RUNTIME_DIR={RUNTIME} SYSTEMD_UNIT_PATH={RUNTIME}/systemd/transient:/run/units/user
ExecStart={PROGRAM} --user --unit=lab.target
"""
# In the new namespaces, right before systemd. Where transient units are written to has to be in
# its path, or they are forgotten when it reads its configuration again.
PREPARE = f"""
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
umount "$1"
mount -t cgroup2 none "$1"
mkdir -p /run/dbus {RUNTIME}
chown {USER}:{USER} {RUNTIME}
chmod 700 {RUNTIME}
cp -a "$0" /run/units
export container=lab
export SYSTEMD_UNIT_PATH=/run/systemd/transient:/run/systemd/system.control:/run/units
exec {PROGRAM} --system --unit=lab.target --log-target=null
"""


def missing() -> str:
    """Why there can be none here; empty: there can."""
    if os.environ.get("TENON_LAB_VM") != "1":
        return "lab VM: systemd as process 1 changes the machine that it runs on"
    lacking = [path for path in NEEDED if not os.path.exists(path)]
    return f"needs {', '.join(lacking)}: apt-get install systemd dbus" if lacking else ""


def write_bus(folder: Path, kind: str, address: str) -> None:
    folder.mkdir()
    for name, text in BUS.items():
        (folder / name).write_text(text.format(kind=kind, socket=address), encoding="ascii")


@dataclass
class Systemd:
    """words() puts a command into its namespaces, and into a group beside its units."""

    scratch: Path
    home: Home
    holder: subprocess.Popen | None = None
    pid: int = 0

    def boot(self) -> None:
        units = self.scratch / "units"
        write_bus(units, "--system", "/run/dbus/system_bus_socket")
        write_bus(units / "user", "--session", f"{RUNTIME}/bus")
        (units / "user.service").write_text(USER_UNIT, encoding="ascii")
        units.chmod(0o755)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(str(self.scratch / "ready"))
            self.holder = self.start(units)
            self.wait_for(ready)
        children = f"/proc/{self.holder.pid}/task/{self.holder.pid}/children"
        self.pid = int(Path(children).read_text(encoding="ascii"))

    def wait_for(self, ready: socket.socket) -> None:
        """It says when it has booted; or it ends, and has said why."""
        pidfd = os.pidfd_open(self.holder.pid)
        try:
            while True:
                waiting, _, _ = select.select([ready, pidfd], [], [], PATIENCE)
                assert waiting and pidfd not in waiting, self.log.read_text(encoding="utf-8")
                if "READY=1" in ready.recv(4096).decode().splitlines():
                    return
        finally:
            os.close(pidfd)

    @property
    def log(self) -> Path:
        return self.scratch / "systemd.log"

    def start(self, units: Path) -> subprocess.Popen:
        top = self.home.top.path
        inner = ["unshare", "--mount", "--uts", "--ipc", "--net", "--cgroup",
                 "sh", "-c", PREPARE, str(units), str(hierarchy())]
        return subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child",
             "sh", "-c", 'echo 0 > "$0" && exec "$@"', str(top / "cgroup.procs"), *inner],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log.open("wb"),
            env=os.environ | {"NOTIFY_SOCKET": str(self.scratch / "ready")})

    def words(self, *words, user: bool = False) -> list[str]:
        become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
                  "env", f"XDG_RUNTIME_DIR={RUNTIME}"] if user else []
        return [*self.home.launcher(), "nsenter", f"--target={self.pid}", "--mount", "--pid",
                "--cgroup", "--net", "--ipc", "--uts", "--", *become, *map(str, words)]

    def output(self, *words, **settings) -> str:
        return subprocess.run(self.words(*words, **settings), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, timeout=PATIENCE, check=True,
                              text=True).stdout

    def properties(self, unit: str, *names: str, user: bool = False) -> dict[str, str]:
        manager = ["--user"] if user else []
        text = self.output("systemctl", *manager, "show", unit, "-p", ",".join(names), user=user)
        return dict(line.split("=", 1) for line in text.splitlines())

    def end(self) -> None:
        """With process 1 all that is in its pid namespace ends."""
        if self.holder:
            self.holder.kill()
            self.holder.wait(PATIENCE)
        for name in self.home.top.groups() - {"init"}:
            if "/" not in name:
                type(self.home.top)(self.home.top.path / name).remove()
        shutil.rmtree(self.scratch / "units", ignore_errors=True)
