"""The real cosign verifies what the program signs, and the program what cosign signs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import (
    AMD64,
    ARM64,
    Env,
    Outcome,
    Program,
    Registry,
    go_tool,
    need_target,
    run,
    tiny_project,
)
from services_of_sigstore import ISSUER, WORKFLOW, Sigstore

pytestmark = pytest.mark.full

PASSWORD = {"COSIGN_PASSWORD": "hunter2"}
#: One without a list of referrers, and one with the tags that go-containerregistry's makes visible.
REGISTRIES = pytest.mark.parametrize("kind", ["anonymous", "crane"])
#: Signing without a transparency log, as a key can.
OFFLINE = ["--use-signing-config=false", "--tlog-upload=false"]
LEGACY = "--new-bundle-format=false"


class Cosign:
    def __init__(self, folder: Path) -> None:
        self.program, self.folder = go_tool("cosign"), folder

    def __call__(self, *words: object, code: int | None = 0) -> Outcome:
        return run([self.program, *words], cwd=self.folder, env=PASSWORD, code=code)

    def keys(self, name: str) -> tuple[Path, Path]:
        """A private key and its public one."""
        self("generate-key-pair", "--output-key-prefix", name)
        return self.folder / f"{name}.key", self.folder / f"{name}.pub"

    def verify(self, image: str, key: Path, *words: str, code: int | None = 0) -> Outcome:
        known = ["--key", key, "--insecure-ignore-tlog=true", "--allow-insecure-registry"]
        return self("verify", *known, *words, image, code=code)


@pytest.fixture
def cosign(tmp_path: Path) -> Cosign:
    return Cosign(tmp_path)


def push(
    program: Program, here: Registry, name: str, folder: Path, *words: str, env: Env | None = None
) -> str:
    """Pushes a program for two platforms; its name with the digest."""
    need_target(AMD64)
    need_target(ARM64)
    project = tiny_project(folder / "project")
    flags = ["--platform", "linux/amd64,linux/arm64"]
    flags += ["--push", "--repository", here.name(name), "--tag", "1", "--base", "scratch", "--check", "off"]
    done = program(*flags, *words, cwd=project, env={**PASSWORD, **(env or {})})
    return f"{here.name(name)}@{done.digest}"


def verified(program: Program, image: str, key: Path) -> dict:
    return json.loads(program("verify", image, "--key", str(key), "--format", "json", cwd=key.parent).out)


@REGISTRIES
def test_cosign_verifies_what_is_pushed(
    kind: str, program: Program, registry, cosign: Cosign, tmp_path: Path
) -> None:
    (key, public), (_, other) = cosign.keys("own"), cosign.keys("other")
    image = push(program, registry(kind), "cosign/bundle", tmp_path, "--sign-key", str(key), "--sbom", "both")
    said = json.loads(cosign.verify(image, public).out)
    # One of them is the signature; the others state more.
    assert {one["critical"]["image"]["docker-manifest-digest"] for one in said} == {image.partition("@")[2]}
    assert cosign.verify(image, other, code=None).code != 0
    for predicate in ("slsaprovenance1", "spdxjson", "cyclonedx"):
        known = ["--key", public, "--insecure-ignore-tlog=true", "--allow-insecure-registry"]
        cosign("verify-attestation", *known, "--type", predicate, image)


@REGISTRIES
def test_cosign_verifies_the_older_form(
    kind: str, program: Program, registry, cosign: Cosign, tmp_path: Path
) -> None:
    (key, public), (_, other) = cosign.keys("own"), cosign.keys("other")
    flags = ["--sign-key", str(key), "--signature-format", "legacy"]
    image = push(program, registry(kind), "cosign/legacy", tmp_path, *flags)
    cosign.verify(image, public, LEGACY)
    assert cosign.verify(image, other, LEGACY, code=None).code != 0


@REGISTRIES
@pytest.mark.parametrize("form", ["bundle", "legacy"])
def test_the_program_verifies_what_cosign_signs(
    form: str, kind: str, program: Program, registry, cosign: Cosign, tmp_path: Path
) -> None:
    (key, public), (second, other) = cosign.keys("own"), cosign.keys("other")
    image = push(program, registry(kind), f"cosign/theirs-{form}", tmp_path)
    sign = ["sign", "--yes", "--allow-insecure-registry", *OFFLINE, *([LEGACY] if form == "legacy" else [])]
    cosign(*sign, "--key", key, image)
    assert verified(program, image, public)["digest"] == image.partition("@")[2]
    lock = ["lock", "-C", tmp_path / "project", "--base", f"{image.partition('@')[0]}:1"]
    program(*lock, cwd=tmp_path, env={"CONTAINERIZE_BASE_VERIFY": f"{{ key = '{public}' }}"})
    program(*lock, cwd=tmp_path, env={"CONTAINERIZE_BASE_VERIFY": f"{{ key = '{other}' }}"}, code=4)
    done = program("verify", image, "--key", str(other), cwd=tmp_path, code=4)
    assert "is not signed with this key" in done.err
    # A signature that is added by the other tool leaves this one where it is.
    cosign(*sign, "--key", second, image)
    for one in (public, other):
        verified(program, image, one)


@pytest.mark.parametrize("version", [1, 2])
def test_without_a_key_each_verifies_what_the_other_signs(
    version: int, program: Program, registry, cosign: Cosign, sigstore: Sigstore, tmp_path: Path
) -> None:
    """With either version of the transparency log."""
    root, whom = sigstore.folder / "trusted_root.json", ["--identity", WORKFLOW, "--issuer", ISSUER]
    theirs = ["--certificate-identity", WORKFLOW, "--certificate-oidc-issuer", ISSUER]
    known = ["--trusted-root", root, "--allow-insecure-registry"]
    config = ["--config", str(sigstore.config(tmp_path, version)), "--sbom", "spdx"]
    here = registry("anonymous")
    image = push(program, here, f"keyless/ours-{version}", tmp_path, *config, env=sigstore.job)
    cosign("verify", *known, *theirs, image)
    for predicate in ("slsaprovenance1", "spdxjson"):
        cosign("verify-attestation", *known, *theirs, "--type", predicate, image)
    of_another = [*theirs, "--certificate-github-workflow-repository", "acme/web"]
    assert cosign("verify", *known, *of_another, image, code=None).code != 0
    stranger = ["--certificate-identity", "me@x.org", "--certificate-oidc-issuer", ISSUER]
    assert cosign("verify", *known, *stranger, image, code=None).code != 0

    image = push(program, here, f"keyless/theirs-{version}", tmp_path / "theirs")
    services = ["--signing-config", sigstore.folder / f"signing_config_v{version}.json", *known]
    cosign("sign", "--yes", *services, "--identity-token", sigstore.folder / "token", image)
    done = program("verify", image, "--trusted-root", str(root), *whom, cwd=tmp_path)
    assert f"signed by {WORKFLOW}" in done.out
    refused = ["--identity", "me@x.org", "--issuer", ISSUER]
    program("verify", image, "--trusted-root", str(root), *refused, cwd=tmp_path, code=4)


def test_cosign_verifies_a_statement_about_files(
    program: Program, cosign: Cosign, sigstore: Sigstore, tmp_path: Path
) -> None:
    """With a key, and without one with either version of the transparency log."""
    (key, public), (_, other) = cosign.keys("own"), cosign.keys("other")
    names = ["app.tar.gz", "app.whl"]
    for name in names:
        (tmp_path / name).write_text(name)
    verify = ["verify-blob-attestation", "--type", "slsaprovenance1", "--bundle"]
    program("attest", *names, "--sign-key", str(key), "-o", "keyed.json", cwd=tmp_path, env=PASSWORD)
    known = ["--insecure-ignore-tlog=true", "--key"]
    for name in names:
        cosign(*verify, "keyed.json", *known, public, name)
    assert cosign(*verify, "keyed.json", *known, other, names[0], code=None).code != 0
    whom = ["--certificate-identity", WORKFLOW, "--certificate-oidc-issuer", ISSUER]
    stranger = ["--certificate-identity", "me@x.org", "--certificate-oidc-issuer", ISSUER]
    rooted = ["--trusted-root", sigstore.folder / "trusted_root.json"]
    for version in (1, 2):
        bundle = f"keyless-{version}.json"
        config = ["--config", str(sigstore.config(tmp_path, version)), "-o", bundle]
        program("attest", *names, *config, cwd=tmp_path, env=sigstore.job)
        for name in names:
            cosign(*verify, bundle, *rooted, *whom, name)
        assert cosign(*verify, bundle, *rooted, *stranger, names[0], code=None).code != 0
    (tmp_path / names[0]).write_text("changed")
    assert cosign(*verify, bundle, *rooted, *whom, names[0], code=None).code != 0


def test_the_program_verifies_what_cosign_states_about_a_file(
    program: Program, cosign: Cosign, tmp_path: Path
) -> None:
    (key, public), (_, other) = cosign.keys("own"), cosign.keys("other")
    (tmp_path / "app").write_text("program")
    predicate = tmp_path / "predicate.json"
    predicate.write_text(json.dumps({"builder": {"id": "me"}, "buildType": "x"}))
    how = ["--predicate", predicate, "--type", "slsaprovenance", "--bundle", "bundle.json", *OFFLINE]
    cosign("attest-blob", "--yes", "--key", key, *how, "app")
    words = ["verify", "app", "--bundle", "bundle.json", "--key"]
    done = program(*words, str(public), cwd=tmp_path)
    assert "slsa.dev/provenance/v0.2: signed" in done.out
    program(*words, str(other), cwd=tmp_path, code=4)


def test_without_a_key_each_verifies_the_other_s_older_form(
    program: Program, registry, cosign: Cosign, sigstore: Sigstore, tmp_path: Path
) -> None:
    root, whom = sigstore.folder / "trusted_root.json", ["--identity", WORKFLOW, "--issuer", ISSUER]
    theirs = ["--certificate-identity", WORKFLOW, "--certificate-oidc-issuer", ISSUER]
    known = ["--trusted-root", root, "--allow-insecure-registry", LEGACY]
    config = ["--config", str(sigstore.config(tmp_path)), "--signature-format", "legacy"]
    here = registry("anonymous")
    image = push(program, here, "keyless/ours-legacy", tmp_path, *config, env=sigstore.job)
    cosign("verify", *known, *theirs, image)
    stranger = ["--certificate-identity", "me@x.org", "--certificate-oidc-issuer", ISSUER]
    assert cosign("verify", *known, *stranger, image, code=None).code != 0

    image = push(program, here, "keyless/theirs-legacy", tmp_path / "theirs")
    services = ["--use-signing-config=false", "--fulcio-url", f"http://127.0.0.1:{sigstore.port}"]
    services += ["--rekor-url", f"http://127.0.0.1:{sigstore.port + 1}", *known]
    cosign("sign", "--yes", *services, "--identity-token", sigstore.folder / "token", image)
    done = program("verify", image, "--trusted-root", str(root), *whom, cwd=tmp_path)
    assert f"signed by {WORKFLOW}" in done.out
