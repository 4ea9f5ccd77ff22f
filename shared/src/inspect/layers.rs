//! What each layer brings, and why it is there.

use std::collections::BTreeMap;

use serde::Serialize;

use super::packages::{Package, PackageKind};
use super::stack::Stack;
use super::{Layer, shown};
use crate::trust::Provenance;

/// No more rows of what a layer holds are kept; what is smaller is one row.
const MOST_HELD: usize = 200;

/// A layer, as it is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LayerView {
    /// Its place; the lowest is 1.
    pub layer: usize,
    /// The digest of what is stored.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub digest: crate::oci::Digest,
    /// The digest of its archive.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub diff_id: crate::oci::Digest,
    /// Its media type, which tells its compression.
    pub media_type: String,
    /// Bytes that are stored.
    pub stored: u64,
    /// Bytes of its archive.
    pub unpacked: u64,
    /// The number of regular files that it brings.
    pub files: u64,
    /// Bytes of these.
    pub size: u64,
    /// Of these, bytes that a layer above removes or replaces.
    pub unseen: u64,
    /// Whether it is the base's; unknown in images of others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_base: Option<bool>,
    /// The line of the history that is about it.
    pub made_by: String,
    /// Why it is there, where this program made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a container sees of it, the largest first.
    pub holds: Vec<Held>,
}

/// Something that a layer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Held {
    /// What it is.
    pub kind: HeldKind,
    /// The name of a package, or a folder.
    pub name: String,
    /// The version of a package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Bytes of its files in this layer.
    pub size: u64,
    /// How many these are.
    pub files: u64,
}

/// Why the layer with the project's own files is there.
const PROJECT: &str = "the project";

impl LayerView {
    /// Whether it holds what the project itself is.
    pub(super) fn is_of_project(&self) -> bool {
        self.reason.as_deref() == Some(PROJECT)
    }
}

/// What a layer may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", untagged)]
pub enum HeldKind {
    /// Files of a package.
    Package(PackageKind),
    /// Files of none, in one folder.
    Folder(Folder),
}

/// The word for files of no package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Folder {
    /// Files in one folder.
    Files,
    /// All that is too small to be told.
    Rest,
}

/// Bytes and number of files by their package, or by their folder.
type Counts = BTreeMap<(Option<usize>, String), (u64, u64)>;

/// The layers, the lowest first.
pub(super) fn views(
    stack: &Stack,
    packages: &[Package],
    layers: &[Layer],
    provenance: Option<&Provenance>,
) -> Vec<LayerView> {
    let mut held: Vec<Counts> = vec![Counts::new(); layers.len()];
    for (path, file) in stack.files() {
        let folder = if file.package.is_some() { String::new() } else { folder(path).to_owned() };
        let (size, files) = held[file.layer].entry((file.package, folder)).or_default();
        *size += file.size;
        *files += 1;
    }
    let mut unseen = vec![0; layers.len()];
    stack.gone.iter().for_each(|gone| unseen[gone.layer] += gone.size);
    let views = layers.iter().zip(held).enumerate().map(|(at, (layer, held))| {
        let (files, size) = stack.brought[at];
        let holds = holds(held, packages);
        LayerView {
            layer: at + 1,
            digest: layer.descriptor.digest,
            diff_id: layer.diff_id,
            media_type: shown(&layer.descriptor.media_type),
            stored: layer.descriptor.size,
            unpacked: layer.files.unpacked,
            files,
            size,
            unseen: unseen[at],
            in_base: layer.is_own.map(|own| !own),
            made_by: shown(&layer.made_by),
            reason: layer.is_own.map(|own| reason(own, &layer.made_by, &holds, provenance)),
            holds,
        }
    });
    views.collect()
}

/// The folder that a file of no package is counted in: its first two names, or three below the usual folders.
pub(super) fn folder(path: &str) -> &str {
    let depth = if ["usr/", "var/"].iter().any(|start| path.starts_with(start)) { 3 } else { 2 };
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    parent.match_indices('/').nth(depth - 1).map_or(parent, |(end, _)| &parent[..end])
}

fn holds(held: Counts, packages: &[Package]) -> Vec<Held> {
    let mut all: Vec<Held> = held
        .into_iter()
        .map(|((package, folder), (size, files))| match package.and_then(|at| packages.get(at)) {
            Some(Package { kind, name, version, .. }) => {
                let (name, version) = (name.clone(), Some(version.clone()));
                Held { kind: HeldKind::Package(*kind), name, version, size, files }
            }
            None => {
                let name = format!("/{}", shown(&folder));
                Held { kind: HeldKind::Folder(Folder::Files), name, version: None, size, files }
            }
        })
        .collect();
    all.sort_by(|a, b| (b.size, &a.name, a.kind).cmp(&(a.size, &b.name, b.kind)));
    if all.len() > MOST_HELD {
        let rest = all.split_off(MOST_HELD - 1);
        all.push(Held {
            kind: HeldKind::Folder(Folder::Rest),
            name: format!("{} more", rest.len()),
            version: None,
            size: rest.iter().map(|one| one.size).sum(),
            files: rest.iter().map(|one| one.files).sum(),
        });
    }
    all
}

/// Why a layer is in an image that this program made, by the title that it gave it.
fn reason(is_own: bool, title: &str, holds: &[Held], provenance: Option<&Provenance>) -> String {
    if !is_own {
        return "the base".into();
    }
    let starts = |start: &str| title.starts_with(start);
    let is = |kind: PackageKind| holds.first().is_some_and(|held| held.kind == HeldKind::Package(kind));
    let words = match title {
        "environment" => "the virtual environment: its configuration and scripts",
        "native libraries" => "libraries of the building machine that extension modules need",
        "files" => return files(provenance),
        _ if starts("user ") => "a name for the user that the image runs as",
        _ if starts("bytecode") => "compiled modules (key `bytecode`)",
        _ if starts("CPython ") => "a Python of the building machine",
        _ if title.ends_with(" wheels") => "distributions that the lock pins, the small ones together",
        _ if title.ends_with(" Debian packages") => "packages of the key `debian` and what they need",
        _ if title.strip_prefix("layer ").is_some_and(|rest| rest.parse::<u32>().is_ok()) => {
            "the key `layers`"
        }
        _ if is(PackageKind::Python) => "a distribution that the lock pins",
        _ if is(PackageKind::Debian) => "a package of the key `debian`, or one that it needs",
        _ => PROJECT,
    };
    words.into()
}

/// The rules that files follow, where the provenance tells them.
fn files(provenance: Option<&Provenance>) -> String {
    let rules = provenance.and_then(|provenance| provenance.external("configuration").get("files"));
    let told =
        rules.and_then(|rules| rules.as_array()).into_iter().flatten().filter_map(|rule| {
            Some(format!("{} to {}", rule.get("from")?.as_str()?, rule.get("to")?.as_str()?))
        });
    let told: Vec<String> = told.collect();
    match &told[..] {
        [] => "files, folders and volumes of the configuration".into(),
        told => shown(&format!("files, folders and volumes of the configuration: {}", told.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_no_package_are_counted_in_few_folders() {
        let cases = [
            ("init", ""),
            ("app/main.py", "app"),
            ("app/src/shop/views/a.py", "app/src"),
            ("usr/local/lib/python3.13/os.py", "usr/local/lib"),
            ("var/lib/x", "var/lib"),
        ];
        for (path, expected) in cases {
            assert_eq!(folder(path), expected, "{path}");
        }
    }
}
