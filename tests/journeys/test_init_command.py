"""`containerize init`: the table that it writes makes an image that starts, also from a Dockerfile."""

from __future__ import annotations

import os
import pty
import re
import shutil
import stat
import subprocess
from pathlib import Path

from harness import AMD64, REPOSITORY, Podman, Program, lab_image, merged, need_target, run, tiny_project
from python_projects import USAGE, copied, served

SLIM = "python:3.13-slim-bookworm"
TALKS = 'fn main() {\n    println!("{}", std::env::args().skip(1).collect::<Vec<_>>().join(" "));\n}\n'
FROM_CARGO = """
FROM rust:1.90 AS build
WORKDIR /src
COPY . .
RUN cargo build --release

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y ca-certificates
WORKDIR /srv
COPY --from=build /src/target/release/talks /usr/bin/talks
COPY --from=build /src/words.txt .
USER 1000
CMD ["talks", "hello", "there"]
"""
FROM_UV = """
FROM python:3.13-slim AS build
COPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/
WORKDIR /code
COPY . .
RUN uv sync --frozen --no-dev

FROM python:3.13-slim-bookworm
WORKDIR /code
COPY --from=build /code /code
ENV PATH="/code/.venv/bin:$PATH" PYTHONUNBUFFERED=1 GREETING=hi
EXPOSE 8080
RUN npm run build
CMD uv run uvicorn hello_fastapi.main:app --host 0.0.0.0 --port ${PORT:-8080}
"""


def fastapi(folder: Path) -> Path:
    """The example without a table."""
    project = folder / "hello-fastapi"
    shutil.copytree(REPOSITORY / "examples/hello-fastapi", project, ignore=shutil.ignore_patterns("dist"))
    manifest = project / "pyproject.toml"
    manifest.write_text(re.sub(r"\n\[tool\.containerize\][^\[]*", "", manifest.read_text()))
    return project


def test_a_fresh_rust_project_gets_a_table_once(program: Program, tmp_path: Path) -> None:
    project = tiny_project(tmp_path / "talks", name="talks", main=TALKS)
    manifest = project / "Cargo.toml"
    manifest.chmod(0o640)
    before = manifest.read_text()
    shown = program("init", "--dry-run", cwd=project)
    assert "[package.metadata.containerize]" in shown.out and manifest.read_text() == before
    done = program("init", "--repository", "ghcr.io/you/talks", "--workflow", "github", cwd=project)
    assert "Next: containerize" in done.out and "Written Cargo.toml" in done.err
    written = manifest.read_text()
    table = '\n[package.metadata.containerize]\nrepository = "ghcr.io/you/talks"\n'
    assert written == before + table
    assert stat.S_IMODE(manifest.stat().st_mode) == 0o640, "its mode stays"
    assert "rustup target add" in (project / ".github/workflows/image.yml").read_text()
    assert "ghcr.io/you/talks" in program("--dry-run", cwd=project).out
    again = program("init", cwd=project, code=USAGE)
    assert "already has [package.metadata.containerize]" in again.err and "--force" in again.err
    assert manifest.read_text() == written
    program("init", "--force", "--yes", cwd=project)
    assert manifest.read_text() == written, "the repository stays"
    refused = program("init", "--force", "--repository", "ghcr.io/You/App:tag", cwd=project, code=USAGE)
    assert "ghcr.io/You/App:tag" in refused.err and manifest.read_text() == written


def test_a_folder_is_known_by_all_of_its_names(program: Program, tmp_path: Path) -> None:
    project = tiny_project(tmp_path / "talks", name="talks", main=TALKS)
    (tmp_path / "link").symlink_to(project)
    (project / "sub").mkdir()
    for here, way in ((tmp_path, "link"), (project / "sub", "../../talks"), (project, "sub/..")):
        program("init", "--force", "-C", way, cwd=here)
        text = (project / "Cargo.toml").read_text()
        assert "[package.metadata.containerize]" in text and "[workspace." not in text, way
    assert "does not exist" in program("init", "-C", "missing", cwd=project, code=USAGE).err


def test_a_link_leads_nowhere_else(program: Program, tmp_path: Path) -> None:
    other = tiny_project(tmp_path / "other", name="other", main=TALKS)
    before = (other / "Cargo.toml").read_text()
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "link").symlink_to(other)
    (ours / "Dockerfile").write_text("FROM scratch\nCOPY link .\n")
    program("init", "--from-dockerfile", "--yes", cwd=ours, code=USAGE)
    assert (other / "Cargo.toml").read_text() == before


def test_a_library_leaves_the_image_to_its_members(program: Program, tmp_path: Path) -> None:
    root = tiny_project(tmp_path / "words", name="words", main=TALKS)
    (root / "src/main.rs").rename(root / "src/lib.rs")
    manifest = root / "Cargo.toml"
    manifest.write_text(
        manifest.read_text().replace("[workspace]\n", "") + '\n[workspace]\nmembers = ["talks"]\n'
    )
    member = tiny_project(root / "talks", name="talks", main=TALKS)
    (member / "Cargo.toml").write_text((member / "Cargo.toml").read_text().replace("[workspace]\n", ""))
    (root / "Cargo.lock").unlink(missing_ok=True)
    program("init", "--yes", "--repository", "ghcr.io/you", cwd=root)
    assert "[workspace.metadata.containerize]" in manifest.read_text()


def test_the_image_of_a_rust_dockerfile_starts(program: Program, podman: Podman, registry, tmp_path) -> None:
    need_target(AMD64)
    project = tiny_project(tmp_path / "talks", name="talks", main=TALKS)
    (project / "words.txt").write_text("words\n")
    (project / "Dockerfile").write_text(FROM_CARGO)
    done = program("init", "--from-dockerfile", cwd=project)
    assert "Not taken over" not in done.out and "a static program needs nothing of debian" in done.out
    name = registry("anonymous").name("init-talks")
    program("--push", "--repository", name, "-t", "1", cwd=project)
    image = podman.pull(f"{name}:1")
    assert podman.run(image).out == "hello there\n"
    shown = podman("inspect", "--format", "{{.Config.User}} {{.Config.WorkingDir}}", image)
    assert shown.out.strip() == "1000:1000 /srv"


def test_the_image_of_a_python_dockerfile_answers(
    program: Program, podman: Podman, registry, tmp_path: Path
) -> None:
    project = fastapi(tmp_path)
    (project / "Dockerfile").write_text(FROM_UV)
    done = program("init", "--from-dockerfile", "--yes", cwd=project)
    left = done.out.split("Not taken over from Dockerfile:\n")[1]
    assert left.startswith("  line 13: RUN npm run build\n    JavaScript is not built here\n    instead: ")
    text = (project / "pyproject.toml").read_text()
    assert 'GREETING = "hi"' in text and "PATH" not in text and "uv run" not in text
    name = registry("anonymous").name("init-fastapi")
    program("--push", "--repository", name, "-t", "1", "--base", lab_image(SLIM), cwd=project)
    with served(podman, podman.pull(f"{name}:1"), name="init-fastapi") as service:
        assert '"hello":"world"' in service.get("/")


def test_a_uv_workspace_is_built_from_its_root(program: Program, tmp_path: Path) -> None:
    project = copied("workspace-uv", tmp_path)
    manifest = project / "pyproject.toml"
    before = manifest.read_text()
    program("init", "--yes", "--repository", "ghcr.io/you", cwd=project)
    after = manifest.read_text()
    assert after == before + '\n[tool.containerize]\nrepository = "ghcr.io/you"\n'
    assert "ghcr.io/you" in program("--dry-run", "--base", lab_image(SLIM), cwd=project).out


def test_the_documented_dockerfile_gives_the_documented_table(program: Program, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs/init.md").read_text()
    blocks = dict(re.findall(r"^```(dockerfile|toml)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    (tmp_path / "requirements.txt").write_text("uvicorn==0.34.0\n")
    (tmp_path / "Dockerfile").write_text(blocks["dockerfile"])
    done = program("init", "--from-dockerfile", "--dry-run", cwd=tmp_path)
    assert f"# pyproject.toml\n{blocks['toml']}\n" in done.out
    assert "Next:" not in done.out, "nothing was written"
    assert "Not taken over" not in done.out and list(tmp_path.glob("*.toml")) == []


def test_whatever_is_no_dockerfile_is_refused_in_a_sentence(program: Program, tmp_path: Path) -> None:
    project = tiny_project(tmp_path / "tiny")
    file = project / "Dockerfile"
    before = (project / "Cargo.toml").read_bytes()
    call = ["init", "--from-dockerfile"]
    assert "there is no Dockerfile in" in program(*call, cwd=project, code=USAGE).err
    for content, words in (
        (b"FROM x\nINSTALL y\n", 'line 2 of the Dockerfile begins with "INSTALL"'),
        (b"FROM x\nRUN \x00\n", "line 2 of the Dockerfile has a NUL byte"),
        (b"FROM x\nRUN \xff\n", "not text in UTF-8"),
        (b"# " + b"x" * (2 << 20), "larger than 1 MiB"),
        (b"", "has no FROM"),
    ):
        file.write_bytes(content)
        refused = program(*call, cwd=project, code=USAGE)
        assert words in refused.err and refused.err.count("error:") == 1, refused.err
    assert (project / "Cargo.toml").read_bytes() == before


def test_a_terminal_is_asked(program: Program, tmp_path: Path) -> None:
    project = tiny_project(tmp_path / "several", name="several")
    (project / "src/bin").mkdir()
    (project / "src/bin/other.rs").write_text("fn main() {}\n")
    run(["git", "init", "-q"], cwd=project)
    run(["git", "remote", "add", "origin", "git@github.com:You/Several.git"], cwd=project)
    ours, theirs = pty.openpty()
    os.write(ours, b"\nother\n")
    call = [program.folder / "containerize", "init"]
    done = subprocess.run(
        call,
        cwd=project,
        env=merged(program.env),
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        check=True,
    )
    asked = os.read(ours, 1 << 16).decode()
    os.close(ours)
    os.close(theirs)
    assert "[ghcr.io/you/several]" in asked and "one of other, several" in asked
    assert b"Next: containerize" in done.stdout
    text = (project / "Cargo.toml").read_text()
    assert 'repository = "ghcr.io/you/several"\nbin = "other"\n' in text
