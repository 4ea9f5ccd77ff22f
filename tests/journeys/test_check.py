"""What `containerize check` finds is what fails: a defect each, and nothing in images that run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from defects import NONROOT, Defect, File, calling, compiled, for_machine, library, on_base
from harness import LAB, Podman, Program, need, run

CC, STATIC = "distroless/cc-debian12:nonroot", "distroless/static-debian12:nonroot"
DEBIAN, SLIM = "debian:bookworm-slim", "python:3.13-slim-bookworm"
DISTROLESS_PYTHON = "distroless/python3-debian12:nonroot"
SITE = "app/.venv/lib/python3.13/site-packages"
PYTHON = "app/.venv/bin/python"
RISCV = 243
HELLO = "int main(void){return 0;}"


def app(mode: int = 0o755, uid: int = 0):
    return lambda folder: {"app/run": File(compiled(folder, "app", HELLO), mode, uid)}


def script(text: str, mode: int = 0o755):
    return lambda folder: {"app/run": File(text.encode(), mode)}


def environment(more):
    """A virtual environment on the base's Python."""

    def files(folder: Path) -> dict:
        cfg = b"home = /usr/local/bin\ninclude-system-site-packages = false\nversion = 3.13\n"
        return {PYTHON: "/usr/local/bin/python3.13", "app/.venv/pyvenv.cfg": File(cfg, 0o644), **more(folder)}

    return files


def extension(name: str, soname: str, to: str | None = None):
    """An extension module that needs a library, which goes into the image where `to` says."""

    def files(folder: Path) -> dict:
        own = library(folder, soname)
        link = [own.with_name(soname.split(".so")[0] + ".so")]
        source = "int f(void);void*PyInit_ext(void){f();return 0;}"
        module = compiled(folder, name, source, "-shared", "-fPIC", *link)
        made = {f"{SITE}/{name}": File(module, 0o644)}
        return {**made, to: File(own, 0o644)} if to else made

    return environment(files)


def console_script(module: str):
    start = "if __name__ == '__main__':\n    sys.exit(main())\n"
    text = f"#!/{PYTHON}\nimport sys\nfrom {module} import main\n{start}"
    return environment(lambda _: {"app/.venv/bin/web": File(text.encode())})


def old_library(folder: Path) -> dict:
    """A program built against a newer version of the library than the image has."""
    old, new = folder / "old", folder / "new"
    versions = {"FOO_1": "{ global: f; };", "FOO_2": "{ global: g; } FOO_1;"}
    source = "int f(void){return 0;}int g(void){return 0;}"
    made = {}
    for place, names in ((old, ["FOO_1"]), (new, ["FOO_1", "FOO_2"])):
        place.mkdir()
        (place / "map").write_text("".join(f"{name} {versions[name]}\n" for name in names))
        made[place] = library(place, "libown.so.1", "-Wl,--version-script=map", source=source)
    calls = "int g(void);int f(void);int main(void){return f()+g();}"
    program = compiled(new, "app", calls, "-L.", "-lown")
    return {"app/run": File(program), "lib/x86_64-linux-gnu/libown.so.1": File(made[old], 0o644)}


def through_runpath(folder: Path) -> dict:
    """A program whose library needs another one: its RUNPATH does not count for that."""
    library(folder, "libdeep.so.1")
    source = "int f(void);int g(void){return f();}"
    library(folder, "libown.so.1", "-L.", "-ldeep", source=source)
    calls = "int g(void);int main(void){return g();}"
    flags = ["-L.", "-lown", "-Wl,-rpath-link,.", "-Wl,-rpath,$ORIGIN/lib", "-Wl,--enable-new-dtags"]
    program = compiled(folder, "app", calls, *flags)
    libraries = {f"app/lib/{name}": File(folder / name, 0o644) for name in ("libown.so.1", "libdeep.so.1")}
    return {"app/run": File(program), **libraries}


def with_library(to: str | None, *flags: str, mode: int = 0o644):
    """A program that needs libown.so.1, and the library where `to` says."""

    def files(folder: Path) -> dict:
        own = library(folder, "libown.so.1")
        return {"app/run": calling(folder, *flags), **({to: File(own, mode)} if to else {})}

    return files


def for_musl(folder: Path) -> dict:
    library(folder, "libc.musl-x86_64.so.1")
    flags = ["-Wl,--no-as-needed", folder / "libc.musl-x86_64.so.1"]
    return {"app/run": File(compiled(folder, "app", HELLO, *flags))}


def other_machine(folder: Path) -> dict:
    program = compiled(folder, "app", HELLO, "-static")
    return {"app/run": File(for_machine(program.read_bytes(), RISCV))}


RUN = {"Entrypoint": ["/app/run"], "Cmd": None}


def starting(*words: str, **more) -> dict:
    return {"Entrypoint": list(words), "Cmd": None, **more}


def importing(module: str) -> dict:
    return starting(f"/{PYTHON}", "-c", f"import {module}")


DEFECTS = [
    Defect("no-program", DEBIAN, app(), "no-program", "/app/nope", "no such file", starting("/app/nope")),
    Defect(
        "not-on-path",
        DEBIAN,
        app(),
        "no-program",
        "nope, which is in no folder of PATH",
        "nope",
        starting("nope"),
    ),
    Defect(
        "not-executable",
        DEBIAN,
        app(0o644),
        "not-allowed",
        "may not execute /app/run",
        "permission denied",
        RUN,
    ),
    Defect(
        "of-another-user",
        DEBIAN,
        app(0o700),
        "not-allowed",
        "user 65532 may not execute /app/run",
        "permission denied",
        {**RUN, "User": f"{NONROOT}:{NONROOT}"},
    ),
    Defect(
        "no-format",
        DEBIAN,
        script("hello\n"),
        "not-executable",
        "neither a program",
        "exec format error",
        RUN,
    ),
    Defect("no-user", CC, app(), "no-user", '"web"', "unable to find user web", {**RUN, "User": "web"}),
    Defect(
        "no-shell", CC, script("#!/bin/bash\n"), "no-interpreter", "started by /bin/bash", "no such file", RUN
    ),
    Defect(
        "windows",
        DEBIAN,
        script("#!/bin/sh\r\ntrue\r\n"),
        "no-interpreter",
        "ends as on Windows",
        "no such",
        RUN,
    ),
    Defect("env", DEBIAN, script("#!/usr/bin/env node\n"), "no-interpreter", "started by node", "node", RUN),
    Defect("no-loader", STATIC, app(), "no-interpreter", "/lib64/ld-linux-x86-64.so.2", "no such file", RUN),
    Defect("machine", CC, other_machine, "wrong-machine", "built for riscv64", "exec format error", RUN),
    Defect(
        "library", CC, with_library(None), "missing-library", "libown.so.1", "libown.so.1: cannot open", RUN
    ),
    Defect(
        "not-looked-at",
        DEBIAN,
        with_library("usr/local/lib/libown.so.1"),
        "missing-library",
        "at /usr/local/lib/libown.so.1, where the loader does not look",
        "libown.so.1: cannot open",
        RUN,
    ),
    Defect(
        "runpath", CC, through_runpath, "missing-library", "libdeep.so.1", "libdeep.so.1: cannot open", RUN
    ),
    Defect(
        "closed-library",
        CC,
        with_library("lib/x86_64-linux-gnu/libown.so.1", mode=0o600),
        "not-allowed",
        "may not read /lib/x86_64-linux-gnu/libown.so.1",
        "libown.so.1: cannot open",
        RUN,
    ),
    Defect("version", CC, old_library, "missing-version", "FOO_2 of /lib/x86_64", "FOO_2' not found", RUN),
    Defect("musl", CC, for_musl, "wrong-libc", "libc.musl-x86_64.so.1", "libc.musl-x86_64.so.1", RUN),
    Defect(
        "module-library",
        SLIM,
        extension("ext.cpython-313-x86_64-linux-gnu.so", "libown.so.1"),
        "missing-library",
        "ext.cpython-313-x86_64-linux-gnu.so needs libown.so.1",
        "ImportError: libown.so.1",
        importing("ext"),
    ),
    Defect(
        "module-not-looked-at",
        SLIM,
        extension("ext.abi3.so", "libown.so.1", "usr/local/lib/libown.so.1"),
        "missing-library",
        "where the loader does not look",
        "ImportError: libown.so.1",
        importing("ext"),
    ),
    Defect(
        "python",
        SLIM,
        extension(
            "ext.cpython-312-x86_64-linux-gnu.so", "libown.so.1", "usr/lib/x86_64-linux-gnu/libown.so.1"
        ),
        "wrong-python",
        "not for this interpreter, CPython 3.13",
        "No module named 'ext'",
        importing("ext"),
    ),
    Defect(
        "script",
        SLIM,
        console_script("web.cli"),
        "missing-module",
        "imports web.cli",
        "'web'",
        starting("/app/.venv/bin/web"),
    ),
    Defect(
        "module",
        SLIM,
        environment(lambda _: {}),
        "missing-module",
        "python -m web imports web",
        "No module named web",
        starting(f"/{PYTHON}", "-m", "web"),
    ),
    Defect(
        "main",
        SLIM,
        environment(lambda _: {f"{SITE}/web/__init__.py": File(b"", 0o644)}),
        "missing-module",
        "web.__main__",
        "cannot be directly executed",
        starting(f"/{PYTHON}", "-m", "web"),
    ),
]


def findings(program: Program, image: str, folder: Path, code: int) -> list[dict]:
    done = program("check", image, "--format", "json", cwd=folder, code=code)
    platforms = json.loads(done.out)["platforms"]
    return [finding for platform in platforms for finding in platform["findings"]]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_is_found_and_is_what_fails(
    defect: Defect, program: Program, podman_kept: Podman, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    layout = tmp_path / "layout"
    image = on_base(defect.base, defect.files(files), defect.config, layout)
    errors = [f for f in findings(program, image, tmp_path, 1) if f["severity"] == "error"]
    assert [finding["kind"] for finding in errors] == [defect.kind]
    assert defect.message in errors[0]["message"]
    assert errors[0]["fix"]

    done = podman_kept.run(podman_kept.take(layout, "made"), code=None)
    assert done.code != 0
    assert defect.says in done.out + done.err


#: Images that run although they look as if they did not.
SOUND = {
    "rpath": (CC, lambda folder: sound_rpath(folder), RUN),
    "library-path": (
        DEBIAN,
        with_library("usr/local/lib/libown.so.1"),
        {**RUN, "Env": ["LD_LIBRARY_PATH=/usr/local/lib"]},
    ),
    "origin": (CC, with_library("app/lib/libown.so.1", "-Wl,-rpath,$ORIGIN/lib"), RUN),
    "links": (
        DEBIAN,
        lambda folder: {**app()(folder), "srv/a": "../app", "srv/b": "/srv/a/run"},
        starting("/srv/b"),
    ),
    "shell": (DEBIAN, script("#!/bin/sh -e\ntrue\n"), RUN),
    "env": (DEBIAN, script("#!/usr/bin/env -S bash -e\ntrue\n"), RUN),
    "user": (DEBIAN, app(0o750, NONROOT), {**RUN, "User": str(NONROOT)}),
    "relative": (DEBIAN, app(), starting("./run", WorkingDir="/app")),
    "on-path": (DEBIAN, app(), {**starting("run"), "Env": ["PATH=/nowhere:/app:/bin"]}),
    "static": (STATIC, lambda folder: {"app/run": File(compiled(folder, "app", HELLO, "-static"))}, RUN),
    "static-pie": (
        STATIC,
        lambda folder: {"app/run": File(compiled(folder, "app", HELLO, "-static-pie"))},
        RUN,
    ),
    "musl": (STATIC, lambda folder: musl_static(folder), RUN),
    "module": (
        SLIM,
        extension("ext.abi3.so", "libown.so.1", "usr/lib/x86_64-linux-gnu/libown.so.1"),
        starting(f"/{PYTHON}", "-c", "pass"),
    ),
    "script": (
        SLIM,
        lambda folder: {
            **console_script("web.cli")(folder),
            f"{SITE}/web/cli.py": File(b"def main(): return 0\n", 0o644),
        },
        starting("/app/.venv/bin/web"),
    ),
    "pth": (
        SLIM,
        lambda folder: {
            **console_script("web")(folder),
            f"{SITE}/web.pth": File(b"/srv/web\n", 0o644),
            "srv/web/web.py": File(b"def main(): return 0\n", 0o644),
        },
        starting("/app/.venv/bin/web"),
    ),
    "standard-library": (SLIM, lambda _: {}, starting("python", "-m", "timeit", "-n1", "pass")),
    "server-python": (SLIM, lambda _: {}, starting("python3", "-c", "import sqlite3, ssl, ctypes")),
    "distroless-python": (
        DISTROLESS_PYTHON,
        lambda _: {},
        starting("/usr/bin/python3", "-c", "import ssl, sqlite3"),
    ),
}


def sound_rpath(folder: Path) -> dict:
    """As `through_runpath`, with the older kind of path, which counts for libraries' libraries, too."""
    files = through_runpath(folder)
    flags = ["-L.", "-lown", "-Wl,-rpath-link,.", "-Wl,-rpath,$ORIGIN/lib", "-Wl,--disable-new-dtags"]
    program = compiled(folder, "old", "int g(void);int main(void){return g();}", *flags)
    return {**files, "app/run": File(program)}


def musl_static(folder: Path) -> dict:
    need("musl-gcc")
    (folder / "m.c").write_text(HELLO)
    run(["musl-gcc", "-static", "-o", folder / "m", folder / "m.c"])
    return {"app/run": File(folder / "m")}


@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_found_in_an_image_that_runs(
    name: str, program: Program, podman_kept: Podman, tmp_path: Path
) -> None:
    base, files, config = SOUND[name]
    made = tmp_path / "files"
    made.mkdir()
    for own in (True, False):
        layout = tmp_path / f"layout-{own}"
        image = on_base(base, files(made), config, layout, own=own)
        assert findings(program, image, tmp_path, 0) == []
    podman_kept.run(podman_kept.take(layout, "made"))


@pytest.mark.parametrize("base", [STATIC, CC, DISTROLESS_PYTHON, SLIM, DEBIAN])
def test_nothing_is_found_in_a_base(base: str, program: Program, tmp_path: Path) -> None:
    layout = LAB / "base-images"
    if not layout.is_dir():
        pytest.skip("no lab with base images")
    assert findings(program, f"oci:{layout}:{base}", tmp_path, 0) == []


def test_what_is_found_is_said_in_words(program: Program, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    image = on_base(CC, with_library(None)(tmp_path / "files"), RUN, tmp_path / "layout")
    done = program("check", image, "--platform", "linux/amd64", cwd=tmp_path, code=1)
    assert "(linux/amd64): 1 error" in done.out
    assert "/app/run needs libown.so.1, which is not in the image" in done.out
    assert "fix: take a base that has libown.so.1" in done.out
