"""Real registries: open ones, ones with a password, ones with tokens, ones with TLS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import (
    HELLO_TARGET,
    HELLO_WEB,
    Env,
    Outcome,
    Program,
    Registry,
    free_port,
    need,
    run,
    serve,
    skopeo_digest,
)
from validator import validate_layout


@pytest.fixture(autouse=True)
def tools() -> None:
    need("skopeo")


def login(here: Registry, way: str, folder: Path, password: str | None = None) -> Env:
    """The environment in which the program finds the registry's password."""
    if way == "docker":
        here.auth_file(folder / "docker" / "config.json", password)
        return {"DOCKER_CONFIG": str(folder / "docker")}
    return {"REGISTRY_AUTH_FILE": str(here.auth_file(folder / "podman" / "auth.json", password))}


def push(program: Program, name: str, env: Env, code: int = 0) -> Outcome:
    return program("--push", "--repository", name, cwd=HELLO_WEB, env={**HELLO_TARGET, **env}, code=code)


def assert_pushed(here: Registry, name: str, digest: str, layout: Path) -> None:
    """skopeo finds the printed digest under the tag, and copies an image whose every byte is right."""
    assert skopeo_digest(f"docker://{name}:0.1.0", *here.skopeo_options()) == digest
    source = f"docker://{name}@{digest}"
    run(["skopeo", "copy", "-q", "--preserve-digests", *here.skopeo_options("src-"), source, f"oci:{layout}"])
    validate_layout(layout, digest=digest)


def test_an_open_registry_takes_the_image_and_podman_runs_it(
    program, registry, podman, tmp_path: Path
) -> None:
    here = registry("anonymous")
    name = here.name("open/hello-web")
    done = push(program, name, {})
    assert {result["name"] for result in done.results} <= {name, f"{name}:0.1.0"}
    assert_pushed(here, name, done.digest, tmp_path / "copy")
    port = free_port()
    image = podman.pull(f"{name}@{done.digest}")
    with serve(podman.command(image, options=["--env", f"PORT={port}"]), port, podman.env) as service:
        assert service.get("/") == "Hello from hello-web 0.1.0\n"


@pytest.mark.parametrize("way", ["docker", "podman"])
@pytest.mark.parametrize("kind", ["basic", "token"])
def test_credentials_are_found_where_docker_and_podman_keep_them(
    kind: str, way: str, program, registry, tmp_path: Path
) -> None:
    here = registry(kind)
    name = here.name(f"{way}/hello-web")
    done = push(program, name, login(here, way, tmp_path))
    assert_pushed(here, name, done.digest, tmp_path / "copy")
    assert here.password not in done.err + done.out


def test_a_private_authority_is_trusted_when_it_is_named(program, registry, tmp_path: Path) -> None:
    here = registry("tls")
    name = here.name("tls/hello-web")
    done = push(program, name, {"SSL_CERT_FILE": str(here.ca)})
    assert_pushed(here, name, done.digest, tmp_path / "copy")


def test_an_unknown_authority_is_refused(program, registry) -> None:
    here = registry("tls")
    done = push(program, here.name("refused/hello-web"), {}, code=3)
    assert here.host in done.err and "certificate" in done.err.lower()


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_a_wrong_password_is_told_and_not_shown(kind: str, program, registry, tmp_path: Path) -> None:
    here = registry(kind)
    env = login(here, "docker", tmp_path, password="not the one")
    done = push(program, here.name("refused/hello-web"), env, code=3)
    assert done.out == "" and here.host in done.err
    assert any(
        word in done.err.lower() for word in ("password", "credential", "log in", "login", "unauthorized")
    )
    assert "not the one" not in done.err


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_no_credentials_at_all_are_told(kind: str, program, registry) -> None:
    here = registry(kind)
    done = push(program, here.name("refused/hello-web"), {}, code=3)
    assert done.out == "" and here.host in done.err


def test_a_second_push_gives_the_same_and_uploads_nothing(program, registry) -> None:
    here = registry("anonymous")
    name = here.name("again/hello-web")
    first = push(program, name, {})
    before = here.uploads("again/hello-web")
    second = push(program, name, {})
    assert second.digest == first.digest
    assert before > 0 and here.uploads("again/hello-web") == before


def test_tags_are_pushed_as_they_were_asked_for(program, registry) -> None:
    here = registry("anonymous")
    name = here.name("tags/hello-web")
    flags = ["--push", "--repository", name, "-t", "edge", "-t", here.name("other/place:7")]
    done = program(*flags, cwd=HELLO_WEB, env=HELLO_TARGET)
    for reference in (f"{name}:edge", here.name("other/place:7")):
        assert skopeo_digest(f"docker://{reference}", *here.skopeo_options()) == done.digest
    listed = run(["skopeo", "list-tags", *here.skopeo_options(), f"docker://{name}"]).out
    assert json.loads(listed)["Tags"] == ["edge"], "no tag that was not asked for"
