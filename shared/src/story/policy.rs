//! Whether an image in a registry keeps the rules of a policy: what is known of it is gathered, and judged.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::rebuild;
use super::sign::Trusted;
use super::stated::stated;
use super::verify::Verifier;
use crate::base::lock::BaseLock;
use crate::base::spec::BaseSpec;
use crate::base::{Opener, StoredImage};
use crate::error::{Error, Kind, Result};
use crate::event::Events;
use crate::oci::media_type::Compression;
use crate::oci::{Digest, ImageConfig, Platform, Reference};
use crate::policy::{Base, Evidence, Policy, Rule, Verdict};
use crate::registry::Client;
use crate::sbom::{self, Listed};
use crate::store::Store;
use crate::trust::{self, Provenance, Signatory, Statement};

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
        let mut signers = Vec::new();
        for entry in &self.policy.signed_by {
            entry.check(&Rule::SignedBy.to_string())?;
            signers.push(Trusted::read(self.dir, &Rule::SignedBy.to_string(), entry)?);
        }
        self.refuse_unsigned(&signers)?;
        self.events.step("Judging", image.to_string());
        let stored = self.opener(&BaseLock::default()).stored(&BaseSpec::Registry(image.clone())).await?;
        let digest = stored.root.digest;
        // From here on by its digest: the tag may move meanwhile.
        let pinned = image.repository.with_digest(digest);
        let mut evidence = Evidence { users: users(&stored).await?, ..Evidence::default() };
        if let Some((signer, signatory)) = self.signer(&pinned, &signers).await? {
            evidence.signer = Some(signer);
            if let Some(signatory) = signatory {
                self.add_stated(&stored, signatory, &mut evidence).await?;
            }
        }
        let now =
            Timestamp::try_from(self.now).map_err(|e| Error::bug("the clock cannot be read").because(e))?;
        let rules = self.policy.judge(&evidence, now);
        let passed = rules.iter().all(|verdict| verdict.passed);
        Ok(Judged { image: image.to_string(), digest, passed, rules })
    }

    fn refuse_unsigned(&self, signers: &[Trusted]) -> Result<()> {
        if self.policy.is_empty() {
            return Err(Error::usage("the policy has no rules")
                .hint("add some, such as not-root = true: docs/policy.md has all of them"));
        }
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
        signatory: &Signatory,
        evidence: &mut Evidence,
    ) -> Result<()> {
        let statements = stated(image, Some(signatory)).await?.statements;
        for statement in &statements {
            if let Some(bill) = bill(statement) {
                evidence.parts.get_or_insert_default().extend(bill);
            }
        }
        if let Some(parts) = &mut evidence.parts {
            parts.sort();
            parts.dedup();
        }
        let provenances = statements.into_iter().filter(|one| one.predicate_type == trust::PROVENANCE);
        let provenances: Vec<Provenance> =
            provenances.filter_map(|one| serde_json::from_value(one.predicate).ok()).collect();
        if provenances.is_empty() {
            return Ok(());
        }
        evidence.builders = provenances.iter().map(|one| one.builder().to_owned()).collect();
        let sources = provenances.iter().flat_map(|one| one.with_role("source"));
        let sources = sources.filter_map(|source| source.uri.as_deref());
        evidence.sources =
            Some(sources.map(|uri| uri.strip_prefix("git+").unwrap_or(uri).to_owned()).collect());
        evidence.bases = self.bases(&provenances).await;
        let shown = image.root.digest.to_string();
        let ours: Vec<Provenance> = provenances.into_iter().filter(Provenance::is_of_an_image).collect();
        evidence.repeatable = Some(rebuild::may_be_built_again(&ours, &shown));
        Ok(())
    }

    /// The bases that provenance names: those from registries with the time when they were made, and those that this
    /// program makes.
    async fn bases(&self, provenances: &[Provenance]) -> Vec<Base> {
        let (mut found, mut told) = (BTreeSet::new(), BTreeSet::new());
        for material in provenances.iter().flat_map(|one| one.with_role("base")) {
            let uri = material.uri.as_deref().unwrap_or_default();
            let name = uri.strip_prefix("oci://").unwrap_or(uri).to_owned();
            let created = match (name.parse::<Reference>(), material.digest_of_content()) {
                (Ok(reference), Some(digest)) => {
                    let pinned = reference.repository.with_digest(digest);
                    told.insert(reference.to_string());
                    self.created(&pinned).await
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
        found.into_iter().collect()
    }

    /// When an image was made, as its configuration says it.
    async fn created(&self, image: &Reference) -> Option<Timestamp> {
        let stored =
            self.opener(&BaseLock::default()).stored(&BaseSpec::Registry(image.clone())).await.ok()?;
        let mut newest = None;
        for (_, config) in configurations(&stored).await.ok()? {
            newest = newest.max(config.created.and_then(|created| created.parse().ok()));
        }
        newest
    }

    fn opener<'o>(&'o self, lock: &'o BaseLock) -> Opener<'o> {
        Opener {
            store: self.store,
            client: self.client,
            lock,
            locked: false,
            offline: false,
            dir: self.dir,
            compression: Compression::Gzip,
            jobs: 1,
            events: self.events,
        }
    }
}

/// Whether this program makes the base.
fn is_own(name: &str) -> bool {
    matches!(name, "static" | "scratch") || name.starts_with("deb:")
}

/// The packages of a statement that holds a bill of materials.
fn bill(statement: &Statement<Value>) -> Option<Vec<Listed>> {
    let is_bill = [trust::SPDX_DOCUMENT, trust::CYCLONEDX_BOM].contains(&statement.predicate_type.as_str());
    if is_bill { sbom::listed(&statement.predicate) } else { None }
}

/// Each platform of the image, and its configuration.
async fn configurations(image: &StoredImage) -> Result<Vec<(Platform, ImageConfig)>> {
    let mut found = Vec::new();
    for (_, manifest) in image.images().await? {
        let bytes = image.small(&manifest.config).await?;
        let config: ImageConfig = serde_json::from_slice(&bytes)
            .map_err(|e| Error::integrity("the image's configuration cannot be read").because(e))?;
        found.push((config.platform(), config));
    }
    Ok(found)
}

async fn users(image: &StoredImage) -> Result<Vec<(String, String)>> {
    let all = configurations(image).await?.into_iter();
    Ok(all
        .map(|(platform, config)| (platform.to_string(), config.config.user.clone().unwrap_or_default()))
        .collect())
}
