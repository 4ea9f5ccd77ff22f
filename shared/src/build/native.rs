//! Libraries of this machine that an image needs and neither its base nor its packages have, in a
//! layer of their own.
//!
//! The image is examined as it would be; each library that is an error for being nowhere in it, or
//! that a carried Python's own modules lack, is looked for as this machine's loader would, added to
//! the facts of the image, and the image examined again, until nothing more is found missing. So
//! what a library needs in turn comes along, and what the base has does not. Whether the base's C
//! library is new enough for them is then told by the same rules as for everything else.
//!
//! They are in a folder that no distribution uses, named in `LD_LIBRARY_PATH`: that is the one
//! means that every base's loader knows. `/etc/ld.so.cache` would have to be written anew, and
//! distroless bases have none; musl knows no such file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::layers::Maker;
use super::preflight;
use super::workshop::{Base, Workshop};
use crate::ask::ask;
use crate::base::details::{Detail, FileSystem, LayerDetails, loader_cache};
use crate::base::facts::LayerFacts;
use crate::base::tree::{Node, NodeKind};
use crate::check::{self, Finding, Severity};
use crate::elf::{self, ElfFacts};
use crate::error::{Context, Result};
use crate::image::Image;
use crate::layer::{self, Content, Entry, Layer, Spec};
use crate::oci::{ImageConfig, Platform};

/// Where they are in the image.
const FOLDER: &str = "usr/local/lib/containerize";

/// The variable that tells loaders of them.
const VARIABLE: &str = "LD_LIBRARY_PATH";

/// Libraries that belong to the C library: of another one than the base's they are of no use.
const OF_LIBC: &[&str] = &[
    "libc.so.",
    "libm.so.",
    "libdl.so.",
    "libpthread.so.",
    "librt.so.",
    "libresolv.so.",
    "libutil.so.",
    "libnss_",
    "ld-",
    "libc.musl-",
];

/// As deep as libraries need one another.
const MOST_ROUNDS: usize = 30;

/// How long dpkg may think.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is added to an image.
pub(super) struct Bundle {
    /// The libraries.
    pub(super) layer: Layer,
    /// The variable that names their folder, and its value.
    pub(super) variable: (&'static str, String),
}

/// A library of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Library {
    /// With links followed.
    path: PathBuf,
    /// The name of the file.
    file: String,
}

/// The libraries that `image` needs from this machine, as a layer; `None` where it needs none, or
/// is for another kind of machine.
///
/// # Errors
/// When a layer or a library cannot be read.
pub(super) fn bundle(
    workshop: &Workshop<'_>,
    runtime: &tokio::runtime::Handle,
    maker: &Maker<'_>,
    base: &Base,
    image: &Image,
) -> Result<Option<Bundle>> {
    let here = Platform::from_rust_arch(std::env::consts::ARCH);
    if here.as_ref().is_none_or(|here| !here.serves(&image.platform)) {
        return Ok(None);
    }
    let mut config = preflight::config_of(image)?;
    let layers =
        runtime.block_on(preflight::fetched(image.layers.clone(), workshop.client, workshop.store))?;
    let mut fs = preflight::file_system(&layers, &config, workshop.store, maker.jobs)?;
    let variable = workshop.request.variables.get(VARIABLE).map(String::as_str);
    let host =
        Host::new(&image.platform, named_folders(&fs).chain(variable.into_iter().flat_map(|v| v.split(':'))));
    let value = library_path(&config);
    let found = closure(&mut fs, &mut config, &value, |name| host.find(name));
    if found.is_empty() {
        return Ok(None);
    }
    let owner = (maker.owner.uid, maker.owner.gid);
    let mut entries = Vec::new();
    for (name, library) in &found {
        let path = format!("{FOLDER}/{}", library.file);
        if !entries.iter().any(|entry: &Entry| entry.path == path) {
            entries.push(Entry::file(path, Content::of_file(&library.path)?, 0o644, owner));
        }
        if *name != library.file {
            entries.push(Entry::symlink(format!("{FOLDER}/{name}"), &library.file, owner));
        }
    }
    let (licences, words) = licences(workshop, &found, owner)?;
    entries.extend(licences);
    words.into_iter().for_each(|words| workshop.events.note(words));
    let spec = Spec {
        title: "native libraries".into(),
        entries,
        owner,
        compression: maker.compression,
        format: maker.format,
    };
    let tree = &base.contents.tree;
    let layer = layer::write(&spec, tree, maker.store, maker.use_memo, maker.jobs, maker.events)?;
    maker.send(&layer);
    Ok(Some(Bundle { layer, variable: (VARIABLE, value) }))
}

/// The folders that our files name for their libraries. What was built here against a library of
/// this machine names its place so.
fn named_folders(fs: &FileSystem) -> impl Iterator<Item = &str> {
    let elves = fs.details().filter_map(|(_, detail, own)| match detail {
        Detail::Elf(elf) if own => Some(elf),
        _ => None,
    });
    let paths = elves.flat_map(|elf| [elf.runpath.as_deref(), elf.rpath.as_deref()]).flatten();
    paths.flat_map(|path| path.split(':'))
}

/// The variable's value with our folder behind what the image has.
fn library_path(config: &ImageConfig) -> String {
    let set = config.config.env.iter().rev().find_map(|line| line.strip_prefix("LD_LIBRARY_PATH="));
    match set.filter(|value| !value.is_empty()) {
        Some(value) if value.split(':').any(|dir| dir.trim_start_matches('/') == FOLDER) => value.to_owned(),
        Some(value) => format!("{value}:/{FOLDER}"),
        None => format!("/{FOLDER}"),
    }
}

/// Adds libraries to the image until no more are missing, or can be found.
fn closure(
    fs: &mut FileSystem,
    config: &mut ImageConfig,
    value: &str,
    find: impl Fn(&str) -> Option<(Library, ElfFacts)>,
) -> BTreeMap<String, Library> {
    let mut found: BTreeMap<String, Library> = BTreeMap::new();
    config.config.env.retain(|line| !line.starts_with("LD_LIBRARY_PATH="));
    config.config.env.push(format!("{VARIABLE}={value}"));
    for _ in 0..MOST_ROUNDS {
        let report = check::examine(fs, config);
        let needed = report.findings.into_iter().filter(is_needed);
        let missing: BTreeSet<String> = needed.filter_map(|finding| finding.library).collect();
        let mut facts = LayerFacts::default();
        let mut details = LayerDetails::new();
        for name in missing {
            if found.contains_key(&name) || OF_LIBC.iter().any(|start| name.starts_with(start)) {
                continue;
            }
            let Some((library, elf)) = find(&name) else { continue };
            let node = |kind| Node { kind, mode: 0o644, uid: 0, gid: 0 };
            let path = format!("{FOLDER}/{}", library.file);
            details.insert(path.clone(), Detail::Elf(Box::new(elf)));
            facts.entries.push((path, node(NodeKind::File)));
            if name != library.file {
                let link = node(NodeKind::Symlink(library.file.clone()));
                facts.entries.push((format!("{FOLDER}/{name}"), link));
            }
            found.insert(name, library);
        }
        if facts.entries.is_empty() {
            break;
        }
        fs.apply(facts, details, true);
    }
    found
}

/// Whether the image fails without it: for sure, or where a module of a Python's own library is used,
/// on which any program may count.
fn is_needed(finding: &Finding) -> bool {
    let of_library = |path: &String| path.contains("/lib-dynload/");
    finding.severity == Severity::Error || finding.through.iter().any(of_library)
}

/// Where this machine's loader looks.
struct Host {
    machine: String,
    cache: BTreeMap<String, Vec<PathBuf>>,
    folders: Vec<PathBuf>,
}

impl Host {
    /// A loader that looks into the `named` folders before the usual ones.
    fn new<'a>(platform: &Platform, named: impl Iterator<Item = &'a str>) -> Self {
        let bytes = std::fs::read("/etc/ld.so.cache").unwrap_or_default();
        let mut cache: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for (name, path) in loader_cache(&bytes).unwrap_or_default() {
            cache.entry(name).or_default().push(path.into());
        }
        let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
        let usual = [format!("lib/{triplet}"), "lib64".into(), "lib".into()];
        let below = |root: &'static str| usual.iter().map(move |place| Path::new(root).join(place));
        let named = named.filter(|dir| dir.starts_with('/'));
        // What was built here is often in /usr/local without ldconfig knowing.
        let folders = named.map(PathBuf::from).chain(["/", "/usr", "/usr/local"].into_iter().flat_map(below));
        Self { machine: platform.architecture.clone(), cache, folders: folders.collect() }
    }

    /// The library of this name, for this machine.
    fn find(&self, name: &str) -> Option<(Library, ElfFacts)> {
        if name.contains('/') {
            return None;
        }
        let cached = self.cache.get(name).into_iter().flatten().cloned();
        let all = cached.chain(self.folders.iter().map(|folder| folder.join(name)));
        all.filter_map(|path| path.canonicalize().ok()).find_map(|path| {
            let facts = elf::read(std::fs::File::open(&path).ok()?)?;
            let fits = facts.runs && facts.machine == self.machine;
            let file = path.file_name()?.to_str()?.to_owned();
            fits.then_some((Library { path, file }, facts))
        })
    }
}

/// The licence files of the packages that the libraries are of, and what is to be said of each
/// library.
fn licences(
    workshop: &Workshop<'_>,
    libraries: &BTreeMap<String, Library>,
    owner: (u64, u64),
) -> Result<(Vec<Entry>, Vec<String>)> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut words = Vec::new();
    for (name, library) in libraries {
        let from = library.path.display();
        let Some(package) = package_of(workshop, &library.path) else {
            words.push(format!(
                "{name} comes from {from}, which is of no package: see to its licence yourself"
            ));
            continue;
        };
        words.push(format!("{name} comes from {from} of the package {package}"));
        let copyright = Path::new("/usr/share/doc").join(&package).join("copyright");
        let path = format!("{FOLDER}/licenses/{package}/copyright");
        if copyright.is_file() && !entries.iter().any(|entry| entry.path == path) {
            let text =
                std::fs::read(&copyright).context(|| format!("cannot read {}", copyright.display()))?;
            entries.push(Entry::file(path, Content::Bytes(text.into()), 0o644, owner));
        }
    }
    Ok((entries, words))
}

/// The package of Debian that a file is of, if there is dpkg and it knows it.
fn package_of(workshop: &Workshop<'_>, path: &Path) -> Option<String> {
    // Before /usr was merged files were below /lib, and dpkg remembers them so.
    let without = path.strip_prefix("/usr").ok().map(|rest| Path::new("/").join(rest));
    [Some(path.to_owned()), without].into_iter().flatten().find_map(|path| {
        let mut command: Command = workshop.request.cargo.command("dpkg");
        let said = ask(command.arg("-S").arg(&path).env("LC_ALL", "C"), PATIENCE).ok()?;
        owner_of(&said)
    })
}

/// The name in `libgmp10:amd64: /usr/lib/...`.
fn owner_of(said: &str) -> Option<String> {
    let name = said.lines().next()?.split_once(": ")?.0.split([':', ',']).next()?;
    let good = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    (!name.is_empty() && name.chars().all(good)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(needed: &[&str], interpreter: Option<&str>) -> ElfFacts {
        ElfFacts {
            machine: "amd64".into(),
            runs: true,
            needed: needed.iter().map(|&name| name.into()).collect(),
            interpreter: interpreter.map(str::to_owned),
            ..ElfFacts::default()
        }
    }

    /// An image whose program needs a library.
    fn image() -> (FileSystem, ImageConfig) {
        let mut layer = (LayerFacts::default(), LayerDetails::new());
        for (path, elf) in
            [("run", facts(&["liba.so.1", "libc.so.6"], Some("/ld.so"))), ("ld.so", facts(&[], None))]
        {
            let node = Node { kind: NodeKind::File, mode: 0o755, uid: 0, gid: 0 };
            layer.0.entries.push((path.into(), node));
            layer.1.insert(path.into(), Detail::Elf(Box::new(elf)));
        }
        let mut fs = FileSystem::default();
        fs.apply(layer.0, layer.1, true);
        let mut config = ImageConfig { architecture: "amd64".into(), ..ImageConfig::default() };
        config.config.entrypoint = Some(vec!["/run".into()]);
        (fs, config)
    }

    #[test]
    fn what_is_missing_comes_along_with_what_it_needs_and_without_libc() {
        let (mut fs, mut config) = image();
        let find = |name: &str| {
            let needed: &[&str] = if name == "liba.so.1" { &["libb.so.2", "libm.so.6"] } else { &[] };
            let file = format!("{name}.0.1");
            Some((Library { path: Path::new("/host").join(&file), file }, facts(needed, None)))
        };
        let value = library_path(&config);
        let found = closure(&mut fs, &mut config, &value, find);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["liba.so.1", "libb.so.2"]);
        assert_eq!(found["libb.so.2"].file, "libb.so.2.0.1");
        let left = check::examine(&fs, &config).findings;
        let left: BTreeSet<_> = left.into_iter().filter_map(|finding| finding.library).collect();
        assert_eq!(left.into_iter().collect::<Vec<_>>(), ["libc.so.6", "libm.so.6"]);
    }

    #[test]
    fn what_this_machine_lacks_stays_missing() {
        let (mut fs, mut config) = image();
        assert_eq!(closure(&mut fs, &mut config, "/x", |_| None), BTreeMap::new());
    }

    #[test]
    fn our_folder_stands_behind_those_of_the_image() {
        let (_, mut config) = image();
        assert_eq!(library_path(&config), format!("/{FOLDER}"));
        config.config.env = vec!["LD_LIBRARY_PATH=/opt/lib".into()];
        assert_eq!(library_path(&config), format!("/opt/lib:/{FOLDER}"));
        config.config.env = vec![format!("LD_LIBRARY_PATH={}", library_path(&config))];
        assert_eq!(library_path(&config), format!("/opt/lib:/{FOLDER}"), "once");
    }

    #[test]
    fn dpkgs_answer_names_the_package() {
        assert_eq!(owner_of("libgmp10:amd64: /usr/lib/x.so\n").as_deref(), Some("libgmp10"));
        assert_eq!(owner_of("a, b: /usr/lib/x.so\n").as_deref(), Some("a"));
        assert_eq!(owner_of("diversion by x from: /y\n"), None);
        assert_eq!(owner_of(""), None);
    }
}
