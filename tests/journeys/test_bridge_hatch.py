"""`hatch build -t containerize`, `hatch publish -p containerize` and a script, with real Hatch."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from bridges import HATCH_BRIDGE, INDEX, Tool, uv
from harness import Env, Podman, Program, run
from python_projects import copied, flags, lab_base

#: The settings of the project, in Hatch's table.
TARGET = """
[tool.hatch.build.targets.containerize]
dependencies = ["{bridge}"]
base = "{base}"
ports = [8080]
"""
SCRIPT = """
[tool.hatch.envs.image]
skip-install = true
dependencies = ["cargo-containerize==0.1.0"]
scripts.containerize = "python -m containerize {args}"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose images are configured in Hatch's table."""
    folder = copied("tool-hatch", tmp_path)
    file = folder / "pyproject.toml"
    file.write_text(file.read_text() + TARGET.format(bridge=HATCH_BRIDGE, base=lab_base("slim")))
    return folder


def of_archive(archive: Path) -> str:
    """What the archive's index names."""
    with tarfile.open(archive) as tar:
        (entry,) = json.load(tar.extractfile("index.json"))["manifests"]
    return entry["digest"]


def same_cache(program: Program) -> Env:
    return {"XDG_CACHE_HOME": program.env["XDG_CACHE_HOME"]}


def test_a_target_and_a_publisher_make_what_the_program_makes(
    hatch: Tool, project: Path, program: Program, registry, podman_kept: Podman, tmp_path: Path
) -> None:
    here = registry("anonymous")
    env = same_cache(program)
    done = hatch("hatch", "build", "-t", "containerize", cwd=project, env=env)
    archive = project / "dist" / "greet-3.1.0.oci.tar"
    assert archive.is_file(), done.out + done.err
    own = program("-o", f"oci:{tmp_path / 'own'}", cwd=project)
    assert of_archive(archive) == own.digest and done.out.count(own.digest) == 1
    assert "Usage" in podman_kept.run(podman_kept.load(archive), "--help").out
    published = hatch(
        "hatch",
        "publish",
        "-p",
        "containerize",
        "-o",
        f"repository={here.name('greet')}",
        "-o",
        "tag=x",
        cwd=project,
        env=env,
    )
    assert f"{here.name('greet')}@{own.digest}" in published.out
    image = podman_kept.pull(f"{here.name('greet')}:x")
    assert "Usage" in podman_kept.run(image, "--help").out
    # It reads no archive: what has changed since is pushed.
    with (project / "src" / "greet" / "cli.py").open("a") as source:
        source.write("\n# One line more.\n")
    changed = program("-o", f"oci:{tmp_path / 'changed'}", cwd=project)
    words = ["publish", "-p", "containerize", "-o", f"repository={here.name('greet')}", "-o", "tag=y"]
    published = hatch("hatch", *words, cwd=project, env=env)
    assert f"{here.name('greet')}@{changed.digest}" in published.out and changed.digest != own.digest
    refused = hatch("hatch", *words, archive, cwd=project, env=env, code=2)
    assert "do not pass any files" in refused.err + refused.out and "sha256" not in refused.out
    refused = hatch("hatch", "publish", "-p", "containerize", cwd=project, env=env, code=2)
    assert "-o repository=" in refused.err and "--repository" not in refused.err
    # A wheel is what it was, and asks for no image.
    archive.unlink()
    hatch("hatch", "build", cwd=project, env=env)
    assert sorted(path.suffix for path in (project / "dist").iterdir()) == [".gz", ".whl"]


def test_the_tables_mean_the_same(project: Path, program: Program, tmp_path: Path) -> None:
    """Also without Hatch: the program reads Hatch's table as its own, and says where values are from."""
    plan = program("--dry-run", cwd=project).out
    assert "8080/tcp" in plan and "[tool.hatch.build.targets.containerize]" in plan
    file = project / "pyproject.toml"
    in_hatch = program("-o", f"oci:{tmp_path / 'one'}", cwd=project).digest
    table = f'[tool.containerize]\nbase = "{lab_base("slim")}"\nports = [8080]\n'
    file.write_text(file.read_text().partition("\n[tool.hatch.build.targets")[0] + table)
    assert program("-o", f"oci:{tmp_path / 'two'}", cwd=project).digest == in_hatch
    typo = '\n[tool.hatch.build.targets.containerize]\nprots = [1]\ndirectory = "out"\n'
    file.write_text(file.read_text() + typo)
    refused = program("--dry-run", cwd=project, code=2)
    assert "no key `prots` in [tool.hatch.build.targets.containerize]" in refused.err
    assert "did you mean `ports`" in refused.err


def test_a_failure_ends_hatch_with_the_programs_code(hatch: Tool, project: Path, program: Program) -> None:
    (project / "uv.lock").unlink()
    done = hatch("hatch", "build", "-t", "containerize", cwd=project, env=same_cache(program), code=2)
    assert "has no lock file" in done.err and "`hatch lock --export pylock.toml`" in done.err
    assert not list((project / "dist").glob("*.oci.tar"))
    assert "Traceback" not in done.err


def test_an_editable_installation_makes_no_image(
    hatch: Tool, project: Path, wheels: Path, tmp_path: Path
) -> None:
    file = project / "pyproject.toml"
    file.write_text(
        file.read_text().replace('requires = ["hatchling"]', f'requires = ["hatchling", "{HATCH_BRIDGE}"]')
    )
    venv = tmp_path / "venv"
    run([uv(), "venv", "-q", venv], env=INDEX)
    install = [uv(), "pip", "install", "-q", "--python", venv / "bin" / "python", "--find-links", wheels]
    # What an image would need is not there: it would fail.
    (project / "uv.lock").unlink()
    run([*install, "--no-deps", "-e", project], env=INDEX)
    assert not (project / "dist").exists()


def test_another_backend_is_refused_in_words(hatch: Tool, project: Path) -> None:
    file = project / "pyproject.toml"
    text = file.read_text().replace('requires = ["hatchling"]', 'requires = ["flit_core"]')
    text = text.replace('"hatchling.build"', '"flit_core.buildapi"').replace(
        'dynamic = ["version"]', 'version = "1"'
    )
    file.write_text(text.replace('[tool.hatch.version]\npath = "src/greet/__init__.py"\n', ""))
    done = hatch("hatch", "build", "-t", "containerize", cwd=project, code=1)
    assert "Target `containerize` is not supported by `flit_core.buildapi`" in done.out + done.err


@pytest.mark.full
def test_a_script_and_a_lock_of_hatch(hatch: Tool, project: Path, program: Program, tmp_path: Path) -> None:
    file = project / "pyproject.toml"
    file.write_text(file.read_text() + SCRIPT)
    env = same_cache(program)
    (project / "uv.lock").unlink()
    hatch("hatch", "lock", "--export", "pylock.toml", cwd=project, env=env)
    done = hatch(
        "hatch", "run", "image:containerize", "--quiet", "-o", f"oci:{tmp_path / 'x'}", cwd=project, env=env
    )
    own = program(*flags("slim"), "-o", f"oci:{tmp_path / 'own'}", cwd=project)
    assert done.digest == own.digest
