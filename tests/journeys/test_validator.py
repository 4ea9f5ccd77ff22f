"""The validator must find what is wrong: each breach of a rule, made on purpose, is reported."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from validator import ENTRY_TIME, OCI, REF_NAME, Invalid, validate_layout


class Sketch:
    """A small valid layout, kept as plain values so that a test can spoil one of them."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = [
            {"name": "usr", "type": tarfile.DIRTYPE, "mode": 0o755},
            {"name": "usr/bin", "type": tarfile.DIRTYPE, "mode": 0o755},
            {"name": "usr/bin.txt", "data": b"between a directory and what is in it"},
            {"name": "usr/bin/app", "mode": 0o755, "data": b"program"},
        ]
        self.packed: Callable[[bytes], bytes] = _gzip
        self.config: dict[str, Any] = {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "history": [{"created_by": "layer"}],
        }
        self.manifest: dict[str, Any] = {}
        self.diff_id: str | None = None
        self.after: Callable[[Path], None] = lambda root: None

    def write(self, root: Path) -> str:
        tar = _tar(self.entries)
        layer = _put(root, OCI + "layer.v1.tar+gzip", self.packed(tar))
        config = {"rootfs": {"type": "layers", "diff_ids": [self.diff_id or _digest(tar)]}, **self.config}
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": _put(root, OCI + "config.v1+json", json.dumps(config).encode()),
            "layers": [layer],
            **self.manifest,
        }
        top = _put(root, OCI + "manifest.v1+json", json.dumps(manifest).encode())
        top["annotations"] = {REF_NAME: "1.0"}
        (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
        (root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.after(root)
        return top["digest"]


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _put(root: Path, kind: str, data: bytes) -> dict[str, Any]:
    digest = _digest(data)
    path = root / "blobs" / digest.replace(":", "/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"mediaType": kind, "digest": digest, "size": len(data)}


def _gzip(data: bytes, mtime: int = 0, system: int = 255) -> bytes:
    packed = bytearray(gzip.compress(data, mtime=mtime))
    packed[9] = system
    return bytes(packed)


def _tar(entries: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            info = tarfile.TarInfo(entry["name"])
            info.mtime, info.mode = ENTRY_TIME, 0o644
            for key in entry.keys() - {"name", "data"}:
                setattr(info, key, entry[key])
            info.size = len(entry.get("data", b""))
            tar.addfile(info, io.BytesIO(entry.get("data", b"")))
    return buffer.getvalue()


def _flip_last_byte_of_the_layer(root: Path) -> None:
    for blob in (root / "blobs/sha256").iterdir():
        data = blob.read_bytes()
        if data[:2] == b"\x1f\x8b":
            blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


BREACHES: dict[str, tuple[Callable[[Sketch], Any], str]] = {
    "a changed byte": (lambda s: setattr(s, "after", _flip_last_byte_of_the_layer), "its bytes are"),
    "a foreign diff_id": (lambda s: setattr(s, "diff_id", "sha256:" + "0" * 64), "not those of the layers"),
    "a forgotten file": (lambda s: setattr(s, "after", lambda r: (r / "x.tmp").touch()), "nothing refers"),
    "a time in gzip": (lambda s: setattr(s, "packed", lambda d: _gzip(d, mtime=5)), "gzip header"),
    "a system in gzip": (lambda s: setattr(s, "packed", lambda d: _gzip(d, system=3)), "gzip header"),
    "a second gzip member": (
        lambda s: setattr(s, "packed", lambda d: _gzip(d) + _gzip(b"x")),
        "follows the end",
    ),
    "a cut gzip stream": (lambda s: setattr(s, "packed", lambda d: _gzip(d)[:-9]), "too early"),
    "an entry's own time": (lambda s: s.entries[3].update(mtime=1), "has the time 1"),
    "a user name": (lambda s: s.entries[3].update(uname="root"), "names a user"),
    "a device": (lambda s: s.entries[3].update(type=tarfile.CHRTYPE), "of type"),
    "a leading dot": (lambda s: s.entries[0].update(name="./usr"), "plain relative path"),
    "needless PAX": (lambda s: s.entries[3].update(pax_headers={"comment": "hi"}), "PAX"),
    "a missing parent": (lambda s: s.entries.pop(1), "without its parent"),
    "another order": (lambda s: s.entries.reverse(), "comes after"),
    "the same path twice": (lambda s: s.entries.append(s.entries[-1]), "comes after"),
    "a time in history": (
        lambda s: s.config["history"][0].update(created="1970-01-01T00:00:00Z"),
        "has a time",
    ),
    "a short history": (lambda s: s.config.update(history=[]), "lines of history"),
    "no architecture": (lambda s: s.config.pop("architecture"), "no architecture"),
    "no created": (lambda s: s.config.pop("created"), "created is"),
    "a lying media type": (
        lambda s: s.manifest.update(mediaType=OCI + "index.v1+json"),
        "its descriptor says",
    ),
}


def test_a_sound_layout_is_read_as_it_is(tmp_path: Path) -> None:
    digest = Sketch().write(tmp_path)
    layout = validate_layout(tmp_path, digest=digest)
    image = layout.image("linux/amd64")
    assert (layout.digest, layout.tags) == (digest, {"1.0"})
    assert list(image.files()) == ["usr", "usr/bin", "usr/bin.txt", "usr/bin/app"]
    assert image.files()["usr/bin/app"].mode == 0o755


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_reported(name: str, tmp_path: Path) -> None:
    spoil, words = BREACHES[name]
    sketch = Sketch()
    spoil(sketch)
    sketch.write(tmp_path)
    with pytest.raises(Invalid, match=words):
        validate_layout(tmp_path)


def test_another_digest_than_the_printed_one_is_reported(tmp_path: Path) -> None:
    Sketch().write(tmp_path)
    with pytest.raises(Invalid, match="the program printed"):
        validate_layout(tmp_path, digest="sha256:" + "0" * 64)


def test_a_foreign_base_need_not_keep_our_rules(tmp_path: Path) -> None:
    sketch = Sketch()
    sketch.entries[3].update(mtime=1)
    sketch.write(tmp_path)
    assert validate_layout(tmp_path, base_layers=1).image().layers[0].entries[3].name == "usr/bin/app"
