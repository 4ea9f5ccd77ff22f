"""``hatch build -t containerize``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hatchling.builders.plugin.interface import BuilderInterface

from hatch_containerize import run


class ContainerizeBuilder(BuilderInterface):
    """Writes the image into the build folder, as an OCI archive."""

    PLUGIN_NAME = "containerize"

    def get_version_api(self) -> dict[str, Callable]:
        return {"standard": self.build_standard}

    def build_standard(self, directory: str, **_build_data: object) -> str:
        archive = Path(directory, f"{self.project_id}.oci.tar").resolve()
        code, words = run("build -t containerize", self.root, ["--output", f"oci-archive:{archive}"])
        if code:
            self.app.abort(words, code=code)
        return str(archive)

    def clean(self, directory: str, versions: list[str]) -> None:
        for archive in Path(directory).glob("*.oci.tar"):
            archive.unlink()
