"""Programs that others wrote, as the crate registry has them, with no configuration at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from harness import AMD64, built_once, free_port, need_target, run, serve
from validator import validate_layout


def source_of(crate: str, version: str, folder: Path) -> Path:
    """The released source of a crate, got through cargo itself."""
    asking = folder / "asking"
    (asking / "src").mkdir(parents=True)
    (asking / "src" / "lib.rs").touch()
    (asking / "Cargo.toml").write_text(
        '[package]\nname = "scratch"\nversion = "0.0.0"\nedition = "2021"\n'
        f'[dependencies]\n{crate} = "={version}"\n[workspace]\n'
    )
    run(["cargo", "vendor", "--quiet", "--versioned-dirs", "vendor"], cwd=asking)
    project = folder / crate
    shutil.move(asking / "vendor" / f"{crate}-{version}", project)
    shutil.rmtree(asking)
    return project


def layout_of(crate: str, version: str, program, folder: Path) -> Path:
    """Containerizes a crate and gives the layout, in which the image has the tag 1."""
    need_target(AMD64)
    project = source_of(crate, version, folder / "source")
    done = program("--locked", "-o", f"oci:{folder}/layout:1", cwd=project, env=built_once(crate), cargo=True)
    image = validate_layout(folder / "layout", digest=done.digest).image()
    assert image.run_config["Labels"]["org.opencontainers.image.version"] == version
    return folder / "layout"


def test_ripgrep_searches_a_mounted_folder(program, podman, tmp_path: Path) -> None:
    image = podman.take(layout_of("ripgrep", "15.1.0", program, tmp_path), "1")
    assert podman.run(image, "--version").out.startswith("ripgrep 15.1.0")

    shelf = tmp_path / "shelf"
    shelf.mkdir(mode=0o755)
    (shelf / "a.txt").write_text("nothing here\n")
    (shelf / "b.txt").write_text("one\na needle in it\n")
    found = podman.run(image, "--line-number", "needle", "/shelf", options=["--volume", f"{shelf}:/shelf:ro"])
    assert found.out == "/shelf/b.txt:2:a needle in it\n"


@pytest.mark.full
def test_miniserve_serves_a_mounted_folder(program, podman, tmp_path: Path) -> None:
    image = podman.take(layout_of("miniserve", "0.35.0", program, tmp_path), "1")
    shelf = tmp_path / "shelf"
    shelf.mkdir(mode=0o755)
    (shelf / "page.txt").write_text("served\n")
    port = free_port()
    command = podman.command(image, "--port", str(port), "/shelf", options=["--volume", f"{shelf}:/shelf:ro"])
    with serve(command, port, podman.env) as service:
        assert service.get("/page.txt") == "served\n"
