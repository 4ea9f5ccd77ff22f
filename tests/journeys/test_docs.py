"""The documentation: every command it shows is run, every setting accepted, every flag named."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from harness import AMD64, ARM64, REPOSITORY, Registry, lab_image, need_target, run

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALL = "cargo install --locked --profile dist --path cargo-containerize"
#: Bases of the documentation and what the lab has in their place.
BASES = {
    "gcr.io/distroless/cc-debian13:nonroot": "distroless/cc-debian12:nonroot",
    "gcr.io/distroless/static-debian13:nonroot": "distroless/static-debian12:nonroot",
    "gcr.io/distroless/python3-debian12:nonroot": "distroless/python3-debian12:nonroot",
    "python:3.13-slim-bookworm": "python:3.13-slim-bookworm",
}
#: A base without Python.
DEBIAN = "debian:bookworm-slim"
#: The default base of Python projects.
PYTHON = "python:3.13-slim-bookworm"
EXAMPLES = {"python.md": "hello-fastapi", "native.md": "hello-fastapi"}
#: Pages whose commands need other tools: `test_bridge_docs.py` runs them.
FRONT_ENDS = {"poetry.md", "hatch.md", "uv-pdm.md", "ci.md"}
#: Pages with files of another kind than settings: `tests/it` reads them.
OTHERS = {"policy.md"}


#: What a page names beside the example's own.
EXTRAS = """[project.optional-dependencies]
postgres = []

[dependency-groups]
worker = []

"""
PYLOCK = """lock-version = "1.0"
created-by = "hand"
extras = ["postgres"]
dependency-groups = ["worker"]
packages = []
"""


def blocks(language: str) -> list:
    """The blocks of a language on all pages with the example they are about, named by page and number."""
    found = []
    for page in PAGES:
        if page.name in FRONT_ENDS | OTHERS:
            continue
        texts = [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]
        for number, text in enumerate(texts, 1):
            of_page = EXAMPLES.get(page.name, "hello-web")
            example = "hello-fastapi" if "[tool.containerize" in text else of_page
            found.append(pytest.param(example, text, id=f"{page.name}-{number}"))
    return found


@pytest.fixture
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands find around them: a folder like a fresh clone, with the examples in it. Only what
    cargo has compiled stays from one test to the next, for which the folder has the same name each time."""
    folder = tmp_path_factory.getbasetemp() / "clone"
    compiled, kept = folder / "examples/hello-web/target", folder.with_name("compiled")
    shutil.rmtree(compiled / "containerize", ignore_errors=True)
    if compiled.is_dir():
        compiled.rename(kept)
    shutil.rmtree(folder, ignore_errors=True)
    examples = REPOSITORY / "examples"
    shutil.copytree(examples, folder / "examples", ignore=shutil.ignore_patterns("target", "dist"))
    shutil.copytree(REPOSITORY / "tests", folder / "tests", ignore=lambda _, names: set(names) - {"run"})
    if kept.is_dir():
        kept.rename(compiled)
    return folder


def made_local(script: str, place: str) -> str:
    """The same commands with the names of this machine: its registry, the bases of the lab."""
    script = script.replace("gcr.io=ghcr.io", f"gcr.io={place}").replace("ghcr.io/you", f"{place}/you")
    for name, stand_in in BASES.items():
        if name in script:
            script = script.replace(name, lab_image(stand_in))
    return script


def bases(place: Registry, program, folder: Path) -> None:
    """The base images of others that the pages speak of: made here, pushed under those names."""
    for tag, platforms in (
        ("1", "linux/amd64,linux/arm64"),
        ("amd64", "linux/amd64"),
        ("arm64", "linux/arm64"),
    ):
        to = ["--push", "-t", f"{place.host}/you/base:{tag}", "--platform", platforms]
        program(*to, cwd=folder)


@pytest.mark.parametrize(("example", "script"), blocks("sh"))
def test_a_shown_command_works(example: str, script: str, program, registry, clone: Path) -> None:
    need_target(AMD64)
    need_target(ARM64)
    # The program is built already, and the tests are running; installing has a test of its own.
    in_clone = any(word in script for word in ("cargo run", "tests/run", "cargo install", "examples/"))
    env = dict(program.env)
    if "fastapi" in example + script and "--base" not in script:
        env["CONTAINERIZE_BASE"] = lab_image(PYTHON)
    script = script.replace("cargo run --", "containerize").replace("tests/run\n", "tests/run --help\n")
    script = script.replace(INSTALL, "containerize --version")
    kind = "basic" if "--username" in script else "anonymous"
    place = registry(kind)
    folder = clone if in_clone else clone / "examples" / example
    if kind == "basic":
        (folder / "token.txt").write_text(place.password + "\n")
        script = script.replace("--username you", f"--username {place.user}")
    if "you/base" in script:
        bases(place, program, folder)
    done = run(
        ["bash", "-euo", "pipefail", "-c", made_local(script, place.host)],
        cwd=folder,
        env=env,
    )
    assert "panicked" not in done.err


@pytest.mark.full
def test_the_program_can_be_installed(tmp_path: Path) -> None:
    assert INSTALL in (REPOSITORY / "README.md").read_text()
    run([*INSTALL.split(), "--root", tmp_path], cwd=REPOSITORY)
    for name in ("containerize", "cargo-containerize"):
        assert run([tmp_path / "bin" / name, "--version"]).out.startswith(
            ("containerize", "cargo-containerize")
        )


@pytest.mark.parametrize(("example", "settings"), blocks("toml"))
def test_shown_settings_are_accepted(example: str, settings: str, program, clone: Path) -> None:
    folder = clone / "examples" / example
    python = example == "hello-fastapi"
    manifest = folder / ("pyproject.toml" if python else "Cargo.toml")
    table = "[tool.containerize" if python else "[package.metadata.containerize"
    text = manifest.read_text()
    start = text.index(table)
    end = text.find("\n[", start)
    text = text[:start] + settings + (text[end:] if end >= 0 else "")
    if "groups = " in settings:
        # What the settings name must be there to be found; what the source needs is not in this lock.
        text = text.replace("groups = ", 'entrypoint = ["python"]\ngroups = ')
        text = text.replace("[tool.containerize", EXTRAS + "[tool.containerize", 1)
        (folder / "uv.lock").unlink()
        (folder / "pylock.toml").write_text(PYLOCK)
    # In the place of the Python in /usr/local, which not every machine has, the one that runs this.
    carries = 'prefix = "/usr/local"' in settings
    text = text.replace('prefix = "/usr/local"', f'prefix = "{os.path.realpath(sys.base_prefix)}"')
    manifest.write_text(text)
    for source in re.findall(r'from = "([^"]+)"', settings):
        (folder / source).mkdir(exist_ok=True)
    name = DEBIAN if carries else PYTHON
    base = ["--base", lab_image(name)] if python else []
    for lock in re.findall(r'^lock = "(.*)"$', text, re.MULTILINE):
        (folder / lock).write_text("")
    done = program("--dry-run", *base, cwd=folder)
    assert table in done.out


def test_every_flag_is_documented(program) -> None:
    verbs = (
        [],
        ["init"],
        ["run"],
        ["resolve"],
        ["lock"],
        ["inspect"],
        ["diff"],
        ["verify"],
        ["rebase"],
        ["attest"],
        ["cache", "publish"],
    )
    help_text = "".join(program(*verb, "--help", cwd=REPOSITORY).out for verb in verbs)
    flags = set(re.findall(r"--[a-z][a-z-]+", help_text)) - {"--help", "--version"}
    assert len(flags) > 40
    words = set(re.findall(r"--[a-z][a-z-]+", "\n".join(page.read_text() for page in PAGES)))
    assert not flags - words, "flags that no page names"
    foreign = {
        "--rm",
        "--namespace",
        "--remap-path-prefix",
        "--set",
        "--path",
        "--name",
        "--resource-group",
        "--image",
        "--all",
        "--worker",
        "--check",
        "--host",
        "--help",
        "--version",
    }
    # Of Poetry, Hatch, uv and maturin, and those that only `poetry containerize` has.
    foreign |= {"--with", "--without", "--only", "--directory", "--ansi", "--no-ansi", "--no-plugins"}
    foreign |= {"--export", "--from", "--compatibility"}
    # Of apt.
    foreign |= {"--no-install-recommends"}
    # Of Django, and of Python's json.tool.
    foreign |= {"--clear", "--noinput", "--sort-keys", "--no-indent"}
    # Of git, and of this project's tests.
    foreign |= {"--chmod", "--full"}
    # Of oras and regctl.
    foreign |= {"--oci-layout", "--referrers"}
    # Of cosign and Trivy.
    foreign |= {"--insecure-ignore-tlog", "--sbom-sources", "--certificate-identity"}
    foreign |= {"--certificate-oidc-issuer", "--certificate-github-workflow-repository"}
    foreign |= {"--type", "--new-bundle-format"}
    # Of pip and pipx, and of Dockerfiles.
    foreign |= {"--no-deps", "--spec", "--no-cache-dir", "--interval"}
    # Of gh.
    foreign |= {"--bundle-from-oci"}
    assert words - flags - foreign == set(), "pages name flags that do not exist"


def test_every_link_leads_somewhere() -> None:
    for page in [*PAGES, *(REPOSITORY / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md"))]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
