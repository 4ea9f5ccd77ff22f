"""Python programs that end: one with a build backend and a console script, and one on the scientific set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import free_port, register_arm64
from python_projects import (
    MACHINE,
    NONROOT,
    PLATFORMS,
    PYTHON_OF,
    SITE_PACKAGES,
    copied,
    lab_base,
    make,
    with_uv,
)

AMD64, ARM64 = PLATFORMS
MATRIX = [
    pytest.param(base, platform, marks=[] if (base, platform) == ("distroless", AMD64) else pytest.mark.full)
    for base in PYTHON_OF
    for platform in PLATFORMS
]


@pytest.mark.parametrize(("base", "platform"), MATRIX)
def test_a_console_program_is_built_by_hatch_and_installed(
    base: str, platform: str, program, podman_kept, tmp_path: Path
) -> None:
    if platform == ARM64:
        register_arm64()
    env = with_uv(tmp_path, program)
    project = copied("tool-hatch", tmp_path)
    before = {path for path in project.rglob("*")}
    made = make(program, project, tmp_path / "layout", base=base, platforms=[platform], env=env)
    assert {path for path in project.rglob("*")} == before, "building leaves nothing in the project"
    image, files = made.image(platform), made.own_files(platform)
    packages = SITE_PACKAGES.format(PYTHON_OF[base])
    assert image.run_config["Entrypoint"][0].rpartition("/")[2] == "greet"
    assert image.run_config["Labels"]["org.opencontainers.image.version"] == "3.1.0", "the backend's word"
    assert f"{packages}/greet/cli.py" in files and f"{packages}/greet-3.1.0.dist-info/RECORD" in files
    assert not [path for path in files if path.startswith("app/src")], "the wheel and not its source"
    last = {entry.name for entry in image.layers[-1].entries}
    assert f"{packages}/greet/cli.py" in last and f"{packages}/click/__init__.py" not in last
    name = podman_kept.take(tmp_path / "layout", "made")
    greeting = f"Hello Ada from greet 3.1.0 on {MACHINE[platform]}\n"
    assert podman_kept.run(name, "Ada").out == greeting


def test_a_built_project_is_not_built_again(program, tmp_path: Path) -> None:
    """The wheel is kept by what it was built from: later, nothing but the program is needed."""
    env = with_uv(tmp_path, program)
    project = copied("tool-hatch", tmp_path)
    first = make(program, project, tmp_path / "first", platforms=PLATFORMS, env=env)
    nowhere = f"http://127.0.0.1:{free_port()}/simple"
    closed = {**env, "UV_DEFAULT_INDEX": nowhere, "PIP_INDEX_URL": nowhere}
    again = make(program, project, tmp_path / "again", "--offline", platforms=PLATFORMS, env=closed)
    assert again.digest == first.digest
    with (project / "src" / "greet" / "cli.py").open("a") as source:
        source.write("\n# One line more.\n")
    edited = make(program, project, tmp_path / "edited", platforms=PLATFORMS, env=env)
    for platform in PLATFORMS:
        assert edited.own_layers(platform)[:-1] == first.own_layers(platform)[:-1]
        assert edited.own_layers(platform)[-1] != first.own_layers(platform)[-1]


def test_a_lock_is_made_on_request_and_never_silently(program, podman_kept, tmp_path: Path) -> None:
    env = with_uv(tmp_path, program)
    project = copied("tool-hatch", tmp_path)
    (project / "uv.lock").unlink()
    refused = program("-o", "oci:layout", cwd=project, env=env, code=2)
    assert "containerize lock" in refused.err and not (project / "pylock.toml").exists()
    from_lab = ["--base", lab_base("slim")]
    program("lock", *from_lab, cwd=project, env=env)
    assert "click" in (project / "pylock.toml").read_text()
    make(program, project, tmp_path / "layout", env=env)
    greeting = podman_kept.run(podman_kept.take(tmp_path / "layout", "made"), "Ada").out
    assert greeting.startswith("Hello Ada from greet 3.1.0")


@pytest.mark.full
@pytest.mark.parametrize("base", PYTHON_OF)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_scientific_set_computes(base: str, platform: str, program, podman_kept, tmp_path: Path) -> None:
    if platform == ARM64:
        register_arm64()
    project = copied("science-uv", tmp_path)
    made = make(program, project, tmp_path / "layout", base=base, platforms=[platform])
    history = [line["created_by"] for line in made.image(platform).config["history"] if "created_by" in line]
    for library in ("numpy", "pandas", "scipy", "pyarrow", "scikit_learn"):
        assert [line for line in history if f" {library}-" in line], f"{library} has a layer of its own"
    options = [f"--user={NONROOT}"]
    done = podman_kept.run(podman_kept.take(tmp_path / "layout", "made"), options=options)
    assert done.out == f"{MACHINE[platform]} 2.0 6.0 3\n"
    assert json.dumps(made.image(platform).run_config["Entrypoint"]) == '["python", "-m", "science"]'
