"""Debian packages on top of bases: what runs, what scanners see, and agreement with apt.

They come from the mirror that this machine's own apt asks."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from defects import File, on_base
from harness import MIRROR, Podman, Program, lab_bases, lab_image, register_arm64, run, tiny_project
from python_projects import BASES, MACHINE, PLATFORMS, USAGE, lab_base, make
from validator import Image

AMD64, ARM64 = PLATFORMS
pytestmark = pytest.mark.usefixtures("mirror")
ARCHIVE_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
#: psycopg's pure Python part loads libpq by `ctypes.util.find_library`.
PSYCOPG = """psycopg==3.2.10 \\
    --hash=sha256:ab5caf09a9ec42e314a21f5216dbcceac528e0e05142e42eea83a3b28b320ac3
typing_extensions==4.16.0; python_version < "3.13" \\
    --hash=sha256:481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8
"""
FINDS = """import platform
import psycopg
print(psycopg.__version__, psycopg.pq.__impl__, psycopg.pq.version() // 10000, platform.machine())
"""
LOADS = """import ctypes, platform
print(ctypes.CDLL("libpq.so.5").PQlibVersion() // 10000, platform.machine())
"""
LINKED = """#[link(name = "pq")]
extern "C" { fn PQlibVersion() -> i32; }
fn main() { println!("libpq {}", unsafe { PQlibVersion() } / 10000); }
"""
#: Debian's releases by number.
RELEASES = {"12": "bookworm", "13": "trixie"}
#: Of the releases that bases have: one that is made here may be of another than the public one.
POSTGRESQL_OF = {"bookworm": "15", "trixie": "17"}


def blob(digest: str) -> Path:
    return lab_bases() / "blobs" / digest.replace(":", "/")


def files_in(base: str, platform: str, wanted: Callable[[str], bool]) -> dict[str, str]:
    """The texts of files of a base, by their paths."""
    roots = json.loads((lab_bases() / "index.json").read_text())["manifests"]
    named = "org.opencontainers.image.ref.name"
    root = next(entry for entry in roots if entry["annotations"][named] == BASES[base])
    images = json.loads(blob(root["digest"]).read_text())["manifests"]
    arch = platform.rpartition("/")[2]
    image = next(entry for entry in images if entry["platform"]["architecture"] == arch)
    texts = {}
    for layer in json.loads(blob(image["digest"]).read_text())["layers"]:
        with tarfile.open(blob(layer["digest"])) as archive:
            for member in archive:
                path = member.name.removeprefix("./")
                if member.isreg() and wanted(path):
                    texts[path] = archive.extractfile(member).read().decode()
    return texts


@functools.cache
def release(base: str) -> str:
    """Debian's name for the base's release; distroless says only its number."""
    [text] = files_in(base, AMD64, lambda path: path == "usr/lib/os-release").values()
    named = re.search(r"^VERSION_CODENAME=(\w+)$", text, re.MULTILINE)
    return named[1] if named else RELEASES[re.search(r'^VERSION_ID="(\d+)"$', text, re.MULTILINE)[1]]


def postgresql(base: str) -> str:
    lab_base(base)
    return POSTGRESQL_OF[release(base)]


def project(folder: Path, main: str, requirements: str = "") -> Path:
    place = folder / "app"
    place.mkdir()
    (place / "main.py").write_text(main)
    if requirements:
        (place / "requirements.txt").write_text(requirements)
    else:
        (place / "pyproject.toml").write_text("[project]\nname = 'app'\nversion = '1.0'\n")
    return place


WITH_LIBPQ = ["--debian", "libpq5", "--entrypoint", "python /app/main.py"]


@pytest.mark.parametrize(
    ("base", "platform"),
    [
        pytest.param(
            base, platform, marks=[] if (base, platform) == ("distroless", AMD64) else pytest.mark.full
        )
        for base in BASES
        for platform in PLATFORMS
    ],
)
def test_psycopg_finds_its_library(
    base: str, platform: str, program: Program, tmp_path: Path, podman_kept: Podman
) -> None:
    if platform == ARM64:
        register_arm64()
    here = project(tmp_path, FINDS, PSYCOPG)
    # Distroless images have no ldconfig to ask.
    asked = ["--debian", "libc-bin"] if base == "distroless" else []
    outcome = program(
        *["--base", lab_base(base), "--platform", platform, *WITH_LIBPQ, *asked],
        *["-o", "docker-archive:made.tar"],
        cwd=here,
    )
    image = podman_kept.load(here / "made.tar")
    told = podman_kept.run(image).out.split()
    assert told == ["3.2.10", "python", postgresql(base), MACHINE[platform]], outcome.err


@pytest.mark.full
def test_the_list_of_a_base_without_ldconfig_is_gone_on_with(
    program: Program, tmp_path: Path, podman_kept: Podman
) -> None:
    """As distroless images of Debian 13 are: they have the list, and nothing that prints it."""
    here = project(tmp_path, FINDS, PSYCOPG)
    start = ["--entrypoint", "python /app/main.py"]
    lists = make(program, here, tmp_path / "lists", "--debian", "libc-bin", *start, base="distroless")
    old = lists.unpack(tmp_path / "root") / "etc/ld.so.cache"
    files = {"etc/ld.so.cache": File(old, 0o644)}
    base = on_base(BASES["distroless"], files, {}, tmp_path / "base", own=False)
    program(
        *["--base", base, "--platform", AMD64, *WITH_LIBPQ, "--debian", "libc-bin"],
        *["-o", "docker-archive:made.tar"],
        cwd=here,
    )
    image = podman_kept.load(here / "made.tar")
    assert podman_kept.run(image).out.split() == ["3.2.10", "python", postgresql("distroless"), "x86_64"]


@pytest.mark.full
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_library_is_loaded_by_name_where_nothing_lists_it(
    platform: str, program: Program, tmp_path: Path, podman_kept: Podman
) -> None:
    if platform == ARM64:
        register_arm64()
    here = project(tmp_path, LOADS)
    flags = ["--base", lab_base("distroless"), "--platform", platform, *WITH_LIBPQ]
    program(*flags, "-o", "docker-archive:made.tar", cwd=here)
    image = podman_kept.load(here / "made.tar")
    assert podman_kept.run(image).out.split() == [postgresql("distroless"), MACHINE[platform]]


def test_a_rust_program_is_linked_with_it(program: Program, tmp_path: Path, podman_kept: Podman) -> None:
    if not Path("/usr/lib/x86_64-linux-gnu/libpq.so").exists():
        pytest.skip("nothing to link with: apt-get install libpq-dev")
    here = tiny_project(tmp_path / "tiny", main=LINKED)
    cc = lab_image("distroless/cc-debian12:nonroot")
    target = ["--target", "x86_64-unknown-linux-gnu"]
    program("--base", cc, "--debian", "libpq5", *target, "-o", "docker-archive:made.tar", cwd=here)
    image = podman_kept.load(here / "made.tar")
    assert podman_kept.run(image).out.split() == ["libpq", POSTGRESQL_OF["bookworm"]]


def files_of(image: Image) -> dict[str, object]:
    return {entry.name: entry for layer in image.layers for entry in layer.entries}


@pytest.mark.parametrize("base", list(BASES))
def test_scanners_see_the_packages(base: str, program: Program, tmp_path: Path) -> None:
    here = project(tmp_path, LOADS)
    made = tmp_path / "layout"
    program("--base", lab_base(base), *WITH_LIBPQ, "-o", f"oci:{made}:made", cwd=here)
    beside = Path(sys.executable).parent / "syft"
    syft = str(beside) if beside.is_file() else shutil.which("syft")
    if syft is None:
        pytest.skip("syft is neither in tests/.venv nor on the PATH")
    found = json.loads(run([syft, "-q", f"oci-dir:{made}", "-o", "json"]).out)
    debs = {package["name"]: package["version"] for package in found["artifacts"] if package["type"] == "deb"}
    assert debs["libpq5"].startswith(postgresql(base)) and "libc6" in debs
    assert any(name.startswith("libldap") for name in debs), "what libpq5 needs"


def test_a_lock_needs_no_mirror(program: Program, tmp_path: Path) -> None:
    here = project(tmp_path, LOADS)
    flags = ["--base", lab_base("distroless"), *WITH_LIBPQ]
    refused = program(*flags, "--locked", cwd=here, code=USAGE)
    assert "not pinned" in refused.err
    program("lock", *flags, cwd=here)
    lock = (here / "containerize.lock").read_text()
    assert "libpq5_15" in lock and 'digest = "sha256:' in lock
    same = program("lock", *flags, "--update", "--check", cwd=here)
    assert same.out == "nothing moved\n"
    (here / "containerize.lock").write_text(
        re.sub(r'(name = "libpq5"\nversion = ")[^"]*', r"\g<1>15.0-0", lock)
    )
    moved = program("lock", *flags, "--update", cwd=here)
    assert re.search(r"^Debian packages for .*\n    libpq5 15\.0-0 -> 15\.\d+", moved.out, re.MULTILINE), (
        moved.out
    )
    assert (here / "containerize.lock").read_text() == lock
    first = program(*flags, "--locked", cwd=here)
    again = program(*flags, "--locked", "--offline", cwd=here)
    assert first.digest == again.digest
    assert "Downloaded" not in again.err


def test_documentation_stays_out_unless_it_is_wanted(program: Program, tmp_path: Path) -> None:
    here = project(tmp_path, LOADS)
    table = "[tool.containerize]\ndebian = { packages = ['libpq5'], docs = true }\n"
    flags = ["--base", lab_base("distroless"), *WITH_LIBPQ]
    plain = files_of(make(program, here, tmp_path / "plain", *WITH_LIBPQ, base="distroless").image())
    assert "usr/share/doc/libpq5/copyright" in plain and "usr/share/doc/libpq5/changelog.gz" not in plain
    assert "var/lib/dpkg/status.d/libpq5" in plain
    (here / "pyproject.toml").write_text("[project]\nname = 'app'\nversion = '1.0'\n" + table)
    full = tmp_path / "full"
    program(*flags, "-o", f"oci:{full}:made", cwd=here)
    listed = run(["skopeo", "inspect", "--raw", f"oci:{full}:made"]).out
    digests = [layer["digest"] for layer in json.loads(listed)["layers"]]
    names: set[str] = set()
    for digest in digests:
        with tarfile.open(full / "blobs" / digest.replace(":", "/")) as layer:
            names.update(layer.getnames())
    assert "usr/share/doc/libpq5/changelog.gz" in names


def says(path: str) -> bool:
    return path == "var/lib/dpkg/status" or (
        path.startswith("var/lib/dpkg/status.d/") and not path.endswith(".md5sums")
    )


def dpkg_status(base: str, platform: str) -> str:
    """The base's dpkg database, read by other means."""
    told = files_in(base, platform, says)
    assert told
    if whole := told.get("var/lib/dpkg/status"):
        return whole
    installed = "Status: install ok installed\n"
    paragraphs = [text.strip("\n") + "\n" for text in told.values()]
    return "\n".join(text if "\nStatus:" in text else text + installed for text in paragraphs)


class Apt:
    """apt-get with a root of its own, in which the base's packages are installed."""

    def __init__(self, folder: Path, base: str, platform: str) -> None:
        for place in ("etc/apt/preferences.d", "etc/apt/apt.conf.d", "var/lib/apt/lists/partial"):
            (folder / place).mkdir(parents=True)
        for place in ("var/cache/apt/archives/partial", "var/lib/dpkg"):
            (folder / place).mkdir(parents=True)
        status = folder / "var/lib/dpkg/status"
        status.write_text(dpkg_status(base, platform))
        trusted = f"[signed-by={ARCHIVE_KEYS}]"
        name = release(base)
        suites = (f"debian {name}", f"debian {name}-updates", f"debian-security {name}-security")
        lines = [f"deb {trusted} {MIRROR}/{suite} main\n" for suite in suites]
        (folder / "etc/apt/sources.list").write_text("".join(lines))
        arch = platform.rpartition("/")[2]
        settings = [f"Dir={folder}", f"Dir::State::status={status}", f"APT::Architecture={arch}"]
        settings += [f"APT::Architectures::={arch}", "Dir::Etc::sourceparts=/nonexistent"]
        self.options = [word for setting in settings for word in ("-o", setting)]
        run(["apt-get", *self.options, "update", "-qq"])

    def would_install(self, package: str) -> list[str] | None:
        command = [
            "apt-get",
            *self.options,
            "install",
            "--no-install-recommends",
            "--print-uris",
            "-qq",
            package,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return None
        found = re.findall(r"^'[^']*' ([^_ ]+)_([^_ ]+)_\S+ \d+", done.stdout, re.MULTILINE)
        return sorted(f"{name} {urllib.parse.unquote(version)}" for name, version in found)


#: Libraries, programs, virtual names, alternatives, large closures, and what the base has already.
NAMES = """
libpq5 libgmp10 libmpfr6 libmpc3 libssl3 openssl curl libcurl4 libxml2 libxslt1.1 libjpeg62-turbo
libtiff6 libfreetype6 libopenblas0 libblas3 libgfortran5 libhdf5-103-1 libsqlite3-0 libmariadb3
unixodbc freetds-bin git openssh-client ca-certificates tzdata tini libmagic1 poppler-utils
imagemagick ghostscript ffmpeg libgl1 libglib2.0-0 libcairo2 libpango-1.0-0 tesseract-ocr graphviz
chromium postgresql-client redis-tools nginx-light python3-numpy perl default-jre-headless nodejs
libzmq5 libgeos-c1v5 gdal-bin mail-transport-agent exim4 awk vim-tiny no-such-package
"""
PACKAGES = NAMES.split()
FEW = ["libpq5", "openssl", "default-jre-headless", "mail-transport-agent", "no-such-package"]
AGREEMENTS = [
    pytest.param(FEW, AMD64, id="few-amd64"),
    pytest.param(FEW, ARM64, id="few-arm64", marks=pytest.mark.full),
    pytest.param(PACKAGES, AMD64, id="many-amd64", marks=pytest.mark.full),
    pytest.param(PACKAGES, ARM64, id="many-arm64", marks=pytest.mark.full),
]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("packages", "platform"), AGREEMENTS)
def test_the_choice_is_apts(packages: list[str], platform: str, program: Program, tmp_path: Path) -> None:
    if shutil.which("apt-get") is None or not ARCHIVE_KEYS.is_file():
        pytest.skip("no apt-get with Debian's keys")
    # Not the distroless base: apt refuses everything there, since its own packages lack dependencies.
    apt = Apt(tmp_path / "apt", "slim", platform)
    here = project(tmp_path, LOADS)
    flags = [
        "--base",
        lab_base("slim"),
        "--platform",
        platform,
        "--entrypoint",
        "x",
        "--dry-run",
        "--format=json",
    ]
    different = {}
    for package in packages:
        theirs = apt.would_install(package)
        outcome = program(*flags, "--debian", package, cwd=here, code=USAGE if theirs is None else 0)
        if theirs is None:
            continue
        ours = json.loads(outcome.out)["plan"]["images"][0]["platforms"][0].get("debian", [])
        if sorted(ours) != theirs:
            different[package] = (ours, theirs)
    assert not different
