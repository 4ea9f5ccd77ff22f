//! The layers of an image on top of one another, file by file.

use crate::facts::files::Measure;
use crate::facts::tree::{AsNode, Node, NodeKind, Tree};
use crate::facts::{self, LayerFacts};

use super::Layer;

/// What there is at a path.
pub(super) struct File {
    pub(super) node: Node,
    /// The layer that brings it, from 0.
    pub(super) layer: usize,
    /// Bytes of its content; none of a hard link's, which the file that it leads to has.
    pub(super) size: u64,
    /// What names its content.
    pub(super) content: Option<u128>,
    /// Bytes of what a hard link leads to.
    linked: Option<u64>,
    /// The package that it belongs to.
    pub(super) package: Option<usize>,
}

impl File {
    /// What an archive has of it.
    fn of(node: Node, layer: usize, Measure { size, content, linked }: Measure) -> Self {
        Self { node, layer, size, content, linked, package: None }
    }

    /// Bytes that are read from it, also where they are counted elsewhere because it is a hard link.
    pub(super) fn shown_size(&self) -> u64 {
        self.linked.unwrap_or(self.size)
    }
}

impl AsNode for File {
    fn node(&self) -> &Node {
        &self.node
    }
}

/// A file that a layer brings, and that no container sees.
pub(super) struct Gone {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) layer: usize,
    /// The layer that removes or replaces it.
    pub(super) by: usize,
}

/// All layers, merged.
#[derive(Default)]
pub(super) struct Stack {
    pub(super) tree: Tree<File>,
    /// What takes room and is not seen.
    pub(super) gone: Vec<Gone>,
    /// For each layer, how many files it brings and how many bytes these are.
    pub(super) brought: Vec<(u64, u64)>,
}

impl Stack {
    /// Lays the layers over one another; what they bring is taken out of them, and all else stays.
    pub(super) fn of(layers: &mut [Layer]) -> Self {
        let mut stack = Self::default();
        for (at, layer) in layers.iter_mut().enumerate() {
            let LayerFacts { entries, hidden, opaque, .. } = &mut layer.facts;
            let (entries, mut measures) =
                (std::mem::take(entries), std::mem::take(&mut layer.files.measures));
            follow(&layer.files.links, &stack.tree, &mut measures);
            let measured =
                entries.into_iter().zip(measures.into_iter().map(Some).chain(std::iter::repeat(None)));
            let (mut files, mut bytes) = (0, 0);
            let entries = measured.map(|((path, node), measure)| {
                let measure = measure.unwrap_or_default();
                files += u64::from(node.kind == NodeKind::File);
                bytes += measure.size;
                (path, File::of(node, at, measure))
            });
            let gone = &mut stack.gone;
            facts::lay(
                &mut stack.tree,
                (hidden, opaque),
                entries,
                |node| File::of(node, at, Measure::default()),
                |path, old: File| {
                    if old.size > 0 {
                        gone.push(Gone { path, size: old.size, layer: old.layer, by: at });
                    }
                },
            );
            stack.brought.push((files, bytes));
        }
        stack
    }

    /// The regular files that a container sees, in the order of their paths.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.tree.iter().filter(|(_, file)| file.node.kind == NodeKind::File)
    }

    /// Whether the file at `path` is the one that this layer brings.
    pub(super) fn is_seen(&self, path: &str, layer: usize) -> bool {
        self.tree.get(path).is_some_and(|file| file.layer == layer && file.node.kind == NodeKind::File)
    }

    /// The regular file at `path`, also where a link is part of it.
    pub(super) fn file_mut(&mut self, path: &str) -> Option<&mut File> {
        let is_file = |file: &File| file.node.kind == NodeKind::File;
        if self.tree.get(path).is_some_and(is_file) {
            return self.tree.get_mut(path);
        }
        let real = self.tree.real_path(path)?;
        self.tree.get_mut(&real).filter(|file| is_file(file))
    }
}

/// Measures hard links by the files of lower layers that they lead to.
fn follow(links: &[(usize, String)], below: &Tree<File>, measures: &mut [Measure]) {
    for (at, target) in links {
        let file = below.get(target).filter(|file| file.node.kind == NodeKind::File);
        if let (Some(file), Some(measure)) = (file, measures.get_mut(*at)) {
            (measure.content, measure.linked) = (file.content, Some(file.shown_size()));
        }
    }
}
