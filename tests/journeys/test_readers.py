"""What readers make of an image: rules that it is held to, each shown by a reader that has the rule."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import AMD64, OWN_MOUNTS, Docker, Outcome, Podman, need, need_target, run, tiny_project

#: The most layers that Docker mounts.
MOST_LAYERS = 125
TAGS = ["docker.io/journey/one:1", "docker.io/journey/two:2", "example.com/three:3"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    need_target(AMD64)
    return tiny_project(tmp_path / "tiny")


def containerd(docker: Docker) -> Callable[..., Outcome]:
    """The client of the containerd that belongs to the engine."""
    need("ctr")
    socket = (
        Path(docker.env["DOCKER_HOST"].removeprefix("unix://")).parent / "exec/containerd/containerd.sock"
    )
    if not socket.exists():
        pytest.skip("the engine has no containerd of its own")
    return lambda *args: run(["ctr", "-a", socket, "-n", "journey", "images", *args])


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_every_reader_shows_all_names_of_an_archive(
    form: str, program, project: Path, podman: Podman, docker: Callable[[str], Docker], tmp_path: Path
) -> None:
    archive = tmp_path / "image.tar"
    tags = [word for tag in TAGS for word in ("-t", tag)]
    said = program(*tags, "-o", f"{form}:{archive}", cwd=project).err
    engine = docker("20")
    shown = containerd(engine)
    shown("import", archive)
    assert set(TAGS) <= set(shown("ls", "-q").out.split())
    if form == "oci-archive":
        assert "`podman load` accepts only one name in an oci-archive" in said
        assert "more than one image" in podman("load", "-i", archive, code=None).err, "the note has its day"
        return
    loaded = podman("load", "-i", archive).out
    assert {name for name in TAGS if name in loaded} == set(TAGS)
    assert podman.run(TAGS[-1]).out == "tiny\n"
    loaded = engine("load", "-i", archive).out
    short = [name.removeprefix("docker.io/") for name in TAGS]
    assert {name for name in short if name in loaded} == set(short)


def layers_of_nothing(folder: Path, count: int) -> str:
    """A base of so many small layers, as somebody else's layout."""

    def blob(content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        path = folder / "blobs" / "sha256" / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    oci = "application/vnd.oci.image"
    layers = []
    for number in range(count):
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as writer:
            entry = tarfile.TarInfo(f"layer{number}")
            writer.addfile(entry)
        layers.append(blob(tar.getvalue()) | {"mediaType": f"{oci}.layer.v1.tar"})
    roots = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
    config = {"architecture": "amd64", "os": "linux", "rootfs": roots, "config": {}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{oci}.manifest.v1+json",
        "config": blob(json.dumps(config).encode()) | {"mediaType": f"{oci}.config.v1+json"},
        "layers": layers,
    }
    entry = blob(json.dumps(manifest).encode()) | {"mediaType": f"{oci}.manifest.v1+json"}
    entry["annotations"] = {"org.opencontainers.image.ref.name": "many"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci:{folder}:many"


def test_docker_runs_the_most_layers_and_more_are_refused(
    program, project: Path, docker, tmp_path: Path
) -> None:
    flags = ["-t", "journey/many:1", "-o", f"docker-archive:{tmp_path}/image.tar"]
    base = layers_of_nothing(tmp_path / "base", MOST_LAYERS - 1)
    program("--base", base, *flags, cwd=project)
    docker = docker("20")
    docker("load", "-i", tmp_path / "image.tar")
    assert run(docker.command("journey/many:1"), env=docker.env).out == "tiny\n"

    more = layers_of_nothing(tmp_path / "more", MOST_LAYERS)
    refused = program("--base", more, *flags, cwd=project, code=None)
    assert refused.code == 1 and str(MOST_LAYERS) in refused.err


def test_names_that_are_no_text_and_capabilities_arrive(
    program, project: Path, podman, tmp_path: Path
) -> None:
    """As skopeo copies them and podman unpacks them."""
    need("skopeo", "getcap")
    assets = project / "assets"
    assets.mkdir()
    (assets / "caf\udce9.txt").write_text("latin")
    manifest = project / "Cargo.toml"
    files = (
        '{ from = "assets", to = "/assets" }, '
        '{ from = "src/main.rs", to = "/tool", mode = "755", capabilities = "cap_net_bind_service=+ep" }'
    )
    manifest.write_text(manifest.read_text() + f"\n[package.metadata.containerize]\nfiles = [{files}]\n")
    program("-o", f"oci:{tmp_path}/layout:made", cwd=project)
    run(
        [
            *OWN_MOUNTS,
            "skopeo",
            "copy",
            "-q",
            f"oci:{tmp_path}/layout:made",
            "containers-storage:localhost/x:1",
        ],
        env=podman.env,
    )
    command = 'root=$(podman "$@" image mount localhost/x:1) && ls -b "$root/assets" && getcap "$root/tool"'
    shown = run([*OWN_MOUNTS, "bash", "-c", command, "bash"], env=podman.env).out
    assert "caf\\351.txt" in shown and "cap_net_bind_service=ep" in shown
