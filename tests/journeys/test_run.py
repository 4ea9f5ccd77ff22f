"""`containerize run`: what was built is loaded and run, and the engine takes the program's place."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest
from harness import (
    AMD64,
    ARM64,
    HELLO_TARGET,
    HELLO_WEB,
    OWN_MOUNTS,
    RUN_LIMITS,
    SECONDS_TO_ANSWER,
    Env,
    free_port,
    merged,
    need_target,
    run,
    serve,
    tiny_project,
)

#: What the sandboxes of tests need; people give such flags in the same way.
LIMITS = [f"--engine-arg={word}" for word in RUN_LIMITS]
TALKS = """
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    println!("{} {}", words.join(" "), std::env::var("GREETING").unwrap_or_default());
    if std::fs::write("/tmp/written", "x").is_err() {
        eprintln!("nothing can be written");
    }
    std::process::exit(7);
}
"""


@pytest.fixture
def engine(program, podman, tmp_path: Path) -> Env:
    """Podman as it works here, first on the PATH."""
    need_target(AMD64)
    real = run(["bash", "-c", "command -v podman"]).out.strip()
    script = tmp_path / "bin" / "podman"
    script.parent.mkdir()
    script.write_text(f'#!/bin/bash\nexec {real} --runtime runc "$@"\n')
    script.chmod(0o755)
    return {**HELLO_TARGET, **podman.env, "PATH": f"{script.parent}:{program.env['PATH']}"}


def test_output_exit_code_and_arguments_are_the_programs(program, engine, tmp_path: Path) -> None:
    project = tiny_project(tmp_path / "talks", name="talks", main=TALKS)
    (project / "my.env").write_text("GREETING=hello\n")
    call = ["run", "--load", "podman", "--locked", "--read-only", "--env-file", "my.env", *LIMITS]
    done = program(*call, "--", "--load", "a b", cwd=project, env=engine, code=7, wrap=OWN_MOUNTS)
    assert done.out == "--load a b hello\n", "nothing else goes there"
    assert "nothing can be written" in done.err
    assert "talks:1.2.3 in podman" in done.err
    left = run([*OWN_MOUNTS, "podman", "ps", "-aq"], env=engine)
    assert left.out == "", "the container is removed"

    run([*OWN_MOUNTS, "podman", "rmi", "-af"], env=engine)
    shown = program("run", "--load", "podman", "--dry-run", "--format", "json", cwd=project, env=engine)
    assert json.loads(shown.out)["plan"]
    assert run([*OWN_MOUNTS, "podman", "images", "-q"], env=engine).out == "", "a plan builds nothing"


def test_it_answers_until_it_is_told_to_end(program, engine) -> None:
    port = free_port()
    call = [*OWN_MOUNTS, "cargo", "containerize", "run", "--load", "podman", *LIMITS]
    call += [f"--engine-arg=--env=PORT={port}"]
    command = ["bash", "-c", 'cd "$0" && exec "$@"', str(HELLO_WEB), *call]
    with serve(command, port, {**program.env, **engine}) as service:
        assert service.get("/") == "Hello from hello-web 0.1.0\n"
        service.process.send_signal(signal.SIGTERM)
        out, _ = service.process.communicate(timeout=SECONDS_TO_ANSWER)
        assert service.process.returncode == 0, out


def test_what_is_pushed_too_has_all_of_its_platforms(program, engine, registry, tmp_path: Path) -> None:
    need_target(ARM64)
    project = tiny_project(tmp_path / "talks", name="talks", main=TALKS)
    with (project / "Cargo.toml").open("a") as manifest:
        manifest.write('[package.metadata.containerize]\nplatforms = ["linux/amd64", "linux/arm64"]\n')
    name = f"{registry('anonymous').host}/talks:1"
    call = ["run", "--load", "podman", "--push", "--tag", name, *LIMITS]
    done = program(*call, cwd=project, env=engine, code=7, wrap=OWN_MOUNTS)
    assert f"{name.removesuffix(':1')}" in done.err and done.out.strip() == ""
    shown = program("inspect", name, "--format", "json", cwd=project)
    assert len(json.loads(shown.out)["platforms"]) == 2


def test_what_cannot_be_run_is_said_before_anything_is_built(program, engine, tmp_path: Path) -> None:
    project = tiny_project(tmp_path / "talks", name="talks", main=TALKS)
    two = ["run", "--load", "podman", "--load", "docker"]
    assert "only one engine" in program(*two, cwd=project, env=engine, code=2).err
    streams = ["run", "--load", "podman", "-o", "oci-archive:-"]
    assert "standard output is the program's" in program(*streams, cwd=project, env=engine, code=2).err
    lost = ["run", "--load", "podman", "--env-file", "lost.env"]
    assert "lost.env is not there" in program(*lost, cwd=project, env=engine, code=2).err
    empty = tmp_path / "empty"
    empty.mkdir()
    bare = merged({**program.env, **engine, "PATH": str(empty)})
    binary = program.folder / "containerize"
    done = subprocess.run([binary, "run"], cwd=project, env=bare, capture_output=True, text=True)
    assert done.returncode == 2 and "neither docker nor podman" in done.stderr, done.stderr
    several = tiny_project(tmp_path / "several", name="several")
    (several / "src/bin").mkdir()
    (several / "src/bin/other.rs").write_text("fn main() {}\n")
    refused = program("run", "--bins", "--load", "podman", cwd=several, env=engine, code=2)
    assert "one image can be run, and this call makes 2" in refused.err
    assert not (several / "target").exists(), "nothing was compiled"
