"""The program for Windows under Wine, and tools of Windows that this machine's own do the work of."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from harness import LAB, Env, Outcome, free_port, run, wait_for

WINE = LAB / "windows" / "run-wine.sh"
#: A program of Windows that has `TOOLS` run the tool that it is named after.
CALLER = "CONTAINERIZE_TEST_WINDOWS_TOOL"
TOOLS = LAB / "windows" / "tools" / "tools.py"
#: How Wine names this machine's files.
DRIVE = "Z:"


def on_windows(path: Path) -> str:
    return DRIVE + str(path).replace("/", "\\")


@dataclass(frozen=True)
class Windows:
    """The program for Windows, and a user's profile for it."""

    binary: Path
    #: Wine's own folder: the drive C: and the user's profile on it.
    prefix: Path
    #: Further variables.
    more: Env = field(default_factory=dict)

    @property
    def drive(self) -> Path:
        return self.prefix / "drive_c"

    @property
    def home(self) -> Path:
        return self.drive / "users" / getpass.getuser()

    @property
    def env(self) -> Env:
        mine = {name: None for name in os.environ if name.startswith("CONTAINERIZE_")}
        return {**mine, "WINE_PREFIX": str(self.prefix), **self.more}

    @property
    def words(self) -> list[str | Path]:
        return [WINE, on_windows(self.binary)]

    def __call__(self, *args: str, code: int | None = 0) -> Outcome:
        outcome = run([*self.words, *args], env=self.env, code=code)
        lines = outcome.out.replace("\r", "")
        return Outcome(outcome.code, lines, outcome.err.replace("\r", ""))

    def together(self, count: int, *args: str) -> None:
        """As many calls at once, which all succeed."""
        env = {name: value for name, value in {**os.environ, **self.env}.items() if value is not None}
        words = [str(word) for word in [*self.words, *args]]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        running = [subprocess.Popen(words, env=env, text=True, **quiet) for _ in range(count)]
        said = [process.communicate()[1] for process in running]
        assert [process.returncode for process in running] == [0] * count, "\n".join(said)

    @contextlib.contextmanager
    def with_tools(self, folder: Path, tools: Mapping[str, Path]) -> Iterator[Tools]:
        """The program, with tools of these names on its search path; each is a program of this machine."""
        caller = os.environ.get(CALLER)
        if not caller or not TOOLS.is_file():
            pytest.skip("no tools for Windows: tests/run --full makes them where mingw-w64 is")
        bin_ = folder / "bin"
        bin_.mkdir(parents=True)
        for name in tools:
            shutil.copy2(caller, bin_ / f"{name}.exe")
        port, log = free_port(), folder / "calls"
        command = [sys.executable, TOOLS, str(port), self.drive]
        command += [f"{name}={program}" for name, program in tools.items()]
        with log.open("w") as lines:
            # On standard error it tells of the connection that only tries whether it listens.
            quiet = {"stdout": lines, "stderr": subprocess.DEVNULL}
            server = subprocess.Popen([str(word) for word in command], **quiet)
        try:
            wait_for(port)
            more = {"WINE_TOOLS_PORT": str(port), "WINE_PATH": on_windows(bin_)}
            yield Tools(replace(self, more={**self.more, **more}), log)
        finally:
            server.kill()
            server.wait()


@dataclass(frozen=True)
class Tools:
    """The program among its tools."""

    windows: Windows
    log: Path

    def calls(self, tool: str) -> list[dict[str, Any]]:
        """What a tool was called with so far."""
        all_ = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [call for call in all_ if call["tool"] == tool]


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path
