"""Projects whose pyproject.toml is changed at random after they were locked."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

Document = dict
Change = Callable[[Document, random.Random], None]

#: What the folder of wheels has, and the requirements of each.
WHEELS = {
    ("alpha", "1.0"): [],
    ("alpha", "2.0"): [],
    ("beta", "1.0"): ["gamma; extra == 'x'"],
    ("gamma", "1.0"): [],
    ("delta", "1.0"): ["alpha"],
    ("near", "1.0"): [],
}
NAMES = ["alpha", "beta", "gamma", "delta"]


def wheelhouse(folder: Path) -> None:
    """Fills a folder with small wheels."""
    folder.mkdir(parents=True)
    for (name, version), requires in WHEELS.items():
        info = f"{name}-{version}.dist-info"
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", "Provides-Extra: x"]
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        files = {
            f"{name}.py": "x = 1\n",
            f"{info}/METADATA": "\n".join(metadata) + "\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        digest = {
            path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            for path, text in files.items()
        }
        record = "".join(f"{path},sha256={digest[path]},{len(text)}\n" for path, text in files.items())
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            for path, text in files.items():
                wheel.writestr(path, text)
            wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")


def toml(document: Document) -> str:
    """A document as text; values below the second level are inline."""
    lines: list[str] = []
    document = {table: content for table, content in document.items() if table != "folders"}

    def value(what: object) -> str:
        if isinstance(what, dict):
            return "{" + ", ".join(f"{json.dumps(key)} = {value(inner)}" for key, inner in what.items()) + "}"
        if isinstance(what, list):
            return "[" + ", ".join(value(inner) for inner in what) + "]"
        return json.dumps(what)

    for table, content in document.items():
        inner = content.items() if table == "tool" else [("", content)]
        for name, values in inner:
            lines.append(f"[{table}.{json.dumps(name)}]" if name else f"[{table}]")
            lines += [f"{json.dumps(key)} = {value(what)}" for key, what in values.items()]
    return "\n".join(lines) + "\n"


def write(project: Path, document: Document) -> None:
    """Writes the files of a project, and of the members of its workspace."""
    (project / "pyproject.toml").write_text(toml(document))
    shutil.rmtree(project / "libs", ignore_errors=True)
    for name, inner in document.get("folders", {}).items():
        (project / name).mkdir(parents=True)
        (project / name / "pyproject.toml").write_text(toml(inner))


#: A build backend that needs nothing, and tells metadata alone.
BACKEND_TEXT = """import pathlib, tomllib

def prepare_metadata_for_build_wheel(out, settings=None):
    project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
    lines = ["Metadata-Version: 2.2", "Name: hello", "Version: 1.0"]
    lines.append("Requires-Python: " + project["requires-python"])
    lines += ["Requires-Dist: " + text for text in project["dependencies"]]
    for extra, texts in project["optional-dependencies"].items():
        lines.append("Provides-Extra: " + extra)
        for text in texts:
            wanted, _, marker = text.partition(";")
            marker = f"({marker}) and " if marker.strip() else ""
            lines.append(f"Requires-Dist: {wanted}; {marker}extra == '{extra}'")
    folder = pathlib.Path(out, "hello-1.0.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text("\\n".join(lines) + "\\n")
    return folder.name

prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
"""
BACKEND = {"requires": [], "build-backend": "backend", "backend-path": ["."]}
UV = {"no-index": True, "find-links": ["../wheels"]}
PROJECT = {
    "name": "hello",
    "requires-python": ">=3.10",
    "dependencies": ["alpha>=1", "beta[x]; python_version < '3.13'"],
    "optional-dependencies": {"a": ["gamma"], "b": ["delta==1.0"]},
}
#: The projects that are changed.
PLAIN: Document = {
    "project": {"version": "1.0", **PROJECT},
    "dependency-groups": {"dev": ["gamma"], "test": ["delta", {"include-group": "dev"}]},
    "tool": {"uv": {**UV, "package": False, "constraint-dependencies": ["alpha<2"]}},
}
DYNAMIC: Document = {
    "project": {"dynamic": ["version"], **PROJECT},
    "build-system": BACKEND,
    "tool": {"uv": {**UV}},
}
DYNAMIC["project"]["optional-dependencies"] = {"a": ["gamma"], "b": ["delta==1.0"], "all": ["hello[a,b]"]}
SOURCED: Document = {
    "project": {"version": "1.0", **PROJECT, "dependencies": ["near", "alpha==1.0"]},
    "tool": {
        "uv": {
            **UV,
            "package": False,
            "sources": {
                "near": {"path": "../near"},
                "alpha": [
                    {"path": "../wheels/alpha-1.0-py3-none-any.whl", "marker": "sys_platform == 'win32'"},
                    {
                        "path": "../wheels/alpha-1.0-py3-none-any.whl",
                        "marker": "python_version < '3.11' and sys_platform != 'win32'",
                    },
                ],
            },
        }
    },
}
#: The root of a workspace; what is below "folders" are the files of its members.
MEMBERS: Document = {
    "project": {"version": "1.0", **PROJECT, "dependencies": ["alpha>=1", "one"]},
    "dependency-groups": {"dev": ["gamma"]},
    "tool": {
        "uv": {
            **UV,
            "package": False,
            "sources": {"one": {"workspace": True}},
            "workspace": {"members": ["libs/*"]},
            "environments": ["sys_platform == 'linux'", "sys_platform == 'darwin'"],
            "conflicts": [[{"extra": "a"}, {"extra": "b"}]],
        }
    },
    "folders": {
        "libs/one": {
            "project": {
                "name": "one",
                "version": "1.0",
                "requires-python": ">=3.10",
                "dependencies": ["gamma"],
            }
        },
        "libs/two": {
            "project": {"name": "two", "version": "1.0", "requires-python": ">=3.10", "dependencies": []}
        },
    },
}
#: Groups that exclude each other, and groups that include those.
GROUPED: Document = {
    "project": {"version": "1.0", **PROJECT, "dependencies": ["gamma"]},
    "dependency-groups": {
        "old": ["alpha==1.0"],
        "new": ["alpha==2.0"],
        "more": ["gamma", {"include-group": "old"}],
        "most": [{"include-group": "more"}],
        "dev": [{"include-group": "new"}],
    },
    "tool": {"uv": {**UV, "package": False, "conflicts": [[{"group": "old"}, {"group": "new"}]]}},
}
GROUPED["project"]["optional-dependencies"] = {"a": ["gamma"], "b": ["delta"]}
PROJECTS = {"plain": PLAIN, "dynamic": DYNAMIC, "sourced": SOURCED, "members": MEMBERS, "grouped": GROUPED}

SPECIFIERS = ["", ">=1", ">=1.0", "==1.0", "==1.0.0", "~=1.0", "<2", ">=1,<3", "!=0.9"]
MARKERS = [
    "",
    "; python_version < '3.13'",
    "; python_full_version < '3.13'",
    ';python_version<"3.13"',
    "; sys_platform == 'win32'",
    "; os_name == 'nt'",
    "; python_version >= '3.9'",
    "; platform_machine == 'x86_64'",
    # No version: uv passes it over.
    "; python_version < '<3.13'",
]
PYTHONS = [">=3.10", ">=3.10.0", " >= 3.10 ", ">=3.11", ">=3.10,<4", ">=3.9"]


def requirement(name: str, dice: random.Random) -> str:
    extra = dice.choice(["", "", "[x]"]) if name == "beta" else ""
    space = dice.choice(["", " "])
    shown = dice.choice([name, name, name.upper()])
    return f"{shown}{extra}{space}{dice.choice(SPECIFIERS)}{dice.choice(MARKERS)}"


def some_list(document: Document, dice: random.Random) -> list:
    """One of the lists of requirements."""
    project = document["project"]
    extras, groups = project["optional-dependencies"], document.get("dependency-groups", {})
    return dice.choice([project["dependencies"], *extras.values(), *groups.values()])


def add(document: Document, dice: random.Random) -> None:
    some_list(document, dice).append(requirement(dice.choice(NAMES), dice))


def remove(document: Document, dice: random.Random) -> None:
    chosen = some_list(document, dice)
    if chosen:
        chosen.pop(dice.randrange(len(chosen)))


def change(document: Document, dice: random.Random) -> None:
    chosen = some_list(document, dice)
    places = [place for place, text in enumerate(chosen) if isinstance(text, str) and "hello" not in text]
    if places:
        place = dice.choice(places)
        name = "".join(c for c in chosen[place].split("[")[0].split(";")[0].lower() if c.isalpha())
        chosen[place] = requirement(name, dice)


def respell(document: Document, dice: random.Random) -> None:
    chosen = some_list(document, dice)
    dice.shuffle(chosen)
    for place, text in enumerate(chosen):
        if isinstance(text, str):
            chosen[place] = text.replace("'", '"').replace("; ", dice.choice([" ; ", ";  ", ";"]))


def extra(document: Document, dice: random.Random) -> None:
    extras = document["project"]["optional-dependencies"]
    name = dice.choice(["a", "b", "all", "new", "A"])
    wanted = dice.choice([[], ["gamma"], ["hello[a]"], ["hello[a,b]"], ["gamma", "delta==1.0"]])
    extras[name] = [text for text in wanted if f"[{name}" not in text]


def no_extra(document: Document, dice: random.Random) -> None:
    extras = document["project"]["optional-dependencies"]
    name = dice.choice(sorted(extras))
    if not any("hello[" in text for texts in extras.values() for text in texts):
        del extras[name]


def group(document: Document, dice: random.Random) -> None:
    groups = document.setdefault("dependency-groups", {})
    # An empty one is listed by some versions of uv, and says nothing.
    groups[dice.choice(["dev", "new", "Dev_2"])] = dice.choice([["gamma"], ["gamma; os_name == 'nt'"]])


def python(document: Document, dice: random.Random) -> None:
    document["project"]["requires-python"] = dice.choice(PYTHONS)


def source(document: Document, dice: random.Random) -> None:
    sources = document["tool"]["uv"].setdefault("sources", {})
    wheel = {"path": "../wheels/gamma-1.0-py3-none-any.whl"}
    sources["gamma"] = dice.choice(
        [
            wheel,
            [{**wheel, "marker": "sys_platform == 'darwin'"}],
            [{**wheel, "extra": "a"}],
            {"git": "https://h.example/gamma", "rev": "1"},
        ]
    )


def no_source(document: Document, dice: random.Random) -> None:
    sources = document["tool"]["uv"].get("sources", {})
    if sources:
        del sources[dice.choice(sorted(sources))]


def setting(document: Document, dice: random.Random) -> None:
    key, value = dice.choice(
        [
            ("constraint-dependencies", ["alpha<2"]),
            ("constraint-dependencies", ["alpha<3"]),
            ("override-dependencies", ["gamma==1.0"]),
            ("resolution", "lowest-direct"),
            ("prerelease", "allow"),
            ("resolution", "highest"),
        ]
    )
    document["tool"]["uv"][key] = value


def conflict(document: Document, dice: random.Random) -> None:
    document["tool"]["uv"]["conflicts"] = dice.choice(
        [
            [],
            [[{"extra": "a"}, {"extra": "b"}]],
            [[{"extra": "b"}, {"extra": "a"}]],
            [[{"package": "hello", "extra": "a"}, {"extra": "b"}]],
            [[{"extra": "a"}, {"group": "dev"}]],
            [[{"group": "old"}, {"group": "new"}]],
        ]
    )


def include(document: Document, dice: random.Random) -> None:
    """Another group that a group includes, or one less."""
    groups = document.get("dependency-groups", {})
    if groups:
        chosen = groups[dice.choice(sorted(groups))]
        included = [one for one in chosen if isinstance(one, dict)]
        if included and dice.random() < 0.5:
            chosen.remove(dice.choice(included))
        else:
            chosen.append({"include-group": dice.choice(sorted(groups))})


def environment(document: Document, dice: random.Random) -> None:
    key = dice.choice(["environments", "environments", "required-environments"])
    document["tool"]["uv"][key] = dice.choice(
        [
            [],
            ["sys_platform == 'linux'"],
            ["sys_platform == 'darwin'", "sys_platform == 'linux'"],
            ["sys_platform == 'linux'", "sys_platform == 'darwin'"],
            ["sys_platform=='linux' ", 'sys_platform == "darwin"'],
        ]
    )


def newer(document: Document, dice: random.Random) -> None:
    settings = document["tool"]["uv"]
    when = dice.choice([None, "2030-01-01T00:00:00Z", "2030-01-01", "2031-06-01T12:00:00+02:00"])
    if when is None:
        settings["exclude-newer-package"] = {"alpha": "2030-01-01T00:00:00Z"}
    else:
        settings["exclude-newer"] = when


def member(document: Document, dice: random.Random) -> None:
    """Something of the members of a workspace."""
    folders, settings = document.get("folders", {}), document["tool"]["uv"]
    if not folders:
        return
    # Not the version: it makes no lock stale here, as the page says.
    what = dice.choice(["add", "remove", "exclude", "name", "needs", "python", "project"])
    two = folders.get("libs/two", {"project": {}})["project"]
    if what == "add":
        new = {"name": "three", "version": "1.0", "requires-python": ">=3.10", "dependencies": []}
        folders["libs/three"] = {"project": new}
    elif what == "remove":
        folders.pop("libs/two", None)
    elif what == "exclude":
        settings["workspace"]["exclude"] = ["libs/two"]
    elif what == "name":
        two["name"] = dice.choice(["Two", "second"])
    elif what == "needs":
        two["dependencies"] = dice.choice([["gamma"], ["alpha"], ["alpha ; os_name == 'nt'"]])
    elif what == "python":
        two["requires-python"] = dice.choice([">=3.10.0", ">=3.11"])
    else:
        folders["libs/one"]["project"]["dependencies"] = dice.choice([[], ["gamma>=1"], ["gamma", "gamma"]])


def words(document: Document, _: random.Random) -> None:
    document["project"]["description"] = "Says hello."
    document["project"]["scripts"] = {"hello": "hello:main"}


CHANGES: list[Change] = [
    add,
    remove,
    change,
    change,
    respell,
    extra,
    no_extra,
    group,
    python,
    source,
    no_source,
    setting,
    words,
]
#: What is changed in the settings of a workspace.
OF_WORKSPACES: list[Change] = [conflict, environment, newer, member, member, setting, change, words]
#: What is changed where groups exclude each other.
OF_GROUPS: list[Change] = [conflict, include, include, include, group, words]


def changed(document: Document, seed: int) -> tuple[str, Document]:
    """A document after one or two changes, with their names."""
    dice = random.Random(seed)
    document = copy.deepcopy(document)
    changes = [*CHANGES, conflict, environment, newer]
    if "folders" in document:
        changes = OF_WORKSPACES
    elif "most" in document.get("dependency-groups", {}):
        changes = OF_GROUPS
    chosen = dice.sample(changes, dice.choice([1, 1, 2]))
    for one in chosen:
        one(document, dice)
    return ", ".join(one.__name__ for one in chosen), document
