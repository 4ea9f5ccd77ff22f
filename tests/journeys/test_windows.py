"""The program for Windows, under Wine: from the same tree it has Linux's digest.

`tests/run --full` builds it and names it in CONTAINERIZE_TEST_WINDOWS.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import (
    AMD64,
    HELLO_TARGET,
    HELLO_WEB,
    REPOSITORY,
    Env,
    Program,
    Registry,
    need,
    need_target,
    run,
    skopeo_digest,
)
from python_projects import PROJECTS, lab_base, uv
from windows import DRIVE, WINE, Windows, on_windows, script

pytestmark = pytest.mark.full

#: In files that stay out, and found in no image.
CANARY = "Zq7CANARYwinP4x"
#: A host as the compiler of Windows names it.
HOST = "x86_64-pc-windows-msvc"


@pytest.fixture(scope="module")
def windows(module_path: Path) -> Windows:
    binary = os.environ.get("CONTAINERIZE_TEST_WINDOWS")
    if not binary or not WINE.is_file():
        pytest.skip("no program for Windows: tests/run --full makes it where Wine and mingw-w64 are")
    return Windows(Path(binary), module_path)


def copied(source: Path, folder: Path) -> Path:
    project = folder / source.name
    shutil.copytree(source, project, symlinks=True)
    return project


def base_of_windows() -> str:
    return lab_base("slim").replace("oci:/", f"oci:{DRIVE}/", 1)


def call_of(project: Path) -> list[str]:
    return ["-C", on_windows(project), "--base", base_of_windows()]


def same(windows: Windows, program: Program, project: Path, env: Env | None = None) -> Path:
    """From one tree both systems make one image, which is in the layout that is given."""
    out = project.parent / "out"
    linux = ("-C", project, "--base", lab_base("slim"), "-o", f"oci:{out / 'linux'}")
    here = program(*linux, cwd=project.parent, env=env)
    there = windows(*call_of(project), "-o", f"oci:{on_windows(out / 'windows')}")
    assert there.digest == here.digest
    return out / "windows"


@pytest.mark.parametrize(
    "source",
    [
        REPOSITORY / "examples" / "hello-fastapi",
        PROJECTS / "service-uv",
        PROJECTS / "service-poetry",
        PROJECTS / "site-pip",
    ],
    ids=lambda source: source.name,
)
def test_the_same_tree_has_the_same_digest(
    source: Path, windows: Windows, program: Program, tmp_path: Path
) -> None:
    same(windows, program, copied(source, tmp_path))


def test_members_of_a_workspace_that_are_built_make_one_image(
    windows: Windows, program: Program, tmp_path: Path
) -> None:
    project = copied(PROJECTS / "workspace-uv", tmp_path)
    # This machine's uv has no Python of the version that is asked for; such a wheel is the same from any.
    words = "words = sys.argv[1:]\nat = words.index('--python') if '--python' in words else len(words)\n"
    run_uv = f"os.execv({str(uv())!r}, ['uv', *words[:at], *words[at + 2:]])\n"
    any_uv = script(tmp_path / "any-uv", f"#!{sys.executable}\nimport os, sys\n{words}{run_uv}")
    with windows.with_tools(tmp_path / "tools", {"uv": any_uv}) as tools:
        same(tools.windows, program, project, {"PATH": f"{uv().parent}:{program.env['PATH']}"})
        assert any("build" in call["words"] for call in tools.calls("uv")), "uv of Windows builds it"


def toolchain(windows: Windows, folder: Path) -> dict[str, Path]:
    """Cargo and rustc of Windows. Cargo is this machine's, and builds what it built for this machine's
    program; rustc answers as on Windows."""
    sysroot, answers = windows.drive / "rust", folder / "answers"
    lld = sysroot / "lib" / "rustlib" / HOST / "bin" / "rust-lld.exe"
    script(lld, '#!/bin/sh\nexec rust-lld "$@"\n')
    libraries = sysroot / "lib" / "rustlib" / AMD64 / "lib"
    libraries.mkdir(parents=True)
    (libraries / "libcore-1.rlib").write_text("")
    cfg = run(["rustc", "--print", "cfg", "--target", AMD64]).out
    answers.mkdir()
    version = "\n".join(
        f"host: {HOST}" if line.startswith("host:") else line
        for line in run(["rustc", "-vV"]).out.splitlines()
    )
    (answers / "version").write_bytes(version.replace("\n", "\r\n").encode() + b"\r\n")
    printed = f"C:\\rust\nC:\\rust\\lib\\rustlib\\{AMD64}\\lib\n{cfg}"
    (answers / "printed").write_bytes(printed.replace("\n", "\r\n").encode())
    rustc = f'#!/bin/sh\nif [ "$1" = -vV ]; then cat {answers}/version; else cat {answers}/printed; fi\n'
    return {
        "cargo": script(folder / "cargo", again(folder)),
        "rustc": script(folder / "rustc", rustc),
    }


def again(folder: Path) -> str:
    """Cargo that builds with the words and variables that `recording` noted."""
    return f"""#!{sys.executable}
import os, pathlib, sys
if sys.argv[1] in ("build", "rustc"):
    noted = pathlib.Path({str(folder / "noted")!r})
    env = dict(line.split("=", 1) for line in (noted / "env").read_text().split("\\0") if line)
    os.execvpe("cargo", (noted / "words").read_text().split("\\0"), env)
os.execvp("cargo", ["cargo", *sys.argv[1:]])
"""


def recording(folder: Path) -> Path:
    """Cargo that notes how it is called."""
    noted = folder / "noted"
    noted.mkdir(parents=True)
    return script(
        folder / "recording",
        f"""#!{sys.executable}
import os, pathlib, sys
if sys.argv[1] in ("build", "rustc"):
    noted = pathlib.Path({str(noted)!r})
    (noted / "env").write_text("\\0".join(f"{{k}}={{v}}" for k, v in os.environ.items()))
    (noted / "words").write_text("\\0".join(["cargo", *sys.argv[1:]]))
os.execvp("cargo", ["cargo", *sys.argv[1:]])
""",
    )


def test_a_rust_project_is_built_with_what_is_on_windows(
    windows: Windows, program: Program, tmp_path: Path
) -> None:
    """The same program in it, it is the same image. That Windows' compiler makes the same one is not said."""
    need_target(AMD64)
    folder, out = tmp_path / "tools", tmp_path / "out"
    # Without a revision: the tools of Windows here hand nothing to git.
    env = {**HELLO_TARGET, "CARGO": str(recording(folder)), "GIT_CEILING_DIRECTORIES": str(HELLO_WEB.parent)}
    here = program("-C", HELLO_WEB, "-o", f"oci:{out / 'linux'}", cwd=tmp_path, env=env)
    target = Path(HELLO_TARGET["CARGO_TARGET_DIR"] or "")
    with windows.with_tools(folder, toolchain(windows, folder)) as tools:
        there = tools.windows(
            *("-C", on_windows(HELLO_WEB), "--target-dir", on_windows(target)),
            *("-o", f"oci:{on_windows(out / 'windows')}"),
        )
        assert there.digest == here.digest
        [build] = [call for call in tools.calls("cargo") if call["words"][0] in ("build", "rustc")]
    variables = build["variables"]
    linker = variables["CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER"]
    assert linker == "rust-lld", "the one that comes with Rust"
    flags = variables["CARGO_ENCODED_RUSTFLAGS"].split("\x1f")
    user = rf"C:\users\{windows.home.name}\.cargo=/cargo"
    assert f"--remap-path-prefix={user}" in flags, "no user's name in programs"


def plain(folder: Path) -> Path:
    """A project that needs no wheel, with whatever systems do differently."""
    project = folder / "plain"
    files = {
        "pyproject.toml": '[project]\nname = "plain"\nversion = "1.0"\nrequires-python = ">=3.11"\n\n'
        "[tool.containerize]\n"
        'entrypoint = ["/app/start.sh"]\n'
        "exclude = ['\\[draft\\].md', 'notes/**/*.txt']\n"
        "executable = ['bin/*', '!*.md']\n"
        'files = [{ from = "etc", to = "/etc/plain" }]\n',
        "main.py": "print('hello')\n",
        "start.sh": "#!/bin/sh\nexec python /app/main.py\n",
        "bin/tool": "no #! before it\n",
        "bin/README.md": "#!/no/program\n",
        "[draft].md": "no\n",
        "notes/deep/a.txt": "no\n",
        "notes/kept.md": "yes\n",
        "._main.py": "no\n",
        "desktop.ini": "no\n",
        "etc/app.toml": "x = 1\n",
        "etc/Thumbs.db": "no\n",
        "ünï 名/日本 ☃.txt": "yes\n",
        # Longer than the 260 signs that Windows takes without more ado.
        "/".join([*(["a folder with a long name"] * 12), "end.txt"]): "yes\n",
    }
    write(project, files)
    (project / "start.sh").chmod(0o755)
    return project


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def test_modes_globs_names_and_leavings_are_the_same(
    windows: Windows, program: Program, tmp_path: Path
) -> None:
    same(windows, program, plain(tmp_path))


def test_what_git_says_of_files_counts_on_both(windows: Windows, program: Program, tmp_path: Path) -> None:
    need("git")
    project = plain(tmp_path)
    # What begins with #! and is no program, and a program that does not.
    write(project, {"lib/part.sh": "#!/bin/sh\n", "lib/run": "x\n"})
    (project / "lib" / "run").chmod(0o755)
    for words in (["init", "-q"], ["add", "."]):
        run(["git", *words], cwd=project)
    layout = same(windows, program, project)
    first = (layout / "index.json").read_bytes()
    # A work tree of WSL or an exotic file system: every file may be run, and git knows better.
    run(["git", "config", "core.fileMode", "false"], cwd=project)
    for path in project.rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            path.chmod(0o777)
    shutil.rmtree(layout.parent)
    assert (same(windows, program, project) / "index.json").read_bytes() == first


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_line_ends_of_settings_do_not_matter_and_those_of_files_are_kept(
    end: str, windows: Windows, program: Program, tmp_path: Path
) -> None:
    project = plain(tmp_path)
    write(project, {".dockerignore": "*.log\nbuild-*\n!kept.log\n", ".gitignore": "local/\n"})
    write(project, {"a.log": "no\n", "kept.log": "yes\n", "build-1/x": "no\n", "local/x": "no\n"})
    for path in project.rglob("*"):
        if path.is_file() and path.name != "start.sh":
            path.write_bytes(path.read_bytes().replace(b"\n", end.encode()))
    layout = same(windows, program, project)
    names = "\n".join(run(["tar", "-tzf", blob], code=None).out for blob in blobs(layout))
    assert "app/kept.log" in names and "app/a.log" not in names and "app/local" not in names


def blobs(layout: Path) -> list[Path]:
    return [path for path in (layout / "blobs" / "sha256").iterdir() if path.is_file()]


#: As in the library's own table (`system/globs.rs`), that both systems' unit tests read.
GLOBS = r"""
a|**/a|a/**|a/**/b|*|*.py|**/*.py|a/*|a?c|ü?|[ab]|[!ab]|[a-c]x|[]]|{a,b}/c|*.{md,txt}|\[draft\].md|\*|a\*b|\?
\{a\}|\!a|\#a|a\ b|\.env|a\-b|a\\*|[*]|[?]|[[]x]|.*|.*/**|a b|ünï/*|日本*|a.b|a+b|(a)|^a$|a/b/|**/b
src/**/__pycache__/**|pkg.*|COM1|/a|./a|a/|*/|**/|x/**/y/*.txt|*/*/*|[.]env|{x,y}*|*a*|?|??|[^a]|{,a}b|a/*/c
**/x?.py|t/**|.git*
""".strip().replace("\n", "|")


def test_sixty_globs_leave_out_the_same_files(windows: Windows, program: Program, tmp_path: Path) -> None:
    globs = GLOBS.split("|")
    assert len(globs) >= 60
    project = plain(tmp_path)
    tree = "a b/a A abc ac ax bx a.b aXb a+b (a) ^a$ ]/x [x] .env .git2/x x.py b/a.py b/c/a.py x1.py x/y.txt"
    tree += " x.md [draft].md d.md {a} !a #a a\\ x/q/y/z.txt pkg.sub.deep src/a/__pycache__/x.pyc COM1x üa"
    tree += " ünï/名 a/b/c y"
    # Names that Windows cannot have are no part of it: Wine shows them otherwise.
    names = [name for name in tree.split() if not set(name) & set('*?"<>|:\\')]
    write(project / "t", {f"{name}0" if name in ("a", "b") else name: "x\n" for name in names})
    rules = [
        f"[[tool.containerize.files]]\nfrom = 't'\nto = '/p/{number}'\nexclude = ['{glob}']\n"
        for number, glob in enumerate(globs)
    ]
    text = (project / "pyproject.toml").read_text().replace("files =", "# files =")
    (project / "pyproject.toml").write_text(text + "\n" + "\n".join(rules))
    same(windows, program, project)


def test_no_secret_gets_into_an_image(windows: Windows, program: Program, tmp_path: Path) -> None:
    project = plain(tmp_path)
    secrets = [
        ".env",
        "deploy/id_ed25519",
        "tls.key",
        ".aws/credentials",
        "conf/PROD.ENV",
        ".netrc",
        ".pypirc",
    ]
    excluded = ["[draft].md", "notes/deep/a.txt", "private/x.txt", "Sub Folder/y.txt"]
    write(project, {name: f"{CANARY}\n" for name in [*secrets, *excluded, "local.txt"]})
    write(
        project,
        {".dockerignore": "private\r\nSub Folder\\\r\n*/../Sub Folder\r\n", ".gitignore": "local.txt\r\n"},
    )
    layout = same(windows, program, project)
    for blob in blobs(layout):
        text = run(["sh", "-c", f"gzip -dc {blob} 2>/dev/null || cat {blob}"]).out
        assert CANARY not in text, blob


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_six_processes_write_one_layout(cache: str, windows: Windows, tmp_path: Path) -> None:
    project = plain(tmp_path)
    rounds = {"cold": 10, "warm": 40}[cache]
    for number in range(rounds):
        folder = tmp_path / (f"cache{number}" if cache == "cold" else "cache")
        words = ["--cache-dir", on_windows(folder)]
        out = f"oci:{on_windows(tmp_path / f'out{number}')}"
        windows.together(6, *call_of(project), *words, "-o", out, "-q")
        shutil.rmtree(tmp_path / f"out{number}")


@pytest.fixture
def config(windows: Windows) -> Iterator[Path]:
    """Docker's configuration of the user."""
    config = windows.home / ".docker" / "config.json"
    config.parent.mkdir(parents=True, exist_ok=True)
    yield config
    config.unlink(missing_ok=True)


def test_a_login_as_powershell_writes_it_is_used(
    windows: Windows, registry: Callable[[str], Registry], config: Path, tmp_path: Path
) -> None:
    basic = registry("basic")
    login = base64.b64encode(f"{basic.user}:{basic.password}".encode()).decode()
    # As PowerShell 5 writes it.
    config.write_bytes(
        "\ufeff".encode() + f'{{"auths": {{"{basic.host}": {{"auth": "{login}"}}}}}}\r\n'.encode()
    )
    words = [*call_of(plain(tmp_path)), "--push", "--repository"]
    assert windows(*words, f"{basic.host}/windows").digest.startswith("sha256:")


def test_a_credential_helper_is_asked(
    windows: Windows, registry: Callable[[str], Registry], config: Path, tmp_path: Path
) -> None:
    basic = registry("basic")
    config.write_text('{"credsStore": "wincred"}\r\n')
    answer = tmp_path / "answer"
    answer.write_text(
        json.dumps({"ServerURL": basic.host, "Username": basic.user, "Secret": basic.password}) + "\r\n"
    )
    helper = script(
        tmp_path / "helper", f'#!/bin/sh\n[ "$1" = get ] && grep -q "^{basic.host}" && cat {answer}\n'
    )
    words = [*call_of(plain(tmp_path)), "--push", "--repository", f"{basic.host}/helped"]
    with windows.with_tools(tmp_path / "tools", {"docker-credential-wincred": helper}) as tools:
        pushed = tools.windows(*words)
        assert tools.calls("docker-credential-wincred")
    assert skopeo_digest(f"docker://{basic.host}/helped:1.0", *basic.skopeo_options()) == pushed.digest
    refused = windows(*words[:-1], f"{basic.host}/alone", code=None)
    assert refused.code != 0 and "docker-credential-wincred" in refused.err


def test_a_company_index_of_pip_is_asked_and_not_pypi(windows: Windows, tmp_path: Path) -> None:
    settings = windows.home / "AppData" / "Roaming" / "pip" / "pip.ini"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("[global]\r\nindex-url = http://127.0.0.1:9/simple\r\n")
    words = call_of(copied(PROJECTS / "site-pip", tmp_path))
    try:
        done = windows(*words, "--cache-dir", on_windows(tmp_path / "cache"), "-o", "oci:x", code=None)
    finally:
        settings.unlink()
    assert done.code == 3, done.err
    assert "127.0.0.1:9" in done.err
