//! Changed seeds for every reader: some hundreds always, as many as fit into the seconds of
//! `CONTAINERIZE_FUZZ_SECONDS` where it is set.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use containerize_fuzz::mutate::{Numbers, changed};
use containerize_fuzz::{READERS, Reader, seeds};

/// Tries of each reader where no time is given.
const TRIES: usize = 500;

fn time() -> Option<Duration> {
    let seconds = std::env::var("CONTAINERIZE_FUZZ_SECONDS").ok()?;
    Some(Duration::from_secs(seconds.parse().expect("CONTAINERIZE_FUZZ_SECONDS is a number")))
}

/// Gives one reader changed seeds; where it panics, the input is kept and named.
fn campaign(name: &str) {
    let reader = READERS.iter().find(|reader| reader.name == name).expect("a reader of this name");
    let seeds = (reader.seeds)();
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|seed| attempt(reader, seed));
    let mut numbers = Numbers::new(name.len() as u64);
    let (start, limit) = (Instant::now(), time());
    for number in 0.. {
        let is_over = limit.map_or(number >= TRIES, |limit| start.elapsed() >= limit);
        if is_over {
            break;
        }
        let (seed, other) = (&seeds[numbers.below(seeds.len())], &seeds[numbers.below(seeds.len())]);
        attempt(reader, &changed(seed, other, &mut numbers));
    }
}

fn attempt(reader: &Reader, bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (reader.read)(bytes))).is_ok() {
        return;
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.crash", reader.name));
    std::fs::write(&kept, bytes).expect("the input");
    panic!("{} panics: its input is in {}", reader.name, kept.display());
}

macro_rules! campaigns {
    ($($test:ident $name:literal)*) => {
        $(#[test]
        fn $test() {
            campaign($name);
        })*

        #[test]
        fn every_reader_has_a_campaign() {
            assert_eq!([$($name),*], READERS.map(|reader| reader.name));
        }
    };
}

campaigns! {
    wheels "wheel"
    packages "deb"
    layers "layer"
    programs "elf"
    loader_caches "loader-cache"
    locks "lock"
    requirements "requirement"
    manifests "manifest"
    references "reference"
    challenges "challenge"
    bundles "bundle"
    attestations "attestations"
    bills "bill"
    dockerfiles "dockerfile"
}

#[test]
fn every_seed_is_sound() {
    for seed in &seeds::bills()[..2] {
        let document = serde_json::from_slice(seed).expect("JSON");
        assert!(containerize_core::sbom::read(&document).is_some(), "{document}");
    }
    for seed in seeds::wheels() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("demo-1.0-py3-none-any.whl");
        std::fs::write(&path, &seed).expect("a wheel");
        let digest = containerize_core::oci::Digest::of(&seed);
        containerize_core::wheel::Wheel::open(&path, "demo-1.0-py3-none-any.whl", digest)
            .expect("a sound wheel");
    }
    for seed in seeds::packages() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("demo.deb");
        std::fs::write(&path, &seed).expect("a package");
        let scratch = folder.path().join("scratch");
        containerize_core::debian::Unpacked::read(&path, "demo", true, &scratch).expect("a sound package");
    }
    for seed in seeds::layers() {
        containerize_core::facts::Scanned::of(&seed[..]).expect("a sound layer");
    }
    for seed in seeds::locks() {
        let (name, kind) = seeds::LOCKS[usize::from(seed[0])];
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(name), &seed[1..]).expect("a lock");
        containerize_core::python::lock::read(&folder.path().join(name), kind).expect(name);
    }
}

/// `cargo test -p containerize-fuzz seeds_of_cargo_fuzz -- --ignored` makes them.
#[test]
#[ignore = "writes the folder that cargo fuzz starts from"]
fn seeds_of_cargo_fuzz() {
    seeds::write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")).expect("the seeds");
}
