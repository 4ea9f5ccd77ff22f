"""Images made by hand on bases of the lab, each with one defect, for what tells defects."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness import Program, lab_bases, need, run

REF_NAME = "org.opencontainers.image.ref.name"
NONROOT = 65532

CC, STATIC = "distroless/cc-debian12:nonroot", "distroless/static-debian12:nonroot"
DEBIAN, SLIM = "debian:bookworm-slim", "python:3.13-slim-bookworm"
DISTROLESS_PYTHON = "distroless/python3-debian12:nonroot"
SITE = "app/.venv/lib/python3.13/site-packages"
PYTHON = "app/.venv/bin/python"
HELLO = "int main(void){return 0;}"

RUN = {"Entrypoint": ["/app/run"], "Cmd": None}


@dataclass(frozen=True)
class File:
    """A file of an image."""

    content: bytes | Path
    mode: int = 0o755
    uid: int = 0

    def read(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


@dataclass(frozen=True)
class Defect:
    """An image, what is found in it, and what its runtime says."""

    name: str
    base: str
    #: Makes the files; the folder is for what must be compiled.
    files: Callable[[Path], dict[str, File | str]]
    kind: str
    #: In the message of the finding.
    message: str
    #: What the engine or the loader says.
    says: str
    config: dict = field(default_factory=dict)


def compiled(folder: Path, name: str, source: str, *flags: str | Path) -> Path:
    """What gcc makes of a little program."""
    need("gcc")
    path = folder / name
    code = folder / f"{name}.c"
    path.parent.mkdir(parents=True, exist_ok=True)
    code.write_text(source)
    run(["gcc", "-o", path, code, *flags], cwd=folder)
    return path


def library(folder: Path, soname: str, *flags: str | Path, source: str = "int f(void){return 0;}") -> Path:
    """A shared library, and the name that `-l` finds it by."""
    path = compiled(folder, soname, source, "-shared", "-fPIC", f"-Wl,-soname,{soname}", *flags)
    plain = folder / (soname.split(".so")[0] + ".so")
    if plain != path:
        shutil.copy(path, plain)
    return path


CALLS_F = "int f(void);int main(void){return f();}"


def calling(folder: Path, *flags: str | Path, name: str = "app") -> File:
    """A program that calls `f` of libown.so.1."""
    return File(compiled(folder, name, CALLS_F, "-L.", "-lown", *flags))


def on_base(base: str, files: dict[str, File | str], config: dict, layout: Path, own: bool = True) -> str:
    """Makes an image of a base and one layer, in the layout under the name `made`. A text in `files` is the
    target of a link."""
    lab = lab_bases()

    def blob(digest: str) -> Path:
        return lab / "blobs" / digest.replace(":", "/")

    def parsed(digest: str) -> dict:
        return json.loads(blob(digest).read_text())

    roots = json.loads((lab / "index.json").read_text())["manifests"]
    root = next(e for e in roots if e.get("annotations", {}).get(REF_NAME) == base)
    manifest = parsed(root["digest"])
    if "manifests" in manifest:
        fits = [e for e in manifest["manifests"] if e["platform"]["architecture"] == "amd64"]
        manifest = parsed(fits[0]["digest"])
    image = parsed(manifest["config"]["digest"])

    to = layout / "blobs" / "sha256"
    to.mkdir(parents=True)
    for layer in manifest["layers"]:
        (to / layer["digest"].removeprefix("sha256:")).symlink_to(blob(layer["digest"]))

    def put(content: bytes, kind: str) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        (to / digest).write_bytes(content)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    tar = layer_of(files)
    layer = put(gzip.compress(tar, compresslevel=1, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")
    image["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(tar).hexdigest())
    layers = len(manifest["layers"])
    history = [line for line in image.get("history", []) if not line.get("empty_layer")]
    history += [{"created_by": "base layer"}] * (layers - len(history))
    image["history"] = [*history[:layers], {"created_by": f"{'containerize: ' if own else ''}by hand"}]
    image["config"] = {**image.get("config", {}), **config}
    made = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(image).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [*manifest["layers"], layer],
    }
    entry = put(json.dumps(made).encode(), made["mediaType"])
    index = {"schemaVersion": 2, "manifests": [{**entry, "annotations": {REF_NAME: "made"}}]}
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return f"oci:{layout}:made"


def layer_of(files: dict[str, File | str]) -> bytes:
    """A tar of the files and the folders above them."""
    out = io.BytesIO()
    made: set[str] = set()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, file in sorted(files.items()):
            parts = path.split("/")
            for depth in range(1, len(parts)):
                folder = "/".join(parts[:depth])
                # What the base has keeps its place: folders below these are not in it.
                if folder not in made and parts[0] in ("app", "srv"):
                    made.add(folder)
                    entry = tarfile.TarInfo(folder)
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(entry)
            entry = tarfile.TarInfo(path)
            if isinstance(file, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, file
                tar.addfile(entry)
                continue
            content = file.read()
            entry.size, entry.mode, entry.uid = len(content), file.mode, file.uid
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def for_machine(program: bytes, machine: int) -> bytes:
    """An ELF file that says it is for another machine."""
    return program[:18] + machine.to_bytes(2, "little") + program[20:]


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


def starting(*words: str, **more) -> dict:
    return {"Entrypoint": list(words), "Cmd": None, **more}


def importing(module: str) -> dict:
    return starting(f"/{PYTHON}", "-c", f"import {module}")


def findings(program: Program, image: str, folder: Path, code: int) -> list[dict]:
    done = program("check", image, "--format", "json", cwd=folder, code=code)
    platforms = json.loads(done.out)["platforms"]
    return [finding for platform in platforms for finding in platform["findings"]]
