//! Cargo's own configuration: `.cargo/config.toml` from cargo's folder upwards, cargo's home,
//! the files that these include, and `--config`.
//!
//! Only what is needed to add to the user's settings instead of replacing them: cargo has no
//! stable command that tells its merged configuration. What is broken here is left for cargo to
//! complain about, which says it better.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Cargo;

use crate::read;
use crate::system::System;

/// How deep files may include others; beyond it, it is a circle.
const MAX_INCLUDES: u8 = 16;

/// The configuration in force, without environment variables.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What wins comes first.
    layers: Vec<Layer>,
}

#[derive(Debug, Clone)]
struct Layer {
    values: Table,
    /// What relative programs are relative to.
    folder: PathBuf,
}

impl Settings {
    /// Reads what cargo would read.
    pub fn read(cargo: &Cargo) -> Self {
        let mut settings = Self::default();
        for text in cargo.overrides().iter().rev() {
            let path = cargo.dir().join(text);
            if path.is_file() {
                settings.add(&path, MAX_INCLUDES);
            } else if let Ok(values) = toml::from_str(text) {
                settings.layers.push(Layer { values, folder: cargo.dir().to_owned() });
            }
        }
        let home = cargo.home();
        for folder in cargo.dir().ancestors() {
            // The home is read last, wherever it is.
            if home.as_ref().is_none_or(|home| *home != folder.join(".cargo")) {
                settings.add_from(&folder.join(".cargo"));
            }
        }
        if let Some(home) = home {
            settings.add_from(&home);
        }
        settings
    }

    fn add_from(&mut self, folder: &Path) {
        // The name without an extension is older, and cargo prefers it.
        let names = ["config", "config.toml"];
        if let Some(path) = names.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
            self.add(&path, MAX_INCLUDES);
        }
    }

    fn add(&mut self, path: &Path, depth: u8) {
        let read = read::text(path, read::DOCUMENT).ok().and_then(|text| toml::from_str::<Table>(&text).ok());
        let (Some(values), Some(depth)) = (read, depth.checked_sub(1)) else {
            tracing::debug!(path = %path.display(), "cannot read this cargo configuration");
            return;
        };
        let folder = path.parent().unwrap_or(path);
        let included: Vec<PathBuf> = match values.get("include") {
            Some(Value::Array(items)) => {
                items.iter().filter_map(include_path).map(|name| folder.join(name)).collect()
            }
            Some(item) => include_path(item).map(|name| folder.join(name)).into_iter().collect(),
            None => Vec::new(),
        };
        // Paths in `.cargo/config.toml` are relative to the folder that holds `.cargo`.
        let base = folder.parent().unwrap_or(folder).to_owned();
        self.layers.push(Layer { values, folder: base });
        for path in included.iter().rev() {
            self.add(path, depth);
        }
    }

    /// The first value at `keys`, and the folder that it is relative to.
    fn first(&self, keys: &[&str]) -> Option<(&Value, &Path)> {
        self.layers.iter().find_map(|layer| Some((value(&layer.values, keys)?, layer.folder.as_path())))
    }

    /// Whether anything is set at `keys`.
    pub fn has(&self, keys: &[&str]) -> bool {
        self.first(keys).is_some()
    }

    /// A program: a bare name, or a path made absolute.
    pub fn program(&self, keys: &[&str]) -> Option<PathBuf> {
        let (value, folder) = self.first(keys)?;
        let name = value.as_str().or_else(|| value.get("path")?.as_str())?;
        Some(if System::HERE.is_place(name) { folder.join(name) } else { name.into() })
    }

    /// A list of words, as cargo merges it: lists are joined, what wins last; a string is
    /// split at spaces and stands alone.
    pub fn words(&self, keys: &[&str]) -> Vec<String> {
        let mut words = Vec::new();
        for layer in &self.layers {
            match value(&layer.values, keys) {
                Some(Value::String(text)) => {
                    if words.is_empty() {
                        words = text.split_whitespace().map(str::to_owned).collect();
                    }
                    break;
                }
                Some(Value::Array(items)) => {
                    words.splice(0..0, items.iter().filter_map(|item| item.as_str().map(str::to_owned)));
                }
                _ => {}
            }
        }
        words
    }

    /// The folders that stand in the place of registries and repositories (`source.NAME.directory`), absolute.
    pub(super) fn source_directories(&self) -> Vec<PathBuf> {
        let of_layer = |layer: &Layer| {
            let sources =
                layer.values.get("source").and_then(Value::as_table).into_iter().flat_map(Table::values);
            let named = sources.filter_map(|source| source.get("directory")?.as_str());
            named.map(|path| layer.folder.join(path)).collect::<Vec<_>>()
        };
        self.layers.iter().flat_map(of_layer).collect()
    }

    /// The tables of all files and flags, those that win first.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.layers.iter().map(|layer| &layer.values)
    }

    /// The folders of packages that `paths` and `[patch]` put in place of others, absolute.
    pub(super) fn local_paths(&self) -> Vec<PathBuf> {
        let of_layer = |layer: &Layer| {
            let list = layer.values.get("paths").and_then(Value::as_array).into_iter().flatten();
            let named = list.filter_map(Value::as_str).chain(super::local::patches(&layer.values));
            named.map(|path| layer.folder.join(path)).collect::<Vec<_>>()
        };
        self.layers.iter().flat_map(of_layer).collect()
    }

    /// The keys `cfg(...)` of `[target]`, sorted, each once.
    pub fn target_cfgs(&self) -> Vec<&str> {
        let tables = self.layers.iter().filter_map(|layer| layer.values.get("target")?.as_table());
        let mut keys: Vec<&str> =
            tables.flat_map(Table::keys).map(String::as_str).filter(|key| key.starts_with("cfg(")).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

fn include_path(item: &Value) -> Option<&str> {
    item.as_str().or_else(|| item.get("path")?.as_str())
}

fn value<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (last, parents) = keys.split_last()?;
    parents.iter().try_fold(table, |table, key| table.get(*key)?.as_table())?.get(*last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Cargo called from `work/inner` with `home` as its home, and these files.
    fn read(files: &[(&str, &str)], overrides: &[&str]) -> (tempfile::TempDir, Settings) {
        let folder = tempfile::tempdir().expect("folder");
        fs::create_dir_all(folder.path().join("work/inner")).expect("mkdir");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            fs::write(path, text).expect("write");
        }
        let environment = [("CARGO_HOME", folder.path().join("home"))].into_iter().collect();
        let overrides = overrides.iter().map(|&text| text.into()).collect();
        let cargo = Cargo::new(folder.path().join("work/inner"), environment).with_config(overrides);
        (folder, Settings::read(&cargo))
    }

    const FLAGS: [&str; 2] = ["build", "rustflags"];

    #[test]
    fn lists_of_all_files_are_joined_and_the_nearest_comes_last() {
        let (_folder, settings) = read(
            &[
                ("home/config.toml", "build.rustflags = ['home']"),
                ("work/.cargo/config.toml", "build.rustflags = ['outer']"),
                ("work/inner/.cargo/config.toml", "build.rustflags = ['inner']"),
            ],
            &["build.rustflags = ['flag']"],
        );
        assert_eq!(settings.words(&FLAGS), ["home", "outer", "inner", "flag"]);
    }

    #[test]
    fn a_string_is_split_and_the_nearest_stands_alone() {
        let (_folder, settings) = read(
            &[
                ("home/config.toml", "build.rustflags = 'far away'"),
                ("work/.cargo/config", "[build]\nrustflags = '--cfg  near'"),
            ],
            &[],
        );
        assert_eq!(settings.words(&FLAGS), ["--cfg", "near"]);
    }

    #[test]
    fn included_files_count_and_lose_against_the_one_that_includes_them() {
        let (_folder, settings) = read(
            &[
                (
                    "work/.cargo/config.toml",
                    "include = ['a.toml', {path = 'b.toml'}]\nbuild.rustflags = ['c']",
                ),
                ("work/.cargo/a.toml", "build.rustflags = ['a']\ninclude = 'a.toml'\nbuild.rustc = 'bin/a'"),
                ("work/.cargo/b.toml", "build.rustflags = ['b']"),
            ],
            &[],
        );
        let words = settings.words(&FLAGS);
        assert_eq!(words[words.len() - 3..], ["a", "b", "c"], "and a circle ends");
        assert!(settings.program(&["build", "rustc"]).is_some_and(|path| path.ends_with("work/bin/a")));
    }

    #[test]
    fn a_broken_file_is_left_to_cargo() {
        let (_folder, settings) = read(
            &[
                ("work/inner/.cargo/config.toml", "build = ["),
                ("home/config.toml", "build.rustflags = ['home']"),
            ],
            &["not toml"],
        );
        assert_eq!(settings.words(&FLAGS), ["home"]);
    }

    #[test]
    fn cfg_tables_are_found_in_every_file() {
        let (_folder, settings) = read(
            &[
                ("home/config.toml", "[target.'cfg(unix)']\nrustflags = []"),
                (
                    "work/.cargo/config.toml",
                    "[target.'cfg(all())']\n[target.x]\nlinker = 'l'\n[target.'cfg(unix)']",
                ),
            ],
            &[],
        );
        assert_eq!(settings.target_cfgs(), ["cfg(all())", "cfg(unix)"]);
        assert_eq!(settings.program(&["target", "x", "linker"]), Some("l".into()));
    }
}
