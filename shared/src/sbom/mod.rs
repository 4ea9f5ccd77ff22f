//! Bills of materials: what really went into an image, as components and how they belong together; and the
//! two formats that others read.
//!
//! Everything here is a value. The same bill is the same document: identifiers come from the digest of
//! the manifest that it is about, the time is the image's own, and lists are ordered.

mod build_time;
mod carried;
mod crates;
mod cyclonedx;
mod licence;
mod listed;
mod own;
mod purl;
mod read;
mod spdx;

use std::collections::{BTreeMap, BTreeSet};

pub use carried::{add_carried, licence_of_metadata};
pub use crates::{add_crates, component as of_crate, host};
pub use cyclonedx::cyclonedx;
pub use licence::Licence;
pub use listed::{Listed, listed, listed_with_ecosystems};
pub use own::Share;
pub use purl::Purl;
pub use read::read;
pub use spdx::spdx;

use crate::oci::Digest;

/// Who makes these documents.
const TOOL: &str = "containerize";
/// The version of the tool.
const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");
/// Where it lives.
const HOME: &str = env!("CARGO_PKG_REPOSITORY");

/// The media type of SPDX as JSON.
pub const SPDX: &str = "application/spdx+json";
/// The media type of CycloneDX as JSON.
pub const CYCLONEDX: &str = "application/vnd.cyclonedx+json";

/// What one image, or what one part of it, is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// The image that it is about.
    pub image: Component,
    /// The digest of the manifest that it is about.
    pub digest: Digest,
    /// The time of creation that the image states, in the form of RFC 3339.
    pub created: String,
    components: BTreeMap<Key, Component>,
    relations: BTreeSet<Relation>,
}

/// What names a component in a bill.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

/// A part of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// What kind of part.
    pub kind: Kind,
    /// The name that its makers give it; of an image, its repository.
    pub name: String,
    /// The version in its ecosystem's own form; of an image, its digest.
    pub version: Option<String>,
    /// Its package URL.
    pub purl: Option<Purl>,
    /// The name of the file that it came in.
    pub file: Option<String>,
    /// The digest of that file.
    pub sha256: Option<Digest>,
    /// Where it came from: an address without a login.
    pub origin: Option<String>,
    /// Who distributes it.
    pub supplier: Option<String>,
    /// What its maker says about its licence.
    pub licence: Licence,
}

/// A kind of part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A container image: the one that the bill is about, or its base.
    Image,
    /// A program, or what is started.
    Application,
    /// A library, or a package of one.
    Library,
    /// A distribution of Linux.
    System,
    /// A file of the project that was added as it is.
    File,
}

/// How two parts belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bond {
    /// The first holds the second.
    Holds,
    /// The first needs the second when it runs.
    Needs,
    /// The first was made with the second, which is not in it.
    MadeWith,
    /// The first stands on the second.
    StandsOn,
}

/// Two parts that belong together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Relation {
    from: Key,
    bond: Bond,
    to: Key,
}

impl Component {
    /// A part of which nothing but its name is known.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            version: None,
            purl: None,
            file: None,
            sha256: None,
            origin: None,
            supplier: None,
            licence: Licence::Unknown,
        }
    }

    /// Its package URL, else what it is and its name.
    fn key(&self) -> Key {
        Key(match &self.purl {
            Some(purl) => purl.to_string(),
            None => {
                let version = self.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
                format!("{}:{}{version}", self.kind.word(), self.name)
            }
        })
    }

    /// The key where another part has its name.
    fn marked(&self) -> Key {
        let mark = self.sha256.unwrap_or_else(|| Digest::of(format!("{self:?}").as_bytes()));
        Key(format!("{}#{}", self.key().0, mark.short()))
    }
}

impl Kind {
    /// CycloneDX's word.
    const fn word(self) -> &'static str {
        match self {
            Self::Image => "container",
            Self::Application => "application",
            Self::Library => "library",
            Self::System => "operating-system",
            Self::File => "file",
        }
    }
}

impl Bill {
    /// A bill with nothing in it yet.
    pub fn new(image: Component, digest: Digest, created: impl Into<String>) -> Self {
        let created = created.into();
        Self { image, digest, created, components: BTreeMap::new(), relations: BTreeSet::new() }
    }

    /// A bill of an index: it holds the images, and these what their bills say.
    pub fn of_several(index: Component, digest: Digest, created: &str, bills: &[Self]) -> Self {
        let mut all = Self::new(index, digest, created);
        let root = all.root();
        for bill in bills {
            let image = all.add(&root, bill.image.clone());
            let own = bill.root();
            let mut keys: BTreeMap<&Key, Key> = [(&own, image)].into();
            for (key, part) in &bill.components {
                keys.insert(key, all.place(part.clone()));
            }
            for Relation { from, bond, to } in &bill.relations {
                if let (Some(from), Some(to)) = (keys.get(from), keys.get(to)) {
                    all.relate(from, *bond, to);
                }
            }
        }
        all
    }

    /// The image's own key.
    pub fn root(&self) -> Key {
        self.image.key()
    }

    /// Adds a part that `holder` holds. The same part twice is there once; two that differ and have one name are
    /// told apart by the digests of their files.
    pub fn add(&mut self, holder: &Key, part: Component) -> Key {
        let key = self.place(part);
        self.relate(holder, Bond::Holds, &key);
        key
    }

    /// Adds the image that the image stands on.
    pub fn stand_on(&mut self, base: Component) -> Key {
        let key = self.place(base);
        self.relate(&self.root(), Bond::StandsOn, &key);
        key
    }

    /// Adds something that `made` was made with.
    pub fn make_with(&mut self, made: &Key, part: Component) -> Key {
        let key = self.place(part);
        self.relate(made, Bond::MadeWith, &key);
        key
    }

    /// Says that two parts belong together.
    pub fn relate(&mut self, from: &Key, bond: Bond, to: &Key) {
        if from != to {
            self.relations.insert(Relation { from: from.clone(), bond, to: to.clone() });
        }
    }

    fn place(&mut self, part: Component) -> Key {
        let mut key = part.key();
        if self.components.get(&key).is_some_and(|other| *other != part) {
            key = part.marked();
        }
        self.components.entry(key.clone()).or_insert(part);
        key
    }

    /// What `key` holds, in order.
    fn held_by<'b>(&'b self, key: &'b Key) -> impl Iterator<Item = (&'b Key, &'b Component)> {
        self.related(key, Bond::Holds).filter_map(|held| self.components.get_key_value(held))
    }

    /// What belongs to `from` in this way, in order.
    fn related<'b>(&'b self, from: &Key, bond: Bond) -> impl Iterator<Item = &'b Key> + use<'b> {
        let first = Relation { from: from.clone(), bond, to: Key(String::new()) };
        let from = from.clone();
        let rest = self.relations.range(first..);
        rest.take_while(move |one| one.from == from && one.bond == bond).map(|one| &one.to)
    }
}

#[cfg(test)]
mod tests;
