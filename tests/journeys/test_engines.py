"""Podman and Docker on this machine: bases from them, and delivery that sends only what they lack."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import (
    AMD64,
    HELLO_TARGET,
    HELLO_WEB,
    OWN_MOUNTS,
    PODMAN,
    SECONDS_TO_ANSWER,
    Docker,
    Env,
    Podman,
    Program,
    free_port,
    lab_image,
    need,
    need_target,
    run,
    serve,
    tiny_project,
)

BASE = "distroless/cc-debian12:nonroot"
#: What a container image of one small program may take on its way, without the layers of its base.
SMALL = 3_000_000
ENGINES = [
    "20",
    pytest.param("26", marks=pytest.mark.full),
    pytest.param("26+containerd", marks=pytest.mark.full),
]


@dataclass
class Watched:
    """An engine's program, put on the PATH in a form that writes down its calls and what it is sent."""

    log: Path
    env: Env

    def verbs(self) -> list[str]:
        """The calls since this was last asked, each as its first word, and bytes that were sent."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


def watch(name: str, real: str, env: Env, folder: Path) -> Watched:
    folder.mkdir()
    log = folder / "log"
    script = folder / name
    script.write_text(
        f'#!/bin/bash\necho "$1" >> {log}\n'
        f'[ "$1" = load ] || exec {real} "$@"\n'
        # The bytes are counted on their way; the engine's own code is the script's.
        f'tee {folder}/sent | {real} "$@"\ncode=${{PIPESTATUS[1]}}\n'
        f'stat -c %s {folder}/sent >> {log}; exit "$code"\n'
    )
    script.chmod(0o755)
    return Watched(log, {**env, "PATH": str(folder)})


@pytest.fixture
def watched_podman(podman: Podman, tmp_path: Path) -> Watched:
    real = run(["bash", "-c", "command -v podman"]).out.strip()
    return watch("podman", real, podman.env, tmp_path / "bin")


@pytest.fixture
def base_layout() -> str:
    need("skopeo")
    return lab_image(BASE)


def build(program: Program, watched: Watched, *flags: str, cwd: Path = HELLO_WEB, wrap=OWN_MOUNTS) -> str:
    """Builds with the watched engine first on the PATH; the digest."""
    env: Env = {**HELLO_TARGET, **watched.env}
    env["PATH"] = f"{watched.env['PATH']}:{program.env['PATH']}"
    return program(*flags, cwd=cwd, env=env, wrap=wrap).digest


def sent(verbs: list[str]) -> list[int]:
    """How many bytes each load has sent."""
    return [int(verb) for verb in verbs if verb.isdigit()]


def test_podmans_image_is_a_base_and_only_what_is_new_is_loaded(
    program, podman, watched_podman, base_layout, tmp_path: Path
) -> None:
    need_target(AMD64)
    base = "localhost/base:1"
    run([*OWN_MOUNTS, "skopeo", "copy", "-q", base_layout, f"containers-storage:{base}"], env=podman.env)
    name, flags = "localhost/hello:1", ["--base", f"containers-storage:{base}", "--load", "podman"]
    cache = ["--cache-dir", str(tmp_path / "cache")]
    first = build(program, watched_podman, *flags, *cache, "-t", name)
    verbs = watched_podman.verbs()
    assert "save" in verbs
    assert 0 < sum(sent(verbs)) < SMALL, "podman has the base's layers"
    port = free_port()
    with serve(podman.command(name, options=["--env", f"PORT={port}"]), port, podman.env) as service:
        assert service.get("/") == "Hello from hello-web 0.1.0\n"

    podman("untag", name)
    assert build(program, watched_podman, *flags, *cache, "-t", name) == first
    verbs = watched_podman.verbs()
    assert not {"save", "load"} & set(verbs), f"nothing has changed, and it did {verbs}"
    assert podman("image", "exists", name).code == 0, "the name was given anew"

    build(program, watched_podman, *flags, *cache, "-t", name, "--env", "GREETING=hi")
    assert sum(sent(watched_podman.verbs())) < 100_000, "a configuration, and no layer"


def test_podman_gets_whole_what_it_keeps_in_another_form(
    program, podman, watched_podman, base_layout
) -> None:
    """Its layers unpack to the same, and it knows them by the digest of another compression."""
    need_target(AMD64)
    copy = ["skopeo", "copy", "-q", "--dest-compress-format", "zstd", base_layout]
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        run([*copy, "--dest-compress", f"oci:{folder}/zstd:1"])
        name = "containers-storage:localhost/base:1"
        run([*OWN_MOUNTS, "skopeo", "copy", "-q", f"oci:{folder}/zstd:1", name], env=podman.env)
    build(program, watched_podman, "--base", base_layout, "--load", "podman", "-t", "localhost/hello:1")
    assert podman("image", "exists", "localhost/hello:1").code == 0
    port = free_port()
    command = podman.command("localhost/hello:1", options=["--env", f"PORT={port}"])
    with serve(command, port, podman.env) as service:
        assert service.get("/healthz") == "ok\n"


@contextmanager
def podman_service(podman: Podman, socket: Path) -> Iterator[str]:
    """Podman's own service, which CONTAINER_HOST names."""
    command = [*PODMAN, "system", "service", "--time", "0", f"unix://{socket}"]
    env = {**os.environ, **podman.env}
    service = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + SECONDS_TO_ANSWER
        while not socket.exists():
            assert service.poll() is None and time.monotonic() < deadline, "podman's service does not start"
            time.sleep(0.05)
        yield f"unix://{socket}"
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait()


def test_a_podman_elsewhere_is_reached_by_container_host(
    program, podman, watched_podman, base_layout, tmp_path: Path
) -> None:
    need_target(AMD64)
    project = tiny_project(tmp_path / "tiny")
    run(
        [*OWN_MOUNTS, "skopeo", "copy", "-q", base_layout, "containers-storage:localhost/base:1"],
        env=podman.env,
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, podman_service(podman, Path(folder, "s")) as host:
        # Its own storage stays out of sight: an empty one would be made where this leads.
        conf = tmp_path / "elsewhere.conf"
        conf.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{tmp_path}/g"\nrunroot = "{tmp_path}/r"\n'
        )
        env: Env = {"CONTAINER_HOST": host, "CONTAINERS_STORAGE_CONF": str(conf)}
        remote = Watched(watched_podman.log, {**watched_podman.env, **env})
        flags = [
            "--base",
            "containers-storage:localhost/base:1",
            "--load",
            "podman",
            "-t",
            "localhost/tiny:1",
        ]
        build(program, remote, *flags, cwd=project)
        assert 0 < sum(sent(remote.verbs())) < SMALL
        build(program, remote, *flags, cwd=project)
        assert not {"save", "load"} & set(remote.verbs())
    assert podman("image", "exists", "localhost/tiny:1").code == 0
    assert podman.run("localhost/tiny:1").out == "tiny\n"


@pytest.mark.parametrize("engine", ENGINES)
def test_dockers_image_is_a_base_and_only_what_is_new_is_loaded(
    program, docker: Callable[[str], Docker], base_layout, engine: str, tmp_path: Path
) -> None:
    need_target(AMD64)
    docker = docker(engine)
    archive = tmp_path / "base.tar"
    base_project = tiny_project(tmp_path / "base", name="base")
    program("--base", base_layout, "-o", f"docker-archive:{archive}:journey/base:1", cwd=base_project)
    docker("load", "-i", archive)
    watched = watch("docker", docker.client, docker.env, tmp_path / "bin")
    project = tiny_project(tmp_path / "tiny")
    name = "journey/tiny:1"
    flags = ["--base", "docker-daemon:journey/base:1", "--load", "docker", "-t", f"docker.io/{name}"]
    flags += ["--cache-dir", str(tmp_path / "cache")]
    first = build(program, watched, *flags, cwd=project, wrap=())
    verbs = watched.verbs()
    assert "save" in verbs
    assert 0 < sum(sent(verbs)) < SMALL, "docker has the base's layers"
    assert run(docker.command(name), env=docker.env).out == "tiny\n"

    assert build(program, watched, *flags, cwd=project, wrap=()) == first
    verbs = watched.verbs()
    assert not {"save", "load"} & set(verbs), f"nothing has changed, and it did {verbs}"

    build(program, watched, *flags, "--env", "NEW=1", cwd=project, wrap=())
    assert sum(sent(watched.verbs())) < 100_000, "a configuration, and no layer"
    assert run(docker.command(name), env=docker.env).out == "tiny\n"
    # What is saved is whole: no layer is only known by name.
    saved = tmp_path / "saved.tar"
    docker("save", "-o", saved, name)
    program("--base", f"docker-archive:{saved}", "-o", f"oci:{tmp_path}/whole", cwd=project)


def test_an_engine_that_is_not_running_is_said_to_be_so(program, docker, tmp_path: Path) -> None:
    need_target(AMD64)
    docker = docker("20")
    project = tiny_project(tmp_path / "tiny")
    watched = watch("docker", docker.client, {"DOCKER_HOST": f"unix://{tmp_path}/none"}, tmp_path / "bin")
    env: Env = {**watched.env, "PATH": f"{watched.env['PATH']}:{program.env['PATH']}"}
    for flags in (["--base", "docker-daemon:web:1"], ["--load", "docker"]):
        done = program(*flags, cwd=project, env=env, code=1)
        assert "Cannot connect to the Docker daemon" in done.err and "docker info" in done.err
