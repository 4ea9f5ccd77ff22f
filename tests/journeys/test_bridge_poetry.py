"""`poetry containerize`, with real Poetry."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest
from bridges import INDEX, VERSION, Tool, rewritten, uv
from harness import Podman, Program, merged, run
from python_projects import copied, flags, lab_base, pushed, served

VERSIONS = [
    "newest",
    pytest.param("1.8", marks=pytest.mark.full),
    pytest.param("2.0", marks=pytest.mark.full),
]


@pytest.mark.parametrize("version", VERSIONS)
def test_it_builds_pushes_and_runs_what_the_program_does(
    version: str, poetry, program: Program, registry, podman_kept: Podman, tmp_path: Path
) -> None:
    tool, here = poetry(version), registry("anonymous")
    project = copied("site-poetry1" if version == "1.8" else "service-poetry", tmp_path)
    words = [*flags("slim"), *pushed(here, f"poetry-{version}"), "--quiet"]
    env = {"XDG_CACHE_HOME": program.env["XDG_CACHE_HOME"]}
    done = tool("poetry", "containerize", *words, cwd=project, env=env)
    assert done.err == "", "quiet is for both"
    before = tool("poetry", "-q", "containerize", *words[:-1], cwd=project, env=env)
    assert (before.err, before.out) == ("", done.out), "also before the command's name"
    own = program(*flags("slim"), "-o", f"oci:{tmp_path / 'own'}", cwd=project)
    assert done.digest == own.digest
    image = podman_kept.pull(f"{here.name(f'poetry-{version}')}@{done.digest}")
    with served(podman_kept, image, name=f"poetry-{version}") as service:
        assert '"machine"' in service.get("/")


@pytest.mark.parametrize("version", VERSIONS)
def test_words_go_through_and_codes_come_back(version: str, poetry, tmp_path: Path) -> None:
    tool, project = poetry(version), copied("site-poetry1", tmp_path)
    base = ["--base", lab_base("slim")]
    plan = tool(
        "poetry",
        "containerize",
        "--dry-run",
        *base,
        "--env",
        "A=two words",
        "--label",
        "x=-n",
        "--cmd",
        "-x --y",
        cwd=project,
    ).out
    for value in ("A=two words", "x=-n", "-x --y"):
        assert value in plan
    refused = tool("poetry", "containerize", "--nonsense", cwd=project, code=2)
    assert "Usage: poetry containerize [OPTIONS]" in refused.err
    missing = tool("poetry", "containerize", *base, "--group", "nope", "-q", cwd=project, code=2)
    assert "no dependency group nope" in missing.err
    (project / "poetry.lock").unlink()
    unlocked = tool("poetry", "containerize", *base, cwd=project, code=2)
    assert "`poetry lock`, or `poetry containerize lock`" in unlocked.err


@pytest.mark.parametrize("version", VERSIONS)
def test_help_is_the_programs_own_below_poetrys(version: str, poetry, tmp_path: Path) -> None:
    tool, project = poetry(version), copied("site-poetry1", tmp_path)
    text = tool("poetry", "containerize", "--help", cwd=project).out
    assert "Usage: poetry containerize [OPTIONS]" in text and "--image-format <FORMAT>" in text
    assert "may contain {name}" in text and "--only <GROUPS>" in text
    alone = tool("poetry", "containerize", "--", "--help", cwd=project).out
    assert alone.startswith("Turn a Rust or Python project") and "--no-interaction" not in alone
    assert "Poetry" in tool("poetry", "containerize", "--version", cwd=project).out
    assert "containerize" in tool("poetry", "containerize", "--", "--version", cwd=project).out


@pytest.mark.parametrize("version", VERSIONS)
def test_options_of_poetry_stay_with_poetry(version: str, poetry, tmp_path: Path) -> None:
    tool, project = poetry(version), copied("site-poetry1", tmp_path)
    words = ["-n", "--no-ansi", "--dry-run", "--base", lab_base("slim"), "-v", "--no-cache"]
    done = tool("poetry", "-C", project, "containerize", *words, cwd=tmp_path)
    assert done.out.startswith("image site")
    # In front of other words Poetry sees its own also behind the command.
    done = tool("poetry", "containerize", "-C", project, *words, cwd=tmp_path)
    assert done.out.startswith("image site")


def test_groups_are_named_as_poetry_does(poetry, tmp_path: Path) -> None:
    tool, project = poetry("newest"), copied("service-poetry", tmp_path)
    file = project / "pyproject.toml"

    def groups(*words: str, code: int = 0) -> str:
        done = tool(
            "poetry", "containerize", "--dry-run", "--base", lab_base("slim"), *words, cwd=project, code=code
        )
        rows = [line.split("  ") for line in done.out.splitlines() if line.startswith("  groups")]
        return done.err if code else "".join(" ".join(word.strip() for word in row if word) for row in rows)

    assert groups("--with", "dev") == "groups dev --group"
    file.write_text(file.read_text() + '\n[tool.containerize]\ngroups = ["dev"]\n')
    assert groups() == "groups dev [tool.containerize]"
    assert groups("--without", "dev") == "" and groups("--only", "main") == ""
    assert groups("--only=main,dev") == "groups dev --group"
    assert "always has the main dependencies" in groups("--only", "dev", code=2)


KEYRING = """
from keyring.backend import KeyringBackend


class Keyring(KeyringBackend):
    priority = 9

    def get_password(self, service, username):
        return "from the keyring" if (service, username) == ("poetry-repository-shop", "ada") else None

    def set_password(self, service, username, password):
        raise NotImplementedError

    delete_password = set_password
"""
PROBE = """#!/usr/bin/env python3
import json, os, sys
told = json.load(open(os.environ["CONTAINERIZE_FRONT_END"]))
print(json.dumps({"told": told, "words": sys.argv[1:], "stdin": sys.stdin.read()}))
print("words on standard error", file=sys.stderr)
sys.exit(7)
"""


def with_probe(tool: Tool, script: str) -> Path:
    """Puts a script in the program's place; gives what to put back."""
    binary = tool.home / "bin" / "containerize"
    kept = binary.with_name("kept")
    binary.rename(kept)
    binary.write_text(script)
    binary.chmod(0o755)
    return kept


@pytest.fixture
def probed(poetry):
    """The newest Poetry, with another program in the place of ours."""
    kept: list[Path] = []

    def put(script: str) -> Tool:
        tool = poetry("newest")
        kept.append(with_probe(tool, script))
        return tool

    yield put
    for path in kept:
        path.replace(path.with_name("containerize"))


def test_what_only_poetry_knows_is_handed_over(probed, tmp_path: Path) -> None:
    """Also a password that only the keyring has, which Poetry asks."""

    tool, project = probed(PROBE), copied("site-poetry1", tmp_path)
    file = project / "pyproject.toml"
    source = (
        '\n[[tool.poetry.source]]\nname = "shop"\nurl = "http://127.0.0.1:9/simple/"\npriority = "explicit"\n'
    )
    file.write_text(file.read_text() + source)
    (tmp_path / "ring").mkdir()
    (tmp_path / "ring" / "only_here.py").write_text(KEYRING)
    env = {
        "PYTHONPATH": str(tmp_path / "ring"),
        "PYTHON_KEYRING_BACKEND": "only_here.Keyring",
        "POETRY_HTTP_BASIC_SHOP_USERNAME": "ada",
    }
    command = [tool.home / "bin" / "poetry", "containerize", "--push", "-n", "--", "-n", "a b"]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=project,
        env=merged({**tool.env, **env}),
        input="handed on",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 7 and done.stderr == "words on standard error\n"
    answer = json.loads(done.stdout)
    assert answer["words"] == ["--push", "-n", "a b"] and answer["stdin"] == "handed on"
    told = answer["told"]
    assert told["protocol"] == 1 and told["version"] == VERSION and told["project"] == str(project)
    assert told["sources"] == {"shop": {"username": "ada", "password": "from the keyring"}}


def test_a_signal_reaches_the_program(probed, tmp_path: Path) -> None:
    waits = "#!/bin/sh\ntrap 'echo told; exit 9' TERM\necho ready\nwhile :; do sleep 0.1; done\n"
    tool, project = probed(waits), copied("site-poetry1", tmp_path)
    command = [str(tool.home / "bin" / "poetry"), "containerize"]
    with subprocess.Popen(
        command, cwd=project, env=merged(tool.env), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "told\n"
    assert process.returncode == 9


def test_versions_that_do_not_fit_say_so(poetry, wheels: Path, tmp_path: Path) -> None:
    """A folder of plugins has another version of the wheel than Poetry's own environment, where its
    program goes."""
    tool, project = poetry("newest"), copied("site-poetry1", tmp_path)
    later = tmp_path / "later"
    later.mkdir()
    for kind in ("cargo", "poetry"):
        (wheel,) = wheels.glob(f"{kind}_*.whl")
        rewritten(wheel, later, {VERSION: "0.2.0"})
    plugins = tmp_path / "plugins"
    target = ["pip", "install", "-q", "--no-deps", "--target", plugins, "--python", tool.python]
    run([uv(), *target, *later.glob("*.whl")], env=INDEX)
    # Its program says that it is another version than the plugin.
    refused = tool("poetry", "containerize", cwd=project, env={"PYTHONPATH": str(plugins)}, code=2)
    assert f"poetry-containerize 0.2.0 does not match containerize {VERSION}" in refused.err
    assert "poetry self add poetry-containerize==0.2.0" in refused.err
    # Without that program none of the version is there, though another is.
    (plugins / "bin" / "containerize").unlink()
    missing = tool("poetry", "containerize", cwd=project, env={"PYTHONPATH": str(plugins)}, code=2)
    assert (
        "cargo-containerize 0.2.0 is not installed" in missing.err
        and f"found 0.2.0 without its program, {VERSION}" in missing.err
    )
    # The program of the version that fits is found behind the other one.
    (plugins / "poetry_containerize").rename(plugins / "elsewhere")
    for info in plugins.glob("poetry_containerize-*"):
        info.rename(plugins / "info")
    found = tool("poetry", "containerize", "--", "--version", cwd=project, env={"PYTHONPATH": str(plugins)})
    assert VERSION in found.out
