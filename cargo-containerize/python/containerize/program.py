"""Where the program is, and how another tool starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

DISTRIBUTION = "cargo-containerize"
#: The variable that names the file with what a front end tells the program, as JSON. It is a file, which the
#: program removes, since every program that is started from there would inherit the text of a variable.
VARIABLE = "CONTAINERIZE_FRONT_END"
#: The version of the form of that document.
PROTOCOL = 1

try:
    VERSION = version(DISTRIBUTION)
except PackageNotFoundError:  # From a source tree.
    VERSION = "0.0.0"


class ProgramNotFound(RuntimeError):
    """The program is not installed, or not in the version that is wanted."""


def find_program(wanted: str | None = None) -> Path:
    """The program of the installed ``cargo-containerize``, also where several versions can be imported.

    ``wanted`` is the version that it must have. Raises :class:`ProgramNotFound`.
    """
    seen: list[str] = []
    for found in distributions(name=DISTRIBUTION):
        if wanted not in (None, found.version):
            seen.append(found.version)
            continue
        for file in found.files or ():
            if file.name in ("containerize", "containerize.exe"):
                path = Path(str(found.locate_file(file))).resolve()
                if path.is_file():
                    return path
        seen.append(f"{found.version} without its program")
    asked = DISTRIBUTION if wanted is None else f"{DISTRIBUTION} {wanted}"
    there = f"found {', '.join(seen)}" if seen else "found none"
    raise ProgramNotFound(f"{asked} is not installed in {sys.prefix}: {there}")


@dataclass(frozen=True)
class FrontEnd:
    """What people typed to come here, and what only the tool that they typed knows."""

    #: The words that stand for the program in usage and advice, as ``poetry containerize``.
    command: str
    #: The package that calls, and its version, which must be the program's.
    package: str = DISTRIBUTION
    version: str = VERSION
    #: What to type where the versions do not fit each other.
    install: str | None = None
    #: What to type to make a lock, if not ``lock`` after the command.
    lock: str | None = None
    #: What comes before ``KEY=VALUE`` where options are given in that way, as ``-o``.
    option: str | None = None
    #: The project's folder, unless the words name another.
    project: Path | None = None
    #: Whether ``--with``, ``--without`` and ``--only`` name dependency groups.
    group_flags: bool = False
    #: User name and password of package indexes, by the index's name.
    sources: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    #: Keys of the configuration, and the words for where they come from.
    settings: Mapping[str, Any] | None = None
    settings_place: str | None = None

    def document(self) -> dict[str, Any]:
        """What the program reads."""
        told = {
            "protocol": PROTOCOL,
            "command": self.command,
            "package": self.package,
            "version": self.version,
            "install": self.install,
            "lock": self.lock,
            "option": self.option,
            "project": None if self.project is None else os.fspath(self.project),
            "group-flags": self.group_flags,
            "sources": {
                name: {"username": who, "password": key} for name, (who, key) in self.sources.items()
            },
            "settings": self.settings,
            "settings-place": self.settings_place,
        }
        return {key: value for key, value in told.items() if value is not None}

    def environment(self) -> dict[str, str]:
        """The environment that the program gets. It removes the file that is named there."""
        number, path = tempfile.mkstemp(prefix="containerize-", suffix=".json")
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump(self.document(), file)
        return {**os.environ, VARIABLE: path}

    def replace_this_process(self, words: Sequence[str]) -> int:
        """Goes on as the program, with this process's streams, signals and place; so it returns nowhere
        but on Windows, with the exit code."""
        command = [str(find_program(self.version)), *words]
        sys.stdout.flush()
        sys.stderr.flush()
        if os.name == "posix":
            environment = self.environment()
            try:
                os.execve(command[0], command, environment)
            finally:  # It could not be started.
                os.unlink(environment[VARIABLE])
        return self.run(words)[0]

    def run(
        self,
        words: Sequence[str],
        *,
        capture: bool = False,
        on_line: Callable[[str], object] | None = None,
    ) -> tuple[int, str]:
        """Runs the program to its end; gives the exit code and, with ``capture``, its standard output.
        ``on_line`` gets each line of its standard error. What would end this process meanwhile is passed on,
        and the program's answer is waited for."""
        command = [str(find_program(self.version)), *words]
        environment = self.environment()
        out: list[str] = []
        try:
            with subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE if capture else None,
                stderr=subprocess.PIPE if on_line else None,
                encoding="utf-8",
                errors="replace",
            ) as child:
                before = _forward_signals(child)
                try:
                    reader = threading.Thread(target=lambda: out.extend(child.stdout or ()))
                    reader.start()
                    for line in child.stderr or ():
                        if on_line:
                            on_line(line)
                    reader.join()
                    child.wait()
                except BaseException:
                    # Whoever listens has failed: nobody waits for the rest.
                    child.terminate()
                    raise
                finally:
                    for number, handler in before.items():
                        signal.signal(number, handler)
        finally:  # Unless it could not be started, the file is gone.
            Path(environment[VARIABLE]).unlink(missing_ok=True)
        return child.returncode, "".join(out)


def _forward_signals(child: subprocess.Popen[str]) -> dict[signal.Signals, Any]:
    """Passes on what asks this process to end. A terminal sends its interruption to the child itself."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    interrupted = {signal.SIGINT: lambda *_: None}
    asked = {signal.SIGTERM: lambda *_: child.terminate()}
    handlers = {**interrupted, **asked}
    return {number: signal.signal(number, handler) for number, handler in handlers.items()}
