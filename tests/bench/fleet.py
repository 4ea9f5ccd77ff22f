"""Workspaces of many services on a clean CI runner, of which none has changed: what each of them costs.

Python services of one uv workspace share a wheel; Rust services of one cargo workspace are compiled already,
and what cargo takes to find that out is measured alone. Everything is pushed once; then each run has an
empty cache and the remote cache of the first push. The registry is that of tests/lab/referrers behind a line
that counts requests, without latency. Needs Go, skopeo and CONTAINERIZE_LAB (../shared/lab, if there).
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import statistics
import zipfile
from pathlib import Path

from costs import Cost, measure, row
from pythons import BASE, LAB, ROOT
from runner import Line, line_to, missing_tools
from transfer import background, free_port

#: How many services a workspace has.
SIZES = (50, 100, 200)
#: Clean machines of which a median is taken.
MACHINES = 3
TARGET = f"{os.uname().machine}-unknown-linux-musl"
WHEEL = "greeting-1.0-py3-none-any.whl"


class FleetBench:
    def __init__(self, program: Path, work: Path, env: dict[str, str]) -> None:
        self.program, self.work, self.env = program, work, {**env, "CI": "true"}

    def run(self) -> None:
        go, missing = missing_tools()
        if missing:
            print(f"fleet: not measured, as there is no {' and no '.join(missing)}")
            return
        self.work.mkdir()
        registry = self.work / "referrers"
        measure([go, "build", "-o", registry, "."], ROOT / "tests/lab/referrers", dict(os.environ))
        for language, make in (("Python", python_workspace), ("Rust", rust_workspace)):
            print(
                f"{language} services of one workspace, nothing changed, clean machine, median of {MACHINES}"
            )
            each = []
            for size in SIZES:
                port = free_port()
                log = self.work / "registry.log"
                with (
                    background([registry, f"127.0.0.1:{port}"], port, log),
                    line_to(port, delay=0) as line,
                ):
                    project = make(self.work / f"{language}-{size}", size)
                    each.append(self.measured(project, line, size, is_rust=language == "Rust"))
                    shutil.rmtree(project)
            (small, fewer), (large, more) = each[0], each[-1]
            more_services = SIZES[-1] - SIZES[0]
            milliseconds = 1000 * (large - small) / more_services
            row(
                "each further service",
                f"{milliseconds:.1f} ms",
                f"{(more - fewer) / more_services:.2f} requests; aim: 5 ms, 3",
            )

    def measured(self, project: Path, line: Line, size: int, is_rust: bool) -> tuple[float, float]:
        """The seconds over cargo's own, and the requests."""
        host = f"127.0.0.1:{line.port}"
        call = [self.program, "--workspace", "--push", "--repository", f"{host}/fleet/{{name}}"]
        call += [f"--remote-cache={host}/fleet/cache"]
        if not is_rust:
            base = f"{host}/base/python:1"
            from_layout = f"oci:{LAB}/base-images:{BASE}"
            copy = ["skopeo", "copy", "-q", "--dest-tls-verify=false", from_layout, f"docker://{base}"]
            measure(copy, self.work, self.env)
            call += ["--base", base]
        self.clean(call, project)
        costs, requests, cargos = [], [], [0.0]
        for _ in range(MACHINES):
            line.requests = 0
            costs.append(self.clean(call, project))
            requests.append(line.requests)
            if is_rust:
                cargos.append(self.cargo(project, size))
        wall, cpu = (statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "cpu"))
        own, asked = statistics.median(cargos[1:] or cargos), statistics.median(requests)
        note = f", cargo alone {own:.2f} s" if is_rust else ""
        row(f"{size} services", f"{wall:.2f} s", f"CPU {cpu:.2f} s, {asked:.0f} requests{note}")
        return wall - own, asked

    def cargo(self, project: Path, size: int) -> float:
        """One call for each package, as the program makes them: together they would share features."""
        cargo = ["cargo", "build", "--release", "--target", TARGET]
        calls = ([*cargo, "-p", f"s{number:03}"] for number in range(size))
        return sum(measure(call, project, self.env).wall for call in calls)

    def clean(self, call: list[str | Path], project: Path) -> Cost:
        cache = self.work / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        return measure(call, project, {**self.env, "XDG_CACHE_HOME": str(cache)})


def python_workspace(folder: Path, size: int) -> Path:
    """A workspace as uv writes it, whose members need one wheel beside it."""
    (folder / "wheels").mkdir(parents=True)
    wheel = folder / "wheels" / WHEEL
    files = {
        "greeting/__init__.py": "WORDS = 'hello'\n",
        "greeting-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
        "greeting-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "greeting-1.0.dist-info/RECORD"
    files[record] = "".join(record_line(name, text) for name, text in files.items()) + f"{record},,\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    names = [f"s{number:03}" for number in range(size)]
    source = f'{{ path = "wheels/{WHEEL}" }}'
    (folder / "pyproject.toml").write_text(
        f'[tool.uv.workspace]\nmembers = ["services/*"]\n[tool.uv.sources]\ngreeting = {source}\n'
    )
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    quoted = ", ".join(f'"{name}"' for name in names)
    lock = [
        f'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n\n[manifest]\nmembers = [{quoted}]\n',
        f'[[package]]\nname = "greeting"\nversion = "1.0"\nsource = {source}\n'
        f'wheels = [{{ filename = "{WHEEL}", hash = "sha256:{digest}" }}]\n',
    ]
    for name in names:
        member = folder / "services" / name
        member.mkdir(parents=True)
        (member / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "1.0.0"\nrequires-python = ">=3.11"\n'
            'dependencies = ["greeting"]\n[tool.uv]\npackage = false\n'
        )
        (member / "main.py").write_text(
            f'import greeting\n\nif __name__ == "__main__":\n    print(greeting.WORDS, "{name}")\n'
        )
        lock.append(
            f'[[package]]\nname = "{name}"\nversion = "1.0.0"\nsource = {{ virtual = "services/{name}" }}\n'
            'dependencies = [{ name = "greeting" }]\n\n[package.metadata]\n'
            f'requires-dist = [{{ name = "greeting", path = "wheels/{WHEEL}" }}]\n'
        )
    (folder / "uv.lock").write_text("\n".join(lock))
    return folder


def record_line(name: str, text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    return f"{name},sha256={digest},{len(text)}\n"


def rust_workspace(folder: Path, size: int) -> Path:
    """A workspace of programs without dependencies."""
    folder.mkdir(parents=True)
    (folder / "Cargo.toml").write_text(
        '[workspace]\nmembers = ["services/*"]\nresolver = "2"\n[profile.release]\nopt-level = 0\n'
    )
    for number in range(size):
        member = folder / "services" / f"s{number:03}"
        (member / "src").mkdir(parents=True)
        (member / "Cargo.toml").write_text(
            f'[package]\nname = "s{number:03}"\nversion = "1.0.0"\nedition = "2021"\n'
        )
        (member / "src/main.rs").write_text(f'fn main() {{ println!("{number}"); }}\n')
    measure(["cargo", "generate-lockfile", "--offline"], folder, dict(os.environ))
    return folder
