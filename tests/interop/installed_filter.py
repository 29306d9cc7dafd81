"""The seccomp filter that a process has, read back from the kernel and run here.

PTRACE_SECCOMP_GET_FILTER gives the program as it was loaded, to root of the machine. Running it is
a dozen lines: of classic BPF, filters use loads, comparisons, AND and returns.
"""

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

SEIZE, INTERRUPT, DETACH, GET_FILTER = 0x4206, 0x4207, 17, 0x420C
WALL = 0x40000000
LD, LDX, ST, STX, ALU, JMP, RET, MISC = range(8)
ACTIONS = {0x80000000: "kill process", 0: "kill thread", 0x30000: "trap", 0x50000: "errno",
           0x7fc00000: "notify", 0x7ff00000: "trace", 0x7ffc0000: "log", 0x7fff0000: "allow"}

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


@dataclass(frozen=True)
class Call:
    """What a filter looks at: struct seccomp_data."""

    arch: int
    number: int
    args: tuple[int, ...] = (0,) * 6

    @property
    def words(self) -> tuple[int, ...]:
        return struct.unpack("16I", struct.pack("=IIQ6Q", self.number, self.arch, 0, *self.args))


@dataclass
class Program:
    instructions: list[tuple[int, int, int, int]]  # code, jt, jf, k

    def run(self, call: Call) -> int:
        words, a, x, memory, at = call.words, 0, 0, [0] * 16, 0
        while True:
            code, yes, no, k = self.instructions[at]
            at += 1
            kind = code & 7
            operand = x if code & 8 else k
            if kind == RET:
                return a if code & 0x10 else k
            if kind == JMP:
                test = code & 0xf0
                if test == 0:
                    at += k
                else:
                    holds = {0x10: a == operand, 0x20: a > operand, 0x30: a >= operand,
                             0x40: a & operand != 0}[test]
                    at += yes if holds else no
            elif kind == LD:
                a = {0x20: lambda: words[k // 4], 0x60: lambda: memory[k], 0: lambda: k}[code & 0xe0]()
            elif kind == ALU and code & 0xf0 == 0x50:
                a &= operand
            elif kind == ST:
                memory[k] = a
            elif kind == MISC:
                a, x = (x, x) if code & 0x80 else (a, a)
            else:
                raise ValueError(f"instruction {code:#x}")

    def says(self, call: Call) -> str:
        value = self.run(call)
        text = ACTIONS[value & 0xffff0000]
        if text == "errno":
            return f"errno {errno.errorcode[value & 0xffff]}"
        return f"trace {value & 0xffff}" if text == "trace" else text


def traced(request: int, pid: int, address=None, data=None) -> int:
    result = libc.ptrace(request, pid, address, data)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"ptrace {request:#x}")
    return result


def installed_filters(pid: int) -> list[Program]:
    """The newest first."""
    traced(SEIZE, pid)
    try:
        traced(INTERRUPT, pid)
        os.waitpid(pid, WALL)
        found = []
        while True:
            try:
                length = traced(GET_FILTER, pid, len(found))
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EINVAL):
                    raise
                return found
            buffer = ctypes.create_string_buffer(8 * length)
            traced(GET_FILTER, pid, len(found), buffer)
            found.append(Program(list(struct.iter_unpack("HBBI", buffer.raw))))
    finally:
        traced(DETACH, pid)
