"""Bytecode: layers of their own that containers use, made by the base's own CPython."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from base_python import base_python
from harness import Env, Podman, Program, lab_bases, run
from python_projects import BASES, PLATFORMS, PYTHON_OF, SITE_PACKAGES, USAGE, copied, lab_base, make

#: In a container, whether each module that was compiled is what the interpreter there makes of its source.
COMPARE = """
import importlib.util, marshal, pathlib, sys
count = 0
for source in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
    bytecode = pathlib.Path(importlib.util.cache_from_source(source))
    if not bytecode.exists():
        continue
    header, code = bytecode.read_bytes()[:16], marshal.loads(bytecode.read_bytes()[16:])
    assert header[:4] == importlib.util.MAGIC_NUMBER and header[4:8] == bytes([1, 0, 0, 0]), bytecode
    assert header[8:] == importlib.util.source_hash(source.read_bytes()), bytecode
    assert code.co_filename == str(source), code.co_filename
    assert code == compile(source.read_bytes(), str(source), "exec", dont_inherit=True), bytecode
    count += 1
print(count)
"""
#: What `python -v` says about the modules that it imports.
FROM = re.compile(r"^# code object from '?(/app/\S+?)'?$", re.MULTILINE)
WRITES = re.compile(r"^# (?:wrote|could not create) '?(/app/\S+)", re.MULTILINE)


@pytest.fixture(scope="module")
def python_of(module_path: Path) -> Callable[[str], Path]:
    """Gives a folder with the interpreter of a base as a program of this machine."""
    done: dict[str, Path] = {}

    def of(base: str) -> Path:
        if base not in done:
            folder = module_path / base
            folder.mkdir()
            done[base] = base_python(lab_bases(), BASES[base], PYTHON_OF[base], folder)
        return done[base]

    return of


@pytest.fixture
def without_python(tmp_path: Path) -> Env:
    """An environment in which there is no Python to be found."""
    tools = tmp_path / "no-tools"
    tools.mkdir()
    return {"PATH": str(tools), "PYENV_ROOT": None, "UV_PYTHON_INSTALL_DIR": None, "VIRTUAL_ENV": None}


@pytest.mark.parametrize("base", ["slim", pytest.param("distroless", marks=pytest.mark.full)])
def test_containers_use_bytecode_and_compile_nothing(
    base: str, program: Program, podman_kept: Podman, without_python: Env, tmp_path: Path
) -> None:
    project, minor = copied("site-pip", tmp_path), PYTHON_OF[base]
    plain = make(program, project, tmp_path / "plain", base=base)
    compiled = make(program, project, tmp_path / "layout", "--bytecode", base=base, env=without_python)
    added = [layer for layer in compiled.own_layers() if layer not in plain.own_layers()]
    assert len(added) == 2 and len(compiled.own_layers()) == len(plain.own_layers()) + 2
    history = [line["created_by"] for line in compiled.image().config["history"] if "created_by" in line]
    assert len([line for line in history if re.search(rf"bytecode.* by CPython {minor}\.\d+$", line)]) == 2
    alone = ["--bytecode", "--no-cache", "--jobs=1"]
    again = make(program, project, tmp_path / "again", *alone, base=base)
    assert again.digest == compiled.digest, "nor does it matter what is here, or how many work on it"

    packages = "/" + SITE_PACKAGES.format(minor)
    image = podman_kept.take(tmp_path / "layout", "made")
    python = ["--entrypoint=python"]
    counted = podman_kept.run(image, "-c", COMPARE, "/app", options=python).out
    assert int(counted) == len([path for path in compiled.own_files() if path.endswith(".pyc")]) > 100
    imports, ending = "import app, flask, gunicorn.app.wsgiapp", f".cpython-{minor.replace('.', '')}.pyc"
    # As root, on a root that can be written to: nothing keeps it from writing bytecode that is missing.
    for user in ([], ["--user=0", "--read-only=false"]):
        told = podman_kept.run(image, "-v", "-c", imports, options=[*user, *python]).err
        modules = FROM.findall(told)
        assert len([path for path in modules if path.startswith(packages)]) > 50
        assert not [path for path in modules if not path.endswith(ending)]
        assert not WRITES.findall(told)


def test_another_platform_and_another_python_give_the_same_bytecode(
    program: Program, python_of: Callable[[str], Path], without_python: Env, tmp_path: Path
) -> None:
    project, arm64 = copied("site-pip", tmp_path), PLATFORMS[1]
    make(program, project, tmp_path / "foreign", "--bytecode", platforms=[arm64], env=without_python)
    # A base of which nothing runs here: a CPython of exactly its version compiles, and no other. Nothing is
    # remembered of the image before.
    alone = ["--override-arch=arm64", "--override-variant=v8"]
    run(["skopeo", *alone, "copy", "-q", lab_base("slim"), f"oci:{tmp_path}/arm64:base"])
    base = ["--base", f"oci:{tmp_path}/arm64:base", "--platform", arm64, "--bytecode", "--no-cache", "-o"]
    refused = program(*base, f"oci:{tmp_path}/layout:1", cwd=project, env=without_python, code=USAGE)
    assert re.search(
        r"bytecode for Python (3\.13\.\d+) needs .* or a CPython \1 on this machine", refused.err
    )
    assert refused.out == "" and not (tmp_path / "layout").exists()
    env = {**without_python, "PATH": str(python_of("slim"))}
    here = program(*base, f"oci:{tmp_path}/layout:1", cwd=project, env=env)
    layers = layers_of(tmp_path / "layout"), layers_of(tmp_path / "foreign")
    assert here.digest != "" and layers[0][-2:] == layers[1][-2:] and set(layers[0][4:]) == set(layers[1][4:])


def layers_of(layout: Path) -> list[str]:
    """The digests of all layers of the only image of a layout."""
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]
    blob = layout / "blobs" / manifest["digest"].replace(":", "/")
    return [layer["digest"] for layer in json.loads(blob.read_text())["layers"]]
