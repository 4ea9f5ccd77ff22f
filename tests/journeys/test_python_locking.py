"""Locks made anew, each by the tool of its project, from what the index has today. The other journeys have
the locks that are kept with their projects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import Podman, Program, run
from python_projects import MACHINE, PLATFORMS, copied, make, served, uv, with_uv
from test_python_services import SERVERS, SERVICES

pytestmark = pytest.mark.full

#: What each tool is installed from, every package pinned.
PINNED = Path(__file__).parent / "locking"
#: Poetry asks PyPI itself for JSON, and any other index for the pages that mirrors have too.
SOURCE = '\n[[tool.poetry.source]]\nname = "index"\nurl = "https://pypi.org/simple/"\npriority = "primary"\n'


@dataclass(frozen=True)
class Tool:
    """A tool that locks one of the projects."""

    project: str
    lock: str
    command: str
    #: The file that it is installed from; `None` for uv, which is there.
    pinned: str | None = None


TOOLS = {
    "uv": Tool("service-uv", "uv.lock", "uv lock"),
    "uv of a workspace": Tool("workspace-uv", "uv.lock", "uv lock"),
    "uv export": Tool("django-pylock", "pylock.toml", "uv export -q --format pylock.toml -o pylock.toml"),
    "pdm": Tool("site-pdm", "pdm.lock", "pdm lock", "pdm"),
    "pip-compile": Tool(
        "site-pip",
        "requirements.txt",
        "pip-compile -q --generate-hashes -o requirements.txt requirements.in",
        "pip-tools",
    ),
    "poetry": Tool("service-poetry", "poetry.lock", "poetry lock -n", "poetry"),
    "poetry 1": Tool("site-poetry1", "poetry.lock", "poetry lock -n", "poetry1"),
}


def locked(tool: Tool, project: Path, folder: Path) -> None:
    """Makes the project's lock anew, with the tool in an environment of its own."""
    (project / tool.lock).unlink()
    programs = uv().parent
    if tool.pinned:
        environment = folder / "environment"
        programs = environment / "bin"
        run([uv(), "venv", "-q", "--no-python-downloads", environment])
        install = [uv(), "pip", "install", "-q", "--no-deps", "--python", programs / "python"]
        run([*install, "-r", PINNED / f"{tool.pinned}.txt"])
    if tool.pinned and tool.pinned.startswith("poetry"):
        with (project / "pyproject.toml").open("a") as manifest:
            manifest.write(SOURCE)
    program, *arguments = tool.command.split()
    run([programs / program, *arguments], cwd=project, env={"VIRTUAL_ENV": None})


@pytest.mark.parametrize("name", TOOLS)
def test_a_service_answers_from_a_new_lock(
    name: str, program: Program, podman_kept: Podman, tmp_path: Path
) -> None:
    tool = TOOLS[name]
    project = copied(tool.project, tmp_path)
    locked(tool, project, tmp_path)
    if name == "uv export":
        (project / "uv.lock").unlink()
    made = make(program, project, tmp_path / "layout", env=with_uv(tmp_path, program))
    assert made.image().run_config["Entrypoint"][0] == SERVERS[tool.project]
    image = podman_kept.take(tmp_path / "layout", "made")
    with served(podman_kept, image, name=f"new-{tool.project}") as service:
        assert SERVICES[tool.project](service) == {"machine": MACHINE[PLATFORMS[0]]}
