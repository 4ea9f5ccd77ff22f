#!/usr/bin/env python3
"""bases.py pull DIR
bases.py make DIR PROGRAM

The base images of the journeys, as an OCI layout in DIR, each under its public name.

  pull  takes them from their registries, where these answer
  make  makes those that are missing from Debian's packages, with PROGRAM, for amd64 and arm64: as much like
        the public ones as the journeys need. What is made is kept until this file changes.

DIR/origins.json says of each which it is, or why it is not there.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

NAME = "org.opencontainers.image.ref.name"
INDEX = "application/vnd.oci.image.index.v1+json"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"
#: So many seconds a registry has for its first answer.
PATIENCE = 20

NONROOT = {"User": "65532", "Env": [PATH, CERTIFICATES], "WorkingDir": "/home/nonroot"}
SHELL = [
    "bash",
    "coreutils",
    "dash",
    "dpkg",
    "apt",
    "sed",
    "grep",
    "findutils",
    "tar",
    "gzip",
    "util-linux",
    "perl-base",
]
SYSTEM = [*SHELL, "base-files", "base-passwd", "passwd", "libc-bin", "debianutils", "debian-archive-keyring"]
C = ["libc6", "libgcc-s1", "libgomp1", "libstdc++6", "libssl3"]
#: Of Debian's Python what is Python's own, at its places there and in the public image.
MOVED = {
    "usr/bin/python3": "usr/local/bin/python3",
    "usr/bin/python": "usr/local/bin/python",
    "usr/lib/python3": "usr/local/lib/python3",
}
#: What only Debian's own Python has.
LEFT_OUT = ("usr/lib/python3.13/EXTERNALLY-MANAGED", "usr/lib/python3/")
PACKAGES_OF_PYTHON = ("python3", "python-is-python3", "libpython3")


@dataclass(frozen=True)
class Recipe:
    """What a base is made of, and what its configuration says."""

    registry: str
    release: str
    packages: list[str]
    config: dict
    #: Whether Python is moved to where Python's own images have it.
    moves_python: bool = False


BASES = {
    "distroless/static-debian12:nonroot": Recipe("gcr.io", "bookworm", [], NONROOT),
    "distroless/cc-debian12:nonroot": Recipe("gcr.io", "bookworm", C, NONROOT),
    "distroless/python3-debian12:nonroot": Recipe(
        "gcr.io",
        "bookworm",
        [*C, "python3"],
        {**NONROOT, "Env": [*NONROOT["Env"], "LANG=C.UTF-8"], "Entrypoint": ["/usr/bin/python3.11"]},
    ),
    "debian:bookworm-slim": Recipe("docker.io/library", "bookworm", SYSTEM, {"Env": [PATH], "Cmd": ["bash"]}),
    # Debian 12 has no Python 3.13.
    "python:3.13-slim-bookworm": Recipe(
        "docker.io/library",
        "trixie",
        [*SYSTEM, "python3", "python-is-python3", "netbase", "tzdata"],
        {"Env": [PATH.replace("=", "=/usr/local/bin:", 1), "PYTHON_VERSION=3.13.5"], "Cmd": ["python3"]},
        moves_python=True,
    ),
}


class Bases:
    """The layout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.index = folder / "index.json"
        self.origins_file = folder / "origins.json"
        self.origins = json.loads(self.origins_file.read_text()) if self.origins_file.is_file() else {}

    def has(self, name: str) -> bool:
        roots = json.loads(self.index.read_text())["manifests"] if self.index.is_file() else []
        return any(root.get("annotations", {}).get(NAME) == name for root in roots)

    def say(self, name: str, origin: str) -> None:
        print(f"{name}: {origin}", flush=True)
        self.origins[name] = origin
        self.origins_file.write_text(json.dumps(self.origins, indent=2) + "\n")

    def put(self, content: bytes) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def add(self, name: str, manifests: list[dict]) -> None:
        content = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).encode()
        root = {"mediaType": INDEX, **self.put(content), "annotations": {NAME: name}}
        roots = json.loads(self.index.read_text())["manifests"] if self.index.is_file() else []
        roots = [other for other in roots if other.get("annotations", {}).get(NAME) != name]
        self.index.write_text(json.dumps({"schemaVersion": 2, "manifests": [*roots, root]}))


def pull(bases: Bases) -> None:
    silent: dict[str, str] = {}
    for name, recipe in BASES.items():
        if bases.has(name) and bases.origins.get(name) == "pulled":
            continue
        if not shutil.which("skopeo"):
            silent[recipe.registry] = "skopeo is not installed"
        public = f"docker://{recipe.registry}/{name}"
        if recipe.registry not in silent:
            reason = run(["skopeo", "inspect", "--raw", public], timeout=PATIENCE)
            if not reason:
                reason = run(
                    ["skopeo", "copy", "-q", "--multi-arch", "all", public, f"oci:{bases.folder}:{name}"]
                )
            if reason:
                silent[recipe.registry] = reason
        if reason := silent.get(recipe.registry):
            if not bases.has(name):
                bases.say(name, f"cannot be pulled: {reason}")
        else:
            bases.say(name, "pulled")


def run(command: list[str], timeout: int | None = None) -> str:
    """Runs a command; gives why it failed, else nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return f"no answer in {timeout} seconds"
    lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
    return lines[-1] if done.returncode else ""


def make(bases: Bases, program: Path) -> None:
    recipe_of_all = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    for name, recipe in BASES.items():
        made = f"made here from Debian's packages ({recipe_of_all})"
        if bases.has(name) and bases.origins.get(name) in ("pulled", made):
            continue
        with tempfile.TemporaryDirectory() as work:
            if reason := build(bases, program, name, recipe, Path(work)):
                bases.say(name, f"cannot be made: {reason}")
            else:
                bases.say(name, made)


def build(bases: Bases, program: Path, name: str, recipe: Recipe, work: Path) -> str:
    """Makes an image of a program that does nothing, and the base of its layers below."""
    (work / "src").mkdir()
    (work / "Cargo.toml").write_text('[package]\nname = "nothing"\nversion = "1.0.0"\nedition = "2021"\n')
    (work / "src" / "main.rs").write_text("fn main() {}\n")
    base = f"deb:{recipe.release}"
    packages = [word for package in recipe.packages for word in ("--debian", package)]
    platforms = ["--platform", "linux/amd64,linux/arm64"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("CONTAINERIZE_")}
    env |= {"CONTAINERIZE_CACHE_DIR": str(bases.folder / "cache"), "CARGO_TARGET_DIR": str(work / "target")}
    command = [
        str(program),
        "-q",
        "--base",
        base,
        *packages,
        *platforms,
        "--check=off",
        "-o",
        f"oci:{work}/image:made",
    ]
    done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True)
    if done.returncode:
        return next(
            (line for line in done.stderr.splitlines() if line.startswith("error")), done.stderr.strip()
        )

    def blob(digest: str) -> bytes:
        return (work / "image" / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()

    root = json.loads((work / "image" / "index.json").read_text())["manifests"][0]
    manifests = []
    for entry in json.loads(blob(root["digest"]))["manifests"]:
        manifest = json.loads(blob(entry["digest"]))
        config = json.loads(blob(manifest["config"]["digest"]))
        layers = list(zip(manifest["layers"], config["rootfs"]["diff_ids"], config["history"], strict=True))
        layers = [layer for layer in layers if layer[2]["created_by"] != "containerize: nothing"]
        taken = (
            [as_of_python(blob(layer["digest"]), layer, diff) for layer, diff, _ in layers]
            if recipe.moves_python
            else [(layer, diff, blob(layer["digest"])) for layer, diff, _ in layers]
        )
        config["config"] = recipe.config
        config["rootfs"]["diff_ids"] = [diff for _, diff, _ in taken]
        config["history"] = [{**line, "created_by": "made for tests"} for _, _, line in layers]
        manifest["layers"] = [{**layer, **bases.put(content)} for layer, _, content in taken]
        manifest["config"] |= bases.put(json.dumps(config).encode())
        manifest.pop("annotations", None)
        made = bases.put(json.dumps(manifest).encode())
        manifests.append({"mediaType": entry["mediaType"], **made, "platform": entry["platform"]})
    bases.add(name, manifests)
    return ""


def as_of_python(content: bytes, layer: dict, diff_id: str) -> tuple[dict, str, bytes]:
    """A layer with Python where Python's own images have it, and not as packages of Debian."""
    plain = gzip.decompress(content)
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        members = [(member, archive.extractfile(member) if member.isreg() else None) for member in archive]
        if not any(is_of_python(member.name) for member, _ in members):
            return layer, diff_id, content
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as moved:
            for member, data in members:
                if member.name.startswith(LEFT_OUT) or is_package_of_python(member.name):
                    continue
                member.name, member.pax_headers = at_its_place(member.name), {}
                if member.islnk():
                    member.linkname = at_its_place(member.linkname)
                moved.addfile(member, data)
    plain = target.getvalue()
    return layer, f"sha256:{hashlib.sha256(plain).hexdigest()}", gzip.compress(plain, 6, mtime=0)


def is_of_python(path: str) -> bool:
    return path.startswith(tuple(MOVED)) or is_package_of_python(path)


def is_package_of_python(path: str) -> bool:
    name = path.removeprefix("var/lib/dpkg/status.d/")
    return name != path and name.startswith(PACKAGES_OF_PYTHON)


def at_its_place(path: str) -> str:
    return next((new + path.removeprefix(old) for old, new in MOVED.items() if path.startswith(old)), path)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["pull", folder]:
            pull(Bases(Path(folder).resolve()))
        case ["make", folder, program]:
            make(Bases(Path(folder).resolve()), Path(program).resolve())
        case _:
            sys.exit(__doc__)
