//! The real bases of the lab, read into trees.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use containerize_core::facts::notes::Note;
use containerize_core::facts::python::{FoundPython, find_python};
use containerize_core::facts::tree::{NodeKind, Tree};
use containerize_core::facts::{Contents, contents_of, known, tree_of};
use containerize_core::oci::{
    Descriptor, Digest, ImageConfig, Index, Manifest, ManifestKind, Platform, media_type,
};
use containerize_core::store::{Blob, Source, Store};

/// The lab's layout of base images, or `None` with the reason on stdout. With `CI=true` a
/// missing lab is a failure.
#[expect(clippy::print_stdout, reason = "a test says on stdout why it did nothing")]
fn base_images() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/lab");
    let lab = std::env::var_os("CONTAINERIZE_LAB").map_or(beside, PathBuf::from);
    let layout = lab.join("base-images");
    if layout.join("index.json").is_file() {
        return Some(layout);
    }
    let reason = format!("no base images in {} (CONTAINERIZE_LAB names the lab)", layout.display());
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
    println!("skipped: {reason}");
    None
}

struct Image {
    layers: Vec<Blob>,
    diff_ids: Vec<Digest>,
    config: ImageConfig,
}

impl Image {
    fn amd64(layout: &Path, name: &str) -> Self {
        Self::of(layout, name, "amd64")
    }

    fn of(layout: &Path, name: &str, architecture: &str) -> Self {
        let blob = |descriptor: &Descriptor| layout.join("blobs/sha256").join(descriptor.digest.hex());
        let read = |descriptor: &Descriptor| {
            let bytes = fs::read(blob(descriptor)).expect("blob");
            ManifestKind::parse(&bytes, &descriptor.media_type).expect("manifest")
        };
        let named = fs::read(layout.join("index.json")).expect("index.json");
        let named: Index = serde_json::from_slice(&named).expect("index");
        let by_name = |d: &&Descriptor| {
            d.annotations.get("org.opencontainers.image.ref.name").is_some_and(|n| n == name)
        };
        let ManifestKind::Index(platforms) = read(named.manifests.iter().find(by_name).expect("the name"))
        else {
            panic!("{name} is no index")
        };
        let wanted = Platform::linux(architecture);
        let by_platform = |d: &&Descriptor| d.platform.as_ref().is_some_and(|p| p.serves(&wanted));
        let ManifestKind::Manifest(manifest) =
            read(platforms.manifests.iter().find(by_platform).expect("the platform"))
        else {
            panic!("an index within an index")
        };
        let Manifest { config, layers, .. } = *manifest;
        let config: ImageConfig =
            serde_json::from_slice(&fs::read(blob(&config)).expect("config")).expect("config");
        let layers = layers
            .into_iter()
            .map(|descriptor| Blob { source: Source::File(blob(&descriptor)), descriptor })
            .collect();
        Self { layers, diff_ids: config.rootfs.diff_ids.clone(), config }
    }

    /// What is in it, read twice as well.
    fn contents(&self) -> Contents {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        let contents = contents_of(&self.layers, &self.diff_ids, &store).expect("contents");
        assert_eq!(contents_of(&self.layers, &self.diff_ids, &store).expect("remembered"), contents);
        contents
    }

    fn python(&self) -> Option<FoundPython> {
        find_python(&self.contents(), &self.config)
    }

    /// The tree, read twice: from the layers, and from memory with the layers out of reach.
    fn tree(mut self) -> Tree {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        let tree = tree_of(&self.layers, &self.diff_ids, &store).expect("tree");
        for layer in &mut self.layers {
            assert!(known(layer, &store));
            layer.source = Source::File(folder.path().join("gone"));
        }
        assert_eq!(tree_of(&self.layers, &self.diff_ids, &store).expect("remembered"), tree);
        tree
    }

    /// The entries of the only layer but the root, counted by other means.
    fn count(&self) -> usize {
        let [layer] = &self.layers[..] else { panic!("{} layers", self.layers.len()) };
        assert!(media_type::layer_compression(&layer.descriptor.media_type).is_some());
        let Source::File(path) = &layer.source else { panic!("no file") };
        let mut tar = Vec::new();
        let file = File::open(path).expect("layer");
        flate2::read::MultiGzDecoder::new(file).read_to_end(&mut tar).expect("gzip");
        let mut archive = tar::Archive::new(&tar[..]);
        let paths =
            archive.entries().expect("tar").map(|entry| entry.expect("entry").path_bytes().into_owned());
        paths.filter(|path| !matches!(&path[..], b"./" | b"." | b"/")).count()
    }
}

fn kind<'a>(tree: &'a Tree, path: &str) -> &'a NodeKind {
    &tree.get(path).unwrap_or_else(|| panic!("no {path}")).kind
}

fn assert_like_a_system(tree: &Tree) {
    assert_eq!(kind(tree, "etc/passwd"), &NodeKind::File);
    let tmp = tree.get("tmp").expect("tmp");
    assert_eq!((&tmp.kind, tmp.mode, tmp.uid, tmp.gid), (&NodeKind::Directory, 0o1777, 0, 0));
    for (path, node) in tree.iter() {
        assert!(!path.starts_with('/') && !path.starts_with("./"), "{path}");
        assert!(node.mode <= 0o7777, "{path}");
    }
}

#[test]
fn debian_is_read_whole() {
    let Some(layout) = base_images() else { return };
    let image = Image::amd64(&layout, "debian:bookworm-slim");
    let count = image.count();
    let tree = image.tree();
    assert_like_a_system(&tree);
    assert_eq!(kind(&tree, "bin"), &NodeKind::Symlink("usr/bin".into()));
    assert_eq!(tree.real_path("bin/sh").as_deref(), Some("usr/bin/sh"));
    assert_eq!(tree.len(), count);
}

#[test]
fn distroless_is_merged_from_its_packages() {
    let Some(layout) = base_images() else { return };
    let tree = Image::amd64(&layout, "distroless/cc-debian12:nonroot").tree();
    assert_like_a_system(&tree);
    assert!(tree.iter().any(|(path, _)| path.ends_with("/libc.so.6")));
    assert_eq!(kind(&tree, "var/lib/dpkg/status.d"), &NodeKind::Directory);
    assert!(tree.get("bin/sh").is_none() && tree.get("usr/bin/sh").is_none(), "a shell");
}

#[test]
fn python_is_laid_over_debian() {
    let Some(layout) = base_images() else { return };
    let tree = Image::amd64(&layout, "python:3.13-slim-bookworm").tree();
    assert_like_a_system(&tree);
    assert_eq!(kind(&tree, "bin"), &NodeKind::Symlink("usr/bin".into()));
    assert_eq!(kind(&tree, "usr/local/bin/python3.13"), &NodeKind::File);
    assert_eq!(kind(&tree, "usr/local/bin/python3"), &NodeKind::Symlink("python3.13".into()));
}

#[test]
fn the_interpreter_of_each_base_is_found() {
    let Some(layout) = base_images() else { return };
    let python = |path: &str, version| FoundPython { path: path.into(), version, musl: false, libc: (2, 36) };
    for (name, expected) in [
        ("python:3.13-slim-bookworm", Some(python("/usr/local/bin/python3.13", (3, 13, 5)))),
        ("distroless/python3-debian12:nonroot", Some(python("/usr/bin/python3.11", (3, 11, 2)))),
        ("debian:bookworm-slim", None),
        ("distroless/static-debian12:nonroot", None),
    ] {
        for architecture in ["amd64", "arm64"] {
            let found = Image::of(&layout, name, architecture).python();
            assert_eq!(found, expected, "{name} {architecture}");
        }
    }
}

#[test]
fn the_packages_of_each_base_are_listed() {
    let Some(layout) = base_images() else { return };
    for (name, architecture, sample, most) in [
        ("debian:bookworm-slim", "amd64", "libc6", 200),
        ("python:3.13-slim-bookworm", "arm64", "ca-certificates", 200),
        ("distroless/python3-debian12:nonroot", "arm64", "libpython3.11-minimal", 60),
        ("distroless/static-debian12:nonroot", "amd64", "tzdata", 10),
    ] {
        let contents = Image::of(&layout, name, architecture).contents();
        let packages = contents.packages();
        let found = packages.iter().find(|package| package.name == sample);
        let found = found.unwrap_or_else(|| panic!("{name} has no {sample}: {packages:?}"));
        assert!(
            [architecture, "all"].contains(&&*found.architecture) && !found.version.is_empty(),
            "{found:?}"
        );
        assert!((2..most).contains(&packages.len()), "{name}: {}", packages.len());
        let Some(Note::Text(release)) = contents.note("etc/os-release") else {
            panic!("{name}: no os-release")
        };
        assert!(release.contains("VERSION_ID=\"12\""), "{name}: {release}");
    }
}
