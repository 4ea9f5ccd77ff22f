"""``pdm containerize``."""

from __future__ import annotations

import sys
from argparse import REMAINDER, ArgumentParser, Namespace

from pdm.cli.commands.base import BaseCommand
from pdm.core import Core
from pdm.project import Project

from containerize.program import FrontEnd


class ContainerizeCommand(BaseCommand):
    """Turn the project into a container image and push it"""

    name = "containerize"
    arguments = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        # No word begins with it, so that all of them are left to the program.
        parser.prefix_chars = "\0"
        parser.add_argument("words", nargs=REMAINDER)

    def handle(self, project: Project, options: Namespace) -> None:
        told = FrontEnd("pdm containerize", install="pdm self add", project=project.root)
        sys.exit(told.replace_this_process(options.words))


def register(core: Core) -> None:
    """What PDM calls."""
    core.register_command(ContainerizeCommand)
