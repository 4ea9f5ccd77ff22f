"""What the layers of a Python image hold, and that they change no more than their content does."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import COMMIT_TIME, REPOSITORY, Env, Program, Registry, committed, free_port, need, run
from python_projects import (
    MACHINE,
    PLATFORMS,
    PYTHON_OF,
    SITE_PACKAGES,
    USAGE,
    Made,
    base_layers,
    copied,
    exported,
    flags,
    lab_base,
    make,
    pushed,
    served,
    uv,
    with_uv,
)
from test_reproducible import ELSEWHERE, HERE, Place, as_another_user
from validator import validate_layout

full = pytest.mark.full


@pytest.fixture(scope="module")
def service(program: Program, module_path: Path) -> tuple[Path, Made]:
    """The project with uv.lock, and its image."""
    project = copied("service-uv", module_path)
    return project, make(program, project, module_path / "layout")


def test_an_edited_source_file_changes_the_last_layer_alone(service, program, tmp_path: Path) -> None:
    _, before = service
    project = copied("service-uv", tmp_path)
    with (project / "src" / "service" / "models.py").open("a") as models:
        models.write("\n# One line more.\n")
    after = make(program, project, tmp_path / "layout")
    assert after.own_layers()[:-1] == before.own_layers()[:-1]
    assert after.own_layers()[-1] != before.own_layers()[-1]
    assert len(after.own_layers()) >= 4, "large wheels, small ones, the environment, the source"
    small = after.image().layers[-1].size
    assert small < 200_000, f"an edit sends {small} bytes"


def test_images_of_one_project_have_the_same_layers(program, tmp_path: Path) -> None:
    """A web application, its worker and its migrations, as a Procfile and the settings name them."""
    project = copied("service-uv", tmp_path)
    (project / "Procfile").write_text(
        "web: uvicorn service.main:app\nworker: python -m service.worker --once\n"
    )
    with (project / "pyproject.toml").open("a") as settings:
        settings.write("\n[tool.containerize.image.web]\n[tool.containerize.image.worker]\n")
        settings.write('[tool.containerize.image.migrate]\nentrypoint = ["python", "-c", "print(1)"]\n')
    program(*flags("slim"), "-o", f"oci:{tmp_path / 'layout'}", "--check=off", cwd=project)
    started, layers = {}, set()
    for image in json.loads((tmp_path / "layout" / "index.json").read_text())["manifests"]:
        manifest = blob(tmp_path / "layout", image["digest"])
        name = image["annotations"]["org.opencontainers.image.ref.name"].split(":")[0]
        started[name] = blob(tmp_path / "layout", manifest["config"]["digest"])["config"]["Entrypoint"]
        layers.add(tuple(layer["digest"] for layer in manifest["layers"]))
    assert started == {
        "web": ["uvicorn", "service.main:app"],
        "worker": ["python", "-m", "service.worker", "--once"],
        "migrate": ["python", "-c", "print(1)"],
    }
    assert len(layers) == 1


def test_static_files_of_django_are_a_layer_of_their_own(program, tmp_path: Path) -> None:
    """As the page says: collected by this machine's Django, the same each time."""
    project = copied("django-pylock", tmp_path)
    with (project / "config" / "settings.py").open("a") as settings:
        settings.write(
            'import os\nINSTALLED_APPS += ["django.contrib.admin", "django.contrib.staticfiles"]\n'
        )
        settings.write(
            'STATIC_URL = "static/"\nSTATIC_ROOT = os.environ.get("STATIC_ROOT", "/app/staticfiles")\n'
        )
    page = (REPOSITORY / "docs" / "python.md").read_text()
    command = next(
        line for line in page.splitlines() if line.startswith("layers = ") and "collectstatic" in line
    )
    [django] = re.findall(r'^name = "django"\nversion = "(.*)"', (project / "pylock.toml").read_text(), re.M)
    # The project has no uv.lock: the same Django without it.
    command = command.replace("uv run --frozen", f"{uv()} run --no-project --with django=={django}")
    with (project / "pyproject.toml").open("a") as settings:
        settings.write(f"\n[tool.containerize]\n{command}\n")
    env = with_uv(tmp_path, program)
    made = make(program, project, tmp_path / "layout", env=env)
    files = made.own_files()
    assert files["app/staticfiles/admin/css/base.css"].kind == "file"
    assert not [name for name in files if name.startswith(str(tmp_path).strip("/"))]
    assert make(program, project, tmp_path / "again", env=env).digest == made.digest

    # With a manifest, whose names are sorted.
    block = page[page.index('layers = [{ command = """') :]
    block = block[: block.index("```")].replace(
        "uv run --frozen", f"{uv()} run --no-project --with django=={django}"
    )
    table = project / "pyproject.toml"
    table.write_text(table.read_text().replace(command, block))
    with (project / "config" / "settings.py").open("a") as settings:
        storage = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
        settings.write(f'STORAGES = {{"staticfiles": {{"BACKEND": "{storage}"}}}}\n')
    made = make(program, project, tmp_path / "manifest", env=env)
    manifest = made.unpack(tmp_path / "root") / "app" / "staticfiles" / "staticfiles.json"
    names = list(json.loads(manifest.read_text())["paths"])
    assert len(names) > 10 and names == sorted(names)

    # Into a folder of the source, by what is locked.
    rest = page[page.index("copied into the layer") :]
    rest = rest[rest.index("layers = ") :]
    table.write_text(table.read_text().replace(block, rest[: rest.index("```")]))
    with (project / "config" / "settings.py").open("a") as settings:
        settings.write('STATIC_ROOT = "staticfiles"\n')
    made = make(program, project, tmp_path / "source", env=env)
    assert made.own_files()["app/staticfiles/admin/css/base.css"].kind == "file"


def blob(layout: Path, digest: str) -> dict:
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())


def test_a_build_without_a_change_reads_no_wheel(service, program, tmp_path: Path) -> None:
    """Nothing answers where the index is said to be, and what was downloaded has become zeros."""
    project, before = service
    blobs = Path(program.env["XDG_CACHE_HOME"]) / "containerize" / "blobs"
    assert blobs.is_dir()
    nowhere = f"http://127.0.0.1:{free_port()}/simple"
    env: Env = {"UV_DEFAULT_INDEX": nowhere, "PIP_INDEX_URL": nowhere}
    wheels = [path for path in blobs.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"PK\x03\x04"]
    assert len(wheels) >= 10, "wheels are kept by their digests"
    again = make(program, project, tmp_path / "offline", "--offline", env=env)
    assert again.digest == before.digest
    kept = {path: (path.read_bytes(), path.stat()) for path in wheels}
    try:
        for path, (content, status) in kept.items():
            overwrite(path, bytes(len(content)), status)
        unread = make(program, project, tmp_path / "unread", "--offline", env=env)
    finally:
        for path, (content, status) in kept.items():
            overwrite(path, content, status)
    assert unread.digest == before.digest


def overwrite(path: Path, content: bytes, status: os.stat_result) -> None:
    """Gives a file another content and the same size and times."""
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_an_empty_cache_and_no_network_are_told(program, tmp_path: Path) -> None:
    project = copied("service-uv", tmp_path)
    options = [*flags("slim"), "--offline", "--cache-dir", tmp_path / "cache", "-o", "oci:layout"]
    refused = program(*options, cwd=project, code=USAGE)
    assert "--offline" in refused.err and refused.out == "" and ".whl" in refused.err
    assert not (project / "layout").exists()


#: Files that a project may well have, and that no image may.
PRIVATE = {
    ".env": "TOKEN=hunter2",
    ".env.production": "TOKEN=hunter2",
    "id_rsa": "-----BEGIN OPENSSH PRIVATE KEY-----",
    "deploy/server.key": "-----BEGIN PRIVATE KEY-----",
    ".netrc": "machine example.org login me password hunter2",
    ".git/config": "[core]",
    ".venv/pyvenv.cfg": "home = /usr/bin",
    "src/service/__pycache__/main.cpython-313.pyc": "old",
}


def test_what_is_secret_never_gets_in_and_is_told_once(service, program, tmp_path: Path) -> None:
    project = copied("service-uv", tmp_path)
    for name, content in PRIVATE.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(content)
    shutil.rmtree(project / ".git")
    made = make(program, project, tmp_path / "layout", platforms=PLATFORMS)
    for platform in PLATFORMS:
        assert made.own_layers(platform)[-1] == service[1].own_layers()[-1], "not a byte of them"
    for reason, named in (("secrets", ".env"), ("virtual environments", ".venv"), ("caches", "__pycache__")):
        told = [line for line in made.outcome.err.splitlines() if f"left out, {reason}:" in line]
        assert len(told) == 1 and named in told[0], "once for both platforms"
    assert "hunter2" not in made.outcome.err


def test_ignore_files_are_honoured(program, tmp_path: Path) -> None:
    project = copied("service-uv", tmp_path)
    (project / "notes").mkdir()
    (project / "notes" / "private.md").write_text("mine")
    (project / "notes" / "public.md").write_text("ours")
    (project / ".dockerignore").write_text("notes/*\n!notes/public.md\n**/models.txt\n")
    (project / "src" / "models.txt").write_text("no")
    files = make(program, project, tmp_path / "layout").own_files()
    assert "app/notes/public.md" in files
    assert "app/notes/private.md" not in files and "app/src/models.txt" not in files


@pytest.mark.parametrize(
    ("name", "command"),
    [("service-uv", "uv lock"), ("service-poetry", "poetry lock"), ("site-pdm", "pdm lock")],
)
def test_a_stale_lock_is_refused_with_the_command_that_helps(
    name: str, command: str, program, tmp_path: Path
) -> None:
    project = copied(name, tmp_path)
    manifest = project / "pyproject.toml"
    text = manifest.read_text()
    assert "dependencies = [" in text
    manifest.write_text(text.replace("dependencies = [", 'dependencies = ["attrs>=25", ', 1))
    refused = program(*flags("slim"), "-o", "oci:layout", cwd=project, code=USAGE)
    assert command in refused.err and refused.out == ""
    assert not (project / "layout").exists()


def test_a_project_without_a_lock_is_told_how_to_make_one(program, tmp_path: Path) -> None:
    project = copied("service-uv", tmp_path)
    (project / "uv.lock").unlink()
    refused = program(*flags("slim"), "-o", "oci:layout", cwd=project, code=USAGE)
    assert "uv lock" in refused.err and "containerize lock" in refused.err


def built_at(place: Place, program: Program, source: Path, tmp_path: Path) -> str:
    """Clones the project to a place and builds it there, with an empty cache of its own."""
    project, home = tmp_path / place.folder, tmp_path / f"home-{place.umask:o}"
    home.mkdir()
    run(["git", "clone", "-q", "--no-local", source, project], umask=place.umask)
    env = {**place.env, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    old = os.umask(place.umask)
    try:
        wrap = as_another_user() if place.stranger else []
        options = [*flags("slim", *PLATFORMS), "-o", "oci:image"]
        return program(*options, cwd=project, env=env, wrap=wrap).digest
    finally:
        os.umask(old)


def test_two_places_two_users_one_digest(program, tmp_path: Path) -> None:
    need("git")
    source = committed(copied("service-uv", tmp_path))
    digest = built_at(HERE, program, source, tmp_path)
    assert built_at(ELSEWHERE, program, source, tmp_path) == digest
    again = make(program, source, tmp_path / "layout", platforms=PLATFORMS)
    assert again.digest == digest, "nor does a cache matter"
    assert again.image().config["created"] == COMMIT_TIME


#: What an installer writes, and each in its own way.
INSTALLERS_OWN = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json"}


def content(root: Path) -> dict[str, str]:
    """The digest of each file below `root` that is not the installer's own."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and not is_installers_own(path)
    }


def is_installers_own(path: Path) -> bool:
    return path.parent.name.endswith(".dist-info") and path.name in INSTALLERS_OWN


def records(root: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """The rows of each RECORD about files that no installer writes in its own way."""
    found = {}
    for record in root.glob("*.dist-info/RECORD"):
        with record.open(newline="") as lines:
            rows = {row[0]: (row[1], row[2]) for row in csv.reader(lines)}
        found[record.parent.name] = {
            path: row
            for path, row in rows.items()
            if not path.startswith(("../", "bin/")) and not is_installers_own(root / path)
        }
    return found


def scripts(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not re.match(r"python|activate|pydoc", path.name)}


@pytest.mark.parametrize(
    ("name", "base", "platform"),
    [
        ("service-uv", "slim", "linux/amd64"),
        ("service-uv", "distroless", "linux/arm64"),
        pytest.param("science-uv", "slim", "linux/amd64", marks=full),
        pytest.param("science-uv", "slim", "linux/arm64", marks=full),
        pytest.param("science-uv", "distroless", "linux/amd64", marks=full),
    ],
)
def test_the_environment_is_what_uv_installs(
    name: str, base: str, platform: str, program, tmp_path: Path
) -> None:
    project = copied(name, tmp_path)
    ours = make(program, project, tmp_path / "layout", base=base, platforms=[platform]).unpack(
        tmp_path / "root", platform
    )
    packages = ours / SITE_PACKAGES.format(PYTHON_OF[base])
    theirs = tmp_path / "theirs"
    target = ["--python-version", PYTHON_OF[base], "--python-platform", f"{MACHINE[platform]}-manylinux_2_36"]
    install = [uv(), "pip", "install", "-q", "--target", theirs, *target, "--no-deps", "--require-hashes"]
    run([*install, "--no-compile-bytecode", "-r", exported(project, tmp_path)])
    assert scripts(packages.parents[2] / "bin") == scripts(theirs / "bin")
    shutil.rmtree(theirs / "bin")
    (theirs / ".lock").unlink(missing_ok=True)
    ours_content = content(packages)
    project_path = ours_content.keys() - content(theirs).keys()
    assert all("/" not in path and path.endswith(".pth") for path in project_path), "of a src layout"
    assert {key: ours_content[key] for key in ours_content if key not in project_path} == content(theirs)
    assert records(packages) == records(theirs)
    executable = {path.name for path in packages.rglob("*") if path.is_file() and os.access(path, os.X_OK)}
    assert executable == {p.name for p in theirs.rglob("*") if p.is_file() and p.stat().st_mode & 0o100}


def test_a_large_wheel_is_sent_once_for_all_projects(
    program, registry: Callable[[str], Registry], tmp_path: Path
) -> None:
    """Two projects with locks of different tools, pushed to repositories of their own."""
    here = registry("anonymous")

    def made(name: str) -> Made:
        to = ["--push", "--repository", here.name(f"once/{name}")]
        return make(program, copied(name, tmp_path), tmp_path / f"{name}-layout", *to)

    first = made("service-uv")
    second = made("service-poetry")
    names = [line["created_by"] for line in second.image().config["history"] if not line.get("empty_layer")]
    told = {layer.digest: name for layer, name in zip(second.image().layers, names, strict=True)}
    large = [
        digest for digest in second.own_layers() if re.search(r"(pydantic_core|sqlalchemy)-", told[digest])
    ]
    assert len(large) == 2 and set(large) <= set(first.own_layers()), "the same wheels are the same layers"
    requests = here.requests("once/service-poetry")
    sent = [line for line in requests if line.startswith(("PUT", "PATCH"))]
    assert sent, "its own layers were sent"
    for digest in large:
        encoded = digest.removeprefix("sha256:")
        assert not [line for line in sent if encoded in line], f"{told[digest]} was sent again"
        assert [line for line in requests if "mount=" in line and encoded in line], "it is mounted"


@pytest.fixture(scope="module")
def mirror(registry: Callable[[str], Registry]) -> Registry:
    """The lab's registry, with its base under the name of Docker Hub's image."""
    need("skopeo")
    here = registry("anonymous")
    to = f"docker://{here.name('library/python:3.13-slim')}"
    copy = ["skopeo", "copy", "-q", "--multi-arch", "all", *here.skopeo_options("dest-")]
    run([*copy, lab_base("slim"), to])
    return here


def test_the_default_base_is_the_slim_image_of_the_version(
    mirror: Registry, service, program, tmp_path: Path
) -> None:
    project = copied("service-uv", tmp_path)
    (project / ".python-version").write_text("3.13\n")
    env: Env = {"CONTAINERIZE_MIRRORS": f"docker.io={mirror.host}"}
    options = ["--platform", "linux/amd64", "-o", f"oci:{tmp_path}/layout:1"]
    done = program(*options, cwd=project, env=env)
    assert "python:3.13-slim" in done.err
    planned = program("--dry-run", *options, cwd=project, env=env).out
    base = next(line for line in planned.splitlines() if "python:3.13-slim" in line)
    assert ".python-version" in base, "the choice is told with its reason"
    layers = base_layers("slim")["linux/amd64"]
    found = validate_layout(tmp_path / "layout", digest=done.digest, base_layers=layers).image().layers
    wheels = service[1].own_layers()[:-1]
    assert [layer.digest for layer in found[layers:]][: len(wheels)] == wheels, "the same wheels and Python"


def test_a_service_runs_from_the_default_base(mirror: Registry, program, podman_kept, tmp_path: Path) -> None:
    project = copied("site-pip", tmp_path)
    env: Env = {"CONTAINERIZE_MIRRORS": f"docker.io={mirror.host}"}
    where = pushed(mirror, "mirrored/site")
    done = program("--platform", "linux/amd64", "--python", "3.13", *where, cwd=project, env=env)
    image = podman_kept.pull(mirror.name(f"mirrored/site@{done.digest}"))
    with served(podman_kept, image, name="mirrored") as site:
        assert "x86_64" in site.get("/")
