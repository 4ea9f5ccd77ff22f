"""Bytecode: a layer of its own that containers use, made by the base's own CPython on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from base_python import base_python
from harness import Podman, Program, lab_bases
from python_projects import BASES, PYTHON_OF, SITE_PACKAGES, USAGE, copied, flags, make

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
def python_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives a folder with the interpreter of a base as a program of this machine."""
    done: dict[str, Path] = {}

    def of(base: str) -> Path:
        if base not in done:
            folder = tmp_path_factory.mktemp("python")
            done[base] = base_python(lab_bases(), BASES[base], PYTHON_OF[base], folder)
        return done[base]

    return of


@pytest.mark.parametrize("base", ["slim", pytest.param("distroless", marks=pytest.mark.full)])
def test_containers_use_bytecode_and_compile_nothing(
    base: str, program: Program, podman_kept: Podman, python_of: Callable[[str], Path], tmp_path: Path
) -> None:
    env = {"PATH": f"{python_of(base)}:{program.env['PATH']}"}
    project, minor = copied("site-pip", tmp_path), PYTHON_OF[base]
    plain = make(program, project, tmp_path / "plain", base=base, env=env)
    compiled = make(program, project, tmp_path / "layout", "--bytecode", base=base, env=env)
    added = [layer for layer in compiled.own_layers() if layer not in plain.own_layers()]
    assert len(added) == 1 and len(compiled.own_layers()) == len(plain.own_layers()) + 1
    history = [line["created_by"] for line in compiled.image().config["history"] if "created_by" in line]
    assert [line for line in history if re.search(rf"bytecode by CPython {minor}\.\d+$", line)]
    alone = ["--bytecode", "--no-cache", "--jobs=1"]
    again = make(program, project, tmp_path / "again", *alone, base=base, env=env)
    assert again.digest == compiled.digest, "nor does it matter how many work on it"

    packages = "/" + SITE_PACKAGES.format(minor)
    image = podman_kept.take(tmp_path / "layout", "made")
    python = ["--entrypoint=python"]
    counted = podman_kept.run(image, "-c", COMPARE, packages, options=python).out
    assert int(counted) == len([path for path in compiled.own_files() if path.endswith(".pyc")]) > 100
    imports, ending = "import flask, gunicorn.app.wsgiapp", f".cpython-{minor.replace('.', '')}.pyc"
    # As root, on a root that can be written to: nothing keeps it from writing bytecode that is missing.
    for user in ([], ["--user=0", "--read-only=false"]):
        told = podman_kept.run(image, "-v", "-c", imports, options=[*user, *python]).err
        modules = [path for path in FROM.findall(told) if path.startswith(packages)]
        assert len(modules) > 50 and not [path for path in modules if not path.endswith(ending)]
        assert not WRITES.findall(told)


def test_bytecode_needs_the_right_cpython(program: Program, tmp_path: Path) -> None:
    project, tools = copied("site-pip", tmp_path), tmp_path / "tools"
    tools.mkdir()
    env = {"PATH": str(tools), "PYENV_ROOT": None, "UV_PYTHON_INSTALL_DIR": None, "VIRTUAL_ENV": None}
    options = [*flags("slim"), "--bytecode", "-o", f"oci:{tmp_path}/layout:1"]
    refused = program(*options, cwd=project, env=env, code=USAGE)
    assert "bytecode for Python 3.13 needs a CPython 3.13" in refused.err
    assert refused.out == "" and not (tmp_path / "layout").exists()
