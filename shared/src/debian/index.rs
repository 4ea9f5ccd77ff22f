//! Indexes of packages: read once as a stream, after which only the names and the places of their
//! paragraphs are held; the few paragraphs that matter are read again from the file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use super::control::{self, Paragraph};
use super::relation::{Relation, groups, list};
use super::version::compare;
use crate::error::{Context, Error, Result};
use crate::oci::Digest;
use crate::read;

/// A package that an archive has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
    pub(super) relations: Relations,
    /// The file's URL.
    pub(super) url: String,
    /// In bytes.
    pub(super) size: u64,
    pub(super) digest: Digest,
    /// From the most important (0) on.
    pub(super) priority: u8,
    /// Which index it is of, and where in it.
    pub(super) place: (usize, u64),
}

/// What a package needs, gives and does not go together with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Relations {
    /// Pre-Depends and Depends.
    pub(super) depends: Vec<Vec<Relation>>,
    pub(super) provides: Vec<Relation>,
    /// Conflicts and Breaks.
    pub(super) conflicts: Vec<Relation>,
}

impl Relations {
    /// Those that the fields of a package say.
    ///
    /// # Errors
    /// Integrity, naming the field, when one of them makes no sense.
    pub(super) fn of(paragraph: &Paragraph) -> Result<Self> {
        let field = |name: &str| {
            let read = groups(paragraph.get(name).unwrap_or_default());
            read.context(|| format!("the field {name} cannot be read"))
        };
        let flat = |name: &str| Ok::<_, Error>(field(name)?.into_iter().flatten());
        let mut depends = field("Pre-Depends")?;
        depends.extend(field("Depends")?);
        let conflicts = flat("Conflicts")?.chain(flat("Breaks")?).collect();
        Ok(Self { depends, provides: flat("Provides")?.collect(), conflicts })
    }

    /// Whether a package of this name and version with these relations is meant.
    pub(super) fn answers(&self, name: &str, version: &str, relation: &Relation) -> bool {
        if relation.foreign {
            return false;
        }
        (name == relation.name && relation.allows(version)) || self.gives(relation)
    }

    /// Whether it is meant by what it provides: an unversioned gift meets no versioned wish.
    pub(super) fn gives(&self, relation: &Relation) -> bool {
        !relation.foreign
            && self.provides.iter().any(|gift| {
                gift.name == relation.name
                    && match (&relation.version, &gift.version) {
                        (None, _) => true,
                        (Some(_), None) => false,
                        (Some(_), Some((_, version))) => relation.allows(version),
                    }
            })
    }
}

/// Where a paragraph is.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    length: u32,
}

/// The list of packages of one component of an archive, on disk.
struct Index {
    file: File,
    /// The archive that its files are in, without a slash at the end.
    url: String,
    /// Whether apt takes from it only what nothing else has.
    last: bool,
    names: Vec<(Box<str>, Place)>,
    provided: Vec<(Box<str>, Place)>,
}

/// All indexes of one architecture.
#[derive(Default)]
pub(super) struct Indexes(Vec<Index>);

impl Indexes {
    /// Adds the index in the file `path`, of the archive `url`.
    ///
    /// # Errors
    /// When it cannot be read, or is no index.
    pub(super) fn add(&mut self, path: &Path, url: &str, last: bool) -> Result<()> {
        let file = read::file(path).context(|| format!("cannot read {}", path.display()))?;
        let (mut names, mut provided) = (Vec::new(), Vec::new());
        control::scan(&file, |offset, text| {
            let length =
                u32::try_from(text.len()).map_err(|_| Error::integrity("a paragraph is too long"))?;
            let place = Place { offset, length };
            for line in text.lines() {
                if let Some(name) = line.strip_prefix("Package:") {
                    names.push((name.trim().into(), place));
                } else if let Some(gifts) = line.strip_prefix("Provides:") {
                    // Who takes the package hears what is wrong with it.
                    let gifts = list(gifts).unwrap_or_default();
                    provided.extend(gifts.into_iter().map(|gift| (gift.name.into(), place)));
                }
            }
            Ok(())
        })?;
        names.sort_by(|a: &(Box<str>, Place), b| a.0.cmp(&b.0));
        provided.sort_by(|a: &(Box<str>, Place), b| a.0.cmp(&b.0));
        self.0.push(Index { file, url: url.to_owned(), last, names, provided });
        Ok(())
    }

    /// All versions of a package, the one first that apt would take.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub(super) fn versions(&mut self, name: &str) -> Result<Vec<Rc<Record>>> {
        let mut found = Vec::new();
        for (number, index) in self.0.iter_mut().enumerate() {
            for place in places(&index.names, name) {
                found.push((index.last, Rc::new(index.read(number, place)?)));
            }
        }
        found.sort_by(|(last, a), (other, b)| last.cmp(other).then(compare(&b.version, &a.version)));
        Ok(found.into_iter().map(|(_, record)| record).collect())
    }

    /// The packages of which some version provides `name`.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub(super) fn providers(&mut self, name: &str) -> Result<Vec<String>> {
        let mut found: Vec<(u64, String)> = Vec::new();
        for (number, index) in self.0.iter_mut().enumerate() {
            for place in places(&index.provided, name) {
                let record = index.read(number, place)?;
                if !found.iter().any(|(_, name)| *name == record.name) {
                    found.push((place.offset, record.name));
                }
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, name)| name).collect())
    }
}

impl Index {
    fn read(&mut self, number: usize, place: Place) -> Result<Record> {
        let mut bytes = vec![0; place.length as usize];
        let read =
            self.file.seek(SeekFrom::Start(place.offset)).and_then(|_| self.file.read_exact(&mut bytes));
        read.context(|| "cannot read an index of packages".into())?;
        self.record(&String::from_utf8_lossy(&bytes), (number, place.offset))
    }

    fn record(&self, text: &str, place: (usize, u64)) -> Result<Record> {
        let paragraph = Paragraph::parse(text);
        let name = paragraph.need("Package")?.to_owned();
        let wrong = |what: &str| Error::integrity(format!("the index gives no valid {what} for {name}"));
        let filename = paragraph.need("Filename")?;
        if !is_plain(filename) {
            return Err(wrong("file name"));
        }
        let size = paragraph.need("Size")?.parse().map_err(|e| wrong("size").because(e))?;
        let digest = format!("sha256:{}", paragraph.need("SHA256")?);
        Ok(Record {
            version: paragraph.need("Version")?.to_owned(),
            architecture: paragraph.need("Architecture")?.to_owned(),
            relations: Relations::of(&paragraph).context(|| format!("the package {name} is invalid"))?,
            url: format!("{}/{filename}", self.url),
            size,
            digest: digest.parse().map_err(|_| wrong("SHA-256"))?,
            priority: priority(&paragraph),
            place,
            name,
        })
    }
}

/// Whether it is a path below the archive, which needs no escaping in a URL.
fn is_plain(path: &str) -> bool {
    let part = |part: &str| {
        !matches!(part, "" | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-+._~:%=@,".contains(&b))
    };
    path.split('/').all(part)
}

fn priority(paragraph: &Paragraph) -> u8 {
    if paragraph.get("Essential") == Some("yes") {
        return 0;
    }
    match paragraph.get("Priority") {
        Some("required") => 1,
        Some("important") => 2,
        Some("standard") => 3,
        Some("extra") => 5,
        _ => 4,
    }
}

fn places(sorted: &[(Box<str>, Place)], name: &str) -> Vec<Place> {
    let from = sorted.partition_point(|(other, _)| &**other < name);
    sorted[from..].iter().take_while(|(other, _)| &**other == name).map(|(_, place)| *place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::fakes::indexes;

    #[test]
    fn the_highest_version_comes_first_and_backports_last() {
        let mut indexes =
            indexes(&["Package: a\nVersion: 1\n\nPackage: b\nVersion: 2\n", "Package: a\nVersion: 2\n"]);
        let versions = |indexes: &mut Indexes, name: &str| -> Vec<String> {
            indexes.versions(name).expect("read").iter().map(|record| record.version.clone()).collect()
        };
        assert_eq!(versions(&mut indexes, "a"), ["2", "1"]);
        assert_eq!(versions(&mut indexes, "b"), ["2"]);
        assert!(versions(&mut indexes, "c").is_empty());
        indexes.0[1].last = true;
        assert_eq!(versions(&mut indexes, "a"), ["1", "2"]);
    }

    #[test]
    fn providers_are_found_by_what_they_give() {
        let mut indexes = indexes(&[
            "Package: a\nVersion: 1\nProvides: x (= 2), y\n\nPackage: b\nVersion: 2\nProvides: y\n",
        ]);
        assert_eq!(indexes.providers("y").expect("read"), ["a", "b"]);
        assert_eq!(indexes.providers("x").expect("read"), ["a"]);
        let a = indexes.versions("a").expect("read").remove(0);
        let gives = |text: &str| a.relations.gives(&list(text).expect("one")[0]);
        assert!(gives("x") && gives("x (>= 2)") && !gives("x (>= 3)"));
        assert!(gives("y") && !gives("y (>= 0)") && !gives("y:i386"));
    }

    #[test]
    fn paths_that_leave_the_archive_are_refused() {
        for path in ["../x.deb", "/etc/passwd", "a//b", "a?b", "a b", "a#b", ""] {
            assert!(!is_plain(path), "{path}");
        }
        assert!(is_plain("pool/main/g/g++/g++_4%3a12.2.0-3_amd64.deb"));
    }
}
