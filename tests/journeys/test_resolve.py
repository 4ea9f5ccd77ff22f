"""`containerize resolve`, `apply` and `delete`: files for a cluster, with the digests of what was pushed."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
import yaml
from harness import AMD64, HELLO_TARGET, OWN_MOUNTS, Program, need_target, tiny_project
from python_projects import copied, lab_base

POD = """\
# {comment}
apiVersion: v1
kind: Pod
metadata: {{ name: "both" }}   # two images
spec:
  containers:
    - {{name: web, image: 'containerize://web'}}
    - name: site
      image: containerize://site-pip#site
      args: [ "containerize://web", containerize ]
    - name: other
      image: ghcr.io/other/thing:1
"""


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    """One of Rust and one of Python, and a folder that says how they run."""
    need_target(AMD64)
    tiny_project(tmp_path / "web", name="web")
    site = copied("site-pip", tmp_path)
    with (site / "pyproject.toml").open("a") as settings:
        settings.write(f'\n[tool.containerize]\nbase = "{lab_base("slim")}"\n')
    (tmp_path / "deploy" / "later").mkdir(parents=True)
    (tmp_path / "deploy" / "pod.yaml").write_text(POD.format(comment="containerize://nowhere"))
    job = {"apiVersion": "batch/v1", "kind": "Job", "image": "containerize://web"}
    (tmp_path / "deploy" / "job.json").write_text(json.dumps(job))
    (tmp_path / "deploy" / "later" / "more.yml").write_text("image: containerize://web\n")
    (tmp_path / "deploy" / "notes.txt").write_text("image: containerize://nowhere\n")
    return tmp_path


def test_files_get_the_digests_of_what_was_pushed(program: Program, registry, projects: Path) -> None:
    here = registry("anonymous")
    flags = ["--repository", here.name("resolved/{name}"), "--locked", "--platform", "linux/amd64"]
    done = program("resolve", "-f", "deploy", *flags, cwd=projects, env=HELLO_TARGET)
    job, pod = yaml.safe_load_all(done.out)
    web, site, other = pod["spec"]["containers"]
    name = here.name("resolved/web")
    assert web["image"] == job["image"] == site["args"][0] and web["image"].startswith(f"{name}@sha256:")
    assert site["image"].startswith(here.name("resolved/site@sha256:"))
    assert other["image"] == "ghcr.io/other/thing:1" and site["args"][1] == "containerize"
    text = POD.format(comment="containerize://nowhere")
    text = text.replace("containerize://web", web["image"]).replace(
        "containerize://site-pip#site", site["image"]
    )
    assert done.out.endswith(f"---\n{text}"), "nothing else has changed"
    own = program("--push", "-t", f"{here.name('own')}:1", *flags[2:], cwd=projects / "web", env=HELLO_TARGET)
    assert web["image"].endswith(own.digest)

    # All of them, on standard input, and a name that is pushed.
    more = program("resolve", "-Rf", "deploy", *flags, cwd=projects, env=HELLO_TARGET)
    assert [document for document in yaml.safe_load_all(more.out)][1] == {"image": web["image"]}
    named = f"a: {{image: {name}}}\nb: {{image: {name}:0.0.1}}\n"
    (projects / "web" / "named.yaml").write_text(named)
    piped = ["sh", "-c", 'exec "$@" <"$0"', "named.yaml"]
    words = ["resolve", "-qf", "-", *flags]
    by_name = program(*words, cwd=projects / "web", env=HELLO_TARGET, wrap=piped)
    assert by_name.out == named.replace(f"{name}}}", f"{web['image']}}}"), "the other tag is not pushed"


def test_everything_else_stays_as_it_is_written(program: Program, registry, projects: Path) -> None:
    """Also what parsers of YAML do not agree about, and the logins of the caller."""
    text = """\
env:
  - { name: DB, value: "postgres://app:s3cret@db:5432/x?token=abcdef0123456789" }
command: [
  "--image=containerize://web:1.0"
]
script: |
  docker run 'containerize://./web/' # containerize://nowhere
  curl -H "Authorization: Bearer abcdef0123456789" {{ .Values.host }}
"""
    (projects / "odd.yaml").write_text(text)
    flags = ["--repository", registry("anonymous").name("odd/{name}"), "--platform", "linux/amd64"]
    done = program("resolve", "-f", "odd.yaml", *flags, cwd=projects, env=HELLO_TARGET)
    name = done.out.split("--image=")[1].split('"')[0]
    expected = text.replace("containerize://web:1.0", name).replace("containerize://./web/", name)
    assert name.startswith(flags[1].replace("{name}", "web@sha256:")) and done.out == expected


def test_nothing_is_pushed_before_all_is_known(program: Program, registry, projects: Path) -> None:
    here = registry("anonymous")
    words = ["resolve", "-f", "late.yaml", "--platform", "linux/amd64"]
    late = projects / "late.yaml"
    late.write_text("- containerize://web\n- containerize://site-pip#no\n")
    repository = here.name("late/{name}")
    for file, flags, said in [
        (late.read_text(), ["--repository", repository], "site-pip makes no image no"),
        (
            "- containerize://web\n- containerize://nowhere\n",
            ["--repository", repository],
            "not a folder here",
        ),
        (
            "- containerize://web\n- containerize://site-pip\n",
            ["-t", here.name("late/web") + ":1"],
            "would both be named",
        ),
        (
            "- containerize://web\n- containerize://site-pip\n",
            ["--repository", repository, "-o", "oci:out"],
            "several projects would write the same files",
        ),
    ]:
        late.write_text(file)
        refused = program(*words, *flags, cwd=projects, env=HELLO_TARGET, code=2)
        assert said in refused.err and not refused.out, refused.err
    assert not here.requests("late/web") and not (projects / "out").exists()


def test_kubectl_gets_what_was_resolved(program: Program, registry, projects: Path) -> None:
    here = registry("anonymous")
    kubectl = projects / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text('#!/bin/sh\necho "$@" >called\ncat >given\nexit 3\n')
    kubectl.chmod(0o755)
    env = {**HELLO_TARGET, "PATH": f"{kubectl.parent}:{program.env['PATH']}"}
    words = ["-f", "deploy/pod.yaml", "--repository", here.name("applied/{name}")]
    program("apply", *words, "--", "-n", "staging", cwd=projects, env=env, code=3)
    assert (projects / "called").read_text() == "apply -n staging -f -\n"
    given = yaml.safe_load((projects / "given").read_text())
    assert given["spec"]["containers"][0]["image"].startswith(here.name("applied/web@sha256:"))
    program("delete", "-f", "deploy/pod.yaml", "--", "--wait=false", cwd=projects, env=env, code=3)
    assert (projects / "called").read_text() == "delete --wait=false -f -\n"
    assert (projects / "given").read_text() == (projects / "deploy/pod.yaml").read_text()
    bare = {**env, "PATH": "/nonexistent"}
    refused = program("apply", *words, cwd=projects, env=bare, code=2)
    assert "error: kubectl is not on PATH" in refused.err


def test_services_of_compose_get_the_names_of_local_images(program: Program, podman, projects: Path) -> None:
    compose = projects / "compose.yaml"
    compose.write_text("services:\n  web:\n    image: containerize://web # local\n")
    env = {**HELLO_TARGET, **podman.env}
    words = ["resolve", "-qf", "compose.yaml", "--load", "podman"]
    done = program(*words, cwd=projects, env=env, wrap=OWN_MOUNTS)
    name = yaml.safe_load(done.out)["services"]["web"]["image"]
    assert name.endswith("web:1.2.3") and done.out.endswith(f"    image: {name} # local\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "# x\nimage: containerize://nowhere\n",
            "pod.yaml, line 2: containerize://nowhere is not a folder here",
        ),
        ("image: containerize:///etc\n", "containerize:///etc is not a folder here"),
        ("image: containerize://web/../..\n", "containerize://web/../.. is not a folder here"),
        ("image: containerize://web#no\n", "pod.yaml, line 1: web makes no image no"),
        ("image: nothing/{{ .Values.image }}\nother: x\n", "the files name no image that is built here"),
        ("image: ghcr.io/other/thing\n", "the files name no image that is built here"),
    ],
)
def test_what_cannot_be_resolved_is_refused(
    program: Program, registry, projects: Path, text: str, said: str
) -> None:
    (projects / "web" / "pod.yaml").write_text(text)
    flags = ["--repository", registry("anonymous").name("refused/{name}"), "--platform", "linux/amd64"]
    here = projects / "web" if "other" in text else projects
    file = "pod.yaml" if "other" in text else "web/pod.yaml"
    done = program("resolve", "-f", file, *flags, cwd=here, env=HELLO_TARGET, code=2)
    assert not done.out and said in done.err and "hint: " in done.err, done.err


#: Programs that load an archive into a cluster, and what each is told.
LOADERS = {
    "kind:dev": "load image-archive {} --name=dev",
    "k3d": "image import {}",
    "minikube:p1": "image load {} --profile=p1",
    "ctr:k8s.io": "--namespace=k8s.io images import {}",
}


@pytest.mark.parametrize("cluster", LOADERS)
def test_clusters_get_an_archive_by_their_own_programs(
    cluster: str, program: Program, projects: Path
) -> None:
    name = cluster.partition(":")[0]
    loader = projects / "bin" / name
    loader.parent.mkdir()
    loader.write_text(
        '#!/bin/sh\necho "$@" >called\nfor word; do test -f "$word" && cp "$word" archive.tar; done\nexit 0\n'
    )
    loader.chmod(0o755)
    env = {**HELLO_TARGET, "PATH": f"{loader.parent}:{program.env['PATH']}"}
    (projects / "job.yaml").write_text("image: containerize://web\n")
    done = program("resolve", "-f", "job.yaml", "--load", cluster, cwd=projects, env=env)
    (image,) = yaml.safe_load(done.out).values()
    words = (projects / "called").read_text().split()
    (archive,) = [word for word in words if word.endswith(".tar")]
    assert " ".join(words) == LOADERS[cluster].format(archive) and not Path(archive).exists()
    with tarfile.open(projects / "archive.tar") as held:
        (item,) = json.load(held.extractfile("manifest.json"))
        assert image in item["RepoTags"] and "docker.io/library/web:1.2.3" in item["RepoTags"]
        assert set(item["Layers"]) <= set(held.getnames()), "nobody knows what the nodes have"

    source = projects / "web" / "src" / "main.rs"
    source.write_text(
        source.read_text() + "\n// Another image.\npub fn other() {}\n#[used] static X: [u8; 3] = [7; 3];\n"
    )
    again = program("resolve", "-qf", "job.yaml", "--load", cluster, cwd=projects, env=env)
    assert again.out != done.out, "another image has another name"

    loader.write_text("#!/bin/sh\necho 'no nodes found' >&2\nexit 1\n")
    failed = program("--load", cluster, cwd=projects / "web", env=env, code=1)
    assert f"{name} did not take the image into {cluster}" in failed.err and "no nodes found" in failed.err
    refused = program("run", "--load", cluster, cwd=projects / "web", env=env, code=2)
    assert "only an engine runs a single container" in refused.err
