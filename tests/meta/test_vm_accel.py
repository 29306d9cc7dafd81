"""KVM or emulation: the probe, judged with a QEMU of the test's making."""

import json
import os
import sys
from pathlib import Path

import pytest
from kit.errors import CourseError
from kit.vm import accel
from kit.vm.kernel import Kernel
from test_vm_kernel import pretend


@pytest.fixture
def probing(tmp_path, monkeypatch):
    """A place for the verdict, a /dev/kvm that opens, and a QEMU of the test's making."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TENON_VM_ACCEL", raising=False)
    (tmp_path / "kvm").touch()
    (tmp_path / "vmlinuz").touch()
    monkeypatch.setattr(accel, "KVM", tmp_path / "kvm")
    monkeypatch.setattr(accel, "probe_archive", lambda: b"")

    def with_qemu(script: str) -> Kernel:
        pretend(tmp_path / "bin", qemu_system_x86_64="case $1 in --version) echo version 1.2; "
                f"exit;; esac\necho started >>{tmp_path}/log\n{script}")
        program = tmp_path / "bin/qemu-system-x86-64"
        program.rename(program.with_name("qemu-system-x86_64"))
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        return Kernel(tmp_path)
    return with_qemu


# Says on the console, a socket that it inherits, what a probe's guest says.
SPEAKER = """
import os, re, sys, time
console = int(re.search("id=console,fd=([0-9]+)", " ".join(sys.argv))[1])
os.write(console, b"TENON-PROBE-READY\\n")
time.sleep(1000)
"""


def test_a_kvm_that_hangs_is_not_waited_for(probing):
    stuck = probing("exec sleep 1000")
    assert accel.probe(stuck, 0.2) == "hangs in a probe boot"


def test_a_kvm_that_aborts_is_quoted_once_and_remembered(probing, tmp_path):
    broken = probing("echo 'qemu-system-x86_64: ../accel/kvm.c:7: error: no such MSR' >&2; exit 1")
    for _ in range(2):
        verdict = accel.choose(broken)
        assert verdict.line() == "vm: emulated (KVM: aborts in a probe boot: no such MSR)"
    assert (tmp_path / "log").read_text() == "started\n"
    # Another kernel, another probe.
    os.utime(tmp_path / "vmlinuz", ns=(1, 1))
    accel.choose(broken)
    accel.forget()
    accel.choose(broken)
    assert (tmp_path / "log").read_text() == "started\n" * 3


def test_a_kvm_whose_guest_speaks_is_used(probing):
    works = probing(f"exec {sys.executable} -c '{SPEAKER}' \"$@\"")
    assert accel.choose(works).line() == "vm: KVM"


@pytest.mark.parametrize("damage", ["", "no json", "[]", '{"key": 1}'])
def test_a_damaged_memory_is_not_believed(probing, tmp_path, damage):
    broken = probing("exit 1")
    cache = tmp_path / "cache/tenon/kvm.json"
    cache.parent.mkdir(parents=True)
    cache.write_text(damage)
    assert accel.choose(broken).accelerator == "tcg"
    assert json.loads(cache.read_text())["problem"] == "aborts in a probe boot"


def test_without_dev_kvm_nothing_is_probed(probing, monkeypatch, tmp_path):
    none = probing("exit 1")
    monkeypatch.setattr(accel, "KVM", tmp_path / "nowhere")
    assert accel.choose(none).line() == "vm: emulated (KVM: no /dev/kvm here)"
    assert not (tmp_path / "log").exists()


def test_an_accelerator_can_be_forced_and_a_wrong_name_is_told(probing, monkeypatch):
    any_kernel = probing("exit 1")
    assert accel.choose(any_kernel, "kvm").is_forced
    monkeypatch.setenv("TENON_VM_ACCEL", "tcg")
    assert accel.choose(any_kernel).accelerator == "tcg"
    assert accel.choose(any_kernel, "kvm").accelerator == "kvm"
    monkeypatch.setenv("TENON_VM_ACCEL", "xen")
    with pytest.raises(CourseError, match="TENON_VM_ACCEL is 'xen'"):
        accel.choose(any_kernel)
