//! What an image has of its base, and what else is found installed in it: the share of a bill that a rebase makes anew.

use std::collections::BTreeSet;

use crate::base;
use crate::debian;
use crate::facts::details::{Detail, FileSystem, Metadata};
use crate::facts::notes::Package;
use crate::oci::{Digest, Platform};
use crate::python::{Name, PythonVersion};
use crate::redact::clean;
use crate::sbom::{Bill, Bond, Component, Kind, Licence, Purl, Share};
use crate::system::os_release;

/// Names and versions of distributions.
pub(in crate::story) type Installed = BTreeSet<(Name, String)>;

/// A base with an image on it.
pub(in crate::story) struct Ground<'a> {
    /// The base's name and digest.
    pub(in crate::story) base: (&'a str, &'a Digest),
    pub(in crate::story) platform: &'a Platform,
    /// The packages of the base; none where its lists are the image's own.
    pub(in crate::story) packages: Vec<&'a Package>,
    /// What os-release says; nothing where the packages are the image's own.
    pub(in crate::story) release: Option<&'a str>,
    /// The base's Python, where the image runs on it.
    pub(in crate::story) python: Option<PythonVersion>,
    /// All distributions that are installed in the image.
    pub(in crate::story) installed: &'a Installed,
}

impl Ground<'_> {
    /// The bill of the image `empty`, which has `own` parts beside what it has of this base. Of distributions that are
    /// installed `told` says which were put there knowingly.
    pub(in crate::story) fn bill(&self, empty: &Bill, own: &Share, told: &Bill) -> Bill {
        let Self { base, platform, packages, release, python, installed } = self;
        let mut bill = empty.clone();
        let supplier = stands_on(&mut bill, *base, platform);
        let of_base = Packages { installed: packages.clone(), release: *release, added: &[] };
        self::packages(&mut bill, &of_base);
        python.iter().for_each(|version| interpreter(&mut bill, *version));
        bill.take(own);
        found(&mut bill, installed, &known(told), supplier);
        bill
    }

    /// Whether all distributions are installed that a bill knows the files of.
    pub(in crate::story) fn has_all_of(&self, told: &Bill) -> bool {
        known(told).is_subset(self.installed)
    }
}

/// Names and versions of all distributions that are installed.
pub(in crate::story) fn installed(files: &FileSystem) -> Installed {
    let all = files.details().filter_map(|(_, detail, _)| match detail {
        Detail::Metadata(Metadata { name, version, .. }) => Some((name.parse().ok()?, version.clone())),
        _ => None,
    });
    all.filter(|(_, version)| !version.is_empty()).collect()
}

/// Those distributions that a bill knows the files of.
fn known(bill: &Bill) -> Installed {
    let is_distribution = |part: &&Component| {
        part.file.is_some() && part.purl.as_ref().is_some_and(|purl| purl.kind() == "pypi")
    };
    let each = bill.held().filter(is_distribution);
    each.filter_map(|part| Some((part.name.parse().ok()?, part.version.clone()?))).collect()
}

/// Adds the CPython that runs what is in the image.
pub(super) fn interpreter(bill: &mut Bill, version: PythonVersion) {
    let root = bill.root();
    let purl = Purl::new("generic", "python").version(version.to_string());
    bill.add(
        &root,
        Component {
            version: Some(version.to_string()),
            purl: Some(purl),
            supplier: Some("Python Software Foundation".into()),
            licence: Licence::read("Python-2.0"),
            ..Component::new(Kind::Application, "python")
        },
    );
}

/// Adds the base that the image stands on; who distributes it.
pub(super) fn stands_on(
    bill: &mut Bill,
    (name, digest): (&str, &Digest),
    platform: &Platform,
) -> Option<String> {
    let repository = name.split('@').next().unwrap_or(name);
    let (path, tag) = match repository.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        _ => (repository, ""),
    };
    let last = path.rsplit('/').next().unwrap_or(path);
    let purl = Purl::new("oci", last).version(digest.to_string());
    let supplier = path.rsplit_once('/').map(|(place, _)| place.to_owned());
    bill.stand_on(Component {
        version: Some(digest.to_string()),
        purl: Some(
            purl.with("arch", platform.architecture.as_str()).with("repository_url", path).with("tag", tag),
        ),
        sha256: Some(*digest),
        supplier: supplier.clone(),
        ..Component::new(Kind::Image, path)
    });
    supplier
}

/// Adds the base that this program makes, and what of it others made.
pub(super) fn embedded(bill: &mut Bill) -> String {
    let own = |name: &str, version: &str| Component {
        version: Some(version.to_owned()),
        purl: Some(Purl::new("generic", name).version(version)),
        supplier: Some("containerize".into()),
        ..Component::new(Kind::Library, name)
    };
    let base = own("containerize-static", env!("CARGO_PKG_VERSION"));
    let base = bill.stand_on(Component { kind: Kind::Image, ..base });
    let (zones, certificates) = base::embedded::others();
    let root = bill.root();
    let parts = [
        zones.map(|version| Component { supplier: Some("IANA".into()), ..own("tzdata", version) }),
        Some(Component {
            sha256: Some(certificates),
            supplier: Some("Mozilla".into()),
            ..own("ca-certificates", &certificates.to_string())
        }),
    ];
    for part in parts.into_iter().flatten() {
        let key = bill.add(&root, part);
        bill.relate(&base, Bond::Holds, &key);
    }
    "containerize".into()
}

/// What os-release says of a distribution.
struct Distro {
    id: String,
    version: String,
    name: String,
}

impl Distro {
    fn read(os_release: Option<&str>) -> Option<Self> {
        let value = |key: &str| os_release::value(os_release?, key).map(str::to_owned);
        let id = value("ID")?;
        Some(Self {
            version: value("VERSION_ID").unwrap_or_default(),
            name: value("NAME").unwrap_or_else(|| id.clone()),
            id,
        })
    }
}

/// The packages that the base, and what was added to it, are made of.
pub(super) struct Packages<'a> {
    /// All that are installed.
    pub(super) installed: Vec<&'a Package>,
    /// What os-release says.
    pub(super) release: Option<&'a str>,
    /// Those that were added: where their files are.
    pub(super) added: &'a [debian::Package],
}

/// Adds the packages, and the distribution of Linux that they are of.
pub(super) fn packages(bill: &mut Bill, Packages { installed, release, added }: &Packages<'_>) {
    let root = bill.root();
    let distro = Distro::read(*release);
    if let Some(Distro { id, version, name }) = &distro {
        let version = Some(version.clone()).filter(|version| !version.is_empty());
        let supplier = Some(name.clone());
        bill.add(&root, Component { version, supplier, ..Component::new(Kind::System, id) });
    }
    let id = distro.as_ref().map_or("debian", |distro| &distro.id);
    let kind = if id == "alpine" || id == "wolfi" || id == "chainguard" { "apk" } else { "deb" };
    let named = distro.as_ref().map(|distro| format!("{}-{}", distro.id, distro.version)).unwrap_or_default();
    let supplier = distro.as_ref().map(|distro| distro.name.clone());
    let package = |name: &str, version: &str, arch: &str| Component {
        version: Some(version.to_owned()),
        purl: Some(
            Purl::new(kind, name)
                .of(id)
                .version(version)
                .with("arch", arch)
                .with("distro", named.trim_end_matches('-')),
        ),
        supplier: supplier.clone(),
        ..Component::new(Kind::Library, name)
    };
    for installed in installed {
        let mut part = package(&installed.name, &installed.version, &installed.architecture);
        let is_it =
            |added: &&debian::Package| (&added.name, &added.version) == (&installed.name, &installed.version);
        if let Some(added) = added.iter().find(is_it) {
            part = with_file(part, added);
        }
        bill.add(&root, part);
    }
    // Of some only files are taken, and no database names them.
    for added in *added {
        if !installed.iter().any(|installed| installed.name == added.name) {
            let purl = Purl::new("deb", &added.name).of("debian").version(&added.version);
            let part = package(&added.name, &added.version, &added.architecture);
            let purl = Some(purl.with("arch", added.architecture.as_str()));
            bill.add(&root, with_file(Component { purl, supplier: Some("Debian".into()), ..part }, added));
        }
    }
}

fn with_file(part: Component, package: &debian::Package) -> Component {
    let address = clean(&package.url).into_owned();
    let file = address.rsplit('/').next().map(str::to_owned);
    Component { file, sha256: Some(package.digest), origin: Some(address), ..part }
}

/// Distributions that are there without our doing: those of the base, and those that others carry within them.
pub(super) fn found(bill: &mut Bill, there: &Installed, known: &Installed, supplier: Option<String>) {
    let root = bill.root();
    // Whoever distributes the base distributes what is in it; if it has no name, whoever distributes the image.
    let supplier = supplier.or_else(|| bill.image.supplier.clone());
    for (name, version) in there.difference(known) {
        bill.add(
            &root,
            Component {
                purl: Some(Purl::new("pypi", name.to_string()).version(version)),
                version: Some(version.clone()),
                supplier: supplier.clone(),
                ..Component::new(Kind::Library, name.to_string())
            },
        );
    }
}
