//! How an image came about that was laid on another base, as a statement: from which image and which base. So it can be
//! laid on the next one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::Result;
use crate::image::{Choices, ImageSet};
use crate::layer;
use crate::oci::{Digest, Platform, Reference, to_json};
use crate::redact::clean;
use crate::story::provenance::CHOICES;
use crate::story::vouched::Voucher;
use crate::trust::{Build, Product, Provenance, Resource, Run};

/// One platform's share of what is stated.
pub(super) struct Share<'a> {
    pub(super) platform: &'a Platform,
    pub(super) choices: &'a Choices,
    /// The manifest of the new base.
    pub(super) base: Option<Digest>,
    /// Who has signed it.
    pub(super) vouchers: &'a [Voucher],
}

/// The statement about everything in a set, as JSON.
///
/// # Errors
/// Only if a value does not serialise.
pub(super) fn of_set(
    run: Run,
    set: &ImageSet,
    shares: &[Share<'_>],
    (image, digest): (&Reference, Digest),
    onto: &Reference,
) -> Result<Vec<u8>> {
    let name = image.repository.to_string();
    // What the name leads to comes first: some readers show only that.
    let mut digests = vec![set.digest()];
    digests.extend(
        set.manifests().map(|manifest| manifest.descriptor.digest).filter(|one| *one != set.digest()),
    );
    let subject = digests.iter().map(|digest| Resource::named(&name).sha256(digest)).collect();
    let onto = clean(&onto.to_string()).into_owned();
    let materials =
        std::iter::once(Resource::at(format!("oci://{name}")).sha256(&digest).with("role", "image"));
    let bases = shares.iter().filter_map(|share| {
        let base = Resource::at(format!("oci://{onto}")).sha256(&share.base?).with("role", "base");
        let base = base.with("platform", share.platform.to_string());
        let signers: Vec<Value> = share.vouchers.iter().map(|voucher| voucher.value().clone()).collect();
        Some(if signers.is_empty() { base } else { base.with("signed-by", signers) })
    });
    let choices: Value =
        shares.iter().map(|share| (share.platform.to_string(), json!(share.choices))).collect();
    let build = Build {
        product: Product::Rebased,
        external: BTreeMap::from([
            ("name".to_owned(), json!(set.name)),
            ("image".to_owned(), json!(format!("{name}@{digest}"))),
            ("base".to_owned(), json!(onto)),
        ]),
        internal: BTreeMap::from([
            ("containerize".to_owned(), json!(env!("CARGO_PKG_VERSION"))),
            ("layerContract".to_owned(), json!(layer::CONTRACT)),
            (CHOICES.to_owned(), choices),
        ]),
        materials: materials.chain(bases).collect(),
        byproducts: Vec::new(),
    };
    to_json(&Provenance::statement(subject, build, run))
}
