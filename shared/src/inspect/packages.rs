//! The packages of an image, and which files belong to them.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use serde_json::Value;

use super::stack::{File, Stack};
use super::{Layer, shown};
use crate::facts::details::{Detail, Metadata};
use crate::facts::files::{Holding, Owner};
use crate::facts::notes::Note;
use crate::sbom;

/// Where the compiled form of modules is.
const COMPILED: &str = "__pycache__/";

/// A package in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Package {
    /// Whose it is.
    pub kind: PackageKind,
    /// In the words of its makers.
    pub name: String,
    /// The same.
    pub version: String,
    /// Bytes of its files, unpacked.
    pub size: u64,
    /// How many these are; none where only a list or a bill of materials speaks of it.
    pub files: u64,
    /// The layers that its files are in, from 1.
    pub layers: Vec<usize>,
    /// Its licence, where a bill of materials says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Whether nothing but a bill of materials, which nobody has verified here, says that it is there.
    pub only_in_sbom: bool,
}

/// The ecosystem of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageKind {
    /// A package of dpkg.
    Debian,
    /// A package of apk.
    Alpine,
    /// A distribution of Python.
    Python,
    /// A crate of Rust.
    Crate,
    /// Of another one.
    Other,
}

impl PackageKind {
    /// The word for it before a name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Debian => "Debian",
            Self::Alpine => "Alpine",
            Self::Python => "Python",
            Self::Crate => "crate",
            Self::Other => "other",
        }
    }

    /// A name as all spellings of it have it.
    pub(super) fn plain_name(self, name: &str) -> String {
        match self {
            Self::Python => name.to_lowercase().replace(['_', '.'], "-"),
            _ => name.to_owned(),
        }
    }

    fn of_purl(ecosystem: &str) -> Option<Self> {
        Some(match ecosystem {
            "deb" => Self::Debian,
            "apk" => Self::Alpine,
            "pypi" => Self::Python,
            "cargo" => Self::Crate,
            // Images and files are not packages.
            "oci" | "docker" | "generic" => return None,
            _ => Self::Other,
        })
    }
}

/// Finds them, and tells the files whose they are.
pub(super) fn find(stack: &mut Stack, layers: &[Layer], bills: &[Value]) -> Vec<Package> {
    let mut found = Found::default();
    found.installed(stack, layers);
    found.distributions(stack, layers);
    // What dpkg lists may be a distribution of Python as well, which says more.
    let is_system = |holding: &Holding| !matches!(holding.owner, Owner::Distribution(_));
    found.claim(stack, layers, is_system);
    found.claim(stack, layers, |holding| !is_system(holding));
    claim_compiled(stack);
    let Found { mut all, .. } = found;
    let mut places: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); all.len()];
    for (_, file) in stack.files() {
        let Some(at) = file.package else { continue };
        all[at].size += file.size;
        all[at].files += 1;
        places[at].insert(file.layer + 1);
    }
    for (package, places) in all.iter_mut().zip(places) {
        package.layers = places.into_iter().collect();
    }
    add_listed(&mut all, bills);
    in_order(all, stack)
}

#[derive(Default)]
struct Found {
    all: Vec<Package>,
    by_owner: HashMap<Owner, usize>,
}

impl Found {
    fn add(&mut self, owner: Owner, kind: PackageKind, name: &str, version: &str) {
        let package = Package {
            kind,
            name: shown(name),
            version: shown(version),
            size: 0,
            files: 0,
            layers: Vec::new(),
            licence: None,
            only_in_sbom: false,
        };
        self.by_owner.entry(owner).or_insert(self.all.len());
        self.all.push(package);
    }

    /// What the databases that a container sees say.
    fn installed(&mut self, stack: &Stack, layers: &[Layer]) {
        for (at, layer) in layers.iter().enumerate() {
            for (_, note) in layer.facts.notes.iter().filter(|(path, _)| stack.is_seen(path, at)) {
                let (packages, kind, owner): (_, _, fn(String) -> Owner) = match note {
                    Note::Dpkg { packages, .. } => (packages, PackageKind::Debian, Owner::Debian),
                    Note::Packages(packages) => (packages, PackageKind::Alpine, Owner::Alpine),
                    _ => continue,
                };
                for package in packages {
                    self.add(owner(package.name.clone()), kind, &package.name, &package.version);
                }
            }
        }
    }

    fn distributions(&mut self, stack: &Stack, layers: &[Layer]) {
        for (at, layer) in layers.iter().enumerate() {
            for (path, detail) in layer.details.iter().filter(|(path, _)| stack.is_seen(path, at)) {
                let Detail::Metadata(Metadata { name, version, .. }) = detail else { continue };
                let info = path.rsplit_once('/').map_or("", |(info, _)| info);
                self.add(Owner::Distribution(info.to_owned()), PackageKind::Python, name, version);
            }
        }
    }

    /// Tells the files that lists name whose they are.
    fn claim(&self, stack: &mut Stack, layers: &[Layer], is_wanted: impl Fn(&Holding) -> bool) {
        for (at, layer) in layers.iter().enumerate() {
            for (list, holdings) in &layer.files.lists {
                if !stack.is_seen(list, at) {
                    continue;
                }
                for holding in holdings.iter().filter(|holding| is_wanted(holding)) {
                    let Some(package) = self.by_owner.get(&holding.owner) else { continue };
                    // No list names itself in all formats.
                    for path in holding.paths.iter().chain([list]) {
                        if let Some(file) = stack.file_mut(path)
                            && (path != list || file.package.is_none())
                        {
                            file.package = Some(*package);
                        }
                    }
                }
            }
        }
    }
}

/// The compiled form of a module belongs to whom the module belongs to.
fn claim_compiled(stack: &mut Stack) {
    let is_compiled = |(path, file): &(&str, &File)| file.package.is_none() && path.contains(COMPILED);
    let source = |path: &str| {
        let (folder, name) = path.rsplit_once(COMPILED)?;
        Some(format!("{folder}{}.py", name.split('.').next()?))
    };
    let claims: Vec<(String, usize)> = stack
        .files()
        .filter(is_compiled)
        .filter_map(|(path, _)| Some((path.to_owned(), stack.tree.get(&source(path)?)?.package?)))
        .collect();
    for (path, package) in claims {
        if let Some(file) = stack.tree.get_mut(&path) {
            file.package = Some(package);
        }
    }
}

/// Adds what bills of materials say: licences, and packages that leave no trace in the files, such as crates.
fn add_listed(all: &mut Vec<Package>, bills: &[Value]) {
    let key =
        |kind: PackageKind, name: &str, version: &str| (kind, kind.plain_name(name), version.to_owned());
    let mut known: HashMap<(PackageKind, String, String), usize> = HashMap::new();
    for (at, package) in all.iter().enumerate() {
        known.entry(key(package.kind, &package.name, &package.version)).or_insert(at);
    }
    for bill in bills {
        for (listed, ecosystem) in sbom::listed_with_ecosystems(bill).unwrap_or_default() {
            let Some(kind) = ecosystem.as_deref().and_then(PackageKind::of_purl) else { continue };
            let (name, version) = (shown(&listed.name), shown(listed.version.as_deref().unwrap_or_default()));
            let licence = listed.licence.expression().map(shown);
            match known.entry(key(kind, &name, &version)) {
                std::collections::hash_map::Entry::Occupied(at) => {
                    let package = &mut all[*at.get()];
                    package.licence = package.licence.take().or(licence);
                }
                std::collections::hash_map::Entry::Vacant(slot) => {
                    slot.insert(all.len());
                    let (size, files, layers) = (0, 0, Vec::new());
                    all.push(Package {
                        kind,
                        name,
                        version,
                        size,
                        files,
                        layers,
                        licence,
                        only_in_sbom: true,
                    });
                }
            }
        }
    }
}

/// The largest first, and the files' references to them.
fn in_order(all: Vec<Package>, stack: &mut Stack) -> Vec<Package> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| {
        let by = |at: usize| (std::cmp::Reverse(all[at].size), all[at].kind, &all[at].name, &all[at].version);
        by(*a).cmp(&by(*b))
    });
    let mut places = vec![0; all.len()];
    for (place, at) in order.iter().enumerate() {
        places[*at] = place;
    }
    for file in stack.tree.values_mut() {
        file.package = file.package.map(|package| places[package]);
    }
    let mut all: Vec<Option<Package>> = all.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| all[at].take()).collect()
}
