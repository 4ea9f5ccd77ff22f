"""Images of Debian packages alone, on a base that no registry has."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from harness import REPOSITORY, Podman, Program, register_arm64, run, tiny_project
from python_projects import MACHINE, PLATFORMS, USAGE, served, with_uv
from validator import validate_layout

pytestmark = pytest.mark.usefixtures("mirror")

GNU = "x86_64-unknown-linux-gnu"
TELLS = """import os, platform, ssl
roots = ssl.create_default_context().cert_store_stats()["x509_ca"]
print(platform.freedesktop_os_release()["VERSION_CODENAME"], platform.python_version_tuple()[1],
      platform.machine(), os.getuid(), roots > 100)
"""
RELEASES = {"bookworm": "11", "trixie": "13"}
ROWS = [
    pytest.param("trixie", PLATFORMS[0]),
    pytest.param("bookworm", PLATFORMS[0], marks=pytest.mark.full),
    pytest.param("trixie", PLATFORMS[1], marks=pytest.mark.full),
    pytest.param("bookworm", PLATFORMS[1], marks=pytest.mark.full),
]


def project(folder: Path) -> Path:
    place = folder / "app"
    place.mkdir()
    (place / "main.py").write_text(TELLS)
    (place / "pyproject.toml").write_text("[project]\nname = 'app'\nversion = '1.0'\n")
    return place


@pytest.mark.parametrize(("suite", "platform"), ROWS)
def test_debians_python_runs_on_nothing_else(
    suite: str, platform: str, program: Program, tmp_path: Path, podman_kept: Podman
) -> None:
    if platform == PLATFORMS[1]:
        register_arm64()
    here, made = project(tmp_path), tmp_path / "layout"
    flags = ["--base", f"deb:{suite}", "--debian", "python3", "--entrypoint", "python3 /app/main.py"]
    planned = program(*flags, "--platform", platform, "--dry-run", cwd=here)
    assert "from the base" in planned.out and "/usr/bin/python3." in planned.out
    program(*flags, "--platform", platform, "-o", f"oci:{made}:made", cwd=here)
    told = podman_kept.run(podman_kept.take(made, "made"), options=["--read-only"]).out.split()
    assert told == [suite, RELEASES[suite], MACHINE[platform], "65532", "True"]

    image = validate_layout(made).image(platform)
    names = {entry.name for layer in image.layers for entry in layer.entries}
    assert not [name for name in names if name.endswith(("/apt-get", "/dash", "/bash", "/ls"))]
    program("check", f"oci:{made}:made", "--platform", platform, cwd=here)


def test_scanners_know_the_release_and_its_packages(program: Program, tmp_path: Path) -> None:
    here, made = project(tmp_path), tmp_path / "layout"
    flags = ["--base", "deb:trixie", "--debian", "python3-minimal", "--entrypoint", "python3 /app/main.py"]
    program("lock", *flags, cwd=here)
    program(*flags, "--locked", "-o", f"oci:{made}:made", cwd=here)
    beside = Path(sys.executable).parent / "syft"
    syft = str(beside) if beside.is_file() else shutil.which("syft")
    if syft is None:
        pytest.skip("syft is neither in tests/.venv nor on the PATH")
    found = json.loads(run([syft, "-q", f"oci-dir:{made}", "-o", "json"]).out)
    assert (found["distro"]["id"], found["distro"]["versionID"]) == ("debian", "13")
    debs = {package["name"] for package in found["artifacts"] if package["type"] == "deb"}
    assert {"python3-minimal", "libc6", "zlib1g"} <= debs


def test_a_program_brings_its_c_library(program: Program, tmp_path: Path, podman_kept: Podman) -> None:
    here, made = tiny_project(tmp_path / "tiny"), tmp_path / "layout"
    flags = ["--base", "deb:trixie", "--target", GNU]
    refused = program(*flags, cwd=here, code=1)
    assert "has no /lib64/ld-linux-x86-64.so.2" in refused.err and "--debian libc6" in refused.err
    program(*flags, "--debian", "libc6", "-o", f"oci:{made}:made", cwd=here)
    assert podman_kept.run(podman_kept.take(made, "made"), options=["--read-only"]).code == 0


def test_a_service_with_wheels_answers(program: Program, tmp_path: Path, podman_kept: Podman) -> None:
    here, made = tmp_path / "app", tmp_path / "layout"
    shutil.copytree(REPOSITORY / "examples/hello-fastapi", here)
    flags = ["--base", "deb:trixie", "--debian", "python3"]
    program(*flags, "-o", f"oci:{made}:made", cwd=here, env=with_uv(tmp_path, program))
    with served(podman_kept, podman_kept.take(made, "made"), name="bare-debian") as service:
        assert "hello" in service.get("/").lower()


@pytest.mark.parametrize("name", ["stable", "buster", ""])
def test_another_release_is_refused(name: str, program: Program, tmp_path: Path) -> None:
    refused = program("--base", f"deb:{name}", cwd=project(tmp_path), code=USAGE)
    assert f'"deb:{name}"' in refused.err and "deb:trixie" in refused.err
