"""What a push costs that says what is in the image, beside one that does not.

The registry is that of tests/lab/referrers, new for each push, since a client remembers what it has sent.
Needs Go, and for the Python sets CONTAINERIZE_LAB (../shared/lab, if there).
"""

from __future__ import annotations

import os
import shutil
import statistics
from pathlib import Path

from costs import measure, row
from pythons import BASE, HERE, LAB, ROOT
from transfer import background, free_port

#: Pushes of which a median is taken.
PUSHES = 7
WITHOUT, WITH = "without", "with SBOM and provenance"


class AttestedBench:
    def __init__(self, program: Path, work: Path, env: dict[str, str], target: str) -> None:
        self.program, self.work, self.env, self.target = program, work, env, target

    def run(self) -> None:
        go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
        if go is None:
            print("attest: not measured, as there is no Go")
            return
        self.work.mkdir()
        self.registry = self.work / "referrers"
        measure([go, "build", "-o", self.registry, "."], ROOT / "tests/lab/referrers", dict(os.environ))
        self.project("hello-web", ROOT / "examples/hello-web", "--target", self.target)
        if not (LAB / "base-images").is_dir():
            print(f"attest: the Python set is not measured, as there is no {LAB}/base-images")
            return
        for name in ("web", "science"):
            base = f"oci:{LAB}/base-images:{BASE}"
            self.project(f"{name} set", HERE / f"python-{name}", "--base", base)

    def project(self, name: str, source: Path, *flags: str) -> None:
        project = self.work / name.replace(" ", "-")
        shutil.copytree(source, project, ignore=shutil.ignore_patterns("target", "dist"))
        build = [self.program, *flags]
        measure([*build, "-o", f"oci:{self.work}/layout"], project, self.env)
        ways = {WITHOUT: ["--attestations", "none"], WITH: []}
        first: dict[str, list[float]] = {way: [] for way in ways}
        again: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(PUSHES):
            for way in sorted(ways, reverse=bool(number % 2)):
                # What was told of the image before is made anew, too.
                for kept in (Path(self.env["XDG_CACHE_HOME"]) / "containerize" / "memo").glob("bills-*"):
                    shutil.rmtree(kept)
                port = free_port()
                to = f"127.0.0.1:{port}/bench/image:1"
                push = [*build, *ways[way], "--push", "--tag", to]
                log = self.work / "registry.log"
                with background([self.registry, f"127.0.0.1:{port}"], port, log):
                    first[way].append(measure(push, project, self.env).wall)
                    again[way].append(measure(push, project, self.env).wall)
        for title, times, aim in (
            (f"first push of {name}", first, "aim: 1.15"),
            (f"push of {name}, nothing changed", again, "one request more"),
        ):
            median = {way: statistics.median(values) for way, values in times.items()}
            print(f"{title}, median of {PUSHES} alternating runs")
            for way, seconds in median.items():
                row(way, f"{1000 * seconds:.0f} ms")
            row("ratio", f"{median[WITH] / median[WITHOUT]:.2f}", aim)
