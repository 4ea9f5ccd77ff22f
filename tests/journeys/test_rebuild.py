"""Images are built again from their provenance, elsewhere, and are the same bit for bit."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import (
    AMD64,
    ARM64,
    HELLO_TARGET,
    HELLO_WEB,
    REPOSITORY,
    Outcome,
    Program,
    Registry,
    cloned,
    committed,
    lab_image,
    need,
    need_mirror,
    need_target,
    run,
)
from python_projects import BARE, PROJECTS, with_uv

FASTAPI = REPOSITORY / "examples" / "hello-fastapi"
SLIM = "python:3.13-slim-bookworm"
DIFFERS = 4
#: Not all of the lab's registries list what hangs on an image.
PUSH = ["--attestations", "referrers", "--push", "--tag"]


def in_repository(project: Path, folder: Path, ignored: str = "") -> Path:
    """A copy of a project below the root of a repository, and a commit that holds it."""
    repository = folder / "repository"
    copy = repository / "services" / project.name
    left_out = shutil.ignore_patterns("target", "dist", "__pycache__", ".venv")
    shutil.copytree(project, copy, ignore=left_out)
    (repository / ".gitignore").write_text(f"target\ndist\n__pycache__\n{ignored}")
    committed(repository)
    return copy


def rebuilt(program: Program, image: str, clone: Path, tmp_path: Path, *flags: str, code: int = 0) -> Outcome:
    """Verifies the image with another cache, umask, time zone and language."""
    elsewhere = {"TZ": "Asia/Kathmandu", "LANG": "tr_TR.UTF-8", "LC_ALL": "C.UTF-8", "USER": "grace"}
    elsewhere["XDG_CACHE_HOME"] = str(tmp_path / "cache-elsewhere")
    env = {**with_uv(tmp_path, program), **elsewhere}
    old = os.umask(0o077)
    try:
        words = ["verify", image, "--rebuild", "--unsigned", "-C", clone, "--format", "json", *flags]
        return program(*words, cwd=tmp_path, env=env, code=code)
    finally:
        os.umask(old)


def in_registry(here: Registry, base: str, repository: str) -> str:
    """A base of the lab in a registry, as bases are in life."""
    need("skopeo")
    name = f"{here.name(repository)}:1"
    copy = ["skopeo", "copy", "-q", "--multi-arch", "all", *here.skopeo_options("dest-")]
    run([*copy, lab_image(base), f"docker://{name}"])
    return name


#: Projects and their flags, by a name.
CASES: dict[str, tuple[Path, list[str]]] = {
    "rust": (HELLO_WEB, ["--env", "API_TOKEN=hunter2", "--compression", "zstd"]),
    "fastapi": (FASTAPI, ["--bytecode", "--label", "a=b"]),
    "poetry": (PROJECTS / "service-poetry", []),
    "uv": (PROJECTS / "service-uv", ["--bytecode"]),
    "pdm": (PROJECTS / "site-pdm", []),
    "mixed": (PROJECTS / "rust-maturin", []),
    "debian": (FASTAPI, ["--debian", "libpq5"]),
    "init": (FASTAPI, ["--init"]),
    "bundled": (FASTAPI, ["--python", os.path.realpath(sys.base_prefix)]),
}
LARGE = ("pdm", "mixed", "debian", "init", "bundled")
EACH = [pytest.param(name, marks=pytest.mark.full) if name in LARGE else name for name in CASES]


@pytest.mark.parametrize("name", EACH)
def test_an_image_is_the_same_from_another_folder_cache_umask_and_time_zone(
    name: str, program: Program, registry: Callable[[str], Registry], tmp_path: Path
) -> None:
    project, flags = CASES[name]
    here = registry("crane")
    image = f"{here.name('rebuild/' + name)}:1"
    if name in ("debian", "init"):
        need_mirror()
    if project == HELLO_WEB:
        need_target(AMD64)
        need_target(ARM64)
        flags = [*flags, "--platform", "linux/amd64,linux/arm64"]
    else:
        base = in_registry(here, BARE["debian"] if name == "bundled" else SLIM, f"rebuild/{name}-base")
        flags = [*flags, "--platform", "linux/amd64", "--base", base]
    copy = in_repository(project, tmp_path)
    (tmp_path / "first").mkdir()
    env = {**with_uv(tmp_path / "first", program), **HELLO_TARGET}
    pushed = program(*flags, *PUSH, image, cwd=copy, env=env)
    clone = cloned(copy.parents[1], tmp_path)
    found = json.loads(rebuilt(program, image, clone, tmp_path).out)
    assert found["same"], found
    assert pushed.out.strip().endswith(found["digest"])
    assert "hunter2" not in json.dumps(found)


def test_layouts_archives_and_registries_without_a_list_hold_what_it_takes(
    program: Program, registry: Callable[[str], Registry], tmp_path: Path
) -> None:
    here = registry("anonymous")
    image = f"{here.name('rebuild/tagged')}:1"
    copy = in_repository(FASTAPI, tmp_path)
    flags = ["--platform", "linux/amd64", "--base", in_registry(here, SLIM, "rebuild/tagged-base")]
    outputs = ["-o", f"oci:{tmp_path}/layout", "-o", f"oci-archive:{tmp_path}/image.tar"]
    program(*flags, *outputs, *PUSH, image, cwd=copy)
    clone = cloned(copy.parents[1], tmp_path)
    for number, stored in enumerate([image, "oci:layout", "oci-archive:image.tar"]):
        (tmp_path / str(number)).mkdir()
        run(["ln", "-s", tmp_path / "layout", tmp_path / "image.tar", tmp_path / str(number)])
        assert json.loads(rebuilt(program, stored, clone, tmp_path / str(number)).out)["same"]


def test_a_file_that_is_not_in_the_commit_is_named(
    program: Program, registry: Callable[[str], Registry], tmp_path: Path
) -> None:
    """Git ignores it, so the commit does not hold it."""
    here = registry("crane")
    image = f"{here.name('rebuild/ignored')}:1"
    copy = in_repository(FASTAPI, tmp_path, ignored="local.txt\n")
    (copy / "local.txt").write_text("here\n")
    flags = ["--platform", "linux/amd64", "--base", in_registry(here, SLIM, "rebuild/ignored-base")]
    program(*flags, "--file", "local.txt:/etc/local.txt", *PUSH, image, cwd=copy)
    clone = cloned(copy.parents[1], tmp_path)
    (clone / "services" / FASTAPI.name / "local.txt").write_text("there\n")
    found = json.loads(rebuilt(program, image, clone, tmp_path, code=DIFFERS).out)
    difference = found["difference"]
    assert (difference["path"], difference["offset"], difference["title"]) == ("etc/local.txt", 0, "files")
    assert found["cause"] == {"cause": "source"}


def test_a_signed_image_is_cloned_from_where_its_provenance_says(
    program: Program, registry: Callable[[str], Registry], tmp_path: Path
) -> None:
    here = registry("crane")
    image = f"{here.name('rebuild/fetched')}:1"
    copy = in_repository(FASTAPI, tmp_path)
    keys = REPOSITORY / "tests" / "fixtures" / "trust"
    source = f"org.opencontainers.image.source=file://{copy.parents[1]}"
    base = in_registry(here, SLIM, "rebuild/fetched-base")
    flags = ["--platform", "linux/amd64", "--base", base, "--label", source]
    program(*flags, "--sign-key", keys / "plain.key", "--push", "--tag", image, cwd=copy)
    words = ["verify", image, "--rebuild", "--fetch"]
    done = program(*words, "--key", keys / "plain.pub", cwd=tmp_path)
    assert "the same, bit for bit" in done.out
    program(*words, cwd=tmp_path, code=2)
    program(*words, "--key", keys / "other.pub", cwd=tmp_path, code=DIFFERS)


#: A build backend of the project's own that writes when it ran.
BACKEND = """import base64, hashlib, time, zipfile

INFO = "stamped-1.0.dist-info"

def build_wheel(folder, config_settings=None, metadata_directory=None):
    files = {
        "stamped/__init__.py": f"BUILT = '{time.time_ns() / 1e9:.6f}'\\n",
        "stamped/__main__.py": "print('hello')\\n",
        f"{INFO}/METADATA": "Metadata-Version: 2.1\\nName: stamped\\nVersion: 1.0\\n",
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    def line(name):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name].encode()).digest()).decode().rstrip("=")
        return f"{name},sha256={digest},{len(files[name])}\\n"
    files[f"{INFO}/RECORD"] = "".join(map(line, files)) + f"{INFO}/RECORD,,\\n"
    with zipfile.ZipFile(f"{folder}/stamped-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return "stamped-1.0-py3-none-any.whl"
"""
STAMPED = """[project]
name = "stamped"
version = "1.0"

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[tool.containerize]
install = "wheel"
entrypoint = ["python", "-m", "stamped"]
"""


def test_a_build_backend_that_writes_times_is_found(
    program: Program, registry: Callable[[str], Registry], tmp_path: Path
) -> None:
    here = registry("crane")
    image = f"{here.name('rebuild/stamped')}:1"
    project = tmp_path / "stamped"
    (project / "stamped").mkdir(parents=True)
    (project / "stamped" / "__init__.py").write_text("")
    (project / "pyproject.toml").write_text(STAMPED)
    (project / "backend.py").write_text(BACKEND)
    copy = in_repository(project, tmp_path)
    flags = ["--platform", "linux/amd64", "--base", in_registry(here, SLIM, "rebuild/stamped-base")]
    (tmp_path / "first").mkdir()
    program(*flags, *PUSH, image, cwd=copy, env=with_uv(tmp_path / "first", program))
    clone = cloned(copy.parents[1], tmp_path)
    found = json.loads(rebuilt(program, image, clone, tmp_path, code=DIFFERS).out)
    assert found["difference"]["path"].endswith("site-packages/stamped/__init__.py"), found
    assert found["cause"]["cause"] == "time", found
