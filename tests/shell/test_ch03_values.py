"""Values on ch03's command line: what is almost one is refused, in one line, before anything."""

import pytest

from shellkit import kernel, outside

pytestmark = pytest.mark.usefixtures("ch03")

# What no number is, whatever it counts.
NO_NUMBER = ["", " ", "-5", "-2", "+1", "1.5.2", ".", "5.", ".5x", "64q", "NaN", "nan", "inf",
             "Infinity", "0x10", "1e3", "1e", "99999999999999999999", "18446744073709551616",
             "64 m", " 64m", "64m ", "\t1", "1\n", "1'000", "1_000", "٣", "６４", "--", "m",
             "maxx", "MAX", "true", "$((1))", "1;2", "\x1b[31m1"]
SIZES = ["9223372036854775808", "1,5", "18446744073709551615", "9000000t", "8388608t",
         "9007199254740992k", "8192p", "16384p", "1z", "1mm", "1kk", "1ib", "1bb", "1.2.3m",
         "1.1234567m", "64mbit", "1m/s", "0x10m", "-1m", "1e3m", "b", "ib", "kib", "0.5",
         "0.0001k", "0.9b", "0.000001"]
COUNTS = ["1.5", "1,5", "9223372036854775808", "1k", "32m", "0.0"]
WEIGHTS = ["0", "1,5", "10001", "-1", "1.5", "max", "100%", "4294967396", "65537"]
LISTS = ["3-1", ",", "a", "0,", ",0", "0-", "-1", "0--1", "0-1-2", "0,,1", "0;1", "0 1", "0:1",
         "99999999999999999999", "0-99999999999999999999"]
CPUS = ["0.001", "0.00999", "-1", "1e3", "0.0", "1.1234567", "1/2", "50%", "99999999999999999999",
        "92233720368548", "0,5", "1c"]
BYTES = ("--memory", "--memory-swap", "--memory-high", "--memory-low", "--memory-reservation",
         "--memory-min")
# An option of two names is called by its first.
NAMED = {"--memory-low": "--memory-reservation"}
RATES = ("--device-read-bps", "--device-write-bps")
COUNTED = ("--device-read-iops", "--device-write-iops")
BAD = ({option: NO_NUMBER + SIZES for option in BYTES}
       | {"--pids-limit": NO_NUMBER + COUNTS, "--cpu-weight": NO_NUMBER + WEIGHTS,
          "--io-weight": NO_NUMBER + WEIGHTS, "--cpus": NO_NUMBER + CPUS,
          "--cpuset-cpus": [text for text in NO_NUMBER if text] + LISTS,
          "--cpuset-mems": [text for text in NO_NUMBER if text] + LISTS})

NO_DEVICE_AND_RATE = [
    "", "x", "1mb", ":", "/dev/sda:", ":1mb", "8:0", "/dev/null:", "/dev/null:1",
    "/dev/no-such-disk:1", "/dev:1", "/:1", "8:x:1", "8:0:", "8:0:x", "8:0:-5", "8:0:1.5.2",
    "-8:0:1", "8:0:0:1", "8 0:1", "4294967296:0:1", "8:4294967296:1", "8:0:99999999999999999999",
    "8:0: 1", "8:0:0.5", "/etc/passwd:1", "/dev/null/x:1", "/" + "x" * 300 + ":1"]
# Those that are tried each time; of the others, some at random.
ALWAYS = ("", "-5", "0.5", "0.0001k", "1.5.2", "64q", "99999999999999999999", "9223372036854775808",
          "NaN", " 64m", "0x10", "9000000t", "0.001", "-1", "1e3", "0", "10001", "3-1", ",", "a")
OTHERS = 6


def without_cgroups() -> None:
    """In the child of a run: what is taken for a value must not reach the machine's groups."""
    points = sorted({mount.point for mount in outside.mounts() if mount.fstype == "cgroup2"})
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    for point in points:
        kernel.umount(point)


@pytest.fixture
def hidden(host) -> dict:
    """Root of a user namespace may not unmount what it inherited, nor change any group."""
    return {"preexec_fn": without_cgroups} if host.real_root else {}


@pytest.fixture
def refused(run, rootfs, hidden, rng):
    """Refused by its text: the line names the option, and shows nothing that a terminal obeys."""
    def check(option: str, *values: str, words: tuple = ()) -> str:
        for value in values:
            # A word that begins with a dash would be an option of its own.
            apart = rng.random() < 0.5 and not value.startswith("-")
            spelling = [option, value] if apart else [f"{option}={value}"]
            done = run("ch03", "--rootfs", rootfs, *spelling, *words, "--", "true", **hidden)
            line = done.one_line(125, NAMED.get(option, option))
            assert line.isprintable(), line
        return line
    return check


@pytest.mark.parametrize("option", BAD)
def test_what_is_no_value_is_refused(refused, rng, option):
    always = [text for text in BAD[option] if text in ALWAYS]
    others = [text for text in BAD[option] if text not in ALWAYS]
    refused(option, *always, *rng.sample(others, OTHERS))


def test_the_short_form_is_refused_by_its_long_name(run, rootfs):
    for value in ("64q", "1.5.2"):
        run("ch03", "--rootfs", rootfs, "-m", value, "--", "true").one_line(125, "--memory")
        run("ch03", "--rootfs", rootfs, f"-m{value}", "--", "true").one_line(125, "--memory")


def test_the_line_shows_the_text_and_what_to_write(refused):
    assert "'64q' is not a size" in refused("--memory", "64q")
    assert "64m, 1.5g" in refused("--memory", "64q")
    assert "0.5" in refused("--cpus", "half")
    assert "10000" in refused("--cpu-weight", "0")
    assert "0-2,7" in refused("--cpuset-cpus", "3-1")


@pytest.mark.parametrize("option", [*RATES, *COUNTED])
def test_what_is_no_device_and_rate_is_refused(refused, rng, option):
    refused(option, *rng.sample(NO_DEVICE_AND_RATE, 10))


def test_what_rates_are_not_counts_are_not_rates(refused):
    refused("--device-read-bps", "8:0:1mb/m", "8:0:1/s/s", "8:0:1mbps", "8:0:9000000t")
    refused("--device-write-iops", "8:0:1k", "8:0:1.5", "8:0:1/s")


def test_a_part_of_a_byte_is_not_taken_for_no_limit(refused):
    for option in RATES:
        assert "'0.5' is not a rate" in refused(option, "8:0:0.5")
        refused(option, "8:0:0.0001k", "8:0:0.1/s")
    refused("--hugetlb", "2MB:0.5", "2MB:0.0001k")


def test_a_weight_for_a_device_is_checked_too(refused):
    refused("--io-weight", "8:0:0", "8:0:10001", "/dev/null:5", "8:0:", ":5", "/dev/no-such:5")


def test_a_folder_and_a_character_device_are_no_disks(refused):
    for path in ("/dev/null", "/etc", "/dev/tty"):
        line = refused("--device-write-bps", f"{path}:1mb")
        assert path in line and "no disk" in line and "8:0" in line


def test_a_missing_disk_is_named(refused):
    assert "ENOENT" in refused("--device-write-bps", "/dev/no-such-disk:1mb")


@pytest.mark.parametrize("text", ["", "x", "2MB", "2MB:", ":64m", "2MB:x", "2/MB:64m", "../2MB:1m",
                                  "2MB:-5", "2MB:64q", "2MB:9000000t", "/:1", ".:1", "..:1",
                                  "2 MB:1m", "2MB\n:1m", "2MB:1m:1m"])
def test_what_is_no_huge_page_limit_is_refused(refused, text):
    refused("--hugetlb", text)


@pytest.mark.parametrize("text", [
    "", "x", "=", "=1", "memory.max", "memory.max=", "memory=1", "memory.=1", ".max=1", ".=1",
    "..=1", "../x=1", "../../memory.max=1", "a/memory.max=1", "/memory.max=1", "memory.max/=1",
    "memory .max=1", "memory.max\n=1", "mémory.max=1", "cgroup.procs=1", "cgroup.threads=1",
    "cgroup.kill=1", "cgroup.freeze=1", "cgroup.subtree_control=+memory", "cgroup.type=threaded",
    "cgroup.pressure=0", "cgroup.max=1", "cgroup.=1", "memory.m*x=1", "memory.max\\=1"])
def test_what_is_no_setting_is_refused(refused, text):
    refused("--cgroup-conf", text)


@pytest.mark.parametrize("text", ["", ".", "..", "/", "//", "a//b", "a/", "/a/", "./a", "a/./b",
                                  "../x", "a/../../x", "a/..", "//a", "/..", "/../x", "/."])
def test_what_names_no_group_is_refused(refused, text):
    refused("--cgroup-path", text)


def test_a_name_with_a_control_character_is_refused(refused, rng):
    """It would forge lines of /proc/PID/cgroup, or command the terminal of who lists groups."""
    others = rng.sample([chr(code) for code in range(1, 32)], 4)
    for control in {"\n", "\x1b", "\x7f", *others}:
        line = refused("--cgroup-path", f"a{control}b", f"/{control}", f"x/{control}y/z")
        assert "does not name a cgroup" in line


def test_memory_swap_needs_memory(refused):
    refused("--memory-swap", "64m", "0.5k")
    refused("--memory-swap", "64m", words=("-m", "0"))
    refused("--memory-swap", "64m", words=("--memory-high", "1m"))


def test_memory_swap_is_not_less_than_memory(refused):
    refused("--memory-swap", "64m", "1", words=("-m", "64.1m"))
    refused("--memory-swap", "67108863", words=("-m", "64m"))


SINGLE = {"--memory": "1m", "--memory-swap": "1m", "--memory-high": "1m", "--memory-low": "1m",
          "--memory-min": "1m", "--cpus": "1", "--cpu-weight": "1", "--cpuset-cpus": "0",
          "--cpuset-mems": "0", "--pids-limit": "9", "--cgroup-path": "x"}


@pytest.mark.parametrize("option", SINGLE)
def test_a_value_that_is_given_twice_is_refused(run, rootfs, hidden, option):
    value = SINGLE[option]
    for words in ((option, value, option, value), (f"{option}={value}", f"{option}={value}")):
        run("ch03", "--rootfs", rootfs, *words, "--", "true", **hidden).one_line(
            125, NAMED.get(option, option))


def test_both_names_of_one_option_are_one_option(run, rootfs, hidden):
    for words in (("-m", "1m", "--memory", "1m"),
                  ("--memory-reservation", "1m", "--memory-low", "1m")):
        run("ch03", "--rootfs", rootfs, *words, "--", "true", **hidden).one_line(125, "--memory")


@pytest.mark.parametrize("option", [*SINGLE, *RATES, *COUNTED, "--io-weight", "--hugetlb",
                                    "--cgroup-conf"])
def test_an_option_without_its_value_is_refused(run, rootfs, hidden, option):
    for words in ((option,), (f"{option}=",), (option, "")):
        run("ch03", "--rootfs", rootfs, *words, "--", "true", **hidden).one_line(
            125, NAMED.get(option, option))


@pytest.mark.parametrize("option", ["--oom-group", "--cpu-idle", "--stats"])
def test_a_switch_takes_no_value(run, rootfs, hidden, option):
    for value in ("maybe", "x"):
        run("ch03", "--rootfs", rootfs, f"{option}={value}", "--", "true", **hidden).one_line(
            125, option)


def test_options_of_chapter_03_are_unknown_before_it(run, rootfs):
    for option in ("--memory=1m", "--stats", "--cgroup-path=x", "-m1m", "--cgroup-conf=a.b=1"):
        for program, place in (("ch01", ()), ("ch02", ("--rootfs", rootfs))):
            run(program, *place, option, "--", "true").one_line(125, option.split("=")[0][:2])


def test_no_group_is_made_for_a_line_that_is_refused(limited, home, rootfs):
    for words in (("--stats", "--memory=64q"), ("--stats", "--memory-swap=1m"),
                  ("--cgroup-path", "x", "--hostname"), ("--cgroup-path", "a//b"),
                  ("--stats", "--bogus")):
        limited("ch03", "--rootfs", rootfs, *words, "--", "true").one_line(125)
    assert home.others() == set()
