//! What layers are made with: the same for all of an image.

use crate::event::Events;
use crate::store::Store;

/// Makes layers. What it holds changes how long that takes and who hears of it, and never the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Press<'a> {
    /// Where the layers are kept.
    pub store: &'a Store,
    /// So many threads compress one.
    pub jobs: usize,
    /// Whether a layer that was made before may be taken as it is.
    pub use_memo: bool,
    /// Who hears of the progress.
    pub events: &'a Events,
}

#[cfg(test)]
impl Press<'_> {
    /// A layer that nobody hears of.
    pub(super) fn silently(
        (store, use_memo, jobs): (&Store, bool, usize),
        spec: &super::Spec,
        base: &crate::facts::tree::Tree,
    ) -> crate::error::Result<super::Layer> {
        Press { store, jobs, use_memo, events: &Events::silent() }.write(spec, base)
    }
}
