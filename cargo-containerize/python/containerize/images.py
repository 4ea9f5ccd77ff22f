"""Building images from a script."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict, Union

from containerize.program import FrontEnd

Table = Mapping[str, Any]
Strings = Sequence[str]
#: A command: a list of words, or a line that is split like a shell would.
Command = Union[str, Sequence[str]]  # noqa: UP007 - evaluated, also by Python 3.9


@dataclass(frozen=True)
class BuildConfig:
    """A project and how its image is made. Every key of ``[tool.containerize]`` is a field, with ``_`` for
    ``-``; what is left ``None`` is what the project's files say."""

    #: The project's folder.
    project: str | os.PathLike[str] = "."
    all_features: bool | None = None
    annotations: Table | None = None
    attestations: Literal["auto", "referrers", "index", "none"] | None = None
    auditable: bool | None = None
    if_changed: bool | None = None
    base: str | Table | None = None
    base_cache: str | None = None
    base_verify: Table | Sequence[Table] | None = None
    bin: str | Strings | None = None
    build_env: Mapping[str, str] | None = None
    bytecode: bool | None = None
    cache_trust: Sequence[Table] | None = None
    check: Literal["error", "warn", "off"] | None = None
    cmd: Command | None = None
    compression: Literal["gzip", "zstd", "none"] | None = None
    debian: Strings | Table | None = None
    dirs: Sequence[Table] | None = None
    entrypoint: Command | None = None
    env: Mapping[str, str] | None = None
    exclude: Strings | None = None
    executable: Strings | None = None
    extras: Strings | None = None
    features: Strings | None = None
    files: Sequence[Table] | None = None
    groups: Strings | None = None
    healthcheck: Table | None = None
    hooks: Table | None = None
    image: Mapping[str, Table] | None = None
    image_format: Literal["oci", "docker"] | None = None
    init: bool | None = None
    include: Strings | None = None
    install: Literal["source", "wheel"] | None = None
    labels: Table | None = None
    layers: Sequence[Table] | None = None
    lock: str | None = None
    max_layers: int | None = None
    missing: Strings | None = None
    name: str | None = None
    native: Literal["error", "bundle"] | None = None
    no_binary: Strings | None = None
    no_default_features: bool | None = None
    owner: str | None = None
    packages: Strings | None = None
    platforms: Strings | None = None
    policy: str | None = None
    ports: Sequence[int | str] | None = None
    profile: str | None = None
    python: str | Table | None = None
    repository: str | None = None
    remote_cache: bool | str | None = None
    sbom: Literal["auto", "spdx", "cyclonedx", "both", "none"] | None = None
    server: str | None = None
    sign: Literal["keyless"] | Table | None = None
    signature_format: Literal["bundle", "legacy", "both"] | None = None
    stale_lock: Literal["error", "warn"] | None = None
    stop_signal: str | None = None
    strip: Literal["symbols", "debuginfo", "none"] | None = None
    tags: Strings | None = None
    target: str | None = None
    trim: Strings | None = None
    unset_env: Strings | None = None
    user: str | None = None
    version: str | None = None
    volumes: Strings | None = None
    wheel_verify: Table | Strings | None = None
    workdir: str | None = None
    #: Further flags of the program, as ``["--offline"]``.
    arguments: Strings = field(default=())

    def settings(self) -> dict[str, Any]:
        """The keys that are set, as the configuration spells them."""
        others = ("project", "arguments")
        names = [field.name for field in dataclasses.fields(self) if field.name not in others]
        values = {name.replace("_", "-"): getattr(self, name) for name in names}
        return {key: value for key, value in values.items() if value is not None}


class PlatformImage(TypedDict):
    """The image of one platform."""

    platform: str
    digest: str
    size: int


class _Verifiable(TypedDict, total=False):
    #: The command that verifies it, where it was pushed and signed.
    verify: str


class Image(_Verifiable):
    """An image, as ``--format json`` tells of it."""

    name: str
    #: Of the index, where there are several platforms.
    digest: str
    references: list[str]
    platforms: list[PlatformImage]
    outputs: list[str]


class Event(TypedDict, total=False):
    """Something that happened, as ``--progress json`` tells of it; ``event`` says which fields there are."""

    #: ``version``, ``step``, ``note``, ``warning``, ``started``, ``advanced``, ``restarted`` or ``ended``.
    event: str
    #: Of the first one: the version of this form, and that of the program.
    version: int
    program: str
    #: Of a step: ``Packing``, and what is packed.
    verb: str
    what: str
    #: Of a note or a warning.
    text: str
    #: Of what takes a while: its number, whether it is a ``layer``, an ``upload`` or a ``download``, its
    #: name, and its size in bytes where that is known.
    id: int
    motion: str
    label: str
    total: int | None
    #: How many bytes more are done.
    bytes: int
    #: ``done``, ``exists``, ``mounted`` or ``failed``.
    outcome: str


#: What an exit code means where the program said no more: it did not understand its flags, or was ended.
KINDS = {1: "build", 2: "usage", 3: "network", 4: "integrity"}


class ContainerizeError(RuntimeError):
    """The program failed. What it said while it worked is on standard error."""

    def __init__(self, code: int, error: Mapping[str, Any]) -> None:
        self.code = code
        #: ``build``, ``usage``, ``network``, ``integrity`` or ``bug``.
        self.kind: str = error.get("kind", KINDS.get(code, "bug"))
        self.causes: list[str] = list(error.get("causes", ()))
        self.hint: str | None = error.get("hint")
        super().__init__(error.get("message", f"containerize failed with exit code {code}"))


class ImageBuilder:
    """Builds, plans and pushes what a :class:`BuildConfig` says. Every method raises
    :class:`ContainerizeError` where the program fails."""

    def __init__(
        self,
        config: BuildConfig | None = None,
        *,
        front_end: FrontEnd | None = None,
        on_event: Callable[[Event], object] | None = None,
    ) -> None:
        """``on_event`` is called with each :class:`Event`, in place of what would be shown of it on standard
        error; an exception of it ends the program."""
        self.config = config or BuildConfig()
        self.front_end = front_end or FrontEnd("containerize")
        self.on_event = on_event

    def build(self, *, outputs: Strings = (), load: Strings = ()) -> list[Image]:
        """Builds, and writes to ``outputs`` (as ``--output``) or loads into the engines of ``load``."""
        return self._images([*_each("--output", outputs), *_each("--load", load)])

    def push(self, *, outputs: Strings = ()) -> list[Image]:
        """Builds and pushes."""
        return self._images(["--push", *_each("--output", outputs)])

    def plan(self) -> list[dict[str, Any]]:
        """What would be built, and why, for each image."""
        images: list[dict[str, Any]] = self._run(["--dry-run"])["plan"]["images"]
        return images

    def _images(self, words: list[str]) -> list[Image]:
        images: list[Image] = self._run(words)["images"]
        return images

    def _run(self, words: list[str]) -> dict[str, Any]:
        told = dataclasses.replace(
            self.front_end,
            project=Path(self.config.project).resolve(),
            settings=self.config.settings(),
            settings_place=self.front_end.settings_place or "BuildConfig",
        )
        words = [*words, "--format", "json"]
        if self.on_event:
            words += ["--progress", "json"]
        on_line = self._on_line if self.on_event else None
        code, out = told.run([*words, *self.config.arguments], capture=True, on_line=on_line)
        answer: dict[str, Any] = {}
        with contextlib.suppress(ValueError):
            answer = json.loads(out)
        if code != 0 or not answer:
            raise ContainerizeError(code, answer.get("error", {}))
        return answer

    def _on_line(self, line: str) -> None:
        """Tells of an event; other programs, as cargo, write between them, and are passed on."""
        event = None
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                event = json.loads(line)
        if isinstance(event, dict) and "event" in event and self.on_event:
            self.on_event(Event(**event))  # type: ignore[typeddict-item]
        else:
            sys.stderr.write(line)


def _each(flag: str, values: Strings) -> list[str]:
    return [word for value in values for word in (flag, value)]
