//! Writing a layer, or remembering that it was written before.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::compress::{Compressed, compress};
use super::content::content;
use super::header::{BLOCK, header};
use super::resolve::resolve;
use super::splice::{self, splice};
use super::unzip::{self, Unzipper, cannot_write};
use super::{CONTRACT, Entry, EntryKind, Layer, Press, Spec};
use crate::error::{Context, Result};
use crate::event::{Motion, Outcome, Task};
use crate::facts::tree::Tree;
use crate::oci::media_type::{Compression, Format};
use crate::oci::{Descriptor, Digest, Sha256};
use crate::store::{Blob, Source, Table};

/// What is remembered of a layer.
#[derive(Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) digest: Digest,
    pub(super) diff_id: Digest,
    pub(super) size: u64,
}

impl Press<'_> {
    /// Writes the layer on top of `base` into the store, unless it was written before from the same entries
    /// and may be taken as it is.
    ///
    /// # Errors
    /// Usage for entries that contradict each other or the base; build when a file changes while
    /// it is read, or the disk refuses. Nothing is kept then.
    pub fn write(&self, spec: &Spec, base: &Tree) -> Result<Layer> {
        let Self { store, jobs, events, .. } = *self;
        let entries = resolve(spec, base)?;
        let key = memo_key(spec, &entries)?;
        // Images for several platforms are packed at the same time and share layers.
        let _turn = store.turn(Table::Layers.name(), &key);
        let shape = (spec.title.as_str(), spec.compression, spec.format);
        if let Some(layer) = self.remembered(Table::Layers, &key, shape) {
            return Ok(layer);
        }
        let total = entries.iter().map(tar_size).sum::<u64>() + 2 * BLOCK as u64;
        let task = events.start(Motion::Layer, &spec.title, Some(total));
        let packed = if splice::applies(spec.compression, &entries) {
            splice(store, jobs, &entries, &task)
        } else {
            compress(store, spec.compression, jobs, |to| tar(&entries, to, &task))
        };
        let packed = packed.context(|| format!("cannot make the layer {}", spec.title))?;
        task.end(Outcome::Done);
        let Compressed { path, diff_id, digest, size } = packed;
        let known = Known { digest, diff_id, size };
        store.remember(Table::Layers, &key, &known);
        Ok(finished(shape, known, Source::File(path), true))
    }

    /// The layer that was made under this key, here or in a registry.
    pub(super) fn remembered(&self, table: Table, key: &str, shape: Shape<'_>) -> Option<Layer> {
        let Self { store, use_memo, events, .. } = *self;
        let known = store.recall::<Known>(table, key).filter(|_| use_memo)?;
        let source = match store.find(&known.digest, known.size) {
            Some(path) => Source::File(path),
            None => Source::Registry(store.lent_home(&known.digest)?),
        };
        events.start(Motion::Layer, shape.0, Some(known.size)).end(Outcome::Exists);
        Some(finished(shape, known, source, false))
    }
}

/// What a layer is called, how it is compressed, and the family of its media type.
pub(super) type Shape<'a> = (&'a str, Compression, Format);

fn finished((title, compression, format): Shape<'_>, known: Known, source: Source, fresh: bool) -> Layer {
    let descriptor = Descriptor::new(format.layer(compression), known.digest, known.size);
    let (blob, diff_id) = (Blob { descriptor, source }, known.diff_id);
    Layer { blob, diff_id, title: title.to_owned(), fresh }
}

/// Names everything that the layer's bytes depend on.
fn memo_key(spec: &Spec, entries: &[Entry]) -> Result<String> {
    let mut hash = Sha256::new();
    for entry in entries {
        // The header says path, kind, mode, owner, size and link; only the content is missing.
        hash.update(&header(entry)?);
        if let EntryKind::File(content) = &entry.kind {
            hash.update(content.identity().as_bytes());
        }
    }
    Ok(format!("v{CONTRACT} {} {}", spec.compression.as_str(), hash.finish()))
}

/// An estimate for the progress display: PAX headers aside, it is exact.
fn tar_size(entry: &Entry) -> u64 {
    let content = if let EntryKind::File(content) = &entry.kind { content.size() } else { 0 };
    BLOCK as u64 + content.next_multiple_of(BLOCK as u64)
}

/// Writes the whole tar stream: entries, then two blocks of zeros.
fn tar(entries: &[Entry], to: &mut dyn Write, task: &Task) -> Result<()> {
    let mut unzipper = Unzipper::new(unzip::CHUNK)?;
    for entry in entries {
        to.write_all(&header(entry)?).context(cannot_write)?;
        if let EntryKind::File(file) = &entry.kind {
            content(file, &entry.path, to, &mut unzipper, task)?;
            let padding = file.size().next_multiple_of(BLOCK as u64) - file.size();
            to.write_all(&[0; BLOCK][..padding as usize]).context(cannot_write)?;
        }
    }
    to.write_all(&[0; 2 * BLOCK]).context(cannot_write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::tree::{Node, NodeKind};
    use crate::layer::Content;
    use crate::oci::{Mode, Owner};
    use crate::store::Store;
    use std::fs::File;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        (folder, store)
    }

    fn spec(entries: Vec<Entry>) -> Spec {
        Spec {
            title: "t".into(),
            entries,
            owner: Owner::ROOT,
            compression: Compression::Gzip,
            format: Format::Oci,
        }
    }

    fn bytes(text: &str) -> Content {
        Content::Bytes(text.to_owned().into())
    }

    /// One of everything that a layer can hold.
    fn everything() -> Spec {
        let text: String = (0..200_000u32).map(|i| format!("{:x} ", i.wrapping_mul(i))).collect();
        spec(vec![
            Entry::file("usr/local/bin/web", bytes(&text), Mode(0o755), Owner::ROOT),
            Entry::symlink("usr/local/bin/link", "web", Owner::ROOT),
            Entry {
                kind: EntryKind::Hardlink("etc/a".into()),
                ..Entry::file("etc/b", bytes(""), Mode(0o644), Owner::ROOT)
            },
            Entry::file("etc/a", bytes("a"), Mode(0o644), Owner::ROOT),
            Entry::directory("data", Mode(0o750), Owner { uid: 65532, gid: 65532 }),
            Entry::file(
                format!("{}/{}", "long".repeat(40), "name".repeat(30)),
                bytes("l"),
                Mode(0o600),
                Owner::ROOT,
            ),
            Entry::file("straße/ß", bytes("s"), Mode(0o644), Owner { uid: 3_000_000, gid: 3_000_000 }),
            Entry::file("lib/x.so", bytes("x"), Mode(0o644), Owner::ROOT),
        ])
    }

    fn base() -> Tree {
        let mut tree = Tree::default();
        tree.insert("usr", Node { kind: NodeKind::Directory, mode: 0o755, uid: 0, gid: 0 });
        tree.insert("usr/lib", Node { kind: NodeKind::Directory, mode: 0o755, uid: 0, gid: 0 });
        tree.insert("lib", Node { kind: NodeKind::Symlink("usr/lib".into()), mode: 0o777, uid: 0, gid: 0 });
        tree
    }

    fn pack(spec: &Spec, store: &Store, jobs: usize) -> Layer {
        Press::silently((store, false, jobs), spec, &base()).expect("written")
    }

    /// The contract: if this changes, `CONTRACT` must change, and the changelog must say so.
    #[test]
    fn the_bytes_of_a_layer_are_pinned() {
        let (_folder, store) = store();
        let layer = pack(&everything(), &store, 2);
        assert_eq!(
            layer.diff_id.to_string(),
            "sha256:70881f96e910bbb0476848242f09b11f76a6a27f7e6a9c08cc292254ab76cc9a"
        );
        assert_eq!(
            layer.blob.descriptor.digest.to_string(),
            "sha256:52e6656cceff2212931a3e76997dc90383129276fac69b04f7255abd7de81565"
        );
        let zstd = pack(&Spec { compression: Compression::Zstd, ..everything() }, &store, 2);
        assert_eq!(
            zstd.blob.descriptor.digest.to_string(),
            "sha256:2a4b302e377cb56214f0c6996c30effcc9956338d09f7e9cc842637b35f8a455"
        );
    }

    #[test]
    fn neither_order_nor_threads_nor_the_memo_change_it() {
        let (_folder, store) = store();
        let first = pack(&everything(), &store, 1);
        let mut reversed = everything();
        reversed.entries.reverse();
        assert_eq!(pack(&reversed, &store, 7), first);
        let remembered = Press::silently((&store, true, 3), &everything(), &base()).expect("recalled");
        assert_eq!((remembered.fresh, remembered.blob), (false, first.blob));
    }

    #[test]
    fn one_byte_or_bit_more_is_another_layer() {
        let (_folder, store) = store();
        let one = spec(vec![Entry::file("a", bytes("x"), Mode(0o644), Owner::ROOT)]);
        let first = pack(&one, &store, 1).diff_id;
        for other in [
            Entry::file("a", bytes("y"), Mode(0o644), Owner::ROOT),
            Entry::file("a", bytes("x"), Mode(0o755), Owner::ROOT),
            Entry::file("a", bytes("x"), Mode(0o644), Owner { uid: 0, gid: 1 }),
            Entry::file("b", bytes("x"), Mode(0o644), Owner::ROOT),
        ] {
            // With the memo: its key must tell them apart too.
            let layer = Press::silently((&store, true, 1), &spec(vec![other]), &base()).expect("written");
            assert_ne!(layer.diff_id, first);
        }
    }

    #[test]
    fn a_lost_blob_is_made_anew() {
        let (_folder, store) = store();
        let first = pack(&everything(), &store, 1);
        std::fs::remove_file(store.path(&first.blob.descriptor.digest)).expect("removed");
        let again = Press::silently((&store, true, 1), &everything(), &base()).expect("written");
        assert_eq!(again, first);
        assert!(store.find(&first.blob.descriptor.digest, first.blob.descriptor.size).is_some());
    }

    #[test]
    fn other_readers_read_it() {
        let (_folder, store) = store();
        let layer = pack(&everything(), &store, 2);
        let Source::File(path) = &layer.blob.source else { panic!("not in a file") };
        let plain = flate2::read::GzDecoder::new(File::open(path).expect("open"));
        let mut archive = tar::Archive::new(plain);
        let mut names = Vec::new();
        for entry in archive.entries().expect("entries") {
            let entry = entry.expect("entry");
            assert_eq!(entry.header().mtime().expect("mtime"), super::super::MTIME);
            names.push(entry.path().expect("path").display().to_string());
        }
        let mut sorted = names.clone();
        sorted.sort_by(|a, b| a.trim_end_matches('/').as_bytes().cmp(b.trim_end_matches('/').as_bytes()));
        assert_eq!(names, sorted);
        assert!(names.contains(&"usr/lib/x.so".to_owned()), "through the base's link: {names:?}");
        let listed = std::process::Command::new("tar").arg("-tzf").arg(path).output();
        if let Ok(listed) = listed {
            assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
            assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), names.len());
        }
    }

    #[test]
    fn a_file_that_changes_meanwhile_stops_the_layer() {
        let (folder, store) = store();
        let path = folder.path().join("file");
        for (then, now) in [("abc", "abd"), ("abc", "ab"), ("abc", "abcd")] {
            std::fs::write(&path, then).expect("write");
            let content = Content::of_file(&path).expect("hashed");
            std::fs::write(&path, now).expect("write");
            let spec = spec(vec![Entry::file("a", content, Mode(0o644), Owner::ROOT)]);
            let error = Press::silently((&store, true, 1), &spec, &base()).expect_err("noticed");
            assert!(error.causes()[0].contains("changed while it was read"), "{error:?}");
        }
        assert_eq!(std::fs::read_dir(folder.path().join("blobs/sha256")).expect("blobs").count(), 0);
    }
}
