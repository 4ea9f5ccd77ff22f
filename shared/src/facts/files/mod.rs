//! How large each file of a layer is, which files have the same content, and which package a file belongs to. Found in
//! the same pass as the layer's facts, but only for those who ask: it costs hashing every file.

mod lists;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

pub use lists::{Holding, Owner};

use crate::oci::HashingReader;
use lists::Room;

/// Bytes of one list of files that are kept.
const MAX_LIST: u64 = 16 << 20;

/// Bytes of all lists of a layer, as they are kept. What is beyond belongs to no package.
const MAX_LISTS: usize = 64 << 20;

/// What the files of one layer are, beside its [`super::LayerFacts`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFiles {
    /// The size of the layer without its compression, in bytes.
    pub unpacked: u64,
    /// One for each of the layer's entries, in their order.
    pub measures: Vec<Measure>,
    /// Hard links by their places, and the paths of lower layers that they lead to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<(usize, String)>,
    /// What the databases of packages in the layer list, by their paths.
    pub lists: Vec<(String, Vec<Holding>)>,
}

/// How much an entry holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Bytes that the archive has of it: none of a folder or a link.
    pub size: u64,
    /// What names the content of a regular file: the beginning of its SHA-256. A hard link has that of what it leads to.
    pub content: Option<u128>,
    /// Bytes of what a hard link leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked: Option<u64>,
}

/// The size and the packages of what a pass over a layer sees.
#[derive(Default)]
pub(super) struct Measuring {
    files: LayerFiles,
    /// Hard links, and what they lead to.
    links: Vec<(usize, String)>,
    /// By their paths. A later entry of the same path has the last word.
    lists: BTreeMap<String, Vec<Holding>>,
    /// Bytes of them that are kept, or were.
    listed: usize,
}

impl Measuring {
    /// Adds the next entry, which takes `size` bytes and has no content that can be told.
    pub(super) fn add(&mut self, size: u64) {
        self.files.measures.push(Measure { size, ..Measure::default() });
    }

    /// Adds a hard link.
    pub(super) fn add_link(&mut self, target: String) {
        self.links.push((self.files.measures.len(), target));
        self.add(0);
    }

    /// Adds a regular file of which something was read.
    ///
    /// # Errors
    /// Those of the reader.
    pub(super) fn add_file<R: Read>(&mut self, path: &str, content: Measured<R>) -> io::Result<()> {
        let (measure, list) = content.end()?;
        self.files.measures.push(measure);
        let Some(text) = list else { return Ok(()) };
        self.lists.remove(path);
        let mut room = Room(MAX_LISTS.saturating_sub(self.listed));
        if let Some(path) = room.take(path.to_owned()) {
            self.lists.insert(path.clone(), lists::read(&path, &text, &mut room));
        }
        self.listed = MAX_LISTS - room.0;
        Ok(())
    }

    /// All that was found; `path_of` knows the path of each entry.
    pub(super) fn end<'p>(mut self, path_of: impl Fn(usize) -> Option<&'p str>) -> LayerFiles {
        let mut found: HashMap<&str, Option<Measure>> =
            self.links.iter().map(|(_, target)| (target.as_str(), None)).collect();
        for (at, measure) in self.files.measures.iter().enumerate() {
            if let Some(slot) = path_of(at).and_then(|path| found.get_mut(path))
                && measure.content.is_some()
            {
                *slot = Some(*measure);
            }
        }
        let targets: Vec<Option<Measure>> =
            self.links.iter().map(|(_, target)| found.get(target.as_str()).copied().flatten()).collect();
        for ((at, path), target) in self.links.into_iter().zip(targets) {
            match target {
                Some(Measure { size, content, .. }) => {
                    self.files.measures[at] = Measure { size: 0, content, linked: Some(size) };
                }
                None => self.files.links.push((at, path)),
            }
        }
        self.files.lists = self.lists.into_iter().collect();
        self.files
    }
}

/// A file whose content is hashed as it is read; that of a list of files is kept, too.
pub(super) struct Measured<R> {
    inner: HashingReader<R>,
    list: Option<Vec<u8>>,
}

impl<R: Read> Measured<R> {
    /// The content of the file at `path`.
    pub(super) fn new(path: &str, content: R) -> Self {
        Self { inner: HashingReader::new(content), list: lists::is_list(path).then(Vec::new) }
    }

    fn end(mut self) -> io::Result<(Measure, Option<String>)> {
        io::copy(&mut self, &mut io::sink())?;
        let (digest, size) = self.inner.finish();
        let text = self.list.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok((Measure { size, content: Some(digest.beginning()), linked: None }, text))
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(list) = &mut self.list
            && (list.len() + count) as u64 <= MAX_LIST
        {
            list.extend_from_slice(&buffer[..count]);
        }
        Ok(count)
    }
}
