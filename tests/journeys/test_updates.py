"""Bases that bots move: what Renovate finds with the preset in `docs`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import (
    REPOSITORY,
    Registry,
    committed,
    installed_tool,
    lab_image,
    need,
    run,
    skopeo_digest,
    tiny_project,
)

SLIM, DISTROLESS = "python:3.13-slim-bookworm", "distroless/static-debian12:nonroot"
STALE = "sha256:" + "ab" * 32


def push(place: Registry, source: str, name: str) -> str:
    """Puts a base of the lab under a name; its digest."""
    copy = ["skopeo", "copy", "-q", "--multi-arch", "all", *place.skopeo_options("dest-")]
    run([*copy, lab_image(source), f"docker://{place.name(name)}"])
    return skopeo_digest(f"docker://{place.name(name)}", *place.skopeo_options())


def updates(project: Path, place: Registry, home: Path) -> dict[tuple[str, str], list[dict]]:
    """What Renovate would change, by file and dependency."""
    renovate = installed_tool("renovate", " with --full where npm is")
    settings = json.loads((REPOSITORY / "docs/renovate.json").read_text())
    settings["hostRules"] = [{"matchHost": place.host, "insecureRegistry": True}]
    # Other managers ask services that not every machine reaches.
    settings["enabledManagers"] = ["custom.regex"]
    (project / "renovate.json").write_text(json.dumps(settings))
    committed(project)
    env = {"LOG_FORMAT": "json", "LOG_LEVEL": "debug", "RENOVATE_BASE_DIR": str(home)}
    done = run([renovate, "--platform=local", "--dry-run=lookup"], cwd=project, env=env)
    lines = [json.loads(line) for line in done.out.splitlines()]
    found, *_ = [line["config"] for line in lines if line["msg"] == "packageFiles with updates"]
    return {
        (file["packageFile"], dependency["depName"]): dependency["updates"]
        for file in found["regex"]
        for dependency in file["deps"]
    }


@pytest.mark.full
def test_renovate_moves_what_is_pinned(program, registry: Callable[[str], Registry], tmp_path: Path) -> None:
    need("skopeo")
    place = registry("anonymous")
    slim, distroless = f"team/{SLIM}", f"team/{DISTROLESS}"
    digests = {name: push(place, name.removeprefix("team/"), name) for name in (slim, distroless)}
    push(place, SLIM, "team/python:3.14-slim-bookworm")

    project = tiny_project(tmp_path / "project")
    manifest = project / "Cargo.toml"
    table = f'\n[package.metadata.containerize]\nbase = "{place.name(slim)}@{STALE}"\n'
    manifest.write_text(manifest.read_text() + table)
    # With the names as the program writes them.
    program("lock", "--base", place.name(slim), cwd=project)
    program("lock", "--base", place.name(distroless), cwd=project)
    lock = project / "containerize.lock"
    assert digests[slim] in lock.read_text() and digests[distroless] in lock.read_text()
    lock.write_text(lock.read_text().replace(digests[slim], STALE))

    found = updates(project, place, tmp_path)
    base = place.name("team/python")
    [moved] = found["containerize.lock", base]
    assert (moved["updateType"], moved["newDigest"]) == ("digest", digests[slim])
    assert found["containerize.lock", place.name("team/distroless/static-debian12")] == []
    kinds = {update["updateType"]: update for update in found["Cargo.toml", base]}
    assert kinds["digest"]["newDigest"] == digests[slim]
    assert kinds["minor"]["newValue"] == "3.14-slim-bookworm"
