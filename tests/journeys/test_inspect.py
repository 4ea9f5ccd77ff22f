"""`containerize inspect` on images of others, and its page in a real browser."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from harness import Program, lab_image, need
from python_projects import copied, flags

SLIM, DEBIAN = "python:3.13-slim-bookworm", "debian:bookworm-slim"
DISTROLESS = "distroless/python3-debian12:nonroot"
AMD64 = ["--platform", "linux/amd64"]


def inspected(program: Program, image: str, cwd: Path) -> dict:
    found = json.loads(program("inspect", lab_image(image), *AMD64, "--format", "json", cwd=cwd).out)
    (view,) = found["platforms"]
    return view


@pytest.mark.parametrize(
    ("image", "kind", "package"),
    [
        (SLIM, "python", "pip"),
        (SLIM, "debian", "libc6"),
        (DEBIAN, "debian", "bash"),
        (DISTROLESS, "debian", "libpython3.11-stdlib"),
    ],
)
def test_packages_of_foreign_images_have_their_files(
    program: Program, image: str, kind: str, package: str, tmp_path: Path
) -> None:
    view = inspected(program, image, tmp_path)
    (found,) = [one for one in view["packages"] if (one["kind"], one["name"]) == (kind, package)]
    assert found["size"] > 1 << 20 and found["layers"] and not found["only-in-sbom"]
    assert sum(one["size"] for one in view["packages"]) <= view["size"]
    for layer in view["layers"]:
        assert sum(one["size"] for one in layer["holds"]) + layer["unseen"] == layer["size"], layer["made-by"]


def test_an_image_in_a_registry_is_what_was_built_with_what_hangs_on_it(
    program: Program, registry, tmp_path: Path
) -> None:
    project, layout = copied("site-pip", tmp_path), tmp_path / "layout"
    name = f"{registry('anonymous').name(f'inspect/{tmp_path.name}')}:1"
    build = [*flags("slim"), "-t", name, "--attestations", "referrers"]
    program(*build, "-o", f"oci:{layout}", "--push", cwd=project)

    def view(image: str, **env: str) -> dict:
        return json.loads(program("inspect", image, "--format", "json", cwd=project, env=env).out)

    # Nothing is known there of layers that were made here.
    fresh = {"CONTAINERIZE_CACHE_DIR": str(tmp_path / "cache")}
    found, again = view(name, **fresh), view(name, **fresh)
    assert found == again and found["image"].startswith(name)
    (mine,), (here,) = found["platforms"], view(f"oci:{layout}")["platforms"]
    assert mine["layers"] == here["layers"] and mine["smaller"] == here["smaller"]
    assert {one["kind"] for one in found["attached"]} >= {"sbom", "provenance"}
    (click,) = [one for one in mine["packages"] if one["name"] == "click"]
    assert click["licence"].startswith("BSD") and not click["only-in-sbom"], "as the SBOM says"
    reasons = [layer.get("reason") for layer in mine["layers"]]
    assert reasons[0] == "the base" and reasons[-1] == "the project"
    (stubs,) = [one for one in mine["smaller"] if one.get("trim") == "typing"]
    assert stubs["own"] > 0


def dumped(page: Path, tmp_path: Path, script: str, *flags: str) -> str:
    """The page as it is after a script in a copy of it, without the policy that forbids such scripts."""
    copy = tmp_path / "copy.html"
    text = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text())
    copy.write_text(
        text.replace("</body>", f"<script>addEventListener('load', () => {{{script}}});</script></body>")
    )
    return browser(copy, tmp_path, "--dump-dom", *flags).stdout


def browser(page: Path, tmp_path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--virtual-time-budget=3000",
        f"--user-data-dir={tmp_path / 'browser'}",
        *flags,
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


#: The smallest contrast of text in the page with what is behind it, by WCAG's formula.
CONTRAST = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (color) => {
  const [r, g, b] = rgb(color).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const color = getComputedStyle(node).backgroundColor;
    if ((rgb(color)[3] ?? 1) === 1) return color;
  }
  return getComputedStyle(document.body).backgroundColor;
};
let least = 21;
const texts = "h1,h2,h3,p,dt,dd,td,th button,caption,.map b,.crumbs button,li";
for (const node of document.querySelectorAll(texts)) {
  const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((a, b) => b - a);
  least = Math.min(least, (a + 0.05) / (b + 0.05));
}
document.body.dataset.contrast = least.toFixed(2);
document.body.dataset.background = getComputedStyle(document.body).backgroundColor;
"""

#: Looks into the first region by its button, sorts a table, and goes back.
USE = """
setTimeout(() => {
  const map = document.querySelector(".map"), crumbs = document.querySelector(".crumbs");
  document.body.dataset.regions = map.children.length;
  map.querySelector("button").click();
  document.body.dataset.deeper = crumbs.children.length;
  document.body.dataset.focus = map.contains(document.activeElement);
  document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  document.body.dataset.back = crumbs.children.length;
  const table = document.querySelector("table"), head = table.querySelector("th.n button");
  head.click();
  document.body.dataset.sorted = table.querySelector("th.n").getAttribute("aria-sort");
  document.body.dataset.first = table.tBodies[0].rows[0].cells[0].textContent;
  document.body.dataset.wide = document.documentElement.scrollWidth > innerWidth;
}, 500);
"""


@pytest.mark.full
def test_the_page_works_in_a_browser(program: Program, tmp_path: Path) -> None:
    need("chromium")
    page = tmp_path / "page.html"
    program("inspect", lab_image(SLIM), *AMD64, "--html", page, cwd=tmp_path)
    plain = browser(page, tmp_path, "--dump-dom")
    assert "CONSOLE" not in plain.stderr, "no errors, and nothing that the policy refuses"
    assert plain.stdout.count('class="kd"') > 10, "the map is drawn under the policy"
    for window in ("--window-size=1280,900", "--window-size=500,900"):
        used = dumped(page, tmp_path, USE, window)
        said = dict(re.findall(r'data-(\w+)="([^"]*)"', re.search(r"<body[^>]*>", used)[0]))
        assert int(said["regions"]) > 20, window
        assert (said["deeper"], said["focus"], said["back"]) == ("2", "true", "1")
        assert (said["sorted"], said["first"], said["wide"]) == ("descending", "4", "false")
    backgrounds = set()
    for mode in ([], ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"]):
        shown = dumped(page, tmp_path, f"setTimeout(() => {{{CONTRAST}}}, 500);", *mode)
        backgrounds.add(re.search(r'data-background="([^"]+)"', shown)[1])
        assert float(re.search(r'data-contrast="([\d.]+)"', shown)[1]) >= 4.5, mode
    assert len(backgrounds) == 2, "light and dark"
