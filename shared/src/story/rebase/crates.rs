//! The crates that the program of an image lists itself: the only trace of them in the files.

use std::collections::{BTreeMap, BTreeSet};

use super::bill::Unknown;
use super::files::Files;
use super::standing::About;
use crate::cargo::audit::{self, Listed};
use crate::elf;
use crate::error::{Context, Result};
use crate::facts;
use crate::facts::details::FileSystem;
use crate::layer::Layer;
use crate::read;
use crate::store::{Blob, Source, scratch};

/// No larger program is copied out of its layer, in bytes.
const LARGEST: u64 = 4 << 30;

/// No longer list is read, in bytes.
const LONGEST: u64 = 8 << 20;

/// A list of crates; not known where there is one that cannot be read.
pub(super) type List = Result<Option<BTreeSet<Listed>>, Unknown>;

/// What the program of Rust lists that the image runs; `None` where it runs none of its own, or where that says nothing.
///
/// # Errors
/// When its layer cannot be had or read.
pub(super) async fn listed(files: Files<'_>, about: &About, there: &FileSystem) -> Result<List> {
    if about.choices.python {
        return Ok(Ok(None));
    }
    let words = about.config.config.entrypoint.iter().flatten();
    let programs = words.filter_map(|word| there.elf(word).and(there.contents.follow(word)));
    for path in programs {
        let Some(layer) = layer_of(files, about, &path)? else { continue };
        let Source::Registry(home) = &layer.blob.source else { continue };
        let descriptor = &layer.blob.descriptor;
        let stored = files.desk.client.fetch_blob(home, descriptor, files.desk.store).await?;
        let blob = Blob { descriptor: descriptor.clone(), source: Source::File(stored) };
        match tokio::task::block_in_place(|| list_in(&blob, path))? {
            Ok(None) => {}
            found => return Ok(found),
        }
    }
    Ok(Ok(None))
}

/// The uppermost of the image's own layers that has the path.
fn layer_of<'a>(files: Files<'_>, about: &'a About, path: &str) -> Result<Option<&'a Layer>> {
    for layer in about.ours.iter().rev() {
        let facts = facts::layer_facts(&layer.blob, &layer.diff_id, files.desk.store)?;
        if facts.entries.iter().any(|(entry, _)| entry == path) {
            return Ok(Some(layer));
        }
    }
    Ok(None)
}

fn list_in(layer: &Blob, path: String) -> Result<List> {
    let folder = scratch::folder()?;
    let name = "program";
    let failed = || format!("cannot read /{path} of the image");
    let wanted = BTreeMap::from([(path.clone(), name.to_owned())]);
    facts::extract(std::slice::from_ref(layer), &wanted, folder.path(), LARGEST)?;
    let mut program = read::file(&folder.path().join(name)).context(failed)?;
    if !elf::has_section(&mut program, audit::SECTION).context(failed)? {
        return Ok(Ok(None));
    }
    let section = elf::section(&mut program, audit::SECTION, LONGEST).context(failed)?;
    let listed = section.and_then(|content| audit::listed(&content, LONGEST));
    Ok(listed.map(Some).ok_or("the list of crates in its program cannot be read"))
}
