"""Python applications that others wrote, unpacked from their source distributions on PyPI, locked and made
into images without a line of configuration beyond what they ship."""

from __future__ import annotations

import importlib.util
import os
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import Podman, Program, free_port, run, serve
from python_projects import USAGE, flags, make, with_uv

pytestmark = pytest.mark.full

VOLATILE = ["--tmpfs", "/tmp", "--env", "HOME=/tmp"]


@dataclass(frozen=True)
class App:
    """An application, how it is asked, and what it says."""

    version: str
    #: How it is started, as the image says.
    entrypoint: str
    #: Arguments; in those of a service `{port}` is the port that it is to listen on.
    arguments: str
    answer: str
    #: What is asked for over HTTP; `None` for a program that ends.
    path: str | None = None


#: Of several build backends: setuptools with a setup.py, with a pyproject.toml and without a word of it,
#: Hatch, Poetry, and others; some have compiled dependencies, and one ships a lock.
APPS = {
    "black": App("26.10.1", "black", "--version", "26.10.1"),
    "cookiecutter": App("2.7.1", "cookiecutter", "--version", "Cookiecutter 2.7.1"),
    "datasette": App(
        "0.65.5",
        "datasette",
        "--host 127.0.0.1 --port {port} --memory",
        '"version": "0.65.5"',
        "/-/versions.json",
    ),
    "flower": App("2.2.0", "python -m flower", "flower --address=127.0.0.1 --port={port}", "Flower", "/"),
    "httpie": App("3.2.4", "httpie", "--version", "3.2.4"),
    "isso": App("0.14.0", "isso", "--version", "isso 0.14.0"),
    "kinto": App("26.5.0", "kinto", "version", "26.5.0"),
    "mkdocs": App("1.6.1", "mkdocs", "--version", "version 1.6.1"),
    "pypiserver": App(
        "2.4.2", "pypi-server", "run -i 127.0.0.1 -p {port} /tmp", "Welcome to pypiserver!", "/"
    ),
    "radicale": App(
        "3.9.0",
        "radicale",
        "--hosts 127.0.0.1:{port} --auth-type none --storage-filesystem-folder /tmp/dav",
        "Radicale Web Interface",
        "/.web/",
    ),
    "sqlite-web": App("0.8.2", "sqlite_web", "-H 127.0.0.1 -p {port} -x /tmp/some.db", "some.db", "/"),
    "twine": App("7.0.0", "twine", "--version", "twine version 7.0.0"),
    "webssh": App("1.6.3", "wssh", "--address=127.0.0.1 --port={port}", "WebSSH", "/"),
}


@dataclass(frozen=True)
class Refused:
    """An application of which nothing is made, and the words that say why and what helps."""

    version: str
    words: tuple[str, ...]


REFUSED = {
    "httpbin": Refused("0.10.4", ("found several applications", '["gunicorn", "httpbin.core:app", ')),
    "supervisor": Refused(
        "4.3.0", ("cannot tell how supervisor is started", "`supervisord`", "entrypoint = [")
    ),
}


def source_of(name: str, version: str, folder: Path) -> Path:
    """The released source of an application, got through pip."""
    if not importlib.util.find_spec("pip"):
        pytest.skip(f"{sys.executable} has no pip")
    only_source = ["--no-deps", "--no-binary", name]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    run([*pip, *only_source, "--dest", folder / "sdist", f"{name}=={version}"])
    [archive] = (folder / "sdist").iterdir()
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "source", filter="data")
    [project] = (folder / "source").iterdir()
    return project


def settings_of(project: Path) -> list[Path]:
    """The files of a project in which configuration for us could be."""
    return [path for path in project.glob("*.toml") if "tool.containerize" in path.read_text()]


@pytest.mark.parametrize("name", APPS)
def test_an_application_starts_and_answers(
    name: str, program: Program, podman_kept: Podman, tmp_path: Path
) -> None:
    app, env = APPS[name], with_uv(tmp_path, program)
    project = source_of(name, app.version, tmp_path)
    assert not settings_of(project)
    program("lock", *flags("slim"), cwd=project, env=env)
    made = make(program, project, tmp_path / "layout", env=env)
    config = made.image().run_config
    assert " ".join(config["Entrypoint"]) == app.entrypoint
    assert config["Labels"]["org.opencontainers.image.version"] == app.version
    assert "Detected" in made.outcome.err, "what was chosen is told"

    image = podman_kept.take(tmp_path / "layout", "made")
    if app.path is None:
        ended = podman_kept.run(image, *app.arguments.split(), options=VOLATILE)
        assert app.answer in ended.out + ended.err
        return
    port = free_port()
    arguments = app.arguments.format(port=port).split()
    command = podman_kept.command(image, *arguments, options=[*VOLATILE, f"--name={name}"])
    with serve(command, port, podman_kept.env) as service:
        try:
            assert app.answer in service.get(app.path)
        finally:
            # The first process of a container ignores signals that it does not handle itself.
            podman_kept("kill", name, code=None)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_decided_is_explained_before_anything_is_made(
    name: str, program: Program, tmp_path: Path
) -> None:
    app, env = REFUSED[name], with_uv(tmp_path, program)
    project = source_of(name, app.version, tmp_path)
    program("lock", *flags("slim"), cwd=project, env=env)
    before = sorted(os.listdir(project))
    refused = program(*flags("slim"), "-o", f"oci:{tmp_path}/layout:1", cwd=project, env=env, code=USAGE)
    for words in app.words:
        assert words in refused.err, refused.err
    assert refused.out == "" and not (tmp_path / "layout").exists()
    assert sorted(os.listdir(project)) == before
