#!/usr/bin/python3
"""What connecting one container costs, and disconnecting it: ours, a script of ip and nft, CNI.

    python3 tests/bench/network.py [--rounds 20]

Each way has a bridge of its own that is there before and stays; what is timed is one container's
cable, address, route and translation, made and removed. Ours also keeps a container from speaking
by another's address, and publishes a port; the script publishes one, CNI's bridge plugin
masquerades. Everything happens in network and mount namespaces of this program's own.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from timing import Candidate, interleave, table

ROOT = Path(__file__).resolve().parent.parent.parent
CNI = Path("/usr/lib/cni")
CNI_CONFIG = {"cniVersion": "0.4.0", "name": "bench", "type": "bridge", "bridge": "br-cni",
              "isGateway": True, "ipMasq": True,
              "ipam": {"type": "host-local", "subnet": "10.98.0.0/16", "dataDir": "/run/cni"}}
TABLE = """\
table ip hand {
  map ports { type inet_service : ipv4_addr . inet_service; }
  chain prerouting { type nat hook prerouting priority -100;
    dnat ip to tcp dport map @ports; }
  chain postrouting { type nat hook postrouting priority 100;
    ip saddr 10.99.0.0/16 oifname != "br-hand" masquerade; }
}
"""


def ran(*words, text: str = "") -> None:
    subprocess.run([str(word) for word in words], check=True, input=text, text=True,
                   stdout=subprocess.DEVNULL)


def enter_own_host() -> None:
    """Again, inside namespaces that end with us."""
    if os.environ.get("TENON_BENCH_HOST") != "1":
        inside = os.environ | {"TENON_BENCH_HOST": "1"}
        os.execvpe("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv], inside)
    ran("mount", "-t", "tmpfs", "tenon-bench", "/run")
    ran("ip", "link", "set", "lo", "up")


def make_namespaces(*names: str) -> None:
    for name in names:
        ran("ip", "netns", "add", name)


def ours(program: Path) -> Candidate:
    """Another endpoint holds the network, as a running container would."""
    make_namespaces("ours", "holder")
    holder = subprocess.Popen(
        [program.parent / "ch05", "run", "--rootfs", ROOT / "build/rootfs", "--network", "bridge",
         "--network-state", "/run/tenon", "--", "sh", "-c", "echo up; exec sleep 100000"],
        stdout=subprocess.PIPE)
    holder.stdout.readline()
    return Candidate("Tenon, chapter 05", [str(program), "/run/tenon", "/run/netns/ours", "bench"])


def by_hand() -> Candidate:
    make_namespaces("hand")
    ran("ip", "link", "add", "br-hand", "type", "bridge")
    ran("ip", "address", "add", "10.99.0.1/16", "dev", "br-hand")
    ran("ip", "link", "set", "br-hand", "up")
    ran("nft", "-f", "-", text=TABLE)
    return Candidate("ip and nft, a script", ["sh", str(ROOT / "tests/bench/by_hand.sh"), "hand"])


def cni() -> Candidate:
    make_namespaces("cni")
    config = Path("/run/cni.json")
    config.write_text(json.dumps(CNI_CONFIG), encoding="utf-8")
    both = " && ".join(f"CNI_COMMAND={verb} {CNI}/bridge < {config}" for verb in ("ADD", "DEL"))
    return Candidate("CNI bridge, ADD and DEL", ["sh", "-c", both], environment={
        "CNI_CONTAINERID": "bench", "CNI_NETNS": "/run/netns/cni", "CNI_IFNAME": "eth0",
        "CNI_PATH": str(CNI)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    program = ROOT / "build/lab/bin/network_bench"
    missing = [name for name in ("ip", "nft", "iptables") if shutil.which(name) is None]
    missing += [] if (CNI / "bridge").is_file() else ["CNI's bridge plugin"]
    missing += [] if program.is_file() else ["network_bench (--target benches)"]
    if os.geteuid() != 0 or missing:
        sys.exit(f"network.py: NOT RUN: needs root, and: {', '.join(missing) or 'nothing more'}")
    enter_own_host()
    runs = [ours(program), by_hand(), cni()]
    interleave(runs, args.rounds)
    print("\n".join(table(runs, args.rounds)))


if __name__ == "__main__":
    main()
