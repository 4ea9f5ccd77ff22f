//! Why a file is in an image, in words that stay the same from one version of the image to the next.

use serde::Serialize;

use super::super::layers::folder;
use super::super::packages::PackageKind;
use super::super::shown;
use super::super::stack::File;
use crate::inspect::laid::Laid;

/// What something that differs belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cause {
    /// What it is.
    pub kind: CauseKind,
    /// The name of a package, a folder, what made a layer, or how many others there are.
    pub name: String,
}

/// What may make an image grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", untagged)]
pub enum CauseKind {
    /// Files of a package.
    Package(PackageKind),
    /// Others.
    Of(Sort),
}

/// The word for what belongs to no package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// Layers of the base.
    Base,
    /// The project's own files.
    Project,
    /// Files in one folder.
    Files,
    /// Files that later layers remove or replace.
    Unseen,
    /// A layer without files.
    Layer,
    /// All that is not listed.
    Rest,
}

/// The same without a text of its own, of which there are as many as files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileCause<'l> {
    /// The package at this place.
    Package(usize),
    Project,
    Folder(&'l str),
}

impl<'l> FileCause<'l> {
    pub(super) fn of(laid: &Laid, path: &'l str, file: &File) -> Self {
        match file.package {
            Some(package) => Self::Package(package),
            None if laid.layers[file.layer].is_of_project() => Self::Project,
            None => Self::Folder(folder(path)),
        }
    }

    pub(super) fn told(self, laid: &Laid) -> Cause {
        match self {
            Self::Package(at) => {
                let package = &laid.packages[at];
                let name = package.kind.plain_name(&package.name);
                Cause { kind: CauseKind::Package(package.kind), name }
            }
            Self::Project => Cause::of(Sort::Project, String::new()),
            Self::Folder(folder) => Cause::of(Sort::Files, format!("/{}", shown(folder))),
        }
    }
}

impl Cause {
    pub(super) const fn of(sort: Sort, name: String) -> Self {
        Self { kind: CauseKind::Of(sort), name }
    }
}
