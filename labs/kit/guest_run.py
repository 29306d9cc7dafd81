"""Runs inside the lab VM: every order to its end, whatever became of the others.

    python3 -m kit.guest_run FOLDER

FOLDER/orders.json is a list of {name, command, environment, limit}; kit.guest
writes it. Order N leaves its output in N.log and, when it has ended, one line
{number, status, seconds, limit} in ended.jsonl; a status of null means that it
was ended after `limit` seconds. Standard output gets the name of each that begins.
"""

import json
import os
import sys
import time
from pathlib import Path

from kit.catch2 import run_to_end
from kit.timing import EMULATED, is_emulated, scaled

ORDERS, ENDED = "orders.json", "ended.jsonl"
CLOCKS = Path("/sys/devices/system/clocksource/clocksource0/available_clocksource")


def run_order(folder: Path, number: int, order: dict) -> dict:
    begin, limit = time.monotonic(), scaled(order["limit"])
    try:
        status = run_to_end(order["command"], os.environ | order["environment"],
                            folder / f"{number}.log", limit)
    except OSError as error:
        (folder / f"{number}.log").write_text(f"{error}\n", encoding="utf-8")
        status = 127
    return {"number": number, "status": status, "seconds": time.monotonic() - begin,
            "limit": limit}


def main(folder: Path) -> None:
    if CLOCKS.is_file():
        emulated = is_emulated(CLOCKS.read_text(encoding="ascii"))
        os.environ.setdefault("TENON_TIME_FACTOR", str(EMULATED if emulated else 1))
    orders = json.loads((folder / ORDERS).read_text(encoding="utf-8"))
    for number, order in enumerate(orders):
        print(order["name"], flush=True)
        ended = run_order(folder, number, order)
        with (folder / ENDED).open("a", encoding="utf-8") as file:
            file.write(json.dumps(ended) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
