//! The programs that installing the project makes.

use std::collections::BTreeMap;

use toml::Value;

use super::Inputs;
use super::ini::section_pairs;
use super::table::{View, text_of};
use crate::error::Result;

/// Programs by name, each with the object that it calls (`package.module:function`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scripts {
    pub(super) console: BTreeMap<String, String>,
    pub(super) gui: BTreeMap<String, String>,
    /// Programs that are files of the project, by name.
    pub(super) files: BTreeMap<String, String>,
}

/// Reads them from the standard's table, the tools' own ones, and setup.cfg; of a source
/// distribution also from what its backend wrote.
pub(super) fn read(inputs: &Inputs, root: Option<&View<'_>>) -> Result<Scripts> {
    let mut scripts = Scripts::default();
    if let Some(root) = root {
        if let Some(project) = root.table("project")? {
            scripts.add(project.map("scripts")?, project.map("gui-scripts")?);
        }
        if let Some(flit) = root.below(&["tool", "flit"])? {
            scripts.add(flit.map("scripts")?, BTreeMap::new());
        }
        if let Some(poetry) = root.below(&["tool", "poetry"])? {
            of_poetry(&poetry, &mut scripts)?;
        }
    }
    if let Some(ini) = &inputs.setup_cfg {
        let pairs = |key| ini.pairs("options.entry_points", key);
        scripts.add(pairs("console_scripts"), pairs("gui_scripts"));
    }
    let none_yet = scripts.console.is_empty() && scripts.gui.is_empty();
    if none_yet
        && inputs.pkg_info.is_some()
        && let Some(text) = written_entry_points(inputs)?
    {
        scripts.add(section_pairs(&text, "console_scripts"), section_pairs(&text, "gui_scripts"));
    }
    Ok(scripts)
}

impl Scripts {
    /// Adds programs; those of a place that was read before stay.
    fn add(&mut self, console: BTreeMap<String, String>, gui: BTreeMap<String, String>) {
        // Extras after the object were a way to ask for more dependencies.
        let object = |text: String| text.split('[').next().unwrap_or_default().trim().to_owned();
        for (name, text) in console {
            self.console.entry(name).or_insert_with(|| object(text));
        }
        for (name, text) in gui {
            self.gui.entry(name).or_insert_with(|| object(text));
        }
    }
}

fn of_poetry(poetry: &View<'_>, scripts: &mut Scripts) -> Result<()> {
    let Some(table) = poetry.table("scripts")? else { return Ok(()) };
    let mut console = BTreeMap::new();
    for (name, value) in table.raw() {
        match value {
            Value::String(object) => _ = console.insert(name.clone(), object.clone()),
            Value::Table(_) => {
                let Some(entry) = table.table(name)? else { continue };
                let reference =
                    entry.text("reference")?.map_or_else(|| entry.text("callable"), |r| Ok(Some(r)))?;
                let Some(reference) = reference else { continue };
                let place =
                    if entry.text("type")? == Some("file") { &mut scripts.files } else { &mut console };
                place.insert(name.clone(), reference.to_owned());
            }
            other => return Err(table.mistyped(name, other, "a string or a table")),
        }
    }
    scripts.add(console, BTreeMap::new());
    Ok(())
}

/// The entry_points.txt of the only `.egg-info` of a source distribution.
fn written_entry_points(inputs: &Inputs) -> Result<Option<String>> {
    for root in [inputs.dir.clone(), inputs.dir.join("src")] {
        let Ok(entries) = std::fs::read_dir(root) else { continue };
        let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let found: Vec<_> =
            folders.filter(|path| path.extension().is_some_and(|e| e == "egg-info")).collect();
        if let [folder] = found.as_slice() {
            return text_of(&folder.join("entry_points.txt"));
        }
    }
    Ok(None)
}
