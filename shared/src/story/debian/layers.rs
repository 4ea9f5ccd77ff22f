//! Layers of Debian packages, and what in them is one file for all: the package database and the
//! dynamic linker's list.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::super::workshop::{Base, BaseWish, Workshop};
use super::fetched;
use crate::debian::{
    Archives, Database, Package, Unpacked, architecture, database, libraries_in, list_of, with_libraries,
};
use crate::error::Result;
use crate::facts;
use crate::facts::notes::Note;
use crate::layer::{Content, Entry, Head, Layer, Spec};
use crate::oci::media_type::Format;
use crate::oci::{History, MOST_LAYERS, Mode, Owner, Platform};
use crate::plan::share_out;
use crate::store::{Table, scratch};

/// The dynamic linker's list.
const LIST: &str = "etc/ld.so.cache";

/// The package that has `ldconfig`.
const LDCONFIG_PACKAGE: &str = "libc-bin";

impl Workshop<'_> {
    /// Lays the packages over the base.
    pub(super) fn add_layers(&self, base: &mut Base, wish: &BaseWish, archives: &Archives) -> Result<()> {
        let sizes: Vec<u64> = base.debian.iter().map(|package| package.size).collect();
        // The other layers need room too.
        let room = MOST_LAYERS.saturating_sub(base.image.layers.len());
        let budget = (wish.additions.max_layers.min(room) / 2).max(1);
        let groups = share_out(&sizes, budget);
        let below = Below::of(base);
        let mut made = Vec::with_capacity(groups.len());
        for (number, group) in groups.iter().enumerate() {
            let packages: Vec<&Package> = group.iter().filter_map(|&i| base.debian.get(i)).collect();
            let adder = Adder {
                workshop: self,
                archives,
                wish,
                base,
                below: &below,
                // What is one file for all packages goes with the last of them.
                is_last: number + 1 == groups.len(),
            };
            made.push(adder.layer(&packages)?);
        }
        let all = base.debian.clone();
        self.tell_scripts(&all);
        for layer in made {
            let facts = facts::layer_facts(&layer.blob, &layer.diff_id, self.store)?;
            base.contents.apply(facts);
            let line = History::of_layer(&layer.title);
            base.image.add(layer, line);
            base.debian_layers += 1;
        }
        Ok(())
    }

    /// Names the packages whose scripts would do something.
    fn tell_scripts(&self, packages: &[Package]) {
        let does = |package: &&Package| {
            let known = self.store.recall::<Vec<String>>(Table::DebianScripts, &package.digest.to_string());
            known.is_some_and(|scripts| !scripts.is_empty())
        };
        let names: Vec<&str> = packages.iter().filter(does).map(|package| package.name.as_str()).collect();
        if !names.is_empty() {
            self.events.note(format!(
                "the installation scripts of {} are not run, so what they would create (users, alternatives, caches) is missing",
                names.join(", ")
            ));
        }
    }
}

/// The dynamic linker's list of libraries, which `ldconfig` prints.
enum List {
    /// Nothing prints it.
    Unread,
    /// As it is.
    There(Vec<u8>),
    /// There is none yet, and these libraries (name and path) should be in it.
    Missing(Vec<(String, String)>),
}

impl List {
    fn of(base: &Base) -> Self {
        let there =
            ["sbin/ldconfig", "usr/sbin/ldconfig"].iter().any(|path| base.contents.follow(path).is_some());
        if !there && !base.debian.iter().any(|package| package.name == LDCONFIG_PACKAGE) {
            return Self::Unread;
        }
        match base.contents.note(LIST) {
            Some(Note::LoaderCache(text)) => BASE64.decode(text).map_or(Self::Unread, Self::There),
            _ => Self::Missing(libraries_in(&base.contents.tree)),
        }
    }

    /// The list with the libraries that were added; `None` where nothing is to be written.
    fn with(&self, mut added: Vec<(String, String)>, architecture: &str) -> Option<Vec<u8>> {
        match self {
            Self::Unread => None,
            Self::There(list) => with_libraries(list, &added),
            Self::Missing(there) => {
                added.extend_from_slice(there);
                list_of(&added, architecture)
            }
        }
    }
}

/// The dynamic linker's list with more libraries (name and path) than the base has; `None` where nothing prints it.
pub(in crate::story) fn list_with(
    base: &Base,
    libraries: Vec<(String, String)>,
    platform: &Platform,
) -> Option<Entry> {
    let list = List::of(base).with(libraries, architecture(platform).unwrap_or_default())?;
    Some(Entry::file(LIST, Content::Bytes(list.into()), Mode(0o644), Owner::ROOT))
}

/// What of the base the layers depend on beside the packages.
struct Below {
    database: Database,
    /// The paragraphs of dpkg's database.
    status: Vec<String>,
    list: List,
    /// Stands for the whole base.
    identity: String,
}

impl Below {
    fn of(base: &Base) -> Self {
        let tree = &base.contents.tree;
        let database = Database::of(tree);
        let status = match base.contents.note("var/lib/dpkg/status") {
            Some(Note::Dpkg { text, .. }) if database == Database::Whole => {
                text.split("\n\n").map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        let identity = base.image.config.rootfs.identity().to_string();
        Self { database, status, list: List::of(base), identity }
    }

    /// Whether there is something that tells of all packages at once.
    fn shares(&self) -> bool {
        self.database == Database::Whole || !matches!(self.list, List::Unread)
    }
}

/// Makes a layer of packages.
struct Adder<'a> {
    workshop: &'a Workshop<'a>,
    archives: &'a Archives,
    wish: &'a BaseWish,
    base: &'a Base,
    below: &'a Below,
    is_last: bool,
}

impl Adder<'_> {
    fn layer(&self, packages: &[&Package]) -> Result<Layer> {
        let title = match packages {
            [one] => format!("{} {}", one.name, one.version),
            several => format!("{} Debian packages", several.len()),
        };
        let shared = self.is_last && self.below.shares();
        let docs = self.wish.additions.debian.docs.unwrap_or_default();
        let listed = if shared { &self.base.debian[..] } else { &[] };
        let digests = |packages: &mut dyn Iterator<Item = &Package>| {
            packages.map(|package| package.digest.hex()).collect::<Vec<_>>().join(" ")
        };
        let key = format!(
            "debian 2 {} {docs} {} / {}",
            self.below.identity,
            digests(&mut packages.iter().copied()),
            digests(&mut listed.iter()),
        );
        let head = Head { key, title, compression: self.wish.additions.compression, format: Format::Oci };
        // Lives as long as the layer is read from it.
        let scratch = scratch::folder()?;
        let spec = || {
            Ok(Spec {
                title: head.title.clone(),
                entries: self.entries(packages, shared, docs, scratch.path())?,
                owner: Owner::ROOT,
                compression: head.compression,
                format: head.format,
            })
        };
        self.workshop.press().write_keyed(&head, spec, &self.base.contents.tree)
    }

    fn entries(&self, packages: &[&Package], shared: bool, docs: bool, scratch: &Path) -> Result<Vec<Entry>> {
        let needed: Vec<Package> = match shared {
            true => self.base.debian.clone(),
            false => packages.iter().map(|&package| package.clone()).collect(),
        };
        let files = fetched(self.archives, &needed)?;
        let mut entries = std::collections::BTreeMap::new();
        let mut all = Vec::with_capacity(needed.len());
        for (number, (package, file)) in needed.iter().zip(&files).enumerate() {
            let scratch = scratch.join(number.to_string());
            let unpacked = Unpacked::read(file, &package.name, docs, &scratch)
                .map_err(|e| e.hint("use another version of it, or another mirror"))?;
            self.workshop.store.remember(
                Table::DebianScripts,
                &package.digest.to_string(),
                &unpacked.scripts(),
            );
            if packages.contains(&package) {
                // Where two have the same file, one of them says that it replaces the other's.
                for entry in unpacked.entries(&self.base.contents.tree, self.below.database) {
                    entries.insert(entry.path.clone(), entry);
                }
            }
            all.push(unpacked);
        }
        if shared {
            for entry in self.shared_entries(&all) {
                entries.insert(entry.path.clone(), entry);
            }
        }
        Ok(entries.into_values().collect())
    }

    /// What is one file for all packages.
    fn shared_entries(&self, all: &[Unpacked]) -> Vec<Entry> {
        let file = |path: &str, bytes: Vec<u8>| {
            Entry::file(path, Content::Bytes(bytes.into()), Mode(0o644), Owner::ROOT)
        };
        let mut entries = Vec::new();
        if self.below.database == Database::Whole {
            let status: Vec<&str> = self.below.status.iter().map(String::as_str).collect();
            let added: Vec<&Unpacked> = all.iter().collect();
            entries.push(file("var/lib/dpkg/status", database(&status, &added).into_bytes()));
        }
        let libraries: Vec<(String, String)> = all.iter().flat_map(Unpacked::libraries).collect();
        let list = self.below.list.with(libraries, architecture(&self.wish.platform).unwrap_or_default());
        entries.extend(list.map(|bytes| file(LIST, bytes)));
        entries
    }
}
