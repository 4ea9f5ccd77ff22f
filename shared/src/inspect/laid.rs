//! An image as a container finds it: its layers on top of one another, and whose the files are.

use serde::Serialize;

use super::layers::{self, LayerView};
use super::packages::{self, Package};
use super::stack::Stack;
use super::{Image, Layer};

/// One platform's image with its layers laid on top of one another.
pub struct Laid {
    /// All but what is in its layers, and what is attached to it.
    pub(super) image: Image,
    /// What is in them.
    pub(super) stack: Stack,
    /// The largest first.
    pub(super) packages: Vec<Package>,
    /// The lowest first.
    pub(super) layers: Vec<LayerView>,
    /// Whether a bill of materials is about it.
    pub(super) has_bill: bool,
}

/// How large an image is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Totals {
    /// Bytes of its layers as they are stored and transferred.
    pub stored: u64,
    /// Bytes of their archives.
    pub unpacked: u64,
    /// Bytes of the files that a container sees.
    pub size: u64,
    /// The number of these files.
    pub files: u64,
}

impl Laid {
    /// Lays the layers of an image; what they hold is kept once.
    pub fn of(mut image: Image) -> Self {
        let mut stack = Stack::of(&mut image.layers);
        let packages = packages::find(&mut stack, &image.layers, &image.bills);
        let layers = layers::views(&stack, &packages, &image.layers, image.provenance.as_ref());
        for Layer { facts, details, files, .. } in &mut image.layers {
            (*facts, *details, *files) = Default::default();
        }
        let has_bill = !std::mem::take(&mut image.bills).is_empty();
        Self { image, stack, packages, layers, has_bill }
    }

    /// How large it is.
    pub fn totals(&self) -> Totals {
        let (mut size, mut files) = (0, 0);
        for (_, file) in self.stack.files() {
            size += file.size;
            files += 1;
        }
        Totals {
            stored: self.layers.iter().map(|layer| layer.stored).sum(),
            unpacked: self.layers.iter().map(|layer| layer.unpacked).sum(),
            size,
            files,
        }
    }
}
