"""`containerize diff` on images in registries, layouts and archives."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from harness import Program, Registry, lab_image, need, run
from python_projects import USAGE, copied, flags
from test_inspect import browser, dumped

INTEGRITY = 4
SLIM, DEBIAN = "python:3.13-slim-bookworm", "debian:bookworm-slim"
#: A version of a package that is older than what the project pins.
OLDER = "click==8.1.8 --hash=sha256:63c132bbbed01578a06712a2d1f497bb62d9c1c0d329b7903a866228027263b2\n"
AMD64 = ["--platform", "linux/amd64"]


def difference(program: Program, cwd: Path, *words: str) -> dict:
    return json.loads(program("diff", "--format", "json", *words, cwd=cwd).out)


@pytest.fixture
def two(program: Program, registry, tmp_path: Path) -> tuple[Registry, str, str, Path]:
    """Two tags of one project in a registry: a line changed, a package is older, a variable new."""
    place, project = registry("anonymous"), copied("site-pip", tmp_path)
    old, new = (f"{place.name(f'diff/{tmp_path.name}')}:{tag}" for tag in ("1", "2"))
    push = [*flags("slim", "linux/amd64", "linux/arm64"), "--push", "--sbom", "spdx"]
    program(*push, "-t", old, cwd=project)
    source, pins = project / "app.py", project / "requirements.txt"
    source.write_text(source.read_text() + "\n# One line more.\n")
    pin = re.compile(r"^click==.*?(?=^    # via)", re.MULTILINE | re.DOTALL)
    pins.write_text(pin.sub(OLDER, pins.read_text()))
    program(*push, "-t", new, "--env", "GREETING=hello", cwd=project)
    return place, old, new, project


def test_two_tags_differ_in_a_line_a_package_and_a_variable(two, program: Program) -> None:
    _, old, new, project = two
    found = difference(program, project, old, new)
    assert (found["schema"], found["same"], found["only"]) == (1, False, {"from": [], "to": []})
    assert [one["platform"] for one in found["platforms"]] == ["linux/amd64", "linux/arm64"]
    for one in found["platforms"]:
        files = {file["path"]: file for file in one["files"]["list"]}
        (source,) = [file for path, file in files.items() if path.endswith("/app.py")]
        assert source["differs-in"] == ["content"] and source["from"]["size"] < source["to"]["size"]
        settings = [(each["key"], each.get("name")) for each in one["configuration"]["list"]]
        assert [name for key, name in settings if key == "env"] == ["GREETING"]
        (click,) = one["packages"]["list"]
        assert (click["name"], click["change"], click["to"]["version"]) == ("click", "changed", "8.1.8")
        assert click["from"]["licence"].startswith("BSD")
        causes = {cause["name"] for cause in one["files"]["causes"] if cause["kind"] == "python"}
        assert causes == {"click"}, causes
        assert one["base"]["same"] is True
        assert one["layers"]["shared"] >= 4 and one["layers"]["to-pull"] < 2_000_000
        growth = one["growth"]
        parts = sum(part["to"] - part["from"] for part in growth["parts"])
        assert parts == growth["to"] - growth["from"]
    page = program("diff", old, new, "--format", "markdown", cwd=project).out
    assert page.count("| `linux/") == 2 and "env `GREETING`" in page and len(page) < 65_536
    text = program("diff", old, new, cwd=project).out
    assert "GREETING = hello" in text and ", the same" in text and " -> 8.1.8 (Python" in text


def test_another_base_shows_packages_and_fails_on_growth(program: Program, tmp_path: Path) -> None:
    images = [lab_image(DEBIAN), lab_image(SLIM)]
    one = difference(program, tmp_path, *images, *AMD64)["platforms"][0]
    added = {package["name"]: package for package in one["packages"]["list"]}
    assert added["pip"]["change"] == "added" and added["pip"]["to"]["size"] > 1 << 20
    assert added["libssl3"]["kind"] == "debian" and one["packages"]["removed"] == 0
    assert one["files"]["added"] > 1000 and len(one["files"]["list"]) <= 1000
    back = difference(program, tmp_path, *reversed(images), *AMD64)["platforms"][0]
    assert back["packages"]["removed"] == one["packages"]["added"]
    assert back["growth"]["to"] == one["growth"]["from"]
    grown = one["growth"]["to"] - one["growth"]["from"]
    within = program("diff", *images, *AMD64, "--fail-on-growth", str(grown), cwd=tmp_path)
    assert "within the limit" in within.out
    for limit in (str(grown - 1), "5%"):
        beyond = program("diff", *images, *AMD64, "--fail-on-growth", limit, cwd=tmp_path, code=INTEGRITY)
        assert "too large: linux/amd64 has grown by" in beyond.out
    smaller = program("diff", *reversed(images), *AMD64, "--fail-on-growth", "0", cwd=tmp_path)
    assert "within the limit" in smaller.out


@pytest.mark.full
def test_the_page_works_in_a_browser(program: Program, tmp_path: Path) -> None:
    need("chromium")
    page = tmp_path / "page.html"
    program("diff", lab_image(DEBIAN), lab_image(SLIM), *AMD64, "--html", page, cwd=tmp_path)
    plain = browser(page, tmp_path, "--dump-dom")
    assert "CONSOLE" not in plain.stderr, "no errors, and nothing that the policy refuses"
    sort = """
    const table = document.querySelector("table"), head = table.querySelectorAll("th.n button")[2];
    head.click();
    document.body.dataset.sorted = table.querySelectorAll("th.n")[2].getAttribute("aria-sort");
    document.body.dataset.first = table.tBodies[0].rows[0].cells[0].textContent;
    document.body.dataset.wide = document.documentElement.scrollWidth > innerWidth;
    """
    used = dumped(page, tmp_path, f"setTimeout(() => {{{sort}}}, 500);", "--window-size=500,900")
    said = dict(re.findall(r'data-(\w+)="([^"]*)"', re.search(r"<body[^>]*>", used)[0]))
    assert (said["sorted"], said["first"], said["wide"]) == ("descending", "/usr/local/lib", "false")


def test_the_second_look_fetches_no_layer(two, program: Program, tmp_path: Path) -> None:
    place, old, new, project = two
    name = old.rsplit(":", 1)[0].removeprefix(f"{place.host}/")
    words = ["diff", old, new, *AMD64, "--cache-dir", str(tmp_path / "cache"), "--format", "json"]

    def look() -> tuple[dict, list[str]]:
        asked = len(place.requests(name))
        found = json.loads(program(*words, cwd=project).out)
        return found, [line for line in place.requests(name)[asked:] if "/blobs/" in line]

    (first, fetched), (again, left) = look(), look()
    assert again == first
    layers = first["platforms"][0]["layers"]
    assert layers["shared"] >= 4, "these are looked at, too"
    digests = [layer["digest"] for side in ("removed", "added") for layer in layers[side]]
    assert digests and all(any(digest in line for line in fetched) for digest in digests)
    assert len(fetched) - len(left) >= layers["shared"] + len(digests)
    assert not any(digest in line for line in left for digest in digests), left


def test_copies_elsewhere_are_the_same_image(two, program: Program, tmp_path: Path) -> None:
    place, old, _, project = two
    layout, archive = f"oci:{tmp_path / 'copy'}:1", f"docker-archive:{tmp_path / 'copy.tar'}:copy:1"
    source = f"docker://{old}"
    copy = ["copy", "-q", *place.skopeo_options("src-")]
    run(["skopeo", *copy, "--all", source, layout])
    same = program("diff", old, layout, "--fail-on-growth", "0", cwd=project).out
    assert same.startswith(f"{old} and {layout} are the same image\n"), same
    run(["skopeo", "--override-arch", "amd64", *copy, source, archive])
    (one,) = difference(program, project, old, archive)["platforms"]
    assert one["growth"]["of"] == "unpacked" and one["growth"]["from"] == one["growth"]["to"]
    assert one["files"]["list"] == one["configuration"]["list"] == []
    assert one["layers"]["recompressed"] == len(one["layers"]["added"]) > 4
    text = program("diff", old, archive, cwd=project).out
    assert "packages, files and configuration are the same" in text and "growth is unpacked" in text


def test_the_project_is_compared_before_it_is_pushed(two, program: Program) -> None:
    place, _, new, project = two
    settings = ["--", *flags("slim", "linux/amd64"), "--env", "GREETING=hello", "--sbom", "spdx"]
    one = difference(program, project, new, *settings)
    assert one["images"] == {"from": new, "to": "site (built here)"}
    assert one["only"] == {"from": ["linux/arm64"], "to": []}
    assert "totals" not in one["platforms"][0], "the build is the same, bit for bit"
    repository, tag = new.rsplit(":", 1)
    (project / "app.py").write_text((project / "app.py").read_text() + "\n# Not pushed.\n")
    name = repository.removeprefix(f"{place.host}/")
    asked = len(place.requests(name))
    found = difference(program, project, *settings, "--repository", repository, "--tag", tag)
    assert found["images"]["from"] == new
    assert "only-sbom" not in found["platforms"][0]["packages"], "the build has one, too"
    files = found["platforms"][0]["files"]["list"]
    assert "/app/app.py" in [file["path"] for file in files]
    methods = {line.split()[0] for line in place.requests(name)[asked:]}
    assert methods and methods <= {"GET", "HEAD"}, "nothing is pushed"


def test_what_is_not_there_is_refused(two, program: Program, tmp_path: Path) -> None:
    place, old, new, project = two
    missing = f"{old.rsplit(':', 1)[0]}:missing"
    for words in ([old, missing], [missing, new]):
        refused = program("diff", *words, cwd=project, code=USAGE).err
        assert missing in refused, refused
    refused = program("diff", old, new, "--platform", "linux/s390x", cwd=project, code=USAGE).err
    assert "linux/s390x" in refused, refused
    error = json.loads(program("diff", old, missing, "--format", "json", cwd=project, code=USAGE).out)
    assert error["error"]["kind"] == "usage"
