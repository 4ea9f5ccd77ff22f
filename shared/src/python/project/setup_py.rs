//! The literals of a `setup.py` in the form of a `setup.cfg`, which says the same in other words.

use serde_json::{Map, Value};

use super::ini::{Ini, section_pairs};
use crate::python::syntax::{FIND, FIND_NAMESPACES, setup_arguments};

/// The keywords by which setuptools is told of extension modules.
const EXTENSIONS: [&str; 3] = ["ext_modules", "cffi_modules", "rust_extensions"];

/// Whether it declares extension modules. The calls that describe them are no literals, so its text has to do.
pub(super) fn compiles(source: &str) -> bool {
    EXTENSIONS.iter().any(|word| source.contains(word))
}

/// What a `setup.py` says. `None` where it says nothing that can be read without running it.
pub(super) fn as_ini(source: &str) -> Option<Ini> {
    let arguments = setup_arguments(source)?;
    let mut ini = Ini::default();
    for key in ["name", "version", "description", "author", "author_email", "url", "license", "classifiers"] {
        ini.set("metadata", key, arguments.get(key).and_then(lines));
    }
    ini.set("metadata", "project_urls", arguments.get("project_urls").and_then(lines));
    for key in ["python_requires", "py_modules", "package_dir", "install_requires"] {
        ini.set("options", key, arguments.get(key).and_then(lines));
    }
    packages(&mut ini, &arguments);
    match arguments.get("entry_points") {
        Some(Value::Object(groups)) => {
            for group in ["console_scripts", "gui_scripts"] {
                ini.set("options.entry_points", group, groups.get(group).and_then(lines));
            }
        }
        Some(Value::String(text)) => {
            for group in ["console_scripts", "gui_scripts"] {
                let pairs = section_pairs(text, group).into_iter();
                let pairs: Vec<String> = pairs.map(|(name, object)| format!("{name} = {object}")).collect();
                ini.set("options.entry_points", group, (!pairs.is_empty()).then(|| pairs.join("\n")));
            }
        }
        _ => {}
    }
    Some(ini)
}

fn packages(ini: &mut Ini, arguments: &Map<String, Value>) {
    let Some(packages) = arguments.get("packages") else { return };
    for kind in [FIND, FIND_NAMESPACES] {
        let Some(find) = packages.get(kind) else { continue };
        ini.set("options", "packages", Some(kind.to_owned()));
        for key in ["where", "include", "exclude"] {
            ini.set("options.packages.find", key, find.get(key).and_then(lines));
        }
        return;
    }
    ini.set("options", "packages", lines(packages));
}

/// A value as setup.cfg writes it: lists and tables have a line for each item.
fn lines(value: &Value) -> Option<String> {
    let items: Vec<String> = match value {
        Value::String(text) => return Some(text.clone()),
        Value::Array(list) => {
            list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>()?
        }
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| Some(format!("{key} = {}", value.as_str()?)))
            .collect::<Option<_>>()?,
        _ => return None,
    };
    (!items.is_empty()).then(|| items.join("\n"))
}
