"""No credential is shown, wherever it stands and whoever repeats it, and no secret of the machine gets into
an image, whatever a build backend packs."""

from __future__ import annotations

import base64
import gzip
import http.server
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness import Env, Outcome, Program
from python_projects import lab_base, with_uv

USER = "somebody"
#: Looks like no word that a message may hold.
CANARY = "Kd8qCANARYw3Zx"
LOGIN = f"{USER}:{CANARY}"
ENCODED = base64.b64encode(LOGIN.encode()).decode()
COMMIT = "9e7cbd756e61c92cd19f507ccc4bfc8f6814fa1b"

#: The forms in which it may turn up.
FORMS = [
    CANARY,
    base64.b64encode(LOGIN.encode()).decode().rstrip("="),
    base64.b64encode(CANARY.encode()).decode().rstrip("="),
]


class Echo(http.server.BaseHTTPRequestHandler):
    """A server that wants a login, refuses it, and repeats it in every form that it can think of."""

    def answer(self) -> None:
        said = self.headers.get("Authorization", "")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not said:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        plain = base64.b64decode(said.split(" ")[-1] + "==").decode("utf-8", "replace")
        password = plain.partition(":")[2]
        words = f"{said} is {plain}, and {urllib.parse.quote(plain)} too; {password}! {'.' * 200} {plain}"
        body = json.dumps({"errors": [{"code": "DENIED", "message": words, "detail": said}]}).encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """The address of such a server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


PROJECT = '[project]\nname = "demo"\nversion = "1.0"\nrequires-python = ">=3.11"\n'
#: A backend of the project's own, so that nothing is fetched. It follows links, as others do.
BACKEND = """
import base64, hashlib, os, sys, zipfile
def build_wheel(folder, settings=None, metadata=None):
    rows, name = [], "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        def add(path, data):
            wheel.writestr(path, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(data)}")
        for top, folders, files in os.walk("src", followlinks=True):
            for file in files:
                path = os.path.join(top, file)
                add(os.path.relpath(path, "src"), open(path, "rb").read())
        add("demo-1.0.dist-info/METADATA", b"Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n")
        about = b"Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        add("demo-1.0.dist-info/WHEEL", about)
        record = "demo-1.0.dist-info/RECORD"
        wheel.writestr(record, "\\n".join([*rows, record + ",,"]))
    return name
"""
BUILD_SYSTEM = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
FAILING = "import os\nprint(dict(os.environ))\nraise SystemExit('boom')\n"


@dataclass(frozen=True)
class Place:
    """A place where a credential can stand."""

    files: dict[str, str] = field(default_factory=dict)
    args: list[str] = field(default_factory=list)
    env: Env = field(default_factory=dict)


def python(text: str = "", args: list[str] | None = None, env: Env | None = None, **files: str) -> Place:
    """A Python project with this in its `pyproject.toml`; `_` in names of files is a dot."""
    more = {name.replace("_", "."): content for name, content in files.items()}
    return Place({"pyproject.toml": PROJECT + text, "main.py": MAIN, **more}, args or [], env or {})


WHEEL = "evil-1.0-py3-none-any.whl"
MAIN = "if __name__ == '__main__':\n    print(1)\n"
NEEDS = 'dependencies = ["evil"]\n'

PLACES: dict[str, Callable[[str], Place]] = {
    "docker-config": lambda at: Place(
        {
            "docker/config.json": json.dumps(
                {"auths": {at: {"auth": base64.b64encode(LOGIN.encode()).decode()}}}
            )
        },
        ["check", f"{at}/x/y:1"],
        {"DOCKER_CONFIG": "docker"},
    ),
    "docker-config-broken": lambda at: Place(
        {"docker/config.json": f'{{"auths": {{"{at}": {{"username": "u", "password": "{CANARY}"}}, BROKEN'},
        ["check", f"{at}/x/y:1"],
        {"DOCKER_CONFIG": "docker"},
    ),
    "auth-variable": lambda at: Place(args=["check", f"{at}/x/y:1"], env={auth_variable(at): LOGIN}),
    "auth-variable-wrong": lambda at: Place(args=["check", f"{at}/x/y:1"], env={auth_variable(at): CANARY}),
    "reference": lambda at: Place(args=["check", f"{LOGIN}@{at}/x/y:1"]),
    "repository": lambda at: python(args=["--push", "--repository", f"{LOGIN}@{at}/x"]),
    "mirror": lambda at: Place(args=["check", "ghcr.io/x/y:1", "--mirror", f"ghcr.io={LOGIN}@{at}"]),
    "base": lambda at: python(args=["--base", f"{LOGIN}@{at}/x/y:1"]),
    "proxy": lambda at: Place(
        args=["check", "registry.example/x:1"],
        env={"HTTPS_PROXY": f"http://{LOGIN}@127.0.0.1:9", "NO_PROXY": ""},
    ),
    "index": lambda at: python(
        NEEDS, requirements_txt=f"--index-url http://{LOGIN}@{at}/simple\nevil==1.0\n"
    ),
    "index-wrong": lambda at: python(
        NEEDS, requirements_txt=f"--index-url http://{LOGIN}@h:99999/x\nevil==1.0\n"
    ),
    "index-long": lambda at: python(
        NEEDS, requirements_txt=f"--index-url http://{'u' * 75}:{CANARY}@h:99999/x\nevil==1.0\n"
    ),
    "index-variable": lambda at: python(
        NEEDS, env={"PIP_INDEX_URL": f"http://{LOGIN}@{at}/simple"}, requirements_txt="evil==1.0\n"
    ),
    "requirement": lambda at: python(
        NEEDS,
        requirements_txt=f"evil @ http://{LOGIN}@{at}/evil-1.0-py3-none-any.whl --hash=sha256:{'a' * 64}\n",
    ),
    "requirement-wrong": lambda at: python(NEEDS, requirements_txt=f"evil @ http://{LOGIN}@{at}/none.txt\n"),
    "requirement-git": lambda at: python(
        NEEDS, requirements_txt=f"evil @ git+http://{LOGIN}@{at}/g.git@{COMMIT}\n"
    ),
    "lock": lambda at: python(
        NEEDS,
        pylock_toml='lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "evil"\nversion = "1.0"\n'
        f'[packages.archive]\nurl = "http://{LOGIN}@{at}/{WHEEL}?token={CANARY}"\n'
        f'hashes = {{ sha256 = "{"a" * 64}" }}\n',
    ),
    "poetry-login": lambda at: python(
        NEEDS + '[[tool.poetry.source]]\nname = "own"\nurl = "http://h.example/simple"\n',
        env={"XDG_CONFIG_HOME": ".", "POETRY_CONFIG_DIR": "pypoetry"},
        requirements_txt="evil==1.0\n",
        **{"pypoetry/auth_toml": f'[http-basic.own]\nusername = "u"\npassword = "{CANARY}\n'},
    ),
    "project-url": lambda at: python(f'[project.urls]\nRepository = "https://{LOGIN}@h.example/a/b"\n'),
    "label": lambda at: python(args=["--label", f"x=https://{LOGIN}@h.example/a"]),
    "annotation": lambda at: python(args=["--annotation", f"x=https://{LOGIN}@h.example/a"]),
    "hook": lambda at: python(f'[tool.containerize.hooks]\npre = ["true https://{LOGIN}@h.example"]\n'),
    "layer-command": lambda at: python(
        f'[tool.containerize]\nlayers = [{{ command = "true https://{LOGIN}@h.example" }}]\n'
    ),
    "build-env": lambda at: python(
        f'[tool.containerize]\nbuild-env = {{ TOK = "{CANARY}" }}\n', args=["--dry-run"]
    ),
    "build-env-json": lambda at: python(
        f'[tool.containerize]\nbuild-env = {{ TOK = "{CANARY}" }}\n', args=["--dry-run", "--format", "json"]
    ),
    "env": lambda at: python(
        args=["--dry-run", "--env", f"DB_PASSWORD={CANARY}", "--env", f"DB=pg://{LOGIN}@h/d"]
    ),
    "env-json": lambda at: python(args=["--dry-run", "--format", "json", "--env", f"DB_PASSWORD={CANARY}"]),
    "backend-prints": lambda at: python(
        BUILD_SYSTEM + f'[tool.containerize]\nbuild-env = {{ A_TOKEN = "{CANARY}" }}\n',
        env={"PIP_INDEX_URL": f"http://{LOGIN}@{at}/simple", "MY_PASSWORD": CANARY},
        own_py=FAILING,
    ),
}


def auth_variable(registry: str) -> str:
    return "CONTAINERIZE_AUTH_" + "".join(c if c.isalnum() else "_" for c in registry).upper()


def shown(folder: Path) -> list[str]:
    """Files below the folder that hold the canary in one of its forms, compressed ones included."""
    found = []
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data += gzip.decompress(data)
        found += [f"{path}: {form}" for form in FORMS if form.encode() in data]
    return found


@pytest.mark.parametrize("name", PLACES)
def test_a_credential_is_shown_nowhere(program: Program, echo: str, tmp_path: Path, name: str) -> None:
    place = PLACES[name](echo)
    project, cache = tmp_path / "project", tmp_path / "cache"
    for path, text in ({"empty": ""} | place.files).items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    args = [*place.args, "-vvv", "--retries", "0", "--timeout", "5"]
    if "pyproject.toml" in place.files and "--base" not in args:
        args += ["--base", lab_base("slim")]
    env = {"CONTAINERIZE_CACHE_DIR": str(cache), "CONTAINERIZE_LOG": "trace"}
    done = program(*args, cwd=project, env=with_uv(tmp_path, program) | env | place.env, code=None)
    for form in FORMS:
        assert form not in done.out and form not in done.err, f"{form} is shown:\n{done.out}\n{done.err}"
    assert not shown(cache) and not shown(project / "dist")


def machine(folder: Path, text: str = "") -> Path:
    """A project in a repository on a machine with secrets, whose backend follows links."""
    project = folder / "repository" / "project"
    (project / "src" / "demo").mkdir(parents=True)
    (folder / "host").mkdir()
    (folder / "host" / "shadow").write_text(f"root:{CANARY}\n")
    (folder / "repository" / ".git").mkdir()
    (folder / "repository" / ".git" / "config").write_text(f"extraheader = {CANARY}\n")
    (folder / "repository" / "shared.txt").write_text("for all\n")
    files = {"pyproject.toml": PROJECT + BUILD_SYSTEM + text, "own.py": BACKEND, "src/demo/__main__.py": MAIN}
    files |= {"src/demo/.env": f"TOKEN={CANARY}\n", "src/demo/prod.env": "MODE=1\n"}
    for path, content in files.items():
        (project / path).write_text(content)
    links = {"shadow.txt": "../../../../host/shadow", "host": "../../../../host"}
    links |= {"settings": "../../../.git/config", "shared.txt": "../../../shared.txt"}
    for link, target in links.items():
        (project / "src" / "demo" / link).symlink_to(target)
    return project


@dataclass(frozen=True)
class Builder:
    """Builds a project of such a machine, with one cache."""

    program: Program
    project: Path
    env: Env

    def __call__(self, code: int = 0) -> Outcome:
        args = ["--base", lab_base("slim"), "--compression", "none"]
        return self.program(*args, cwd=self.project, env=self.env, code=code)


def builder(program: Program, folder: Path, text: str) -> Builder:
    env = with_uv(folder, program) | {"CONTAINERIZE_CACHE_DIR": str(folder / "cache")}
    return Builder(program, machine(folder, text), env)


def test_a_link_carries_no_file_of_the_machine_into_an_image(program: Program, tmp_path: Path) -> None:
    build = builder(program, tmp_path, '[tool.containerize]\ninclude = ["src/demo/prod.env"]\n')
    first = build()
    assert "left out of the wheel of demo, secrets: demo/.env\n" in first.err
    assert 'if demo reads demo/.env when it runs, set include = ["demo/.env"]\n' in first.err
    outside = "links out of the project: demo/host/shadow, demo/settings, demo/shadow.txt\n"
    assert f"left out of the wheel of demo, {outside}" in first.err
    assert not shown(build.project / "dist"), "nothing of it is in the image"
    image = b"".join(path.read_bytes() for path in (build.project / "dist").rglob("*") if path.is_file())
    assert b"demo/shared.txt" in image and b"demo/prod.env" in image, "what belongs there is"
    assert b"demo/shadow.txt" not in image, "RECORD does not list what is not there"
    again = build()
    assert again.out == first.out and "left out of the wheel of demo" in again.err, "it is remembered"


def test_a_named_file_that_is_a_link_out_of_the_repository_is_refused(
    program: Program, tmp_path: Path
) -> None:
    build = builder(
        program, tmp_path, '[tool.containerize]\nfiles = [{ from = "src/demo/shadow.txt", to = "/etc/x" }]\n'
    )
    done = build(code=2)
    assert "src/demo/shadow.txt is a link out of the project" in done.err
