"""What the journeys of Python projects have in common: fixtures, bases, and images of both."""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import (
    FIXTURES,
    Env,
    Outcome,
    Podman,
    Program,
    Registry,
    Service,
    free_port,
    lab_bases,
    lab_image,
    run,
    serve,
)
from validator import Entry, Image, Layout, validate_layout

PROJECTS = FIXTURES / "python"
#: Bases of the lab, and the Python in each.
BASES = {
    "slim": "python:3.13-slim-bookworm",
    "distroless": "distroless/python3-debian12:nonroot",
}
#: Bases without a Python.
BARE = {"debian": "debian:bookworm-slim"}
PYTHON_OF = {"slim": "3.13", "distroless": "3.11"}
PLATFORMS = ["linux/amd64", "linux/arm64"]
MACHINE = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
SITE_PACKAGES = "app/.venv/lib/python{}/site-packages"
NONROOT = 65532
USAGE = 2


def lab_base(base: str) -> str:
    """The base's reference in the lab's layout."""
    return lab_image((BASES | BARE)[base])


@functools.cache
def base_layers(base: str) -> dict[str, int]:
    """How many layers an image on the base begins with, for each platform."""
    layout, name = lab_bases(), BASES[base]

    def blob(digest: str) -> dict:
        return json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())

    roots = json.loads((layout / "index.json").read_text())["manifests"]
    root = next(
        entry
        for entry in roots
        if entry.get("annotations", {}).get("org.opencontainers.image.ref.name") == name
    )
    images = [
        (f"{child['platform']['os']}/{child['platform']['architecture']}", blob(child["digest"]))
        for child in blob(root["digest"])["manifests"]
    ]
    return {platform: len(image["layers"]) for platform, image in images}


def uv() -> Path:
    """uv, which `tests/run` installs beside pytest."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if not found:
        pytest.skip("uv is neither in tests/.venv nor on the PATH")
    return Path(found)


def with_uv(folder: Path, program: Program) -> Env:
    """An environment whose PATH has uv and nothing else of the tests' own environment."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "uv").symlink_to(uv())
    return {"PATH": f"{tools}:{program.env['PATH']}"}


def copied(name: str, folder: Path) -> Path:
    """A copy of a project in a folder of its own, out of any repository."""
    project = folder / name
    shutil.copytree(PROJECTS / name, project, ignore=shutil.ignore_patterns("__pycache__", "dist", ".venv"))
    return project


def flags(base: str, *platforms: str) -> list[str]:
    return ["--base", lab_base(base), "--platform", ",".join(platforms or PLATFORMS[:1])]


@dataclass
class Made:
    """An image as a layout, checked."""

    outcome: Outcome
    layout: Layout
    path: Path
    base: str

    @property
    def digest(self) -> str:
        return self.outcome.digest

    def image(self, platform: str = PLATFORMS[0]) -> Image:
        return self.layout.image(platform)

    def own_layers(self, platform: str = PLATFORMS[0]) -> list[str]:
        """The digests of the layers on top of the base."""
        return [layer.digest for layer in self.image(platform).layers[base_layers(self.base)[platform] :]]

    def own_files(self, platform: str = PLATFORMS[0]) -> dict[str, Entry]:
        """What the layers on top of the base hold."""
        layers = self.image(platform).layers[base_layers(self.base)[platform] :]
        return {entry.name: entry for layer in layers for entry in layer.entries}

    def unpack(self, folder: Path, platform: str = PLATFORMS[0]) -> Path:
        """Unpacks the layers on top of the base, as they are in the layout."""
        for digest in self.own_layers(platform):
            with tarfile.open(self.path / "blobs" / digest.replace(":", "/"), "r:*") as layer:
                layer.extractall(folder, filter="tar")
        return folder


def make(
    program: Program,
    project: Path,
    layout: Path,
    *more: str | Path,
    base: str = "slim",
    platforms: list[str] | None = None,
    env: Env | None = None,
) -> Made:
    """Builds the project into a layout and checks all of it."""
    options = [*flags(base, *(platforms or [])), "-o", f"oci:{layout}:made", *more]
    outcome = program(*options, cwd=project, env=env)
    found = validate_layout(layout, digest=outcome.digest, base_layers=base_layers(base))
    assert_nothing_is_found(program, layout)
    return Made(outcome, found, layout, base)


def assert_nothing_is_found(program: Program, layout: Path) -> None:
    """These images run, so nothing may be wrong with them."""
    checked = program("check", f"oci:{layout}:made", "--format", "json", cwd=layout)
    assert [
        platform["findings"] for platform in json.loads(checked.out)["platforms"] if platform["findings"]
    ] == []


@contextlib.contextmanager
def served(podman: Podman, image: str, *args: str, name: str) -> Iterator[Service]:
    """The image as a service on a free port, which its server reads from the environment."""
    port = free_port()
    ports = [f"--env={variable}={port}" for variable in ("PORT", "UVICORN_PORT")]
    command = podman.command(image, *args, options=[f"--name={name}", *ports])
    with serve(command, port, podman.env) as service:
        try:
            yield service
        finally:
            # Servers end by the signal that stopped them. As process 1 under qemu they never do.
            podman("stop", "--time=5", name, code=None)


def assert_runs_as_nonroot(podman: Podman, name: str) -> None:
    pid = podman("inspect", "--format", "{{.State.Pid}}", name).out.strip()
    status = Path(f"/proc/{pid}/status").read_text()
    assert f"Uid:\t{NONROOT}\t{NONROOT}" in status and f"Gid:\t{NONROOT}\t{NONROOT}" in status


def pushed(here: Registry, repository: str) -> list[str]:
    """What ends up in the registry and where, for the flags of the program."""
    return ["--push", "--repository", here.name(repository), "-t", "journey"]


def exported(project: Path, folder: Path) -> Path:
    """What uv itself would install for the project's uv.lock, as requirements with hashes."""
    requirements = folder / "requirements.txt"
    options = ["--frozen", "--no-dev", "--no-emit-project", "-q", "-o", requirements]
    run([uv(), "export", *options], cwd=project)
    return requirements
