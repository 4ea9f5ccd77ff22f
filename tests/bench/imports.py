"""How long Python imports take in containers, with bytecode in the image and without.

The projects are python-web and python-science. The base's own CPython compiles. The base has
no bytecode of the standard library, as the public one, so that part of the imports costs the same on both
sides. Needs CONTAINERIZE_LAB (../shared/lab, if there), and as root podman, runc and skopeo.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
from pathlib import Path

from costs import measure, row

HERE = Path(__file__).resolve().parent
LAB = Path(os.environ.get("CONTAINERIZE_LAB") or HERE.parents[2] / "shared" / "lab")
BASE = "python:3.13-slim-bookworm"
NEEDS = ["podman", "runc", "skopeo", "unshare"]
#: What each set imports.
SETS = {
    "web": "fastapi, sqlalchemy.orm, uvicorn",
    "science": "numpy, pandas, scipy.optimize, pyarrow, sklearn.linear_model",
}
#: Processor time, in which other work on the machine shows least.
IMPORTS = "import time; import {}; print(time.process_time())"
OWN_MOUNTS = ["unshare", "--mount", "--propagation", "private"]
RUN = ["podman", "--runtime", "runc", "run", "--rm", "--pull=never", "--read-only", "--network=none"]
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]


class ImportBench:
    def __init__(self, program: Path, work: Path, env: dict[str, str], runs: int) -> None:
        self.program, self.work, self.env, self.runs = program, work, env, runs

    def run(self) -> None:
        missing = [tool for tool in NEEDS if not shutil.which(tool)]
        missing += [] if (LAB / "base-images").is_dir() else [f"{LAB}/base-images"]
        if missing:
            print(f"bytecode: not measured, as there is no {' and no '.join(missing)}")
            return
        self.work.mkdir()
        store = self.work / "store"
        store.mkdir()
        storage = f'[storage]\ndriver = "overlay"\ngraphroot = "{store}/graph"\nrunroot = "{store}/run"\n'
        (store / "storage.conf").write_text(storage)
        self.env = {**self.env, "CONTAINERS_STORAGE_CONF": f"{store}/storage.conf"}
        for name, modules in SETS.items():
            self.compare(name, modules)

    def compare(self, name: str, modules: str) -> None:
        """Alternating runs, so that a machine that slows down slows both."""
        images = {
            "without bytecode": self.image(name, "without"),
            "with bytecode": self.image(name, "with", "--bytecode"),
        }
        seconds: dict[str, list[float]] = {label: [] for label in images}
        for _ in range(self.runs):
            for label, image in images.items():
                seconds[label].append(self.imports(image, modules))
        median = {label: statistics.median(found) for label, found in seconds.items()}
        print(f"imports of the {name} set, CPU, median of {self.runs} alternating runs")
        for label, value in median.items():
            row(label, f"{value:.2f} s")
        row("faster", f"{median['without bytecode'] / median['with bytecode']:.2f} times", "aim: 2")

    def image(self, project: str, tag: str, *options: str) -> str:
        """Builds an image and gives the name that podman knows it by."""
        layout, name = f"oci:{self.work}/{project}-{tag}:1", f"localhost/bench-{project}:{tag}"
        build = [self.program, "build", "--base", f"oci:{LAB}/base-images:{BASE}", "--output", layout]
        measure([*build, *options], HERE / f"python-{project}", self.env)
        copy = ["skopeo", "copy", "-q", layout, f"containers-storage:{name}"]
        measure([*OWN_MOUNTS, *copy], self.work, self.env)
        return name

    def imports(self, image: str, modules: str) -> float:
        command = [*OWN_MOUNTS, *RUN, *LIMITS, "--entrypoint", "python", image, "-c", IMPORTS.format(modules)]
        return float(subprocess.run(command, env=self.env, check=True, capture_output=True, text=True).stdout)
