//! The pages of the remote cache: what every build asks, and what only one asks that changes something.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Read, Write};

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::image::ImageSet;
use crate::oci::{Digest, Repository, to_json};
use crate::store::{Entry, Findings, Store, Table};

/// No larger page is read or written as it is compressed, in bytes.
pub(super) const MOST_PACKED: u64 = 16 << 20;

/// No larger pages are written as JSON, in bytes: the first and the rest. The bills of a fleet say nearly the same, so
/// they take little room once they are compressed.
pub(super) const MOST: [usize; 2] = [64 << 20, 64 << 20];

/// What an entry takes beside its value, in bytes.
const OVERHEAD: usize = 160;

/// No more small blobs, and no more layers, are kept.
const MOST_BLOBS: usize = 256;
const MOST_LAYERS: usize = 20_000;

/// Entries are left out that nobody has told anew while pages were written so many times, whether there is room or not.
const OLDEST: u8 = 16;

/// The level that pages are compressed at: they are read more often than written.
const LEVEL: i32 = 12;

/// A part of the cache.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Page {
    entries: Vec<Told>,
    /// Small blobs that are text.
    #[serde(default, deserialize_with = "few")]
    blobs: Vec<String>,
    /// Layers, and the repositories of the registry that have them.
    #[serde(default)]
    layers: BTreeMap<Digest, String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Told {
    table: String,
    key: Digest,
    /// So many times have pages been written since it was told.
    #[serde(default, skip_serializing_if = "is_zero")]
    age: u8,
    value: Box<RawValue>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_zero(age: &u8) -> bool {
    *age == 0
}

/// The first of a list, as many as are kept: an empty text takes more room here than in a page.
fn few<'de, D: Deserializer<'de>>(list: D) -> std::result::Result<Vec<String>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = Vec<String>;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("a list of texts")
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> std::result::Result<Vec<String>, S::Error> {
            let mut found = Vec::new();
            while found.len() < MOST_BLOBS
                && let Some(text) = list.next_element()?
            {
                found.push(text);
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(found)
        }
    }
    list.deserialize_seq(Few)
}

/// What an entry says of a layer.
#[derive(Deserialize)]
struct Made {
    digest: Digest,
}

/// What is known of a cache: the first page and the rest, and what was found out of each later.
#[derive(Default, Clone, Copy)]
pub(super) struct Known<'p> {
    pub(super) pages: [Option<&'p Page>; 2],
    pub(super) later: [Option<&'p Page>; 2],
}

impl<'p> Known<'p> {
    /// All that is known, each with the number of its page, the newest words first.
    fn numbered(self) -> impl DoubleEndedIterator<Item = (usize, &'p Page)> {
        let all = self.later.into_iter().enumerate().chain(self.pages.into_iter().enumerate());
        all.filter_map(|(number, page)| Some((number, page?)))
    }

    /// All that is known, the newest words first.
    pub(super) fn newest_first(self) -> impl DoubleEndedIterator<Item = &'p Page> {
        self.numbered().map(|(_, page)| page)
    }

    /// Whether all that was told is known, with the same words.
    pub(super) fn holds(self, told: &Findings) -> bool {
        let known = words(self.newest_first());
        told.entries.iter().all(|entry| {
            let value = known.get(&(entry.table.name(), entry.key));
            value.is_some_and(|value| value.as_bytes() == entry.value)
        })
    }
}

/// What pages say, of which the first have the last word.
fn words<'p>(pages: impl Iterator<Item = &'p Page>) -> BTreeMap<(&'p str, Digest), &'p str> {
    let mut words = BTreeMap::new();
    for told in pages.flat_map(|page| &page.entries) {
        words.entry((told.table.as_str(), told.key)).or_insert_with(|| told.value.get());
    }
    words
}

impl Page {
    /// Reads a page; gives its text too.
    ///
    /// # Errors
    /// Integrity: it is damaged, or larger than any that is written.
    pub(super) fn unpacked(packed: &[u8]) -> Result<(Self, Vec<u8>)> {
        let damaged =
            |error: std::io::Error| Error::integrity("a page of the remote cache is damaged").because(error);
        let decoder = zstd::stream::read::Decoder::new(packed).map_err(damaged)?;
        let mut text = Vec::new();
        decoder.take(MOST[1] as u64 + 1).read_to_end(&mut text).map_err(damaged)?;
        if text.len() > MOST[1] {
            return Err(too_large());
        }
        let page = serde_json::from_slice(&text)
            .map_err(|error| Error::integrity("a page of the remote cache cannot be read").because(error))?;
        Ok((page, text))
    }

    /// Its bytes, with only as much of it as may be read again; what was of no use for longest goes first.
    ///
    /// # Errors
    /// Only if it cannot be compressed.
    pub(super) fn packed(mut self) -> Result<Vec<u8>> {
        let failed = |error: std::io::Error| Error::build("cannot write the remote cache").because(error);
        loop {
            let text = to_json(&self)?;
            if text.len() <= MOST[1] || self.entries.is_empty() {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL).map_err(failed)?;
                encoder.write_all(&text).map_err(failed)?;
                let packed = encoder.finish().map_err(failed)?;
                if packed.len() as u64 <= MOST_PACKED || self.entries.is_empty() {
                    return Ok(packed);
                }
            }
            self.entries.truncate(self.entries.len() / 2);
        }
    }

    /// How many entries the last writer has told.
    pub(super) fn fresh(&self) -> usize {
        self.entries.iter().filter(|told| told.age == 0).count()
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.blobs.is_empty() && self.layers.is_empty()
    }

    /// What of it these do not say.
    pub(super) fn without<'p>(&self, known: impl Iterator<Item = &'p Self>) -> Self {
        let known: Vec<&Self> = known.collect();
        let words = words(known.iter().copied());
        let is_new = |told: &&Told| {
            words.get(&(told.table.as_str(), told.key)).is_none_or(|word| *word != told.value.get())
        };
        let has_blob = |text: &&String| known.iter().any(|page| page.blobs.contains(text));
        let has_layer = |digest: &Digest| known.iter().any(|page| page.layers.contains_key(digest));
        Self {
            entries: self.entries.iter().filter(is_new).cloned().collect(),
            blobs: self.blobs.iter().filter(|text| !has_blob(text)).cloned().collect(),
            layers: self
                .layers
                .iter()
                .filter(|(digest, _)| !has_layer(digest))
                .map(|(digest, name)| (*digest, name.clone()))
                .collect(),
        }
    }

    /// Adds what was said before, where nothing newer is said.
    pub(super) fn append(&mut self, before: &Self) {
        let words = words([&*self].into_iter());
        let is_older = |told: &&Told| !words.contains_key(&(told.table.as_str(), told.key));
        let entries: Vec<Told> = before.entries.iter().filter(is_older).cloned().collect();
        self.entries.extend(entries);
        self.add_blobs(&before.blobs);
        for (digest, name) in &before.layers {
            self.layers.entry(*digest).or_insert_with(|| name.clone());
        }
    }

    /// Adds blobs, as many as are kept.
    fn add_blobs(&mut self, blobs: &[String]) {
        for blob in blobs {
            if self.blobs.len() < MOST_BLOBS && !self.blobs.contains(blob) {
                self.blobs.push(blob.clone());
            }
        }
    }

    /// Lends what is said of the contents of layers, and nothing else of it.
    pub(super) fn lend_contents(&self, store: &Store) {
        let entries = self.entries().filter(|entry| matches!(entry.table, Table::Facts | Table::Details));
        store.lend(Findings { entries: entries.collect(), blobs: Vec::new() }, Vec::new());
    }

    /// What it says in tables that this version knows.
    fn entries(&self) -> impl Iterator<Item = Entry> {
        self.entries.iter().filter_map(|told| {
            let table = Table::named(&told.table)?;
            Some(Entry { table, key: told.key, value: told.value.get().as_bytes().to_vec() })
        })
    }

    /// Lends it. Tables that this version does not know are passed over, and so are layers elsewhere than in the
    /// repositories that are `near`, if these are given; never is another registry asked.
    pub(super) fn lend(&self, from: &Repository, near: Option<&BTreeSet<String>>, store: &Store) {
        let is_near = |name: &String| near.is_none_or(|near| near.contains(name));
        let layers = self.layers.iter().take(MOST_LAYERS).filter(|(_, name)| is_near(name));
        let homes = layers.filter_map(|(digest, name)| {
            let home: Repository = format!("{}/{name}", from.registry).parse().ok()?;
            (home.registry == from.registry).then_some((*digest, home))
        });
        let blobs = self.blobs.iter().map(|text| text.clone().into_bytes()).collect();
        store.lend(Findings { entries: self.entries().collect(), blobs }, homes.collect());
    }
}

/// What a call tells, as pages: `below` are the layers of bases, which every build asks about.
///
/// # Errors
/// A bug, if something that was remembered is not JSON.
pub(super) fn told(
    told: Findings,
    sets: &[ImageSet],
    below: &BTreeSet<Digest>,
    home: &Repository,
) -> Result<[Page; 2]> {
    let mut pages = [(); 2].map(|()| Page::default());
    for set in sets {
        let mut places = set.repositories().into_iter();
        let Some(place) = places.find(|place| place.registry == home.registry) else { continue };
        for blob in set.images.iter().flat_map(|image| &image.layers) {
            pages[0].layers.insert(blob.descriptor.digest, place.name.clone());
        }
    }
    let own = pages[0].layers.keys().filter(|layer| !below.contains(layer));
    let own: BTreeSet<Digest> = own.map(facts_key).collect();
    for Entry { table, key, value } in told.entries {
        let value = String::from_utf8(value).ok().and_then(|text| RawValue::from_string(text).ok());
        let value = value.ok_or_else(|| Error::bug("something that was remembered is not JSON"))?;
        let is_rest =
            matches!(table, Table::Details | Table::Papers) || table == Table::Facts && own.contains(&key);
        pages[usize::from(is_rest)].entries.push(Told { table: table.name().to_owned(), key, age: 0, value });
    }
    let blobs: Vec<String> = told.blobs.into_iter().filter_map(|blob| String::from_utf8(blob).ok()).collect();
    pages[0].add_blobs(&blobs);
    Ok(pages)
}

/// What is kept: what was told, and of what was there before as much as there is room for, what was of use lately first.
pub(super) fn merged(told: [Page; 2], before: Known<'_>) -> [Page; 2] {
    let mut older = Vec::new();
    for (page, before) in before.numbered() {
        let entries = before.entries.iter().filter(|told| told.age < OLDEST);
        older.extend(entries.map(|told| (page, Told { age: told.age + 1, ..told.clone() })));
    }
    older.sort_by_key(|(_, told)| told.age);
    let (mut known, mut room) = (BTreeSet::new(), MOST);
    let [first, rest] = told;
    let (mut layers, blobs) = (first.layers, first.blobs);
    let new = [(0, first.entries), (1, rest.entries)];
    let new = new.into_iter().flat_map(|(page, entries)| entries.into_iter().map(move |told| (page, told)));
    let mut pages = [(); 2].map(|()| Page::default());
    for (page, told) in new.chain(older) {
        let size = told.value.get().len() + OVERHEAD;
        if known.insert((told.table.clone(), told.key)) && size <= room[page] {
            room[page] -= size;
            pages[page].entries.push(told);
        }
    }
    pages[0].blobs = blobs;
    before.newest_first().for_each(|page| pages[0].add_blobs(&page.blobs));
    let homes = before.newest_first().rev().flat_map(|page| &page.layers);
    let homes: BTreeMap<Digest, &String> = homes.map(|(digest, name)| (*digest, name)).collect();
    // Of those that were there before, the ones that entries lead to which are kept.
    for told in &pages[0].entries {
        let Ok(Made { digest }) = serde_json::from_str(told.value.get()) else { continue };
        if let Some(home) = homes.get(&digest) {
            layers.entry(digest).or_insert_with(|| (*home).clone());
        }
    }
    pages[0].layers = layers;
    pages
}

/// What belongs to the findings of a build, whether it has asked for it or not: what is in the layers, and what wheels say
/// of themselves, under the same keys as their sizes.
pub(super) fn told_with(told: &BTreeSet<(Table, Digest)>, sets: &[ImageSet]) -> Vec<(Table, Digest)> {
    let layers = sets.iter().flat_map(|set| &set.images).flat_map(|image| &image.layers);
    let layers = layers.map(|layer| facts_key(&layer.descriptor.digest));
    let layers = layers.flat_map(|key| [(Table::Facts, key), (Table::Details, key)]);
    let wheels = told.iter().filter(|(table, _)| *table == Table::WheelSizes);
    layers.chain(wheels.map(|(_, key)| (Table::Papers, *key))).collect()
}

/// The refusal of a page that nobody has written by these rules.
pub(super) fn too_large() -> Error {
    Error::integrity("a page of the remote cache is larger than any that is written")
}

/// Under which key the facts of a layer are remembered.
fn facts_key(layer: &Digest) -> Digest {
    Digest::of(layer.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(entries: &[(Table, &str, String)]) -> Findings {
        let entries = entries.iter().map(|(table, key, value)| Entry {
            table: *table,
            key: Digest::of(key.as_bytes()),
            value: value.clone().into_bytes(),
        });
        Findings { entries: entries.collect(), blobs: vec![b"{}".to_vec()] }
    }

    fn home() -> Repository {
        "registry.example/app".parse().expect("a repository")
    }

    fn made(findings: Findings, before: &[&Page]) -> [Page; 2] {
        let told = super::told(findings, &[], &BTreeSet::new(), &home()).expect("pages");
        merged(told, Known { pages: [before.first().copied(), None], ..Known::default() })
    }

    #[test]
    fn what_is_written_is_read_again() {
        let findings = told(&[(Table::Users, "a", "1".into()), (Table::Papers, "b", "[2]".into())]);
        let [first, rest] = made(findings.clone(), &[]);
        assert_eq!((first.entries.len(), rest.entries.len(), first.blobs.len()), (1, 1, 1));
        let (read, _) = Page::unpacked(&first.packed().expect("packed")).expect("read");
        let known = Known { pages: [Some(&read), None], ..Known::default() };
        assert!(known.holds(&told(&[(Table::Users, "a", "1".into())])));
        assert!(!known.holds(&told(&[(Table::Users, "a", "2".into())])), "another value");
        assert!(!known.holds(&findings), "the rest is elsewhere");
    }

    #[test]
    fn what_is_new_is_told_apart_and_what_was_said_before_is_added() {
        let page = |entries: &[(Table, &str, String)]| made(told(entries), &[])[0].clone();
        let old = page(&[(Table::Users, "a", "1".into()), (Table::Users, "b", "2".into())]);
        let later = page(&[(Table::Users, "b", "3".into())]);
        let known = || [&later, &old].into_iter();
        assert!(page(&[(Table::Users, "a", "1".into())]).without(known()).is_empty());
        assert!(page(&[(Table::Users, "b", "3".into())]).without(known()).is_empty(), "the last word");
        let mut new = page(&[(Table::Users, "b", "2".into()), (Table::Users, "c", "4".into())]);
        new = new.without(known());
        assert_eq!(new.entries.len(), 2, "what was said before the last word is new again");
        new.append(&later);
        let said = words([&new].into_iter());
        assert_eq!(said.into_values().collect::<BTreeSet<_>>(), ["2", "4"].into(), "the newest word stays");
    }

    #[test]
    fn what_was_of_use_lately_is_kept_first() {
        let large = || format!("{:?}", "x".repeat(24 << 20));
        let [old, _] = made(told(&[(Table::Users, "old", large())]), &[]);
        let [first, _] = made(told(&[(Table::Users, "middle", large())]), &[&old]);
        assert_eq!(first.entries.iter().map(|told| told.age).collect::<Vec<_>>(), [0, 1]);
        let [first, _] = made(told(&[(Table::Users, "new", large())]), &[&first]);
        let ages: Vec<u8> = first.entries.iter().map(|told| told.age).collect();
        assert_eq!(ages, [0, 1], "there is no room for the oldest");
        let [again, _] = made(told(&[(Table::Users, "middle", large())]), &[&first]);
        assert_eq!(again.entries.iter().map(|told| told.age).collect::<Vec<_>>(), [0, 1], "used again");
    }

    #[test]
    fn what_cannot_be_read_again_is_not_written() {
        let noise: Vec<_> = (0..450_000_u32)
            .map(|n| (Table::Users, n.to_string(), format!("{:?}", Digest::of(&n.to_le_bytes()).to_string())))
            .collect();
        let entries = noise.iter().map(|(table, key, value)| Entry {
            table: *table,
            key: Digest::of(key.as_bytes()),
            value: value.clone().into_bytes(),
        });
        let page = Page {
            entries: entries
                .map(|entry| Told {
                    table: entry.table.name().to_owned(),
                    key: entry.key,
                    age: 0,
                    value: RawValue::from_string(String::from_utf8(entry.value).expect("text"))
                        .expect("JSON"),
                })
                .collect(),
            ..Page::default()
        };
        let packed = page.packed().expect("packed");
        assert!(packed.len() as u64 <= MOST_PACKED);
        assert!(!Page::unpacked(&packed).expect("read").0.entries.is_empty());
    }

    #[test]
    fn layers_elsewhere_are_not_lent() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        let digests: Vec<Digest> = (0..4_u8).map(|n| Digest::of(&[n])).collect();
        let names = ["app", "other", "../x", ""];
        let layers = digests.iter().zip(names).map(|(digest, name)| (*digest, name.to_owned())).collect();
        let page = Page { layers, ..Page::default() };
        page.lend(&home(), Some(&["app".to_owned()].into()), &store);
        let known: Vec<bool> = digests.iter().map(|digest| store.lent_home(digest).is_some()).collect();
        assert_eq!(known, [true, false, false, false]);
        page.lend(&home(), None, &store);
        let known: Vec<bool> = digests.iter().map(|digest| store.lent_home(digest).is_some()).collect();
        assert_eq!(known, [true, true, false, false], "where the cache was named");
    }
}
