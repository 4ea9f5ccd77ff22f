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

use super::super::{Press, Spec, Zipped};
use super::*;
use crate::facts::tree::Tree;
use crate::oci::media_type::Format;
use crate::oci::{Digest, Mode, Owner, Sha256};

/// From this size in bytes on, a wheel has a layer of its own.
const LARGE: u64 = 1 << 20;
/// Shorter runs are repeated, and their mean is taken.
const LEAST_SECONDS: f64 = 0.02;

/// Seconds that this thread ran, to the nanosecond. What `/proc` says of it is as old as the last tick or change of
/// threads, and so nothing at all of most small wheels.
fn thread_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// How long this thread runs to do something once.
fn seconds(mut what: impl FnMut()) -> f64 {
    let mut runs = 1;
    loop {
        let start = thread_seconds();
        (0..runs).for_each(|_| what());
        let took = thread_seconds() - start;
        if took >= LEAST_SECONDS {
            return took / f64::from(runs);
        }
        runs *= 4;
    }
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

/// A layer for each large wheel, and one for all others, as images have them.
fn layers(folder: &Path) -> Vec<(String, Vec<PathBuf>)> {
    let mut wheels: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    wheels.retain(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheels.sort();
    let (large, small): (Vec<_>, Vec<_>) = wheels.into_iter().partition(|wheel| length(wheel) >= LARGE);
    let name = |wheel: &PathBuf| wheel.file_stem().expect("name").display().to_string();
    let mut layers: Vec<_> = large.into_iter().map(|wheel| (name(&wheel), vec![wheel])).collect();
    if !small.is_empty() {
        layers.push((format!("{} small wheels", small.len()), small));
    }
    layers
}

fn length(file: &Path) -> u64 {
    file.metadata().expect("size").len()
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
        Entry::file(format!("{prefix}/{name}"), Content::Zipped(Arc::clone(zipped)), Mode(0o644), Owner::ROOT)
    };
    Spec {
        title: "wheel".into(),
        entries: zipped.iter().map(entry).collect(),
        owner: Owner::ROOT,
        compression: Compression::Gzip,
        format: Format::Oci,
    }
}

#[test]
#[ignore = "needs WHEELS, a folder with wheels"]
fn splicing_costs_little_more_than_its_parts() {
    let folder = PathBuf::from(std::env::var_os("WHEELS").expect("WHEELS"));
    let cache = tempfile::tempdir().expect("folder");
    let store = Store::open(cache.path()).expect("store");
    let (mut cpu, mut sum, mut two) = (0.0, 0.0, 0.0);
    let (mut size, mut payload, mut most, mut plain) = (0, 0, 0, 0u64);
    for (name, wheels) in layers(&folder) {
        let zipped: Vec<_> = wheels.iter().flat_map(|wheel| entries(wheel)).collect();
        let spec = spec(&zipped);
        let pack = |jobs| Press::silently((&store, false, jobs), &spec, &Tree::default()).expect("written");
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
        let (bytes, given) =
            (layer.blob.descriptor.size, wheels.iter().map(|wheel| length(wheel)).sum::<u64>());
        println!(
            "{:9} files {:9} -> {:9} bytes ({:.4}), CPU {:7.2} ms, parts {:7.2} ms ({:.3}) {name}",
            zipped.len(),
            given,
            bytes,
            bytes as f64 / given as f64,
            splice * 1000.0,
            parts * 1000.0,
            splice / parts,
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
