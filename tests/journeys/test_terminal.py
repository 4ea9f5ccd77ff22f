"""The program on a terminal: its keys interrupt and suspend it with all that it started, and the terminal is
left as it was. What builds is a PEP 517 backend of the project itself, which also tells what it was told."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness import SECONDS_TO_ANSWER, Program
from python_projects import lab_base, uv

#: Notes the names in its environment and the process that it starts, and waits to be let go.
BACKEND = """
import base64, hashlib, os, subprocess, time
from pathlib import Path

HERE = Path(os.environ["JOURNEY"])


def build_wheel(folder, settings=None, metadata=None):
    import zipfile

    child = subprocess.Popen(["sleep", "600"])
    (HERE / "names").write_text("\\n".join(os.environ))
    (HERE / "child.new").write_text(str(child.pid))
    (HERE / "child.new").rename(HERE / "child")
    while not (HERE / "go").exists():
        time.sleep(0.02)
    child.kill()
    files = {
        "waits.py": "def main():\\n    print(1)\\n",
        "waits-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: waits\\nVersion: 1.0\\n",
        "waits-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "waits-1.0.dist-info/entry_points.txt": "[console_scripts]\\nwaits = waits:main\\n",
    }
    record = ["waits-1.0.dist-info/RECORD,,"]
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{file},sha256={digest},{len(text)}")
    name = "waits-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
        wheel.writestr("waits-1.0.dist-info/RECORD", "\\n".join(record) + "\\n")
    return name
"""
PROJECT = """[project]
name = "waits"
version = "1.0"
requires-python = ">=3.9"
[project.scripts]
waits = "waits:main"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


#: A shell with job control, which continues what was suspended when it is told to.
SHELL = """set -m
"$@"; code=$?
while [ $code = 148 ]; do
  until [ -e "$JOURNEY/continue" ]; do sleep 0.02; done
  fg; code=$?
done
exit $code
"""


@dataclass
class Typed:
    """The program in the foreground of a terminal of its own."""

    folder: Path
    process: subprocess.Popen[bytes]
    master: int
    slave: int
    before: list[object]
    shown: bytes = field(default=b"")

    def key(self, byte: bytes) -> None:
        os.write(self.master, byte)

    def read(self, seconds: float) -> None:
        """Takes what has been shown, so that it never waits for us."""
        while select.select([self.master], [], [], seconds)[0]:
            self.shown += os.read(self.master, 65536)
            seconds = 0

    def until(self, what: str, holds) -> None:
        end = time.monotonic() + SECONDS_TO_ANSWER
        while not holds():
            assert time.monotonic() < end, f"not {what}: {self.shown.decode()}"
            self.read(0.02)

    def child(self) -> int:
        """The process that the backend has started."""
        self.until("building", (self.folder / "child").exists)
        return int((self.folder / "child").read_text())

    def lines(self) -> list[str]:
        """What stays on the screen, without colours; a line that is drawn anew counts as it was last."""
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.shown.decode())
        return [line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").splitlines()]

    def end(self) -> int:
        self.until("ended", lambda: self.process.poll() is not None)
        self.read(0.05)
        assert termios.tcgetattr(self.slave) == self.before, "the terminal's settings are changed"
        hidden, again = self.shown.rfind(b"\x1b[?25l"), self.shown.rfind(b"\x1b[?25h")
        assert hidden <= again, "the cursor stays hidden"
        return self.process.returncode


def state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return "gone"


def is_gone(process: int) -> bool:
    return state(process) in {"gone", "Z"}


@pytest.fixture
def typed(program: Program, tmp_path: Path):
    """The project's image being made, in a terminal of 45 columns."""
    uv()
    base = lab_base("slim")
    project, journey = tmp_path / "project", tmp_path / "journey"
    project.mkdir()
    journey.mkdir()
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "backend.py").write_text(BACKEND)
    (project / "waits.py").write_text("def main():\n    print(1)\n")
    (project / "requirements.txt").write_text("")
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 45))
    env = {name: value for name, value in ({**os.environ, **program.env}).items() if value is not None}
    env |= {"JOURNEY": str(journey), "DOCKER_AUTH_CONFIG": "{}", "CONTAINERIZE_AUTH_EXAMPLE_COM": "me:secret"}
    before = termios.tcgetattr(slave)

    def lead() -> None:
        os.setsid()
        os.set_inheritable(slave, True)
        import fcntl

        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for number in (signal.SIGINT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
            signal.signal(number, signal.SIG_DFL)

    call = [str(program.folder / "containerize"), "--install", "wheel", "--base", base]
    call += ["-o", f"oci:{tmp_path}/layout", "--cache-dir", str(tmp_path / "cache")]
    process = subprocess.Popen(
        ["bash", "-c", SHELL, "bash", *call],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=project,
        env=env,
        preexec_fn=lead,
    )
    terminal = Typed(journey, process, master, slave, before)
    yield terminal
    process.kill()
    process.wait()
    os.close(master)
    os.close(slave)


def program_of(terminal: Typed) -> int:
    """The program, which the shell has started."""
    children = Path(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children").read_text().split()
    return int(children[0])


def test_the_interrupt_key_ends_the_build_with_all_that_it_started(typed: Typed, tmp_path: Path) -> None:
    child, program = typed.child(), program_of(typed)
    typed.key(b"\x03")
    typed.until("gone", lambda: is_gone(program) and is_gone(child))
    assert typed.end() == 130
    assert typed.lines()[-1] == " Interrupted by SIGINT"
    assert not (tmp_path / "layout" / "index.json").exists()
    assert not list((tmp_path / "cache" / "tmp").glob("*")), "nothing temporary stays"


def test_the_suspend_key_stops_it_until_it_is_continued(typed: Typed, tmp_path: Path) -> None:
    typed.child()
    program = program_of(typed)
    typed.key(b"\x1a")
    typed.until("stopped", lambda: state(program) == "T")
    (typed.folder / "go").touch()
    (typed.folder / "continue").touch()
    assert typed.end() == 0, typed.shown.decode()
    assert (tmp_path / "layout" / "index.json").exists()


def test_a_backend_gets_no_credentials_of_registries(typed: Typed) -> None:
    typed.child()
    names = (typed.folder / "names").read_text().splitlines()
    assert "JOURNEY" in names and "PATH" in names
    assert not {"DOCKER_AUTH_CONFIG", "CONTAINERIZE_AUTH_EXAMPLE_COM"} & set(names)
    (typed.folder / "go").touch()
    assert typed.end() == 0, typed.shown.decode()
