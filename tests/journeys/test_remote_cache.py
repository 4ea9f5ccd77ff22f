"""The repository as the cache of clean machines, on registries of other people's making."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Env, Outcome, Program, Registry, free_port, need, run
from python_projects import copied, lab_base


@pytest.mark.parametrize("kind", ["anonymous", "crane"])
def test_a_clean_machine_fetches_neither_base_nor_wheels(
    kind: str, program: Program, registry: Callable[[str], Registry], tmp_path: Path
) -> None:
    need("skopeo")
    here = registry(kind)
    project = copied("service-uv", tmp_path)
    base, app = f"remote-cache/{kind}/base", f"remote-cache/{kind}/app"
    copy = ["skopeo", "copy", "-q", "--multi-arch", "all", *here.skopeo_options("dest-"), lab_base("slim")]
    run([*copy, f"docker://{here.name(base)}:1"])
    nowhere = f"http://127.0.0.1:{free_port()}/simple"
    offline: Env = {"UV_DEFAULT_INDEX": nowhere, "PIP_INDEX_URL": nowhere}

    def push(machine: str, env: Env | None = None, *flags: str) -> Outcome:
        words = ["--base", f"{here.name(base)}:1", "--push", "--tag", f"{here.name(app)}:1", *flags]
        words += ["--platform", "linux/amd64", "--install", "source"]
        own = {"CI": "true", "XDG_CACHE_HOME": str(tmp_path / machine)}
        return program(*words, cwd=project, env={**own, **(env or {})})

    first = push("one")
    asked = len(here.requests(app))
    layers = [line for line in here.requests(base) if line.startswith("GET") and "/blobs/" in line]
    again = push("two", offline)
    assert again.out == first.out
    new = here.requests(app)[asked:]
    assert not [line for line in new if not line.startswith(("GET", "HEAD"))], new
    assert len(new) <= 6, new
    fetched = [line for line in here.requests(base) if line.startswith("GET") and "/blobs/" in line]
    assert fetched == layers, "nothing of the base is read again"

    (project / "src" / "service" / "main.py").open("a").write("# changed\n")
    changed = push("three", offline)
    assert changed.out != first.out
    fetched = [line for line in here.requests(base) if line.startswith("GET") and "/blobs/" in line]
    assert fetched == layers
    assert push("four", None, "--no-remote-cache").out == changed.out, "the same image as without"


def test_what_is_in_a_base_is_published_for_machines_that_never_read_it(
    program: Program, registry: Callable[[str], Registry], tmp_path: Path
) -> None:
    need("skopeo")
    here = registry("anonymous")
    project = copied("service-uv", tmp_path)
    base, app, bases = (f"base-cache/{name}" for name in ("base", "app", "bases"))
    copy = ["skopeo", "copy", "-q", "--multi-arch", "all", *here.skopeo_options("dest-"), lab_base("slim")]
    run([*copy, f"docker://{here.name(base)}:1"])

    def read() -> int:
        return sum(line.startswith("GET") and "/blobs/" in line for line in here.requests(base))

    def push(machine: str, *flags: str) -> tuple[Outcome, int]:
        before = read()
        words = ["--base", f"{here.name(base)}:1", "--push", "--tag", f"{here.name(app)}:1", *flags]
        words += ["--platform", "linux/amd64", "--install", "source", "--cache-dir", str(tmp_path / machine)]
        done = program(*words, cwd=project, env={"CONTAINERIZE_BASE_CACHE": here.name(bases)})
        return done, read() - before

    flags = ["--platform", "linux/amd64,linux/arm64", "--cache-dir", str(tmp_path / "publisher")]
    program("cache", "publish", f"{here.name(base)}:1", "--to", here.name(bases), *flags, cwd=tmp_path)
    first, few = push("one")
    without, all_layers = push("two", "--no-remote-cache")
    assert first.out == without.out
    # The configuration only.
    assert few == 1 and all_layers >= 5, (few, all_layers)
