"""What other builders move and take on clean machines, with the caches that they can keep in a registry.

buildah builds python.dockerfile with `--cache-from` and `--cache-to`; it needs root. ko builds a service of
Go, whose compiler keeps its results, since that is not what is compared; it is installed by Go, if it is not
there. pyoci speaks HTTPS alone and keeps nothing in a registry, so it is in tests/bench/pythons.py only.
"""

from __future__ import annotations

import os
import shutil
import venv
from collections.abc import Callable
from pathlib import Path

from costs import measure
from pythons import BASE, HERE, LAB, TOOLS, overlay_store, system_roots

KO = "github.com/google/ko@v0.18.0"
STATIC = "distroless/static-debian12:nonroot"
SERVICE = """package main

import "net/http"

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("hello\\n")) })
	http.ListenAndServe(":8080", nil)
}
"""


class Buildah:
    label = "buildah --cache-from --cache-to"

    def __init__(self, work: Path, name: str, env: dict[str, str]) -> None:
        self.project, self.store, self.env = work / "project", work / "store", env
        shutil.copytree(HERE / f"python-{name}", self.project)
        venv.create(work / "tools", with_pip=True)
        uv = next(tool for tool in TOOLS if tool.startswith("uv="))
        measure(
            [work / "tools/bin/pip", "install", "--quiet", uv], self.project, {**env, "PIP_FIND_LINKS": ""}
        )
        shutil.copy2(work / "tools/bin/uv", self.project / "uv")
        shutil.copy2(system_roots(), self.project / "roots.pem")
        self.changed, self.cache = self.project / "app/main.py", work / "uv"

    def push(self, host: str) -> float:
        """The seconds on a machine whose store is empty."""
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.rmtree(self.cache, ignore_errors=True)
        self.cache.mkdir()
        env = {**self.env, **overlay_store(self.store)}
        cache, image = f"{host}/buildah/cache", f"{host}/buildah/image:1"
        build = ["buildah", "bud", "--isolation", "chroot", "--tls-verify=false", "--layers"]
        # Otherwise uv's own cache would be part of a layer.
        build += ["--volume", f"{self.cache}:/opt/cache"]
        build += ["--cache-from", cache, "--cache-to", cache, "--build-arg", f"BASE={host}/base/python:1"]
        build += ["--file", HERE / "python.dockerfile", "--tag", image, "."]
        wall = measure(build, self.project, env).wall
        wall += measure(["buildah", "push", "--tls-verify=false", image], self.project, env).wall
        shutil.rmtree(self.store, ignore_errors=True)
        return wall


class Ko:
    label = "ko, Go has its results"

    def __init__(self, work: Path, go: str, env: dict[str, str]) -> None:
        self.project, self.cache = work / "project", work / "ko-cache"
        self.project.mkdir(parents=True)
        (self.project / "go.mod").write_text("module example.com/service\n\ngo 1.22\n")
        self.changed = self.project / "main.go"
        self.changed.write_text(SERVICE)
        path = f"{Path(go).parent}:{env['PATH']}"
        self.env = {**env, "PATH": path, "KOCACHE": str(self.cache), "GOFLAGS": "-buildvcs=false"}
        self.ko = shutil.which("ko")
        if not self.ko:
            install = {**self.env, "GOBIN": str(work / "bin"), "GOFLAGS": ""}
            measure([go, "install", KO], work, install)
            self.ko = work / "bin/ko"

    def push(self, host: str) -> float:
        shutil.rmtree(self.cache, ignore_errors=True)
        env = {
            **self.env,
            "KO_DOCKER_REPO": f"{host}/ko/image",
            "KO_DEFAULTBASEIMAGE": f"{host}/base/static:1",
        }
        build = [self.ko, "build", "--bare", "--insecure-registry", "--platform", "linux/amd64", "."]
        return measure(build, self.project, env).wall


def copy_bases(port: int, work: Path, env: dict[str, str]) -> None:
    """Puts both bases into the registry."""
    for name, base in (("python", BASE), ("static", STATIC)):
        copy = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{LAB}/base-images:{base}"]
        measure([*copy, f"docker://127.0.0.1:{port}/base/{name}:1"], work, env)


def there(work: Path, go: str, env: dict[str, str]) -> list[Buildah | Ko]:
    """Those that can be measured here."""
    found: list[Buildah | Ko] = []
    if not shutil.which("buildah") or os.geteuid() != 0:
        print("  buildah was not measured: it is not there, or this is not root")
    else:
        found += made(lambda: Buildah(work / "buildah", "web", env))
    return found + made(lambda: Ko(work / "ko", go, env))


def made(make: Callable[[], Buildah | Ko]) -> list[Buildah | Ko]:
    """What was made, or nothing, with the reason."""
    try:
        return [make()]
    except SystemExit as error:
        print(f"  not measured: {str(error).splitlines()[0]}")
        return []
