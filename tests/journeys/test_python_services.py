"""Services of several frameworks, servers and locks: from a lock file to an answer over HTTP, on both bases
and both machines."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Podman, Program, Registry, Service, register_arm64
from python_projects import (
    MACHINE,
    PLATFORMS,
    PYTHON_OF,
    SITE_PACKAGES,
    Made,
    assert_runs_as_nonroot,
    copied,
    make,
    pushed,
    served,
    with_uv,
)

AMD64, ARM64 = PLATFORMS


def of_notes(service: Service) -> dict:
    """It keeps a note: pydantic's and SQLAlchemy's compiled parts have run."""
    request = urllib.request.Request(
        f"{service.url}/notes",
        data=json.dumps({"text": "remember"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer) == {"id": 1}
    told = json.loads(service.get("/"))
    assert told.pop("sqlalchemy").startswith("2.") and told.pop("notes") == 1
    return told


def of_pages(service: Service) -> dict:
    told = json.loads(service.get("/"))
    assert told.pop("page") == "<p>Hello &lt;you&gt;</p>", "the template is there"
    return told


def of_shop(service: Service) -> dict:
    told = json.loads(service.get("/"))
    assert told.pop("django").startswith("5.2.") and told.pop("sum") == 42
    return told


def of_site(service: Service) -> dict:
    return json.loads(service.get("/"))


def of_guestbook(service: Service) -> dict:
    told = json.loads(service.get("/"))
    assert told.pop("greeting") == "<b>hello &amp; welcome</b>", "the other member was built and is there"
    return told


#: Each with what asks it the questions of its own, leaving the name of the machine.
SERVICES: dict[str, Callable[[Service], dict]] = {
    "service-poetry": of_notes,
    "service-uv": of_notes,
    "site-pdm": of_pages,
    "site-pip": of_site,
    "site-poetry1": of_site,
    "django-pylock": of_shop,
    "workspace-uv": of_guestbook,
}
#: What starts each, found in its source and its lock.
SERVERS = {name: "uvicorn" if name.startswith("service-") else "gunicorn" for name in SERVICES}
#: What runs each time: every base, machine and server; the last Poetry 1 and the rest with --full.
STANDARD = {
    ("service-poetry", "slim", AMD64),
    ("service-uv", "distroless", AMD64),
    ("site-pdm", "slim", ARM64),
    ("site-pip", "distroless", AMD64),
    ("django-pylock", "slim", AMD64),
    ("workspace-uv", "slim", AMD64),
}
MATRIX = [
    pytest.param(*one, marks=[] if one in STANDARD else pytest.mark.full)
    for one in ((name, base, platform) for name in SERVICES for base in PYTHON_OF for platform in PLATFORMS)
]


@pytest.fixture(scope="module")
def images(
    program: Program, registry: Callable[[str], Registry], module_path: Path
) -> Callable[[str, str], tuple[Made, str]]:
    """Gives the image of a project on a base for both platforms, made once and pushed, and its name."""
    done: dict[tuple[str, str], tuple[Made, str]] = {}

    def of(name: str, base: str) -> tuple[Made, str]:
        if (name, base) not in done:
            folder, here = module_path / f"{name}-{base}", registry("anonymous")
            folder.mkdir()
            repository = f"python/{base}/{name}"
            to = pushed(here, repository)
            made = make(
                program,
                copied(name, folder),
                folder / "layout",
                *to,
                base=base,
                platforms=PLATFORMS,
                env=with_uv(folder, program),
            )
            done[name, base] = made, f"{here.name(repository)}@{made.digest}"
        return done[name, base]

    return of


@pytest.mark.parametrize(("name", "base", "platform"), MATRIX)
def test_a_service_answers(name: str, base: str, platform: str, images, podman_kept: Podman) -> None:
    if platform == ARM64:
        register_arm64()
    made, reference = images(name, base)
    config, files = made.image(platform).run_config, made.own_files(platform)
    assert (config["User"], config["WorkingDir"]) == ("65532:65532", "/app")
    assert {"VIRTUAL_ENV=/app/.venv", "PYTHONUNBUFFERED=1"} <= set(config["Env"])
    assert config["Entrypoint"][0] == SERVERS[name] and config["ExposedPorts"] == {"8000/tcp": {}}
    assert f"served by {SERVERS[name]}" in made.outcome.err, "what was detected is told"
    assert not config.get("Cmd"), "the base's command belongs to no entrypoint of ours"
    assert files["app/.venv/bin/python"].kind == "symlink"
    packages = SITE_PACKAGES.format(PYTHON_OF[base])
    assert not [path for path in files if path.startswith((f"{packages}/pytest", f"{packages}/_pytest"))]
    image = podman_kept.pull(reference, "--platform", platform)
    container = f"{name}-{base}-{platform[6:]}"
    with served(podman_kept, image, name=container) as service:
        assert_runs_as_nonroot(podman_kept, container)
        assert SERVICES[name](service) == {"machine": MACHINE[platform]}
