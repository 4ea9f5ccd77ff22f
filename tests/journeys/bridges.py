"""What the journeys of the front ends have in common: the wheels of this tree, and fresh environments with
the real tools of others in them."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import HELLO_TARGET, REPOSITORY, Env, Outcome, run
from python_projects import uv

BRIDGES = {name: REPOSITORY / f"{name}-bridge" for name in ("poetry", "hatch")}
PLATFORM_WHEEL = REPOSITORY / "cargo-containerize"
#: The newest of each, and the oldest that must work.
POETRY = {"1.8": "1.8.5", "2.0": "2.0.1", "newest": "2.5.1"}
VERSION = "0.1.0"
HATCH_BRIDGE = f"hatch-containerize=={VERSION}"
HATCH, HATCHLING, PDM = "1.18.2", "1.33.0", "2.29.3"
#: What was fetched from PyPI, kept for all runs.
KEPT = REPOSITORY / "target" / "journeys"
INDEX: Env = {"UV_CACHE_DIR": str(KEPT / "uv"), "PIP_CACHE_DIR": str(KEPT / "pip"), "UV_LINK_MODE": "copy"}


def maturin() -> Path:
    """maturin, which `tests/run` installs beside pytest."""
    found = Path(sys.executable).parent / "maturin"
    if not found.is_file():
        pytest.skip("maturin is not in tests/.venv")
    return found


def pack_platform_wheel(binary: Path, folder: Path) -> Path:
    """The platform wheel around a binary that is built already: maturin writes the metadata, and what it
    would compile is put in as it is."""
    scratch = folder / "metadata"
    run(
        [maturin(), "pep517", "write-dist-info", "--metadata-directory", scratch],
        cwd=PLATFORM_WHEEL,
        env=HELLO_TARGET,
    )
    (info,) = scratch.iterdir()
    name = info.name.removesuffix(".dist-info")
    about = [file for file in info.rglob("*") if file.is_file()]
    files = {file.relative_to(scratch).as_posix(): file.read_bytes() for file in about}
    package = PLATFORM_WHEEL / "python" / "containerize"
    files |= {f"containerize/{file.name}": file.read_bytes() for file in package.iterdir() if file.is_file()}
    files[f"{name}.data/scripts/containerize"] = as_released(binary, folder).read_bytes()
    text = files[f"{info.name}/WHEEL"].decode()
    tag = text.partition("Tag: ")[2].split()[0]
    return write_wheel(folder / f"{name}-{tag}.whl", files, f"{info.name}/RECORD")


def as_released(binary: Path, folder: Path) -> Path:
    """The program without what only debuggers read: each environment with the wheel has a copy."""
    if not shutil.which("strip"):
        return binary
    small = folder / "metadata" / "program"
    run(["strip", "--strip-debug", "-o", small, binary])
    return small


def write_wheel(path: Path, files: dict[str, bytes], record: str) -> Path:
    lines = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if "/scripts/" in name else 0o100644) << 16
            archive.writestr(entry, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(content)}")
        archive.writestr(record, "\n".join([*lines, f"{record},,", ""]))
    return path


def rewritten(wheel: Path, folder: Path, changes: dict[str, str]) -> Path:
    """A copy of a wheel with text replaced, in its files and their names: a release that was never made."""

    def change(text: str) -> str:
        for old, new in changes.items():
            text = text.replace(old, new)
        return text

    files = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            if not name.endswith("RECORD"):
                text = "/scripts/" not in name
                files[change(name)] = change(content.decode()).encode() if text else content
            else:
                record = change(name)
    return write_wheel(folder / change(wheel.name), files, record)


def make_wheels(binary: Path, folder: Path) -> Path:
    """A folder with the three wheels of this tree."""
    folder.mkdir(parents=True, exist_ok=True)
    pack_platform_wheel(binary, folder)
    shutil.rmtree(folder / "metadata")
    for bridge in BRIDGES.values():
        run([uv(), "build", "--wheel", "-q", "-o", folder, bridge], env=INDEX)
    (folder / ".gitignore").unlink(missing_ok=True)
    # uv takes a wheel of the same name and version for the one that it knows from another run.
    run([uv(), "cache", "clean", "-q", *(f"{name}-containerize" for name in ("cargo", *BRIDGES))], env=INDEX)
    return folder


@dataclass
class Tool:
    """A virtual environment with a tool of others."""

    home: Path
    wheels: Path
    env: Env

    @classmethod
    def install(cls, home: Path, wheels: Path, packages: Iterable[str], *, python: str = "") -> Tool:
        run([uv(), "venv", "-q", "--no-project", *(["--python", python] if python else []), home], env=INDEX)
        env = {
            **INDEX,
            "PIP_FIND_LINKS": str(wheels),
            "UV_FIND_LINKS": str(wheels),
            "VIRTUAL_ENV": None,
            **{name: None for name in os.environ if name.startswith("CONTAINERIZE_")},
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        }
        tool = cls(home, wheels, env)
        tool.add(*packages)
        return tool

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    def add(self, *packages: str | Path) -> None:
        """Installs packages; those of this tree come from the wheels."""
        install = [uv(), "pip", "install", "-q", "--python", self.python]
        run([*install, "--find-links", self.wheels, *packages], env=INDEX)

    def __call__(
        self, program: str, *args: str | Path, cwd: Path, env: Env | None = None, code: int | None = 0
    ) -> Outcome:
        return run([self.home / "bin" / program, *args], cwd=cwd, env={**self.env, **(env or {})}, code=code)


@pytest.fixture(scope="session")
def wheels(program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels of this tree, around the program under test."""
    return make_wheels(program.folder / "containerize", tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="session")
def poetry(wheels: Path, tmp_path_factory: pytest.TempPathFactory):
    """Gives a fresh environment with a Poetry and the plugin, of each version once."""
    made: dict[str, Tool] = {}

    def of_version(name: str) -> Tool:
        if name not in made:
            home = tmp_path_factory.mktemp(f"poetry-{name}") / "venv"
            packages = [f"poetry=={POETRY[name]}", f"poetry-containerize=={VERSION}"]
            made[name] = Tool.install(home, wheels, packages)
            made[name].env |= {"POETRY_CONFIG_DIR": str(home / "config")}
        return made[name]

    return of_version


@pytest.fixture(scope="session")
def hatch(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Tool:
    home = tmp_path_factory.mktemp("hatch") / "venv"
    tool = Tool.install(home, wheels, [f"hatch=={HATCH}", f"hatchling=={HATCHLING}", HATCH_BRIDGE])
    tool.env |= {
        "HATCH_DATA_DIR": str(home / "data"),
        "HATCH_CACHE_DIR": str(home / "cache"),
        "PATH": f"{home / 'bin'}:{uv().parent}:{tool.env['PATH']}",
    }
    return tool
