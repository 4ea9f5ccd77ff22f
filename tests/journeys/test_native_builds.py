"""C libraries and Pythons of this machine in images: extensions that are built, and what they need."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import REPOSITORY, Outcome, Podman, Program, cloned, committed, need, run
from python_projects import copied, lab_base, make, uv, with_uv

#: The base whose Python is the one of the machines that tests run on, so that extensions can be built.
BASE = "distroless"
BUILD_FAILED, USAGE, MISMATCH = 1, 2, 4
EXAMPLE = REPOSITORY / "examples/research"
#: What each module of the standard library that a service may need is imported for.
IMPORTS = "import bz2, ctypes, hashlib, lzma, sqlite3, ssl, sys, uuid, zlib"
WHERE = "print(sys.prefix, sys.version_info[:2])"


@pytest.fixture
def tools(program: Program, tmp_path: Path) -> dict[str, str | None]:
    """uv, a compiler, and this Python with its headers."""
    need("cc", "make", "sh")
    if not (Path(os.path.realpath(sys.base_prefix)) / f"include/python{minor()}/Python.h").is_file():
        pytest.skip("this Python has no headers")
    return with_uv(tmp_path, program)


def minor() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def need_base_python() -> None:
    if minor() != "3.11":
        pytest.skip("extensions for the base are built with Python 3.11")


def header(name: str) -> None:
    folders = [Path("/usr/local/include"), Path("/usr/include"), *Path("/usr/include").glob("*-linux-gnu")]
    if not any((folder / name).is_file() for folder in folders):
        pytest.skip(f"no {name}: install the development files of the library")


def failed(program: Program, project: Path, *options: str, env: dict) -> Outcome:
    return program("--base", lab_base(BASE), *options, cwd=project, env=env, code=BUILD_FAILED)


def test_gmpy2_is_built_against_the_libraries_of_this_machine(
    program: Program, podman_kept: Podman, tools: dict, tmp_path: Path
) -> None:
    need_base_python()
    for name in ("gmp.h", "mpfr.h", "mpc.h"):
        header(name)
    project = copied("numbers-uv", tmp_path)

    refused = failed(program, project, "-o", f"oci:{tmp_path / 'refused'}:made", env=tools)
    assert "libmpc.so.3" in refused.err and "native" in refused.err
    assert not (tmp_path / "refused").exists(), "nothing is written of an image that would not run"

    made = make(program, project, tmp_path / "layout", "--native", "bundle", base=BASE, env=tools)
    assert "a wheel of gmpy2" in refused.err
    names = {Path(name).name for name in made.own_files()}
    assert {"libgmp.so.10", "libmpfr.so.6", "libmpc.so.3"} <= names and "libc.so.6" not in names
    image = podman_kept.take(tmp_path / "layout", "made")
    assert podman_kept.run(image).out == "True 1.4142135623730950488016887242\n"


@pytest.fixture
def research(tmp_path: Path, tools: dict) -> tuple[Path, dict]:
    """The example, its C library installed into a prefix of this test, and an environment that says so."""
    for name in ("gmp.h", "mpfr.h", "mpc.h"):
        header(name)
    project = shutil.copytree(EXAMPLE, tmp_path / "research", ignore=shutil.ignore_patterns("dist", "*.so.*"))
    prefix = tmp_path / "prefix"
    run(["make", "-s", "-C", project / "pairing", "install", f"PREFIX={prefix}"])
    flags = {"CPPFLAGS": f"-I{prefix}/include", "LDFLAGS": f"-L{prefix}/lib -Wl,-rpath,{prefix}/lib"}
    words = ", ".join(f"{name} = {json.dumps(value)}" for name, value in flags.items())
    return project, {**tools, "CONTAINERIZE_BUILD_ENV": f"{{ {words} }}"}


def test_a_research_container_lives_on_and_has_all_its_libraries(
    program: Program, podman_kept: Podman, research: tuple[Path, dict], tmp_path: Path
) -> None:
    project, env = research
    layout = tmp_path / "layout"
    carried = ["--base", lab_base("debian"), "--python", os.path.realpath(sys.base_prefix)]
    outcome = program(*carried, "-o", f"oci:{layout}:made", cwd=project, env=env)
    assert "libpairing.so.1 comes from" in outcome.err and "belongs to no package" in outcome.err
    image = podman_kept.take(layout, "made")
    assert podman_kept.run(image, "47", "32", options=["--entrypoint=research"]).out == "3192 is not prime\n"
    with subprocess.Popen(podman_kept.command(image, options=["--name=alive"]), env=podman_kept.env) as alive:
        for _ in range(100):
            if podman_kept("exec", "alive", "true", code=None).code == 0:
                break
            time.sleep(0.1)
        answer = podman_kept("exec", "alive", "research", "1", "1").out
        podman_kept("exec", "alive", "sh", "-c", "echo kept > ~/notes && mkdir -p ~/.vscode-server")
        stopped = podman_kept("stop", "alive")
        alive.wait()
    assert "SIGKILL" not in stopped.err, "it hears SIGTERM"
    assert answer == "4 is not prime\n"


def test_an_extension_is_the_same_wherever_it_is_built(
    program: Program, research: tuple[Path, dict], tmp_path: Path
) -> None:
    need_base_python()
    project, env = research
    bundle = ["--python", minor(), "--entrypoint", "research"]
    made = make(program, project, tmp_path / "layout", *bundle, base=BASE, env=env)
    extension = next(made.unpack(tmp_path / "root").rglob("paired.cpython-*.so")).read_bytes()
    assert b"paired.c" not in extension and b".symtab" not in extension, "debug information stays out"
    elsewhere = shutil.copytree(project, tmp_path / "elsewhere/research")
    own_cache = ["--cache-dir", tmp_path / "cache"]
    again = make(program, elsewhere, tmp_path / "again", *bundle, *own_cache, base=BASE, env=env)
    assert again.digest == made.digest


def test_an_extension_is_the_same_when_it_is_rebuilt_from_its_provenance(
    program: Program, research: tuple[Path, dict], tmp_path: Path
) -> None:
    project, env = research
    committed(project)
    bundle = ["--python", os.path.realpath(sys.base_prefix), "--native", "bundle", "--bytecode"]
    stated = ["--attestations", "referrers", "-o", f"oci:{tmp_path}/layout:made"]
    program("--base", lab_base("debian"), *bundle, *stated, cwd=project, env=env)
    clone = cloned(project, tmp_path)
    again = ["verify", f"oci:{tmp_path}/layout:made", "--rebuild", "-C", clone]
    refused = program(*again, cwd=tmp_path, env=env, code=MISMATCH)
    assert "settings that run code: base, build-env, python" in refused.err
    done = program(*again, "--unsigned", cwd=tmp_path, env={**env, "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert "the same, bit for bit" in done.out


def test_a_failed_build_shows_what_the_compiler_said(program: Program, tools: dict, tmp_path: Path) -> None:
    project = shutil.copytree(EXAMPLE, tmp_path / "research")
    outcome = failed(program, project, "--python", minor(), env=tools)
    assert "pairing.h: No such file or directory" in outcome.err
    log = outcome.err.rsplit("its full output is in ", 1)[1].split()[0]
    assert "pairing.h" in Path(log).read_text()


def test_a_python_of_this_machine_goes_onto_a_base_without_one(
    program: Program, podman_kept: Podman, tools: dict, tmp_path: Path
) -> None:
    """As the one that runs the tests is: built from source, the system's, or uv's."""
    need("sh")
    project = tmp_path / "plain"
    project.mkdir()
    (project / "pyproject.toml").write_text('[project]\nname = "plain"\nversion = "1"\n')
    (project / "plain.py").write_text(f'if __name__ == "__main__":\n    {IMPORTS}\n    {WHERE}\n')
    prefix = os.path.realpath(sys.base_prefix)
    layout = tmp_path / "layout"
    base = lab_base("debian")
    options = ["--base", base, "--python", prefix, "--native", "bundle", "-o", f"oci:{layout}:made"]
    program(*options, cwd=project, env=tools)
    image = podman_kept.take(layout, "made")
    assert podman_kept.run(image).out == f"/app/.venv ({sys.version_info[0]}, {sys.version_info[1]})\n"
    trimmed = "from importlib.util import find_spec; print([m for m in ('test', 'tkinter') if find_spec(m)])"
    assert podman_kept.run(image, "-c", trimmed, options=["--entrypoint=python"]).out == "[]\n"
    program("check", f"oci:{layout}:made", cwd=project, env=tools)

    foreign = program(*options, "--platform", "linux/arm64", cwd=project, env=tools, code=USAGE)
    assert "not for linux/arm64" in foreign.err
    slim = ["--base", lab_base("slim"), "--python", prefix]
    twice = program(*slim, cwd=project, env=tools, code=USAGE)
    assert "already has a Python" in twice.err
    none = program("--base", base, "--python", f"{tmp_path}/", cwd=project, env=tools, code=USAGE)
    assert "has no Python to bundle" in none.err and "bin/python3" in none.err


def test_what_tools_are_told_to_build_is_built(program: Program, tools: dict, tmp_path: Path) -> None:
    project = tmp_path / "pure"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "pure"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["docopt==0.6.2", "idna==3.10"]\n'
    )
    (project / "pure.py").write_text('if __name__ == "__main__":\n    import idna\n')
    run([uv(), "lock", "-q"], cwd=project)
    plan = program("--dry-run", "--base", lab_base("slim"), "--no-binary", "idna", cwd=project, env=tools).out
    assert "built from idna-3.10.tar.gz" in plan
    plan = program("--dry-run", "--base", lab_base("slim"), cwd=project, env=tools).out
    assert "idna-3.10-py3-none-any.whl" in plan and "built from docopt-0.6.2.tar.gz" in plan
    no_build = (project / "pyproject.toml").read_text() + "[tool.uv]\nno-build = true\n"
    (project / "pyproject.toml").write_text(no_build)
    refused = program("--dry-run", "--base", lab_base("slim"), cwd=project, env=tools, code=USAGE)
    assert "docopt 0.6.2 has no wheel" in refused.err
