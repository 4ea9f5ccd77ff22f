use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Strategy};

use super::super::{Layer, Press, Spec, Zipped};
use crate::facts::tree::Tree;
use crate::oci::media_type::Format;
use crate::oci::{Digest, Mode, Owner};
use crate::store::Source;

use super::*;

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// Noise, text, or zeros.
    fn content(&mut self) -> Vec<u8> {
        let size = match self.below(8) {
            0 => 0,
            1 => 1,
            2 => self.below(20),
            3..6 => self.below(5_000),
            6 => 510 + self.below(5),
            _ => self.below(400_000),
        };
        match self.below(3) {
            0 => (0..size).map(|_| self.below(256) as u8).collect(),
            1 => (0..size).map(|_| b"abcdefgh "[self.below(9)]).collect(),
            _ => vec![0; size],
        }
    }

    /// A raw DEFLATE stream of any level and strategy, perhaps of several parts.
    fn deflated(&mut self, content: &[u8]) -> Vec<u8> {
        let strategies =
            [Strategy::Default, Strategy::Fixed, Strategy::HuffmanOnly, Strategy::Rle, Strategy::Filtered];
        let strategy = strategies[self.below(5)];
        let level = self.below(10) as i32;
        let config = DeflateConfig { window_bits: -15, level, strategy, ..DeflateConfig::default() };
        let mut encoder = Deflate::new_with_config(config);
        let mut stream = vec![0; content.len() + content.len() / 10 + 1000];
        let cut = self.below(content.len() + 1);
        let flush = [DeflateFlush::NoFlush, DeflateFlush::SyncFlush, DeflateFlush::FullFlush][self.below(3)];
        encoder.compress(&content[..cut], &mut stream, flush).expect("deflated");
        let (taken, made) = (encoder.total_in() as usize, encoder.total_out() as usize);
        encoder.compress(&content[taken..], &mut stream[made..], DeflateFlush::Finish).expect("deflated");
        stream.truncate(encoder.total_out() as usize);
        stream
    }
}

/// A file that holds streams one after the other, as a zip does.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    files: Vec<(ZipMethod, u64, u64, Vec<u8>)>,
}

impl Archive {
    fn add(&mut self, method: ZipMethod, stream: &[u8], content: &[u8]) {
        self.bytes.extend_from_slice(b"PK local header");
        let offset = self.bytes.len() as u64;
        self.files.push((method, offset, stream.len() as u64, content.to_vec()));
        self.bytes.extend_from_slice(stream);
    }

    fn write(&self, path: &Path) -> Vec<Zipped> {
        std::fs::write(path, &self.bytes).expect("written");
        let archive_digest = Digest::of(&self.bytes);
        let zipped = |(method, offset, compressed, content): &(ZipMethod, u64, u64, Vec<u8>)| Zipped {
            archive: path.to_owned(),
            archive_digest,
            offset: *offset,
            method: *method,
            compressed: *compressed,
            size: content.len() as u64,
            crc32: crc32fast::hash(content),
            digest: offset.is_multiple_of(2).then(|| Digest::of(content)),
        };
        self.files.iter().map(zipped).collect()
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("folder");
    let store = Store::open(folder.path()).expect("store");
    (folder, store)
}

fn spec(entries: Vec<Entry>, compression: Compression) -> Spec {
    Spec { title: "t".into(), entries, owner: Owner::ROOT, compression, format: Format::Oci }
}

fn pack(spec: &Spec, store: &Store, jobs: usize) -> Result<Layer> {
    Press::silently((store, false, jobs), spec, &Tree::default())
}

fn file(path: String, content: Content) -> Entry {
    Entry::file(path, content, Mode(0o644), Owner::ROOT)
}

fn blob(layer: &Layer) -> Vec<u8> {
    let Source::File(path) = &layer.blob.source else { panic!("not in a file") };
    std::fs::read(path).expect("read")
}

/// The only member's content.
fn plain(gzip: &[u8]) -> Vec<u8> {
    let mut decoder = flate2::bufread::GzDecoder::new(gzip);
    let mut plain = Vec::new();
    decoder.read_to_end(&mut plain).expect("a member");
    assert!(decoder.into_inner().is_empty(), "something follows the member");
    plain
}

/// Deflated and stored files between generated ones, links and folders: the entries as zipped,
/// and the same with contents in memory.
fn random(numbers: &mut Numbers, folder: &Path) -> (Vec<Entry>, Vec<Entry>) {
    let mut archive = Archive::default();
    for _ in 0..60 {
        let content = numbers.content();
        if numbers.below(6) == 0 {
            archive.add(ZipMethod::Stored, &content, &content);
        } else {
            let stream = numbers.deflated(&content);
            archive.add(ZipMethod::Deflated, &stream, &content);
        }
    }
    let zipped = archive.write(&folder.join(format!("{}.whl", numbers.0)));
    let (mut spliced, mut ordinary) = (Vec::new(), Vec::new());
    for (i, (zipped, (_, _, _, content))) in zipped.into_iter().zip(&archive.files).enumerate() {
        let path = format!("lib/{}/{}{i}", numbers.below(7), "name".repeat(1 + numbers.below(40)));
        let both = match numbers.below(8) {
            0 => Some(Entry::symlink(format!("{path}.link"), "x", Owner::ROOT)),
            1 => Some(file(format!("{path}.generated"), Content::Bytes(numbers.content().into()))),
            _ => None,
        };
        for entries in [&mut spliced, &mut ordinary] {
            entries.extend(both.clone());
        }
        ordinary.push(file(path.clone(), Content::Bytes(content.clone().into())));
        spliced.push(file(path, Content::Zipped(Arc::new(zipped))));
    }
    (spliced, ordinary)
}

#[test]
fn a_spliced_layer_is_the_same_tar_as_an_ordinary_one() {
    let (folder, store) = store();
    for seed in 0..12 {
        let (spliced, ordinary) = random(&mut Numbers(seed), folder.path());
        let ordinary = pack(&spec(ordinary, Compression::Gzip), &store, 1).expect("ordinary");
        let none = pack(&spec(spliced.clone(), Compression::None), &store, 1).expect("plain");
        let layer = pack(&spec(spliced.clone(), Compression::Gzip), &store, 1).expect("spliced");
        assert_eq!(layer.diff_id, ordinary.diff_id, "{seed}");
        assert_eq!(none.diff_id, ordinary.diff_id, "{seed}");
        assert!(plain(&blob(&layer)) == plain(&blob(&ordinary)), "{seed}");
        assert_eq!(Digest::of(&blob(&layer)), layer.blob.descriptor.digest);
        assert_eq!(pack(&spec(spliced, Compression::Gzip), &store, 3).expect("again"), layer);
    }
}

/// The layer's entries are the archive's files, named by their numbers.
fn numbered(archive: &Archive, folder: &Path) -> Vec<Entry> {
    let zipped = archive.write(&folder.join("a.whl")).into_iter().enumerate();
    zipped.map(|(i, zipped)| file(format!("{i:04}"), Content::Zipped(Arc::new(zipped)))).collect()
}

#[test]
fn a_stream_may_end_at_any_bit() {
    let (folder, store) = store();
    let mut archive = Archive::default();
    for n in 0..24u8 {
        let content: Vec<u8> = (200 + n..201 + n + n % 8).collect();
        let mut encoder = Deflate::new_with_config(DeflateConfig {
            window_bits: -15,
            strategy: Strategy::Fixed,
            ..DeflateConfig::default()
        });
        let mut stream = vec![0; 100];
        encoder.compress(&content, &mut stream, DeflateFlush::Finish).expect("deflated");
        stream.truncate(encoder.total_out() as usize);
        // Three bits, nine for each literal of the upper half, seven at the end: any eight lengths in a
        // row end at eight different bits.
        assert_eq!(stream.len(), (3 + 9 * content.len() + 7).div_ceil(8));
        archive.add(ZipMethod::Deflated, &stream, &content);
    }
    let entries = numbered(&archive, folder.path());
    let layer = pack(&spec(entries, Compression::Gzip), &store, 1).expect("spliced");
    assert_eq!(Digest::of(&plain(&blob(&layer))), layer.diff_id);
}

/// Streams of each sort of block, as zlib once made them.
fn fixed_archive() -> Archive {
    let mut archive = Archive::default();
    let text: String =
        (0..40).map(|i| format!("line {} of a module: import sys, os\n", i * i % 97)).collect();
    let bytes = |hex: &str| {
        let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16).expect("a digit")).collect();
        digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect::<Vec<_>>()
    };
    let dynamic = "8d934b0e83301043f79c620ec002423e136e53a920210582085df4f6a817e8bcbd35b6c776d98e4506a9abbc64afef4f\
        5966d9f6b35eb7b46feba5b6aefc20a30df1362403a268635cb03113b8e3819e086c29f8ce046c012a9f6c4c72800b2806ae22b893\
        495ae03d89d414e809802b93f690c293dd103d802b80ff288814c4e5400b15700560cb8148950c998c14781fc11d05f589ff310f";
    archive.add(ZipMethod::Deflated, &bytes(dynamic), text.as_bytes());
    archive.add(ZipMethod::Deflated, &bytes("cb48cdc9c9d751c840a200"), b"hello, hello, hello");
    archive.add(ZipMethod::Deflated, &bytes("010c00f3ff73746f726564206279746573"), b"stored bytes");
    archive.add(ZipMethod::Deflated, &bytes("0300"), b"");
    archive.add(ZipMethod::Stored, b"tiny", b"tiny");
    archive.add(ZipMethod::Stored, b"", b"");
    archive
}

/// The contract: if this changes, `CONTRACT` must change, and the changelog must say so.
#[test]
fn the_bytes_of_a_spliced_layer_are_pinned() {
    let (folder, store) = store();
    let mut entries = numbered(&fixed_archive(), folder.path());
    entries.push(Entry::symlink("bin/python", "/usr/bin/python3", Owner::ROOT));
    let long = "long/".repeat(30) + "INSTALLER";
    entries.push(file(long, Content::Bytes("containerize\n".into())));
    let layer = pack(&spec(entries.clone(), Compression::Gzip), &store, 2).expect("spliced");
    // Of zipped and small files alone: these bytes hang on no encoder.
    assert_eq!(
        layer.diff_id.to_string(),
        "sha256:7e620902b1503b98945303e3afb5ac5c4a912a66b6afbb40e0a52d178cb8b2e9"
    );
    assert_eq!(
        layer.blob.descriptor.digest.to_string(),
        "sha256:8a2642857914b1f05bf3ae37b33d0a3c37f84809b511c0cfda8bd83464fb9c9b"
    );
    assert!(plain(&blob(&layer)).len().is_multiple_of(512));

    let record: String = (0..20_000).map(|i| format!("pkg/module_{i}.py,sha256={},{i}\n", i * i)).collect();
    entries.push(file("RECORD".into(), Content::Bytes(record.clone().into())));
    let mut stored = Archive::default();
    stored.add(ZipMethod::Stored, record.as_bytes(), record.as_bytes());
    let stored = stored.write(&folder.path().join("b.whl")).remove(0);
    entries.push(file("stored".into(), Content::Zipped(Arc::new(stored))));
    let layer = pack(&spec(entries, Compression::Gzip), &store, 1).expect("spliced");
    // Of larger ones too: these hang on the pinned encoder.
    assert_eq!(
        layer.diff_id.to_string(),
        "sha256:653db11c1a2bd14ada2afc2d53049ae5e67149283fa0658f6a43ad8dd76711f9"
    );
    assert_eq!(
        layer.blob.descriptor.digest.to_string(),
        "sha256:0c6493ab5e18ca05d0e1ce58f401853e6b34c0b1aca99faa7dd6e7e67e0da6be"
    );
    assert!(layer.blob.descriptor.size < record.len() as u64, "both were compressed");
}

#[test]
fn a_header_costs_little_where_the_last_one_is_near() {
    let (folder, store) = store();
    let mut archive = Archive::default();
    for _ in 0..1000 {
        archive.add(ZipMethod::Deflated, &[0x4b, 4, 0], b"a");
    }
    let entries = numbered(&archive, folder.path());
    let layer = pack(&spec(entries, Compression::Gzip), &store, 1).expect("spliced");
    assert!(layer.blob.descriptor.size < 40_000, "{}", layer.blob.descriptor.size);
}

#[test]
fn how_a_file_arrives_does_not_matter() {
    let (folder, store) = store();
    let data: Vec<u8> = (0..700_000u32).flat_map(|i| [(i.wrapping_mul(i) >> 11) as u8]).collect();
    let path = folder.path().join("data");
    std::fs::write(&path, &data).expect("written");
    let mut archive = Archive::default();
    archive.add(ZipMethod::Stored, &data, &data);
    archive.add(ZipMethod::Deflated, &[3, 0], b"");
    let mut zipped = numbered(&archive, folder.path());
    let empty = zipped.pop().expect("the second");
    let Some(Entry { kind: EntryKind::File(stored), .. }) = zipped.pop() else { panic!("no file") };
    let contents = [stored, Content::of_file(&path).expect("hashed"), Content::Bytes(data.into())];
    let layers = contents.map(|content| {
        let entries = vec![file("data".into(), content), empty.clone()];
        pack(&spec(entries, Compression::Gzip), &store, 1).expect("spliced")
    });
    assert!(layers[0] == layers[1] && layers[1] == layers[2]);
}

#[test]
fn a_lie_leaves_nothing_behind() {
    let changes: [fn(&mut Zipped); 5] = [
        |zipped| zipped.crc32 ^= 1,
        |zipped| zipped.size -= 1,
        |zipped| zipped.compressed -= 1,
        |zipped| zipped.compressed += 1,
        |zipped| zipped.digest = Some(Digest::of(b"other")),
    ];
    for change in changes {
        for jobs in [1, 2] {
            let (folder, store) = store();
            let mut zipped = fixed_archive().write(&folder.path().join("a.whl"));
            change(&mut zipped[1]);
            let entries = zipped.into_iter().enumerate();
            let entries =
                entries.map(|(i, zipped)| file(format!("pkg/{i}.py"), Content::Zipped(Arc::new(zipped))));
            let error = pack(&spec(entries.collect(), Compression::Gzip), &store, jobs).expect_err("noticed");
            assert_eq!(error.kind(), crate::Kind::Integrity);
            assert!(error.causes()[0].contains("pkg/1.py in "), "{error:?}");
            for place in ["blobs/sha256", "tmp"] {
                assert_eq!(std::fs::read_dir(folder.path().join(place)).expect("folder").count(), 0);
            }
        }
    }
}

#[test]
fn the_memo_tells_a_spliced_layer_from_an_ordinary_one() {
    let (folder, store) = store();
    let mut archive = Archive::default();
    archive.add(ZipMethod::Deflated, &[0x4b, 4, 0], b"a");
    let spliced = spec(numbered(&archive, folder.path()), Compression::Gzip);
    let ordinary = spec(vec![file("0000".into(), Content::Bytes("a".into()))], Compression::Gzip);
    let recall = |spec| Press::silently((&store, true, 1), spec, &Tree::default()).expect("a layer");
    let layer = recall(&spliced);
    assert_ne!(recall(&ordinary).blob, layer.blob);
    assert_eq!(recall(&ordinary).diff_id, layer.diff_id);
    assert_eq!(recall(&spliced).blob, layer.blob);
}

/// Programs that read a layer from standard input, and stop at the end of the first member if
/// they read more than one badly. All but Python print the size of what they read.
const READERS: [(&str, &[&str]); 6] = [
    ("sh", &["-c", "gzip -t && echo ok"]),
    ("sh", &["-c", "command -v pigz >/dev/null || exit 0; pigz -t && echo ok"]),
    ("sh", &["-c", "tar -xzOf - | wc -c"]),
    ("sh", &["-c", "command -v bsdtar >/dev/null || exit 0; bsdtar -xOf - | wc -c"]),
    ("python3", &["-c", PYTHON]),
    ("node", &["-e", NODE]),
];
const PYTHON: &str = "import sys, tarfile; print(sum(len(t.extractfile(m).read()) \
    for t in [tarfile.open(fileobj=sys.stdin.buffer, mode='r|gz')] for m in t if m.isreg()))";
const NODE: &str = "const z = require('zlib').gunzipSync(require('fs').readFileSync(0)); \
    console.log(z.length % 512 ? 'cut' : 'ok')";

#[test]
fn other_programs_read_it() {
    let (folder, store) = store();
    let (entries, _) = random(&mut Numbers(99), folder.path());
    let size = |entry: &Entry| if let EntryKind::File(file) = &entry.kind { file.size() } else { 0 };
    let total = entries.iter().map(size).sum::<u64>().to_string();
    let layer = pack(&spec(entries, Compression::Gzip), &store, 1).expect("spliced");
    let Source::File(path) = &layer.blob.source else { panic!("not in a file") };
    for (program, arguments) in READERS {
        let input = Stdio::from(std::fs::File::open(path).expect("open"));
        let Ok(output) = Command::new(program).args(arguments).stdin(input).output() else { continue };
        let (out, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && errors.is_empty(), "{arguments:?}: {errors}");
        assert!(["", "ok", total.as_str()].contains(&out.trim()), "{arguments:?}: {out} of {total}");
    }
}

#[test]
fn what_is_in_it_is_known_when_a_second_thread_helped() {
    let (folder, store) = store();
    let mut archive = Archive::default();
    archive.add(ZipMethod::Stored, b"#!/bin/sh\n", b"#!/bin/sh\n");
    let zipped = archive.write(&folder.path().join("a.whl")).remove(0);
    let script = file("run".into(), Content::Zipped(zipped.into()));
    let layer = pack(&spec(vec![script], Compression::Gzip), &store, 2).expect("packed");
    assert!(facts::known(&layer.blob, &store) && facts::details_known(&layer.blob, &store));
    let remembered = facts::details_of(&layer.blob, &layer.diff_id, &store).expect("remembered");
    let (_other, empty) = self::store();
    assert_eq!(facts::details_of(&layer.blob, &layer.diff_id, &empty).expect("read"), remembered);
    assert!(remembered.1.contains_key("run"));
}
