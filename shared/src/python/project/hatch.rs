//! What Hatch keeps for its build target `containerize`: the keys of `[tool.containerize]`, among its own.

use serde_json::Value;
use toml::Table;

use super::Inputs;
use super::table::Document;
use crate::error::{Error, Result};

/// Keys of every build target, which Hatch reads itself.
const OF_HATCH: &[&str] = &[
    "artifacts",
    "dependencies",
    "dev-mode-dirs",
    "dev-mode-exact",
    "directory",
    "enable-by-default",
    "force-include",
    "ignore-vcs",
    "only-include",
    "only-packages",
    "packages",
    "require-runtime-dependencies",
    "require-runtime-features",
    "skip-excluded-dirs",
    "sources",
    "versions",
];

/// The target's table in `pyproject.toml`, or in `hatch.toml`, whose tables stand for those of the former.
///
/// # Errors
/// When `hatch.toml` cannot be read.
pub(super) fn settings(inputs: &Inputs) -> Result<Option<Value>> {
    let own = Document::read(&inputs.dir.join("hatch.toml"))?;
    let build = match own.as_ref().and_then(|document| below(&document.table, &["build"])) {
        Some(table) => Some(table),
        None => inputs.pyproject.as_ref().and_then(|file| below(&file.table, &["tool", "hatch", "build"])),
    };
    let Some(table) = build.and_then(|build| below(build, &["targets", "containerize"])) else {
        return Ok(None);
    };
    let mut table = table.clone();
    table.retain(|key, _| !OF_HATCH.contains(&key));
    serde_json::to_value(table).map(Some).map_err(|e| Error::bug("TOML does not fit JSON").because(e))
}

fn below<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Table> {
    keys.iter().try_fold(table, |table, key| table.get(*key)?.as_table())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::python::Project;

    fn settings(pyproject: &str, hatch: Option<&str>) -> Option<serde_json::Value> {
        let folder = tempfile::tempdir().expect("folder");
        let head = "[project]\nname = 'x'\nversion = '1'\n";
        std::fs::write(folder.path().join("pyproject.toml"), format!("{head}{pyproject}")).expect("file");
        if let Some(text) = hatch {
            std::fs::write(folder.path().join("hatch.toml"), text).expect("file");
        }
        Project::read(folder.path()).expect("read").expect("a project").hatch_settings
    }

    #[test]
    fn a_target_holds_our_keys_among_those_of_hatch() {
        let table =
            "[tool.hatch.build.targets.containerize]\nports = [80]\ndirectory = 'out'\ndependencies = ['x']";
        assert_eq!(settings(table, None), Some(json!({"ports": [80]})));
        assert_eq!(settings("", None), None);
        assert_eq!(settings("[tool.hatch]\nbuild = 3", None), None, "Hatch says what is wrong with that");
    }

    #[test]
    fn hatch_toml_takes_the_place_of_the_table() {
        let table = "[tool.hatch.build.targets.containerize]\nports = [80]";
        let own = "[build.targets.containerize]\nports = [81]";
        assert_eq!(settings(table, Some(own)), Some(json!({"ports": [81]})));
        assert_eq!(settings(table, Some("[envs.default]")), Some(json!({"ports": [80]})));
    }
}
