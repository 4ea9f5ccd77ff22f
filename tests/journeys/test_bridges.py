"""One project, by every front end: the same image."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

from bridges import HATCH_BRIDGE, INDEX, Tool, uv
from harness import Program, run
from python_projects import copied, lab_base
from test_action import Runner

SETTINGS = """
[tool.hatch.build.targets.containerize]
dependencies = ["{bridge}"]

[tool.containerize]
base = "{base}"
"""


def project_of_all(folder: Path) -> Path:
    """A project that Hatch builds, that Poetry understands, and that is locked by uv."""
    project = copied("tool-hatch", folder)
    file = project / "pyproject.toml"
    text = file.read_text().replace('dynamic = ["version"]', 'version = "3.1.0"')
    text = text.replace('[tool.hatch.version]\npath = "src/greet/__init__.py"\n', "")
    file.write_text(text + SETTINGS.format(bridge=HATCH_BRIDGE, base=lab_base("slim")))
    run([uv(), "lock", "-q"], cwd=project, env=INDEX)
    return project


def test_every_front_end_makes_the_same_image(
    program: Program, poetry, hatch: Tool, wheels: Path, tmp_path: Path
) -> None:
    project = project_of_all(tmp_path)
    env = {"XDG_CACHE_HOME": program.env["XDG_CACHE_HOME"]}
    digests = {"containerize": program("-o", f"oci:{tmp_path / '1'}", cwd=project).digest}
    words = ["containerize", "-q", "-o", f"oci:{tmp_path / '2'}"]
    digests["poetry"] = poetry("newest")("poetry", *words, cwd=project, env=env).digest
    hatch("hatch", "build", "-t", "containerize", cwd=project, env=env)
    with tarfile.open(project / "dist" / "greet-3.1.0.oci.tar") as archive:
        (entry,) = json.load(archive.extractfile("index.json"))["manifests"]
    digests["hatch"] = entry["digest"]
    runner = Runner(tmp_path, program.env, {"project": str(project), "version": "installed"})
    runner.run(tmp_path)
    digests["action"] = runner.outputs["digest"]
    script = "import containerize as c; print(c.ImageBuilder().build(outputs=['oci:3'])[0]['digest'])"
    digests["Python"] = poetry("newest")("python", "-c", script, cwd=project, env=env).out.strip()
    uvx = [uv().with_name("uvx"), "--offline", "--find-links", wheels, "--from", "cargo-containerize"]
    done = run([*uvx, "containerize", "-q", "-o", f"oci:{tmp_path / '4'}"], cwd=project, env={**INDEX, **env})
    digests["uvx"] = done.digest
    assert len(set(digests.values())) == 1, digests
