"""The services of Sigstore that `tests/lab` has, for journeys that sign without a key."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from harness import OWN_LAB, Env, Services, free_port, run

WORKFLOW = "https://github.com/acme/shop/.github/workflows/release.yml@refs/tags/v1"
ISSUER = "https://token.actions.githubusercontent.com"
SOURCE = "https://github.com/acme/shop"


@dataclass
class Sigstore:
    """The services of one folder."""

    port: int
    folder: Path
    seen: int = 0
    #: What a job on GitHub finds in its environment.
    job: Env = field(init=False)

    def __post_init__(self) -> None:
        self.job = {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{self.port}/github/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "let-me-in",
        }

    def config(self, folder: Path, version: int = 1) -> Path:
        """A configuration that signs with them."""
        file = folder / f"sign-v{version}.toml"
        config, root = self.folder / f"signing_config_v{version}.json", self.folder / "trusted_root.json"
        table = f'keyless = true, signing-config = "{config}", trusted-root = "{root}"'
        file.write_text(f"sign = {{ {table} }}\n")
        return file

    def asked(self) -> list[str]:
        """What they were asked since this was called last."""
        lines = (self.folder / "sigstore.log").read_text().splitlines()
        new, self.seen = lines[self.seen :], len(lines)
        return re.findall(r'"((?:GET|POST) [^ ?]+)', "\n".join(new))


def start(services: Services) -> Sigstore:
    port, name = free_port(4), services.free_name("sigstore")
    script = OWN_LAB / "sigstore.py"
    home = services.announce(name, f'"{sys.executable}" "{script}" stop {port} "$(dirname "$0")"')
    run([sys.executable, script, "start", port, home])
    return Sigstore(port, home)
