"""An init before a program that does not handle signals: it ends at once when it is asked to."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from harness import RUN_LIMITS, Podman, Program, lab_image, need_target, tiny_project
from validator import validate_layout

pytestmark = pytest.mark.usefixtures("mirror")

AMD64 = "x86_64-unknown-linux-musl"
SLEEPS = """fn main() {
    println!("ready");
    std::thread::sleep(std::time::Duration::from_secs(600));
}
"""
INIT = "usr/local/sbin/tini"


def ended(podman: Podman, image: str) -> int:
    """Asks a container to stop, and tells how its program ended: 137 is a kill."""
    container = podman("run", "-d", "--pull=never", "--read-only", *RUN_LIMITS, image).out.strip()
    while "ready" not in podman("logs", container).out:
        time.sleep(0.1)
    podman("stop", "-t", "2", container)
    code = podman("inspect", "--format", "{{.State.ExitCode}}", container).out.strip()
    podman("rm", container)
    return int(code)


@pytest.mark.parametrize("base", ["static", "distroless"])
def test_a_program_without_handlers_ends_when_it_is_asked_to(
    base: str, program: Program, podman: Podman, tmp_path: Path
) -> None:
    need_target(AMD64)
    here, made = tiny_project(tmp_path / "p", main=SLEEPS), tmp_path / "made"
    flags = ["--platform", "linux/amd64", "--port", "80"]
    if base == "distroless":
        flags += ["--base", lab_image("distroless/static-debian12:nonroot")]
    planned = program("--init", *flags, "--dry-run", cwd=here)
    assert f"/{INIT} --, Debian's tini" in planned.out and "SIGTERM" not in planned.err
    program("--init", *flags, "-o", f"oci:{made}:with", cwd=here)
    without = program(*flags, "-o", f"oci:{made}:without", cwd=here)
    assert "does not seem to handle SIGTERM" in without.err

    assert ended(podman, podman.take(made, "with")) == 128 + 15
    if base == "static":
        assert ended(podman, podman.take(made, "without")) == 128 + 9
    assert "no problems found" in program("check", f"oci:{made}:with", cwd=here).out


def test_the_init_is_pinned_and_brings_its_licence(program: Program, tmp_path: Path) -> None:
    need_target(AMD64)
    need_target("aarch64-unknown-linux-musl")
    here, made = tiny_project(tmp_path / "p"), tmp_path / "made"
    flags = ["--init", "--platform", "linux/amd64,linux/arm64"]
    refused = program(*flags, "--locked", cwd=here, code=2)
    assert "containerize lock" in refused.err
    program("lock", *flags, cwd=here)
    assert 'name = "tini"' in (here / "containerize.lock").read_text()
    program(*flags, "--locked", "-o", f"oci:{made}", cwd=here)
    layout = validate_layout(made)
    for platform in ("linux/amd64", "linux/arm64"):
        image = layout.image(platform)
        files = {entry.name for layer in image.layers for entry in layer.entries}
        assert {INIT, "usr/local/share/doc/tini/copyright"} <= files
    again = program(*flags, "--locked", "--offline", "-o", f"oci:{made}", cwd=here)
    assert again.digest == layout.digest
