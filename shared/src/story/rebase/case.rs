//! What is looked at to judge whether layers may be laid on another base, and what may be wrong with it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::check::Report;
use crate::facts::LayerFacts;
use crate::facts::details::FileSystem;
use crate::image::Choices;
use crate::oci::ImageConfig;

/// What all rules look at, for one platform.
pub(super) struct Case<'a> {
    pub(super) choices: &'a Choices,
    /// The layers that are laid on another base, the lowest first.
    pub(super) ours: &'a [Ours],
    pub(super) old: &'a Ground,
    pub(super) new: &'a Ground,
    pub(super) remade: Remade,
}

/// Which layers were made anew for the new base.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Remade {
    /// The environment's configuration, for its Python.
    pub(super) environment: bool,
    /// The one with the user's name, for its lists: its place among the image's own.
    pub(super) user: Option<usize>,
}

/// A layer of the image that is not of its base.
pub(super) struct Ours {
    pub(super) title: String,
    pub(super) facts: LayerFacts,
}

/// A base, and how the image would run on it.
pub(super) struct Ground {
    /// The base's own.
    pub(super) config: ImageConfig,
    /// The base's files.
    pub(super) base: FileSystem,
    /// What was found in the image on it.
    pub(super) report: Report,
}

/// What of the old base the image relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// A directory's mode and owner, which a layer repeats.
    Directory,
    /// Where a link leads that a file may have been written through.
    Link,
    /// That there is nothing in the place of a file, or nothing of another kind.
    Place,
    /// The interpreter: its path and version.
    Python,
    /// The C library, by which wheels were chosen.
    CLibrary,
    /// Whether there is a shell, by which the command was chosen.
    Shell,
    /// Its lists of users and groups.
    User,
    /// Its packages, which Debian packages were added to.
    Packages,
    /// Which libraries it lacks.
    Libraries,
    /// How many layers it has.
    Layers,
    /// Something that a program or module needs to run.
    Need,
}

/// A fact of the old base that the new one does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Broken {
    /// What kind of fact it is.
    pub fact: Fact,
    /// Both bases, in a sentence without a full stop.
    pub message: String,
    /// The way from the image to it: a layer and a file, or what loads what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<String>,
}

impl Broken {
    pub(super) fn new(fact: Fact, message: impl Into<String>) -> Self {
        Self { fact, message: message.into(), through: Vec::new() }
    }
}

/// Broken facts: the first ones of each kind, and how many there are. A base may have everything that an image has.
#[derive(Debug, Default)]
pub(super) struct Found {
    first: Vec<Broken>,
    counts: BTreeMap<Fact, usize>,
}

impl Found {
    /// So many of a kind are told, and the number of the others.
    pub(super) const TOLD: usize = 20;

    pub(super) fn all(self) -> Vec<Broken> {
        let mut all = self.first;
        for (fact, count) in self.counts {
            let more = count.saturating_sub(Self::TOLD);
            if more > 0 {
                all.push(Broken::new(fact, format!("and {more} more of this kind")));
            }
        }
        all
    }
}

impl Extend<Broken> for Found {
    fn extend<I: IntoIterator<Item = Broken>>(&mut self, all: I) {
        for broken in all {
            let count = self.counts.entry(broken.fact).or_default();
            *count += 1;
            if *count <= Self::TOLD {
                self.first.push(broken);
            }
        }
    }
}
