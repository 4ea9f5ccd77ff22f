"""A lock is called stale when the tool that made it calls it so, and never otherwise."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from harness import FIXTURES, Program, run
from python_projects import flags, uv
from stale import BACKEND_TEXT, PROJECTS, changed, toml, wheelhouse, write
from test_python_locking import PINNED

STALE = "no longer matches pyproject.toml"
LOCKS = FIXTURES / "locks"


def ours(program: Program, project: Path) -> bool:
    """Whether the program calls the lock stale."""
    return STALE in program("--dry-run", "--offline", *flags("slim"), cwd=project, code=None).err


def of_uv(project: Path) -> bool | None:
    """Whether uv does; `None` where it has something else to say."""
    done = run([uv(), "lock", "--check", "--offline"], cwd=project, code=None, env={"VIRTUAL_ENV": None})
    if done.code == 0:
        return False
    told = ["needs to be updated", "No solution found", "Network connectivity is disabled"]
    return True if any(words in done.err for words in told) else None


def locked(name: str, folder: Path) -> Path:
    """One of the projects with a lock that uv has just made."""
    if not (folder / "wheels").exists():
        wheelhouse(folder / "wheels")
        (folder / "near").mkdir()
        (folder / "near" / "pyproject.toml").write_text('[project]\nname = "near"\nversion = "1.0"\n')
    project = folder / name
    project.mkdir()
    (project / "hello.py").write_text("def main(): ...\n")
    (project / "backend.py").write_text(BACKEND_TEXT)
    write(project, PROJECTS[name])
    run([uv(), "lock", "--offline"], cwd=project, env={"VIRTUAL_ENV": None})
    return project


def compared(program: Program, project: Path, name: str, seeds: range) -> int:
    """Compares both verdicts on changed projects; the number of those that uv had one for."""
    lock = (project / "uv.lock").read_text()
    different, told = [], 0
    for seed in seeds:
        what, document = changed(PROJECTS[name], seed)
        write(project, document)
        (project / "uv.lock").write_text(lock)
        theirs = of_uv(project)
        if theirs is None:
            continue
        told += 1
        if ours(program, project) != theirs:
            different.append(
                f"{name} {seed}: {what}; uv calls it {'stale' if theirs else 'fresh'}\n"
                f"{toml(document)}{document.get('folders', '')}"
            )
    assert not different, f"{len(different)} of {told} differ:\n" + "\n".join(different)
    return told


@pytest.mark.parametrize("name", PROJECTS)
def test_uv_and_we_agree_on_a_fresh_lock_and_on_some_changes(
    name: str, program: Program, tmp_path: Path
) -> None:
    project = locked(name, tmp_path)
    assert of_uv(project) is False and not ours(program, project)
    assert compared(program, project, name, range(6)) > 3


def test_a_stale_lock_may_pass_with_a_warning(program: Program, tmp_path: Path) -> None:
    project = locked("plain", tmp_path)
    text = toml(PROJECTS["plain"]).replace("alpha>=1", "alpha>=0.5")
    (project / "pyproject.toml").write_text(text)
    refused = program("--dry-run", *flags("slim"), cwd=project, code=2)
    assert f"error: uv.lock {STALE}: the requirement for alpha has changed" in refused.err
    start = ["--entrypoint", "python -c pass"]
    passed = program("--dry-run", *flags("slim"), *start, "--stale-lock", "warn", cwd=project)
    assert "warning uv.lock no longer matches" in passed.err and "using what it pins" in passed.err


@pytest.mark.full
@pytest.mark.parametrize("name", PROJECTS)
def test_uv_and_we_agree_on_hundreds_of_changes(name: str, program: Program, tmp_path: Path) -> None:
    assert compared(program, locked(name, tmp_path), name, range(100, 200)) > 80


#: What is replaced in a project of Poetry's or PDM's.
EDITS = [
    ("requires-python", lambda text: text + ",!=3.12.1"),
    ("version", lambda _: "9.0"),
    ("description", lambda _: "other"),
    ("dependencies", lambda texts: [*texts, "zipp"]),
    ("dependencies", lambda texts: texts[1:]),
    ("dependencies", lambda texts: list(reversed(texts))),
    ("dependencies", lambda texts: [text.replace(">=", ">= ") for text in texts]),
    ("optional-dependencies", lambda extras: {**extras, "new": []}),
    ("optional-dependencies", lambda extras: {**extras, "new": ["zipp"]}),
    ("optional-dependencies", lambda extras: dict(list(extras.items())[1:])),
    ("keywords", lambda _: ["x"]),
]


@pytest.mark.full
@pytest.mark.parametrize(
    ("tool", "check", "fixtures"),
    [
        ("poetry", "poetry check --lock -n", ["service-poetry2"]),
        ("pdm", "pdm lock --check", ["inputs-pdm", "graph-pdm", "service-pdm", "flask-pdm"]),
    ],
)
def test_poetry_and_pdm_agree_too(
    tool: str, check: str, fixtures: list[str], program: Program, tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    run([uv(), "venv", "-q", "--no-python-downloads", environment])
    install = [uv(), "pip", "install", "-q", "--no-deps", "--python", environment / "bin" / "python"]
    run([*install, "-r", PINNED / f"{tool}.txt"])
    command = check.split()
    different = []
    for fixture in fixtures:
        document = tomllib.loads((LOCKS / fixture / "pyproject.toml").read_text())
        for place, (key, edit) in enumerate([("", None), *EDITS]):
            project = tmp_path / f"{fixture}-{place}"
            project.mkdir()
            for name in (f"{tool}.lock",):
                (project / name).write_bytes((LOCKS / fixture / name).read_bytes())
            table = dict(document["project"])
            empty = {"optional-dependencies": {}, "dependencies": []}
            if edit:
                table[key] = edit(table.get(key, empty.get(key, "")))
            (project / "pyproject.toml").write_text(toml({**document, "project": table}))
            done = run([environment / "bin" / command[0], *command[1:]], cwd=project, code=None)
            said = done.out + done.err
            theirs = "poetry.lock" in said and "changed" in said if tool == "poetry" else done.code != 0
            if ours(program, project) != theirs:
                different.append(
                    f"{fixture}: {key} {place}; {tool} calls it {'stale' if theirs else 'fresh'}: {said}"
                )
    assert not different, "\n".join(different)
