"""What passes between us and a running machine: its streams, its words, its end.

Every port of the machine is one end of a socketpair, so nothing has a name on the
host. One loop serves all of them; it never blocks on one of them, so that limits
of time hold whatever the readers of our output do.
"""

import contextlib
import os
import re
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

CHUNK = 65536
# poll(2) promises room for this much in a pipe (PIPE_BUF): a blocking write of it does not block.
ROOM = 4096
TAIL = 16384
# Pressed so often in a row, it ends a machine that no longer answers.
ESCAPE, PRESSES = b"\x1d", 3

STAMP = re.compile(r"^\[ *\d+\.\d+\] ", re.MULTILINE)

Interest = tuple[int, int, Callable[[], None]]


class Hung(Exception):
    """The first program did not run in time; nothing of the job has begun."""


class TooLong(Exception):
    """The job's own limit of time is over."""


class Escaped(Exception):
    """The user left a terminal by Ctrl-] three times."""


class Outlet:
    """A stream of the guest on its way to a descriptor of ours.

    Its end is a marker that the guest writes last: "exit" on another port says
    nothing about what is still in this one.
    """

    def __init__(self, source: socket.socket, target: int, marker: bytes) -> None:
        self.source, self.target, self.marker = source, target, marker
        self.pending, self.held, self.ended = b"", b"", False

    def is_done(self) -> bool:
        return self.ended and not self.pending

    def take(self, data: bytes) -> None:
        """What could be the marker's beginning waits for the rest; all else goes on at once."""
        text = self.held + data
        at = text.find(self.marker)
        if at >= 0:
            self.pending, self.held, self.ended = text[:at], b"", True
            return
        size = next((n for n in range(len(self.marker) - 1, 0, -1)
                     if text.endswith(self.marker[:n])), 0)
        self.pending, self.held = text[:len(text) - size], text[len(text) - size:]

    def read(self) -> None:
        data = received(self.source)
        if data == b"":
            self.pending, self.held, self.ended = self.held, b"", True
        elif data:
            self.take(data)

    def write(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.pending = self.pending[os.write(self.target, self.pending[:ROOM]):]

    def interests(self) -> list[Interest]:
        if self.pending:
            return [(self.target, select.POLLOUT, self.write)]
        return [] if self.ended else [(self.source.fileno(), select.POLLIN, self.read)]


class Inlet:
    """A descriptor of ours on its way into the guest; its end passes too."""

    def __init__(self, source: int, target: socket.socket, escapes: bool) -> None:
        self.source, self.target, self.escapes = source, target, escapes
        self.pending, self.before, self.ended = b"", b"", False

    def read(self) -> None:
        try:
            self.pending = os.read(self.source, CHUNK)
        except OSError:
            # A terminal that is gone, or a descriptor never opened: nothing more comes.
            self.pending = b""
        self.before = self.before[1 - PRESSES:] + self.pending
        if self.escapes and ESCAPE * PRESSES in self.before:
            raise Escaped
        if not self.pending:
            self.end()

    def end(self) -> None:
        self.ended = True
        # Not close: what is on its way must arrive first.
        with contextlib.suppress(OSError):
            self.target.shutdown(socket.SHUT_WR)

    def write(self) -> None:
        try:
            self.pending = self.pending[self.target.send(self.pending):]
        except BlockingIOError:
            pass
        except OSError:
            self.pending, self.ended = b"", True

    def interests(self) -> list[Interest]:
        if self.pending:
            return [(self.target.fileno(), select.POLLOUT, self.write)]
        return [] if self.ended else [(self.source, select.POLLIN, self.read)]


class Tail:
    """The last of what somebody says, for the message when it goes wrong."""

    def __init__(self, source: int) -> None:
        self.source, self.text, self.ended = source, b"", False

    def read(self) -> None:
        try:
            data = os.read(self.source, CHUNK)
        except ConnectionError:
            data = b""
        self.text = (self.text + data)[-TAIL:]
        self.ended = not data

    def is_done(self) -> bool:
        return self.ended

    def interests(self) -> list[Interest]:
        return [] if self.ended else [(self.source, select.POLLIN, self.read)]

    def lines(self) -> list[str]:
        """Without the kernel's time stamps."""
        text = STAMP.sub("", self.text.decode(errors="replace"))
        return [line.strip() for line in text.splitlines() if line.strip()]


def received(source: socket.socket) -> bytes | None:
    """None: nothing now; b'': nothing ever again."""
    try:
        return source.recv(CHUNK)
    except BlockingIOError:
        return None
    except ConnectionError:
        return b""


@dataclass
class Talk:
    """One machine, from its start to its end."""

    control: socket.socket
    tails: list[Tail]
    outlets: list[Outlet] = field(default_factory=list)
    inlet: Inlet | None = None
    words: bytes = b""
    ready_at: float | None = None
    status: int | None = None
    broken: str = ""
    is_gone: bool = False

    def hear(self) -> None:
        data = received(self.control)
        if data == b"":
            self.is_gone = True
        *lines, self.words = (self.words + (data or b"")).split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            self.heed(word, rest)

    def heed(self, word: str, rest: str) -> None:
        if word == "ready":
            self.ready_at = time.monotonic()
        elif word == "broken":
            self.broken = rest
        elif word == "exit" and rest.isdigit():
            self.status = int(rest)

    def tell(self, *words: object) -> None:
        """For a machine that is already gone, nobody hears it."""
        with contextlib.suppress(OSError):
            self.control.send((" ".join(map(str, words)) + "\n").encode())

    def is_over(self) -> bool:
        heard_all = self.status is not None and all(outlet.is_done() for outlet in self.outlets)
        # Of a machine that is gone we still pass on what it has said.
        drained = self.is_gone and all(one.is_done() for one in (*self.tails, *self.outlets))
        return bool(self.broken) or heard_all or drained

    def interests(self) -> list[Interest]:
        found: list[Interest] = [] if self.is_gone else \
            [(self.control.fileno(), select.POLLIN, self.hear)]
        for one in (*self.tails, *self.outlets):
            found += one.interests()
        # Input waits in its own place until somebody is there to read it.
        if self.inlet and self.ready_at is not None and not self.is_gone:
            found += self.inlet.interests()
        return found

    def step(self, seconds: float | None) -> None:
        """Waits for something to happen, and lets it happen."""
        interests = self.interests()
        poll = select.poll()
        for descriptor, events, _ in interests:
            poll.register(descriptor, events)
        ready = {number for number, _ in poll.poll(None if seconds is None else seconds * 1000)}
        for descriptor, _, act in interests:
            if descriptor in ready:
                act()


def await_ready(talk: Talk, limit: float) -> None:
    """Until the job begins, or the machine ends without that."""
    deadline = time.monotonic() + limit
    while talk.ready_at is None and not talk.is_over():
        left = deadline - time.monotonic()
        if left <= 0:
            raise Hung(f"the machine was not ready after {limit:g} s")
        talk.step(left)


def await_end(talk: Talk, limit: float | None) -> None:
    deadline = None if limit is None else time.monotonic() + limit
    while not talk.is_over():
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TooLong
        talk.step(left)
