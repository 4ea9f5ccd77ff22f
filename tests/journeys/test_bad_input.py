"""Wrong input, as people make it by hand: the exit code is the documented one, the words help, nothing
half-written stays behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness import AMD64, Env, Outcome, Program, free_port, need_root, need_target, tiny_project
from validator import validate_layout

BUILD, USAGE, NETWORK = 1, 2, 3


@dataclass(frozen=True)
class Mistake:
    """One way to go wrong: what the project looks like, what is typed, what must be said."""

    prepare: Callable[[Path], object]
    args: list[str]
    code: int
    words: list[str]
    """Regular expressions that standard error must match, case ignored."""
    env: Env = field(default_factory=dict)


def project(folder: Path, **more: str) -> Path:
    return tiny_project(folder, **more)


def metadata(text: str) -> Callable[[Path], object]:
    return lambda folder: project(folder, manifest=f"[package.metadata.containerize]\n{text}")


def no_manifest(folder: Path) -> None:
    folder.mkdir()


def broken_manifest(folder: Path) -> None:
    project(folder).joinpath("Cargo.toml").write_text('[package\nname = "tiny"\n')


def two_binaries(folder: Path) -> None:
    binaries = project(folder) / "src" / "bin"
    binaries.mkdir()
    (folder / "src" / "main.rs").unlink()
    for name in ("first", "second"):
        (binaries / f"{name}.rs").write_text("fn main() {}\n")


def only_a_library(folder: Path) -> None:
    project(folder)
    (folder / "src" / "main.rs").rename(folder / "src" / "lib.rs")


def dynamic_result(folder: Path) -> None:
    """A project whose own linker wrapper delivers a program that needs the system's libc."""
    linker = project(folder) / "linker"
    linker.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\ncp /bin/true "$2"\n')
    linker.chmod(0o755)
    (folder / ".cargo").mkdir()
    config = f'[target.{AMD64}]\nlinker = "{linker}"\n'
    (folder / ".cargo" / "config.toml").write_text(config)


def not_compiling(folder: Path) -> None:
    project(folder, main="fn main() { missing_name() }\n")


def stale_lock(folder: Path) -> None:
    (project(folder) / "Cargo.lock").write_text("version = 4\n")


OUT = ["-o", "oci:out"]
CLOSED = f"127.0.0.1:{free_port()}"
MISTAKES: dict[str, Mistake] = {
    "no Cargo.toml": Mistake(no_manifest, OUT, USAGE, [r"Cargo\.toml"]),
    "a broken Cargo.toml": Mistake(broken_manifest, OUT, USAGE, [r"Cargo\.toml"]),
    "an unknown key": Mistake(metadata('prots = ["80"]'), OUT, USAGE, ["prots", "did you mean|ports"]),
    "a key of the wrong type": Mistake(metadata("ports = 80"), OUT, USAGE, ["ports"]),
    "a broken variable": Mistake(project, OUT, USAGE, ["CONTAINERIZE_PORTS"], {"CONTAINERIZE_PORTS": "[80"}),
    "an unknown flag": Mistake(project, [*OUT, "--prot", "80"], USAGE, ["--prot", "--port"]),
    "a port that is none": Mistake(project, [*OUT, "--port", "eighty"], USAGE, ["--port", "eighty"]),
    "a volume that is relative": Mistake(project, [*OUT, "--volume", "data"], USAGE, ["volume", "data"]),
    "two candidate binaries": Mistake(two_binaries, OUT, USAGE, ["first", "second", "--bin"]),
    "a binary that is not there": Mistake(project, [*OUT, "--bin", "other"], USAGE, ["other", "tiny"]),
    "only a library": Mistake(only_a_library, OUT, USAGE, ["tiny", "binary|executable|program"]),
    "a dynamic result": Mistake(
        dynamic_result, OUT, BUILD, ["tiny", "dynamic|static", r"libc\.so\.6|ld-linux"]
    ),
    "a program that does not compile": Mistake(not_compiling, OUT, BUILD, ["missing_name", "error"]),
    "a stale lock": Mistake(stale_lock, [*OUT, "--locked"], BUILD, [r"Cargo\.lock|lock file", "--locked"]),
    "a target without std": Mistake(
        project,
        [*OUT, "--platform", "linux/riscv64"],
        BUILD,
        ["rustup target add riscv64gc-unknown-linux-musl"],
    ),
    "an unknown platform": Mistake(project, [*OUT, "--platform", "linux/z80"], USAGE, ["z80"]),
    "an unknown output": Mistake(project, ["-o", "tarball:out"], USAGE, ["tarball", "oci-archive"]),
    "a base that is not there": Mistake(project, [*OUT, "--base", "oci:nowhere"], USAGE, ["nowhere"]),
    "a bad reference": Mistake(project, ["--push", "-t", "Upper/Case:1"], USAGE, ["Upper/Case"]),
    "a bad repository": Mistake(project, ["--push", "--repository", "host/a b"], USAGE, ["host/a b"]),
    "a push to nowhere": Mistake(project, ["--push"], USAGE, ["--repository", "--tag|-t "]),
    "a registry that is not there": Mistake(
        project,
        ["--push", "--repository", f"{CLOSED}/x", "--retries", "0"],
        NETWORK,
        [re.escape(CLOSED), "refused"],
    ),
    "a folder that cannot be made": Mistake(
        project, ["-o", "oci:Cargo.toml/out"], BUILD, [r"Cargo\.toml/out"]
    ),
    "an archive that cannot be made": Mistake(
        project, ["-o", "oci-archive:/proc/x.tar"], BUILD, [r"/proc/x\.tar"]
    ),
    "a file that is not there": Mistake(project, [*OUT, "--file", "gone:/srv"], USAGE, ["gone"]),
}


def assert_helpful(done: Outcome, words: list[str]) -> None:
    assert done.out == "", "standard output is for results"
    for word in words:
        assert re.search(word, done.err, re.IGNORECASE), f"{word!r} is not said in:\n{done.err}"
    assert not re.search(r"panicked|RUST_BACKTRACE|stack backtrace|Traceback", done.err), done.err
    assert "Error(" not in done.err and "Os {" not in done.err, f"a debug form was printed:\n{done.err}"


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_explained(name: str, program: Program, tmp_path: Path) -> None:
    need_target(AMD64)
    mistake = MISTAKES[name]
    folder = tmp_path / "project"
    mistake.prepare(folder)
    before = sources(folder)
    done = program(*mistake.args, cwd=folder, env=mistake.env, code=mistake.code)
    assert_helpful(done, mistake.words)
    assert sources(folder) == before, "something was left behind"


def sources(folder: Path) -> dict[str, bytes]:
    """Everything in a project but cargo's own target folder."""
    inside = (path for path in folder.rglob("*") if path.is_file())
    named = ((path.relative_to(folder).as_posix(), path) for path in inside)
    keep = {name: path.read_bytes() for name, path in named if not name.startswith("target/")}
    containerize = folder / "target" / "containerize"
    return {**keep, **({"target/containerize": b""} if containerize.exists() else {})}


def test_a_failed_build_leaves_the_earlier_image_as_it_was(program: Program, tmp_path: Path) -> None:
    need_target(AMD64)
    folder = project(tmp_path / "tiny")
    digest = program(*OUT, cwd=folder).digest
    (folder / "src" / "main.rs").write_text("fn main() { missing_name() }\n")
    program(*OUT, cwd=folder, code=BUILD)
    validate_layout(folder / "out", digest=digest)


@pytest.mark.parametrize("output", ["oci:{}/out", "oci-archive:{}/out.tar", "docker-archive:{}/out.tar"])
def test_a_full_disk_is_told_and_leaves_nothing(output: str, program: Program, tmp_path: Path) -> None:
    need_root()
    need_target(AMD64)
    folder = project(tmp_path / "tiny")
    disk = tmp_path / "disk"
    disk.mkdir()
    # The mount lives in a namespace of its own and is gone with the command.
    small = f'mount -t tmpfs -o size=64k tmpfs {disk} && "$@"; code=$?; find {disk} -type f >&2; exit $code'
    wrap = ["unshare", "--mount", "--propagation", "private", "sh", "-c", small, "sh"]
    done = program("-o", output.format(disk), cwd=folder, wrap=wrap, code=BUILD)
    assert_helpful(done, ["no space left", re.escape(str(disk))])
    assert not [line for line in done.err.splitlines() if line.startswith(f"{disk}/")], done.err


def test_a_read_only_disk_is_told(program: Program, tmp_path: Path) -> None:
    need_root()
    need_target(AMD64)
    folder = project(tmp_path / "tiny")
    disk = tmp_path / "disk"
    disk.mkdir()
    small = f'mount -t tmpfs -o size=1m,ro tmpfs {disk} && exec "$@"'
    wrap = ["unshare", "--mount", "--propagation", "private", "sh", "-c", small, "sh"]
    done = program("-o", f"oci:{disk}/out", cwd=folder, wrap=wrap, code=BUILD)
    assert_helpful(done, ["read-only", re.escape(str(disk))])


@pytest.mark.full
def test_a_killed_build_leaves_a_whole_image_or_none(program: Program, tmp_path: Path) -> None:
    """Killed at ever later moments, over an earlier image: what stands there is always whole."""
    need_target(AMD64)
    folder = project(tmp_path / "tiny")
    program(*OUT, cwd=folder)
    for milliseconds in range(5, 400, 15):
        (folder / "src" / "main.rs").write_text(f'fn main() {{\n    println!("{milliseconds}");\n}}\n')
        wrap = ["timeout", "--signal=KILL", f"{milliseconds / 1000}"]
        program(*OUT, cwd=folder, wrap=wrap, code=None)
        validate_layout(folder / "out", leftovers=True)


def test_the_hints_speak_cargos_words_to_cargos_users(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    metadata('prots = ["80"]')(folder)
    done = program(*OUT, cwd=folder, cargo=True, code=USAGE)
    assert "package.metadata.containerize" in done.err
