"""An image has all distributions that it needs: what only pins is completed, and what was meant is kept."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from harness import Podman, Program, run
from python_projects import USAGE, flags, make, served, uv, with_uv

APP = """from flask import Flask
app = Flask(__name__)

@app.get("/")
def index():
    return "complete"
"""
PINS = "flask==3.1.2\ngunicorn==23.0.0\n"


def project(folder: Path, **files: str) -> Path:
    """A project of these files; `__` in their names is a dot."""
    place = folder / "app"
    place.mkdir()
    for name, text in files.items():
        (place / name.replace("__", ".")).write_text(text)
    return place


def wheel(folder: Path, name: str, version: str, *requires: str) -> Path:
    """A wheel of one module, and what it says that it needs."""
    info = f"{name}-{version}.dist-info"
    about = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    files = {
        f"{name}.py": "print('here')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{about}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text)}\n")
    folder.mkdir(exist_ok=True)
    place = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(place, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "".join(rows) + f"{info}/RECORD,,\n")
    return place


def test_pins_of_what_is_named_are_completed(program: Program, podman_kept: Podman, tmp_path: Path) -> None:
    env = with_uv(tmp_path, program)
    app = project(tmp_path, requirements__txt=PINS, app__py=APP)
    layout = tmp_path / "layout"
    refused = program(*flags("slim"), "-o", f"oci:{layout}:made", cwd=app, env=env, code=USAGE)
    assert "flask 3.1.2 needs blinker>=1.9.0, which requirements.txt does not pin" in refused.err
    assert "click, itsdangerous, jinja2" in refused.err and "containerize lock" in refused.err
    assert not layout.exists()

    program("lock", *flags("slim"), cwd=app, env=env)
    made = make(program, app, layout, env=env)
    assert "requirements.txt" not in made.outcome.err, "it is what the lock was made from"
    with served(podman_kept, podman_kept.take(layout, "made"), name="complete") as service:
        assert service.get("/") == "complete"

    (app / "requirements.txt").write_text("# Sorted.\ngunicorn == 23.0.0\nflask==3.1.2\n")
    program(*flags("slim"), "--dry-run", cwd=app, env=env)
    (app / "requirements.txt").write_text(PINS.replace("3.1.2", "3.1.1"))
    stale = program(*flags("slim"), "--dry-run", cwd=app, env=env, code=USAGE)
    assert "pylock.toml no longer matches requirements.txt" in stale.err
    assert "hint: run `containerize lock`" in stale.err


def test_what_is_meant_to_be_missing_is_named(program: Program, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheel(wheels, "one", "1.0", "two>=2", "three; extra == 'more'", "four; sys_platform == 'win32'")
    wheel(wheels, "two", "1.0")
    links = f"--no-index\n--find-links {wheels}\n"
    app = project(tmp_path, requirements__txt=f"{links}one[more]==1.0\ntwo==1.0\n", main__py="import one\n")
    options = [*flags("slim"), "--entrypoint", "python /app/main.py", "-o", f"oci:{tmp_path}/layout:made"]
    refused = program(*options, cwd=app, code=USAGE)
    assert "one 1.0 needs three, which requirements.txt does not pin" in refused.err
    settings = {"CONTAINERIZE_MISSING": '["three"]'}
    refused = program(*options, cwd=app, env=settings, code=USAGE)
    assert "one 1.0 needs two>=2, but requirements.txt pins 1.0" in refused.err
    (app / "pyproject.toml").write_text('[tool.containerize]\nmissing = ["Two"]\n')
    program(*options, cwd=app, env=settings)
    checked = program("check", f"oci:{tmp_path}/layout:made", "--format", "json", cwd=tmp_path)
    findings = json.loads(checked.out)["platforms"][0]["findings"]
    assert [(finding["kind"], finding["severity"]) for finding in findings] == [
        ("missing-distribution", "warning")
    ]
    assert findings[0]["message"] == "one 1.0 needs two>=2, but the image has two 1.0"


def needs_one(wheels: Path) -> str:
    """A project that needs `one`, of which uv finds wheels in a folder alone."""
    return f"""[project]
name = "app"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["one"]
[tool.uv]
no-index = true
find-links = ["{wheels}"]
"""


def test_a_resolver_has_the_last_word(program: Program, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheel(wheels, "one", "1.0", "two>=2", "three")
    wheel(wheels, "two", "1.0")
    overrides = """override-dependencies = ["two==1.0", "three; python_version < '3'"]\n"""
    manifest = needs_one(wheels) + overrides
    app = project(tmp_path, pyproject__toml=manifest, main__py="import one\n")
    run([uv(), "lock", "-q", "--offline"], cwd=app)
    options = [*flags("slim"), "--entrypoint", "python /app/main.py"]
    made = program(*options, "-o", f"oci:{tmp_path}/layout:made", cwd=app)
    notes = [line for line in made.err.splitlines() if "uv.lock does not meet all" in line]
    assert len(notes) == 1
    assert "one 1.0 needs three, one 1.0 needs two>=2 (it is 1.0)" in notes[0]


@pytest.mark.parametrize("key", ["extras", "groups"])
def test_a_lock_is_made_of_the_settings(key: str, program: Program, tmp_path: Path) -> None:
    env = with_uv(tmp_path, program)
    table = {"extras": "project.optional-dependencies", "groups": "dependency-groups"}[key]
    wheels = tmp_path / "wheels"
    wheel(wheels, "one", "1.0")
    wheel(wheels, "two", "1.0")
    project_table = f"""[project]
name = "app"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["one"]
[{table}]
prod = ["two"]
[tool.uv]
no-index = true
find-links = ["{wheels}"]
"""
    asks = f'[tool.containerize]\n{key} = ["prod"]\n'
    app = project(tmp_path, pyproject__toml=project_table + asks, main__py="import one, two\n")
    options = [*flags("slim"), "--entrypoint", "python /app/main.py"]
    program("lock", *flags("slim"), cwd=app, env=env)
    assert 'python = "3.13"' in (app / "pylock.toml").read_text(), "the base's"
    made = make(program, app, tmp_path / "layout", *options[-2:], env=env)
    assert any("/two-1.0.dist-info/" in path for path in made.own_files())

    flag = {"extras": "--extra", "groups": "--group"}[key]
    (app / "pyproject.toml").write_text(project_table)
    refused = program(*options, "--dry-run", cwd=app, env=env, code=USAGE)
    assert "pylock.toml was made with the" in refused.err and f"{flag} prod" in refused.err
    program(*options, flag, "prod", "--dry-run", cwd=app, env=env)
    program("lock", *flags("slim"), cwd=app, env=env)
    refused = program(*options, flag, "prod", "--dry-run", cwd=app, env=env, code=USAGE)
    assert "pylock.toml was made without the" in refused.err
    assert f"hint: run `containerize lock {flag} prod" in refused.err


def test_what_is_said_of_a_lock_with_a_name_of_its_own_works(program: Program, tmp_path: Path) -> None:
    """A stale `pylock.NAME.toml`: its hint is followed, word for word."""
    env = with_uv(tmp_path, program)
    wheels = tmp_path / "wheels"
    for name in ("one", "two"):
        wheel(wheels, name, "1.0")
    manifest = needs_one(wheels)
    key = '[tool.containerize]\nlock = "pylock.api.toml"\n'
    app = project(tmp_path, pyproject__toml=manifest, main__py="import one\n")
    options = [*flags("slim"), "--entrypoint", "python /app/main.py"]

    def lock_anew() -> None:
        program("lock", *flags("slim"), cwd=app, env=env)
        (app / "pylock.toml").rename(app / "pylock.api.toml")

    lock_anew()
    (app / "pyproject.toml").write_text(manifest + key)
    program(*options, "--dry-run", cwd=app, env=env)

    more = manifest.replace('["one"]', '["one", "two"]')
    (app / "pyproject.toml").write_text(more + key)
    refused = program(*options, "--dry-run", cwd=app, env=env, code=USAGE)
    assert "pylock.api.toml no longer matches pyproject.toml" in refused.err
    remade = "remove the key `lock` and run `containerize lock`; then rename the new pylock.toml to"
    assert f"hint: {remade} pylock.api.toml\n" in refused.err
    again = program("lock", *flags("slim"), cwd=app, env=env, code=USAGE)
    assert f"hint: {remade} pylock.api.toml\n" in again.err
    assert not (app / "pylock.toml").exists(), "with the key nothing else is locked"
    (app / "pyproject.toml").write_text(more)
    lock_anew()
    (app / "pyproject.toml").write_text(more + key)
    made = make(program, app, tmp_path / "layout", *options[-2:], env=env)
    assert any("/two-1.0.dist-info/" in path for path in made.own_files())
