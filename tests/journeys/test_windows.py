"""The program for Windows, under Wine: from the same tree it has Linux's digest.

`tests/run --full` builds it and names it in CONTAINERIZE_TEST_WINDOWS.
"""

from __future__ import annotations

import base64
import getpass
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import LAB, Env, Outcome, Program, Registry, run
from python_projects import PROJECTS, lab_base

pytestmark = pytest.mark.full

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

    @property
    def home(self) -> Path:
        return self.prefix / "drive_c" / "users" / getpass.getuser()

    @property
    def env(self) -> Env:
        mine = {name: None for name in os.environ if name.startswith("CONTAINERIZE_")}
        return {**mine, "WINE_PREFIX": str(self.prefix)}

    @property
    def words(self) -> list[str | Path]:
        return [LAB / "windows" / "run-wine.sh", on_windows(self.binary)]

    def __call__(self, *args: str, code: int | None = 0) -> Outcome:
        outcome = run([*self.words, *args], env=self.env, code=code)
        lines = outcome.out.replace("\r", "")
        return Outcome(outcome.code, lines, outcome.err.replace("\r", ""))


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Windows:
    binary = os.environ.get("CONTAINERIZE_TEST_WINDOWS")
    if not binary or not (LAB / "windows" / "run-wine.sh").is_file():
        pytest.skip("no program for Windows: tests/run --full makes it where Wine and mingw-w64 are")
    return Windows(Path(binary), tmp_path_factory.mktemp("wine"))


def copied(name: str, folder: Path) -> Path:
    project = folder / name
    shutil.copytree(PROJECTS / name, project, symlinks=True)
    return project


def base_of_windows() -> str:
    return lab_base("slim").replace("oci:/", f"oci:{DRIVE}/", 1)


def same(windows: Windows, program: Program, project: Path) -> None:
    """From one tree both systems make one image."""
    out = project.parent / "out"
    here = program(
        "-C", project, "--base", lab_base("slim"), "-o", f"oci:{out / 'linux'}", cwd=project.parent
    )
    there = windows(
        *("-C", on_windows(project), "--base", base_of_windows()),
        *("-o", f"oci:{on_windows(out / 'windows')}"),
    )
    assert there.digest == here.digest


@pytest.mark.parametrize("name", ["service-uv", "service-poetry", "site-pip"])
def test_the_same_tree_has_the_same_digest(
    name: str, windows: Windows, program: Program, tmp_path: Path
) -> None:
    same(windows, program, copied(name, tmp_path))


def plain(folder: Path) -> Path:
    """A project that needs no wheel, with whatever systems do differently."""
    project = folder / "plain"
    project.mkdir()
    files = {
        "pyproject.toml": '[project]\nname = "plain"\nversion = "1.0"\nrequires-python = ">=3.11"\n\n'
        "[tool.containerize]\n"
        'entrypoint = ["/app/start.sh"]\n'
        "exclude = ['\\[draft\\].md', 'notes/**/*.txt']\n"
        'files = [{ from = "etc", to = "/etc/plain" }]\n',
        "main.py": "print('hello')\n",
        "start.sh": "#!/bin/sh\nexec python /app/main.py\n",
        "[draft].md": "no\n",
        "notes/deep/a.txt": "no\n",
        "notes/kept.md": "yes\n",
        "._main.py": "no\n",
        "desktop.ini": "no\n",
        "etc/app.toml": "x = 1\n",
        "etc/Thumbs.db": "no\n",
        "ünï 名/日本 ☃.txt": "yes\n",
    }
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    (project / "start.sh").chmod(0o755)
    return project


def test_modes_globs_names_and_leavings_are_the_same(
    windows: Windows, program: Program, tmp_path: Path
) -> None:
    same(windows, program, plain(tmp_path))


def test_several_processes_write_one_layout_with_one_cache(windows: Windows, tmp_path: Path) -> None:
    project = plain(tmp_path)
    words = [*windows.words, "-C", on_windows(project), "--base", base_of_windows()]
    words += ["-o", f"oci:{on_windows(tmp_path / 'one')}"]
    env = {name: value for name, value in {**os.environ, **windows.env}.items() if value is not None}
    for number in range(3):
        cache = ["--cache-dir", on_windows(tmp_path / f"cache{number}")]
        running = [
            subprocess.Popen(
                [str(word) for word in [*words, *cache]], env=env, stderr=subprocess.PIPE, text=True
            )
            for _ in range(6)
        ]
        said = [process.communicate()[1] for process in running]
        codes = [process.returncode for process in running]
        assert codes == [0] * 6, "\n".join(said)


def test_a_login_as_powershell_writes_it_is_used(
    windows: Windows, registry: Callable[[str], Registry], tmp_path: Path
) -> None:
    basic = registry("basic")
    project = plain(tmp_path)
    config = windows.home / ".docker" / "config.json"
    config.parent.mkdir(parents=True, exist_ok=True)
    login = f"{basic.user}:{basic.password}"
    # As PowerShell 5 writes it.
    config.write_bytes(
        "\ufeff".encode() + f'{{"auths": {{"{basic.host}": {{"auth": "{encoded(login)}"}}}}}}\r\n'.encode()
    )
    words = ["-C", on_windows(project), "--base", base_of_windows(), "--push", "--repository"]
    assert windows(*words, f"{basic.host}/windows").digest.startswith("sha256:")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_company_index_of_pip_is_asked_and_not_pypi(windows: Windows, tmp_path: Path) -> None:
    project = copied("site-pip", tmp_path)
    settings = windows.home / "AppData" / "Roaming" / "pip" / "pip.ini"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("[global]\r\nindex-url = http://127.0.0.1:9/simple\r\n")
    cache = on_windows(tmp_path / "cache")
    try:
        done = windows(
            "-C",
            on_windows(project),
            "--base",
            base_of_windows(),
            "--cache-dir",
            cache,
            "-o",
            "oci:x",
            code=None,
        )
    finally:
        settings.unlink()
    assert done.code == 3, done.err
    assert "127.0.0.1:9" in done.err
