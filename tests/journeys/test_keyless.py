"""Signatures without a key, with the services of Sigstore that `tests/lab` has."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import (
    AMD64,
    HELLO_TARGET,
    HELLO_WEB,
    Env,
    Outcome,
    Program,
    Registry,
    Services,
    need_target,
    run,
    tiny_project,
)
from services_of_sigstore import ISSUER, SOURCE, WORKFLOW, Sigstore, start

#: A second opinion on what the program signs.
SIGSTORE = "sigstore==4.5.1"


@pytest.fixture
def push(program: Program, registry: Callable[[str], Registry], request: pytest.FixtureRequest) -> Callable:
    """Pushes the example into a repository of this test's own."""
    need_target(AMD64)
    own = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    name = registry("anonymous").name(f"keyless/{own}")

    def pushed(*flags: str | Path, env: Env, code: int = 0) -> Outcome:
        words = ["--push", "--repository", name, "--platform", "linux/amd64", *flags]
        return program(*words, cwd=HELLO_WEB, env={**HELLO_TARGET, **env}, code=code)

    return pushed


def said(done: Outcome) -> list[str]:
    """The command that a push says to check its signature with, and its flags."""
    found = re.search(r"`containerize (verify [^`]+)`", done.err)
    assert found, done.err
    return shlex.split(found[1])


@pytest.mark.parametrize("version", [1, 2])
def test_a_job_signs_as_its_workflow(
    version: int, program: Program, push: Callable, sigstore: Sigstore, tmp_path: Path
) -> None:
    config = sigstore.config(tmp_path, version)
    sigstore.asked()
    first = push("--config", config, env=sigstore.job)
    asked = sigstore.asked()
    entries = f"POST /api/v{version}/log/entries"
    # The image, its provenance and its bill; one token and one certificate for all of them.
    assert sorted(set(asked)) == sorted(
        ["GET /github/token", "POST /api/v1/timestamp", "POST /api/v2/signingCert", entries]
    )
    assert asked.count("GET /github/token") == asked.count("POST /api/v2/signingCert") == 1
    assert asked.count(entries) == asked.count("POST /api/v1/timestamp") == 3

    verify = said(first)
    done = program(*verify, cwd=tmp_path)
    assert f"signed by {WORKFLOW}\n  issuer: {ISSUER}\n  source: {SOURCE} at refs/tags/v1\n" in done.out
    assert verify[verify.index("--source") + 1] == SOURCE
    assert f"provenance: signed, built by {WORKFLOW}\n" in done.out
    assert "SBOM (SPDX): signed\n" in done.out
    image = verify[-1]
    root = ["--trusted-root", sigstore.folder / "trusted_root.json"]
    other = program(
        "verify", image, *root, "--identity", "me@x.org", "--issuer", ISSUER, cwd=tmp_path, code=4
    )
    assert f"it was signed by {WORKFLOW}, but me@x.org must have signed it" in other.err
    public = program("verify", image, "--identity", WORKFLOW, "--issuer", ISSUER, cwd=tmp_path, code=4)
    assert "the trusted root does not name" in public.err

    # Nothing is new: nothing is signed again.
    again = push("--config", config, env=sigstore.job)
    assert said(again) == verify
    assert sigstore.asked() == ["GET /github/token"]
    # Nor by a runner that has never seen this image, in another run: the registry has what was signed.
    fresh = {"XDG_CACHE_HOME": str(tmp_path / "runner"), "GITHUB_RUN_ID": "2"}
    again = push("--config", config, env={**sigstore.job, **fresh})
    assert said(again) == verify
    assert sigstore.asked() == ["GET /github/token"]


def test_a_signature_that_the_registry_has_counts_only_if_it_verifies(
    push: Callable, sigstore: Sigstore, services: Services, tmp_path: Path
) -> None:
    other = start(services)
    (tmp_path / "other").mkdir()
    push("--config", other.config(tmp_path / "other"), env=other.job)
    sigstore.asked()
    # They name the same signer, but the trusted root knows nobody who vouched for that.
    fresh = {"XDG_CACHE_HOME": str(tmp_path / "runner")}
    push("--config", sigstore.config(tmp_path), env={**sigstore.job, **fresh})
    assert "POST /api/v2/signingCert" in sigstore.asked()


@pytest.mark.parametrize("form", ["bundle", "legacy"])
def test_an_image_is_a_base_for_those_who_trust_its_workflow(
    form: str, program: Program, push: Callable, sigstore: Sigstore, tmp_path: Path
) -> None:
    base = push(
        "--config", sigstore.config(tmp_path), "--signature-format", form, env=sigstore.job
    ).out.strip()
    project, root = tiny_project(tmp_path / "project"), sigstore.folder / "trusted_root.json"

    def built(identity: str, *flags: str, code: int = 0) -> Outcome:
        certificate = f"identity = '{identity}', issuer = '{ISSUER}', source = '{SOURCE}'"
        signer = f"{{ {certificate}, trusted-root = '{root}' }}"
        words = ["--base", base, "--platform", "linux/amd64", "--cache-dir", tmp_path / "cache", *flags]
        return program(*words, cwd=project, env={"CONTAINERIZE_BASE_VERIFY": signer}, code=code)

    refused = built("me@x.org", code=4)
    assert f"it was signed by {WORKFLOW}, but me@x.org must have signed it" in refused.err
    assert f"{base} is signed by {WORKFLOW}" in built(WORKFLOW).err
    again = built(WORKFLOW, "--offline")
    assert "is signed by" not in again.err, "it is remembered"
    assert "was not verified before" in built("me@x.org", "--offline", code=2).err


@pytest.mark.parametrize("form", ["legacy", "both"])
def test_the_older_form_is_signed_without_a_key_too(
    form: str, program: Program, push: Callable, sigstore: Sigstore, tmp_path: Path
) -> None:
    flags = ["--config", sigstore.config(tmp_path), "--signature-format", form, "--sbom", "none"]
    # Nothing is remembered of the same image elsewhere.
    job = {**sigstore.job, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    sigstore.asked()
    first = push(*flags, env=job)
    asked = sigstore.asked()
    # The image's signature, and with bundles that of the image and of its provenance.
    assert asked.count("POST /api/v1/log/entries") == (1 if form == "legacy" else 3)
    assert asked.count("POST /api/v2/signingCert") == 1
    verify = said(first)
    assert f"signed by {WORKFLOW}" in program(*verify, cwd=tmp_path).out

    host, _, rest = verify[-1].partition("/")
    repository, _, digest = rest.partition("@")
    address = f"http://{host}/v2/{repository}/manifests/{digest.replace(':', '-')}.sig"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    with urllib.request.urlopen(urllib.request.Request(address, headers=accept)) as answer:
        [layer] = json.load(answer)["layers"]
    names = ["certificate", "chain", "bundle"]
    assert set(layer["annotations"]) == {
        *("dev.cosignproject.cosign/signature", "io.containerize.signed-by"),
        *(f"dev.sigstore.cosign/{name}" for name in names),
    }
    other = list(verify)
    other[other.index("--source") + 1] = "https://github.com/acme/web"
    refused = program(*other, cwd=tmp_path, code=4)
    assert f"for the repository {SOURCE}, but https://github.com/acme/web was expected" in refused.err

    # Nothing is new: nothing is signed again, not by a runner without that cache either.
    push(*flags, env=job)
    assert sigstore.asked() == ["GET /github/token"]
    again = push(*flags, env={**job, "XDG_CACHE_HOME": str(tmp_path / "runner")})
    assert said(again) == verify
    assert sigstore.asked() == ["GET /github/token"]
    tiled = ["--config", sigstore.config(tmp_path, 2), "--signature-format", form]
    refused = push(*tiled, env=sigstore.job, code=2)
    assert "signing_config_v2.json names no log of Rekor v1, which that form needs" in refused.err
    assert sigstore.asked() == []


def test_a_token_is_asked_for_before_anything_is_built(
    push: Callable, sigstore: Sigstore, tmp_path: Path
) -> None:
    config = sigstore.config(tmp_path)

    def refused(*flags: str | Path, env: Env) -> str:
        done = push("--config", config, *flags, env=env, code=2)
        assert "Building" not in done.err, done.err
        return done.err

    assert "--identity-token FILE" in refused(env={})
    assert "`id-token: write`" in refused(env={"GITHUB_ACTIONS": "true"})
    assert "id_tokens" in refused(env={"GITLAB_CI": "true"})
    token = (sigstore.folder / "token").read_text()
    old = tmp_path / "old"
    old.write_text(changed(token, exp=int(time.time()) - 60))
    assert "it expired at" in refused("--identity-token", old, env={})
    assert "it expired at" in refused(env={"SIGSTORE_ID_TOKEN": old.read_text()})
    in_the_open = {**sigstore.job, "ACTIONS_ID_TOKEN_REQUEST_URL": "http://token.example.org/?a=b"}
    assert "spoken to without TLS" in refused(env=in_the_open)
    old.write_text("hunter2")
    err = refused("--identity-token", old, env={})
    assert "is not an identity token" in err
    assert "hunter2" not in err
    assert "cannot be read" in refused("--identity-token", tmp_path / "none", env={})
    nothing = push("--identity-token", old, env={}, code=2)
    assert "--identity-token has no effect" in nothing.err


def changed(token: str, **claims: object) -> str:
    import base64

    head, body, end = token.split(".")
    all_claims = json.loads(base64.urlsafe_b64decode(body + "==")) | claims
    body = base64.urlsafe_b64encode(json.dumps(all_claims).encode()).decode().rstrip("=")
    return f"{head}.{body}.{end}"


def test_a_person_signs_with_a_token_in_a_file_or_a_variable(
    program: Program, push: Callable, sigstore: Sigstore, tmp_path: Path
) -> None:
    token = (sigstore.folder / "token").read_text()
    person = {"job_workflow_ref": None, "email": "ada@example.org", "iss": "https://accounts.example.org"}
    file = tmp_path / "token"
    file.write_text(changed(token, **person))
    done = push("--config", sigstore.config(tmp_path), "--identity-token", file, env={})
    assert said(done)[1:5] == ["--identity", "ada@example.org", "--issuer", "https://accounts.example.org"]
    job = changed(
        token, job_workflow_ref=None, sub="https://gitlab.com/acme/web//.gitlab-ci.yml@refs/heads/main"
    )
    done = push("--config", sigstore.config(tmp_path), env={"GITLAB_CI": "true", "SIGSTORE_ID_TOKEN": job})
    assert "//.gitlab-ci.yml" in said(done)[2]
    google = push(
        "--config", sigstore.config(tmp_path), env={"GCE_METADATA_HOST": f"127.0.0.1:{sigstore.port}"}
    )
    assert said(google)[1:5] == [
        *["--identity", "robot@acme.iam.gserviceaccount.com"],
        *["--issuer", "https://accounts.google.com"],
    ]
    # Either signature is there, and each is found by its own name.
    image = said(done)[-1]
    root = ["--trusted-root", sigstore.folder / "trusted_root.json"]
    issuer = ["--issuer-pattern", "https://.*"]
    ada = ["verify", image, *root, "--identity", "ada@example.org", *issuer]
    program(*ada, cwd=tmp_path)
    # A person's certificate names no repository.
    refused = program(*ada, "--source", SOURCE, cwd=tmp_path, code=4)
    assert "whose certificate does not say for which repository" in refused.err


def test_a_policy_is_a_gate_of_the_build(push: Callable, sigstore: Sigstore, tmp_path: Path) -> None:
    root = sigstore.folder / "trusted_root.json"

    def build(identity: str, *more: str, code: int = 0) -> str:
        policy = tmp_path / "policy.toml"
        signer = f'identity = "{identity}", issuer = "{ISSUER}", source = "{SOURCE}", trusted-root = "{root}"'
        policy.write_text(f"signed-by = [{{ {signer} }}]\nnot-root = true\nbases = ['static']\n")
        words = ["--config", sigstore.config(tmp_path), "--policy", policy, *more]
        return push(*words, env=sigstore.job, code=code).err

    sigstore.asked()
    err = build("somebody", "--user", "0", code=4)
    assert "breaks 2 of 3 rules" in err
    assert f"signed-by: it would be signed by {WORKFLOW}, who is not one of those that may" in err
    assert "not-root: it runs as root on linux/amd64" in err
    # Nobody has certified or recorded anything.
    assert set(sigstore.asked()) == {"GET /github/token"}
    assert "keeps all 3 rules" in build(WORKFLOW)
    assert any("log/entries" in asked for asked in sigstore.asked())


def test_a_workflow_that_two_repositories_call_signs_for_each(
    program: Program, push: Callable, sigstore: Sigstore, tmp_path: Path
) -> None:
    config, token = sigstore.config(tmp_path), (sigstore.folder / "token").read_text()
    root = ["--trusted-root", sigstore.folder / "trusted_root.json"]

    def signed(repository: str) -> list[str]:
        file = tmp_path / "token"
        file.write_text(changed(token, repository=repository))
        return said(push("--config", config, "--identity-token", file, env={}))

    first = signed("acme/shop")
    whom = ["verify", first[-1], *root, "--identity", WORKFLOW, "--issuer", ISSUER]
    other = [*whom, "--source", "https://github.com/acme/web"]
    refused = program(*other, cwd=tmp_path, code=4)
    assert f"for the repository {SOURCE}, but https://github.com/acme/web was expected" in refused.err
    assert f"use --source {SOURCE}" in refused.err
    # The same image and workflow: but neither what is remembered nor what hangs there stands in for it.
    second = signed("acme/web")
    assert second[-1] == first[-1]
    program(*second, cwd=tmp_path)
    program(*first, cwd=tmp_path)
    program(*other, cwd=tmp_path)


def test_a_job_says_where_files_were_built(program: Program, sigstore: Sigstore, tmp_path: Path) -> None:
    """Files that something else built: one statement about all of them, one entry in the log."""
    for name in ("app.tar.gz", "app.whl"):
        # What was signed before is remembered.
        (tmp_path / name).write_text(f"{name} of {tmp_path}")
    sigstore.asked()
    words = ["--config", sigstore.config(tmp_path, 2), "--format", "json"]
    done = program("attest", "app.tar.gz", "app.whl", *words, cwd=tmp_path, env=sigstore.job)
    assert [one["name"] for one in json.loads(done.out)["files"]] == ["app.tar.gz", "app.whl"]
    asked = sigstore.asked()
    assert sorted(asked) == [
        "GET /github/token",
        "POST /api/v1/timestamp",
        "POST /api/v2/log/entries",
        "POST /api/v2/signingCert",
    ]
    verify = said(done)
    program("attest", "app.tar.gz", "app.whl", *words, cwd=tmp_path, env=sigstore.job)
    assert sigstore.asked() == ["GET /github/token"], "it is remembered"
    good = program(*verify, "app.whl", cwd=tmp_path)
    assert f"signed by {WORKFLOW}\n  issuer: {ISSUER}\n" in good.out
    assert f"provenance: signed, built by {WORKFLOW}\n" in good.out
    other = [word if word != WORKFLOW else "me@x.org" for word in verify]
    refused = program(*other, cwd=tmp_path, code=4)
    assert f"it was signed by {WORKFLOW}, but me@x.org must have signed it" in refused.err
    (tmp_path / "app.whl").write_text("changed")
    refused = program(*verify, "app.whl", cwd=tmp_path, code=4)
    assert "the app.whl that was signed has other content" in refused.err


def test_no_tag_is_pushed_if_a_service_refuses(
    program: Program, push: Callable, services: Services, sigstore: Sigstore, tmp_path: Path
) -> None:
    config, root = sigstore.config(tmp_path), sigstore.folder / "trusted_root.json"
    token = tmp_path / "token"
    token.write_text(changed((sigstore.folder / "token").read_text(), aud="vault"))
    wrong = push("--config", config, "--identity-token", token, env={}, code=3)
    assert "cannot get a certificate from http://127.0.0.1" in wrong.err
    assert "the token is not for sigstore" in wrong.err
    assert '"vault"' in wrong.err
    assert token.read_text() not in wrong.err

    other = start(services)
    mixed = tmp_path / "mixed.toml"
    table = f'keyless = true, signing-config = "{sigstore.folder}/signing_config_v2.json"'
    mixed.write_text(f'sign = {{ {table}, trusted-root = "{other.folder}/trusted_root.json" }}\n')
    wrong = push("--config", mixed, env=sigstore.job, code=4)
    assert "does not verify, so it is not used" in wrong.err

    other_config = other.config(tmp_path)
    services.stop(other.folder.name)
    gone = push("--config", other_config, "--retries", "0", env=sigstore.job, code=3)
    assert "cannot get a certificate from http://127.0.0.1" in gone.err
    # A build that signs nothing does not mind that no token can be had.
    job = {**sigstore.job, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "wrong"}
    done = push("--retries", "0", env=job)
    assert "the provenance does not name the workflow" in done.err
    image = f"{done.out.strip()}"
    unsigned = program(
        "verify",
        image,
        "--trusted-root",
        root,
        "--identity",
        WORKFLOW,
        "--issuer",
        ISSUER,
        cwd=tmp_path,
        code=4,
    )
    assert "is not signed" in unsigned.err


@pytest.mark.full
def test_sigstore_python_agrees(push: Callable, sigstore: Sigstore, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    run([sys.executable, "-m", "venv", venv])
    run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", SIGSTORE])
    for version in (1, 2):
        label = f"rekor=v{version}"
        done = push("--config", sigstore.config(tmp_path, version), "--label", label, env=sigstore.job)
        host, _, rest = said(done)[-1].partition("/")
        repository, _, digest = rest.partition("@")
        run([venv / "bin/python", "-c", AGREES, f"http://{host}/v2/{repository}", digest, sigstore.folder])


AGREES = f"""
import json, sys, urllib.request
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy

base, digest, folder = sys.argv[1:]
kinds = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"

def get(path):
    return urllib.request.urlopen(urllib.request.Request(base + path, headers={{"Accept": kinds}})).read()

verifier = Verifier(trusted_root=TrustedRoot.from_file(f"{{folder}}/trusted_root.json"))
stated = []
for entry in json.loads(get("/manifests/" + digest.replace(":", "-")))["manifests"]:
    if "sigstore.bundle" not in entry.get("artifactType", ""):
        continue
    manifest = json.loads(get("/manifests/" + entry["digest"]))
    bundle = Bundle.from_json(get("/blobs/" + manifest["layers"][0]["digest"]))
    who = policy.Identity(identity="{WORKFLOW}", issuer="{ISSUER}")
    statement = json.loads(verifier.verify_dsse(bundle, who)[1])
    assert any("sha256:" + one["digest"]["sha256"] == digest for one in statement["subject"])
    stated.append(statement["predicateType"])
assert len(stated) == 3, stated
"""
