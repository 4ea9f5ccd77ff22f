"""What Hatch and its build backend call. Each of both is loaded where the other may be missing."""

from __future__ import annotations

from hatchling.plugin import hookimpl


@hookimpl
def hatch_register_builder() -> type:
    from hatch_containerize.builder import ContainerizeBuilder

    return ContainerizeBuilder


@hookimpl
def hatch_register_publisher() -> type:
    from hatch_containerize.publisher import ContainerizePublisher

    return ContainerizePublisher
