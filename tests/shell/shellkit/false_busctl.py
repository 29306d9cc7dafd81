"""Instead of busctl and systemctl: a systemd that does at once what it is asked, and notes it.

    FALSE_SYSTEMD/group   where it runs its machine in, from the hierarchy's root
    FALSE_SYSTEMD/top     the same as a folder
    FALSE_SYSTEMD/calls   one JSON list of words for each call
    FALSE_SYSTEMD/refuse  METHOD WORDS..: it says no to that one

The programs are copies of this file, mounted over the real ones; nothing comes to them by their
environment.
"""

import json
import os
import sys

FOLDER = "@FOLDER@"  # written by the test, into a copy


def at(name: str) -> str:
    path = os.path.join(FOLDER, name)
    return open(path, encoding="utf-8").read() if os.path.exists(path) else ""


def note(words: list[str]) -> None:
    with open(os.path.join(FOLDER, "calls"), "a", encoding="utf-8") as calls:
        calls.write(json.dumps(words) + "\n")


def after(words: list[str], name: str, steps: int) -> str:
    return words[words.index(name) + steps]


def folder_of(slice_name: str, unit: str) -> str:
    parts = slice_name.removesuffix(".slice").split("-")
    above = ["-".join(parts[:length]) + ".slice" for length in range(1, len(parts) + 1)]
    return os.path.join(at("top"), *above, unit)


def make_scope(words: list[str]) -> None:
    folder = folder_of(after(words, "Slice", 2), words[words.index("StartTransientUnit") + 2])
    os.makedirs(folder)
    with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as procs:
        procs.write(after(words, "PIDs", 3))
    print('o "/org/freedesktop/systemd1/job/1"')


def main(words: list[str]) -> int:
    note(words)
    method, _, text = at("refuse").partition(" ")
    if method and method in words:
        print(text, file=sys.stderr)
        return 1
    if "get-property" in words:
        print('s "252.1"')
        print(f's {json.dumps(at("group"))}')
    if "StartTransientUnit" in words:
        make_scope(words)
    return 5 if "stop" in words else 0


if __name__ == "__main__":
    sys.exit(main([os.path.basename(sys.argv[0]), *sys.argv[1:]]))
