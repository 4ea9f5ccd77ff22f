"""A build target and a publisher for Hatch."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from containerize import FrontEnd, ProgramNotFound

PACKAGE = "hatch-containerize"


def run(command: str, project: str, words: list[str], option: str | None = None) -> tuple[int, str]:
    """Runs the program for ``hatch <command>``; gives the exit code, and what to say if it did not start.
    ``option`` is how the command spells that an option follows."""
    told = FrontEnd(
        f"hatch {command}",
        PACKAGE,
        version(PACKAGE),
        install="pip install",
        lock="hatch lock --export pylock.toml",
        option=option,
        project=Path(project).resolve(),
    )
    try:
        return told.run(words)[0], ""
    except ProgramNotFound as error:
        return 2, f"{error}\nhint: run `pip install {PACKAGE}=={told.version}`"
