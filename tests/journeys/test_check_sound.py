"""Nothing is found in images that run: each one here is examined, and then run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from defects import (
    CC,
    DEBIAN,
    DISTROLESS_PYTHON,
    HELLO,
    NONROOT,
    PYTHON,
    RUN,
    SITE,
    SLIM,
    STATIC,
    File,
    app,
    compiled,
    console_script,
    extension,
    findings,
    on_base,
    script,
    starting,
    through_runpath,
    with_library,
)
from harness import (
    OWN_MOUNTS,
    RUN_LIMITS,
    Podman,
    Program,
    built_once,
    crane,
    lab_image,
    need,
    need_mirror,
    register_arm64,
    run,
    tiny_project,
)
from python_projects import PLATFORMS, lab_base

AMD64, ARM64 = PLATFORMS
GNU = "x86_64-unknown-linux-gnu"
full = pytest.mark.full


def sound_rpath(folder: Path) -> dict:
    """As `through_runpath`, with the older kind of path, which counts for libraries' libraries, too."""
    files = through_runpath(folder)
    flags = ["-L.", "-lown", "-Wl,-rpath-link,.", "-Wl,-rpath,$ORIGIN/lib", "-Wl,--disable-new-dtags"]
    program = compiled(folder, "old", "int g(void);int main(void){return g();}", *flags)
    return {**files, "app/run": File(program)}


def musl_static(folder: Path) -> dict:
    need("musl-gcc")
    (folder / "m.c").write_text(HELLO)
    run(["musl-gcc", "-static", "-o", folder / "m", folder / "m.c"])
    return {"app/run": File(folder / "m")}


def musl_dynamic(folder: Path) -> dict:
    """A program that musl's own loader starts, on a base without any."""
    loader = Path("/lib/ld-musl-x86_64.so.1")
    need("musl-gcc")
    (folder / "m.c").write_text(HELLO)
    run(["musl-gcc", "-o", folder / "m", folder / "m.c"])
    return {"app/run": File(folder / "m"), "lib/ld-musl-x86_64.so.1": File(loader.resolve())}


def go_program(folder: Path) -> dict:
    """A program that Go made."""
    return {"app/run": File(crane())}


#: Layers made by hand, most of which look as if they did not run: base, files, and what starts.
BY_HAND: dict[str, tuple[str, Callable[[Path], dict], dict]] = {
    "rpath": (CC, sound_rpath, RUN),
    "library-path": (
        DEBIAN,
        with_library("usr/local/lib/libown.so.1"),
        {**RUN, "Env": ["LD_LIBRARY_PATH=/usr/local/lib"]},
    ),
    "origin": (CC, with_library("app/lib/libown.so.1", "-Wl,-rpath,$ORIGIN/lib"), RUN),
    "links": (
        DEBIAN,
        lambda folder: {**app()(folder), "srv/a": "../app", "srv/b": "/srv/a/run"},
        starting("/srv/b"),
    ),
    "shell": (DEBIAN, script("#!/bin/sh -e\ntrue\n"), RUN),
    "env": (DEBIAN, script("#!/usr/bin/env -S bash -e\ntrue\n"), RUN),
    "user": (DEBIAN, app(0o750, NONROOT), {**RUN, "User": str(NONROOT)}),
    "relative": (DEBIAN, app(), starting("./run", WorkingDir="/app")),
    "on-path": (DEBIAN, app(), {**starting("run"), "Env": ["PATH=/nowhere:/app:/bin"]}),
    "static": (STATIC, lambda folder: {"app/run": File(compiled(folder, "app", HELLO, "-static"))}, RUN),
    "static-pie": (
        STATIC,
        lambda folder: {"app/run": File(compiled(folder, "app", HELLO, "-static-pie"))},
        RUN,
    ),
    "musl": (STATIC, musl_static, RUN),
    "module": (
        SLIM,
        extension("ext.abi3.so", "libown.so.1", "usr/lib/x86_64-linux-gnu/libown.so.1"),
        starting(f"/{PYTHON}", "-c", "pass"),
    ),
    "script": (
        SLIM,
        lambda folder: {
            **console_script("web.cli")(folder),
            f"{SITE}/web/cli.py": File(b"def main(): return 0\n", 0o644),
        },
        starting("/app/.venv/bin/web"),
    ),
    "pth": (
        SLIM,
        lambda folder: {
            **console_script("web")(folder),
            f"{SITE}/web.pth": File(b"/srv/web\n", 0o644),
            "srv/web/web.py": File(b"def main(): return 0\n", 0o644),
        },
        starting("/app/.venv/bin/web"),
    ),
    "standard-library": (SLIM, lambda _: {}, starting("python", "-m", "timeit", "-n1", "pass")),
    "server-python": (SLIM, lambda _: {}, starting("python3", "-c", "import sqlite3, ssl, ctypes")),
    "distroless-python": (
        DISTROLESS_PYTHON,
        lambda _: {},
        starting("/usr/bin/python3", "-c", "import ssl, sqlite3"),
    ),
    "musl-loader": (STATIC, musl_dynamic, RUN),
    "go": (DEBIAN, go_program, starting("/app/run", "version")),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_nothing_is_found_in_what_was_made_by_hand(
    name: str, program: Program, podman_kept: Podman, tmp_path: Path
) -> None:
    base, files, config = BY_HAND[name]
    made = tmp_path / "files"
    made.mkdir()
    for own in (True, False):
        layout = tmp_path / f"layout-{own}"
        image = on_base(base, files(made), config, layout, own=own)
        assert findings(program, image, tmp_path, 0) == []
    podman_kept.run(podman_kept.take(layout, "made"))


#: Debian packages that our key adds: base, packages, what starts, and what it says.
PACKAGES = {
    "sqlite": (DEBIAN, ["sqlite3"], "sqlite3 :memory: 'select 40+2'", "42"),
    "git": (DEBIAN, ["git"], "git version", "git version"),
    "curl": (CC, ["curl"], "curl --version", "libcurl/"),
    "busybox": (STATIC, ["busybox-static"], "busybox sh -c 'echo alive'", "alive"),
    "redis": (DEBIAN, ["redis-server"], "redis-server --version", "Redis server"),
    "lighttpd": (DEBIAN, ["lighttpd"], "lighttpd -v", "lighttpd"),
    "perl": (CC, ["perl"], "perl -MPOSIX -MSocket -e 'print floor(42.5)'", "42"),
    "jq": (CC, ["jq"], "jq -n 40+2", "42"),
    "python": (DEBIAN, ["python3"], "python3 -c 'import ssl, sqlite3, ctypes; print(42)'", "42"),
    "openssl": (DEBIAN, ["openssl"], "openssl version", "OpenSSL 3"),
    "ssh": (DEBIAN, ["openssh-client"], "ssh -V", "OpenSSH"),
    "file": (SLIM, ["file"], "file --version", "magic"),
    "postgresql": (SLIM, ["postgresql-client-15"], "/usr/lib/postgresql/15/bin/psql --version", "psql"),
    "xml": (CC, ["libxml2-utils"], "xmllint --version", "libxml"),
    "lua": (STATIC, ["lua5.4", "libc6"], "lua5.4 -e 'print(42)'", "42"),
    "ruby": (DEBIAN, ["ruby"], "ruby -ropenssl -rjson -e 'puts 42'", "42"),
    "node": (DEBIAN, ["nodejs"], "node -p 40+2", "42"),
    "php": (DEBIAN, ["php8.2-cli"], "php8.2 -r 'echo 42;'", "42"),
    "java": (
        DEBIAN,
        ["openjdk-17-jre-headless"],
        "/usr/lib/jvm/java-17-openjdk-amd64/bin/java -version",
        "17",
    ),
    "gawk": (CC, ["gawk"], "gawk 'BEGIN { print 40+2 }'", "42"),
    "imagemagick": (DEBIAN, ["imagemagick"], "convert-im6.q16 -version", "ImageMagick"),
    "tesseract": (DEBIAN, ["tesseract-ocr"], "tesseract --version", "leptonica"),
    "graphviz": (DEBIAN, ["graphviz"], "dot -V", "graphviz"),
    "gdal": (SLIM, ["gdal-bin"], "gdalinfo --version", "GDAL"),
    "poppler": (CC, ["poppler-utils"], "pdftotext -v", "pdftotext"),
    "memcached": (CC, ["memcached"], "memcached --version", "memcached"),
    "tini": (STATIC, ["tini", "busybox-static"], "tini -- busybox true", ""),
    "python-numpy": (
        DEBIAN,
        ["python3-numpy"],
        "python3 -c 'import numpy; print(numpy.arange(3).sum())'",
        "3",
    ),
    "haproxy": (DEBIAN, ["haproxy"], "haproxy -v", "HAProxy"),
    "rsync": (CC, ["rsync"], "rsync --version", "rsync"),
    "unixodbc": (DEBIAN, ["unixodbc", "odbcinst"], "odbcinst -j", "unixODBC"),
    "mariadb": (DEBIAN, ["mariadb-client-core"], "mariadb --version", "MariaDB"),
}
#: The alternatives of the linear algebra libraries, which scripts choose that nobody runs.
ALGEBRA = [f"/usr/lib/x86_64-linux-gnu/{name}" for name in ("blas", "lapack")]
USES_ALGEBRA = ["gdal", "python-numpy"]
QUICK_PACKAGES = ["sqlite", "curl", "busybox", "perl", "python"]


def examined_and_run(program: Program, podman: Podman, layout: Path) -> str:
    """What an image says, in which nothing is found. It is gone then: these are large."""
    assert findings(program, f"oci:{layout}:made", layout, 0) == []
    image = podman.take(layout, "made")
    shutil.rmtree(layout)
    done = podman.run(image)
    podman("rmi", "--force", image)
    return done.out + (done.err if not done.out else "")


@pytest.fixture(scope="module")
def tiny(module_path: Path) -> Path:
    """A Rust program, for images that are about something else."""
    return tiny_project(module_path / "tiny")


def some(names, quick: list[str]) -> list:
    """All names, of which those that are not quick are for full runs."""
    return [pytest.param(name, marks=[] if name in quick else full) for name in names]


@pytest.mark.parametrize("name", some(PACKAGES, QUICK_PACKAGES))
def test_nothing_is_found_in_what_debian_packages_bring(
    name: str, program: Program, podman_kept: Podman, tmp_path: Path, tiny: Path
) -> None:
    need_mirror()
    base, packages, start, says = PACKAGES[name]
    target = "x86_64-unknown-linux-musl" if base == STATIC else GNU
    layout = tmp_path / "layout"
    program(
        *["--base", lab_image(base), "--target", target, "--platform", AMD64],
        *[f"--debian={package}" for package in packages],
        *["--entrypoint", start, "-o", f"oci:{layout}:made"],
        *([f"--env=LD_LIBRARY_PATH={':'.join(ALGEBRA)}"] if name in USES_ALGEBRA else []),
        cwd=tiny,
        env=built_once("tiny"),
    )
    assert says in examined_and_run(program, podman_kept, layout)


#: Wheels with compiled code: base, platform, requirements, and what is done with them.
WHEELS = {
    "numpy": ("slim", AMD64, ["numpy==2.3.5"], "import numpy; numpy.linalg.inv(numpy.eye(3))"),
    "cryptography": (
        "distroless",
        AMD64,
        ["cryptography==46.0.3", "cffi==2.0.0", "pycparser==2.23"],
        "from cryptography.fernet import Fernet; Fernet(Fernet.generate_key()).encrypt(b'')",
    ),
    "lxml": ("distroless", AMD64, ["lxml==6.0.2"], "import lxml.etree as e; e.fromstring('<a/>')"),
    "pillow": (
        "slim",
        AMD64,
        ["pillow==12.0.0"],
        "from PIL import Image; Image.new('L', (9, 9)).resize((3, 3))",
    ),
    "uvloop": ("slim", AMD64, ["uvloop==0.22.1"], "import asyncio, uvloop; uvloop.run(asyncio.sleep(0))"),
    "psycopg": (
        "distroless",
        AMD64,
        ["psycopg==3.2.10", "psycopg-binary==3.2.10", "typing_extensions==4.16.0"],
        "import psycopg; assert psycopg.pq.__impl__ == 'binary'",
    ),
    "grpc": (
        "slim",
        AMD64,
        ["grpcio==1.76.0", "typing_extensions==4.16.0"],
        "import grpc; grpc.insecure_channel('x')",
    ),
    "pandas": (
        "slim",
        AMD64,
        [
            "numpy==2.3.5",
            "pandas==2.3.3",
            "python-dateutil==2.9.0.post0",
            "six==1.17.0",
            "pytz==2025.2",
            "tzdata==2025.2",
        ],
        "import pandas; assert pandas.Series([1, 2]).sum() == 3",
    ),
    "scipy": (
        "distroless",
        AMD64,
        ["numpy==2.3.5", "scipy==1.16.3"],
        "import scipy.linalg, scipy.optimize, scipy.special",
    ),
    "zmq": ("distroless", AMD64, ["pyzmq==27.1.0"], "import zmq; zmq.Context().socket(zmq.REQ)"),
    "gevent": (
        "slim",
        AMD64,
        [
            "gevent==25.9.1",
            "greenlet==3.2.4",
            "setuptools==80.9.0",
            "zope.event==6.0",
            "zope.interface==8.0.1",
        ],
        "import gevent.monkey; gevent.monkey.patch_all(); import gevent; gevent.sleep(0)",
    ),
    "duckdb": (
        "slim",
        AMD64,
        ["duckdb==1.4.2"],
        "import duckdb; assert duckdb.sql('select 42').fetchall() == [(42,)]",
    ),
    "pyarrow": (
        "slim",
        AMD64,
        ["pyarrow==22.0.0"],
        "import pyarrow.parquet as p, pyarrow; pyarrow.array([1])",
    ),
    "opencv": (
        "slim",
        AMD64,
        ["opencv-python-headless==4.12.0.88", "numpy==2.2.6"],
        "import cv2, numpy; cv2.blur(numpy.zeros((9, 9)), (3, 3))",
    ),
    "numpy-arm64": ("distroless", ARM64, ["numpy==2.3.5"], "import numpy; numpy.linalg.inv(numpy.eye(3))"),
    "cryptography-arm64": (
        "slim",
        ARM64,
        ["cryptography==46.0.3", "cffi==2.0.0", "pycparser==2.23"],
        "from cryptography.fernet import Fernet; Fernet(Fernet.generate_key()).encrypt(b'')",
    ),
    "lxml-arm64": ("slim", ARM64, ["lxml==6.0.2"], "import lxml.etree as e; e.fromstring('<a/>')"),
}
QUICK_WHEELS = ["numpy", "cryptography", "lxml", "pillow", "uvloop"]


@pytest.mark.parametrize("name", some(WHEELS, QUICK_WHEELS))
def test_nothing_is_found_in_what_wheels_bring(
    name: str, program: Program, podman_kept: Podman, tmp_path: Path
) -> None:
    base, platform, requirements, does = WHEELS[name]
    if platform == ARM64:
        register_arm64()
    project = tmp_path / "app"
    project.mkdir()
    (project / "main.py").write_text(f"{does}\nprint('done')\n")
    (project / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements))
    layout = tmp_path / "layout"
    flags = ["--base", lab_base(base), "--platform", platform, "--entrypoint", "python /app/main.py"]
    program(*flags, "-o", f"oci:{layout}:made", cwd=project)
    assert examined_and_run(program, podman_kept, layout) == "done\n"


#: What apt installs in a container, with all that scripts do: base, packages, what starts, and what it says.
INSTALLED = {
    "apt-nginx": (DEBIAN, ["nginx-light", "libatm1"], ["nginx", "-v"], "nginx/"),
    "apt-python": (
        DEBIAN,
        ["python3", "python3-lxml"],
        ["python3", "-c", "import lxml.etree; print(42)"],
        "42",
    ),
    "apt-two-pythons": (SLIM, ["python3-lxml"], ["python", "-c", "print(42)"], "42"),
    "apt-git": (SLIM, ["git", "less", "vim-tiny"], ["git", "version"], "git version"),
    "apt-gcc": (DEBIAN, ["gcc", "libc6-dev"], ["gcc", "--version"], "gcc"),
    "apt-java": (DEBIAN, ["default-jre-headless"], ["java", "-version"], "openjdk"),
}


@full
@pytest.mark.parametrize("name", INSTALLED)
def test_nothing_is_found_in_what_apt_installed_in_a_container(
    name: str, program: Program, podman_kept: Podman, tmp_path: Path
) -> None:
    need_mirror()
    base, packages, start, says = INSTALLED[name]
    from_lab, image, layout = lab_image(base), f"localhost/{name}:base", tmp_path / "layout"
    layout.mkdir()
    run([*OWN_MOUNTS, "skopeo", "copy", "-q", from_lab, f"containers-storage:{image}"], env=podman_kept.env)
    install = f"apt-get update -qq && apt-get install -qq -y --no-install-recommends {' '.join(packages)}"
    podman_kept("run", f"--name={name}", "--pull=never", *RUN_LIMITS, image, "sh", "-c", install)
    podman_kept("commit", "-q", f"--change=ENTRYPOINT {json.dumps(start)}", "--change=CMD []", name, image)
    podman_kept("rm", name)
    copied = ["containers-storage:" + image, f"oci:{layout}:made"]
    run([*OWN_MOUNTS, "skopeo", "copy", "-q", *copied], env=podman_kept.env)
    podman_kept("rmi", "--force", image)
    assert says in examined_and_run(program, podman_kept, layout)


def test_thirty_images_are_run_each_time() -> None:
    assert len({*BY_HAND, *QUICK_PACKAGES, *QUICK_WHEELS}) >= 30
