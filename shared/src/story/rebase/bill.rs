//! The bill of materials of a rebased image. What the base has is found out anew. What is in the image's own layers, only
//! their build knew: that is what the old image's bill says beyond the old base. Checked of it are the parts of the base,
//! names and versions of the distributions that are installed, and the crates where the program lists them. Everything else
//! is believed as far as that bill is: digests, licences, addresses, files, and what distributions carry.

use std::collections::BTreeSet;

use super::standing::About;
use crate::base::BaseImage;
use crate::cargo::audit::Listed;
use crate::facts::Contents;
use crate::facts::notes::Package;
use crate::facts::python::find_python;
use crate::image::Image;
use crate::oci::Repository;
use crate::plan::Runtime;
use crate::python::PythonVersion;
use crate::sbom::{self, Bill, Component, Kind, Share};
use crate::story::bill::{Ground, Installed, Named, component, vendor};
use crate::story::stated::Attached;

/// Why there is no bill.
pub(super) type Unknown = &'static str;

/// Formats, by their short names.
pub(super) type Formats = BTreeSet<&'static str>;

/// An image on a base.
pub(super) struct Side<'a> {
    pub(super) image: &'a Image,
    pub(super) base: &'a BaseImage,
    /// What the configuration says beyond the base's.
    pub(super) runtime: &'a Runtime,
    pub(super) below: Below,
    /// All distributions that are installed.
    pub(super) installed: Installed,
}

/// What is in a base.
pub(super) struct Below {
    packages: Vec<Package>,
    /// What os-release says.
    release: Option<String>,
    python: Option<PythonVersion>,
}

impl Below {
    pub(super) fn of(base: &BaseImage, contents: &Contents) -> Self {
        Self {
            packages: contents.packages().into_iter().cloned().collect(),
            release: contents.os_release().map(str::to_owned),
            python: find_python(contents, &base.config).map(|found| found.version),
        }
    }
}

/// One platform's image on two bases.
pub(super) struct Pair<'a> {
    pub(super) about: &'a About,
    /// Whether its Python is its own.
    pub(super) is_bundled: bool,
    /// The crates that its program lists, where it does.
    pub(super) crates: Option<BTreeSet<Listed>>,
    /// The image's name among those of its project.
    pub(super) name: &'a str,
    /// Where it is.
    pub(super) repository: &'a Repository,
    pub(super) old: Side<'a>,
    pub(super) new: Side<'a>,
}

impl Pair<'_> {
    /// The bill of the new image, by those that are said to be of the old one; and the formats of those that count.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn bill(&self, attached: &[&Attached]) -> Result<(Bill, Formats), Unknown> {
        let read = attached.iter().filter_map(|one| Some((one.format, sbom::read(&one.document)?)));
        let read: Vec<(&str, Bill)> = read.collect();
        if read.is_empty() {
            return Err("this version of containerize would write that of the old image otherwise");
        }
        let (mut shares, mut formats): (Vec<(Bill, Share)>, Formats) = Default::default();
        for (format, bill) in read {
            let Some(share) = self.share(&bill) else { continue };
            formats.insert(format);
            if shares.iter().all(|(_, other)| *other != share) {
                shares.push((bill, share));
            }
        }
        match &shares[..] {
            [] => Err("that of the old image does not list what is in its base and its layers"),
            [(bill, share)] => Ok((self.laid(bill, share)?, formats)),
            _ => Err("the old image has several that contradict each other"),
        }
    }

    /// What the old image's bill says beyond its base, if it is one that a build makes.
    fn share(&self, bill: &Bill) -> Option<Share> {
        let (empty, ground) = (self.empty(&self.old, Some(&bill.image)), self.ground(&self.old)?);
        let share = bill.beyond(&self.below(&self.old, Some(&bill.image), bill)?);
        let has_all = self.crates.as_ref().is_none_or(|listed| *listed == bill.crates());
        let is_right = has_all && ground.has_all_of(bill) && ground.bill(&empty, &share, bill) == *bill;
        is_right.then_some(share)
    }

    /// The same on the new base.
    fn laid(&self, bill: &Bill, share: &Share) -> Result<Bill, Unknown> {
        let empty = self.empty(&self.new, None);
        let supplier = &bill.image.supplier;
        let is_new = supplier.is_none() && empty.image.supplier.is_some();
        if is_new && share.parts().any(|part| part.supplier.is_none()) {
            return Err(
                "that of the old image was written before it had a repository, so it does not say who distributes its parts",
            );
        }
        let share = share.clone().of_another_supplier(supplier.as_ref(), empty.image.supplier.as_ref());
        let ground = self.ground(&self.new).ok_or("the new base has no digest")?;
        // A build would say of what the base has where it came from.
        let is_package = |part: &Component| part.purl.as_ref().is_some_and(|purl| purl.kind() == "deb");
        let below: BTreeSet<&str> = ground.packages.iter().map(|package| package.name.as_str()).collect();
        let is_below = |part: &Component| below.contains(part.name.as_str());
        let are_others = self.old.base.config.rootfs != self.new.base.config.rootfs;
        if are_others && share.parts().any(|part| is_package(part) && is_below(part)) {
            return Err("the new base has a package that the image adds");
        }
        let (then, now) = (self.below(&self.old, Some(&bill.image), bill), self.below(&self.new, None, bill));
        let (Some(then), Some(now)) = (then, now) else { return Err("a base has no digest") };
        let laid = ground.bill(&empty, &share, bill);
        // Only the old side is proved: on the new one nothing may hide, or be hidden by, what the base has.
        match share.is_named_alike(&then, &now) && laid.beyond(&now) == share.under(&laid.root()) {
            true => Ok(laid),
            false => Err("the image and one of the bases have parts of the same name"),
        }
    }

    /// The bill of one side without what only its build knew.
    fn below(&self, side: &Side<'_>, known: Option<&Component>, told: &Bill) -> Option<Bill> {
        Some(self.ground(side)?.bill(&self.empty(side, known), &Share::default(), told))
    }

    /// A bill of one side with nothing in it yet. `known` is what the old bill calls its image, which may have been pushed
    /// elsewhere.
    fn empty(&self, side: &Side<'_>, known: Option<&Component>) -> Bill {
        let digest = side.image.manifest.descriptor.digest;
        let known = known.filter(|image| image.kind == Kind::Image);
        let there = known.and_then(|image| image.name.parse().ok());
        // A build that knows no repository calls the image by its name alone.
        let is_nowhere = known.is_some_and(|image| image.name == self.name);
        let repository = Some(there.as_ref().unwrap_or(self.repository)).filter(|_| !is_nowhere);
        let named = Named { name: self.name, repository };
        let image = component(named, digest, vendor(side.runtime), Some(&self.about.platform));
        Bill::new(image, digest, self.about.config.created.clone().unwrap_or_default())
    }

    fn ground<'s>(&'s self, side: &'s Side<'_>) -> Option<Ground<'s>> {
        let (base, choices) = (side.base, &self.about.choices);
        let Below { packages, release, python } = &side.below;
        // Lists that Debian packages were added to are those of the same files on both sides.
        let is_listed = !choices.packages;
        let runs_on_it = choices.python && !self.is_bundled;
        Some(Ground {
            base: (base.name.as_deref()?, base.digest.as_ref()?),
            platform: &self.about.platform,
            packages: packages.iter().filter(|_| is_listed).collect(),
            release: release.as_deref().filter(|_| is_listed),
            python: python.filter(|_| runs_on_it),
            installed: &side.installed,
        })
    }
}
