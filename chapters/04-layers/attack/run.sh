#!/bin/sh
# The two attacks of chapter 04, each before (the way without the chapter) and after (ch04).
#   1 a layer whose archive names a file outside: through a symlink, by dots, by a hard link
#   2 two containers on one image: one replaces the program that the other is about to run
# Exit code 0 when all work before and none does after. Only decoys are touched: folders of our own.
#
# TENON_BIN     folder of the stage programs
# TENON_ATTACK  folder of the built attack programs
# TENON_ROOTFS  a busybox root file system; its busybox is copied
set -u
: "${TENON_BIN:?the folder of ch03 and ch04}" "${TENON_ATTACK:?the folder of the attack programs}"
: "${TENON_ROOTFS:?a root file system}"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

row() { printf '%-7s %-19s %-39s %s\n' "$1" "$2" "$3" "$4"; }
good=0
expect() { [ "$1" = "$2" ] || good=1; }

# The decoys: a file outside of every image, and a folder of a name that no machine has.
outside="$work/outside" decoy="decoy-$$"
root="$work/root"
mkdir "$outside" "$root" "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/$decoy" || exit 1
cp "$TENON_ROOTFS/bin/busybox" "$root/bin/" || exit 1
# What the neighbour runs, and what the attacker puts in its place.
printf '#!/bin/busybox sh\necho mine\n' > "$root/$decoy/program"
printf '#!/bin/busybox sh\necho attacker\n' > "$root/$decoy/evil"
chmod 755 "$root/$decoy/program" "$root/$decoy/evil"

# --- an image layout, as far as a shell needs one

blob() {  # FILE: moves it to its digest, which is printed
    digest=$(sha256sum < "$1") && digest=${digest%% *}
    mv "$1" "$work/image/blobs/sha256/$digest" && echo "$digest"
}

descriptor() {  # DIGEST KIND
    size=$(wc -c < "$work/image/blobs/sha256/$1")
    printf '{"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%d}' \
        "$2" "$1" "$size"
}

make_image() {  # ARCHIVE...: an image of these layers, not compressed: blob and diff_id are one
    rm -rf "$work/image"
    mkdir -p "$work/image/blobs/sha256"
    echo '{"imageLayoutVersion":"1.0.0"}' > "$work/image/oci-layout"
    layers='' ids=''
    for archive in "$@"; do
        cp "$archive" "$work/layer"
        digest=$(blob "$work/layer")
        layers="$layers${layers:+,}$(descriptor "$digest" layer.v1.tar)"
        ids="$ids${ids:+,}\"sha256:$digest\""
    done
    case $(uname -m) in x86_64) machine=amd64 ;; aarch64) machine=arm64 ;; *) machine=$(uname -m) ;; esac
    printf '{"os":"linux","architecture":"%s","rootfs":{"type":"layers","diff_ids":[%s]}}' \
        "$machine" "$ids" > "$work/json"
    config=$(blob "$work/json")
    printf '{"schemaVersion":2,"config":%s,"layers":[%s]}' \
        "$(descriptor "$config" config.v1+json)" "$layers" > "$work/json"
    manifest=$(blob "$work/json")
    printf '{"schemaVersion":2,"manifests":[%s]}' \
        "$(descriptor "$manifest" manifest.v1+json)" > "$work/image/index.json"
}

# --- 1: an archive that writes outside

# Nothing in them is malformed: tar writes what it is told to. Each means ../outside/victim, as seen
# from the folder that it is unpacked in.
hostile="$work/hostile"
mkdir -p "$hostile/outside" "$hostile/in" "$hostile/then/door" || exit 1
echo attacker | tee "$hostile/outside/victim" "$hostile/then/door/victim" > "$hostile/then/victim"
ln -s ../outside "$hostile/in/door"
ln "$hostile/outside/victim" "$hostile/in/victim"

make_archive() (  # KIND
    cd "$hostile/in" && rm -f ../tar || exit 1
    case $1 in
        # A link, and then a file whose way leads through it.
        symlink) tar -cf ../tar door -C ../then door/victim ;;
        dots) tar -P -cf ../tar ../outside/victim ;;
        # A second name of the file outside, and then new content for that name.
        hardlink)
            tar -P -cf ../tar ../outside/victim victim && tar -P --delete -f ../tar ../outside/victim &&
                tar -P -rf ../tar -C ../then victim ;;
    esac
)

tar -cf "$work/base.tar" -C "$root" . || exit 1

for kind in symlink dots hardlink; do
    make_archive "$kind" || exit 1

    echo theirs > "$outside/victim"
    mkdir "$work/unpacked"
    said=$("$TENON_ATTACK/naive_unpack" "$hostile/tar" "$work/unpacked" 2>&1)
    verdict=CONTAINED
    if [ "$(cat "$outside/victim")" = attacker ]; then
        verdict=ESCAPED said="a file outside was overwritten"
    fi
    row before "unpacked: $kind" "$said" "$verdict"
    expect "$verdict" ESCAPED
    rm -r "$work/unpacked"

    # Refused, or kept inside: both will do. That the rest of the image is there, must be seen.
    echo theirs > "$outside/victim"
    make_image "$work/base.tar" "$hostile/tar"
    said=$("$TENON_BIN/ch04" run --image "$work/image" --store "$work/store" -- \
        "/$decoy/program" 2>&1)
    code=$?
    verdict=ESCAPED
    if [ "$(cat "$outside/victim")" = theirs ] && [ "$(ls "$outside")" = victim ]; then
        if [ "$code" = 125 ]; then verdict=CONTAINED said="the image was refused"; fi
        if [ "$said" = mine ]; then verdict=CONTAINED said="written inside the layer"; fi
    fi
    row after "ch04: $kind" "$said" "$verdict"
    expect "$verdict" CONTAINED
done

# --- 2: a neighbour on the same image

make_image "$work/base.tar"
mkfifo "$work/go" "$work/up"

# Starts the neighbour, lets the attacker run to its end, and prints what the neighbour then runs.
attacked() {  # PROGRAM OPTION...
    program=$1
    shift
    "$TENON_BIN/$program" run "$@" -- /bin/busybox sh -c \
        "echo up; read -r _; /$decoy/program" < "$work/go" > "$work/up" 2>&1 &
    exec 8> "$work/go" 9< "$work/up"
    read -r _ <&9
    "$TENON_BIN/$program" run "$@" -- /bin/busybox sh -c \
        "/bin/busybox cp /$decoy/evil /$decoy/program" > "$work/attacker" 2>&1 8>&- 9<&-
    (echo go >&8) 2> /dev/null
    exec 8>&-
    cat <&9
    exec 9<&-
    wait
}

said=$(attacked ch03 --rootfs "$root")
verdict=CONTAINED
if [ "$said" = attacker ]; then verdict=ESCAPED said="the neighbour ran the attacker's"; fi
row before "ch03 --rootfs" "$said" "$verdict"
expect "$verdict" ESCAPED

said=$(attacked ch04 --image "$work/image" --store "$work/store")
verdict=ESCAPED
# That the attacker could write at all, must be seen, too: in its own container.
if [ "$said" = mine ] && [ ! -s "$work/attacker" ]; then
    verdict=CONTAINED said="the neighbour ran its own"
fi
row after "ch04 --image" "$said" "$verdict"
expect "$verdict" CONTAINED

exit "$good"
