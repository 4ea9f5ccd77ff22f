"""Distributions that somebody must have published: an index that shows attestations, and services of
Sigstore that are the tests' own."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from harness import OWN_LAB, Program, run
from python_projects import copied, flags, with_uv
from services_of_sigstore import Sigstore

PYPI = "https://pypi.org/simple"
SIMPLE = "application/vnd.pypi.simple.v1+json"
FIXTURES = OWN_LAB.parent / "fixtures/trust/attested"
WHEEL = "shop-1.0-py3-none-any.whl"
#: A second opinion on what is attested.
ORACLE = "pypi-attestations==0.0.30"


@dataclass
class Index:
    """An index in PyPI's place: what it has not itself it has from there."""

    port: int = 0
    #: Pages of its own, and files by their paths.
    pages: dict[str, dict] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    #: By the names of files.
    shown: dict[str, dict] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str) -> tuple[str, bytes]:
        self.asked.append(path)
        if found := re.fullmatch(r"/simple/([^/]+)/", path):
            page = self.pages.get(found[1]) or self.of_pypi(found[1])
            for file in page["files"]:
                if file["filename"] in self.shown:
                    file["provenance"] = f"{self.url}/integrity/{file['filename']}"
            return SIMPLE, json.dumps(page).encode()
        if found := re.fullmatch(r"/integrity/(.+)", path):
            return "application/vnd.pypi.integrity.v1+json", json.dumps(self.shown[found[1]]).encode()
        return "application/octet-stream", self.files[path]

    def of_pypi(self, name: str) -> dict:
        question = urllib.request.Request(f"{PYPI}/{name}/", headers={"Accept": SIMPLE})
        with urllib.request.urlopen(question, timeout=60) as answer:
            self.pages[name] = json.load(answer)
        return self.pages[name]


@pytest.fixture
def index() -> Iterator[Index]:
    own = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                kind, body = own.answer(self.path)
            except (KeyError, OSError):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    own.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield own
    server.shutdown()


def attested(program: Program, sigstore: Sigstore, file: Path, folder: Path) -> dict:
    """What an index has of a file that a job has attested."""
    made = folder / "bundle.json"
    program("attest", file, "--config", sigstore.config(folder), "-o", made, cwd=folder, env=sigstore.job)
    bundle = json.loads(made.read_text())
    material, envelope = bundle["verificationMaterial"], bundle["dsseEnvelope"]
    own = {
        "version": 1,
        "verification_material": {
            "certificate": material["certificate"]["rawBytes"],
            "transparency_entries": material["tlogEntries"],
        },
        "envelope": {"statement": envelope["payload"], "signature": envelope["signatures"][0]["sig"]},
    }
    publisher = {"kind": "GitHub", "repository": "acme/shop", "workflow": "release.yml", "environment": None}
    return {"version": 1, "attestation_bundles": [{"publisher": publisher, "attestations": [own]}]}


def test_a_service_is_built_only_from_what_its_publisher_has_attested(
    program: Program, sigstore: Sigstore, index: Index, tmp_path: Path
) -> None:
    try:
        page = index.of_pypi("fastapi")
    except OSError as error:
        pytest.skip(f"no index: {error}")
    project = copied("service-uv", tmp_path)
    pinned = re.search(
        r"/(fastapi-[^/\"]+\.whl)\", hash = \"sha256:(\w+)\"", (project / "uv.lock").read_text()
    )
    assert pinned
    [file] = [file for file in page["files"] if file["filename"] == pinned[1]]
    wheel = tmp_path / pinned[1]
    with urllib.request.urlopen(file["url"], timeout=60) as answer:
        wheel.write_bytes(answer.read())
    root = sigstore.folder / "trusted_root.json"
    layout = tmp_path / "image"

    def build(publisher: str, *more: str, code: int = 0) -> str:
        table = f'{{ FastAPI = {{ {publisher}, trusted-root = "{root}" }} }}'
        env = {**tools, "CONTAINERIZE_WHEEL_VERIFY": table, "UV_DEFAULT_INDEX": f"{index.url}/simple"}
        done = program(*flags("slim"), "-o", f"oci:{layout}:made", *more, cwd=project, env=env, code=code)
        return done.err

    tools = with_uv(tmp_path, program)
    own = 'repository = "acme/shop", workflow = "release.yml"'
    said = build(own, code=4)
    assert f"{wheel.name} must be attested, but {index.url}/simple" in said
    index.shown[wheel.name] = attested(program, sigstore, wheel, tmp_path)
    said = build('repository = "fastapi/fastapi"', code=4)
    assert "it was published by release.yml of acme/shop on GitHub, but fastapi/fastapi must" in said
    assert not layout.exists()
    said = build(own, "--attestations", "referrers")
    assert f"{wheel.name} was published by release.yml of acme/shop on GitHub" in said
    assert layout.exists()
    assert any(is_recorded(blob) for blob in layout.glob("blobs/sha256/*"))

    # Nobody is asked again, and another publisher is another question.
    index.asked.clear()
    build(own, "--offline")
    assert not index.asked
    said = build('repository = "acme/shop", workflow = "other.yml"', "--offline", code=2)
    assert f"the attestations of {wheel.name} were not verified before" in said


def is_recorded(blob: Path) -> bool:
    """Whether a blob is provenance that names who has published a wheel."""
    if not (text := blob.read_bytes()).startswith(b'{"_type"'):
        return False
    materials = json.loads(text)["predicate"]["buildDefinition"]["resolvedDependencies"]
    found = [
        one["annotations"]["published-by"]
        for one in materials
        if "published-by" in one.get("annotations", {})
    ]
    return found == [[{"kind": "GitHub", "repository": "acme/shop", "workflow": "release.yml"}]]


def changes(good: dict) -> Iterator[tuple[str, dict]]:
    """An answer with one thing in it that is wrong."""

    def change(name: str, edit: Callable[[dict], None]) -> tuple[str, dict]:
        answer = copy.deepcopy(good)
        edit(answer)
        return name, answer

    def flip(*path: object) -> Callable[[dict], None]:
        def edit(answer: dict) -> None:
            place = first(answer)
            for step in path[:-1]:
                place = place[step]
            content = bytearray(base64.b64decode(place[path[-1]]))
            content[-8] ^= 1
            place[path[-1]] = base64.b64encode(content).decode()

        return edit

    def first(answer: dict) -> dict:
        return answer["attestation_bundles"][0]["attestations"][0]

    material = "verification_material"
    yield change("signature", flip("envelope", "signature"))
    yield change("statement", flip("envelope", "statement"))
    yield change("certificate", flip(material, "certificate"))
    yield change("log", flip(material, "transparency_entries", 0, "canonicalizedBody"))
    yield change("entries", lambda answer: first(answer)[material]["transparency_entries"].clear())
    for key, value in [("repository", "acme/other"), ("workflow", "other.yml"), ("repository", "Acme/shop")]:

        def claim(answer: dict, key: str = key, value: str = value) -> None:
            answer["attestation_bundles"][0]["publisher"][key] = value

        yield change(value, claim)
    yield change("version", lambda answer: first(answer).update(version=2))


@pytest.mark.full
def test_pypi_attestations_comes_to_the_same(program: Program, index: Index, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    run([sys.executable, "-m", "venv", venv])
    run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", ORACLE])
    cases = json.loads((FIXTURES / "cases.json").read_text())
    # Its logs promise no time, and timestamps are not in the standard yet.
    del cases["stamped"]
    cases |= {f"changed {name}": answer for name, answer in changes(cases["good"])}
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    files = [FIXTURES / WHEEL, FIXTURES / "root.json", tmp_path / "cases.json"]
    oracle = run([venv / "bin/python", "-c", VERDICTS, *files])
    expected: dict[str, str] = json.loads(oracle.out)
    assert {name for name, why in expected.items() if not why} == {"good", "spelled", "reused", "google"}

    wheel = (FIXTURES / WHEEL).read_bytes()
    digest = hashlib.sha256(wheel).hexdigest()
    index.files[f"/files/{WHEEL}"] = wheel
    own = {"filename": WHEEL, "url": f"/files/{WHEEL}", "hashes": {"sha256": digest}}
    index.pages["shop"] = {"meta": {"api-version": "1.3"}, "name": "shop", "files": [own]}
    project = tmp_path / "store"
    project.mkdir()
    (project / "main.py").write_text("if __name__ == '__main__':\n    print()\n")
    (project / "requirements.txt").write_text(f"shop==1.0 --hash=sha256:{digest}\n")
    table = f'{{ shop = {{ trusted-root = "{FIXTURES}/root.json" }} }}'
    env = {"CONTAINERIZE_WHEEL_VERIFY": table, "PIP_INDEX_URL": f"{index.url}/simple"}
    for name, answer in cases.items():
        index.shown[WHEEL] = answer
        words = [*flags("slim"), "--no-cache", "--check=off", "-o", f"oci:{tmp_path}/image"]
        done = program(*words, cwd=project, env=env, code=None)
        assert done.code == (4 if expected[name] else 0), f"{name}: {expected[name]}\n{done.err}"

    # What PyPI answers, with Sigstore's public services.
    run([venv / "bin/python", "-c", OF_PYPI, FIXTURES / "pypi-google.json"])


#: Ends well where the recorded answer is good.
OF_PYPI = """
import json, sys
from pathlib import Path
from pypi_attestations import Distribution, Provenance

digest = "461317362419124b6012e855423a9078d6de8aed3e74fa78cc74d669b23dc6cf"
file = Distribution(name="gcb_attestation_test-0.0.0.tar.gz", digest=digest)
for bundle in Provenance.model_validate_json(Path(sys.argv[1]).read_text()).attestation_bundles:
    for attestation in bundle.attestations:
        attestation.verify(bundle.publisher, file, offline=True)
"""

#: Why each answer is refused; nothing where it is not.
VERDICTS = """
import json, sys
from pathlib import Path
from pydantic import ValidationError
from pypi_attestations import AttestationError, Distribution, Provenance
from sigstore.models import TrustedRoot
from sigstore.verify import Verifier

wheel, root, cases = map(Path, sys.argv[1:])
own = TrustedRoot.from_file(str(root))
Verifier.production = classmethod(lambda cls, offline=False: cls(trusted_root=own))
file, verdicts = Distribution.from_file(wheel), {}
for name, answer in json.loads(cases.read_text()).items():
    verdicts[name] = ""
    try:
        for bundle in Provenance.model_validate(answer).attestation_bundles:
            for attestation in bundle.attestations:
                attestation.verify(bundle.publisher, file)
    except (AttestationError, ValidationError, ValueError) as error:
        verdicts[name] = f"{type(error).__name__}: {error}"
print(json.dumps(verdicts))
"""
