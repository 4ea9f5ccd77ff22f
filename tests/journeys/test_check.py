"""What `containerize check` finds is what fails: a defect each, and nothing in images that run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from defects import (
    CC,
    DEBIAN,
    DISTROLESS_PYTHON,
    HELLO,
    NONROOT,
    PYTHON,
    RUN,
    SITE,
    SLIM,
    STATIC,
    Defect,
    File,
    app,
    compiled,
    console_script,
    environment,
    extension,
    findings,
    for_machine,
    importing,
    library,
    on_base,
    script,
    starting,
    through_runpath,
    with_library,
)
from harness import Podman, Program, lab_image

RISCV = 243
#: Where the loader looks. Not below /lib: in some bases that is a link, which a folder of a layer replaces.
LIBRARIES = "usr/lib/x86_64-linux-gnu"


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
    return {"app/run": File(program), f"{LIBRARIES}/libown.so.1": File(made[old], 0o644)}


def for_musl(folder: Path) -> dict:
    library(folder, "libc.musl-x86_64.so.1")
    flags = ["-Wl,--no-as-needed", folder / "libc.musl-x86_64.so.1"]
    return {"app/run": File(compiled(folder, "app", HELLO, *flags))}


def other_machine(folder: Path) -> dict:
    program = compiled(folder, "app", HELLO, "-static")
    return {"app/run": File(for_machine(program.read_bytes(), RISCV))}


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
        "has a Windows line ending",
        "no such",
        RUN,
    ),
    Defect("env", DEBIAN, script("#!/usr/bin/env node\n"), "no-interpreter", "started by node", "node", RUN),
    Defect("no-loader", STATIC, app(), "no-interpreter", "/lib64/ld-linux-x86-64.so.2", "no such file", RUN),
    # Where Debian has a link, the engine puts the folder of the upper layer.
    Defect(
        "folder-for-link",
        DEBIAN,
        lambda folder: {**script("#!/bin/sh\n")(folder), "bin/own": File(b"")},
        "no-interpreter",
        "started by /bin/sh",
        "no such file",
        RUN,
    ),
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
        with_library(f"{LIBRARIES}/libown.so.1", mode=0o600),
        "not-allowed",
        "/lib/x86_64-linux-gnu/libown.so.1",
        "libown.so.1: cannot open",
        RUN,
    ),
    Defect("version", CC, old_library, "missing-version", "FOO_2 of /", "FOO_2' not found", RUN),
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
        extension("ext.cpython-312-x86_64-linux-gnu.so", "libown.so.1", f"{LIBRARIES}/libown.so.1"),
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


@pytest.mark.parametrize("base", [STATIC, CC, DISTROLESS_PYTHON, SLIM, DEBIAN])
def test_nothing_is_found_in_a_base(base: str, program: Program, tmp_path: Path) -> None:
    assert findings(program, lab_image(base), tmp_path, 0) == []


def test_what_is_found_is_said_in_words(program: Program, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    image = on_base(CC, with_library(None)(tmp_path / "files"), RUN, tmp_path / "layout")
    done = program("check", image, "--platform", "linux/amd64", cwd=tmp_path, code=1)
    assert "(linux/amd64): 1 error" in done.out
    assert "/app/run needs libown.so.1, which is not in the image" in done.out
    assert "fix: use a base that has libown.so.1" in done.out


def test_what_is_found_is_told_to_services_that_keep_findings(program: Program, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    image = on_base(CC, with_library(None)(tmp_path / "files"), RUN, tmp_path / "layout")
    check = ["check", image, "--platform", "linux/amd64", "--format"]
    document = json.loads(program(*check, "sarif", cwd=tmp_path, code=1).out)
    (scan,) = document["runs"]
    (result,) = scan["results"]
    rule = scan["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert (document["version"], result["level"], rule["id"]) == ("2.1.0", "error", "missing-library")
    assert "/app/run needs libown.so.1" in result["message"]["text"]
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "app/run"
    told = program(*check, "github", cwd=tmp_path, code=1).out
    assert told.startswith("::error title=oci%3A") and told.count("\n") == 1
    assert "::/app/run needs libown.so.1" in told and "%0Afix: use a base" in told
    # Where nothing was found, a service must be told so: it closes what it has kept.
    sound = program("check", lab_image(CC), "--platform", "linux/amd64", "--format", "sarif", cwd=tmp_path)
    assert json.loads(sound.out)["runs"][0]["results"] == []
    refused = program("check", "oci:nowhere", "--format", "sarif", cwd=tmp_path, code=None)
    assert refused.code != 0 and not refused.out and refused.err.startswith("error: ")
