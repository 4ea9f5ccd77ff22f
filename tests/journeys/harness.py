"""What the journeys are made with: the program, skopeo, umoci, podman, docker and registries.

Nothing here touches the user's own container storage, credentials or caches, and whatever is started
says how it is stopped (see `Services`), so that an interrupted run leaves nothing behind.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HELLO_WEB = REPOSITORY / "examples" / "hello-web"
FIXTURES = REPOSITORY / "tests" / "fixtures"
TOOLS = REPOSITORY / "tests" / ".tools"
#: Scripts and bases from elsewhere, and our own for what these lack.
LAB = Path(os.environ.get("CONTAINERIZE_LAB", REPOSITORY.parent / "shared" / "lab") or "/dev/null/none")
OWN_LAB = REPOSITORY / "tests" / "lab"
OWN_BASES = REPOSITORY / (os.environ.get("CARGO_TARGET_DIR") or "target") / "lab"
#: Where Debian's packages are, as this machine's own apt knows it.
MIRROR = "http://deb.debian.org"
AMD64, ARM64 = "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"

#: Containers get what a small machine can give: it may not raise its own limits.
RUN_LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--network=host"]
#: Podman's mounts live in a namespace of each command: they are gone with it, however it ends.
OWN_MOUNTS = ["unshare", "--mount", "--propagation", "private"]
PODMAN = [*OWN_MOUNTS, "podman", "--runtime", "runc"]
RESULT_LINE = re.compile(r"^(?:(?P<name>\S+)@)?(?P<digest>sha256:[0-9a-f]{64})$")
#: Of the commits that are made for tests.
COMMIT_TIME = "2024-02-29T12:34:56Z"
#: Only a failure takes that long, or Python under emulation on a busy machine.
SECONDS_TO_ANSWER = 120

Env = dict[str, str | None]


def need(*tools: str) -> None:
    """Skips the test, saying so, where a tool is missing."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")


@functools.cache
def no_mirror() -> str:
    """Why Debian's archive does not answer; nothing where it does."""
    try:
        with urllib.request.urlopen(f"{MIRROR}/debian/dists/bookworm/InRelease", timeout=20) as answer:
            answer.read(1)
    except OSError as error:
        return f"no Debian mirror: {error}"
    return ""


def need_mirror() -> None:
    if reason := no_mirror():
        pytest.skip(reason)


def lab_bases() -> Path:
    """The layout with base images: the lab's, else the one that `tests/run` pulls or makes. The one way to
    them, so that a test that needs one says so."""
    for layout in (LAB / "base-images", OWN_BASES):
        if (layout / "index.json").is_file():
            return layout
    pytest.skip("no base images: tests/run pulls them or makes them")


def lab_image(name: str) -> str:
    """The reference of one of the base images, by its name in the layout."""
    layout = lab_bases()
    roots = json.loads((layout / "index.json").read_text())["manifests"]
    if all(root.get("annotations", {}).get("org.opencontainers.image.ref.name") != name for root in roots):
        origins = layout / "origins.json"
        reason = json.loads(origins.read_text()).get(name) if origins.is_file() else None
        pytest.skip(f"no base {name}: {reason or 'it is not in ' + str(layout)}")
    return f"oci:{layout}:{name}"


def need_target(target: str) -> None:
    """Skips the test where Rust's standard library for `target` is missing."""
    libdir = run(["rustc", "--print", "target-libdir", "--target", target]).out.strip()
    if not Path(libdir).is_dir():
        pytest.skip(f"no standard library for {target}: rustup target add {target}")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def results(self) -> list[re.Match[str]]:
        """The program's standard output, each line of which must be a result and nothing else."""
        lines = self.out.splitlines()
        matches = [RESULT_LINE.match(line) for line in lines]
        assert lines and all(matches), f"standard output is not results alone: {self.out!r}"
        return [match for match in matches if match]

    @property
    def digest(self) -> str:
        """The one digest that was printed, however many names it has."""
        digests = {match["digest"] for match in self.results}
        assert len(digests) == 1, f"several digests: {self.out}"
        return digests.pop()


def run(command: Sequence[str | Path], *, env: Env | None = None, code: int | None = 0, **more) -> Outcome:
    """Runs a command to its end. Any other exit code than `code` fails the test; None allows all."""
    done = subprocess.run(
        [str(part) for part in command],
        env=merged(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        **more,
    )
    outcome = Outcome(done.returncode, done.stdout, done.stderr)
    told = f"{' '.join(map(str, command))}\nended with {outcome.code}\n{outcome.out}\n{outcome.err}"
    assert code is None or outcome.code == code, told
    return outcome


def merged(env: Env | None) -> dict[str, str]:
    """The environment with changes; None removes a variable."""
    whole = {**os.environ, **(env or {})}
    return {key: value for key, value in whole.items() if value is not None}


def built_once(project: str) -> Env:
    """The target folder of a project with many dependencies, kept for all tests and runs. Projects do not
    share one: their own flags differ, and cargo would compile what they have in common again and again."""
    return {"CARGO_TARGET_DIR": str(REPOSITORY / "target" / "journeys" / project)}


HELLO_TARGET = built_once("hello-web")


def committed(project: Path) -> Path:
    """Makes a folder a repository with one commit of a fixed time."""
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    times: Env = {"GIT_AUTHOR_DATE": COMMIT_TIME, "GIT_COMMITTER_DATE": COMMIT_TIME}
    run(["git", "init", "-q", "-b", "main", project])
    run(["git", *identity, "-C", project, "add", "-A"])
    run(["git", *identity, "-C", project, "commit", "-q", "-m", "Begin"], env=times)
    return project


def cloned(repository: Path, folder: Path) -> Path:
    """A clone somewhere else, as somebody makes it whose files nobody else may read."""
    clone = folder / "a longer way" / "to another"
    run(["git", "clone", "-q", "--no-local", repository, clone], umask=0o077)
    return clone


def free_port(count: int = 1) -> int:
    """The first of `count` neighbouring ports that nothing listens on."""
    while True:
        with contextlib.ExitStack() as held:
            first = held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                for offset in range(1, count):
                    held.enter_context(socket.create_server(("127.0.0.1", first + offset)))
                return first


def link_or_copy(file: Path, name: Path) -> None:
    """The same file under another name: a copy of the program is 300 megabytes."""
    try:
        os.link(file, name)
    except OSError:  # on another disk
        shutil.copy2(file, name)


class Program:
    """The program under test, in both of its guises."""

    def __init__(self, binary: Path, home: Path) -> None:
        assert binary.is_file(), f"{binary} does not exist: build it or set CONTAINERIZE_BIN"
        # Under both names, in a folder that can stand first on the PATH.
        self.folder = home / "bin"
        self.folder.mkdir(parents=True)
        for name in ("containerize", "cargo-containerize"):
            twin = binary.with_name(name)
            link_or_copy(twin if twin.is_file() else binary, self.folder / name)
        self.env: Env = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(home / "cache"),
            **{name: None for name in os.environ if name.startswith("CONTAINERIZE_") or name == "CI"},
        }

    def __call__(
        self,
        *args: str | Path,
        cwd: Path,
        env: Env | None = None,
        code: int | None = 0,
        wrap: Sequence[str] = (),
        cargo: bool = False,
    ) -> Outcome:
        """Runs the program in `cwd`, through `cargo containerize` with `cargo`, below `wrap` if given."""
        guise = ["cargo", "containerize"] if cargo else [str(self.folder / "containerize")]
        outcome = run([*wrap, *guise, *args], cwd=cwd, env={**self.env, **(env or {})}, code=code)
        assert "panicked" not in outcome.err, outcome.err
        return outcome


class Services:
    """Things in the background. Each has a folder with an executable `stop`, which ends it for good;
    `tests/run` calls those that are still there when it ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def announce(self, name: str, stop: str) -> Path:
        """Makes the folder of a service, before it is started."""
        home = self.folder / name
        home.mkdir()
        script = home / "stop"
        script.write_text(f"#!/bin/bash\n{stop}\n")
        script.chmod(0o755)
        return home

    def free_name(self, kind: str) -> str:
        """A name that no service has had yet."""
        return f"{kind}{len(list(self.folder.glob(f'{kind}*')))}"

    def stop(self, name: str) -> None:
        """Ends one service; a second call does nothing."""
        script = self.folder / name / "stop"
        if script.exists():
            run([script], code=None)
            script.unlink()

    def stop_all(self) -> None:
        for script in sorted(self.folder.glob("*/stop")):
            self.stop(script.parent.name)


@dataclass(frozen=True)
class Registry:
    """A registry on this machine."""

    host: str
    user: str | None = None
    password: str | None = None
    ca: Path | None = None
    log: Path | None = None

    def requests(self, repository: str) -> list[str]:
        """The requests about a repository so far, as `METHOD PATH`, from the registry's log."""
        if self.log is None:
            pytest.skip("a registry that was not started here has no log to read")
        # Distribution quotes requests, as web servers do; crane writes a date before them.
        line = rf'(?:"|^\S+ \S+ )([A-Z]+ /v2/{re.escape(repository)}/\S+)'
        return re.findall(line, self.log.read_text(), re.MULTILINE)

    def name(self, repository: str) -> str:
        return f"{self.host}/{repository}"

    def skopeo_options(self, side: str = "") -> list[str]:
        """How skopeo gets in; `side` is `src-` or `dest-` for a copy."""
        trust = f"--{side}cert-dir={self.ca.parent}" if self.ca else f"--{side}tls-verify=false"
        return [trust, *([f"--{side}creds={self.user}:{self.password}"] if self.user else [])]

    def auth_file(self, path: Path, password: str | None = None) -> Path:
        """A credential file in the form that Docker and Podman share."""
        pair = f"{self.user}:{password or self.password}".encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"auths": {self.host: {"auth": base64.b64encode(pair).decode()}}}))
        return path


def start_registry(services: Services, kind: str) -> Registry:
    """A registry of a kind: anonymous, basic, token or tls, which are CNCF distribution, or crane, another
    implementation; or the one that CONTAINERIZE_TEST_REGISTRY_<KIND> names, as [USER:PASSWORD@]HOST:PORT."""
    given = os.environ.get(f"CONTAINERIZE_TEST_REGISTRY_{kind.upper()}")
    if given:
        credentials, _, host = given.rpartition("@")
        user, _, password = credentials.partition(":")
        return Registry(host, user or None, password or None)
    if kind == "crane":
        return start_crane(services)
    script = LAB / "registry.sh"
    if not script.is_file():
        script = OWN_LAB / "registry.py"
    need("docker-registry", "openssl", "curl")
    user, password = "ada", "pass:word with $igns"
    options = {
        "anonymous": [],
        "basic": ["--auth", f"{user}:{password}"],
        "token": ["--token", f"{user}:{password}"],
        "tls": ["--tls"],
    }[kind]
    port = free_port(2)
    home = services.announce(f"registry-{kind}", f'exec "{script}" stop {port} "$(dirname "$0")"')
    run([script, "start", str(port), home, *options])
    if kind == "token":
        wait_for(port + 1)  # The script waits for the registry and not for its token service.
    ca = home / "certs" / "ca.crt" if kind == "tls" else None
    login = {"user": user, "password": password} if kind in ("basic", "token") else {}
    return Registry(f"127.0.0.1:{port}", ca=ca, log=home / "registry.log", **login)


def installed_tool(name: str, where: str = "") -> Path:
    """A program that `tests/run` installs, if it can."""
    found = shutil.which(name, path=f"{TOOLS}:{os.environ['PATH']}")
    if not found:
        pytest.skip(f"{name} is neither in tests/.tools nor on the PATH: tests/run installs it{where}")
    return Path(found)


def go_tool(name: str) -> Path:
    """One that is built from Go's module proxy."""
    return installed_tool(name, " where Go is")


def crane() -> Path:
    """The program of go-containerregistry."""
    return go_tool("crane")


def start_crane(services: Services) -> Registry:
    """The registry of go-containerregistry: no part of it is shared with CNCF distribution."""
    program, port = crane(), free_port()
    home = services.announce("registry-crane", 'kill "$(cat "$(dirname "$0")/pid")"')
    log = home / "registry.log"
    command = [program, "registry", "serve", "--address", f"127.0.0.1:{port}", "--disk", home / "blobs"]
    (home / "blobs").mkdir()
    with log.open("w") as lines:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": lines, "stderr": lines}
        process = subprocess.Popen([str(part) for part in command], start_new_session=True, **quiet)
    (home / "pid").write_text(str(process.pid))
    wait_for(port)
    return Registry(f"127.0.0.1:{port}", log=log)


def wait_for(port: int) -> None:
    """Waits until something listens on the port."""
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        assert time.monotonic() < deadline, f"nothing listens on port {port}"
        time.sleep(0.05)


def skopeo_digest(reference: str, *options: str) -> str:
    """The digest of what a reference names, hashed here from the raw manifest that skopeo reads."""
    command = ["skopeo", "inspect", "--raw", *options, reference]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return "sha256:" + hashlib.sha256(raw).hexdigest()


class Podman:
    """Podman with a store of its own, which starts empty."""

    def __init__(self, services: Services, name: str) -> None:
        need("podman", "runc", "unshare")
        need_root()
        # Not below the test's own folder: podman waits for seconds on a path that does not fit the
        # address of a socket, container ids included.
        store = tempfile.mkdtemp(prefix="pod", dir="/tmp")
        undo = f"CONTAINERS_STORAGE_CONF={store}/storage.conf {' '.join(PODMAN)} rm -af -t 1"
        services.announce(name, f"exec >/dev/null 2>&1\n{undo}\nrm -rf {store}")
        conf = Path(store, "storage.conf")
        conf.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{store}/graph"\nrunroot = "{store}/run"\n'
        )
        self.env: Env = {"CONTAINERS_STORAGE_CONF": str(conf)}

    def __call__(self, *args: str | Path, code: int | None = 0) -> Outcome:
        return run([*PODMAN, *args], env=self.env, code=code)

    def load(self, archive: Path) -> str:
        """Loads an archive and gives the name that podman knows it by."""
        return self("load", "-q", "-i", archive).out.strip().rpartition(": ")[2]

    def take(self, layout: Path, tag: str) -> str:
        """Copies an image from a layout and gives its name. Not `podman pull oci:...`, which makes a
        name of the layout's path and refuses paths with capital letters."""
        need("skopeo")
        name = f"localhost/journey:{tag}"
        copy = ["skopeo", "copy", "-q", f"oci:{layout}:{tag}", f"containers-storage:{name}"]
        run([*OWN_MOUNTS, *copy], env=self.env)
        return name

    def pull(self, reference: str, *options: str) -> str:
        """Pulls and gives the image's id: a tag may be pulled for another platform meanwhile."""
        return self("pull", "-q", "--tls-verify=false", *options, reference).out.split()[-1]

    def command(self, image: str, *args: str, options: Sequence[str] = ()) -> list[str]:
        """The command that runs an image with a root that cannot be written to."""
        fixed = ["run", "--rm", "--pull=never", "--read-only", *RUN_LIMITS]
        return [*PODMAN, *fixed, *options, image, *args]

    def run(self, image: str, *args: str, options: Sequence[str] = (), code: int | None = 0) -> Outcome:
        return run(self.command(image, *args, options=options), env=self.env, code=code)


class Docker:
    """A Docker engine: the lab's own of the version, else the one that answers on this machine, else one made
    of its programs."""

    def __init__(self, services: Services, engine: str) -> None:
        script = LAB / "dockerd.sh"
        if script.is_file():
            need_root()
            version, *store = engine.split("+")
            home = services.announce(f"docker-{engine}", f'exec "{script}" stop "$(dirname "$0")"')
            options = ["--containerd-store"] if store else []
            run([script, "start", home, "--engine", version, *options])
            self.client, self.env = str(home / "docker"), {"DOCKER_HOST": f"unix://{home}/docker.sock"}
            return
        need("docker")
        # Its path: a test that puts a script named `docker` first on the PATH would call itself by the name.
        self.client, self.env = shutil.which("docker") or "docker", {}
        if run(["docker", "info"], code=None).code != 0:
            need("dockerd", "runc")
            need_root()
            own = OWN_LAB / "docker.py"
            home = services.announce(f"docker-{engine}", f'exec "{own}" stop "$(dirname "$0")"')
            run([own, "start", home])
            self.env = {"DOCKER_HOST": f"unix://{home}/docker.sock"}
        driver = run(["docker", "info", "-f", "{{.DriverStatus}}"], env=self.env).out
        if "+" in engine and "io.containerd.snapshotter" not in driver:
            pytest.skip("the engine keeps its images itself, and not in containerd")

    def __call__(self, *args: str | Path, code: int | None = 0) -> Outcome:
        return run([self.client, *args], env=self.env, code=code)

    def command(self, image: str, options: Sequence[str] = ()) -> list[str]:
        return [self.client, "run", "--rm", "--read-only", "--network=host", *options, image]


def register_arm64() -> None:
    """Lets this machine run arm64 programs: qemu, registered with the kernel on first use."""
    if os.uname().machine == "aarch64":
        return
    need_root()
    handlers = Path("/proc/sys/fs/binfmt_misc")
    recipe = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
    if (handlers / "qemu-aarch64").exists():
        return
    if not recipe.is_file():
        pytest.skip("qemu-user-static is not installed: arm64 programs cannot run here")
    if not (handlers / "register").exists():
        run(["mount", "-t", "binfmt_misc", "none", handlers])
    # Another worker may be faster.
    with contextlib.suppress(FileExistsError):
        (handlers / "register").write_bytes(recipe.read_bytes())


@dataclass
class Service:
    """A web service in a container that has begun to answer."""

    url: str
    process: subprocess.Popen[str]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=SECONDS_TO_ANSWER) as answer:
            return answer.read().decode()

    def stop(self) -> tuple[int, str]:
        """Asks it to stop, as an orchestrator does, and gives its exit code and what it printed."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=SECONDS_TO_ANSWER)
        return self.process.returncode, out


@contextlib.contextmanager
def serve(command: list[str], port: int, env: Env) -> Iterator[Service]:
    """Runs a container in the foreground until the end of the block; ready when its port answers."""
    process = subprocess.Popen(
        command,
        env=merged(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    service = Service(f"http://127.0.0.1:{port}", process)
    try:
        _wait_for_answer(service)
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.communicate(timeout=SECONDS_TO_ANSWER)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def _wait_for_answer(service: Service) -> None:
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    while True:
        try:
            service.get("/")
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            ended = service.process.poll() is not None
            if ended or time.monotonic() > deadline:
                service.process.kill()
                out, _ = service.process.communicate()
                pytest.fail(f"the container does not answer:\n{out}")
        time.sleep(0.1)


#: As cargo writes it, so that it has no reason to write it again.
LOCK = """\
# This file is automatically @generated by Cargo.
# It is not intended for manual editing.
version = 4

[[package]]
name = "{name}"
version = "1.2.3"
"""


def tiny_project(folder: Path, *, name: str = "tiny", main: str | None = None, manifest: str = "") -> Path:
    """A package without dependencies that builds in a second; `manifest` is added to its Cargo.toml."""
    (folder / "src").mkdir(parents=True)
    head = f'[package]\nname = "{name}"\nversion = "1.2.3"\nedition = "2021"\n'
    (folder / "Cargo.toml").write_text(f"{head}{manifest}\n[workspace]\n")
    (folder / "Cargo.lock").write_text(LOCK.format(name=name))
    (folder / "src" / "main.rs").write_text(main or 'fn main() {\n    println!("tiny");\n}\n')
    return folder
