//! The program is killed at any moment, and run again.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use containerize_core::oci::{Digest, Platform};
use containerize_tests::fixture::{has_musl, hello};
use containerize_tests::image;
use containerize_tests::program::{call, succeeds};
use containerize_tests::registry::TestRegistry;
use serde_json::Value;
use tempfile::TempDir;

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

    /// A part of the whole, up to one.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
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

    fn archive(&self) -> std::path::PathBuf {
        self.home.path().join("image.tar")
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
}

fn killed_at(moments: usize, seed: u64) {
    if !has_musl() {
        return;
    }
    let project = hello();
    let mut numbers = Numbers(seed);
    let data: Vec<u8> = (0..500_000).flat_map(|_| numbers.next().to_le_bytes()).collect();
    fs::write(project.path().join("data"), data).expect("data");
    let whole = |machine: &Machine| {
        let said = succeeds(machine.build(project.path()));
        said.rsplit_once('@').expect("a digest").1.to_owned()
    };
    whole(&Machine::new()); // compiles
    let machine = Machine::new();
    let start = Instant::now();
    let digest = whole(&machine);
    let duration = start.elapsed();
    let archive = fs::read(machine.archive()).expect("archive");
    assert!(machine.has_image(&digest));

    for _ in 0..moments {
        let moment: Duration = duration.mul_f64(numbers.part());
        let machine = Machine::new();
        let mut program = machine.build(project.path());
        let mut running = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        std::thread::sleep(moment);
        running.kill().expect("killed");
        running.wait().expect("its end");
        machine.has_image(&digest);
        if machine.archive().exists() {
            assert!(fs::read(machine.archive()).expect("archive") == archive, "half an archive");
        }
        assert_eq!(whole(&machine), digest, "after {moment:?} of {duration:?}");
        assert!(machine.has_image(&digest));
        assert!(fs::read(machine.archive()).expect("archive") == archive, "another archive");
    }
}

#[test]
fn killed_at_any_moment_it_ends_well_the_next_time() {
    killed_at(12, 7);
}

#[test]
#[ignore = "takes minutes"]
fn killed_at_fifty_moments_it_ends_well_the_next_time() {
    killed_at(50, 8);
}
