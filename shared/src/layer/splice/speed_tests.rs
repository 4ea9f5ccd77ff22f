//! What splicing costs, on real wheels.
//!
//! `WHEELS=FOLDER cargo test --release -p containerize-core --lib speed -- --ignored --nocapture`
//! where FOLDER is filled by `pip download`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};

use super::super::{Spec, Zipped, write};
use super::*;
use crate::base::tree::Tree;
use crate::event::Events;
use crate::oci::media_type::Format;
use crate::oci::{Digest, Sha256};

/// Seconds that this thread ran.
fn thread_seconds() -> f64 {
    // The kernel counts at its ticks, some milliseconds apart, and when a thread makes room.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|n| n.parse::<f64>().ok()).expect("a number") / 1e9
}

/// How long this thread runs to do something.
fn seconds(what: impl FnOnce()) -> f64 {
    let start = thread_seconds();
    what();
    thread_seconds() - start
}

/// Anonymous memory of the process, in KiB.
fn anonymous() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = text.lines().find(|line| line.starts_with("RssAnon:")).expect("RssAnon");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

fn entries(wheel: &Path) -> Vec<(String, Arc<Zipped>)> {
    let mut zip = zip::ZipArchive::new(File::open(wheel).expect("open")).expect("a wheel");
    let archive_digest = Digest::of(&std::fs::read(wheel).expect("read"));
    let mut found = Vec::new();
    for i in 0..zip.len() {
        let file = zip.by_index_raw(i).expect("file");
        if file.is_dir() {
            continue;
        }
        let method = match file.compression() {
            zip::CompressionMethod::Stored => ZipMethod::Stored,
            _ => ZipMethod::Deflated,
        };
        let (offset, path) = (file.data_start().expect("place"), file.name().expect("a name").into_owned());
        let zipped = Zipped {
            archive: wheel.to_owned(),
            archive_digest,
            offset,
            method,
            compressed: file.compressed_size(),
            size: file.size(),
            crc32: file.crc32(),
            digest: None,
        };
        found.push((path, Arc::new(zipped)));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// Inflates, computes the CRC and hashes content and stream: what no splice can do without.
fn parts(zipped: &[(String, Arc<Zipped>)]) {
    let mut buffer = vec![0; 1 << 20];
    let (mut plain, mut packed) = (Sha256::new(), Sha256::new());
    for (_, zipped) in zipped {
        let mut file = File::open(&zipped.archive).expect("open");
        file.seek(SeekFrom::Start(zipped.offset)).expect("seek");
        let mut stream = Vec::new();
        file.take(zipped.compressed).read_to_end(&mut stream).expect("read");
        packed.update(&stream);
        let (mut inflater, mut crc) = (Decompress::new(false), Hasher::new());
        loop {
            let (before, made) = (inflater.total_in() as usize, inflater.total_out());
            let status = match zipped.method {
                ZipMethod::Stored => Ok(Status::StreamEnd),
                ZipMethod::Deflated => {
                    inflater.decompress(&stream[before..], &mut buffer, FlushDecompress::None)
                }
            };
            let made = &buffer[..(inflater.total_out() - made) as usize];
            crc.update(made);
            plain.update(made);
            if status.expect("a stream") == Status::StreamEnd {
                break;
            }
        }
        std::hint::black_box(crc.finalize());
    }
    std::hint::black_box((plain.finish(), packed.finish()));
}

fn spec(zipped: &[(String, Arc<Zipped>)]) -> Spec {
    let prefix = "app/.venv/lib/python3.13/site-packages";
    let entry = |(name, zipped): &(String, Arc<Zipped>)| {
        Entry::file(format!("{prefix}/{name}"), Content::Zipped(Arc::clone(zipped)), 0o644, (0, 0))
    };
    Spec {
        title: "wheel".into(),
        entries: zipped.iter().map(entry).collect(),
        owner: (0, 0),
        compression: Compression::Gzip,
        format: Format::Oci,
    }
}

#[test]
#[ignore = "needs WHEELS, a folder with wheels"]
fn splicing_costs_little_more_than_its_parts() {
    let folder = PathBuf::from(std::env::var_os("WHEELS").expect("WHEELS"));
    let mut wheels: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    wheels.retain(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheels.sort();
    let cache = tempfile::tempdir().expect("folder");
    let store = Store::open(cache.path()).expect("store");
    let (mut cpu, mut sum, mut two) = (0.0, 0.0, 0.0);
    let (mut size, mut payload, mut most, mut plain) = (0, 0, 0, 0u64);
    for wheel in &wheels {
        let zipped = entries(wheel);
        let spec = spec(&zipped);
        let pack =
            |jobs| write(&spec, &Tree::default(), &store, false, jobs, &Events::silent()).expect("written");
        let layer = pack(1);
        plain += zipped.iter().map(|(_, zipped)| zipped.size).sum::<u64>();
        // In turns, and the best of some: what else the machine does disturbs all alike.
        let mut best = [f64::MAX; 3];
        for _ in 0..5 {
            best[0] = best[0].min(seconds(|| parts(&zipped)));
            best[1] = best[1].min(seconds(|| assert_eq!(pack(1), layer)));
            best[2] = best[2].min(seconds(|| assert_eq!(pack(2), layer)));
        }
        let [parts, splice, first] = best;
        // What the second thread takes over is no longer on the way.
        two += first;
        most = most.max(anonymous());
        let (bytes, given) = (layer.blob.descriptor.size, wheel.metadata().expect("size").len());
        println!(
            "{:9} files {:9} -> {:9} bytes ({:.4}), CPU {splice:.3} s, parts {parts:.3} s ({:.3}) {}",
            zipped.len(),
            given,
            bytes,
            bytes as f64 / given as f64,
            splice / parts,
            wheel.file_name().expect("name").display(),
        );
        cpu += splice;
        sum += parts;
        size += bytes;
        payload += given;
    }
    let (ratio, growth) = (cpu / sum, size as f64 / payload as f64);
    println!(
        "{plain} plain bytes, CPU {cpu:.3} s, parts {sum:.3} s: {ratio:.3}; size {growth:.5}; \
         with a second thread the first runs {two:.3} s ({:.3}); RssAnon {most} KiB",
        two / cpu
    );
    assert!(ratio <= 1.25 && growth <= 1.006 && most < 32 << 10, "{ratio} {growth} {most}");
}
