#!/usr/bin/env python3
"""docker.py start DIR
docker.py stop DIR

A Docker engine of its own, from the programs of this machine (`dockerd`, `runc`), with everything that it
keeps in DIR and its socket in DIR/docker.sock. It has no bridge and changes no rules of the firewall:
containers use the host's network.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

SECONDS_TO_START = 60
SECONDS_TO_END = 15


def main() -> None:
    match sys.argv[1:]:
        case ["start", folder]:
            Path(folder).mkdir(parents=True, exist_ok=True)
            start(Path(folder).resolve())
        case ["stop", folder]:
            stop(Path(folder).resolve())
        case _:
            sys.exit(__doc__)


def start(folder: Path) -> None:
    if os.geteuid() != 0:
        sys.exit("an engine needs root")
    for program in ["dockerd", "docker", "runc"]:
        if not shutil.which(program):
            sys.exit(f"{program} is not installed")
    (folder / "daemon.json").write_text("{}")
    command = [
        "dockerd",
        *("--config-file", str(folder / "daemon.json")),
        *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
        *("--pidfile", str(folder / "dockerd.pid"), "--host", f"unix://{folder}/docker.sock"),
        *("--bridge", "none", "--iptables=false", "--ip6tables=false"),
        *("--default-ulimit", "nofile=1024:1024", "--default-ulimit", "nproc=1000:1000"),
        *("--insecure-registry", "127.0.0.0/8"),
    ]
    # Up to 24 it lowers its own score, which it may not where this machine is a container.
    if "--oom-score-adjust" in subprocess.run(["dockerd", "--help"], capture_output=True, text=True).stdout:
        command.append("--oom-score-adjust=0")
    with (folder / "dockerd.log").open("a") as log:
        process = subprocess.Popen(
            command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        asked = ["docker", "--host", f"unix://{folder}/docker.sock", "info"]
        if subprocess.run(asked, capture_output=True).returncode == 0:
            return
        time.sleep(0.2)
    stop(folder)
    sys.exit(f"the engine does not start:\n{(folder / 'dockerd.log').read_text()[-2000:]}")


def stop(folder: Path) -> None:
    with suppress(FileNotFoundError, ProcessLookupError, ValueError):
        process = int((folder / "dockerd.pid").read_text())
        os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + SECONDS_TO_END
        while time.monotonic() < deadline:
            os.kill(process, 0)
            time.sleep(0.1)
    # What a network namespace of its own was mounted on would stay.
    subprocess.run(["umount", str(folder / "exec" / "netns" / "default")], capture_output=True)


if __name__ == "__main__":
    main()
