//! A policy as a gate of the build: what was just made is judged by the same rules, from what the build itself knows of
//! it, before anybody gets it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::images::Single;
use super::{Judge, refuse_empty, signers};
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::plan::{ImagePlan, Plan};
use crate::policy::{Evidence, Policy, Rule};
use crate::read;
use crate::story::ingredients::Packed;
use crate::story::request::Request;
use crate::story::sign::Trusted;
use crate::story::workshop::Workshop;
use crate::story::{hang, preflight};
use crate::trust::{Run, Statement};
use crate::words;
use crate::words::flag;

/// The key that names the file.
const KEY: &str = "policy";

/// A policy that a build has to keep.
struct Gate {
    /// As it was named.
    file: String,
    policy: Policy,
    /// The folder that files in it are relative to.
    dir: PathBuf,
    /// Who may sign.
    signers: Vec<Trusted>,
}

/// The policies of a call, by the files that the settings name. They are read once, before commands of the project are run.
#[derive(Default)]
pub(in crate::story) struct Gates(BTreeMap<String, Gate>);

impl Gate {
    /// Reads a file that is relative to `dir`.
    fn read(dir: &Path, file: &str) -> Result<Self> {
        let path = dir.join(file);
        let text = read::text(&path, read::DOCUMENT).map_err(|error| {
            Error::usage(format!("{KEY}: {file} cannot be read"))
                .because(error)
                .hint(format!("check the path; it is relative to {}", dir.display()))
        })?;
        let unusable = |why: String| Error::usage(format!("{KEY}: {file} cannot be used")).because(why);
        let policy = Policy::read(&text).map_err(|error| {
            unusable(read::toml_words(&path, &error)).hint("docs/policy.md has all rules")
        })?;
        refuse_empty(&policy)?;
        let dir = path.parent().unwrap_or(dir).to_owned();
        let signers = signers(&policy, &dir)?;
        Ok(Self { file: file.to_owned(), policy, dir, signers })
    }
}

/// Reads the policies of a call, and sees whether they can be kept at all, before anything is built. Their paths are
/// relative to `dir`.
///
/// # Errors
/// Usage: a policy cannot be read. Integrity: somebody must sign, and what is pushed is not signed.
pub(in crate::story) fn check<'s>(
    request: &Request,
    dir: &Path,
    images: impl Iterator<Item = &'s Settings>,
) -> Result<Gates> {
    let mut gates = Gates::default();
    // What was built before is compared, and goes nowhere.
    if request.repeats.is_some() {
        return Ok(gates);
    }
    for settings in images {
        let Some(file) = &settings.policy else { continue };
        let gate = match gates.0.entry(file.clone()) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(place) => place.insert(Gate::read(dir, file)?),
        };
        if request.push && !gate.signers.is_empty() && settings.attest.sign.is_none() {
            return Err(Error::integrity(format!(
                "{} in {file} demands a signature, but this call does not sign",
                Rule::SignedBy
            ))
            .hint(words!(
                "add {} or {}, or set the key `sign`",
                flag("sign").of("keyless"),
                flag("sign-key").of("cosign.key")
            )));
        }
    }
    Ok(gates)
}

/// Why images are not delivered.
pub(in crate::story) struct Refusal {
    pub(in crate::story) error: Error,
    /// Whether it is so whatever was lent to the build.
    pub(in crate::story) is_settled: bool,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, is_settled: false }
    }
}

/// Holds images that were just made to the policies that their settings name.
///
/// # Errors
/// Integrity: one breaks a rule. Others when a base cannot be read whose age is judged.
pub(in crate::story) async fn judge(
    gates: &Gates,
    workshop: &Workshop<'_>,
    plan: &Plan,
    made: &[Packed],
) -> Result<(), Refusal> {
    // What was built before is compared, and goes nowhere.
    if workshop.request.repeats.is_some() {
        return Ok(());
    }
    for (image, packed) in plan.images.iter().zip(made) {
        if let Some(file) = &image.policy {
            let gate =
                gates.0.get(file).ok_or_else(|| Error::bug(format!("the policy {file} was not read")))?;
            judge_one(workshop, image, packed, gate).await?;
        }
    }
    Ok(())
}

async fn judge_one(
    workshop: &Workshop<'_>,
    image: &ImagePlan,
    packed: &Packed,
    gate: &Gate,
) -> Result<(), Refusal> {
    let Workshop { client, store, events, .. } = *workshop;
    let Gate { file, policy, dir, .. } = gate;
    let judge = Judge { client, store, policy, dir, now: SystemTime::now(), events };
    let singles = packed.set.images.iter().map(single).collect::<Result<Vec<_>>>()?;
    let users = singles.iter().map(super::user).collect();
    let mut evidence =
        Evidence { users, signer: signer(workshop, image, gate).await?, ..Evidence::default() };
    if policy.asks_statements().is_some() {
        let statements = statements(workshop, image, packed, policy).await?;
        judge.add_statements(packed.set.digest(), &singles, &statements, &mut evidence).await?;
    }
    let rules = judge.verdicts(&evidence)?;
    let broken: Vec<_> = rules.iter().filter(|verdict| !verdict.passed).collect();
    let name = &image.name;
    if broken.is_empty() {
        let kept = match rules.len() {
            0 => return Ok(()),
            1 => "the only rule".to_owned(),
            all => format!("all {all} rules"),
        };
        events.step("Judged", format!("{name} keeps {kept} of {file}"));
        return Ok(());
    }
    let (count, of) = (broken.len(), rules.len());
    let sentences = broken.iter().map(|verdict| format!("{}: {}", verdict.rule, verdict.why));
    let sentences = [format!("{name} breaks {count} of {of} rules of {file}")].into_iter().chain(sentences);
    // Each as the cause of the one before, which is how several sentences are told.
    let error = sentences.rev().fold(None, |below: Option<Error>, sentence| {
        let error = Error::integrity(sentence);
        Some(match below {
            Some(below) => error.because(below),
            None => error,
        })
    });
    let error = error.unwrap_or_else(|| Error::bug("a broken rule is lost"));
    let error = error.hint("nothing was delivered; change the image, or the rules");
    Err(Refusal { error, is_settled: broken.iter().any(|verdict| !verdict.rule.is_about_parts()) })
}

fn single(image: &Image) -> Result<Single> {
    let (digest, platform) = (image.manifest.descriptor.digest, image.platform.clone());
    Ok(Single { digest, platform, config: preflight::config_of(image)? })
}

/// Who will sign the image, as far as somebody must: only what is pushed is signed.
async fn signer(
    workshop: &Workshop<'_>,
    image: &ImagePlan,
    gate: &Gate,
) -> Result<Option<Result<String, String>>> {
    let trusted = &gate.signers;
    let sign = image.attest.sign.as_ref().filter(|_| hang::signs(workshop.request));
    let signer = sign.and_then(|sign| workshop.signers.get(sign));
    match (trusted.is_empty(), signer) {
        (true, _) | (_, None) => Ok(None),
        (false, Some(signer)) => signer.is_one_of(trusted).await.map(Some),
    }
}

/// What the build would state about the image, as far as a rule asks.
async fn statements(
    workshop: &Workshop<'_>,
    image: &ImagePlan,
    packed: &Packed,
    policy: &Policy,
) -> Result<Vec<Statement<Value>>> {
    let workflow = match policy.builders.is_some() {
        true => workshop.signers.workflow(workshop.events).await,
        false => None,
    };
    let run = Run::of(&workshop.request.variables, workflow);
    let has_bill = policy.denied_licenses.is_some() || policy.denied_packages.is_some();
    hang::statements(workshop, image, packed, run, has_bill).await
}
