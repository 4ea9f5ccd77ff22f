//! How an image came about that was laid on another base, as a statement: from which image and which base. So it can be
//! laid on the next one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Moved;
use crate::error::Result;
use crate::image::ImageSet;
use crate::layer;
use crate::oci::{Digest, Reference, to_json};
use crate::redact::clean;
use crate::story::provenance::CHOICES;
use crate::trust::{Build, Product, Provenance, Resource, Run};

/// The statement about everything in a set, as JSON.
///
/// # Errors
/// Only if a value does not serialise.
pub(super) fn of_set(
    run: Run,
    set: &ImageSet,
    moved: &[Moved],
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
    let bases = moved.iter().filter_map(|one| {
        let base = Resource::at(format!("oci://{onto}")).sha256(&one.base.digest?).with("role", "base");
        Some(base.with("platform", one.standing.about.platform.to_string()))
    });
    let choices: Value = moved
        .iter()
        .map(|one| (one.standing.about.platform.to_string(), json!(one.standing.about.choices)))
        .collect();
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
