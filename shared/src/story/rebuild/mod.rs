//! Whether an image can be built again: from the inputs that its provenance records, and compared bit for bit.

mod bytes;
mod cause;
mod changes;
mod checkout;
mod compare;
mod difference;
mod harm;
mod inputs;
mod layers;
mod marks;
mod repeat;
mod statements;

use std::collections::BTreeMap;

use serde::Serialize;

use super::outcome::{Delivered, Outcome};
use super::places;
use super::request::Request;
use crate::base::lock::BaseLock;
use crate::base::spec::BaseSpec;
use crate::base::{Opener, StoredImage};
use crate::config::Language;
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::oci::{Digest, ImageConfig};
use crate::registry::Client;
use crate::store::{Store, scratch};
use crate::trust::{Provenance, Signatory};
use crate::words;
use crate::words::flag;
pub use bytes::Bytes;
pub use cause::Cause;
use cause::Known;
pub use changes::{Change, Input};
pub use checkout::Place as SourcePlace;
use checkout::checkout;
use compare::Pair;
pub use difference::{Difference, Entry, Field, LayerDifference, OnlyIn, Place, Side, Within};
use inputs::Inputs;

/// Whether an image with this provenance, which is called `shown`, can be built again, or why not.
pub(super) fn may_be_built_again(all: &[Provenance], shown: &str) -> std::result::Result<(), String> {
    match all {
        [] => Err("its provenance is not of containerize, which could build it again".to_owned()),
        all => Inputs::of(all, shown)
            .map(drop)
            .map_err(|error| error.causes().last().map_or_else(|| error.to_string(), ToString::to_string)),
    }
}

/// What an image is built again with.
pub struct Rebuilder<'a> {
    /// A call in the folder of this one, for nothing yet.
    pub request: &'a Request,
    /// For the registry of the image.
    pub client: &'a Client,
    /// The cache.
    pub store: &'a Store,
    /// Who must have signed the provenance, where somebody must.
    pub signatory: Option<&'a Signatory>,
    /// Whether a provenance that is not signed may run what it contains.
    pub believes_unsigned: bool,
    /// Where the source is.
    pub source: SourcePlace,
    /// Where events go.
    pub events: &'a Events,
}

/// What came of building an image again.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rebuilt {
    /// The image, as it was named.
    pub image: String,
    /// Its digest: of the index, or of the only manifest.
    #[serde(serialize_with = "super::verify::shown")]
    pub digest: Digest,
    /// The commit that it was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether the provenance is signed by who was named.
    pub signed: bool,
    /// Whether all of it is the same, bit for bit.
    pub same: bool,
    /// Where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// Why, probably.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// All inputs that were recorded as something else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

impl Rebuilder<'_> {
    /// Builds the image again with `build` and compares. What cannot be repeated is said before anything is built.
    ///
    /// # Errors
    /// Integrity: the image has no provenance, or one that does not say enough. Usage: the source is another one. Others
    /// when the image cannot be read, or the build fails.
    pub(super) async fn rebuild(
        &self,
        image: &BaseSpec,
        build: impl AsyncFnOnce(Request) -> Result<Outcome>,
    ) -> Result<Rebuilt> {
        let shown = image.to_string();
        self.events.step("Verifying", shown.clone());
        let found = self.opener(&BaseLock::default()).stored(image).await?;
        let then = statements::provenance(&found, &shown, self.signatory).await?;
        let inputs = Inputs::of(&then, &shown)?;
        self.check_harm(&inputs, &shown)?;
        for base in &inputs.loose_bases {
            self.events
                .note(format!("the base {base} is not from a registry, so its digest is not recorded"));
        }
        // What is remarkable about variables, the build says.
        let given = places::given(self.request, &Events::silent())?;
        let settings = inputs.settings(&env(&found).await?, &given)?;
        let (source, place, request) = (&inputs.source, &self.source, self.request);
        let checkout = tokio::task::block_in_place(|| checkout(source, place, &shown, request, self.events))?;
        let scratch = scratch::folder()?;
        let signed = self.signatory.is_some();
        let call = repeat::request((&inputs, signed), settings, &checkout, scratch.path(), request)?;
        let outcome = build(call).await.context(|| format!("{shown} cannot be built again"))?;
        let made = made(outcome, &inputs.name)?;
        let rebuilt = StoredImage::in_layout(&repeat::layout(scratch.path()), &made.digest).await?;
        self.events.step("Comparing", shown.clone());
        let (client, store) = (self.client, self.store);
        let pair = Pair { image: &found, rebuilt: &rebuilt, client, store };
        let difference = pair.first_difference().await?;
        let changes = match &difference {
            Some(_) => {
                changes::changes(&then, &statements::provenance(&rebuilt, "the rebuilt image", None).await?)
            }
            None => Vec::new(),
        };
        let (project, loose_bases) = (&project(&inputs, &then), &inputs.loose_bases);
        let remote_cache = inputs.remote_cache.as_deref();
        let known = Known { changed: &changes, project, loose_bases, remote_cache };
        let cause = difference.as_ref().map(|difference| cause::likely(difference, &known));
        Ok(Rebuilt {
            image: shown,
            digest: found.root.digest,
            commit: inputs.source.commit,
            signed,
            same: difference.is_none(),
            difference,
            cause,
            changes,
        })
    }

    /// Refuses what somebody could do to this machine who may write to the registry.
    fn check_harm(&self, inputs: &Inputs, shown: &str) -> Result<()> {
        let found = harm::of(&inputs.call);
        if self.signatory.is_some() || self.believes_unsigned || found.is_empty() {
            return Ok(());
        }
        let found = found.join(", ");
        Err(Error::integrity(format!(
            "the provenance of {shown} is not verified, but contains settings that run code: {found}"
        ))
        .hint(words!(
            "say who must have signed it, with {} or {}, or accept the settings with {}",
            flag("key").of("cosign.pub"),
            flag("identity").of("ID"),
            flag("unsigned")
        )))
    }

    fn opener<'o>(&'o self, lock: &'o BaseLock) -> Opener<'o> {
        Opener::of_images((self.store, self.client), lock, &self.request.dir, self.events)
    }
}

/// The variables in an image's own configuration, the last one's where platforms differ.
async fn env(image: &StoredImage) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (_, manifest) in image.images().await? {
        let bytes = image.small(&manifest.config).await?;
        let config: ImageConfig = serde_json::from_slice(&bytes)
            .map_err(|e| Error::integrity("the image's configuration cannot be read").because(e))?;
        let pairs = config.config.env.iter().filter_map(|line| line.split_once('='));
        found.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    Ok(found)
}

/// The image of this name among those that were built.
fn made(outcome: Outcome, name: &str) -> Result<Delivered> {
    let Outcome::Built(all) = outcome else { return Err(Error::bug("a build was only planned")) };
    let missing = || {
        Error::integrity(format!("the source makes no image {name} now"))
            .hint("images that only the file of --config declares cannot be built again")
    };
    all.into_iter().find(|image| image.name == name).ok_or_else(missing)
}

/// What the layer with the project's own files is called.
fn project(inputs: &Inputs, then: &[Provenance]) -> String {
    let bin = then.first().map(|one| one.external("configuration")["bin"].clone());
    match (inputs.language, bin.as_ref().and_then(|bin| bin.as_str())) {
        (Language::Rust, Some(bin)) => bin.to_owned(),
        _ => inputs.name.clone(),
    }
}
