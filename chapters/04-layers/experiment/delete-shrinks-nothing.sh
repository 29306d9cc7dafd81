#!/bin/sh
# A file that a later layer deletes is still in the image, and costs as much as before. Three images
# are committed: one with a file of 16 MiB, one on top of it that deletes the file, and one that
# wrote and deleted it in the same layer. Each row is what a registry would send: the layers' blobs.
#
# TENON_BIN    folder of ch04
# TENON_IMAGE  an image layout; it is copied
# Exit status: 0 the claim holds, 1 it does not, 2 it cannot be measured here.
set -u
: "${TENON_BIN:?the folder of ch04}" "${TENON_IMAGE:?an image layout}"

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
cp -R "$TENON_IMAGE" "$work/image" || exit 2

commit() {  # FROM TO COMMAND...: an image of the layers of FROM and what COMMAND changes
    from=$1 to=$2
    shift 2
    "$TENON_BIN/ch04" run --image "$work/image:$from" --store "$work/store" --commit "$to" -- "$@" ||
        exit 2
}

# Bytes of all layers of an image: index.json -> manifest -> layers.
bytes_of() {  # REFERENCE
    python3 - "$work/image" "$1" << 'END'
import json, pathlib, sys
layout, reference = pathlib.Path(sys.argv[1]), sys.argv[2]
index = json.loads((layout / "index.json").read_text())
name = "org.opencontainers.image.ref.name"
found = next(entry for entry in index["manifests"] if entry["annotations"][name] == reference)
manifest = json.loads((layout / "blobs" / found["digest"].replace(":", "/")).read_text())
print(sum(layer["size"] for layer in manifest["layers"]))
END
}

row() { printf '%-34s  %s MiB\n' "$1" "$(echo "$2" | awk '{printf "%.2f", $1 / 1048576}')"; }

# What does not compress: else the numbers would tell of gzip.
write='dd if=/dev/urandom of=/big bs=1M count=16 2> /dev/null'
commit busybox with sh -c "$write"
commit with deleted rm /big
commit busybox at-once sh -c "$write; rm /big"

base=$(bytes_of busybox) with=$(bytes_of with) deleted=$(bytes_of deleted) at_once=$(bytes_of at-once)
row 'the image' "$base"
row 'with a file of 16 MiB' "$with"
row 'deleted in a later layer' "$deleted"
row 'written and deleted in one layer' "$at_once"
row 'the layer that deletes' $((deleted - with))

[ "$deleted" -gt "$with" ] && [ $((with - base)) -gt 16000000 ] && [ $((at_once - base)) -lt 65536 ]
