"""What an image says of itself: bills of materials beside a scanner's, and held to the validators of their
formats."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from harness import (
    AMD64,
    ARM64,
    HELLO_TARGET,
    HELLO_WEB,
    REPOSITORY,
    Program,
    installed_tool,
    lab_image,
    need_mirror,
    need_target,
    run,
)
from python_projects import PROJECTS, with_uv

#: Kinds of packages in syft's words, and in those of package URLs.
KINDS = {"python": "pypi", "rust-crate": "cargo", "deb": "deb", "apk": "apk"}
#: The reference validators of both formats.
VALIDATORS = [
    *("spdx-tools==0.8.5", "cyclonedx-python-lib[json-validation]==11.12.0"),
    # What the NTIA says that every bill has at least.
    "ntia-conformance-checker==6.0.0",
]
STRICT = """import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(str(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()) or "") or None)
"""
FASTAPI = REPOSITORY / "examples" / "hello-fastapi"
SCIENCE = REPOSITORY / "tests" / "bench" / "python-science"
PYO3 = PROJECTS / "rust-maturin"
SLIM = "python:3.13-slim-bookworm"
#: Projects and their bases, by a name.
IMAGES = {
    "rust-static": (HELLO_WEB, None),
    "fastapi-slim": (FASTAPI, SLIM),
    "fastapi-distroless": (FASTAPI, "distroless/python3-debian12:nonroot"),
    "science-slim": (SCIENCE, SLIM),
    "pyo3-slim": (PYO3, SLIM),
    "rust-debian": (HELLO_WEB, "deb:trixie"),
}
#: Those that take long, or Debian's archive.
LARGE = ("science-slim", "pyo3-slim", "rust-debian")
EACH = [pytest.param(name, marks=pytest.mark.full) if name in LARGE else name for name in IMAGES]

Packages = set[tuple[str, str, str]]


def made(name: str, program: Program, folder: Path, **more: str) -> tuple[Path, Path, Path]:
    """The image as a layout, and its bill in both formats."""
    project, base = IMAGES[name]
    if base and base.startswith("deb:"):
        need_mirror()
    if project == HELLO_WEB:
        need_target(AMD64)
    else:
        project = Path(shutil.copytree(project, folder / "project", ignore=shutil.ignore_patterns("dist")))
    layout, spdx, cyclonedx = folder / "layout", folder / "bill.spdx.json", folder / "bill.cdx.json"
    flags = ["--platform", "linux/amd64", "-o", f"oci:{layout}:made", "--repository", "ghcr.io/acme/made"]
    flags += ["--base", base if base.startswith("deb:") else lab_image(base)] if base else []
    bills = ["--sbom-output", str(spdx), "--sbom-output", str(cyclonedx)]
    env = {**HELLO_TARGET, **(with_uv(folder, program) if name == "pyo3-slim" else {})}
    program(*flags, *bills, cwd=project, env=env | more)
    return layout, spdx, cyclonedx


def plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def scanned(layout: Path) -> Packages:
    beside = Path(sys.executable).parent / "syft"
    syft = str(beside) if beside.is_file() else shutil.which("syft")
    if syft is None:
        pytest.skip("syft is neither in tests/.venv nor on the PATH")
    found = json.loads(run([syft, "-q", f"oci-dir:{layout}", "-o", "json"]).out)["artifacts"]
    return {(KINDS[one["type"]], plain(one["name"]), one["version"]) for one in found if one["type"] in KINDS}


def listed(bill: Path) -> Packages:
    found = set()
    for part in json.loads(bill.read_text())["packages"]:
        for reference in part.get("externalRefs", []):
            kind = reference["referenceLocator"].removeprefix("pkg:").partition("/")[0]
            found.add((kind, plain(part["name"]), part.get("versionInfo", "")))
    return found


@pytest.mark.parametrize("name", EACH)
def test_a_bill_misses_nothing_that_a_scanner_finds(name: str, program: Program, tmp_path: Path) -> None:
    layout, spdx, _ = made(name, program, tmp_path)
    theirs, ours = scanned(layout), listed(spdx)
    assert len(theirs) > 10
    assert theirs - ours == set()
    own = {name for kind, name, _ in ours - theirs if kind in ("pypi", "deb")}
    assert own == set(), "nothing of these kinds is there that a scanner does not see"


@pytest.mark.full
@pytest.mark.parametrize("name", list(IMAGES))
def test_validators_take_a_bill(name: str, program: Program, tmp_path: Path) -> None:
    _, spdx, cyclonedx = made(name, program, tmp_path)
    venv = tmp_path / "validators"
    run([sys.executable, "-m", "venv", venv])
    run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *VALIDATORS])
    run([venv / "bin/pyspdxtools", "-i", spdx])
    run([venv / "bin/python", "-c", STRICT, cyclonedx])
    checked = run([venv / "bin/ntia-checker", "--file", spdx, "--output", "json"], code=None).out
    assert json.loads(checked)["isNtiaConformant"], checked


@pytest.mark.full
def test_an_extension_module_in_rust_names_its_crates(program: Program, tmp_path: Path) -> None:
    """maturin writes them into the wheel (PEP 770)."""
    layout, spdx, cyclonedx = made("pyo3-slim", program, tmp_path)
    locked = tomllib.loads((PYO3 / "Cargo.lock").read_text())["package"]
    crates = {("cargo", plain(one["name"]), one["version"]) for one in locked}
    # The project is a distribution, and the crate that its module is built from.
    assert {one for one in listed(spdx) if one[0] == "cargo"} == crates
    assert ("pypi", "rusty", "1.0.0") in listed(spdx)
    for bill in (spdx, cyclonedx):
        assert str(tmp_path) not in bill.read_text()
        assert "file:" not in bill.read_text()
    # maturin's own document in the wheel would name the folder of the project.
    elsewhere = tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    cache = str(tmp_path / "cache")
    digests = [
        json.loads((made_there / "index.json").read_text())["manifests"][0]["digest"]
        for made_there in (layout, made("pyo3-slim", program, elsewhere, CONTAINERIZE_CACHE_DIR=cache)[0])
    ]
    assert digests[0] == digests[1]


@pytest.mark.full
def test_trivy_finds_the_bill_of_a_tag_for_several_platforms(
    program: Program, registry, tmp_path: Path
) -> None:
    """It looks at the tag's own digest, whichever platform it is asked for."""
    need_target(AMD64)
    need_target(ARM64)
    trivy, name = installed_tool("trivy"), registry("anonymous").name("trivy/hello-web")
    flags = ["--push", "--repository", name, "--platform", "linux/amd64,linux/arm64", "--sbom", "spdx"]
    program(*flags, cwd=HELLO_WEB, env=HELLO_TARGET)
    found = tmp_path / "found.json"
    scan = [trivy, "image", "--cache-dir", tmp_path / "trivy", "--insecure", "--platform", "linux/amd64"]
    scan += ["--format", "cyclonedx", "-o", found]
    assert (
        "Found SBOM (spdx) in the OCI referrers" in run([*scan, "--sbom-sources", "oci", f"{name}:0.1.0"]).err
    )
    # Without, it reads what the program says of itself.
    run([*scan, f"{name}:0.1.0"])
    assert {"axum", "tokio"} <= {one["name"] for one in json.loads(found.read_text())["components"]}
