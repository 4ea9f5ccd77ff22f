"""Builds container images of Rust and Python projects, by the program ``containerize`` in this package."""

from containerize.images import BuildConfig, ContainerizeError, Event, Image, ImageBuilder, PlatformImage
from containerize.program import VERSION as __version__
from containerize.program import FrontEnd, ProgramNotFound, find_program

__all__ = [
    "BuildConfig",
    "ContainerizeError",
    "Event",
    "FrontEnd",
    "Image",
    "ImageBuilder",
    "PlatformImage",
    "ProgramNotFound",
    "__version__",
    "find_program",
]
