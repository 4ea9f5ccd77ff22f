//! The bills of materials of all platforms of a rebased image: all of them, or none.

use std::fmt::Display;

use super::bill::{Below, Formats, Pair, Side, Unknown};
use super::crates;
use super::files::Files;
use super::interpreter;
use super::moved::Moved;
use crate::base::StoredImage;
use crate::config::Sbom;
use crate::error::{Error, Kind, Result};
use crate::oci::Reference;
use crate::sbom::Bill;
use crate::story::bill::{Named, installed};
use crate::story::stated::{self, Attached};
use crate::trust::Signatory;

/// The formats, by their short names.
const SPDX: &str = "spdx";
const CYCLONEDX: &str = "cyclonedx";

/// What bills are made with.
pub(super) struct Biller<'a> {
    pub(super) files: Files<'a>,
    pub(super) named: Named<'a>,
    /// What the call says.
    pub(super) asked: Sbom,
    /// Who must have signed those of the old image, where somebody must.
    pub(super) signatory: Option<&'a Signatory>,
}

impl Biller<'_> {
    /// The bills of the images on their new bases, and the formats that they are to have: those of the old ones, unless
    /// the call says another. None where one of them is not known.
    ///
    /// # Errors
    /// When something that is listed, or a layer, cannot be read.
    pub(super) async fn bills(
        &self,
        from: &StoredImage,
        moved: &[Moved],
        image: &Reference,
    ) -> Result<Option<(Vec<Bill>, Sbom)>> {
        if self.asked == Sbom::None {
            return Ok(None);
        }
        let read = async {
            let attached = stated::bills(from, self.signatory).await?;
            let is_wanted =
                !attached.is_empty() || self.asked != Sbom::Auto || stated::claims_bills(from).await?;
            Ok::<_, Error>((attached, is_wanted))
        };
        let (attached, is_wanted) = match read.await {
            // Anything may be attached.
            Err(error) if error.kind() == Kind::Integrity => {
                self.tell_without(image, &error.in_a_line());
                return Ok(None);
            }
            read => read?,
        };
        if !is_wanted {
            return Ok(None);
        }
        let (mut bills, mut formats) = (Vec::new(), Formats::new());
        for one in moved {
            let digest = one.standing.image.manifest.descriptor.digest;
            let own: Vec<&Attached> = attached.iter().filter(|bill| bill.subject == digest).collect();
            let made = match own.is_empty() {
                true => Err("the old image has none that counts"),
                false => self.bill(one, image, &own).await?,
            };
            match made {
                Ok((bill, of_it)) => {
                    bills.push(bill);
                    formats.extend(of_it);
                }
                Err(why) => {
                    self.tell_without(&format!("{image} ({})", one.standing.about.platform), why);
                    return Ok(None);
                }
            }
        }
        let sbom = match (self.asked, formats.contains(SPDX), formats.contains(CYCLONEDX)) {
            (Sbom::Auto, true, true) => Sbom::Both,
            (Sbom::Auto, false, true) => Sbom::Cyclonedx,
            (asked, ..) => asked,
        };
        Ok(Some((bills, sbom)))
    }

    fn tell_without(&self, image: &impl Display, why: &str) {
        self.files.desk.events.warn(format!("{image} is rebased without an SBOM: {why}"));
    }

    async fn bill(
        &self,
        moved: &Moved,
        image: &Reference,
        attached: &[&Attached],
    ) -> Result<Result<(Bill, Formats), Unknown>> {
        let Moved { standing, runtime, base, image: laid, .. } = moved;
        let (about, files) = (&standing.about, &self.files);
        let own = about.runtime_on(&standing.base);
        let there = files.of_image(&standing.image).await?;
        let crates = match crates::listed(*files, about, &there).await? {
            Ok(crates) => crates,
            Err(why) => return Ok(Err(why)),
        };
        let old = Side {
            image: &standing.image,
            base: &standing.base,
            runtime: &own,
            below: Below::of(&standing.base, &files.of_base(&standing.base).await?.contents),
            installed: installed(&there),
        };
        drop(there);
        let new = Side {
            image: laid,
            base,
            runtime,
            below: Below::of(base, &files.of_base(base).await?.contents),
            installed: installed(&files.of_image(laid).await?),
        };
        let (name, repository) = (self.named.name, &image.repository);
        // Of a platform that stays as it is nobody has asked yet.
        let is_bundled = interpreter::is_bundled(&files.ours(about).await?);
        let pair = Pair { about, is_bundled, crates, name, repository, old, new };
        Ok(tokio::task::block_in_place(|| pair.bill(attached)))
    }
}
