"""Public bases by their public names, through mirrors: builds, locks, and builds without a network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import AMD64, ARM64, Env, Registry, free_port, lab_image, need, need_target, run, tiny_project
from validator import validate_layout

#: Public names, and under which the lab's registry has them.
BASES = {
    "python:3.13-slim-bookworm": "library/python:3.13-slim-bookworm",
    "gcr.io/distroless/static-debian12:nonroot": "distroless/static-debian12:nonroot",
}
USAGE = 2
BASE_NAME = "org.opencontainers.image.base.name"


def mirrors(host: str) -> Env:
    return {"CONTAINERIZE_MIRRORS": f"docker.io={host};gcr.io={host}"}


@pytest.fixture(scope="module")
def mirror(registry: Callable[[str], Registry]) -> Registry:
    """The lab's registry with its bases, all platforms and attestations of them."""
    need("skopeo")
    bases = {name: lab_image(name.removeprefix("library/")) for name in BASES.values()}
    here = registry("anonymous")
    for name, source in bases.items():
        copy = ["skopeo", "copy", "-q", "--multi-arch", "all", *here.skopeo_options("dest-")]
        run([*copy, source, f"docker://{here.name(name)}"])
    return here


def base_layers(mirror: Registry, base: str) -> int:
    """How many layers an image on the base begins with."""
    about = run(["skopeo", "inspect", *mirror.skopeo_options(), f"docker://{mirror.name(BASES[base])}"])
    return len(json.loads(about.out)["Layers"])


@pytest.mark.parametrize("base", BASES)
def test_a_public_base_comes_from_a_mirror_and_later_from_the_cache(
    base: str, mirror: Registry, program, podman, tmp_path: Path
) -> None:
    need_target(AMD64)
    project, cache = tiny_project(tmp_path / "project"), tmp_path / "cache"
    flags = ["--base", base, "--platform", "linux/amd64", "--cache-dir", cache]
    layout, layers = tmp_path / "layout", base_layers(mirror, base)
    done = program(*flags, "-o", f"oci:{layout}:1", cwd=project, env=mirrors(mirror.host))
    validate_layout(layout, digest=done.digest, base_layers=layers)
    assert podman.run(podman.take(layout, "1")).out == "tiny\n"
    shown = json.loads(run(["skopeo", "inspect", "--raw", f"oci:{layout}:1"]).out)
    assert shown["annotations"][BASE_NAME].endswith(base), "the mirror has left no trace"
    assert mirror.host not in json.dumps(shown)

    # Nothing listens where the mirror is now said to be.
    nowhere = mirrors(f"127.0.0.1:{free_port()}")
    offline = program(*flags, "--offline", "-o", f"oci:{tmp_path}/again:1", cwd=project, env=nowhere)
    assert offline.digest == done.digest
    validate_layout(tmp_path / "again", digest=done.digest, base_layers=layers)

    shutil.rmtree(cache)
    refused = program(*flags, "--offline", "-o", f"oci:{tmp_path}/none", cwd=project, env=nowhere, code=USAGE)
    assert "--offline" in refused.err and refused.out == ""
    assert not (tmp_path / "none").exists()


def test_a_lock_made_through_a_mirror_holds_without_a_network(
    mirror: Registry, program, tmp_path: Path
) -> None:
    need_target(AMD64)
    need_target(ARM64)
    base = "gcr.io/distroless/static-debian12:nonroot"
    project = tiny_project(tmp_path / "project")
    flags = ["--base", base, "--platform", "linux/amd64,linux/arm64", "--cache-dir", tmp_path / "cache"]
    env = mirrors(mirror.host)
    refused = program(*flags, "--locked", "-o", f"oci:{tmp_path}/layout", cwd=project, env=env, code=USAGE)
    assert base in refused.err
    program("lock", "--base", base, "--cache-dir", tmp_path / "cache", cwd=project, env=env)
    done = program(*flags, "--locked", "-o", f"oci:{tmp_path}/layout", cwd=project, env=env)
    layers = base_layers(mirror, base)
    validate_layout(tmp_path / "layout", digest=done.digest, base_layers=layers)
    closed = mirrors(f"127.0.0.1:{free_port()}")
    again = program(*flags, "--locked", "--offline", "-o", f"oci:{tmp_path}/again", cwd=project, env=closed)
    assert again.digest == done.digest
