"""Reads an OCI layout with nothing but the standard library and says everything that is wrong with it.

It shares no code and no author's assumption with the program: what it knows comes from the OCI image
specification and from the layer contract that the documentation promises.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."
INDEX_TYPES = {OCI + "index.v1+json", DOCKER + "distribution.manifest.list.v2+json"}
MANIFEST_TYPES = {OCI + "manifest.v1+json", DOCKER + "distribution.manifest.v2+json"}
CONFIG_OF = {
    OCI + "manifest.v1+json": OCI + "config.v1+json",
    DOCKER + "distribution.manifest.v2+json": DOCKER + "container.image.v1+json",
}
LAYERS_OF = {
    OCI + "manifest.v1+json": {OCI + "layer.v1.tar", OCI + "layer.v1.tar+gzip"},
    DOCKER + "distribution.manifest.v2+json": {
        DOCKER + "image.rootfs.diff.tar",
        DOCKER + "image.rootfs.diff.tar.gzip",
    },
}
REF_NAME = "org.opencontainers.image.ref.name"

#: 1980-01-01T00:00:00Z, the time of every entry.
ENTRY_TIME = 315_532_800
#: magic, deflate, no flags (so no name), mtime 0.
GZIP_HEAD = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0])
GZIP_UNKNOWN_OS = 255
CHUNK = 1 << 20


class Invalid(AssertionError):
    """The layout breaks a rule; the message lists every breach found."""


@dataclass
class Entry:
    """One entry of a layer, without its content."""

    name: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    link: str


@dataclass
class Layer:
    digest: str
    diff_id: str
    size: int
    entries: list[Entry]


@dataclass
class Image:
    """One platform's image, as it was found."""

    digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]
    layers: list[Layer]

    @property
    def platform(self) -> str:
        return f"{self.config['os']}/{self.config['architecture']}"

    @property
    def run_config(self) -> dict[str, Any]:
        return self.config.get("config", {})

    def files(self) -> dict[str, Entry]:
        """The last entry for each path, in layer order."""
        return {entry.name: entry for layer in self.layers for entry in layer.entries}


@dataclass
class Layout:
    """What a valid layout holds."""

    digest: str
    """Of the one thing that index.json names: what the program prints."""
    tags: set[str]
    images: list[Image]

    def image(self, platform: str | None = None) -> Image:
        chosen = [image for image in self.images if platform in (None, image.platform)]
        assert len(chosen) == 1, f"{len(chosen)} images for {platform} in {[i.platform for i in self.images]}"
        return chosen[0]


def validate_layout(
    path: str | Path,
    *,
    digest: str | None = None,
    base_layers: int | Mapping[str, int] = 0,
    leftovers: bool = False,
) -> Layout:
    """Reads the layout at `path`, checking every rule, and gives what it holds.

    The first `base_layers` layers of each image, a number or one for each platform, come from a foreign
    base: their bytes must be what the manifest says, but the rules about our own entries do not bind them.
    `digest` is what the program printed. `leftovers` allows files that nothing refers to, as a killed
    program may leave them.
    Raises `Invalid` with all breaches in one message.
    """
    reader = _Reader(Path(path), base_layers, leftovers)
    layout = reader.read()
    if layout and digest is not None and layout.digest != digest:
        reader.wrong("index.json", f"names {layout.digest}, the program printed {digest}")
    if reader.breaches or not layout:
        raise Invalid(f"{path}:\n  " + "\n  ".join(reader.breaches))
    return layout


@dataclass
class _Reader:
    root: Path
    base_layers: int | Mapping[str, int]
    leftovers: bool
    breaches: list[str] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)
    layers: dict[tuple[str, bool], Layer | None] = field(default_factory=dict)

    def wrong(self, where: str, what: str) -> None:
        self.breaches.append(f"{where}: {what}")

    def read(self) -> Layout | None:
        marker = self.root / "oci-layout"
        if not marker.is_file() or _json(marker.read_bytes()) != {"imageLayoutVersion": "1.0.0"}:
            self.wrong("oci-layout", "is not the marker of a version 1.0.0 layout")
        index_file = self.root / "index.json"
        index = _json(index_file.read_bytes()) if index_file.is_file() else None
        if not isinstance(index, dict) or index.get("schemaVersion") != 2 or not index.get("manifests"):
            self.wrong("index.json", "is not an index with manifests")
            return None
        tops = index["manifests"]
        digests = {top.get("digest") for top in tops}
        if len(digests) != 1:
            self.wrong("index.json", f"names {len(digests)} different things")
        tags = {top["annotations"][REF_NAME] for top in tops if REF_NAME in top.get("annotations", {})}
        images: list[Image] = []
        self._descriptor("index.json", tops[0], images, depth=0)
        if not self.leftovers:
            self._nothing_else()
        return Layout(digest=tops[0]["digest"], tags=tags, images=images)

    def _descriptor(self, where: str, descriptor: dict[str, Any], images: list[Image], depth: int) -> None:
        """Follows a descriptor of an index or a manifest."""
        kind = descriptor.get("mediaType")
        data = self._blob(where, descriptor)
        if data is None:
            return
        value = _json(data)
        where = descriptor["digest"][:19]
        if not isinstance(value, dict):
            self.wrong(where, "is not a JSON object")
            return
        if value.get("schemaVersion") != 2:
            self.wrong(where, "schemaVersion is not 2")
        if value.get("mediaType") != kind:
            self.wrong(where, f"says it is {value.get('mediaType')}, its descriptor says {kind}")
        if kind in MANIFEST_TYPES:
            image = self._image(where, kind, descriptor, value)
            if image:
                images.append(image)
        elif kind in INDEX_TYPES and depth == 0:
            platforms = [json.dumps(child.get("platform"), sort_keys=True) for child in value["manifests"]]
            if len(set(platforms)) != len(platforms):
                self.wrong(where, f"the same platform twice: {platforms}")
            for child in value["manifests"]:
                if not child.get("platform"):
                    self.wrong(where, f"{child.get('digest')} has no platform")
                self._descriptor(where, child, images, depth + 1)
        else:
            self.wrong(where, f"unexpected media type {kind}")

    def _image(self, where: str, kind: str, descriptor: dict, manifest: dict) -> Image | None:
        config_descriptor = manifest.get("config", {})
        if config_descriptor.get("mediaType") != CONFIG_OF[kind]:
            self.wrong(where, f"config is {config_descriptor.get('mediaType')} in a {kind}")
        data = self._blob(where, config_descriptor)
        config = _json(data) if data is not None else None
        if not isinstance(config, dict):
            self.wrong(where, "the config is not a JSON object")
            return None
        foreign = self._base_layers(config)
        self._config(where, descriptor, config, foreign)
        layers = []
        for position, layer in enumerate(manifest.get("layers", [])):
            if layer.get("mediaType") not in LAYERS_OF[kind]:
                self.wrong(where, f"layer {position} is {layer.get('mediaType')} in a {kind}")
            found = self._layer(f"{where} layer {position}", layer, ours=position >= foreign)
            if found:
                layers.append(found)
        diff_ids = config.get("rootfs", {}).get("diff_ids")
        if diff_ids != [layer.diff_id for layer in layers]:
            self.wrong(where, f"diff_ids {diff_ids} are not those of the layers")
        return Image(descriptor["digest"], manifest, config, layers)

    def _base_layers(self, config: dict) -> int:
        if isinstance(self.base_layers, int):
            return self.base_layers
        return self.base_layers[f"{config.get('os')}/{config.get('architecture')}"]

    def _config(self, where: str, descriptor: dict, config: dict, foreign: int) -> None:
        if config.get("rootfs", {}).get("type") != "layers":
            self.wrong(where, "rootfs.type is not 'layers'")
        for key in ("architecture", "os"):
            if not config.get(key):
                self.wrong(where, f"the config has no {key}")
            elif descriptor.get("platform", config)[key] != config[key]:
                self.wrong(where, f"{key} is {config[key]} in the config, else in the index")
        history = config.get("history", [])
        real = [line for line in history if not line.get("empty_layer")]
        if len(real) != len(config.get("rootfs", {}).get("diff_ids", [])):
            self.wrong(where, f"{len(real)} lines of history for layers")
        for line in real[foreign:]:
            if "created" in line:
                self.wrong(where, f"a line of history has a time: {line}")
        if not str(config.get("created", "")).endswith("Z"):
            self.wrong(where, f"created is {config.get('created')!r}, not a time in UTC")

    def _layer(self, where: str, descriptor: dict, ours: bool) -> Layer | None:
        digest = descriptor.get("digest", "")
        if (digest, ours) in self.layers:
            return self.layers[digest, ours]
        self.layers[digest, ours] = None
        path = self._known(where, descriptor)
        if path is None:
            return None
        gzip = descriptor["mediaType"].endswith("gzip")
        stream = _LayerStream(path, gzip)
        entries = self._entries(where, stream, ours)
        stream.drain()
        if stream.digest != digest:
            self.wrong(where, f"its bytes are {stream.digest}, not {digest}")
        if stream.trailing:
            self.wrong(where, "something follows the end of the gzip stream")
        if gzip and ours and (stream.head[:8] != GZIP_HEAD or stream.head[9] != GZIP_UNKNOWN_OS):
            self.wrong(where, f"gzip header {stream.head.hex()} tells a time, a name or a system")
        layer = Layer(digest, stream.diff_id, descriptor["size"], entries)
        self.layers[digest, ours] = layer
        return layer

    def _entries(self, where: str, stream: _LayerStream, ours: bool) -> list[Entry]:
        entries: list[Entry] = []
        try:
            with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as tar:
                for info in tar:
                    entries.append(_entry(info))
                    if ours:
                        self._own_entry(where, info)
        except (tarfile.TarError, zlib.error, EOFError) as error:
            self.wrong(where, f"cannot be read: {error}")
        if ours:
            self._own_order(where, entries)
        return entries

    def _own_entry(self, where: str, info: tarfile.TarInfo) -> None:
        name = info.name
        if name.startswith(("/", "./")) or any(part in ("", ".", "..") for part in name.split("/")):
            self.wrong(where, f"{name!r} is not a plain relative path")
        if info.mtime != ENTRY_TIME:
            self.wrong(where, f"{name} has the time {info.mtime}")
        if info.uname or info.gname:
            self.wrong(where, f"{name} names a user or group: {info.uname!r} {info.gname!r}")
        if not (info.isreg() or info.isdir() or info.issym() or info.islnk()):
            self.wrong(where, f"{name} is of type {info.type!r}")
        says_more = len(name) > 100 or len(info.linkname) > 100 or not (name + info.linkname).isascii()
        if info.pax_headers and not says_more and info.size < 8 << 30:
            self.wrong(where, f"{name} has PAX records that ustar needs not: {info.pax_headers}")

    def _own_order(self, where: str, entries: list[Entry]) -> None:
        names = [entry.name.encode() for entry in entries]
        for before, after in zip(names, names[1:]):
            if before >= after:
                self.wrong(where, f"{after!r} comes after {before!r}")
        seen: set[str] = set()
        for entry in entries:
            parent = entry.name.rpartition("/")[0]
            if parent and parent not in seen:
                self.wrong(where, f"{entry.name} comes without its parent directory")
            if entry.kind == "dir":
                seen.add(entry.name)

    def _known(self, where: str, descriptor: dict) -> Path | None:
        """The file of a descriptor whose size is right; its digest is not yet checked."""
        algorithm, _, encoded = str(descriptor.get("digest")).partition(":")
        path = self.root / "blobs" / algorithm / encoded
        if algorithm != "sha256" or len(encoded) != 64 or not path.is_file():
            self.wrong(where, f"no blob {descriptor.get('digest')}")
            return None
        self.reached.add(descriptor["digest"])
        if path.stat().st_size != descriptor.get("size"):
            self.wrong(where, f"{encoded[:12]} has {path.stat().st_size} bytes, not {descriptor.get('size')}")
        return path

    def _blob(self, where: str, descriptor: dict) -> bytes | None:
        path = self._known(where, descriptor)
        if path is None:
            return None
        data = path.read_bytes()
        if "sha256:" + hashlib.sha256(data).hexdigest() != descriptor["digest"]:
            self.wrong(where, f"the bytes of {descriptor['digest']} are others")
            return None
        return data

    def _nothing_else(self) -> None:
        """No half-written or forgotten file lies beside what the index reaches."""
        for path in sorted(p for p in self.root.rglob("*") if not p.is_dir()):
            relative = path.relative_to(self.root).as_posix()
            digest = relative.removeprefix("blobs/").replace("/", ":", 1)
            if (
                relative not in ("oci-layout", "index.json")
                and digest not in self.reached | self._remembered()
            ):
                self.wrong(relative, "nothing refers to it")

    def _remembered(self) -> set[str]:
        """What may lie there besides: blobs that a reader of the last index may still want, which are written
        down; the mark that keeps a layout out of git; and Docker's own list of an archive's content."""
        memory = self.root / ".containerize"
        ignored = self.root / ".gitignore"
        kept = {line.split(" ")[0] for line in memory.read_text().splitlines()} if memory.is_file() else set()
        marked = ignored.is_file() and ignored.read_text() == "*\n"
        return kept | {".containerize", "manifest.json"} | ({".gitignore"} if marked else set())


class _LayerStream(io.RawIOBase):
    """A layer's tar, decompressed as it is read, with the digests of both forms."""

    def __init__(self, path: Path, gzip: bool) -> None:
        self.file = path.open("rb")
        self.inflate = zlib.decompressobj(wbits=31) if gzip else None
        self.packed, self.plain = hashlib.sha256(), hashlib.sha256()
        self.head = b""
        self.trailing = False
        self.buffer = b""

    def readable(self) -> bool:
        return True

    def _more(self) -> bool:
        chunk = self.file.read(CHUNK)
        if not chunk:
            return False
        self.packed.update(chunk)
        self.head = self.head or chunk[:10]
        if self.inflate is None:
            self.buffer += chunk
        elif self.inflate.eof:
            self.trailing = True
        else:
            self.buffer += self.inflate.decompress(chunk)
            self.trailing = self.trailing or bool(self.inflate.unused_data)
        return True

    def read(self, size: int = -1) -> bytes:
        while (size < 0 or len(self.buffer) < size) and self._more():
            pass
        if self.inflate and not self.inflate.eof and len(self.buffer) < max(size, 1):
            raise EOFError("the gzip stream ends too early")
        data, self.buffer = (self.buffer, b"") if size < 0 else (self.buffer[:size], self.buffer[size:])
        self.plain.update(data)
        return data

    def drain(self) -> None:
        """Reads what is behind the tar's end marker, so that the digests are of everything."""
        try:
            while self.read(CHUNK):
                pass
        except (zlib.error, EOFError):
            while self._more():
                pass
        self.file.close()

    @property
    def digest(self) -> str:
        return "sha256:" + self.packed.hexdigest()

    @property
    def diff_id(self) -> str:
        return "sha256:" + self.plain.hexdigest()


def _entry(info: tarfile.TarInfo) -> Entry:
    kinds = {tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink"}
    return Entry(
        name=info.name,
        kind=kinds.get(info.type, "file"),
        mode=info.mode,
        uid=info.uid,
        gid=info.gid,
        size=info.size,
        link=info.linkname,
    )


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
