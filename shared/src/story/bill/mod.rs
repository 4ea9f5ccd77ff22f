//! Bills of materials of the images that were just made: what those who made them know, and beside that only
//! what the base's own databases say.

mod ground;

use super::ingredients::{Distribution, Origin};
use super::preflight;
use super::workshop::Workshop;
use crate::config::Install;
use crate::error::Result;
use crate::image::{Image, ImageSet};
use crate::layer::{self, Content, EntryKind};
use crate::oci::{Digest, Owner, Platform, Repository};
use crate::plan::{ImagePlan, Item, PlatformPlan, Runtime};
use crate::sbom::{self, Bill, Component, Key, Kind, Purl, add_carried, add_crates, licence_of_metadata};
use crate::store::Store;
use crate::wheel::Papers;
use ground::Packages;
pub(super) use ground::{Ground, Installed, installed};

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
        let digest = self.image.manifest.descriptor.digest;
        let PlatformPlan { platform, runtime, .. } = self.platform;
        component(Named::of(self.plan), digest, vendor(runtime), Some(platform))
    }
}

/// What an image is called, whatever is in it.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    /// Among the images of its project.
    pub(super) name: &'a str,
    /// Where it is pushed first.
    pub(super) repository: Option<&'a Repository>,
}

impl<'a> Named<'a> {
    pub(super) fn of(plan: &'a ImagePlan) -> Self {
        let repository = plan.references.first().map(|reference| &reference.repository);
        Self { name: &plan.name, repository }
    }
}

/// Who distributes an image, as it says itself.
pub(super) fn vendor(runtime: &Runtime) -> Option<String> {
    runtime.labels.get(VENDOR).cloned()
}

/// What a name leads to, as a part: an index, or the image of a platform.
pub(super) fn component(
    Named { name, repository }: Named<'_>,
    digest: Digest,
    vendor: Option<String>,
    platform: Option<&Platform>,
) -> Component {
    let repository = repository.map(ToString::to_string);
    let arch = platform.map(|platform| platform.architecture.clone()).unwrap_or_default();
    let purl = Purl::new("oci", name.to_lowercase()).version(digest.to_string()).with("arch", arch);
    Component {
        version: Some(digest.to_string()),
        purl: Some(purl.with("repository_url", repository.clone().unwrap_or_default())),
        sha256: Some(digest),
        // Whoever runs the repository distributes what is in it, if nobody else says so.
        supplier: vendor.or_else(|| repository.clone()),
        ..Component::new(Kind::Image, repository.unwrap_or_else(|| name.to_owned()))
    }
}

/// The bill of what the name of a set leads to: its one image, or all of them.
pub(super) fn of_index(named: Named<'_>, set: &ImageSet, bills: &[Bill]) -> Bill {
    if let ([only], None) = (bills, &set.index) {
        return only.clone();
    }
    let vendor = bills.first().and_then(|bill| bill.image.supplier.clone());
    let created = bills.first().map(|bill| bill.created.clone()).unwrap_or_default();
    Bill::of_several(component(named, set.digest(), vendor, None), set.digest(), &created, bills)
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
        let origin = subject.origin;
        let mut bill =
            Bill::new(subject.component(), image.manifest.descriptor.digest, &subject.plan.created);
        let supplier = match (origin.is_embedded, &origin.base) {
            (true, _) => Some(ground::embedded(&mut bill)),
            (false, Some((name, digest))) => {
                ground::stands_on(&mut bill, (name, digest), &subject.platform.platform)
            }
            (false, None) => None,
        };
        let installed = origin.packages.iter().collect();
        let release = origin.os_release.as_deref();
        ground::packages(&mut bill, &Packages { installed, release, added: &origin.debian });
        let installed = preflight::file_system(&layers, &config, workshop.store, workshop.jobs(), true)?;
        let known = python(&mut bill, subject, workshop.store)?;
        ground::found(&mut bill, &ground::installed(&installed), &known, supplier);
        add_crates(&mut bill, &origin.parts.crates);
        libraries(&mut bill, origin);
        files(&mut bill, subject)?;
        Ok(bill)
    })
}

/// The distributions of Python and what runs them; the names and versions of all of them.
fn python(bill: &mut Bill, subject: &Subject<'_>, store: &Store) -> Result<Installed> {
    let root = bill.root();
    let mut known = Installed::new();
    subject.origin.parts.python.into_iter().for_each(|version| ground::interpreter(bill, version));
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
