"""``poetry containerize``: finds the program, tells it what only Poetry knows, and becomes it."""

from __future__ import annotations

import sys
from importlib.metadata import version

from cleo.formatters.formatter import Formatter
from cleo.io.inputs.option import Option
from containerize import FrontEnd, ProgramNotFound
from poetry.console.commands.command import Command
from poetry.plugins.application_plugin import ApplicationPlugin
from poetry.utils.authenticator import Authenticator

PACKAGE = "poetry-containerize"
#: Options of Poetry that the program has too, with the same meaning: they are for both.
SHARED = {"quiet", "verbose", "no-cache"}


def spellings(option: Option) -> list[str]:
    """How it is written; several letters for ``verbose``, as ``-v|vv|vvv``."""
    return [f"--{option.name}", *(f"-{letters}" for letters in (option.shortcut or "").split("|") if letters)]


def words_of_program(arguments: list[str], options: list[Option]) -> list[str]:
    """What stands after the command's name, but for Poetry's own options before a ``--``. Options that are
    for both may stand before the name, too."""
    takes_value = {
        spelling: option.accepts_value()
        for option in options
        if option.name not in SHARED
        for spelling in spellings(option)
    }
    shared = {spelling for option in options if option.name in SHARED for spelling in spellings(option)}
    kept = []
    words = iter(arguments)
    for word in words:
        if takes_value.get(word):
            next(words, None)
        elif word in shared:
            kept.append(word)
        elif not word.startswith("-"):
            break
    for word in words:
        if word == "--":
            kept += words
        elif word.split("=")[0] not in takes_value:
            kept.append(word)
        elif takes_value.get(word):
            next(words, None)
    return kept


class ContainerizeCommand(Command):
    """The command."""

    name = "containerize"
    description = "Turn the project into a container image and push it"

    def configure(self) -> None:
        self.ignore_validation_errors()
        super().configure()

    @property
    def help(self) -> str:
        """The program's own, which Poetry prints below its own options."""
        try:
            _, text = self.told().run(["--help"], capture=True)
        except ProgramNotFound as error:
            text = str(error)
        return Formatter.escape(text).replace("{", "{{").replace("}", "}}")

    def told(self, **more: object) -> FrontEnd:
        own = version(PACKAGE)
        return FrontEnd(
            "poetry containerize", PACKAGE, own, install="poetry self add", group_flags=True, **more
        )

    def sources(self) -> dict[str, tuple[str, str]]:
        """The logins for the project's sources that Poetry keeps."""
        logins = Authenticator(self.poetry.config, self.io)
        found = {source.name: logins.get_http_auth(source.name) for source in self.poetry.get_sources()}
        known = {name: login for name, login in found.items() if login and login.username}
        return {name: (login.username, login.password or "") for name, login in known.items()}

    def handle(self) -> int:
        told = self.told(project=self.poetry.pyproject_path.parent, sources=self.sources())
        words = words_of_program(sys.argv[1:], self.application.definition.options)
        try:
            return told.replace_this_process(words)
        except ProgramNotFound as error:
            self.line_error(f"<error>{error}</error>")
            self.line_error(f"hint: run `poetry self add {PACKAGE}=={told.version}`")
            return 2


class ContainerizePlugin(ApplicationPlugin):
    """What Poetry loads."""

    @property
    def commands(self) -> list[type[Command]]:
        return [ContainerizeCommand]
