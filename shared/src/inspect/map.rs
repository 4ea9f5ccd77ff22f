//! Where the bytes of an image are, as regions in regions: layers, the packages and folders in them, files. What is too
//! small to be seen is one region with its like.

use std::collections::BTreeMap;

use serde::Serialize;

use super::layers::LayerView;
use super::packages::Package;
use super::shown;
use super::stack::File;

/// A region that is smaller than this part of all is not drawn on its own.
const SMALLEST: u64 = 3_000;

/// Folders in folders that are told apart.
const DEEPEST: usize = 6;

/// A part of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Region {
    /// What it is called.
    #[serde(rename = "n")]
    pub name: String,
    /// What it is, in one letter: `b` and `l` a layer of the base and another one, `d`, `a`, `p` a package of Debian,
    /// Alpine or Python, `o` another folder, `f` a file, `r` what is too small.
    #[serde(rename = "k")]
    pub kind: char,
    /// Bytes of it.
    #[serde(rename = "s")]
    pub size: u64,
    /// What is in it, the largest first.
    #[serde(rename = "c", skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Region>,
}

/// A folder while it is filled.
#[derive(Default)]
struct Folder<'p> {
    kind: char,
    size: u64,
    folders: BTreeMap<&'p str, Folder<'p>>,
    files: Vec<(&'p str, u64)>,
    rest: u64,
    rest_count: u64,
}

/// The whole picture.
pub(super) fn of(files: &[(&str, &File)], packages: &[Package], layers: &[LayerView]) -> Region {
    let all: u64 = files.iter().map(|(_, file)| file.size).sum();
    let least = all / SMALLEST;
    let titles: Vec<String> =
        layers.iter().map(|layer| format!("{} {}", layer.layer, layer.made_by)).collect();
    let labels: Vec<String> =
        packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
    let mut root = Folder { kind: 'i', ..Folder::default() };
    for (path, file) in files.iter().filter(|(_, file)| file.size > 0) {
        root.size += file.size;
        let mut place = root.folders.entry(titles[file.layer].as_str()).or_default();
        place.kind = if layers[file.layer].in_base == Some(true) { 'b' } else { 'l' };
        place.size += file.size;
        if let Some(package) = file.package {
            place = place.folders.entry(labels[package].as_str()).or_default();
            place.kind = packages[package].kind.word().to_ascii_lowercase().chars().next().unwrap_or('o');
            place.size += file.size;
            place.add(path, file.size, least);
            continue;
        }
        let mut rest = *path;
        for _ in 0..DEEPEST {
            let Some((folder, below)) = rest.split_once('/') else { break };
            place = place.folders.entry(folder).or_default();
            place.kind = 'o';
            place.size += file.size;
            rest = below;
        }
        place.add(rest, file.size, least);
    }
    root.region("", least)
}

impl<'p> Folder<'p> {
    fn add(&mut self, name: &'p str, size: u64, least: u64) {
        if size < least {
            self.rest += size;
            self.rest_count += 1;
        } else {
            self.files.push((name, size));
        }
    }

    fn region(self, name: &str, least: u64) -> Region {
        let (mut rest, mut count) = (self.rest, self.rest_count);
        let mut parts = Vec::new();
        for (name, folder) in self.folders {
            // Layers are all told, however small.
            if folder.size < least && !matches!(folder.kind, 'b' | 'l') {
                rest += folder.size;
                count += 1;
            } else {
                parts.push(folder.region(name, least));
            }
        }
        let file =
            |(name, size): (&str, u64)| Region { name: shown(name), kind: 'f', size, parts: Vec::new() };
        parts.extend(self.files.into_iter().map(file));
        if rest > 0 {
            parts.push(Region { name: format!("{count} smaller"), kind: 'r', size: rest, parts: Vec::new() });
        }
        // A folder that has nothing but a folder is one with it.
        if parts.len() == 1 && self.kind == 'o' && parts[0].kind == 'o' {
            let only = parts.remove(0);
            return Region { name: format!("{}/{}", shown(name), only.name), ..only };
        }
        parts.sort_by(|a, b| (b.size, &a.name).cmp(&(a.size, &b.name)));
        Region { name: shown(name), kind: self.kind, size: self.size, parts }
    }
}
