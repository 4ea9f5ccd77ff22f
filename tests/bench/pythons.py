"""Images of two Python projects, beside what the work costs at least and beside other tools.

The projects are python-web and python-science, each with its uv.lock. Wheels and the base are in every
tool's cache before anything is measured. The others are pyoci, whose venv is made outside of the measured
time, and buildah with python.dockerfile. pyoci speaks HTTPS only, so all take the base from one TLS
registry. Needs the scripts of CONTAINERIZE_LAB (../shared/lab, if there), docker-registry, skopeo, openssl,
buildah as root, and PyPI.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from costs import Cost, cost_row, measure, memory_row, row
from transfer import free_port

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LAB = Path(os.environ.get("CONTAINERIZE_LAB") or ROOT.parent / "shared" / "lab")
BASE = "python:3.13-slim-bookworm"
#: What is measured beside the program.
TOOLS = ["pyoci==0.2.1", "uv==0.13.8"]
NEEDS = ["docker-registry", "skopeo", "openssl", "buildah"]
SETS = {"web": "app/main.py", "science": "app/__main__.py"}
#: Runs of which a median is taken, at most: those of the others are long.
RUNS = 5


class PythonBench:
    def __init__(self, program: Path, work: Path, env: dict[str, str], runs: int) -> None:
        self.program, self.work, self.runs = program, work, min(runs, RUNS)
        self.env = {key: value for key, value in env.items() if key not in ("VIRTUAL_ENV", "SSL_CERT_DIR")}

    def run(self) -> None:
        missing = [tool for tool in NEEDS if not shutil.which(tool)]
        missing += [] if (LAB / "registry.sh").is_file() else [f"{LAB}/registry.sh"]
        if missing:
            print(f"python: not measured, as there is no {' and no '.join(missing)}")
            return
        self.work.mkdir()
        self.tools = self.work / "tools" / "bin"
        venv.create(self.work / "tools", with_pip=True)
        install = [self.tools / "pip", "install", "--quiet", *TOOLS]
        measure(install, self.work, {**self.env, "PIP_FIND_LINKS": ""})
        with tls_registry(self.work / "registry") as (self.host, certificates):
            self.certificates = certificates
            roots = self.work / "roots.pem"
            # PyPI's certificate is to be known too.
            roots.write_bytes(system_roots().read_bytes() + (certificates / "ca.crt").read_bytes())
            self.env["SSL_CERT_FILE"] = str(roots)
            self.base = f"{self.host}/{BASE}"
            base = f"oci:{LAB}/base-images:{BASE}"
            copy = ["skopeo", "copy", "-q", "--multi-arch", "all", "--dest-cert-dir", certificates]
            measure([*copy, base, f"docker://{self.base}"], self.work, self.env)
            for name, source in SETS.items():
                self.measure_set(name, source)

    def measure_set(self, name: str, source: str) -> None:
        shutil.copytree(HERE / f"python-{name}", self.work / name / "ours")
        shutil.copytree(HERE / f"python-{name}", self.work / name / "pyoci")
        shutil.copytree(HERE / f"python-{name}", self.work / name / "buildah")
        ours = Ours(self, name)
        # Fills the caches.
        ours.build()
        wheels = ours.wheels()
        megabytes = sum(path.stat().st_size for path in wheels.iterdir()) / 1e6
        print(f"{name} set, {len(list(wheels.iterdir()))} wheels of {megabytes:.1f} MB")
        self.against_the_floor(name, ours, wheels)
        others = [Pyoci(self, name), Buildah(self, name)]
        for other in others:
            cost_row(f"{other.label}, all anew", other.build())
        self.nothing_changed([ours, *others])
        self.one_line_changed(name, source, ours, others[0])

    def against_the_floor(self, name: str, ours: Ours, wheels: Path) -> None:
        runs = [ours.build("--no-cache", sample=True) for _ in range(self.runs)]
        cold = Cost(
            statistics.median(cost.wall for cost in runs),
            statistics.median(cost.cpu for cost in runs),
            max(cost.anonymous for cost in runs),
            max(cost.resident for cost in runs),
        )
        cost_row("containerize, all layers anew", cold)
        memory_row("its peak anonymous memory", cold)
        tree = self.work / name / "tree"
        for wheel in wheels.iterdir():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(tree / wheel.stem)
        pack = ["sh", "-c", f"tar -C {tree} -cf - . | gzip -6 | sha256sum"]
        gzip = measure(pack, self.work, self.env)
        shutil.rmtree(tree)
        cost_row("tar, gzip -6, sha256sum", gzip)
        row("ratio of CPU to gzip", f"{cold.cpu / gzip.cpu:.3f}", "the whole program, with its start")
        measured = floor(wheels, self.env)
        if not measured:
            return
        splice, parts = measured
        row("the splice alone, CPU", f"{splice:.3f} s")
        row("inflate, CRC, two SHA-256, CPU", f"{parts:.3f} s")
        row("ratio of the splice", f"{splice / parts:.3f}", "aim: 1.25")
        row("ratio of the splice to gzip", f"{splice / gzip.cpu:.3f}", "aim: 0.1")
        row("ratio of the whole program", f"{cold.cpu / parts:.3f}")

    def nothing_changed(self, sides: list[Ours | Pyoci | Buildah]) -> None:
        """Alternating runs, so that a machine that slows down slows all."""
        costs: dict[str, list[Cost]] = {side.label: [] for side in sides}
        for side in sides:
            side.build()
        for _ in range(self.runs):
            for side in sides:
                costs[side.label].append(side.build())
        wall = {label: statistics.median(cost.wall for cost in found) for label, found in costs.items()}
        print(f"  nothing changed, median of {self.runs} alternating runs")
        for label, found in costs.items():
            cpu = statistics.median(cost.cpu for cost in found)
            row(f"  {label}", f"{wall[label] * 1000:.0f} ms", f"CPU {cpu * 1000:.0f} ms")
        row("  faster than pyoci", f"{wall['pyoci'] / wall['containerize']:.1f} times", "aim: 8")
        row("  faster than buildah", f"{wall['buildah'] / wall['containerize']:.1f} times", "aim: 40")

    def one_line_changed(self, name: str, source: str, ours: Ours, pyoci: Pyoci) -> None:
        times: dict[str, list[float]] = {"containerize": [], "pyoci": []}
        for run in range(self.runs + 1):
            for side in (ours, pyoci):
                with (self.work / name / side.folder / source).open("a") as file:
                    file.write(f"# change {run}\n")
                wall = side.push().wall
                # The first push is that of the whole image.
                if run:
                    times[side.label].append(wall)
        print(f"  one line changed and pushed, median of {self.runs} alternating runs")
        wall = {label: statistics.median(found) for label, found in times.items()}
        for label, seconds in wall.items():
            row(f"  {label}", f"{seconds * 1000:.0f} ms")
        row("  faster than pyoci", f"{wall['pyoci'] / wall['containerize']:.1f} times", "aim: 4")


class Ours:
    label, folder = "containerize", "ours"

    def __init__(self, bench: PythonBench, name: str) -> None:
        self.bench, self.dir, self.name = bench, bench.work / name / "ours", name
        self.cache = bench.work / name / "cache"
        self.command = [bench.program, "build", "--cache-dir", self.cache, "--base", bench.base]

    def build(self, *options: str, sample: bool = False) -> Cost:
        command = [*self.command, *options, "--output", f"oci:{self.dir.parent}/image"]
        return measure(command, self.dir, self.bench.env, sample)

    def push(self) -> Cost:
        to = f"{self.bench.host}/ours-{self.name}:1"
        return measure([*self.command, "--push", "--tag", to], self.dir, self.bench.env)

    def wheels(self) -> Path:
        """The wheels of the image under their names: those files of the lock that are in the cache."""
        folder = self.dir.parent / "wheels"
        folder.mkdir()
        lock = tomllib.loads((self.dir / "uv.lock").read_text())
        for wheel in (wheel for package in lock["package"] for wheel in package.get("wheels", [])):
            algorithm, _, value = wheel["hash"].partition(":")
            blob = self.cache / "blobs" / algorithm / value
            if blob.is_file():
                os.link(blob, folder / wheel["url"].rpartition("/")[2])
        return folder


class Pyoci:
    label, folder = "pyoci", "pyoci"

    def __init__(self, bench: PythonBench, name: str) -> None:
        self.bench, self.dir = bench, bench.work / name / "pyoci"
        to = f"{bench.host}/pyoci-{name}:1"
        self.command = [bench.tools / "pyoci", "build", "--include-deps", "--tag", to]
        self.command += ["--base-image", bench.base, "--cache-dir", self.dir.parent / "pyoci-cache"]
        sync = [bench.tools / "uv", "sync", "--frozen", "--no-install-project", "--python", sys.executable]
        measure(sync, self.dir, bench.env)

    def build(self) -> Cost:
        return measure(self.command, self.dir, self.bench.env)

    def push(self) -> Cost:
        return measure([*self.command, "--push"], self.dir, self.bench.env)


class Buildah:
    label, folder = "buildah", "buildah"

    def __init__(self, bench: PythonBench, name: str) -> None:
        self.bench, self.dir, cache = bench, bench.work / name / "buildah", bench.work / name / "uv"
        shutil.copy2(bench.tools / "uv", self.dir / "uv")
        shutil.copy2(bench.env["SSL_CERT_FILE"], self.dir / "roots.pem")
        cache.mkdir()
        self.env = {**bench.env, **overlay_store(bench.work / name / "store")}
        self.command = ["buildah", "bud", "--isolation", "chroot", "--cert-dir", bench.certificates]
        self.command += ["--build-arg", f"BASE={bench.base}", "--volume", f"{cache}:/opt/cache"]
        self.command += ["--file", HERE / "python.dockerfile", "--tag", f"bench/{name}:1"]
        # Fills uv's cache and pulls the base.
        measure([*self.command, "--layers=false", "."], self.dir, self.env)

    def build(self) -> Cost:
        return measure([*self.command, "--layers", "."], self.dir, self.env)


@contextmanager
def tls_registry(folder: Path) -> Iterator[tuple[str, Path]]:
    """A registry of the lab with a certificate of its own: its address, and the folder of its authority."""
    port = free_port()
    script = [LAB / "registry.sh"]
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([*script, "start", str(port), folder, "--tls"], **quiet)
    try:
        yield f"127.0.0.1:{port}", folder / "certs"
    finally:
        subprocess.run([*script, "stop", str(port), folder], **quiet)


def overlay_store(folder: Path) -> dict[str, str]:
    """Makes a store of its own for buildah: the variables that name it."""
    folder.mkdir()
    conf = folder / "storage.conf"
    conf.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
    )
    return {"CONTAINERS_STORAGE_CONF": str(conf)}


def system_roots() -> Path:
    return Path(os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt")


def floor(wheels: Path, env: dict[str, str]) -> tuple[float, float] | None:
    """CPU seconds of splicing the wheels and of the parts of it, as a test of the library measures them."""
    command = ["cargo", "test", "--release", "--locked", "--quiet", "-p", "containerize-core", "--lib"]
    command += ["splicing_costs", "--", "--ignored", "--nocapture"]
    env = {**env, "WHEELS": str(wheels)}
    # On a busy machine it fails, and still says what it measured.
    done = subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True)
    said = re.search(r"plain bytes, CPU ([\d.]+) s, parts ([\d.]+) s", done.stdout)
    if not said:
        print(f"  the parts of the splice were not measured:\n{done.stdout}{done.stderr}")
        return None
    return float(said[1]), float(said[2])
