"""What a command costs, and how that is printed."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.002


@dataclass
class Cost:
    """What one command took."""

    wall: float
    cpu: float
    anonymous: int = 0
    """Peak of RssAnon of the process itself, in KiB; seen by samples."""
    resident: int = 0
    """Peak of all its resident memory (VmHWM), mapped files included, in KiB."""


def measure(command: list[str | Path], cwd: Path, env: dict[str, str], sample: bool = False) -> Cost:
    """Runs a command to its end; the CPU time is that of all its children too."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen([str(c) for c in command], cwd=cwd, env=env, **quiet) as process:
        peak = Peak(process.pid) if sample else None
        _, words = process.communicate()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{words.decode()}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    anonymous, resident = peak.end() if peak else (0, 0)
    return Cost(wall, cpu, anonymous, resident)


class Peak(threading.Thread):
    """Watches one process's memory until it is gone."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.status = Path(f"/proc/{pid}/status")
        self.values = {"RssAnon": 0, "VmHWM": 0}
        self.start()

    def run(self) -> None:
        while True:
            try:
                lines = self.status.read_text().splitlines()
            except OSError:
                return
            found = {key: value for key, _, value in (line.partition(":") for line in lines)}
            if "RssAnon" not in found:
                return
            for key in self.values:
                self.values[key] = max(self.values[key], int(found[key].split()[0]))
            time.sleep(SAMPLE_SECONDS)

    def end(self) -> tuple[int, int]:
        self.join()
        return self.values["RssAnon"], self.values["VmHWM"]


def row(name: str, value: str, note: str = "") -> None:
    print(f"  {name:<32}{value:>12}  {note}".rstrip())


def cost_row(name: str, cost: Cost) -> None:
    row(name, f"{cost.wall:.2f} s", f"CPU {cost.cpu:.2f} s")


def memory_row(name: str, cost: Cost) -> None:
    mapped = f"VmHWM, with mapped files: {cost.resident / 1024:.1f} MiB"
    row(name, f"{cost.anonymous / 1024:.1f} MiB", f"aim: 64 MiB; {mapped}")
