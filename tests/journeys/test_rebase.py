"""Images are laid on other bases in a registry, and are what a build on these gives."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import (
    AMD64,
    ARM64,
    HELLO_TARGET,
    HELLO_WEB,
    REPOSITORY,
    Program,
    Registry,
    lab_image,
    need,
    need_target,
    run,
)
from python_projects import with_uv

FASTAPI = REPOSITORY / "examples" / "hello-fastapi"
SLIM = "python:3.13-slim-bookworm"
DEBIAN = "debian:bookworm-slim"
REFUSED = 4
#: Not all of the lab's registries list what hangs on an image.
PUSH = ["--attestations", "referrers", "--push", "--tag"]


def layer(files: dict[str, bytes]) -> bytes:
    """A tar of these files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


class Bases:
    """Bases of the lab in a registry, as they are and patched."""

    def __init__(self, here: Registry, folder: Path) -> None:
        need("skopeo")
        self.here, self.folder = here, folder

    def name(self, tag: str) -> str:
        return f"{self.here.name('rebase/base')}:{tag}"

    def put(self, image: str, tag: str) -> str:
        copy = ["skopeo", "copy", "-q", "--multi-arch", "all", *self.here.skopeo_options("dest-")]
        run([*copy, image, f"docker://{self.name(tag)}"])
        return self.name(tag)

    def patched(self, base: str, tag: str, env: list[str], files: dict[str, bytes]) -> str:
        """The base with one more layer, other variables and another time, for each platform."""
        layout = self.folder / f"layout-{tag}"
        run(["skopeo", "copy", "-q", "--multi-arch", "all", lab_image(base), f"oci:{layout}:x"])

        def read(digest: str) -> bytes:
            return (layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()

        def write(entry: dict, content: bytes) -> dict:
            digest = hashlib.sha256(content).hexdigest()
            (layout / "blobs/sha256" / digest).write_bytes(content)
            return {**entry, "digest": f"sha256:{digest}", "size": len(content)}

        top = json.loads((layout / "index.json").read_text())
        index = json.loads(read(top["manifests"][0]["digest"]))
        index["manifests"] = [one for one in index["manifests"] if one["platform"]["os"] == "linux"]
        for number, entry in enumerate(index["manifests"]):
            manifest = json.loads(read(entry["digest"]))
            config = json.loads(read(manifest["config"]["digest"]))
            tar = layer(files)
            kind = "application/vnd.oci.image.layer.v1.tar+gzip"
            manifest["layers"].append(write({"mediaType": kind}, gzip.compress(tar, mtime=0)))
            config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(tar).hexdigest()}")
            config.setdefault("history", []).append({"created_by": "RUN apt-get upgrade"})
            config["created"] = "2026-11-28T00:00:00Z"
            config["config"]["Env"] = [*config["config"]["Env"], *env]
            manifest["config"] = write(
                {"mediaType": manifest["config"]["mediaType"]}, json.dumps(config).encode()
            )
            index["manifests"][number] = write(entry, json.dumps(manifest).encode())
        top["manifests"][0] = write(top["manifests"][0], json.dumps(index).encode())
        (layout / "index.json").write_text(json.dumps(top))
        return self.put(f"oci:{layout}:x", tag)


class Fleet:
    """A project whose images are pushed and rebased."""

    def __init__(
        self, program: Program, here: Registry, tmp_path: Path, project: Path, flags: list[str]
    ) -> None:
        self.program, self.here, self.tmp_path = program, here, tmp_path
        self.project, self.flags = project, flags

    def bill(self, tag: str) -> dict:
        """The bill that the build under a tag has written."""
        return json.loads((self.tmp_path / f"builds-{tag}/bill.spdx.json").read_text())

    def attached(self, digest: str) -> dict:
        """The bill that hangs on an image, in a registry where tags are the lists of that."""

        def read(kind: str, name: str) -> dict:
            accept = ", ".join(f"application/vnd.oci.image.{one}.v1+json" for one in ("index", "manifest"))
            place = f"http://{self.here.host}/v2/rebase/app/{kind}/{name}"
            question = urllib.request.Request(place, headers={"Accept": accept})
            with urllib.request.urlopen(question, timeout=20) as answer:
                return json.load(answer)

        hanging = read("manifests", digest.replace(":", "-"))["manifests"]
        (bill,) = [one for one in hanging if one["artifactType"] == "application/spdx+json"]
        return read("blobs", read("manifests", bill["digest"])["layers"][0]["digest"])

    def push(self, base: str, tag: str) -> str:
        """Builds and pushes on a machine that has seen nothing; the digest."""
        home = self.tmp_path / f"builds-{tag}"
        home.mkdir()
        env = {**with_uv(home, self.program), **HELLO_TARGET, "XDG_CACHE_HOME": str(home / "cache")}
        image = f"{self.here.name('rebase/app')}:{tag}"
        bill = ["--sbom-output", home / "bill.spdx.json"]
        done = self.program(*self.flags, "--base", base, *bill, *PUSH, image, cwd=self.project, env=env)
        return done.out.strip().rsplit("@", 1)[-1]

    def rebase(self, base: str, *flags: str, code: int = 0) -> dict:
        """Rebases the image under the tag `old` elsewhere."""
        env = {**self.program.env, "XDG_CACHE_HOME": str(self.tmp_path / "elsewhere")}
        image = f"{self.here.name('rebase/app')}:old"
        words = ["rebase", image, "--base", base, "--format", "json", *flags]
        return json.loads(self.program(*words, cwd=self.tmp_path, env=env, code=code).out)


def test_a_python_service_follows_its_base_on_both_platforms(
    program: Program, registry: Callable[[str], Registry], tmp_path: Path
) -> None:
    here = registry("anonymous")
    bases = Bases(here, tmp_path)
    old = bases.put(lab_image(SLIM), "old")
    files = {"usr/share/doc/openssl/changelog": b"patched", "usr/lib/libpatched.so.1": b"x"}
    new = bases.patched(SLIM, "new", ["PATCHED=1"], files)
    fleet = Fleet(
        program, here, tmp_path, FASTAPI, ["--platform", "linux/amd64,linux/arm64", "--port", "8000"]
    )
    before = fleet.push(old, "old")
    found = fleet.rebase(new, "--to", "new")
    assert (found["result"], found["digest"]) == ("rebased", before), found
    attached = fleet.attached(found["rebased"])
    assert found["rebased"] == fleet.push(new, "built")
    assert found["rebased"] != before
    assert attached == fleet.bill("built")


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ("distroless/cc-debian12:nonroot", DEBIAN, None),
        pytest.param(DEBIAN, "distroless/cc-debian12:nonroot", None, marks=pytest.mark.full),
        ("distroless/cc-debian12:nonroot", "distroless/static-debian12:nonroot", "need"),
    ],
)
def test_a_program_with_a_c_library_is_judged_by_what_it_needs(
    old: str,
    new: str,
    broken: str | None,
    program: Program,
    registry: Callable[[str], Registry],
    tmp_path: Path,
) -> None:
    here = registry("anonymous")
    bases = Bases(here, tmp_path)
    old, new = bases.put(lab_image(old), "old"), bases.put(lab_image(new), "new")
    flags = ["--target", "x86_64-unknown-linux-gnu", "--platform", "linux/amd64"]
    fleet = Fleet(program, here, tmp_path, HELLO_WEB, flags)
    fleet.push(old, "old")
    if broken:
        found = fleet.rebase(new, "--to", "new", code=REFUSED)
        assert broken in {one["fact"] for one in found["platforms"][0]["broken"]}, found
    else:
        found = fleet.rebase(new, "--to", "new")
        attached = fleet.attached(found["rebased"])
        assert found["rebased"] == fleet.push(new, "built")
        assert attached == fleet.bill("built")


def test_a_static_program_stands_on_any_base(
    program: Program, registry: Callable[[str], Registry], tmp_path: Path
) -> None:
    need_target(AMD64)
    need_target(ARM64)
    here = registry("anonymous")
    bases = Bases(here, tmp_path)
    old = bases.put(lab_image("distroless/static-debian12:nonroot"), "old")
    fleet = Fleet(program, here, tmp_path, HELLO_WEB, ["--platform", "linux/amd64,linux/arm64"])
    fleet.push(old, "old")
    for number, base in enumerate((DEBIAN, SLIM)):
        new = bases.put(lab_image(base), f"new{number}")
        found = fleet.rebase(new, "--to", f"new{number}")
        attached = fleet.attached(found["rebased"])
        assert found["rebased"] == fleet.push(new, f"built{number}"), base
        assert attached == fleet.bill(f"built{number}"), base


def test_another_python_is_refused_with_the_reason(
    program: Program, registry: Callable[[str], Registry], tmp_path: Path
) -> None:
    here = registry("anonymous")
    bases = Bases(here, tmp_path)
    old = bases.put(lab_image(SLIM), "old")
    new = bases.put(lab_image("distroless/python3-debian12:nonroot"), "new")
    fleet = Fleet(program, here, tmp_path, FASTAPI, ["--platform", "linux/amd64"])
    fleet.push(old, "old")
    found = fleet.rebase(new, "--check", code=REFUSED)
    said = {f"{one['fact']}: {one['message']}" for one in found["platforms"][0]["broken"]}
    assert "python: the image was made for Python 3.13.5, but the new base has 3.11.2" in said
    assert any(line.startswith("shell: ") for line in said), said
