"""The OCI image made of the busybox root, offline: what is in it is what its digests say."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from kit.errors import CourseError
from kit.image import NAME, make_image


@pytest.fixture
def layout(tmp_path) -> Path:
    try:
        return make_image(tmp_path / "image", tmp_path / "rootfs")
    except CourseError as error:
        pytest.skip(str(error))


def blob(layout: Path, descriptor: dict) -> bytes:
    data = (layout / "blobs/sha256" / descriptor["digest"].partition(":")[2]).read_bytes()
    assert descriptor["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert descriptor["size"] == len(data)
    return data


def manifest_of(layout: Path) -> dict:
    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    named = index["manifests"][0]
    assert named["annotations"]["org.opencontainers.image.ref.name"] == NAME
    return json.loads(blob(layout, named))


def layers_of(layout: Path) -> list[bytes]:
    return [gzip.decompress(blob(layout, layer)) for layer in manifest_of(layout)["layers"]]


def names_in(archive: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return set(tar.getnames())


def test_every_step_goes_by_a_digest_that_is_right(layout):
    config = json.loads(blob(layout, manifest_of(layout)["config"]))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(archive).hexdigest()}"
                                            for archive in layers_of(layout)]
    assert len(config["history"]) == 3
    assert json.loads((layout / "oci-layout").read_text())["imageLayoutVersion"] == "1.0.0"


def test_the_layers_show_both_forms_of_whiteout(layout):
    root, files, changes = map(names_in, layers_of(layout))
    assert {"bin/busybox", "etc/passwd"} <= root
    assert {"srv/www/old.html", "srv/cache/one"} <= files
    assert {"srv/www/.wh.old.html", "srv/cache/.wh..wh..opq"} <= changes


def test_the_same_root_gives_the_same_image(layout, tmp_path):
    again = make_image(tmp_path / "again", tmp_path / "rootfs")
    assert manifest_of(again) == manifest_of(layout)


def test_a_second_call_keeps_what_was_added(layout, tmp_path):
    index = layout / "index.json"
    table = json.loads(index.read_text(encoding="utf-8"))
    table["manifests"].append(dict(table["manifests"][0], annotations={}))
    index.write_text(json.dumps(table), encoding="utf-8")
    make_image(layout, tmp_path / "rootfs")
    assert json.loads(index.read_text(encoding="utf-8")) == table


@pytest.mark.parametrize("text", ["", "{", "[]", '{"manifests": [{"annotations": {}}]}'])
def test_what_is_damaged_is_made_anew(layout, tmp_path, text):
    (layout / "index.json").write_text(text, encoding="utf-8")
    make_image(layout, tmp_path / "rootfs")
    assert len(manifest_of(layout)["layers"]) == 3
    assert not list(tmp_path.glob(".image.*"))
