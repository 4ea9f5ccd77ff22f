"""``hatch publish -p containerize``."""

from __future__ import annotations

from hatch.publish.plugin.interface import PublisherInterface

from hatch_containerize import run


class ContainerizePublisher(PublisherInterface):
    """Pushes the image. What was built before is found in the cache and comes out the same, so that no file
    has to be read back."""

    PLUGIN_NAME = "containerize"

    def publish(self, artifacts: list[str], options: dict) -> None:
        words = ["--push"]
        for key, value in options.items():
            # Hatch's own switches are no text.
            if isinstance(value, str):
                words += [f"--{key}", value] if value else [f"--{key}"]
        code, said = run("publish -p containerize", str(self.root), words)
        if code:
            self.app.abort(said, code=code)
