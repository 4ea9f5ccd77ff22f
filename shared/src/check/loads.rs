//! What a program of an image is loaded with, for those who start it outside of the image.

use std::collections::BTreeMap;

use super::Image;
use super::loader::Search;
use super::process::Process;
use crate::facts::details::FileSystem;
use crate::oci::ImageConfig;
use crate::versions::Family;

/// A program's loader and libraries. All paths have their links followed, and no leading slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loads {
    /// What the kernel starts in place of the program (`PT_INTERP`).
    pub loader: String,
    /// Whether it is that of musl.
    pub musl: bool,
    /// The libraries, by all names under which they are asked for.
    pub libraries: BTreeMap<String, String>,
}

/// What the program at `path` is loaded with; `None` where it has no loader, or lacks something.
pub fn loads(fs: &FileSystem, config: &ImageConfig, path: &str) -> Option<Loads> {
    let loader = fs.elf(path)?.interpreter.as_deref()?;
    let libc = Family::of(loader);
    let machine = &config.architecture;
    let image = Image { fs, config, machine, user: None, libraries: BTreeMap::new(), all_own: true };
    let search = Search::new(&image, libc);
    let mut process = Process::new(&search, None);
    if !process.load(path).is_empty() {
        return None;
    }
    let names = process.libraries().filter(|(name, _)| !name.is_empty() && !name.contains(['/', '\0']));
    let names = names.filter(|(name, _)| !matches!(*name, "." | ".."));
    Some(Loads {
        loader: fs.contents.follow(loader)?,
        musl: libc == Family::Musl,
        libraries: names.map(|(name, path)| (name.to_owned(), path.to_owned())).collect(),
    })
}
