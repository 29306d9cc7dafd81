"""The same sandbox and leak check as tests/shell, and machines for engines: one for each file of
tests, because a daemon takes seconds to start. What a test leaves on it, the leak check sees."""

import pytest

import engines
from kit.engines import is_whole
from shellkit import cgroups, kernel, leaks
from shellkit.fixtures import *  # noqa: F401,F403
from shellkit.programs import PATIENCE, Programs


def needed(*names: str) -> list[str]:
    found = [engines.program(name) for name in names]
    missing = [name for name, path in zip(names, found) if path is None]
    if missing:
        pytest.skip(f"needs the programs {', '.join(missing)}")
    return found


@pytest.fixture(scope="session")
def tenon_oci(bin):
    if not (bin / "tenon-oci").is_file():
        pytest.skip("needs tenon-oci: cmake --build --preset dev --target stages")
    return bin / "tenon-oci"


@pytest.fixture(scope="module")
def machine(host, bin):
    """A machine for engines."""
    if not host.real_root:
        pytest.skip("needs root: engines of ordinary users are another matter")
    if not is_whole(engines.ENGINES):
        pytest.skip("needs podman, containerd and Docker: ./course up --authors, on Debian 12")
    covered = [place for place in engines.COVERED if host.base.is_relative_to(place)]
    if covered:
        pytest.skip(f"needs TMPDIR elsewhere: engines have a {covered[0]} of their own")
    init, *_ = needed("tini", "unshare", "nsenter", "ip")
    try:
        home = cgroups.Home.build()
    except cgroups.NoHome as problem:
        pytest.skip(f"lab VM: {problem}")
    made = engines.Machine(Programs(bin, host.new_folder()), home)
    made.start(init)
    yield made
    made.stop()
    home.top.remove()


@pytest.fixture
def controllers(machine):
    """controllers("memory", "pids"): skips where a group cannot have them."""
    def need(*names: str) -> None:
        missing = sorted(set(names) - set(machine.home.top.read("cgroup.controllers").split()))
        if missing:
            pytest.skip(f"lab VM: needs the {' and the '.join(missing)} controller")
    return need


@pytest.fixture(scope="module")
def roots(host, machine):
    """roots("name"): a root file system for engines, which write to it."""
    if host.rootfs is None:
        pytest.skip(f"needs a root file system: {host.no_rootfs}")
    return lambda name: engines.make_root(machine.folder / "roots" / name,
                                          host.rootfs / "bin/busybox")


def alike(engine, machine, runtimes: dict, roots, *groups: str) -> engines.Both:
    """One engine with each runtime. The groups are those that it, or runc, makes once for all
    containers and leaves."""
    for group in groups:
        machine.home.top.make(group)
    return engines.Both(*(engine(machine, name, path, roots(f"{engine.__name__}/{name}"))
                          for name, path in runtimes.items()))


def used(both, remove_all):
    """For one test; in the end all that ends later, as conmon does, has ended and is reaped."""
    before = leaks.descendants()
    yield both
    remove_all()
    settled = lambda: leaks.descendants() <= before  # noqa: E731
    assert kernel.wait_until(settled, PATIENCE), both.ours.machine("ps", "-ef").out.decode()


@pytest.fixture(scope="module")
def runtimes(tenon_oci) -> dict:
    return {"runc": needed("runc")[0], "ours": tenon_oci}


@pytest.fixture(scope="module")
def podmans(machine, runtimes, roots) -> engines.Both:
    machine.environment |= engines.podman_settings(machine.folder, runtimes, *needed("catatonit"))
    return alike(engines.Podman, machine, runtimes, roots, "libpod_parent", "libpod_parent/conmon")


@pytest.fixture
def podman(podmans):
    """podman(deed): with runc, and with ours."""
    yield from used(podmans, podmans.ours.remove_all)


@pytest.fixture(scope="module")
def ctrs(machine, runtimes, roots):
    daemon = engines.start_containerd(machine)
    yield alike(engines.Ctr, machine, runtimes, roots, "default")
    machine.end_daemon(daemon)


@pytest.fixture
def ctr(ctrs):
    """ctr(deed): with runc, and with ours."""
    yield from used(ctrs, ctrs.ours.remove_all)


@pytest.fixture(scope="module")
def dockers(machine, runtimes, roots):
    daemons = engines.start_dockerd(machine, runtimes)
    yield alike(engines.Docker, machine, runtimes, roots, "docker")
    for daemon in daemons:
        machine.end_daemon(daemon)


@pytest.fixture
def docker(dockers):
    """docker(deed): with runc, and with ours."""
    yield from used(dockers, dockers.ours.remove_all)


@pytest.fixture(scope="module", params=["podman", "docker"])
def commands(request) -> engines.Both:
    """Here, and not with the test: a daemon that is started then would be its leak."""
    return request.getfixturevalue(f"{request.param}s")


@pytest.fixture
def either(commands):
    """either(deed): by podman, then by docker; each with runc, and with ours."""
    yield from used(commands, commands.ours.remove_all)
