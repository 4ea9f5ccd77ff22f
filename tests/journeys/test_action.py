"""The action for workflows: its steps are run as a runner would run them."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml
from bridges import INDEX
from harness import REPOSITORY, Env, Outcome, Program, go_tool, run
from python_projects import copied, lab_base
from services_of_sigstore import ISSUER, WORKFLOW, Sigstore

ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text())
EXPRESSION = re.compile(r"\$\{\{\s*(\S+)\s*\}\}")
OUTPUT = re.compile(r"^(\w+)(?:=([^\n]*)|<<(\S+)\n(.*?)\n\3)$", re.MULTILINE | re.DOTALL)
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))


class Runner:
    """As much of a runner as composite actions need."""

    def __init__(self, folder: Path, env: Env, inputs: dict[str, str]) -> None:
        self.folder, self.env = folder, env
        defaults = {name: given.get("default", "") for name, given in ACTION["inputs"].items()}
        assert set(inputs) <= set(defaults)
        self.values = {f"inputs.{name}": value for name, value in {**defaults, **inputs}.items()}
        self.values["github.action_path"] = str(REPOSITORY)

    def fill(self, text: str) -> str:
        return EXPRESSION.sub(lambda match: self.values[match[1]], text)

    def run(self, cwd: Path, code: int = 0) -> Outcome:
        """Runs the steps, the last of which ends with `code`, and gives its outcome."""
        temporary = self.folder / "temporary"
        temporary.mkdir()
        done = None
        self.summary = temporary / "summary.md"
        for step in ACTION["runs"]["steps"]:
            assert step["shell"] == "bash" and "${{" not in step["run"], "values come in by the environment"
            script, said = temporary / f"{step['id']}.sh", temporary / f"{step['id']}.out"
            script.write_text(step["run"])
            said.touch()
            env = {name: self.fill(value) for name, value in step["env"].items()}
            env |= {"GITHUB_OUTPUT": str(said), "RUNNER_TEMP": str(temporary), "GITHUB_ACTIONS": "true"}
            env |= {"GITHUB_STEP_SUMMARY": str(self.summary)}
            last = step is ACTION["runs"]["steps"][-1]
            shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", script]
            done = run(shell, cwd=cwd, env={**self.env, **env}, code=code if last else 0)
            for name, line, _, lines in OUTPUT.findall(said.read_text()):
                self.values[f"steps.{step['id']}.outputs.{name}"] = line or lines
        assert done is not None
        return done

    @property
    def outputs(self) -> dict[str, str]:
        return {name: self.fill(output["value"]) for name, output in ACTION["outputs"].items()}


def test_its_steps_push_what_the_program_builds(program: Program, registry, tmp_path: Path) -> None:
    project, here = copied("site-pip", tmp_path), registry("anonymous")
    inputs = {
        "project": "site-pip",
        "tags": f"{here.name('Acted')}:1, {here.name('acted')}:latest",
        "platforms": "linux/amd64, linux/arm64",
        "push": "true",
        "arguments": f"--base\n{lab_base('slim')}\n--env\nGREETING=two words\n",
        "version": "installed",
    }
    runner = Runner(tmp_path, program.env, inputs)
    runner.run(tmp_path)
    words = [
        "--base",
        lab_base("slim"),
        "--env",
        "GREETING=two words",
        "--platform",
        "linux/amd64,linux/arm64",
    ]
    own = program(*words, "-o", f"oci:{tmp_path / 'own'}", cwd=project)
    outputs = runner.outputs
    assert outputs["digest"] == own.digest and outputs["image"] == f"{here.name('acted')}@{own.digest}"
    (image,) = json.loads(outputs["json"])["images"]
    assert image["references"] == [f"{here.name('acted')}:{tag}" for tag in ("1", "latest")]
    page = runner.summary.read_text()
    assert "### site\n" in page and f"- `{here.name('acted')}:latest`\n- `{own.digest}`\n" in page
    assert re.search(r"^\| linux/arm64 \| \d+\.\d MB \| `sha256:\w{64}` \|$", page, re.MULTILINE), page
    assert "verify" not in page, "it is not signed"


def test_it_attaches_and_signs_what_it_is_told_to(
    program: Program, registry, sigstore: Sigstore, tmp_path: Path
) -> None:
    copied("site-pip", tmp_path)
    name = registry("anonymous").name("acted/signed")
    inputs = {
        "project": "site-pip",
        "tags": f"{name}:1",
        "push": "true",
        "sbom": "both",
        "sign": "keyless",
        "arguments": f"--base\n{lab_base('slim')}\n--config\n{sigstore.config(tmp_path)}\n",
        "version": "installed",
    }
    runner = Runner(tmp_path, {**program.env, **sigstore.job}, inputs)
    runner.run(tmp_path)
    whom = ["--identity", WORKFLOW, "--issuer", ISSUER, "--trusted-root"]
    done = program("verify", f"{name}:1", *whom, str(sigstore.folder / "trusted_root.json"), cwd=tmp_path)
    verify = f"containerize verify --identity {WORKFLOW} --issuer {ISSUER} "
    assert verify in runner.summary.read_text()
    for said in ("SBOM (SPDX): signed", "SBOM (CycloneDX): signed", f"built by {WORKFLOW}"):
        assert said in done.out, done.out


def test_its_summary_shows_what_a_push_changes(program: Program, registry, tmp_path: Path) -> None:
    project, name = copied("site-pip", tmp_path), registry("anonymous").name("Acted/compared")
    inputs = {
        "project": "site-pip",
        "tags": f"{name}:1",
        "push": "true",
        "diff-with": f"{name}:1",
        "fail-on-growth": "1B",
        "arguments": f"--base\n{lab_base('slim')}\n",
        "version": "installed",
    }
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir()
    first = Runner(folders[0], program.env, inputs)
    assert "::warning title=containerize::cannot compare with" in first.run(tmp_path).out
    source = (project / "app.py").read_text()
    (project / "app.py").write_text(source + "\n# " + "".join(map(chr, range(33, 127))) + "\n")
    too_large = Runner(folders[1], program.env, inputs)
    assert "::error title=containerize::the image has grown" in too_large.run(tmp_path, code=4).out
    page = too_large.summary.read_text()
    assert "too large" in page and "`/app/app.py`" in page and "site (built here)" in page
    second = Runner(folders[2], program.env, {**inputs, "fail-on-growth": "5%"})
    second.run(tmp_path)
    assert "within the limit" in second.summary.read_text()
    assert second.outputs["digest"] != first.outputs["digest"], "compared before it was pushed"


@pytest.mark.parametrize(
    ("diff_with", "limit", "said"),
    [
        ("{name}:1", "five", "cannot compare with {name}:1: "),
        ("oci:nowhere", "5%", "cannot compare with oci:nowhere: "),
        ("", "5%", "fail-on-growth has no effect without diff-with"),
        ("--offline", "", "diff-with is an image, not --offline"),
    ],
)
def test_a_limit_that_cannot_be_held_ends_the_job(
    program: Program, registry, tmp_path: Path, diff_with: str, limit: str, said: str
) -> None:
    copied("site-pip", tmp_path)
    place = registry("anonymous")
    name = place.name(f"acted/{tmp_path.name}".lower())
    inputs = {
        "project": "site-pip",
        "tags": f"{name}:1",
        "push": "true",
        "diff-with": diff_with.format(name=name),
        "fail-on-growth": limit,
        "arguments": f"--base\n{lab_base('slim')}\n",
        "version": "installed",
    }
    done = Runner(tmp_path, program.env, inputs).run(tmp_path, code=2)
    assert "::error title=containerize::" + said.format(name=name) in done.out, done.out
    assert not place.requests(name.removeprefix(f"{place.host}/")), "nothing is pushed"


def test_a_failure_is_an_error_of_the_workflow(program: Program, tmp_path: Path) -> None:
    copied("site-pip", tmp_path)
    inputs = {
        "project": "site-pip",
        "version": "installed",
        "arguments": "--group\nnope\n--base\n" + lab_base("slim"),
    }
    done = Runner(tmp_path, program.env, inputs).run(tmp_path, code=2)
    assert done.out.startswith("::error title=containerize::") and "nope" in done.out
    assert "%0Ahint: " in done.out and "nope" in done.err


@pytest.mark.full
def test_it_installs_its_own_version(wheels: Path, program: Program, tmp_path: Path) -> None:
    """From PyPI, in whose place the wheels of this tree stand here."""
    copied("site-pip", tmp_path)
    env = {**program.env, **INDEX, "PIP_FIND_LINKS": str(wheels)}
    inputs = {"project": "site-pip", "arguments": f"--base\n{lab_base('slim')}"}
    runner = Runner(tmp_path, env, inputs)
    runner.run(tmp_path)
    assert runner.values["steps.install.outputs.program"].startswith(str(tmp_path / "temporary"))
    assert runner.outputs["image"].startswith("site@sha256:")


def test_binstall_finds_what_a_release_has() -> None:
    manifest = tomllib.loads((REPOSITORY / "cargo-containerize" / "Cargo.toml").read_text())
    release = next(path for path in WORKFLOWS if path.name == "release.yml").read_text()
    found = manifest["package"]["metadata"]["binstall"]
    assert found["pkg-url"].endswith("/releases/download/v{ version }/cargo-containerize-{ target }.tar.gz")
    assert found["bin-dir"] == "cargo-containerize-{ target }/{ bin }{ binary-ext }"
    assert "folder=cargo-containerize-$TARGET\n" in release and '"dist/$folder.tar.gz" "$folder"' in release


def test_the_programs_own_images_are_planned(program: Program) -> None:
    """What the release makes of the program; `release.yml` says for which platforms and where it goes."""
    text = next(path for path in WORKFLOWS if path.name == "release.yml").read_text()
    debug = "cargo-containerize/debug-image.toml"
    assert f"image --config {debug}\n" in text and "image --locked\n" in text
    words = [
        "--dry-run",
        "--format",
        "json",
        "-C",
        "cargo-containerize",
        "--repository",
        "ghcr.io/x/containerize",
    ]
    version = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    for more, tag in (["--locked"], version), (["--config", debug], f"{version}-debug"):
        (image,) = json.loads(program(*words, *more, cwd=REPOSITORY).out)["plan"]["images"]
        assert image["references"] == [f"ghcr.io/x/containerize:{tag}"]


def test_workflows_are_sound() -> None:
    shellcheck = shutil.which("shellcheck", path=str(REPOSITORY / "tests" / ".venv" / "bin"))
    assert len(WORKFLOWS) == 3
    run([go_tool("actionlint"), "-no-color", "-shellcheck", shellcheck or "", *WORKFLOWS], cwd=REPOSITORY)


def test_actions_of_others_are_named_by_hash() -> None:
    """A tag can be moved to other code; the version beside the hash is for readers, and for Dependabot. Our
    own action is named by the version of this tree."""
    version = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    own = ("./", f"containerize/containerize@v{version}")
    for workflow in WORKFLOWS:
        for line in workflow.read_text().splitlines():
            if used := re.search(r"uses: (.*)", line):
                pinned = re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used[1])
                called = line.startswith("#") and used[1].endswith(f"containerize.yml@v{version}")
                assert pinned or called or used[1] in own, f"{workflow.name}: {used[1]}"


def test_the_scripts_of_the_action_are_sound(tmp_path: Path) -> None:
    shellcheck = shutil.which("shellcheck", path=str(REPOSITORY / "tests" / ".venv" / "bin"))
    if not shellcheck:
        pytest.skip("no shellcheck in tests/.venv")
    for step in ACTION["runs"]["steps"]:
        script = tmp_path / f"{step['id']}.sh"
        script.write_text("#!/bin/bash\n" + step["run"])
        run([shellcheck, script])
