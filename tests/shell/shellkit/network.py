"""A host, and a machine on the internet behind it: network namespaces of the test's own.

Nothing is named: a namespace is held by a process that waits in it, and entered through its pid.
"""

import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shellkit import kernel
from shellkit.programs import PATIENCE, READY, Container, Programs, Result

HOST, INTERNET = "192.0.2.1", "192.0.2.2"
HOST6, INTERNET6 = "2001:db8::1", "2001:db8::2"


@dataclass
class Netns:
    """A network namespace, by somebody in it."""

    pid: int

    @property
    def launcher(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--"]

    def run(self, *words, timeout: float = PATIENCE, **settings) -> subprocess.CompletedProcess:
        return subprocess.run([*self.launcher, *map(str, words)], capture_output=True, text=True,
                              timeout=timeout, check=False, **settings)

    def do(self, *words, **settings) -> str:
        done = self.run(*words, **settings)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def ip(self, *words) -> str:
        return self.do("ip", *words)

    def links(self) -> set[str]:
        return set(re.findall(r"^\d+: ([^:@]+)", self.ip("-o", "link"), re.MULTILINE))

    def switch(self, name: str, value: str | None = None) -> str:
        """A file below /proc/sys/net, as it is seen in there."""
        path = f"/proc/sys/net/{name}"
        if value is not None:
            self.do("sh", "-c", f"echo {value} > {path}")
        return self.do("cat", path).strip()

    def reaches(self, address: str, port: int = 80, seconds: float = 2) -> bool:
        """Whether a web server of a container answers there."""
        url = f"http://{address}:{port}/passwd"
        done = self.run("timeout", seconds, "busybox", "wget", "-q", "-O", "-", url)
        return done.returncode == 0 and done.stdout.startswith("root:")

    def peer_seen_by(self, address: str, port: int) -> str | None:
        """From where a Server sees a connection from here; nothing when it cannot be made."""
        client = self.run("timeout", "4", "busybox", "nc", "-w", "4", address, port, input="")
        return client.stdout.strip() or None if client.returncode == 0 else None


class Server:
    """A small TCP server in a namespace, which tells each client who it is."""

    SCRIPT = r"""
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)
print("ready", flush=True)
while True:
    client, peer = server.accept()
    client.sendall(peer[0].encode() + b"\n")
    client.close()
"""

    def __init__(self, netns: Netns, address: str = "", port: int = 80) -> None:
        self.process = subprocess.Popen(
            [*netns.launcher, sys.executable, "-c", self.SCRIPT, address, str(port)],
            stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Starting(Container):
    def ready(self) -> Container:
        with kernel.FolderWatch(self.pid_file.parent) as watch:
            self.wait_until_ready()
            watch.wait_for(self.pid_file.name, PATIENCE)
        self.pid = int(self.pid_file.read_text(encoding="ascii"))
        return self


UDP_ECHO = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", int(sys.argv[1])))
print("ready", flush=True)
word, peer = server.recvfrom(100)
server.sendto(word, peer)
"""
UDP_CLIENT = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.connect((sys.argv[1], int(sys.argv[2])))
client.send(b"word")
print(client.recv(100).decode())
"""


@contextmanager
def udp_echo(netns: Netns, port: int):
    """Sends one datagram back."""
    server = subprocess.Popen([*netns.launcher, sys.executable, "-c", UDP_ECHO, str(port)],
                              stdout=subprocess.PIPE)
    try:
        server.stdout.readline()
        yield
    finally:
        server.kill()
        server.communicate()


UDP_LISTENER = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", int(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
server.setblocking(False)
try:
    while True:
        print(server.recvfrom(100)[1][0], flush=True)
except BlockingIOError:
    pass
"""


@contextmanager
def udp_listener(netns: Netns, port: int):
    """with udp_listener(..) as heard: heard() says from whom datagrams came until now."""
    server = subprocess.Popen([*netns.launcher, sys.executable, "-c", UDP_LISTENER, str(port)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        server.stdout.readline()
        yield lambda: server.communicate("\n")[0].split()
    finally:
        server.kill()
        server.communicate()


@dataclass
class Connected(Programs):
    """Programs that run on the host of the test, whose state folder is the test's."""

    host: Netns | None = None
    internet: Netns | None = None
    rootfs: Path | None = None

    def command(self, program: str, *words) -> list[str]:
        assert program >= "ch05", "earlier programs have no network state"
        return [*self.host.launcher, str(self.bin / program), "run", "--network-state",
                str(self.state), *map(str, words)]

    @property
    def state(self) -> Path:
        return self.scratch / "state"

    def bridged(self, *words, script: str = ""):
        """with net.bridged() as c: a container on a bridge, held open."""
        return self.container("ch05", "--rootfs", self.rootfs, "--network", "bridge", *words,
                          script=script)

    @contextmanager
    def begin(self):
        """One that is still starting: several of them start at the same time."""
        pid_file = self.next_pid_file()
        argv = self.command("ch05", "--pid-file", pid_file, "--rootfs", self.rootfs, "--network",
                            "bridge", "--", "/bin/sh", "-c",
                            f"httpd -p 80 -h /etc; echo '{READY}'; read -r _")
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, cwd=self.scratch / "cwd",
                                   env=self.environment)
        started = Starting(process, pid_file)
        try:
            yield started
        finally:
            started.end()

    def web(self, *words):
        """One with a web server on port 80."""
        return self.bridged(*words, script="httpd -p 80 -h /etc")

    def refused(self, *words) -> Result:
        return self("ch05", "--rootfs", self.rootfs, "--network", "bridge", *words, "--", "true")

    def ours(self) -> dict[str, object]:
        """What a test must find as it was: links, addresses, routes, rules, switches, records."""
        return {"links": sorted(self.host.links()),
                "addresses": self.host.ip("-o", "address", "show", "scope", "global"),
                "routes": settled(self.host.ip("route", "show", "table", "all")),
                "routes6": settled(self.host.ip("-6", "route", "show", "table", "main")),
                "switches": {name: self.host.switch(name) for name in
                             ("ipv4/ip_forward", "ipv4/conf/all/accept_redirects",
                              "ipv6/conf/all/forwarding", "ipv6/conf/up0/accept_ra")},
                "rules": ruleset(self.host),
                "state": sorted(str(path.relative_to(self.state)) for path in
                                self.state.rglob("*")) if self.state.exists() else []}


def settled(routes: str) -> list[str]:
    """Without what the kernel adds when it hears of a carrier, a moment after the device is up."""
    lines = [line.replace(" linkdown", "").rstrip() for line in routes.splitlines()]
    return [line for line in lines if not re.search(r"\b(fe80:|ff00::/8)", line)]


def ruleset(netns: Netns) -> str:
    """Empty where nft is missing: the machine then cannot say."""
    try:
        return netns.do("nft", "list", "ruleset")
    except (AssertionError, FileNotFoundError):
        return ""


def netns_of(container) -> Netns:
    return Netns(container.pid)


def hold_new_netns() -> subprocess.Popen:
    """A process that waits in a network namespace of its own until its input ends."""
    process = subprocess.Popen(["unshare", "--net", "sh", "-c", f"echo '{READY}'; read -r _"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def build_hosts(host: Netns, internet: Netns) -> None:
    # A new network namespace has the machine's: 1 where Docker is. ip-sysctl, devconf_inherit_init_net
    host.switch("ipv4/ip_forward", "0")
    host.ip("link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns",
            str(internet.pid))
    for netns, device, v4, v6 in ((host, "up0", HOST, HOST6),
                                  (internet, "eth0", INTERNET, INTERNET6)):
        netns.ip("link", "set", "lo", "up")
        # Else its link-local address is of no use for a second.
        netns.switch(f"ipv6/conf/{device}/accept_dad", "0")
        netns.ip("address", "add", f"{v4}/24", "dev", device)
        netns.ip("address", "add", f"{v6}/64", "dev", device, "nodad")
        netns.ip("link", "set", device, "up")
    host.ip("route", "add", "default", "via", INTERNET)
    host.ip("-6", "route", "add", "default", "via", INTERNET6)
    # It knows the way to every container: only a rule can keep it out.
    internet.ip("route", "add", "10.0.0.0/8", "via", HOST)
    internet.ip("-6", "route", "add", "fd00::/8", "via", HOST6)


def address_of(netns: Netns, family: str = "-4") -> str:
    text = netns.ip(family, "-o", "address", "show", "dev", "eth0", "scope", "global")
    return re.search(r"inet6? ([0-9a-f.:]+)/", text).group(1)
