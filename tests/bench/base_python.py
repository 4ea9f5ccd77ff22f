"""The interpreter of a base, as a program of this machine: the CPython of a certain version that a test
needs, where no other can be counted on. The journeys use it too."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}
LIBRARIES = ("usr/local/lib", "usr/lib/{0}-linux-gnu", "lib/{0}-linux-gnu")
#: Its own loader and libraries: this machine's may be older.
PROGRAM = """\
#!/bin/sh
exec {loader} --library-path {libraries} {interpreter} "$@"
"""


def base_python(layout: Path, base: str, python: str, folder: Path) -> Path:
    """Unpacks a base of a layout below `folder`, and gives a folder for the PATH that holds `python3.X` and
    nothing else."""
    machine, root, programs = os.uname().machine, folder / "root", folder / "bin"
    for layer in layers(layout, base):
        with tarfile.open(layer) as archive:
            archive.extractall(root, [entry for entry in archive if not entry.isdev()], filter="tar")
    names = [root / name.format(machine) for name in LIBRARIES]
    libraries = [folder.resolve() for folder in names if folder.is_dir()]
    loaders = (loader for folder in libraries for loader in folder.glob("ld-linux-*.so.*"))
    found = (root / prefix / f"bin/python{python}" for prefix in ("usr/local", "usr"))
    program = programs / f"python{python}"
    programs.mkdir()
    program.write_text(
        PROGRAM.format(
            loader=next(loaders),
            libraries=":".join(map(str, libraries)),
            interpreter=next(path for path in found if path.is_file()),
        )
    )
    program.chmod(0o755)
    return programs


def layers(layout: Path, name: str) -> Iterator[Path]:
    """The layers of an image of a layout for this machine, from the first to the last."""

    def blob(descriptor: dict) -> Path:
        return layout / "blobs" / descriptor["digest"].replace(":", "/")

    def fits(descriptor: dict) -> bool:
        return descriptor["platform"]["architecture"] == ARCHITECTURE[os.uname().machine]

    def is_named(descriptor: dict) -> bool:
        return descriptor.get("annotations", {}).get("org.opencontainers.image.ref.name") == name

    roots = json.loads((layout / "index.json").read_text())["manifests"]
    image = json.loads(blob(next(filter(is_named, roots))).read_text())
    if "manifests" in image:
        image = json.loads(blob(next(filter(fits, image["manifests"]))).read_text())
    return map(blob, image["layers"])
