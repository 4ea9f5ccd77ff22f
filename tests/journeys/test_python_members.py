"""Several projects of one repository in one call: folders that the root's table names, services with locks of
their own in one folder, and uv's workspaces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import OWN_MOUNTS, Outcome, Podman, Program, run
from python_projects import base_layers, lab_base, uv

REF_NAME = "org.opencontainers.image.ref.name"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two services in folders of their own, and two in one."""
    root = tmp_path / "repository"
    image = (
        '[tool.containerize.image.{0}]\nlock = "requirements.{0}.txt"\nentrypoint = ["python", "{0}.py"]\n'
    )
    sessions = '[project]\nname = "sessions"\nversion = "1.2"\n'
    table = '[tool.containerize]\npackages = ["services/*", "sessions"]\nuser = "1000:0"\n'
    table += 'repository = "example.com/x"\n'
    write(
        root,
        {
            "pyproject.toml": f'{table}base = "{lab_base("slim")}"\n',
            "services/api/requirements.txt": "idna==3.10\n",
            "services/api/main.py": "import idna\n\nprint('api', idna.__version__)\n",
            "services/jobs/requirements.txt": "docopt==0.6.2\nidna==3.10\n",
            "services/jobs/main.py": "import docopt, idna\n\nprint('jobs')\n",
            "services/readme.txt": "no project\n",
            "sessions/pyproject.toml": sessions + image.format("reader") + image.format("writer"),
            "sessions/requirements.reader.txt": "idna==3.10\n",
            "sessions/requirements.writer.txt": "docopt==0.6.2\n",
            "sessions/reader.py": "import idna\n\nprint('reader')\n",
            "sessions/writer.py": "import docopt\n\nprint('writer')\n",
        },
    )
    return root


def names(outcome: Outcome) -> list[str]:
    return [line.split()[1] for line in outcome.out.splitlines() if line.startswith("image ")]


def test_one_file_configures_all_services_of_a_repository(
    program: Program, podman_kept: Podman, repository: Path, tmp_path: Path
) -> None:
    root = repository / "pyproject.toml"
    hooks = (
        '[tool.containerize.hooks]\npre = ["echo pre >> said"]\npost = ["echo $CONTAINERIZE_NAME >> said"]\n'
    )
    root.write_text(root.read_text() + hooks)
    done = program("-o", f"oci:{tmp_path}/layout", cwd=repository)
    assert (repository / "said").read_text().split() == ["pre", "api", "jobs", "reader", "writer"]
    digests = dict(line.split("@") for line in done.out.splitlines())
    assert list(digests) == ["api", "jobs", "reader", "writer"]
    index = json.loads((tmp_path / "layout" / "index.json").read_text())["manifests"]
    tags = {entry["digest"]: entry["annotations"][REF_NAME] for entry in index}
    assert set(tags) == set(digests.values()), "none has replaced another"
    layers = {}
    for name, digest in digests.items():
        manifest = (tmp_path / "layout" / "blobs" / digest.replace(":", "/")).read_text()
        layers[name] = [layer["digest"] for layer in json.loads(manifest)["layers"]]
        copy = ["skopeo", "copy", "-q", f"oci:{tmp_path}/layout:{tags[digest]}"]
        run([*OWN_MOUNTS, *copy, f"containers-storage:localhost/{tags[digest]}"], env=podman_kept.env)
        assert podman_kept.run(f"localhost/{tags[digest]}").out.split()[0] == name
    assert len(set(layers["api"]) & set(layers["reader"])) >= base_layers("slim")["linux/amd64"] + 2, (
        "all but the source"
    )

    # An image is the same whoever is built beside it, and wherever the call comes from.
    alone = program("-o", f"oci:{tmp_path}/alone", cwd=repository / "services" / "api")
    assert alone.out.strip().rpartition("@")[2] == digests["api"]
    chosen = program("--package", "sessions", "-p", "services/j*", "--dry-run", cwd=repository)
    assert names(chosen) == ["jobs", "reader", "writer"]
    assert "example.com/x/jobs" in chosen.out and "1000:0" in chosen.out


def test_services_say_their_names_and_versions(program: Program, repository: Path) -> None:
    root = repository / "pyproject.toml"
    named = '[tool.containerize.image.{0}]\nname = "acme-{0}"\nversion = "{1}"\n'
    root.write_text(root.read_text() + named.format("api", "3.1"))
    sessions = repository / "sessions" / "pyproject.toml"
    own = sessions.read_text().replace("image.reader]", 'image.reader]\nname = "acme-reader"')
    sessions.write_text(own)
    told = program("--dry-run", cwd=repository)
    assert names(told) == ["acme-api", "jobs", "acme-reader", "writer"]
    for reference in ["acme-api:3.1", "jobs:0.0.0", "acme-reader:1.2", "writer:1.2"]:
        assert f"example.com/x/{reference} " in told.out
    assert told.err.count("declares no version") == 1, "jobs alone has none"
    sessions.write_text(own.replace("acme-reader", "writer"))
    refused = program("--dry-run", cwd=repository, code=2)
    assert "two images that are named writer" in refused.err and "key `name`" in refused.err


def test_a_name_that_means_no_member_is_refused(program: Program, repository: Path, tmp_path: Path) -> None:
    refused = program("--package", "nope", cwd=repository, code=2)
    assert "there is no project nope" in refused.err and "api, jobs, sessions" in refused.err
    alone = tmp_path / "alone"
    write(alone, {"requirements.txt": "", "main.py": "print(1)\n"})
    assert "is not in a workspace" in program("--workspace", cwd=alone, code=2).err
    sessions = repository / "sessions"
    (sessions / "requirements.reader.txt").unlink()
    refused = program(cwd=sessions, code=2)
    assert "the lock file" in refused.err and "requirements.reader.txt" in refused.err


def test_the_root_of_a_workspace_takes_its_members(program: Program, tmp_path: Path) -> None:
    member = '[project]\nname = "{0}"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = {1}\n'
    sources = "[tool.uv.sources]\ncommon = { workspace = true }\n"
    members = {
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["apps/*", "libs/*"]\n',
        "apps/web/pyproject.toml": member.format("web", '["common"]') + sources,
        "apps/web/main.py": "print('web')\n",
        "libs/common/pyproject.toml": member.format("common", "[]")
        + '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
        "libs/common/src/common/__init__.py": "",
    }
    root = tmp_path / "root"
    write(root, members)
    run([uv(), "lock", "-q"], cwd=root)
    base = ["--base", lab_base("slim"), "--dry-run"]
    assert names(program(*base, cwd=root)) == ["web"], "a library is no application"
    write(
        root,
        {"apps/jobs/pyproject.toml": member.format("jobs", "[]"), "apps/jobs/main.py": "print('jobs')\n"},
    )
    run([uv(), "lock", "-q"], cwd=root)
    refused = program(*base, cwd=root, code=2)
    assert "its members are jobs, web" in refused.err and "--workspace" in refused.err
    everything = program(*base, "--workspace", cwd=root)
    assert names(everything) == ["jobs", "web"] and "skipping projects" in everything.err
    write(root, {"pyproject.toml": members["pyproject.toml"] + '[tool.containerize]\npackages = ["jobs"]\n'})
    assert names(program(*base, cwd=root)) == ["jobs"]
