//! Whether an image in a registry keeps the rules of a policy: what is known of it is gathered, and judged.

pub(super) mod gate;
mod images;
mod known;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::rebuild;
use super::sign::Trusted;
use super::stated::stated_of_signed;
use super::verify::Verifier;
use crate::base::lock::BaseLock;
use crate::base::spec::BaseSpec;
use crate::base::{Opener, StoredImage};
use crate::config::TrustedSigner;
use crate::error::{Context, Error, Kind, Result};
use crate::event::Events;
use crate::oci::{Digest, ImageConfig, Reference};
use crate::policy::{Base, Evidence, Policy, Rule, Verdict};
use crate::registry::Client;
use crate::store::Store;
use crate::trust::{Provenance, Signatory, Statement};
use images::{Single, singles};
use known::About;

/// What an image is judged with.
pub struct Judge<'a> {
    /// For the registries of the image and of its bases.
    pub client: &'a Client,
    /// The cache.
    pub store: &'a Store,
    /// The rules.
    pub policy: &'a Policy,
    /// The folder that files in them are relative to.
    pub dir: &'a Path,
    /// The time by which a base is old.
    pub now: SystemTime,
    /// Where events go.
    pub events: &'a Events,
}

/// What the rules come to for an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// The image, as it was named.
    pub image: String,
    /// Its digest: of the index, or of the only manifest.
    #[serde(serialize_with = "super::verify::shown")]
    pub digest: Digest,
    /// Whether it keeps all rules.
    pub passed: bool,
    /// What comes of each rule, in the order of the documentation.
    pub rules: Vec<Verdict>,
}

impl Judge<'_> {
    /// Judges the image.
    ///
    /// # Errors
    /// Usage: the policy has no rule, or asks what is stated without saying who must have signed it. Others when the
    /// image cannot be read.
    pub async fn judge(&self, image: &Reference) -> Result<Judged> {
        let signers = signers(self.policy, self.dir)?;
        self.refuse_unsigned(&signers)?;
        self.events.step("Judging", image.to_string());
        let stored = self.opener(&BaseLock::default()).stored(&BaseSpec::Registry(image.clone())).await?;
        let digest = stored.root.digest;
        // From here on by its digest: the tag may move meanwhile.
        let pinned = image.repository.with_digest(digest);
        let images = singles(&stored).await?;
        let mut evidence = Evidence { users: images.iter().map(user).collect(), ..Evidence::default() };
        if let Some((signer, signatory)) = self.signer(&pinned, &signers).await? {
            evidence.signer = Some(signer);
            if let Some(signatory) = signatory {
                self.add_stated(&stored, &images, signatory, &mut evidence).await?;
            }
        }
        let rules = self.verdicts(&evidence)?;
        let passed = rules.iter().all(|verdict| verdict.passed);
        Ok(Judged { image: image.to_string(), digest, passed, rules })
    }

    fn verdicts(&self, evidence: &Evidence) -> Result<Vec<Verdict>> {
        let now =
            Timestamp::try_from(self.now).map_err(|e| Error::bug("the clock cannot be read").because(e))?;
        Ok(self.policy.judge(evidence, now))
    }

    fn refuse_unsigned(&self, signers: &[Trusted]) -> Result<()> {
        refuse_empty(self.policy)?;
        match self.policy.asks_statements().filter(|_| signers.is_empty()) {
            Some(rule) => Err(Error::usage(format!(
                "{rule} judges by what is stated about the image, and the policy does not say who must have signed that"
            ))
            .hint("add signed-by = [{ key = \"cosign.pub\" }], or an identity with its issuer")),
            None => Ok(()),
        }
    }

    /// The first of those that may sign who has signed the image, in words; else why it is signed by none of them.
    async fn signer<'s>(
        &self,
        image: &Reference,
        signers: &'s [Trusted],
    ) -> Result<Option<(Result<String, String>, Option<&'s Signatory>)>> {
        let mut why = None;
        for (Trusted { signatory, .. }, entry) in signers.iter().zip(&self.policy.signed_by) {
            let silent = Events::silent();
            let verifier = Verifier { store: self.store, client: self.client, signatory, events: &silent };
            match verifier.verify(image).await {
                Ok(verified) => {
                    let who = match (verified.signer, &entry.key) {
                        (Some(signer), _) => format!("by {}", signer.identity),
                        (None, key) => format!("with {}", key.as_deref().unwrap_or("the key")),
                    };
                    return Ok(Some((Ok(who), Some(signatory))));
                }
                Err(error) if error.kind() == Kind::Integrity => {
                    why = why.or(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
        let said = |error: Error| match signers.len() {
            1 => error.causes().last().map_or_else(|| error.to_string(), ToString::to_string),
            several => format!("none of {several} signers has signed it as they must"),
        };
        Ok(why.map(|error| (Err(said(error)), None)))
    }

    /// Adds what whoever has signed the image states about it.
    async fn add_stated(
        &self,
        image: &StoredImage,
        images: &[Single],
        signatory: &Signatory,
        evidence: &mut Evidence,
    ) -> Result<()> {
        let statements = stated_of_signed(image, signatory).await?;
        self.add_statements(image.root.digest, images, &statements, evidence).await
    }

    /// Adds what is stated about the image.
    async fn add_statements(
        &self,
        root: Digest,
        images: &[Single],
        statements: &[Statement<Value>],
        evidence: &mut Evidence,
    ) -> Result<()> {
        let about = About { root, images };
        evidence.parts = about.parts(statements);
        let known = match about.provenances(statements) {
            Ok(known) => known,
            Err(why) => {
                evidence.builds = Err(why.clone());
                evidence.bases = Err(why.clone());
                evidence.repeatable = Err(why);
                return Ok(());
            }
        };
        evidence.builds = Ok(known.built);
        evidence.bases = match &known.is_all_own {
            Ok(()) => Ok(self.bases(&known.own).await?),
            Err(why) => Err(why.clone()),
        };
        evidence.repeatable = known.is_all_own.and_then(|()| repeatable(&known.own, &root));
        Ok(())
    }

    /// The bases that provenance names: those from registries with the time when they were made, and those that this
    /// program makes.
    ///
    /// # Errors
    /// When a base cannot be read whose age is judged.
    async fn bases(&self, provenances: &[Provenance]) -> Result<Vec<Base>> {
        let (mut found, mut told) = (BTreeSet::new(), BTreeSet::new());
        for material in provenances.iter().flat_map(|one| one.with_role("base")) {
            let uri = material.uri.as_deref().unwrap_or_default();
            let name = uri.strip_prefix("oci://").unwrap_or(uri).to_owned();
            let created = match (name.parse::<Reference>(), material.digest_of_content()) {
                (Ok(reference), Some(digest)) => {
                    told.insert(reference.to_string());
                    let pinned = reference.repository.with_digest(digest);
                    self.created(&pinned)
                        .await
                        .context(|| format!("cannot tell the age of the base {name}"))?
                }
                _ => None,
            };
            found.insert(Base { name, created, is_made_here: false });
        }
        // Those that are in no registry have a name alone.
        for provenance in provenances {
            let targets = provenance.external("platforms").as_object().into_iter().flatten();
            let named = targets.filter_map(|(_, target)| target.get("base")?.as_str());
            let is_told = |name: &str| {
                let reference = name.strip_prefix("docker://").unwrap_or(name).parse::<Reference>();
                reference.is_ok_and(|reference| told.contains(&reference.to_string()))
            };
            found.extend(named.filter(|name| !is_told(name)).map(|name| Base {
                name: name.to_owned(),
                created: None,
                is_made_here: is_own(name),
            }));
        }
        Ok(found.into_iter().collect())
    }

    /// When an image was made, as its configuration says it; `None` where no rule asks.
    async fn created(&self, image: &Reference) -> Result<Option<Timestamp>> {
        if self.policy.max_base_age.is_none() {
            return Ok(None);
        }
        let stored = self.opener(&BaseLock::default()).stored(&BaseSpec::Registry(image.clone())).await?;
        let mut newest = None;
        for (_, manifest) in stored.images().await? {
            let bytes = stored.small(&manifest.config).await?;
            let config: ImageConfig = serde_json::from_slice(&bytes)
                .map_err(|e| Error::integrity("its configuration cannot be read").because(e))?;
            newest = newest.max(config.created.and_then(|created| created.parse().ok()));
        }
        Ok(newest)
    }

    fn opener<'o>(&'o self, lock: &'o BaseLock) -> Opener<'o> {
        Opener::of_images((self.store, self.client), lock, self.dir, self.events)
    }
}

/// Those whom a policy lets sign.
///
/// # Errors
/// Usage: an entry makes no sense, or a file of it cannot be read.
fn signers(policy: &Policy, dir: &Path) -> Result<Vec<Trusted>> {
    let key = Rule::SignedBy.to_string();
    let read = |entry: &TrustedSigner| entry.check(&key).and_then(|()| Trusted::read(dir, &key, entry));
    policy.signed_by.iter().map(read).collect()
}

fn refuse_empty(policy: &Policy) -> Result<()> {
    match policy.is_empty() {
        true => Err(Error::usage("the policy has no rules")
            .hint("add some, such as not-root = true: docs/policy.md has all of them")),
        false => Ok(()),
    }
}

/// Whether this program makes the base.
fn is_own(name: &str) -> bool {
    matches!(name, "static" | "scratch") || name.starts_with("deb:")
}

/// The platform of an image, and whom it runs as.
fn user(image: &Single) -> (String, String) {
    (image.platform.to_string(), image.config.config.user.clone().unwrap_or_default())
}

/// Each build must be one that can be repeated: which of them made the image, only repeating it tells.
fn repeatable(all: &[Provenance], image: &Digest) -> std::result::Result<(), String> {
    let shown = image.to_string();
    let each = |one| rebuild::may_be_built_again(std::slice::from_ref(one), &shown);
    match all {
        [] => rebuild::may_be_built_again(all, &shown),
        all => all.iter().try_for_each(each),
    }
}
