"""The README's example, from its source to a running container."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from harness import (
    AMD64,
    ARM64,
    HELLO_TARGET,
    HELLO_WEB,
    Env,
    Service,
    free_port,
    need,
    need_root,
    need_target,
    register_arm64,
    run,
    serve,
    skopeo_digest,
    tiny_project,
)
from validator import REF_NAME, validate_layout

LABELS = {
    "title": "hello-web",
    "description": "A small web service that greets and tells the time, to be put into a container image",
    "version": "0.1.0",
    "url": "https://github.com/containerize/containerize/tree/main/examples/hello-web",
    "source": "https://github.com/containerize/containerize",
    "documentation": "https://github.com/containerize/containerize/tree/main/examples/hello-web",
    "authors": "The containerize developers",
    "licenses": "MIT OR Apache-2.0",
    "vendor": "containerize",
}
PROGRAM = "usr/local/bin/hello-web"
NONROOT = 65532


def answers_as_it_should(service: Service) -> None:
    assert service.get("/") == "Hello from hello-web 0.1.0\n"
    assert service.get("/healthz") == "ok\n"
    assert "[Asia/Kathmandu]" in service.get("/time/Asia/Kathmandu")
    code, out = service.stop()
    assert (code, out.splitlines()[-1]) == (0, "stopped"), "SIGTERM must end it in its own time"


def test_scanners_find_the_crates_that_it_was_built_from(hello_layout) -> None:
    path, _ = hello_layout
    beside = Path(sys.executable).parent / "syft"
    syft = str(beside) if beside.is_file() else shutil.which("syft")
    if syft is None:
        pytest.skip("syft is neither in tests/.venv nor on the PATH")
    found = json.loads(run([syft, "-q", f"oci-dir:{path}", "-o", "json"]).out)["artifacts"]
    crates = {f"{one['name']} v{one['version']}" for one in found if one["type"] == "rust-crate"}
    # Syft shows what is in the program, and not what built it.
    flags = f"--target {AMD64} --edges normal,no-proc-macro --prefix none --format {{p}} --locked".split()
    lines = run(["cargo", "tree", *flags], cwd=HELLO_WEB).out.splitlines()
    assert crates == {" ".join(line.split()[:2]) for line in lines if line}


def test_the_layout_is_valid_and_holds_what_was_promised(hello_layout) -> None:
    path, digest = hello_layout
    layout = validate_layout(path, digest=digest)
    assert layout.tags == {"0.1.0"}
    image = layout.image("linux/amd64")
    config, files = image.run_config, image.files()
    assert config["User"] == f"{NONROOT}:{NONROOT}"
    assert config["Entrypoint"] == ["/" + PROGRAM]
    assert config["WorkingDir"] == "/"
    assert config["ExposedPorts"] == {"8080/tcp": {}}
    assert not config.get("Cmd")
    assert (files[PROGRAM].mode, files[PROGRAM].uid, files[PROGRAM].gid) == (0o755, 0, 0)
    assert (files["tmp"].mode, files["home/nonroot"].uid) == (0o1777, NONROOT)
    for path in (
        "etc/passwd",
        "etc/group",
        "etc/ssl/certs/ca-certificates.crt",
        "usr/share/zoneinfo/Asia/Kathmandu",
    ):
        assert path in files
    assert not [
        name for name in files if name.startswith("usr/local/") and name not in (PROGRAM, "usr/local/bin")
    ]


def test_labels_and_annotations_come_from_the_manifest(hello_layout) -> None:
    image = validate_layout(hello_layout[0]).image()
    wanted = {f"org.opencontainers.image.{key}": value for key, value in LABELS.items()}
    for found in (image.run_config["Labels"], image.manifest["annotations"]):
        assert {key: found.get(key) for key in wanted} == wanted


def test_the_program_alone_weighs_little(hello_layout) -> None:
    layers = validate_layout(hello_layout[0]).image().layers
    assert sum(layer.size for layer in layers) < 5_000_000


def test_skopeo_reads_and_copies_the_layout(hello_layout, tmp_path: Path) -> None:
    need("skopeo")
    path, digest = hello_layout
    assert skopeo_digest(f"oci:{path}:0.1.0") == digest
    run(["skopeo", "copy", "--preserve-digests", f"oci:{path}:0.1.0", f"oci:{tmp_path}/copy:0.1.0"])
    assert validate_layout(tmp_path / "copy").digest == digest


def test_umoci_unpacks_the_layout(hello_layout, tmp_path: Path) -> None:
    need("umoci")
    need_root()
    run(["umoci", "unpack", "--image", f"{hello_layout[0]}:0.1.0", tmp_path / "bundle"])
    root = tmp_path / "bundle" / "rootfs"
    process = json.loads((tmp_path / "bundle" / "config.json").read_text())["process"]
    assert (process["user"]["uid"], process["args"]) == (NONROOT, ["/" + PROGRAM])
    assert root.joinpath("home/nonroot").stat().st_uid == NONROOT
    described = run(["file", "-b", root / PROGRAM]).out if shutil.which("file") else "static"
    assert "static" in described and "not stripped" not in described


def test_podman_runs_it_as_its_own_user_on_a_read_only_root(hello_layout, podman) -> None:
    image = podman.take(hello_layout[0], "0.1.0")
    port = free_port()
    command = podman.command(image, options=["--name=hello", "--env", f"PORT={port}"])
    with serve(command, port, podman.env) as service:
        pid = podman("inspect", "--format", "{{.State.Pid}}", "hello").out.strip()
        status = Path(f"/proc/{pid}/status").read_text()
        assert f"Uid:\t{NONROOT}\t{NONROOT}" in status and f"Gid:\t{NONROOT}\t{NONROOT}" in status
        answers_as_it_should(service)


@pytest.fixture(scope="module")
def docker_archive(program, module_path: Path) -> Path:
    need_target(AMD64)
    archive = module_path / "hello.tar"
    output = f"docker-archive:{archive}:example/hello-web:1.0"
    program("-o", output, cwd=HELLO_WEB, env=HELLO_TARGET)
    return archive


def test_podman_loads_and_runs_the_docker_archive(docker_archive: Path, podman) -> None:
    name = podman.load(docker_archive)
    assert name == "docker.io/example/hello-web:1.0"
    port = free_port()
    with serve(podman.command(name, options=["--env", f"PORT={port}"]), port, podman.env) as service:
        answers_as_it_should(service)


@pytest.mark.parametrize(
    "engine",
    ["20", pytest.param("26", marks=pytest.mark.full), pytest.param("26+containerd", marks=pytest.mark.full)],
)
def test_docker_loads_and_runs_the_docker_archive(docker_archive: Path, docker, engine: str) -> None:
    docker = docker(engine)
    assert "example/hello-web:1.0" in docker("load", "-i", docker_archive).out
    port = free_port()
    command = docker.command("example/hello-web:1.0", options=["--env", f"PORT={port}"])
    with serve(command, port, docker.env) as service:
        answers_as_it_should(service)


def test_the_oci_archive_is_the_layout_in_one_file(hello_layout, program, tmp_path: Path) -> None:
    done = program("-o", f"oci-archive:{tmp_path}/hello.tar", cwd=HELLO_WEB, env=HELLO_TARGET)
    assert done.digest == hello_layout[1], "the form of the output is no part of the image"
    (tmp_path / "layout").mkdir()
    run(["tar", "-xf", tmp_path / "hello.tar", "-C", tmp_path / "layout"])
    validate_layout(tmp_path / "layout", digest=done.digest)


def test_several_outputs_of_one_build_hold_the_same_image(hello_layout, program, tmp_path: Path) -> None:
    outputs = ["-o", f"oci:{tmp_path}/one:first", "-o", f"oci:{tmp_path}/two:second"]
    done = program(*outputs, cwd=HELLO_WEB, env=HELLO_TARGET)
    assert done.digest == hello_layout[1]
    for folder, tag in (("one", "first"), ("two", "second")):
        assert validate_layout(tmp_path / folder, digest=done.digest).tags == {tag}


def test_the_docker_format_is_read_by_skopeo(program, tmp_path: Path) -> None:
    need("skopeo")
    archive = f"docker-archive:{tmp_path}/hello.tar:v2s2:1"
    done = program("--image-format", "docker", "-o", archive, cwd=HELLO_WEB, env=HELLO_TARGET)
    content = tmp_path / "content"
    content.mkdir()
    run(["tar", "-xf", tmp_path / "hello.tar", "-C", content])
    layout = validate_layout(content, digest=done.digest)
    kind = layout.image().manifest["mediaType"]
    assert kind == "application/vnd.docker.distribution.manifest.v2+json"
    assert "Architecture" in run(["skopeo", "inspect", f"docker-archive:{tmp_path}/hello.tar"]).out


def test_flags_win_over_variables_and_variables_over_the_manifest(program, tmp_path: Path) -> None:
    env: Env = {
        **HELLO_TARGET,
        "CONTAINERIZE_USER": "1000:1000",
        "CONTAINERIZE_STOP_SIGNAL": "SIGINT",
    }
    flags = ["--user", "2000:2000", "--env", "GREETING=hi", "--label", "team=web", "--cmd", "a 'b c'"]
    program(*flags, "-o", f"oci:{tmp_path}/layout", cwd=HELLO_WEB, env=env)
    config = validate_layout(tmp_path / "layout").image().run_config
    assert (config["User"], config["StopSignal"]) == ("2000:2000", "SIGINT")
    assert "GREETING=hi" in config["Env"] and config["Labels"]["team"] == "web"
    assert config["Cmd"] == ["a", "b c"]
    assert config["ExposedPorts"] == {"8080/tcp": {}}, "what no flag speaks of stays"


def test_a_dry_run_tells_the_plan_and_makes_nothing(program, tmp_path: Path) -> None:
    env: Env = {**HELLO_TARGET, "CONTAINERIZE_WORKDIR": "/srv"}
    done = program("--dry-run", "-o", f"oci:{tmp_path}/layout", cwd=HELLO_WEB, env=env)
    told = done.out + done.err
    for words in ("/usr/local/bin/hello-web", "8080/tcp", "/srv", "CONTAINERIZE_WORKDIR", "65532:65532"):
        assert words in told
    assert not (tmp_path / "layout").exists()


def test_json_is_one_document(hello_layout, program, tmp_path: Path) -> None:
    done = program("--format", "json", "-o", f"oci:{tmp_path}/layout", cwd=HELLO_WEB, env=HELLO_TARGET)
    assert hello_layout[1] in json.dumps(json.loads(done.out))


def test_two_platforms_make_an_index_and_both_run(program, registry, podman, tmp_path: Path) -> None:
    need("skopeo")
    need_target(ARM64)
    register_arm64()
    here = registry("anonymous")
    name = here.name("two/hello-web")
    done = program(
        "--platform",
        "linux/amd64,linux/arm64",
        "--push",
        "--repository",
        name,
        "-o",
        f"oci:{tmp_path}/layout:both",
        cwd=HELLO_WEB,
        env=HELLO_TARGET,
    )
    layout = validate_layout(tmp_path / "layout", digest=done.digest)
    assert {image.platform for image in layout.images} == {"linux/amd64", "linux/arm64"}
    assert skopeo_digest(f"docker://{name}:0.1.0", *here.skopeo_options()) == done.digest
    for platform in ("linux/arm64", "linux/amd64"):
        port = free_port()
        image = podman.pull(f"{name}@{done.digest}", "--platform", platform)
        with serve(podman.command(image, options=["--env", f"PORT={port}"]), port, podman.env) as service:
            answers_as_it_should(service)


def test_the_default_output_is_a_layout_under_target(program, tmp_path: Path) -> None:
    need_target(AMD64)
    project = tiny_project(tmp_path / "tiny")
    done = program(cwd=project, cargo=True)
    layout = validate_layout(project / "target" / "containerize", digest=done.digest)
    assert layout.tags == {"1.2.3"}
    index = json.loads((project / "target" / "containerize" / "index.json").read_text())
    assert [entry["annotations"][REF_NAME] for entry in index["manifests"]] == ["1.2.3"]
