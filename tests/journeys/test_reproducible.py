"""The same source gives the same digest, and one changed byte changes one layer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import (
    AMD64,
    COMMIT_TIME,
    HELLO_WEB,
    Env,
    Program,
    committed,
    need,
    need_root,
    need_target,
    run,
    tiny_project,
)
from validator import Image, validate_layout


@dataclass(frozen=True)
class Place:
    """Where and by whom a build is done."""

    folder: str
    umask: int
    env: Env
    stranger: bool = False


HERE = Place("one", 0o022, {"TZ": "UTC", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"})
ELSEWHERE = Place(
    "a longer way/to another",
    0o077,
    {
        "TZ": "Asia/Kathmandu",
        "LANG": "tr_TR.UTF-8",
        "LC_ALL": "tr_TR.UTF-8",
        "USER": "grace",
        "CARGO_BUILD_JOBS": "1",
    },
    stranger=True,
)


def as_another_user() -> list[str]:
    """A prefix under which a command believes to be user 1234, owning what we own."""
    prefix = ["unshare", "--user", "--map-user=1234", "--map-group=1234"]
    usable = (
        shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    )
    if not usable:
        pytest.skip("no user namespaces here: a second user cannot be had")
    return prefix


def cargo_home_with(lock: Path, folder: Path) -> Path:
    """Another CARGO_HOME with the index and the downloads that a lock file needs, nothing unpacked."""
    real = Path(os.environ["CARGO_HOME"])
    for config in ("config.toml", "config"):
        if (real / config).is_file():
            shutil.copy(real / config, folder / config)
    shutil.copytree(real / "registry" / "index", folder / "registry" / "index")
    locked = re.findall(r'name = "(.+)"\nversion = "(.+)"\nsource = ', lock.read_text())
    for crates in (real / "registry" / "cache").iterdir():
        copy = folder / "registry" / "cache" / crates.name
        copy.mkdir(parents=True)
        for name, version in locked:
            if (crates / f"{name}-{version}.crate").is_file():
                shutil.copy(crates / f"{name}-{version}.crate", copy)
    return folder


def build_at(place: Place, program: Program, source: Path, tmp_path: Path) -> str:
    """Clones `source` to a place, builds it there and gives the digest."""
    home = tmp_path / f"home-{place.umask:o}"
    home.mkdir(parents=True)
    project = tmp_path / place.folder
    clone = ["git", "clone", "-q", "--no-local", source, project]
    run(clone, umask=place.umask)
    env = {**place.env, "CARGO_HOME": str(cargo_home_with(source / "Cargo.lock", home)), "HOME": str(home)}
    env["XDG_CACHE_HOME"] = str(home / "cache")
    old = os.umask(place.umask)
    try:
        wrap = as_another_user() if place.stranger else []
        digest = program("-o", "oci:image", "--offline", cwd=project, env=env, wrap=wrap).digest
    finally:
        os.umask(old)
    validate_layout(project / "image", digest=digest)
    return digest


def test_two_places_two_users_one_digest(program: Program, tmp_path: Path) -> None:
    need("git")
    need_target(AMD64)
    source = tmp_path / "source"
    shutil.copytree(HELLO_WEB, source, ignore=shutil.ignore_patterns("target"))
    run(["cargo", "fetch", "--locked", "--target", AMD64], cwd=source)
    committed(source)
    digest = build_at(HERE, program, source, tmp_path)
    image = validate_layout(tmp_path / HERE.folder / "image").image()
    assert build_at(ELSEWHERE, program, source, tmp_path) == digest
    assert image.config["created"] == COMMIT_TIME, "a clean tree has its last commit's time"
    revision = run(["git", "-C", source, "rev-parse", "HEAD"]).out.strip()
    assert image.run_config["Labels"]["org.opencontainers.image.revision"] == revision


def test_the_program_tells_no_path_of_the_machine(program: Program, tmp_path: Path) -> None:
    need("umoci")
    need_root()
    need_target(AMD64)
    # A possible panic keeps the name of the source file in the binary.
    main = 'fn main() {\n    println!("{}", [1, 2][std::env::args().count() + 5]);\n}\n'
    project = tiny_project(tmp_path / "secret-place", main=main)
    build(program, project)
    run(["umoci", "unpack", "--image", f"{project}/image:1.2.3", tmp_path / "bundle"])
    binary = tmp_path / "bundle" / "rootfs" / "usr" / "local" / "bin" / "tiny"
    for secret in (str(tmp_path), os.environ["CARGO_HOME"], os.environ["RUSTUP_HOME"]):
        assert secret.encode() not in binary.read_bytes()


FILES = '[package.metadata.containerize]\nfiles = [{ from = "assets", to = "/srv/assets" }]\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    need_target(AMD64)
    project = tiny_project(tmp_path / "tiny", manifest=FILES)
    (project / "assets" / "deep").mkdir(parents=True)
    (project / "assets" / "deep" / "data.bin").write_bytes(bytes(range(256)))
    (project / "assets" / "page.html").write_text("<p>hello\n")
    return project


def build(program: Program, project: Path) -> Image:
    done = program("-o", "oci:image:1.2.3", cwd=project, env={"SOURCE_DATE_EPOCH": "1700000000"})
    return validate_layout(project / "image", digest=done.digest).image()


def changed_layers(before: Image, after: Image) -> list[set[str]]:
    """For each layer that is not what it was: the files in it."""
    assert len(before.layers) == len(after.layers)
    pairs = zip(before.layers, after.layers)
    changed = [new for old, new in pairs if old.digest != new.digest]
    return [{entry.name for entry in layer.entries if entry.kind == "file"} for layer in changed]


def test_nothing_changed_gives_the_same_image(program: Program, project: Path) -> None:
    assert build(program, project).digest == build(program, project).digest


def test_one_flipped_byte_changes_one_layer(program: Program, project: Path) -> None:
    before = build(program, project)
    data = bytearray(range(256))
    data[128] ^= 1
    (project / "assets" / "deep" / "data.bin").write_bytes(data)
    after = build(program, project)
    assert before.digest != after.digest
    assert changed_layers(before, after) == [{"srv/assets/deep/data.bin", "srv/assets/page.html"}]


def test_a_changed_program_changes_its_layer_alone(program: Program, project: Path) -> None:
    before = build(program, project)
    (project / "src" / "main.rs").write_text('fn main() {\n    println!("tinz");\n}\n')
    assert changed_layers(before, build(program, project)) == [{"usr/local/bin/tiny"}]


def test_times_modes_and_order_of_files_do_not_matter(program: Program, project: Path) -> None:
    before = build(program, project)
    shutil.move(project / "assets", project / "old")
    (project / "assets" / "deep").mkdir(parents=True, mode=0o700)
    for name in ("page.html", "deep/data.bin"):
        shutil.copy(project / "old" / name, project / "assets" / name)
        (project / "assets" / name).chmod(0o640)
        os.utime(project / "assets" / name, (5, 5))
    shutil.rmtree(project / "old")
    assert build(program, project).digest == before.digest


def test_a_labels_change_changes_no_layer(program: Program, project: Path) -> None:
    before = build(program, project)
    epoch: Env = {"SOURCE_DATE_EPOCH": "1700000000"}
    done = program("--label", "a=b", "-o", "oci:image:1.2.3", cwd=project, env=epoch)
    after = validate_layout(project / "image", digest=done.digest).image()
    assert before.digest != after.digest and changed_layers(before, after) == []
