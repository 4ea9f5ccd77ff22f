"""Real registries: two implementations; open ones, ones with a password, with tokens, with TLS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import (
    AMD64,
    ARM64,
    HELLO_TARGET,
    HELLO_WEB,
    Env,
    Outcome,
    Program,
    Registry,
    crane,
    free_port,
    need,
    need_target,
    run,
    serve,
    skopeo_digest,
    tiny_project,
)
from validator import validate_layout


@pytest.fixture(autouse=True)
def tools() -> None:
    need("skopeo")


#: Registries that share no code: CNCF distribution, and the one of go-containerregistry.
OPEN = pytest.mark.parametrize("kind", ["anonymous", "crane"])


def login(here: Registry, way: str, folder: Path, password: str | None = None) -> Env:
    """The environment in which the program finds the registry's password."""
    if way == "docker":
        here.auth_file(folder / "docker" / "config.json", password)
        return {"DOCKER_CONFIG": str(folder / "docker")}
    return {"REGISTRY_AUTH_FILE": str(here.auth_file(folder / "podman" / "auth.json", password))}


def push(program: Program, name: str, env: Env, code: int = 0) -> Outcome:
    return program("--push", "--repository", name, cwd=HELLO_WEB, env={**HELLO_TARGET, **env}, code=code)


def assert_pushed(here: Registry, name: str, digest: str, layout: Path, tag: str = "0.1.0") -> None:
    """skopeo finds the printed digest under the tag, and copies an image whose every byte is right."""
    assert skopeo_digest(f"docker://{name}:{tag}", *here.skopeo_options()) == digest
    source = f"docker://{name}@{digest}"
    run(
        [
            "skopeo",
            "copy",
            "-q",
            "--all",
            "--preserve-digests",
            *here.skopeo_options("src-"),
            source,
            f"oci:{layout}",
        ]
    )
    validate_layout(layout, digest=digest)


@OPEN
def test_an_open_registry_takes_the_image_and_podman_runs_it(
    kind: str, program, registry, podman, tmp_path: Path
) -> None:
    here = registry(kind)
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


@OPEN
def test_a_second_push_gives_the_same_and_asks_once_for_each_tag(kind: str, program, registry) -> None:
    here = registry(kind)
    name = here.name("again/hello-web")
    first = push(program, name, {})
    before = here.requests("again/hello-web")
    assert "PUT /v2/again/hello-web/manifests/0.1.0" in before
    second = push(program, name, {})
    assert second.digest == first.digest
    # And whether the registry lists what hangs on the image.
    assert here.requests("again/hello-web")[len(before) :] == [
        "HEAD /v2/again/hello-web/manifests/0.1.0",
        f"GET /v2/again/hello-web/referrers/{first.digest}",
    ]


@OPEN
def test_tags_are_pushed_as_they_were_asked_for(kind: str, program, registry) -> None:
    here = registry(kind)
    name = here.name("tags/hello-web")
    flags = ["--push", "--repository", name, "-t", "edge", "-t", here.name("other/place:7")]
    done = program(*flags, cwd=HELLO_WEB, env=HELLO_TARGET)
    for reference in (f"{name}:edge", here.name("other/place:7")):
        assert skopeo_digest(f"docker://{reference}", *here.skopeo_options()) == done.digest
    listed = run(["skopeo", "list-tags", *here.skopeo_options(), f"docker://{name}"]).out
    assert json.loads(listed)["Tags"] == ["edge"], "no tag that was not asked for"


@OPEN
def test_every_registry_gets_the_bytes_that_a_layout_has(
    kind: str, program, registry, hello_layout: tuple[Path, str]
) -> None:
    here = registry(kind)
    assert push(program, here.name("bytes/hello-web"), {}).digest == hello_layout[1]


@OPEN
def test_what_was_pushed_is_a_base(kind: str, program, registry, podman, tmp_path: Path) -> None:
    """Twice: with the layers mounted in the base's registry, and fetched for a layout."""
    here = registry(kind)
    base = tiny_project(tmp_path / "base", name="base")
    (base / "words").write_text("from the base")
    to_base = ["--push", "-t", here.name("based/base:1"), "--file", "words:/srv/words"]
    program(*to_base, cwd=base)
    app = tiny_project(tmp_path / "app", main=READS_WORDS)
    flags = ["--base", here.name("based/base:1"), "--cache-dir", tmp_path / "cache"]
    pushed = program(*flags, "--push", "-t", here.name("based/app:1"), cwd=app)
    assert_pushed(here, here.name("based/app"), pushed.digest, tmp_path / "copy", tag="1")
    kept = program(*flags, "-o", f"oci:{tmp_path}/layout", cwd=app)
    assert kept.digest == pushed.digest
    validate_layout(tmp_path / "layout", digest=kept.digest)
    image = podman.pull(here.name(f"based/app@{pushed.digest}"))
    assert podman.run(image).out == "from the base\n"


@OPEN
def test_images_for_two_platforms_become_one_index(kind: str, program, registry, tmp_path: Path) -> None:
    """In one run, and by `containerize index` from what two runs have pushed: the same images."""
    need_target(AMD64)
    need_target(ARM64)
    here = registry(kind)
    project = tiny_project(tmp_path / "project")
    name, platforms = here.name("both/app"), ["linux/amd64", "linux/arm64"]
    at_once = program("--push", "-t", f"{name}:1", "--platform", ",".join(platforms), cwd=project)
    assert_pushed(here, name, at_once.digest, tmp_path / "at-once", tag="1")
    parts = [here.name(f"{platform}:1") for platform in platforms]
    for platform, part in zip(platforms, parts, strict=True):
        program("--push", "-t", part, "--platform", platform, cwd=project)
    merged = program("index", f"{name}:merged", *parts, cwd=project)
    assert_pushed(here, name, merged.digest, tmp_path / "merged", tag="merged")
    of_both = [
        children(tmp_path / folder, done.digest)
        for folder, done in (("at-once", at_once), ("merged", merged))
    ]
    assert len(of_both[0]) == 2 and of_both[0] == of_both[1]


def children(layout: Path, digest: str) -> set[str]:
    """The digests of the manifests that an index in a layout names."""
    index = json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())
    return {child["digest"] for child in index["manifests"]}


def test_crane_finds_every_layer_valid(program, registry, hello_layout: tuple[Path, str]) -> None:
    here = registry("crane")
    name = here.name("valid/hello-web")
    digest = push(program, name, {}).digest
    assert run([crane(), "digest", f"{name}:0.1.0"]).out.strip() == digest == hello_layout[1]
    assert "PASS" in run([crane(), "validate", "--remote", f"{name}:0.1.0"]).out


READS_WORDS = """\
fn main() {
    println!("{}", std::fs::read_to_string("/srv/words").expect("words"));
}
"""
