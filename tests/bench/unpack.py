#!/usr/bin/python3
"""What unpacking an image costs: ours, umoci's, and the least there is: gunzip alone.

    python3 tests/bench/unpack.py [--rounds 5] [--folder DIR]

The image is a Debian of about 270 MB, made by mmdebstrap on the first run and kept in the folder
(default build/bench). ch04 also makes a container that does nothing, and removes its snapshot.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from timing import Candidate, interleave, table

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = "python3,perl,git,ca-certificates,curl"
RELEASE = "bookworm"


def need(*names: str) -> None:
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        sys.exit(f"unpack.py: NOT RUN: needs {', '.join(missing)} (./course up --authors)")


def ran(*words) -> None:
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)


def make_image(folder: Path) -> Path:
    """An image layout with the tag `debian`, in one layer."""
    layout = folder / "image"
    if layout.is_dir():
        return layout
    archive, partial = folder / "debian.tar", folder / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    ran("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", RELEASE, archive)
    ran("umoci", "init", "--layout", partial)
    ran("umoci", "new", "--image", f"{partial}:debian")
    ran("umoci", "raw", "add-layer", "--image", f"{partial}:debian", archive)
    partial.rename(layout)
    archive.unlink()
    return layout


def largest_blob(layout: Path) -> Path:
    return max((layout / "blobs/sha256").iterdir(), key=lambda blob: blob.stat().st_size)


def candidates(layout: Path, folder: Path, stage: Path) -> list[Candidate]:
    def clean(name: str):
        return lambda: shutil.rmtree(folder / name, ignore_errors=True)
    blob = largest_blob(layout)
    return [
        Candidate("gunzip, to nowhere", ["gzip", "-dc", str(blob)]),
        Candidate("tar xzf", ["tar", "-xzf", str(blob), "-C", str(folder / "tar")],
                  before=lambda: (clean("tar")(), (folder / "tar").mkdir()), after=clean("tar")),
        Candidate("ch04 run -- true", [str(stage), "run", "--image", f"{layout}:debian", "--store",
                                       str(folder / "store"), "--", "true"],
                  before=clean("store"), after=clean("store")),
        Candidate("umoci unpack", ["umoci", "unpack", "--image", f"{layout}:debian",
                                   str(folder / "bundle")],
                  before=clean("bundle"), after=clean("bundle")),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=ROOT / "build/bench")
    parser.add_argument("--image", type=Path, help="a layout with the tag debian, instead")
    args = parser.parse_args()
    need("umoci", *(() if args.image else ("mmdebstrap",)))
    stage = ROOT / "build/lab/bin/ch04"
    if not stage.is_file():
        sys.exit("unpack.py: NOT RUN: needs ch04 (./course up)")
    args.folder.mkdir(parents=True, exist_ok=True)
    layout = args.image or make_image(args.folder)
    runs = candidates(layout, args.folder, stage)
    interleave(runs, args.rounds)
    print("\n".join(table(runs, args.rounds)))


if __name__ == "__main__":
    main()
