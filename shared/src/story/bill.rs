//! Bills of materials of the images that were just made: what those who made them know, and beside that only
//! what the base's own databases say.

use std::collections::BTreeSet;

use super::ingredients::{Distribution, Origin};
use super::preflight;
use super::workshop::Workshop;
use crate::base;
use crate::config::Install;
use crate::error::Result;
use crate::facts::details::{Detail, Metadata};
use crate::image::{Image, ImageSet};
use crate::layer::{self, Content, EntryKind};
use crate::oci::{Digest, Owner};
use crate::plan::{ImagePlan, Item, PlatformPlan};
use crate::python::Name;
use crate::redact::clean;
use crate::sbom::{
    self, Bill, Bond, Component, Key, Kind, Licence, Purl, add_carried, add_crates, licence_of_metadata,
};
use crate::store::Store;
use crate::system::os_release;
use crate::wheel::Papers;

/// The label that names who distributes an image.
const VENDOR: &str = "org.opencontainers.image.vendor";

/// An image that a bill is about.
pub(super) struct Subject<'a> {
    pub(super) plan: &'a ImagePlan,
    pub(super) platform: &'a PlatformPlan,
    pub(super) image: &'a Image,
    pub(super) origin: &'a Origin,
}

impl Subject<'_> {
    /// The image as a part: what it is called elsewhere.
    fn component(&self) -> Component {
        let vendor = self.platform.runtime.labels.get(VENDOR).cloned();
        component(self.plan, self.image.manifest.descriptor.digest, vendor, Some(self.platform))
    }
}

/// What the name of `set` leads to, as a part.
fn component(
    plan: &ImagePlan,
    digest: Digest,
    vendor: Option<String>,
    platform: Option<&PlatformPlan>,
) -> Component {
    let repository = plan.references.first().map(|reference| reference.repository.to_string());
    let arch = platform.map(|platform| platform.platform.architecture.clone()).unwrap_or_default();
    let purl = Purl::new("oci", plan.name.to_lowercase()).version(digest.to_string()).with("arch", arch);
    Component {
        version: Some(digest.to_string()),
        purl: Some(purl.with("repository_url", repository.clone().unwrap_or_default())),
        sha256: Some(digest),
        // Whoever runs the repository distributes what is in it, if nobody else says so.
        supplier: vendor.or_else(|| repository.clone()),
        ..Component::new(Kind::Image, repository.unwrap_or_else(|| plan.name.clone()))
    }
}

/// The bill of what the name of a set leads to: its one image, or all of them.
pub(super) fn of_index(plan: &ImagePlan, set: &ImageSet, bills: &[Bill]) -> Bill {
    if let ([only], None) = (bills, &set.index) {
        return only.clone();
    }
    let vendor = bills.first().and_then(|bill| bill.image.supplier.clone());
    Bill::of_several(component(plan, set.digest(), vendor, None), set.digest(), &plan.created, bills)
}

/// The bill of one platform's image.
///
/// # Errors
/// When a wheel, a file or a layer cannot be read.
pub(super) async fn of_image(workshop: &Workshop<'_>, subject: &Subject<'_>) -> Result<Bill> {
    let config = preflight::config_of(subject.image)?;
    let layers = preflight::fetched(subject.image.layers.clone(), workshop.client, workshop.store).await?;
    tokio::task::block_in_place(|| {
        let image = subject.image;
        let mut bill =
            Bill::new(subject.component(), image.manifest.descriptor.digest, &subject.plan.created);
        let supplier = stands_on(&mut bill, subject);
        packages(&mut bill, subject.origin);
        let installed = preflight::file_system(&layers, &config, workshop.store, workshop.jobs(), true)?;
        let known = python(&mut bill, subject, workshop.store)?;
        let metadata = installed.details().filter_map(|(_, detail, _)| match detail {
            Detail::Metadata(metadata) => Some(metadata),
            _ => None,
        });
        // Whoever distributes the base distributes what is in it; if it has no name, whoever distributes the image.
        let supplier = supplier.or_else(|| bill.image.supplier.clone());
        found(&mut bill, metadata, &known, supplier.as_ref());
        add_crates(&mut bill, &subject.origin.parts.crates);
        libraries(&mut bill, subject.origin);
        files(&mut bill, subject)?;
        Ok(bill)
    })
}

/// Adds the base that the image stands on; who distributes it.
fn stands_on(bill: &mut Bill, subject: &Subject<'_>) -> Option<String> {
    if subject.origin.is_embedded {
        return Some(embedded(bill));
    }
    let (name, digest) = subject.origin.base.as_ref()?;
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
            purl.with("arch", subject.platform.platform.architecture.as_str())
                .with("repository_url", path)
                .with("tag", tag),
        ),
        sha256: Some(*digest),
        supplier: supplier.clone(),
        ..Component::new(Kind::Image, path)
    });
    supplier
}

/// Adds the base that this program makes, and what of it others made.
fn embedded(bill: &mut Bill) -> String {
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
fn packages(bill: &mut Bill, origin: &Origin) {
    let root = bill.root();
    let distro = Distro::read(origin.os_release.as_deref());
    if let Some(Distro { id, version, name }) = &distro {
        let version = Some(version.clone()).filter(|version| !version.is_empty());
        let supplier = Some(name.clone());
        bill.add(&root, Component { version, supplier, ..Component::new(Kind::System, id) });
    }
    let id = distro.as_ref().map_or("debian", |distro| &distro.id);
    let kind = if id == "alpine" || id == "wolfi" || id == "chainguard" { "apk" } else { "deb" };
    let release =
        distro.as_ref().map(|distro| format!("{}-{}", distro.id, distro.version)).unwrap_or_default();
    let supplier = distro.as_ref().map(|distro| distro.name.clone());
    let package = |name: &str, version: &str, arch: &str| Component {
        version: Some(version.to_owned()),
        purl: Some(
            Purl::new(kind, name)
                .of(id)
                .version(version)
                .with("arch", arch)
                .with("distro", release.trim_end_matches('-')),
        ),
        supplier: supplier.clone(),
        ..Component::new(Kind::Library, name)
    };
    for installed in &origin.packages {
        let mut part = package(&installed.name, &installed.version, &installed.architecture);
        let added = origin
            .debian
            .iter()
            .find(|added| (&added.name, &added.version) == (&installed.name, &installed.version));
        if let Some(added) = added {
            part = with_file(part, added);
        }
        bill.add(&root, part);
    }
    // Of some only files are taken, and no database names them.
    for added in &origin.debian {
        if !origin.packages.iter().any(|installed| installed.name == added.name) {
            let purl = Purl::new("deb", &added.name).of("debian").version(&added.version);
            let part = package(&added.name, &added.version, &added.architecture);
            let purl = Some(purl.with("arch", added.architecture.as_str()));
            bill.add(&root, with_file(Component { purl, supplier: Some("Debian".into()), ..part }, added));
        }
    }
}

fn with_file(part: Component, package: &crate::debian::Package) -> Component {
    let address = clean(&package.url).into_owned();
    let file = address.rsplit('/').next().map(str::to_owned);
    Component { file, sha256: Some(package.digest), origin: Some(address), ..part }
}

/// The distributions of Python and what runs them; the names and versions of all of them.
fn python(bill: &mut Bill, subject: &Subject<'_>, store: &Store) -> Result<BTreeSet<(Name, String)>> {
    let root = bill.root();
    let mut known = BTreeSet::new();
    if let Some(version) = subject.origin.parts.python {
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
    for distribution in &subject.origin.parts.distributions {
        let papers = distribution.papers(store)?;
        known.insert((distribution.name.clone(), papers.version.clone()));
        distributed(bill, &root, distribution, &papers);
    }
    if subject.plan.python().is_some_and(|application| application.install == Install::Source) {
        let supplier = bill.image.supplier.clone();
        let version = Some(subject.plan.version.clone());
        let purl = version.as_ref().map(|version| Purl::new("generic", &subject.plan.name).version(version));
        bill.add(
            &root,
            Component { version, purl, supplier, ..Component::new(Kind::Application, &subject.plan.name) },
        );
    }
    Ok(known)
}

/// Adds a distribution, what it carries, and what it was built from.
fn distributed(bill: &mut Bill, root: &Key, distribution: &Distribution, papers: &Papers) {
    let Distribution { name, file, digest, lineage, .. } = distribution;
    let address = lineage.address.clone();
    let purl = Purl::new("pypi", name.to_string()).version(&papers.version).with("file_name", file.as_str());
    let git = address.as_deref().filter(|address| address.starts_with("git+"));
    let supplier =
        if lineage.is_own { bill.image.supplier.clone() } else { address.as_deref().and_then(supplier) };
    let built = git.is_some() || lineage.archive.is_some();
    let part = Component {
        version: Some(papers.version.clone()),
        purl: Some(purl.with("vcs_url", git.unwrap_or_default())),
        file: Some(file.clone()),
        sha256: Some(*digest),
        origin: address.clone().filter(|_| !built || git.is_some()),
        supplier: supplier.clone(),
        licence: licence_of_metadata(&papers.metadata),
        ..Component::new(if lineage.is_own { Kind::Application } else { Kind::Library }, name.to_string())
    };
    let key = bill.add(root, part);
    papers.bills.iter().for_each(|carried| _ = add_carried(bill, &key, carried.as_bytes()));
    if let Some((archive, sha256)) = &lineage.archive {
        bill.make_with(
            &key,
            Component {
                version: Some(papers.version.clone()),
                purl: Some(
                    Purl::new("pypi", name.to_string())
                        .version(&papers.version)
                        .with("file_name", archive.as_str()),
                ),
                file: Some(archive.clone()),
                sha256: *sha256,
                origin: address,
                supplier,
                ..Component::new(Kind::Library, name.to_string())
            },
        );
    }
}

/// Who distributes what is at an address: the place that it is at.
fn supplier(address: &str) -> Option<String> {
    let host = sbom::host(address)?;
    Some(match host.as_str() {
        "pypi.org" | "files.pythonhosted.org" => "PyPI".into(),
        _ => host,
    })
}

/// Distributions that are there without our doing: those of the base, and those that others carry within them.
fn found<'m>(
    bill: &mut Bill,
    all: impl Iterator<Item = &'m Metadata>,
    known: &BTreeSet<(Name, String)>,
    supplier: Option<&String>,
) {
    let root = bill.root();
    for metadata in all {
        let Ok(name) = metadata.name.parse::<Name>() else { continue };
        if metadata.version.is_empty() || known.contains(&(name.clone(), metadata.version.clone())) {
            continue;
        }
        let purl = Purl::new("pypi", name.to_string()).version(&metadata.version);
        let version = Some(metadata.version.clone());
        bill.add(
            &root,
            Component {
                version,
                purl: Some(purl),
                supplier: supplier.cloned(),
                ..Component::new(Kind::Library, name.to_string())
            },
        );
    }
}

/// Libraries of this machine.
fn libraries(bill: &mut Bill, origin: &Origin) {
    let root = bill.root();
    for (file, digest, package) in &origin.libraries {
        // Which version this machine has is not asked: the digest tells it.
        let purl = package.as_ref().map(|name| Purl::new("deb", name).of("debian"));
        bill.add(
            &root,
            Component {
                purl,
                file: Some(file.clone()),
                sha256: Some(*digest),
                ..Component::new(Kind::Library, file)
            },
        );
    }
}

/// Files of the project beside the program, and layers that were made outside.
fn files(bill: &mut Bill, subject: &Subject<'_>) -> Result<()> {
    let root = bill.root();
    let supplier = bill.image.supplier.clone();
    let made = subject.image.titles.iter().zip(&subject.image.layers);
    for planned in &subject.platform.layers {
        for item in &planned.items {
            match item {
                Item::Files { rule, .. } => {
                    let from = subject.origin.dir.join(&rule.from);
                    for entry in layer::collect(&from, &rule.to, None, Owner::ROOT, &rule.exclude)? {
                        if let EntryKind::File(Content::File { digest, .. }) = entry.kind {
                            let part = Component::new(
                                Kind::File,
                                format!("/{}", entry.path.trim_start_matches('/')),
                            );
                            bill.add(
                                &root,
                                Component { sha256: Some(digest), supplier: supplier.clone(), ..part },
                            );
                        }
                    }
                }
                Item::Outside { .. } => {
                    let layer = made.clone().find(|(title, _)| **title == planned.title);
                    let part = Component::new(Kind::File, &planned.title);
                    let sha256 = layer.map(|(_, blob)| blob.descriptor.digest);
                    bill.add(&root, Component { sha256, supplier: supplier.clone(), ..part });
                }
                _ => {}
            }
        }
    }
    Ok(())
}
