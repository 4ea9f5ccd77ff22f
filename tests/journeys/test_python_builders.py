"""What has to be built: a source distribution, a folder, a repository and the project itself, by each of the
builders alone. uv builds in the other journeys."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Env, Podman, Program, need, run
from python_projects import PLATFORMS, SITE_PACKAGES, copied, make
from test_reproducible import committed

#: With what `build` is installed where no pip is.
BUILD = ["build==1.6.1", "packaging==26.3", "pyproject_hooks==1.3.3"]


def only_pip(tools: Path) -> Path:
    """A Python with pip."""
    program = tools / "python3"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return tools


def only_build(tools: Path) -> Path:
    """A Python without pip that has `build`."""
    environment = tools / "environment"
    venv.create(environment)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    run([*pip, "--disable-pip-version-check", *BUILD])
    return environment / "bin"


#: Each as what makes the folder in which it is.
BUILDERS: dict[str, Callable[[Path], Path]] = {"pip": only_pip, "build": only_build}


def without_uv(builder: str, folder: Path) -> Env:
    """An environment that has a builder and git, and nothing else to build with."""
    need("git")
    if not importlib.util.find_spec("pip"):
        pytest.skip(f"{sys.executable} has no pip")
    tools = folder / "tools"
    tools.mkdir()
    for name in ("git", "sh"):
        (tools / name).symlink_to(str(shutil.which(name)))
    path = BUILDERS[builder](tools)
    return {"PATH": f"{path}:{tools}", "PYENV_ROOT": None, "UV_PYTHON_INSTALL_DIR": None, "VIRTUAL_ENV": None}


@pytest.mark.parametrize("builder", ["pip", pytest.param("build", marks=pytest.mark.full)])
def test_everything_is_built_without_uv(
    builder: str, program: Program, podman_kept: Podman, tmp_path: Path
) -> None:
    env = without_uv(builder, tmp_path)
    repository = committed(copied("spoken-git", tmp_path))
    commit = run(["git", "rev-parse", "HEAD"], cwd=repository).out.strip()
    project = copied("mixed-pip", tmp_path)
    pins = ["docopt==0.6.2", "./libs/words", f"spoken @ git+file://{repository}@{commit}"]
    (project / "requirements.txt").write_text("\n".join(pins) + "\n")
    before = {path for path in project.rglob("*")}

    own_cache = ["--cache-dir", tmp_path / "cache"]
    made = make(program, project, tmp_path / "layout", *own_cache, platforms=PLATFORMS, env=env)
    assert {path for path in project.rglob("*")} == before, "building leaves nothing in the project"
    for name in ("docopt", "words", "spoken", "mixed"):
        assert f"a wheel of {name}" in made.outcome.err and f"with {builder}\n" in made.outcome.err
    assert made.image().run_config["Labels"]["org.opencontainers.image.version"] == "0.9.1"
    assert len({tuple(made.own_layers(platform)[:-2]) for platform in PLATFORMS}) == 1, (
        "what is the same for all machines is one layer"
    )
    files = made.unpack(tmp_path / "root") / SITE_PACKAGES.format("3.13")
    origin = json.loads((files / "spoken-1.5.dist-info" / "direct_url.json").read_text())
    assert origin["vcs_info"]["commit_id"] == commit
    image = podman_kept.take(tmp_path / "layout", "made")
    assert podman_kept.run(image, "ada").out == "Hello ADA 0.6.2\n"
