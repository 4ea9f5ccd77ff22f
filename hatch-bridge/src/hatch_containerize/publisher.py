"""``hatch publish -p containerize``."""

from __future__ import annotations

from hatch.publish.plugin.interface import PublisherInterface

from hatch_containerize import run


class ContainerizePublisher(PublisherInterface):
    """Builds the image from the project as it is now, and pushes it. It reads no archive: where nothing has
    changed since one was built, the same image comes out, from the cache."""

    PLUGIN_NAME = "containerize"

    def publish(self, artifacts: list[str], options: dict) -> None:
        if artifacts:
            self.app.abort("the image is built from the project; do not pass any files", code=2)
        words = ["--push"]
        for key, value in options.items():
            # Hatch's own switches are no text.
            if isinstance(value, str):
                words += [f"--{key}", value] if value else [f"--{key}"]
        code, said = run("publish -p containerize", str(self.root), words, option="-o")
        if code:
            self.app.abort(said, code=code)
