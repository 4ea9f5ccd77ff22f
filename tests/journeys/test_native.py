"""Programs and modules with C underneath: libraries of the base, of this machine, and of nobody."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from defects import library
from harness import (
    FIXTURES,
    Env,
    Podman,
    Program,
    Service,
    built_once,
    free_port,
    lab_image,
    need,
    need_mirror,
    run,
    serve,
    tiny_project,
)
from python_projects import assert_runs_as_nonroot, copied, make, with_uv
from validator import validate_layout

CC, DEBIAN = "distroless/cc-debian12:nonroot", "debian:bookworm-slim"
GNU = "x86_64-unknown-linux-gnu"
FOLDER = "usr/local/lib/containerize"
BUILD_RS = """fn main() {{
    for argument in "{arguments}".split_whitespace() {{
        println!("cargo:rustc-link-arg={{argument}}");
    }}
}}
"""


def base(name: str) -> list[str]:
    return ["--base", lab_image(name), "--target", GNU, "--platform", "linux/amd64"]


def calling(folder: Path, function: str, *arguments: str | Path) -> Path:
    """A Rust program that prints what a C function without arguments gives."""
    main = (
        f'unsafe extern "C" {{\n    fn {function}() -> std::ffi::c_int;\n}}\n'
        f'fn main() {{\n    println!("{{}}", unsafe {{ {function}() }});\n}}\n'
    )
    project = tiny_project(folder, main=main)
    words = " ".join(map(str, arguments))
    (project / "build.rs").write_text(BUILD_RS.format(arguments=words))
    return project


def built(
    program: Program,
    project: Path,
    on: str,
    *more: str,
    env: Env | None = None,
    code: int = 0,
    into: Path | None = None,
):
    folder = into or project.parent
    layout = folder / f"layout{len(list(folder.glob('layout*')))}"
    flags = [*base(on), "-o", f"oci:{layout}:made", *more]
    return layout, program(*flags, cwd=project, env={**built_once("native"), **(env or {})}, code=code)


def need_library(name: str) -> None:
    if not Path(f"/usr/lib/x86_64-linux-gnu/{name}").exists():
        pytest.skip(f"not installed: {name}")


def test_a_program_uses_the_openssl_of_the_base(program, podman_kept: Podman, tmp_path: Path) -> None:
    need_library("libcrypto.so.3")
    project = calling(tmp_path / "app", "OPENSSL_version_major", "-l:libcrypto.so.3")
    layout, _ = built(program, project, CC)
    assert podman_kept.run(podman_kept.take(layout, "made")).out == "3\n"
    _, done = built(program, project, DEBIAN, code=1)
    assert "needs libcrypto.so.3, which is not in the image" in done.err
    assert "libssl3" in done.err and 'native = "bundle"' in done.err


def test_a_package_of_this_machine_is_carried_along(program, podman_kept: Podman, tmp_path: Path) -> None:
    need_library("libsqlite3.so.0")
    need("dpkg")
    project = calling(tmp_path / "app", "sqlite3_libversion_number", "-l:libsqlite3.so.0")
    layout, done = built(program, project, CC, code=1)
    assert "tiny (linux/amd64) would fail" in done.err and "libsqlite3.so.0" in done.err
    assert not (layout / "index.json").exists(), "nothing is delivered"

    layout, done = built(program, project, CC, "--native", "bundle")
    assert "libsqlite3.so.0 comes from" in done.err and "package libsqlite3-0" in done.err
    assert int(podman_kept.run(podman_kept.take(layout, "made")).out) > 3_000_000
    index = json.loads((layout / "index.json").read_text())
    manifest = layout / "blobs" / index["manifests"][0]["digest"].replace(":", "/")
    ours = len(json.loads(manifest.read_text())["layers"]) - 2
    image = validate_layout(layout, digest=done.digest, base_layers=ours).image("linux/amd64")
    entries = {entry.name: entry for entry in image.layers[-2].entries}
    assert entries[f"{FOLDER}/libsqlite3.so.0"].kind == "symlink"
    assert f"{FOLDER}/licenses/libsqlite3-0/copyright" in entries
    assert not [name for name in entries if "libc.so" in name or "libm.so" in name]
    assert f"LD_LIBRARY_PATH=/{FOLDER}" in image.run_config["Env"]

    again, done = built(program, project, CC, "--native", "bundle")
    assert (again / "index.json").read_bytes() == (layout / "index.json").read_bytes(), "reproducible"


def test_a_library_built_here_comes_with_what_it_needs(program, podman_kept: Podman, tmp_path: Path) -> None:
    need("gcc")
    local = tmp_path / "local"
    local.mkdir()
    deep = "int deep(void){return 42;}"
    library(local, "libdeep.so.2", source=deep)
    source = "int deep(void);int own(void){return deep();}"
    library(local, "libown.so.1", "-L.", "-l:libdeep.so.2", source=source)
    link = [f"-L{local}", "-l:libown.so.1", f"-Wl,-rpath-link,{local}"]
    project = calling(tmp_path / "app", "own", *link)
    where = {"LD_LIBRARY_PATH": str(local)}
    for on in (CC, DEBIAN):
        layout, done = built(program, project, on, "--native", "bundle", env=where)
        assert "libown.so.1 comes from" in done.err and "belongs to no package" in done.err
        assert podman_kept.run(podman_kept.take(layout, "made")).out == "42\n"
    # Without the folder nobody knows where they are.
    _, done = built(program, project, CC, "--native", "bundle", code=1)
    assert "needs libown.so.1, which is not in the image" in done.err


def test_warnings_let_the_image_out(program, tmp_path: Path) -> None:
    need_library("libsqlite3.so.0")
    project = calling(tmp_path / "app", "sqlite3_libversion_number", "-l:libsqlite3.so.0")
    layout, done = built(program, project, CC, "--check", "warn")
    assert "warning" in done.err and "libsqlite3.so.0" in done.err
    checked = program("check", f"oci:{layout}:made", "--format", "json", cwd=tmp_path, code=1)
    (finding,) = json.loads(checked.out)["platforms"][0]["findings"]
    assert (finding["kind"], finding["library"]) == ("missing-library", "libsqlite3.so.0")
    _, done = built(program, project, CC, "--check", "off")
    assert "libsqlite3" not in done.err


@contextlib.contextmanager
def answering(podman: Podman, layout: Path, name: str) -> Iterator[Service]:
    """The image as a service. It listens on the port that PORT names and does not know how to end."""
    port = free_port()
    image = podman.take(layout, "made")
    command = podman.command(image, options=[f"--name={name}", f"--env=PORT={port}"])
    with serve(command, port, podman.env) as service:
        try:
            assert_runs_as_nonroot(podman, name)
            yield service
        finally:
            podman("kill", name, code=None)


def sqlite_to_link_with(env: Env) -> Env:
    """SQLite as its development files give it, which are not there: at one place, since the crate is
    compiled anew for another."""
    need_library("libsqlite3.so.0")
    folder = Path(env["CARGO_TARGET_DIR"], "linked")
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "libsqlite3.so"
    if not link.is_symlink():
        link.symlink_to("/usr/lib/x86_64-linux-gnu/libsqlite3.so.0")
    return {**env, "SQLITE3_LIB_DIR": str(folder)}


@pytest.mark.parametrize("how", ["--native=bundle", "--debian=libsqlite3-0"])
def test_a_diesel_service_answers_from_its_database(
    how: str, program: Program, podman_kept: Podman, tmp_path: Path
) -> None:
    if "debian" in how:
        need_mirror()
    env = sqlite_to_link_with(built_once("diesel-service"))
    # In its place: elsewhere cargo would compile its dependencies again.
    project = FIXTURES / "diesel-service"
    layout, done = built(program, project, CC, env=env, code=1, into=tmp_path)
    assert "needs libsqlite3.so.0, which is not in the image" in done.err
    layout, _ = built(program, project, CC, how, env=env, into=tmp_path)
    with answering(podman_kept, layout, "diesel") as service:
        assert re.fullmatch(r"SQLite 3\.\d+\.\d+\n", service.get("/"))
        for name in ("grace", "ada"):
            service.get(f"/visits/{name}")
        assert service.get("/visits/grace") == "ada 1\ngrace 2\n"


@pytest.mark.full
@pytest.mark.parametrize(("on", "packages"), [(CC, []), (DEBIAN, ["--debian=libssl3", "--user=65532:65532"])])
def test_an_openssl_service_signs(
    on: str, packages: list[str], program: Program, podman_kept: Podman, tmp_path: Path
) -> None:
    need("pkg-config", "openssl")
    if packages:
        need_mirror()
    if run(["pkg-config", "--exists", "openssl"], code=None).code != 0:
        pytest.skip("OpenSSL's development files are not installed: apt-get install libssl-dev")
    env = built_once("openssl-service")
    layout, _ = built(program, FIXTURES / "openssl-service", on, *packages, env=env, into=tmp_path)
    with answering(podman_kept, layout, "openssl") as service:
        assert service.get("/").startswith("OpenSSL 3.")
        digest, signature = service.get("/signed/true").split()
        (tmp_path / "key.pem").write_text(service.get("/key"))
    (tmp_path / "text").write_text("true")
    (tmp_path / "signature").write_bytes(bytes.fromhex(signature))
    assert run(["sha256sum", tmp_path / "text"]).out.split()[0] == digest
    # OpenSSL itself says whether the signature is one.
    run(
        ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "text"],
        cwd=tmp_path,
    )


@pytest.mark.full
def test_a_maturin_project_is_built_and_put_into_an_image(
    program, podman_kept: Podman, tmp_path: Path
) -> None:
    """One command: maturin comes from PyPI as the build backend, pyo3 from crates.io."""
    need("cargo")
    project = copied("rust-maturin", tmp_path)
    made = make(program, project, tmp_path / "layout", base="distroless", env=with_uv(tmp_path, program))
    assert podman_kept.run(podman_kept.take(made.path, "made")).out == "42\n"
