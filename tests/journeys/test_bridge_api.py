"""The platform wheel by itself: its command through uv, its Python package, and PDM's command."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from bridges import BRIDGES, INDEX, KEPT, PDM, PLATFORM_WHEEL, Tool, maturin, uv
from harness import AMD64, REPOSITORY, Program, merged, need_target, run
from python_projects import copied, flags, lab_base

LICENCES = ("LICENSE-MIT", "LICENSE-APACHE")

PACKAGE = "cargo-containerize==0.1.0"


@pytest.fixture(scope="session")
def installed(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Tool:
    return Tool.install(tmp_path_factory.mktemp("api") / "venv", wheels, [PACKAGE])


SCRIPT = """
import json, os, sys
from containerize import BuildConfig, ContainerizeError, ImageBuilder, find_program, __version__

project, base, repository, layout = sys.argv[1:]
labels = {"org.example.by": "a script"}
config = BuildConfig(project=project, base=base, ports=[4000], labels=labels, repository=repository)
builder = ImageBuilder(config)
(plan,) = builder.plan()
(built,) = builder.build(outputs=[f"oci:{layout}"])
(pushed,) = builder.push()
try:
    ImageBuilder(BuildConfig(project=project, base=base, groups=["nope"])).build()
except ContainerizeError as error:
    told = [error.code, error.kind, str(error), error.hint]
try:
    ImageBuilder(BuildConfig(project=project, arguments=["--nonsense"])).build()
except ContainerizeError as error:
    flags = [error.code, error.kind, str(error)]
for wrong in ({"ports": ["99999"]}, {"compression": "lz4"}):
    try:
        ImageBuilder(BuildConfig(project=project, base=base, **wrong)).plan()
    except ContainerizeError as error:
        flags.append(str(error))
events = []
ImageBuilder(config, on_event=events.append).build(outputs=[f"oci:{layout}"])
found = {"version": __version__, "program": os.fspath(find_program())}
found |= {"told": told, "flags": flags, "events": events}
print(json.dumps({"plan": plan, "built": built, "pushed": pushed, **found}))
"""


def test_a_script_builds_pushes_and_plans(
    installed: Tool, program: Program, registry, tmp_path: Path
) -> None:
    project, here = copied("site-poetry1", tmp_path), registry("anonymous")
    words = [project, lab_base("slim"), here.name("scripted"), tmp_path / "layout"]
    env = {"XDG_CACHE_HOME": program.env["XDG_CACHE_HOME"]}
    done = installed("python", "-c", SCRIPT, *words, cwd=tmp_path, env=env)
    answer = json.loads(done.out)
    setting = ["--port", "4000", "--label", "org.example.by=a script"]
    own = program(*flags("slim"), *setting, "-o", f"oci:{tmp_path / 'own'}", cwd=project)
    assert answer["built"]["digest"] == answer["pushed"]["digest"] == own.digest
    assert answer["pushed"]["references"] == [f"{here.name('scripted')}:0.1.0"]
    assert answer["plan"]["platforms"][0]["runtime"]["ports"] == ["4000/tcp"]
    code, kind, message, hint = answer["told"]
    assert (code, kind) == (2, "usage") and "no dependency group nope" in message and "dev" in hint
    code, kind, *said = answer["flags"]
    assert (code, kind) == (2, "usage") and "--nonsense" in done.err
    for words, wrong in zip(said, ["--nonsense", "99999", "lz4"], strict=True):
        assert wrong in words, "each exception says what is wrong"
    steps = [event["verb"] for event in answer["events"] if event["event"] == "step"]
    assert (answer["events"][0]["event"], answer["events"][0]["version"]) == ("version", 1)
    assert steps[-1] == "Writing" and "Planned" in steps
    assert answer["program"] == str(installed.home / "bin" / "containerize")
    assert f"containerize {answer['version']}" in program("--version", cwd=tmp_path).out


def test_every_key_of_the_configuration_is_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PLATFORM_WHEEL / "python")
    from containerize import BuildConfig

    schema = json.loads((REPOSITORY / "docs" / "containerize.schema.json").read_text())
    names = {field.name.replace("_", "-") for field in dataclasses.fields(BuildConfig)}
    assert names - {"project", "arguments"} == set(schema["properties"])


def test_the_module_and_the_command_are_the_program(installed: Tool, tmp_path: Path) -> None:
    assert installed("containerize", "--version", cwd=tmp_path).out == "containerize 0.1.0\n"
    refused = installed("python", "-m", "containerize", "--nonsense", cwd=tmp_path, code=2)
    assert "Usage: python -m containerize [OPTIONS]" in refused.err


def test_uv_runs_it_without_installing_it(wheels: Path, tmp_path: Path) -> None:
    """What `uvx --from cargo-containerize containerize` does, with the wheel of this tree."""
    project = copied("service-uv", tmp_path)
    command = [uv().with_name("uvx"), "--offline", "--find-links", wheels, "--from", PACKAGE, "containerize"]
    done = run([*command, "--dry-run", *flags("slim")], cwd=project, env=INDEX)
    assert done.out.startswith("image service")


@pytest.mark.full
def test_pdm_has_it_as_a_command(wheels: Path, program: Program, tmp_path: Path) -> None:
    tool = Tool.install(tmp_path / "venv", wheels, [f"pdm=={PDM}", PACKAGE])
    project = copied("site-pdm", tmp_path)
    env = {"XDG_CACHE_HOME": program.env["XDG_CACHE_HOME"], "PDM_CHECK_UPDATE": "0"}
    words = [*flags("slim"), "--quiet", "-o", f"oci:{tmp_path / 'x'}"]
    done = tool("pdm", "containerize", *words, cwd=project, env=env)
    own = program(*flags("slim"), "-o", f"oci:{tmp_path / 'own'}", cwd=project)
    assert done.digest == own.digest
    refused = tool("pdm", "containerize", "--nonsense", cwd=project, env=env, code=2)
    assert "Usage: pdm containerize [OPTIONS]" in refused.err
    help_text = tool("pdm", "containerize", "--help", cwd=project, env=env).out
    assert "Usage: pdm containerize [OPTIONS]" in help_text


def told(program: Program, document: object, *words: str, cwd: Path, code: int = 2, env: dict | None = None):
    """The program, started by a front end that tells it something."""
    file = cwd / "told.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    done = program(*words, cwd=cwd, env={"CONTAINERIZE_FRONT_END": str(file), **(env or {})}, code=code)
    assert not file.exists(), "it may hold passwords"
    return done


def test_documents_that_do_not_fit_are_refused_without_repeating_them(
    program: Program, tmp_path: Path
) -> None:
    head = {"protocol": 1, "version": "0.1.0", "package": "x-containerize", "command": "x containerize"}
    sources = {"sources": {"shop": {"username": "ada", "password": "pass-word"}}}
    for document in ("pass-word", {**head, "sources": "pass-word"}, {**sources, "protocol": 1}):
        refused = told(program, document, "--version", cwd=tmp_path)
        assert "CONTAINERIZE_FRONT_END" in refused.err and "pass-word" not in refused.err
    for change in ({"protocol": 2}, {"version": "0.0.9"}):
        refused = told(program, {**head, **sources, **change}, "--version", cwd=tmp_path)
        assert "does not match containerize 0.1.0" in refused.err and "pass-word" not in refused.err
    assert told(program, {**head, **sources}, "--version", cwd=tmp_path, code=0).out.endswith(" 0.1.0\n")


def test_what_was_told_goes_to_nobody_else(program: Program, tmp_path: Path) -> None:
    """Hooks see the environment, but not what a front end said."""
    project = copied("site-pip", tmp_path)
    file = project / "pyproject.toml"
    hook = "\n[tool.containerize.hooks]\npre = ['env > seen; pwd >> seen']\n"
    text = file.read_text()
    file.write_text(
        text + hook
        if "[tool.containerize]" not in text
        else text.replace("[tool.containerize]", hook[1:] + "\n[tool.containerize]")
    )
    head = {
        "protocol": 1,
        "version": "0.1.0",
        "package": "x",
        "command": "x containerize",
        "project": str(project),
    }
    sources = {"shop": {"username": "ada", "password": "pass-word"}}
    document = {**head, "settings": {"ports": [4321]}, "sources": sources}
    words = [*flags("slim"), "-o", f"oci:{tmp_path / 'x'}"]
    told(program, document, *words, cwd=tmp_path, code=0)
    seen = (project / "seen").read_text()
    assert "pass-word" not in seen and str(project) in seen
    plan = told(program, document, "--dry-run", *flags("slim"), "--format", "json", cwd=tmp_path, code=0).out
    assert json.loads(plan)["plan"]["images"][0]["platforms"][0]["runtime"]["ports"] == ["4321/tcp"]


def versions() -> dict[str, str]:
    """The version, everywhere that it is written."""
    found = {"Cargo.toml": re.search(r'^version = "(.*)"$', (REPOSITORY / "Cargo.toml").read_text(), re.M)[1]}
    core = re.search(
        r'^containerize-core = \{ version = "=(.*?)"', (REPOSITORY / "Cargo.toml").read_text(), re.M
    )
    found["containerize-core"] = core[1]
    for name, folder in BRIDGES.items():
        text = (folder / "pyproject.toml").read_text()
        found[f"{name}-bridge"] = re.search(r'^version = "(.*)"$', text, re.M)[1]
        pin = re.search(r'"cargo-containerize==([\d.a-z]+)"', text)
        found[f"the pin of {name}-bridge"] = pin[1]
    return found


def test_there_is_one_version() -> None:
    found = versions()
    assert len(found) == 6 and len(set(found.values())) == 1, found


def test_the_bridges_are_thin_and_know_no_images() -> None:
    for name, folder in BRIDGES.items():
        text = "\n".join(path.read_text() for path in (folder / "src").rglob("*.py"))
        lines = [line for line in text.splitlines() if line.strip()]
        assert len(lines) <= 100, f"{name}-bridge has {len(lines)} lines"
        assert not re.search(r"digest|layer|manifest|sha256", text, re.IGNORECASE), name


def test_the_package_is_typed(tmp_path: Path) -> None:
    source = PLATFORM_WHEEL / "python"
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, "--exclude", "pdm.py"]
    run([*mypy, source / "containerize"], cwd=source)


def test_the_bridges_say_their_licence(wheels: Path) -> None:
    for name in BRIDGES:
        (wheel,) = wheels.glob(f"{name}_containerize-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            text = archive.read(f"{name}_containerize-0.1.0.dist-info/METADATA").decode()
            files = {Path(member).name for member in archive.namelist()}
        assert "License-Expression: MIT OR Apache-2.0" in text and "Proprietary" not in text
        assert files >= set(LICENCES)


def test_what_is_published_has_the_licences_texts() -> None:
    """Packages hold what is in their own folders, and links do not come along everywhere."""
    for folder in [*BRIDGES.values(), PLATFORM_WHEEL, REPOSITORY / "shared"]:
        for name in LICENCES:
            assert (folder / name).read_bytes() == (REPOSITORY / name).read_bytes(), folder


def test_the_wheel_says_what_cargo_says(wheels: Path) -> None:
    (wheel,) = wheels.glob("cargo_containerize-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        scripts = [name for name in archive.namelist() if ".data/scripts/" in name]
        text = archive.read("cargo_containerize-0.1.0.dist-info/METADATA").decode()
    assert [Path(name).name for name in scripts] == ["containerize"]
    assert "License: MIT OR Apache-2.0" in text or "License-Expression: MIT OR Apache-2.0" in text
    assert "Project-URL: Source Code, https://github.com/containerize/containerize" in text
    assert "Requires-Dist" not in text and "Summary: Turn a Rust or Python project" in text


@pytest.mark.full
@pytest.mark.timeout(3600)  # The first release build of all, optimised as a whole.
def test_one_static_wheel_is_for_every_linux(tmp_path: Path) -> None:
    """The command of the documentation, and of the release."""
    need_target(AMD64)
    command = "maturin build --release --target x86_64-unknown-linux-musl"
    command += " --compatibility manylinux_2_17 musllinux_1_1"
    assert command in (REPOSITORY / "docs" / "uv-pdm.md").read_text()
    env = {"CARGO_TARGET_DIR": str(KEPT / "wheel")}
    run([maturin(), *command.split()[1:], "--out", tmp_path], cwd=PLATFORM_WHEEL, env=env)
    (wheel,) = tmp_path.glob("*.whl")
    tags = wheel.stem.split("-")[-1].split(".")
    assert {"manylinux_2_17_x86_64", "musllinux_1_1_x86_64"} <= set(tags)
    home = tmp_path / "venv"
    run([uv(), "venv", "-q", home], env=INDEX)
    run([uv(), "pip", "install", "-q", "--offline", "--python", home / "bin" / "python", wheel], env=INDEX)
    binary = home / "bin" / "containerize"
    assert "statically linked" in subprocess.run(
        ["ldd", binary], capture_output=True, text=True, env=merged({})
    ).stdout or (
        "not a dynamic executable" in subprocess.run(["ldd", binary], capture_output=True, text=True).stderr
    )
    assert run([binary, "--version"]).out == "containerize 0.1.0\n"


def test_nothing_is_left_behind_where_the_program_does_not_start(wheels: Path, tmp_path: Path) -> None:
    tool = Tool.install(tmp_path / "venv", wheels, [PACKAGE])
    (tool.home / "bin" / "containerize").chmod(0o644)
    (tmp_path / "temporary").mkdir()
    script = "import sys, containerize as c; f = c.FrontEnd('x', sources={'a': ('b', 'c')}); "
    for call in ("f.run([])", "f.replace_this_process([])"):
        env = {"TMPDIR": str(tmp_path / "temporary")}
        done = tool("python", "-c", script + call, cwd=tmp_path, env=env, code=1)
        assert "Permission denied" in done.err
        assert not list((tmp_path / "temporary").iterdir())
