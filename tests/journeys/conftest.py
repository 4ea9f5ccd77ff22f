"""Fixtures of the journeys, and the rule that CI skips nothing."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bridges import hatch, poetry, wheels
from harness import (
    AMD64,
    HELLO_TARGET,
    HELLO_WEB,
    REPOSITORY,
    Docker,
    Podman,
    Program,
    Registry,
    Services,
    need_mirror,
    need_target,
    start_registry,
)
from services_of_sigstore import Sigstore, start

__all__ = ["hatch", "poetry", "wheels"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """With CI=true a skip is a failure: there every tool must have been installed."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"CI must not skip: {reason}"
    return report


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Where the session's background services live; each worker has its own. `tests/run` names a folder that
    it cleans up."""
    given = os.environ.get("CONTAINERIZE_TEST_WORK")
    folder = Path(given) / "services" if given else tmp_path_factory.mktemp("services")
    folder /= os.environ.get("PYTEST_XDIST_WORKER", "main")
    running = Services(folder)
    yield running
    running.stop_all()


@pytest.fixture(scope="session")
def mirror() -> None:
    """For tests that ask Debian's archive."""
    need_mirror()


@pytest.fixture(scope="session", autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hides the user's configuration, credentials and caches from every command, but not Rust's."""
    home = tmp_path_factory.mktemp("home")
    real = Path.home()
    change = pytest.MonkeyPatch()
    change.setenv("CARGO_HOME", os.environ.get("CARGO_HOME") or str(real / ".cargo"))
    change.setenv("RUSTUP_HOME", os.environ.get("RUSTUP_HOME") or str(real / ".rustup"))
    change.setenv("HOME", str(home))
    for name in list(os.environ):
        if name.startswith(("CONTAINERIZE_", "DOCKER_", "XDG_")) and "_TEST_" not in name:
            change.delenv(name)
    # How tests/run compiles is not how users do.
    ours = ("CARGO_INCREMENTAL", "CARGO_PROFILE_DEV_DEBUG", "CARGO_TARGET_DIR")
    for name in (*ours, "REGISTRY_AUTH_FILE", "RUSTFLAGS", "SOURCE_DATE_EPOCH"):
        change.delenv(name, raising=False)
    change.setenv("NO_PROXY", "127.0.0.1,localhost")
    change.setenv("no_proxy", "127.0.0.1,localhost")
    yield
    change.undo()


@pytest.fixture(scope="module")
def module_path(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for what the journeys of one file share. It goes when they have passed, as their own do."""
    failed_before = request.session.testsfailed
    folder = tmp_path_factory.mktemp(request.path.stem)
    yield folder
    if request.session.testsfailed == failed_before:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Program:
    """The program under test: CONTAINERIZE_BIN, else the development build."""
    return Program(request.config.stash[BINARY], tmp_path_factory.mktemp("program"))


BINARY = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    # Being told to end is no reason to leave services running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    target = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target")
    default = REPOSITORY / target / "debug" / "containerize"
    config.stash[BINARY] = Path(os.environ.get("CONTAINERIZE_BIN") or default).resolve()


@pytest.fixture(scope="session")
def registry(services: Services) -> Callable[[str], Registry]:
    """Gives the session's registry of a kind, started when first asked for."""
    started: dict[str, Registry] = {}

    def of_kind(kind: str) -> Registry:
        if kind not in started:
            started[kind] = start_registry(services, kind)
        return started[kind]

    return of_kind


@pytest.fixture(scope="session")
def docker(services: Services) -> Callable[[str], Docker]:
    """Gives the session's Docker engine of a version, started when first asked for."""
    started: dict[str, Docker] = {}

    def of_version(version: str) -> Docker:
        if version not in started:
            started[version] = Docker(services, version)
        return started[version]

    return of_version


@pytest.fixture
def podman(services: Services) -> Iterator[Podman]:
    """Podman with an empty store: it skips layers that it already holds, valid or not."""
    name = services.free_name("podman")
    yield Podman(services, name)
    services.stop(name)


@pytest.fixture(scope="session")
def podman_kept(services: Services) -> Iterator[Podman]:
    """Podman with a store that the session's tests share, for images on large bases. It is no judge of the
    layers, since it skips those that it holds: the validator is."""
    name = services.free_name("podman")
    yield Podman(services, name)
    services.stop(name)


@pytest.fixture(scope="session")
def hello_layout(program: Program, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The example as an OCI layout, and the digest that the program printed."""
    need_target(AMD64)
    layout = tmp_path_factory.mktemp("hello") / "layout"
    done = program("build", "-o", f"oci:{layout}", cwd=HELLO_WEB, env=HELLO_TARGET, cargo=True)
    return layout, done.digest


@pytest.fixture(scope="session")
def sigstore(services: Services) -> Sigstore:
    """The session's services of Sigstore."""
    return start(services)
