"""The pages about front ends: their commands run with the real tools, in whose eyes the wheels of this tree
are on PyPI; their settings are accepted; their files for other tools have the keys that these tools read,
and do what they say."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from bridges import HATCH, HATCHLING, PDM, POETRY, Tool, uv
from harness import Env, Program, Registry, run, skopeo_digest
from python_projects import copied, lab_base
from test_docs import BLOCK, FRONT_ENDS, REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = {path.name: path.read_text() for path in sorted(DOCS.glob("*.md")) if path.name in FRONT_ENDS}
#: What each page's commands are run in, and with.
PROJECTS = {
    "poetry.md": "service-poetry",
    "hatch.md": "tool-hatch",
    "uv-pdm.md": "service-uv",
    "ci.md": "service-uv",
}
#: Commands that install for good: the journeys below run them, each in a home of its own.
INSTALLS = ("poetry self add", "pipx inject", "pdm self add", "pip install", "maturin build")


def blocks(page: str, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(PAGES[page]) if kind == language]


def test_every_page_is_among_them() -> None:
    assert set(PAGES) == FRONT_ENDS == set(PROJECTS)


def home(tmp_path: Path, wheels: Path, program: Program, packages: list[str]) -> Tool:
    tool = Tool.install(tmp_path / "venv", wheels, packages)
    place = {
        "HATCH_DATA_DIR": str(tmp_path / "hatch"),
        "HATCH_CACHE_DIR": str(tmp_path / "hatch-cache"),
        "POETRY_CONFIG_DIR": str(tmp_path / "config"),
        "PDM_CHECK_UPDATE": "0",
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "pipx-bin"),
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "tool-bin"),
        "XDG_CACHE_HOME": program.env["XDG_CACHE_HOME"],
        "CONTAINERIZE_BASE": lab_base("slim"),
        "PATH": f"{tmp_path / 'pipx-bin'}:{tmp_path / 'venv' / 'bin'}:{uv().parent}:{program.env['PATH']}",
    }
    tool.env |= place
    return tool


def shell(script: str, tool: Tool, cwd: Path, place: Registry, env: Env | None = None, code: int = 0):
    script = script.replace("ghcr.io/you", f"{place.host}/you")
    return run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=cwd, env={**tool.env, **(env or {})}, code=code
    )


TOOLS = {
    "poetry.md": [f"poetry=={POETRY['newest']}", "poetry-containerize==0.1.0"],
    "hatch.md": [f"hatch=={HATCH}", f"hatchling=={HATCHLING}", "hatch-containerize==0.1.0"],
    "uv-pdm.md": ["cargo-containerize==0.1.0", f"pdm=={PDM}"],
    "ci.md": ["cargo-containerize==0.1.0"],
}


@pytest.mark.full
@pytest.mark.parametrize("page", PROJECTS)
def test_the_commands_work(page: str, wheels: Path, program: Program, registry, tmp_path: Path) -> None:
    tool = home(tmp_path, wheels, program, TOOLS[page])
    project = copied(PROJECTS[page], tmp_path)
    file = project / "pyproject.toml"
    text = file.read_text()
    if page == "poetry.md":
        text = text.replace('dev = ["pytest', 'worker = ["pytest')
        file.write_text(text)
        file.write_text(text + from_pypi())
        tool("poetry", "lock", "-n", cwd=project)
    if page == "hatch.md":
        file.write_text(text + "".join(f"\n{block}" for block in blocks(page, "toml")))
    scripts = [block for block in blocks(page, "sh") if not any(word in block for word in INSTALLS)]
    assert len(scripts) >= 1
    for script in scripts:
        if "lock" in script.split():
            for lock in project.glob("*.lock"):
                lock.unlink()
        shell(script, tool, project, registry("anonymous"))
    if page == "uv-pdm.md":
        (script,) = blocks(page, "python")
        done = tool(
            "python", "-c", script.replace(', platforms=["linux/amd64", "linux/arm64"]', ""), cwd=project
        )
        assert "sha256:" in done.out and (project / "image.tar").is_file()


def from_pypi() -> str:
    """PyPI as a plain index: not every mirror has the API that Poetry asks otherwise."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple/")
    return f'\n[[tool.poetry.source]]\nname = "plain"\nurl = "{index}"\npriority = "primary"\n'


def both(wheels: Path, *kinds: str) -> str:
    """The wheels in the place of names that are not on PyPI yet."""
    return " ".join(str(next(wheels.glob(f"{kind}_containerize-*.whl"))) for kind in ("cargo", *kinds))


@pytest.mark.full
def test_poetry_can_add_it_to_itself(wheels: Path, program: Program, registry, tmp_path: Path) -> None:
    (command, *_) = [block for block in blocks("poetry.md", "sh") if "self add" in block]
    tool = home(tmp_path, wheels, program, [f"poetry=={POETRY['newest']}"])
    project = copied("service-poetry", tmp_path)
    assert tool("poetry", "containerize", cwd=project, code=1).err
    # It makes the project that Poetry keeps of itself, and then says that this has no lock.
    tool("poetry", "self", "show", cwd=project, code=None)
    itself = tmp_path / "config" / "pyproject.toml"
    itself.write_text(itself.read_text() + from_pypi())
    shell(
        command.replace("poetry-containerize", both(wheels, "poetry")), tool, project, registry("anonymous")
    )
    assert tool("poetry", "containerize", "--dry-run", cwd=project).out.startswith("image service")


@pytest.mark.full
def test_a_project_can_ask_for_it(wheels: Path, program: Program, tmp_path: Path) -> None:
    """[tool.poetry.requires-plugins]: Poetry installs what the project asks for, beside the project."""
    (settings, *_) = blocks("poetry.md", "toml")
    tool = home(tmp_path, wheels, program, [f"poetry=={POETRY['newest']}"])
    project = copied("service-poetry", tmp_path)
    file = project / "pyproject.toml"
    by_path = [
        f'{kind}-containerize = {{ path = "{both(wheels, kind).split()[-1]}" }}'
        for kind in ("poetry", "cargo")
    ]
    settings = settings.replace('poetry-containerize = ">=0.1.0"', "\n".join(by_path))
    settings = f"{file.read_text()}\n{settings}"
    file.write_text(settings + from_pypi())
    # With that index the project's own lock is not the one that Poetry would make; the plugins come before.
    tool("poetry", "install", "-n", "--only", "main", cwd=project, code=None)
    assert (project / ".poetry" / "plugins").is_dir()
    file.write_text(settings)
    assert tool("poetry", "containerize", "--dry-run", cwd=project).out.startswith("image service")


@pytest.mark.full
def test_pipx_can_inject_it(wheels: Path, program: Program, registry, tmp_path: Path) -> None:
    tool = home(tmp_path, wheels, program, ["pipx"])
    project = copied("service-poetry", tmp_path)
    for host, version, page in (("poetry", POETRY["newest"], "poetry.md"), ("hatch", HATCH, "hatch.md")):
        tool("pipx", "install", f"{host}=={version}", cwd=project)
        (command,) = [block for block in blocks(page, "sh") if "pipx inject" in block]
        shell(command, tool, project, registry("anonymous"))
    program_of = tmp_path / "pipx-bin" / "poetry"
    done = run([program_of, "containerize", "--dry-run"], cwd=project, env=tool.env)
    assert done.out.startswith("image service")


@pytest.mark.full
def test_pdm_and_pip_can_install_it(wheels: Path, program: Program, registry, tmp_path: Path) -> None:
    tool = home(tmp_path, wheels, program, [f"pdm=={PDM}", "pip"])
    project = copied("service-uv", tmp_path)
    for word in ("pdm self add", "pip install"):
        (command,) = [block for block in blocks("uv-pdm.md", "sh") if word in block]
        shell(command, tool, project, registry("anonymous"))
    assert tool("pdm", "containerize", "--dry-run", cwd=project).out.startswith("image service")


@pytest.mark.parametrize("page", PROJECTS)
def test_the_settings_are_accepted(page: str, program: Program, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page, "toml")):
        project = copied(PROJECTS[page], tmp_path / str(number))
        file = project / "pyproject.toml"
        text = f"{file.read_text()}\n{block}"
        assert tomllib.loads(text)
        # The project's lock has no such group.
        file.write_text(text.replace('groups = ["worker"]', "groups = []"))
        if "[tool.containerize" in block or "targets.containerize" in block:
            table = re.search(r"^\[(tool[\w.]*containerize)\]", block, re.MULTILINE)[1]
            done = program("--dry-run", "--base", lab_base("slim"), cwd=project)
            assert f"[{table}]" in done.out


def of_ci() -> Iterator[dict]:
    for text in blocks("ci.md", "yaml"):
        yield yaml.safe_load(text)


def test_the_workflows_name_what_the_action_and_the_reusable_one_have() -> None:
    jobs = [job for file in of_ci() for job in file.get("jobs", {}).values()]
    version = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    action = yaml.safe_load((REPOSITORY / "action.yml").read_text())
    reusable = yaml.safe_load((REPOSITORY / ".github/workflows/containerize.yml").read_text())
    # YAML takes the key `on` for a truth.
    called = reusable[True]["workflow_call"]
    used = [step for job in jobs for step in job.get("steps", [])] + [job for job in jobs if "uses" in job]
    own = [use for use in used if use.get("uses", "").startswith("containerize/")]
    assert len(own) >= 2
    for use in own:
        name, _, ref = use["uses"].partition("@")
        assert ref == f"v{version}"
        inputs = {
            "containerize/containerize": action["inputs"],
            "containerize/containerize/.github/workflows/containerize.yml": called["inputs"],
        }[name]
        assert set(use["with"]) <= set(inputs)
    page = PAGES["ci.md"]
    for name in [*action["inputs"], *action["outputs"]]:
        assert f"| `{name}` |" in page
    used = re.findall(r"steps\.image\.outputs\.(\w+)", page)
    assert used and set(used) <= set(action["outputs"])


def pushed_digest(here: Registry, name: str) -> str:
    return skopeo_digest(f"docker://{name}", *here.skopeo_options())


def test_gitlab_and_skaffold_and_tilt_and_azd_push(
    program: Program, registry, wheels: Path, tmp_path: Path
) -> None:
    """Each file's commands with the variables that its tool sets."""
    here = registry("anonymous")
    project = copied("service-uv", tmp_path)
    env = {**program.env, "CONTAINERIZE_BASE": lab_base("slim")}
    own = program("-o", f"oci:{tmp_path / 'own'}", cwd=project, env=env).digest
    files = list(of_ci())

    def sh(script: str, variables: Env) -> None:
        run(["sh", "-eu", "-c", script], cwd=project, env={**env, **variables})

    gitlab, of_image = [file["image"] for file in files if "image" in file]
    assert set(gitlab) == {"stage", "image", "variables", "script"}
    install, push = gitlab["script"]
    assert install == "pip install cargo-containerize==0.1.0"
    sh(push, {"CI_REGISTRY_IMAGE": here.name("lab"), "CI_COMMIT_SHORT_SHA": "0123abcd"})
    assert pushed_digest(here, f"{here.name('lab')}:0123abcd") == own

    assert set(of_image) == set(gitlab) and of_image["image"]["entrypoint"] == [""]
    (push,) = of_image["script"]
    sh(push, {"CI_REGISTRY_IMAGE": here.name("debug"), "CI_COMMIT_SHORT_SHA": "0123abcd"})
    assert pushed_digest(here, f"{here.name('debug')}:0123abcd") == own

    (tekton,) = [file for file in files if file.get("apiVersion", "").startswith("tekton.dev/")]
    (step,) = tekton["spec"]["steps"]
    words = [word.replace("$(params.image)", here.name("tekton") + ":1") for word in step["args"]]
    program(*words, cwd=project, env=env)
    assert pushed_digest(here, here.name("tekton") + ":1") == own
    images = {of_image["image"]["name"], step["image"]}
    named = "ghcr.io/containerize/containerize:0.1.0"
    assert images == {f"{named}-debug", named}

    # Jenkins and Buildkite install the program first, and name a registry that is not here.
    def installed(script: str, name: str) -> str:
        here_instead = script.replace("registry.example.com/team/app", here.name(name))
        return re.sub(r"\S*/bin/containerize", "containerize", here_instead)

    (buildkite,) = [file["steps"][0] for file in files if isinstance(file.get("steps"), list)]
    assert "pip install cargo-containerize==0.1.0" in buildkite["command"][0]
    sh(installed(buildkite["command"][1], "buildkite"), {"BUILDKITE_COMMIT": "0123abcd"})
    assert pushed_digest(here, f"{here.name('buildkite')}:0123abcd") == own
    (pipeline,) = blocks("ci.md", "groovy")
    (script,) = re.findall(r"sh '''\n(.*?)'''", pipeline, re.DOTALL)
    push = "\n".join(line for line in script.splitlines() if "pip install" not in line)
    login = {"REGISTRY_USR": "me", "REGISTRY_PSW": "secret", "GIT_COMMIT": "0123abcd"}
    sh(installed(push, "jenkins"), login)
    assert pushed_digest(here, f"{here.name('jenkins')}:0123abcd") == own

    (native,) = [file for file in files if "index" in file.get("jobs", {})]
    assert native["jobs"]["index"]["needs"] == "image"
    name = here.name("native") + ":0123abcd"
    for machine in native["jobs"]["image"]["strategy"]["matrix"]["include"]:
        words = ["--push", "--tag", f"{name}-{machine['arch']}", "--platform", f"linux/{machine['arch']}"]
        program(*words, cwd=project, env=env)
    (join,) = [step["run"] for step in native["jobs"]["index"]["steps"]]
    joined = re.sub(r"^pipx run --spec \S+ ", "", join)
    assert joined != join
    sh(joined, {"NAME": name})
    assert pushed_digest(here, name) != own

    (skaffold,) = [file for file in files if file.get("apiVersion", "").startswith("skaffold/v4")]
    (artifact,) = skaffold["build"]["artifacts"]
    assert skaffold["kind"] == "Config" and set(artifact["custom"]) == {"buildCommand", "dependencies"}
    name = here.name("skaffold") + ":dirty"
    sh(artifact["custom"]["buildCommand"], {"IMAGE": name, "PUSH_IMAGE": "true", "PLATFORMS": ""})
    assert pushed_digest(here, name) == own

    calls: list[tuple] = []
    (tiltfile,) = blocks("ci.md", "python")
    exec(tiltfile, {"custom_build": lambda *args, **more: calls.append((args, more))})
    ((args, more),) = calls
    assert len(args) == 2 and set(more) == {"deps", "skips_local_docker"}
    sh(args[1], {"EXPECTED_REF": here.name("tilt") + ":tilt-1"})
    assert pushed_digest(here, here.name("tilt") + ":tilt-1") == own

    (azure,) = [file for file in files if "hooks" in file]
    # A service with an image would be pulled and pushed again by azd, with Docker.
    assert set(azure) == {"name", "hooks"} and set(azure["hooks"]) == {"postprovision"}
    tools = tmp_path / "az-tools"
    tools.mkdir()
    (tools / "az").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path / "az"}\n')
    (tools / "az").chmod(0o755)
    path = {"PATH": f"{tools}:{program.env['PATH']}"}
    outputs = {"AZURE_CONTAINER_REGISTRY_ENDPOINT": here.host, "AZURE_RESOURCE_GROUP": "rg"}
    sh(azure["hooks"]["postprovision"]["run"], {**path, **outputs})
    told = " ".join((tmp_path / "az").read_text().split())
    image = f"{here.name('hello')}@{own}"
    assert told == f"containerapp update --name web --resource-group rg --image {image}"
