//! Libraries of this machine that an image needs and neither its base nor its packages have, in a
//! layer of their own.
//!
//! The image is examined as it would be; each library that is an error for being nowhere in it, or
//! that a bundled Python's own modules lack, is looked for as this machine's loader would, added to
//! the facts of the image, and the image examined again, until nothing more is found missing. So
//! what a library needs in turn comes along, and what the base has does not. Whether the base's C
//! library is new enough for them is then told by the same rules as for everything else.
//!
//! They are in a folder that no distribution uses, named in `LD_LIBRARY_PATH`: that is the one
//! means that every base's loader knows. `/etc/ld.so.cache` would have to be written anew, and
//! distroless bases have none; musl knows no such file.

mod host;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use self::host::{Host, Library, package_of};
use super::debian::list_with;
use super::layers::Maker;
use super::preflight;
use super::workshop::{Base, Workshop};
use crate::check::{self, Finding, Severity};
use crate::elf::ElfFacts;
use crate::error::{Context, Result};
use crate::facts::LayerFacts;
use crate::facts::details::{Detail, FileSystem, LayerDetails};
use crate::facts::tree::{Node, NodeKind};
use crate::image::Image;
use crate::layer::{Content, Entry, Layer, Spec};
use crate::oci::{Digest, ImageConfig, Mode, Owner, Platform};
use crate::read;
use crate::store::Table;

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

/// What is added to an image.
pub(super) struct Bundle {
    /// The libraries.
    pub(super) layer: Layer,
    /// The variable that names their folder, and its value.
    pub(super) variable: (&'static str, String),
    /// Their file names, digests, and the packages that they are of.
    pub(super) libraries: Vec<(String, Digest, Option<String>)>,
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
    if this_machine().as_ref().is_none_or(|here| !here.serves(&image.platform)) {
        return Ok(None);
    }
    let config = preflight::config_of(image)?;
    let value = library_path(&config);
    let choice = choice(workshop, runtime, maker, image, config)?;
    if choice.found.is_empty() {
        return Ok(None);
    }
    let owner = maker.owner;
    let mut entries = Vec::new();
    let mut libraries = Vec::new();
    for (name, library) in &choice.found {
        let path = format!("{FOLDER}/{}", library.file);
        if !entries.iter().any(|entry: &Entry| entry.path == path) {
            let content = Content::of_file(&library.path)?;
            let package = choice.packages.get(name).cloned();
            libraries.extend(content.digest().map(|digest| (library.file.clone(), digest, package)));
            entries.push(Entry::file(path, content, Mode(0o644), owner));
        }
        if *name != library.file {
            entries.push(Entry::symlink(format!("{FOLDER}/{name}"), &library.file, owner));
        }
    }
    // `ctypes.util.find_library` asks the list, whatever the variable says.
    let places = choice.found.keys().map(|name| (name.clone(), format!("/{FOLDER}/{name}")));
    entries.extend(list_with(base, places.collect(), &image.platform));
    let (licences, words) = licences(&choice, owner)?;
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
    let layer = maker.press.write(&spec, tree)?;
    maker.send(&layer);
    Ok(Some(Bundle { layer, variable: (VARIABLE, value), libraries }))
}

/// What this machine is, as a platform of images.
pub(super) fn this_machine() -> Option<Platform> {
    Platform::from_rust_arch(std::env::consts::ARCH)
}

/// What of this machine an image needs, and what that was told by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Choice {
    /// The folders that the image's own files name for libraries.
    named: Vec<String>,
    /// What is to be added, by the names that are asked for.
    found: BTreeMap<String, Library>,
    /// What the image needs and this machine lacks.
    absent: BTreeSet<String>,
    /// The packages of what was found, as far as they are known.
    packages: BTreeMap<String, String>,
}

impl Choice {
    /// Whether this machine gives the same now. What is in the image is named by its configuration.
    fn holds(&self, host: &Host) -> bool {
        let same =
            |(name, library): (&String, &Library)| host.find(name).is_some_and(|(now, _)| now == *library);
        self.found.iter().all(same) && self.absent.iter().all(|name| host.find(name).is_none())
    }
}

/// What `image` needs: as it was remembered, where that still holds, else by examining it.
///
/// # Errors
/// When a layer cannot be read.
fn choice(
    workshop: &Workshop<'_>,
    runtime: &tokio::runtime::Handle,
    maker: &Maker<'_>,
    image: &Image,
    mut config: ImageConfig,
) -> Result<Choice> {
    let store = workshop.store;
    let variable = workshop.request.variables.get(VARIABLE).map(String::as_str);
    let host = |named: &[String]| {
        let told = variable.into_iter().flat_map(|value| value.split(':'));
        Host::new(&image.platform, named.iter().map(String::as_str).chain(told))
    };
    let key = format!("{} {}", check::RULES, image.config.descriptor.digest);
    if maker.press.use_memo
        && let Some(choice) = store.recall::<Choice>(Table::NativeChoices, &key)
        && choice.holds(&host(&choice.named))
    {
        return Ok(with_packages(workshop, choice));
    }
    let layers = runtime.block_on(preflight::fetched(image.layers.clone(), workshop.client, store))?;
    let mut fs = preflight::file_system(&layers, &config, store, maker.press.jobs, true)?;
    let named: Vec<String> = named_folders(&fs).map(str::to_owned).collect();
    let host = host(&named);
    let mut choice = closure(&mut fs, &mut config, |name| host.find(name));
    choice.named = named;
    let choice = with_packages(workshop, choice);
    store.remember(Table::NativeChoices, &key, &choice);
    Ok(choice)
}

/// Asks for the packages that are not known yet. Whether there is none or dpkg had no time cannot be
/// told, so that nobody is remembered to have none.
fn with_packages(workshop: &Workshop<'_>, mut choice: Choice) -> Choice {
    let packages = std::mem::take(&mut choice.packages);
    let package = |(name, library): (&String, &Library)| {
        let known = packages.get(name).cloned();
        Some((name.clone(), known.or_else(|| package_of(workshop, &library.path))?))
    };
    choice.packages = choice.found.iter().filter_map(package).collect();
    choice
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
    find: impl Fn(&str) -> Option<(Library, ElfFacts)>,
) -> Choice {
    let mut choice = Choice::default();
    let value = library_path(config);
    config.config.env.retain(|line| !line.starts_with("LD_LIBRARY_PATH="));
    config.config.env.push(format!("{VARIABLE}={value}"));
    for _ in 0..MOST_ROUNDS {
        let report = check::examine(fs, config);
        let needed = report.findings.into_iter().filter(is_needed);
        let missing: BTreeSet<String> = needed.filter_map(|finding| finding.library).collect();
        let mut facts = LayerFacts::default();
        let mut details = LayerDetails::new();
        for name in missing {
            if choice.found.contains_key(&name) || OF_LIBC.iter().any(|start| name.starts_with(start)) {
                continue;
            }
            let Some((library, elf)) = find(&name) else {
                choice.absent.insert(name);
                continue;
            };
            let node = |kind| Node { kind, mode: 0o644, uid: 0, gid: 0 };
            let path = format!("{FOLDER}/{}", library.file);
            details.insert(path.clone(), Detail::Elf(Box::new(elf)));
            facts.entries.push((path, node(NodeKind::File)));
            if name != library.file {
                let link = node(NodeKind::Symlink(library.file.clone()));
                facts.entries.push((format!("{FOLDER}/{name}"), link));
            }
            choice.found.insert(name, library);
        }
        if facts.entries.is_empty() {
            break;
        }
        fs.apply(facts, details, true);
    }
    choice
}

/// Whether the image fails without it: for sure, or where a module of a Python's own library is used,
/// on which any program may count.
fn is_needed(finding: &Finding) -> bool {
    let of_library = |path: &String| path.contains("/lib-dynload/");
    finding.severity == Severity::Error || finding.through.iter().any(of_library)
}

/// The licence files of the packages that the libraries are of, and what is to be said of each
/// library.
fn licences(choice: &Choice, owner: Owner) -> Result<(Vec<Entry>, Vec<String>)> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut words = Vec::new();
    for (name, library) in &choice.found {
        let from = library.path.display();
        let Some(package) = choice.packages.get(name) else {
            words.push(format!(
                "{name} comes from {from}, which belongs to no package; check its licence yourself"
            ));
            continue;
        };
        words.push(format!("{name} comes from {from} in the package {package}"));
        let copyright = Path::new("/usr/share/doc").join(package).join("copyright");
        let path = format!("{FOLDER}/licenses/{package}/copyright");
        if copyright.is_file() && !entries.iter().any(|entry| entry.path == path) {
            let text = read::bytes(&copyright, read::DOCUMENT)
                .context(|| format!("cannot read {}", copyright.display()))?;
            entries.push(Entry::file(path, Content::Bytes(text.into()), Mode(0o644), owner));
        }
    }
    Ok((entries, words))
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
            let path = Path::new("/host").join(&file);
            Some((Library { path, file, size: 1, changed: None }, facts(needed, None)))
        };
        let found = closure(&mut fs, &mut config, find).found;
        assert_eq!(found.keys().collect::<Vec<_>>(), ["liba.so.1", "libb.so.2"]);
        assert_eq!(found["libb.so.2"].file, "libb.so.2.0.1");
        let left = check::examine(&fs, &config).findings;
        let left: BTreeSet<_> = left.into_iter().filter_map(|finding| finding.library).collect();
        assert_eq!(left.into_iter().collect::<Vec<_>>(), ["libc.so.6", "libm.so.6"]);
    }

    #[test]
    fn what_this_machine_lacks_stays_missing() {
        let (mut fs, mut config) = image();
        let choice = closure(&mut fs, &mut config, |_| None);
        assert!(choice.found.is_empty());
        assert_eq!(choice.absent.into_iter().collect::<Vec<_>>(), ["liba.so.1"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_choice_holds_as_long_as_this_machine_has_the_same() {
        let folder = tempfile::tempdir().expect("folder");
        let [one, other] = ["libx.so.1", "liby.so.1"].map(|name| folder.path().join(name));
        let any_elf = std::env::current_exe().expect("this test");
        std::fs::copy(&any_elf, &one).expect("copied");
        let platform = Platform::from_rust_arch(std::env::consts::ARCH).expect("a platform");
        let host = Host::new(&platform, [folder.path().to_str().expect("a path")].into_iter());
        let (library, _) = host.find("libx.so.1").expect("found");
        let choice = Choice {
            found: BTreeMap::from([("libx.so.1".into(), library)]),
            absent: BTreeSet::from(["liby.so.1".into()]),
            ..Choice::default()
        };
        assert!(choice.holds(&host));
        std::fs::copy(&any_elf, &other).expect("copied");
        assert!(!choice.holds(&host), "what was missing is there");
        std::fs::remove_file(&other).expect("removed");
        assert!(choice.holds(&host));
        let mut file = std::fs::OpenOptions::new().append(true).open(&one).expect("opened");
        std::io::Write::write_all(&mut file, b"x").expect("written");
        assert!(!choice.holds(&host), "it is another one");
        std::fs::remove_file(&one).expect("removed");
        assert!(!choice.holds(&host), "it is gone");
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
}
