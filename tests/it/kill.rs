//! The program is killed or interrupted at any moment, and run again.
//!
//! Most moments are not of time but of progress: so much of a layer has been fetched, packed, sent or
//! written. So they come in every phase, however fast or busy the machine is.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use containerize_core::oci::{Digest, Platform};
use containerize_tests::fixture::{has_musl, hello};
use containerize_tests::image;
#[cfg(unix)]
use containerize_tests::program::signals;
use containerize_tests::program::{call, succeeds};
use containerize_tests::registry::{Fault, Phase, TestRegistry};
use serde_json::Value;
use tempfile::TempDir;

/// How long the program may take to come to a moment.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes of the file in the image; it does not pack.
const DATA: usize = 12_000_000;
/// More than the base has in bytes.
const BASE: u64 = 1_000_000;
/// The questions of a build that can be left without an answer.
const QUESTIONS: [Phase; 6] = [
    Phase::GetManifest,
    Phase::HeadBlob,
    Phase::HeadManifest,
    Phase::PostUpload,
    Phase::PutBlob,
    Phase::PutManifest,
];

/// Numbers that look random and are the same each time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// One of so many.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Some hundredths, less than all.
    fn percent(&mut self) -> u8 {
        self.below(100) as u8
    }
}

/// When the program is killed. Numbers are hundredths.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So much of the whole time has passed.
    Time(u8),
    /// So much of a blob of the base has come.
    Pulling { blob: usize, percent: u8 },
    /// So much of the layer is packed.
    Packing(u8),
    /// So much of the archive is written.
    Writing(u8),
    /// So much of a blob was sent.
    Pushing { blob: usize, percent: u8 },
    /// The registry has this question, and has done what was asked or not; it does not answer.
    Asking { phase: Phase, done: bool },
}

/// The phases in turn, each at a random moment.
fn moments(count: usize, seed: u64) -> impl Iterator<Item = Moment> {
    let mut numbers = Numbers(seed);
    (0..count).map(move |i| {
        let percent = numbers.percent();
        match i % 6 {
            0 => Moment::Packing(percent),
            1 => Moment::Pushing { blob: numbers.below(4), percent },
            2 => Moment::Pulling { blob: numbers.below(2), percent },
            3 => Moment::Writing(percent),
            4 => Moment::Asking { phase: QUESTIONS[numbers.below(QUESTIONS.len())], done: percent < 50 },
            _ => Moment::Time(percent),
        }
    })
}

/// A registry with a base, a cache, and a place for the output: all as on a new machine.
struct Machine {
    registry: TestRegistry,
    home: TempDir,
}

impl Machine {
    fn new() -> Self {
        let registry = TestRegistry::open();
        let architecture = Platform::from_rust_arch(std::env::consts::ARCH).expect("known").architecture;
        let mut numbers = Numbers(1);
        let text: String = (0..100_000).map(|_| format!("{:x}", numbers.next())).collect();
        image::put(&registry, "base", "1", &architecture, &text);
        Self { registry, home: tempfile::tempdir().expect("home") }
    }

    /// Builds on the base, writes an archive and pushes. The base's name would be in the image,
    /// and with it the registry's port, so its labels are set.
    fn build(&self, project: &Path) -> Command {
        let (tag, base) = (self.registry.repository("hello:1"), self.registry.repository("base:1"));
        let output = format!("oci-archive:{}", self.archive().display());
        let name = "org.opencontainers.image.base.name=base";
        let mut arguments =
            vec!["--push", "-t", &tag, "--base", &base, "-o", &output, "--file", "data:/data"];
        arguments.extend(["--label", name, "--annotation", name]);
        call(project, self.home.path(), &arguments)
    }

    fn archive(&self) -> PathBuf {
        self.home.path().join("image.tar")
    }

    /// The files in the archive. The image's full name is among them, and in it the registry's port,
    /// which is another for each machine.
    fn archived(&self) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(fs::File::open(self.archive()).expect("archive"));
        let entries = archive.entries().expect("entries").map(|entry| {
            let mut entry = entry.expect("an entry");
            let name = entry.path().expect("a name").display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("its bytes");
            if name.ends_with(".json") {
                let text = String::from_utf8(bytes).expect("text");
                bytes = text.replace(&format!("{}/", self.registry.address()), "registry/").into_bytes();
            }
            (name, bytes)
        });
        entries.collect()
    }

    /// Makes the registry stand still at the moment, if that is its affair.
    fn prepare(&self, moment: Moment) {
        self.registry.inject(match moment {
            Moment::Pulling { blob, percent } => Fault::Stall(percent).on(Phase::GetBlob).after(blob),
            Moment::Pushing { blob, percent } => Fault::Stall(percent).on(Phase::PutBlob).after(blob),
            Moment::Asking { phase, done } => Fault::Stall(if done { 100 } else { 0 }).on(phase),
            Moment::Time(_) | Moment::Packing(_) | Moment::Writing(_) => return,
        });
    }

    fn has_come(&self, moment: Moment, whole: &Whole, since: Instant) -> bool {
        let part = |of: u64, percent: u8| of * u64::from(percent) / 100;
        match moment {
            Moment::Time(percent) => since.elapsed() >= whole.duration.mul_f64(f64::from(percent) / 100.0),
            Moment::Packing(percent) => {
                let most = DATA as u64 - 2 * BASE;
                largest(&self.home.path().join("cache/tmp")) > BASE + part(most, percent)
            }
            // The archive has its own name only when it is whole, and that is a moment too.
            Moment::Writing(percent) => largest(self.home.path()) > part(whole.length, percent),
            Moment::Pulling { .. } | Moment::Pushing { .. } | Moment::Asking { .. } => {
                self.registry.stalled() > 0
            }
        }
    }

    /// Waits until the moment has come; whether the program still runs then.
    fn wait(&self, program: &mut Child, moment: Moment, whole: &Whole) -> bool {
        let start = Instant::now();
        let mut is_running = true;
        while is_running && !self.has_come(moment, whole, start) {
            assert!(start.elapsed() < PATIENCE, "{moment:?} does not come");
            std::thread::sleep(Duration::from_micros(500));
            is_running = program.try_wait().expect("its state").is_none();
        }
        // Where time decides, it may have been faster than before.
        assert!(is_running || matches!(moment, Moment::Time(_)), "{moment:?} never came");
        is_running
    }

    /// Whether the tag leads to the image, all of it. A tag that leads to half of one fails.
    fn has_image(&self, digest: &str) -> bool {
        let Some((_, bytes)) = self.registry.manifest("hello", "1") else { return false };
        assert_eq!(Digest::of(&bytes).to_string(), digest);
        let manifest: Value = serde_json::from_slice(&bytes).expect("json");
        let layers = manifest["layers"].as_array().expect("layers");
        for blob in layers.iter().chain([&manifest["config"]]) {
            let digest = blob["digest"].as_str().expect("digest");
            let bytes = self.registry.blob("hello", digest).expect("a blob that the manifest names");
            assert_eq!(Digest::of(&bytes).to_string(), digest);
        }
        true
    }

    /// Every blob in the cache must be what its name says.
    fn check_cache(&self) {
        let Ok(blobs) = fs::read_dir(self.home.path().join("cache/blobs/sha256")) else { return };
        for blob in blobs {
            let path = blob.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            assert_eq!(Digest::of(&fs::read(&path).expect("a blob")).hex(), name);
        }
    }
}

/// Bytes of the largest file in a folder.
fn largest(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let files = entries.filter_map(|entry| entry.ok()?.metadata().ok()).filter(fs::Metadata::is_file);
    files.map(|file| file.len()).max().unwrap_or(0)
}

/// What comes of a run that nobody kills.
struct Whole {
    digest: String,
    /// What the archive holds.
    archive: BTreeMap<String, Vec<u8>>,
    /// Its length in bytes.
    length: u64,
    duration: Duration,
}

impl Whole {
    fn of(machine: &Machine, project: &Path) -> Self {
        let start = Instant::now();
        let said = succeeds(machine.build(project));
        let duration = start.elapsed();
        let digest = said.rsplit_once('@').expect("a digest").1.to_owned();
        assert!(machine.has_image(&digest));
        machine.check_cache();
        let length = fs::metadata(machine.archive()).expect("archive").len();
        Self { digest, archive: machine.archived(), length, duration }
    }
}

/// A project whose image takes a while, and what comes of it.
fn project(seed: u64) -> (TempDir, Whole) {
    let project = hello();
    let mut numbers = Numbers(seed);
    let data: Vec<u8> = (0..DATA / 8).flat_map(|_| numbers.next().to_le_bytes()).collect();
    fs::write(project.path().join("data"), data).expect("data");
    Whole::of(&Machine::new(), project.path()); // compiles
    let whole = Whole::of(&Machine::new(), project.path());
    (project, whole)
}

fn killed_at(count: usize, seed: u64) {
    if !has_musl() {
        return;
    }
    let (project, whole) = project(seed);
    for moment in moments(count, seed) {
        let machine = Machine::new();
        machine.prepare(moment);
        let mut program = machine.build(project.path());
        let mut running = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        machine.wait(&mut running, moment, &whole);
        running.kill().expect("killed");
        running.wait().expect("its end");

        machine.has_image(&whole.digest);
        machine.check_cache();
        if machine.archive().exists() {
            assert!(machine.archived() == whole.archive, "half an archive at {moment:?}");
        }
        let again = Whole::of(&machine, project.path());
        assert_eq!(again.digest, whole.digest, "after {moment:?}");
        assert!(again.archive == whole.archive, "another archive after {moment:?}");
    }
}

#[cfg(unix)]
fn interrupted_at(count: usize, seed: u64) {
    if !has_musl() {
        return;
    }
    let (project, whole) = project(seed);
    for (moment, (signal, code)) in moments(count, seed).zip(signals().into_iter().cycle()) {
        let machine = Machine::new();
        let temporary = tempfile::tempdir().expect("folder");
        machine.prepare(moment);
        let mut program = machine.build(project.path());
        program.env("TMPDIR", temporary.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = program.spawn().expect("it runs");
        if !machine.wait(&mut running, moment, &whole) {
            continue;
        }
        let told = Command::new("kill").args(["-s", signal, &running.id().to_string()]).status();
        let output = running.wait_with_output().expect("its end");
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() && matches!(moment, Moment::Time(_)) {
            continue; // It was done before the signal came.
        }
        assert!(told.expect("kill").success());
        assert_eq!(output.status.code(), Some(code), "{moment:?}: {said}");
        let line = format!(" Interrupted by SIG{signal}");
        assert_eq!(said.lines().last(), Some(line.as_str()), "{moment:?}: {said}");
        assert!(!said.contains("error") && !said.contains("warning"), "{moment:?}: {said}");

        let left = [temporary.path(), &machine.home.path().join("cache/tmp")].map(names);
        assert_eq!(left, [vec![], vec![]] as [Vec<String>; 2], "{moment:?}");
        let beside = names(machine.home.path());
        assert!(beside.iter().all(|name| name == "cache" || name == "image.tar"), "{moment:?}: {beside:?}");
        let may_be_named =
            matches!(moment, Moment::Time(_) | Moment::Asking { phase: Phase::PutManifest, done: true });
        assert!(!machine.has_image(&whole.digest) || may_be_named, "{moment:?}");
        let is_early = matches!(moment, Moment::Packing(_) | Moment::Pulling { .. });
        assert!(!machine.archive().exists() || !is_early, "{moment:?}");
        machine.check_cache();
        let again = Whole::of(&machine, project.path());
        assert_eq!(again.digest, whole.digest, "after {moment:?}");
    }
}

/// The names in a folder, if it is there.
#[cfg(unix)]
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
#[cfg(unix)]
fn interrupted_in_any_phase_it_leaves_nothing_behind() {
    interrupted_at(12, 9);
}

#[test]
#[cfg(unix)]
#[ignore = "takes minutes"]
fn interrupted_at_fifty_moments_it_leaves_nothing_behind() {
    interrupted_at(50, 10);
}

#[test]
fn killed_in_any_phase_it_ends_well_the_next_time() {
    killed_at(12, 7);
}

#[test]
#[ignore = "takes minutes"]
fn killed_at_fifty_moments_it_ends_well_the_next_time() {
    killed_at(50, 8);
}
