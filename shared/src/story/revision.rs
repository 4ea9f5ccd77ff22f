//! The revision of a project's source, told from what this program and cargo write beside it.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::request::Request;
use crate::event::Events;
use crate::store::{Store, Table};
use crate::vcs::{Question, Remark, Revision};

/// The answer to a question, with what is remarkable about it said. `folders` are where build
/// results go.
pub(super) fn answer(
    question: Question,
    request: &Request,
    folders: &[PathBuf],
    events: &Events,
) -> Option<Revision> {
    let made = Made::of(request, folders);
    let answer = question.answer(&|path| made.holds(path));
    match answer.remark {
        Some(Remark::Note(text)) => events.note(text),
        Some(Remark::Warning(text)) => events.warn(text),
        None => {}
    }
    answer.revision
}

/// Remembers that `file` was written by this program and is no source.
pub(super) fn remember_written(store: &Store, file: &Path) {
    if let (Ok(file), Some(stamp)) = (file.canonicalize(), stamp(file)) {
        store.remember(Table::Written, &file.to_string_lossy(), &stamp);
    }
}

/// What tells a file from a later one of its name: size in bytes, and nanoseconds since 1970.
fn stamp(file: &Path) -> Option<(u64, u128)> {
    let metadata = file.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((metadata.len(), metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos()))
}

/// What programs made, and so is not part of the source.
struct Made<'a> {
    request: &'a Request,
    folders: &'a [PathBuf],
    places: OnceCell<Vec<PathBuf>>,
    store: OnceCell<Option<Store>>,
}

impl<'a> Made<'a> {
    fn of(request: &'a Request, folders: &'a [PathBuf]) -> Self {
        Self { request, folders, places: OnceCell::new(), store: OnceCell::new() }
    }

    fn holds(&self, path: &Path) -> bool {
        let Ok(path) = path.canonicalize() else { return false };
        self.places().iter().any(|place| path.starts_with(place)) || self.was_written(&path)
    }

    /// Where this call writes.
    fn places(&self) -> &[PathBuf] {
        self.places.get_or_init(|| {
            let outputs = self.request.written(&[]).into_iter();
            let cache = std::iter::once(self.request.cache_dir.clone());
            let all = outputs.chain(cache).chain(self.folders.iter().cloned());
            all.filter_map(|place| place.canonicalize().ok()).collect()
        })
    }

    /// Whether an earlier call wrote this file, and nobody since.
    fn was_written(&self, path: &Path) -> bool {
        let Some(stamp) = stamp(path) else { return false };
        let cache = &self.request.cache_dir;
        let open = || cache.is_dir().then(|| Store::open(cache).ok()).flatten();
        let Some(store) = self.store.get_or_init(open) else { return false };
        store.recall(Table::Written, &path.to_string_lossy()) == Some(stamp)
    }
}
