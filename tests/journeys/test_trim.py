"""`trim`: what is left out of real distributions is missed by none of their modules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import Podman, Program
from python_projects import copied, make

ALL = "--trim=tests,typing,headers,static-libs"

#: Imports every module of every distribution that has a RECORD, and prints those that cannot be.
IMPORT_ALL = """
import importlib, importlib.metadata, io, json, sys, warnings
warnings.simplefilter("ignore")
print_to, sys.stdout, sys.stderr = sys.stdout, io.StringIO(), io.StringIO()
failed, tried = {}, 0
for distribution in importlib.metadata.distributions():
    for file in distribution.files or ():
        parts = list(file.with_suffix("").parts) if file.suffix == ".py" else []
        if not parts or not all(part.isidentifier() for part in parts) or "__main__" in parts:
            continue
        if parts[-1] == "__init__":
            parts.pop()
        tried += 1
        try:
            importlib.import_module(".".join(parts))
        except BaseException as error:
            failed[".".join(parts)] = f"{type(error).__name__}: {error}"
json.dump({"tried": tried, "failed": failed}, print_to)
"""


@pytest.mark.full
def test_every_module_that_is_left_can_be_imported_as_before(
    program: Program, podman: Podman, tmp_path: Path
) -> None:
    project = copied("science-uv", tmp_path)
    found, printed, sizes, files = {}, {}, {}, {}
    for name, flags in {"whole": [], "trimmed": [ALL]}.items():
        made = make(program, project, tmp_path / name, *flags)
        image = podman.take(tmp_path / name, "made")
        # As any user, with a home to write to: some modules make a cache.
        options = ["--entrypoint=python", "--env=HOME=/tmp"]
        found[name] = json.loads(podman.run(image, "-c", IMPORT_ALL, options=options).out)
        files[name] = {path for path, entry in made.own_files().items() if entry.kind == "file"}
        sizes[name] = sum(entry.size for entry in made.own_files().values())
        printed[name] = podman.run(image).out
    assert printed["trimmed"] == printed["whole"] != "", "the program itself runs as before"
    assert found["trimmed"]["tried"] > 500
    assert found["trimmed"]["failed"].items() <= found["whole"]["failed"].items()
    assert files["trimmed"] < files["whole"]
    gone = files["whole"] - files["trimmed"]
    assert {Path(path).suffix for path in gone} >= {".py", ".pyi", ".h", ".a"}
    assert not [path for path in files["trimmed"] if path.endswith((".pyi", ".h", ".a"))]
    assert sizes["whole"] - sizes["trimmed"] > 20 << 20
