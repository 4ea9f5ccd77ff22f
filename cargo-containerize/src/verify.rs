//! `containerize verify`: whether an image, or a file, is what somebody has signed, and what its source gives.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use containerize_core::base::spec::BaseSpec;
use containerize_core::event::Events;
use containerize_core::oci::Reference;
use containerize_core::policy::Policy;
use containerize_core::story::{
    self, Attestation, Cause, Judge, Judged, NamedFile, Rebuilder, Rebuilt, Verified, VerifiedFiles, Verifier,
};
use containerize_core::trust::{Expected, Identity, PublicKey, Signatory, TrustedRoot, Wanted};
use containerize_core::words::flag;
use containerize_core::{Error, Result, read, words};
use serde_json::json;

use crate::cli::{PrintFormat, SignatoryArgs, Subject, VerifyArgs};
use crate::request;

/// No more inputs that changed are listed.
const MOST_CHANGES: usize = 10;

/// Verifies the image or the files that the call names; what is to be printed.
///
/// # Errors
/// Integrity: it is not signed by whoever must have. Others when it, a key or a root cannot be had.
pub(crate) async fn run(arguments: &VerifyArgs, events: &Events) -> Result<Verdict> {
    let good = |text| Verdict { text, is_good: true };
    match arguments.subject()? {
        Subject::Image(image) => verify(arguments, &image, events).await.map(good),
        Subject::Files(files, bundle) => verify_files(arguments, files, bundle, events).map(good),
        Subject::Rebuild(image) => rebuild(arguments, &image, events).await,
        Subject::Policy(image, file) => judge(arguments, &image, file, events).await,
    }
}

/// What is to be printed, and whether the image is what it should be.
pub(crate) struct Verdict {
    pub(crate) text: String,
    pub(crate) is_good: bool,
}

async fn verify(arguments: &VerifyArgs, image: &Reference, events: &Events) -> Result<String> {
    let signatory = signatory(&arguments.signatory)?;
    let (client, store) = request::for_verify(arguments, image, events)?;
    let verifier = Verifier { store: &store, client: &client, signatory: &signatory, events };
    let verified = verifier.verify(image).await?;
    store.evict(request::cache_size()?);
    Ok(match arguments.say.format {
        PrintFormat::Json => format!("{:#}\n", json!(verified)),
        PrintFormat::Text => words(&verified, arguments.signatory.key.as_deref()),
    })
}

fn verify_files(arguments: &VerifyArgs, files: &[PathBuf], bundle: &Path, events: &Events) -> Result<String> {
    let (dir, signatory) = (request::here()?, signatory(&arguments.signatory)?);
    let verified =
        tokio::task::block_in_place(|| story::verify_files(&dir, files, bundle, &signatory, events))?;
    Ok(match arguments.say.format {
        PrintFormat::Json => format!("{:#}\n", json!(verified)),
        PrintFormat::Text => words_of_files(&verified, arguments.signatory.key.as_deref()),
    })
}

/// Holds the image to the rules of a file.
async fn judge(arguments: &VerifyArgs, image: &Reference, file: &Path, events: &Events) -> Result<Verdict> {
    let dir = request::here()?;
    let policy = Policy::read(&text(file, "policy")?)
        .map_err(|error| unusable(file, Error::usage(read::toml_words(file, &error))))?;
    let (client, store) = request::for_verify(arguments, image, events)?;
    let dir = &dir.join(file.parent().unwrap_or(file));
    let judge =
        Judge { client: &client, store: &store, policy: &policy, dir, now: SystemTime::now(), events };
    let judged = judge.judge(image).await?;
    store.evict(request::cache_size()?);
    let text = match arguments.say.format {
        PrintFormat::Json => format!("{:#}\n", json!(judged)),
        PrintFormat::Text => words_of_judged(&judged),
    };
    Ok(Verdict { text, is_good: judged.passed })
}

fn words_of_judged(judged: &Judged) -> String {
    let Judged { image, digest, rules, .. } = judged;
    let named = image.split('@').next().unwrap_or(image);
    let broken = rules.iter().filter(|rule| !rule.passed).count();
    let said = match (broken, rules.len()) {
        (0, 1) => "keeps the only rule".to_owned(),
        (0, all) => format!("keeps all {all} rules"),
        (broken, all) => format!("breaks {broken} of {all} rules"),
    };
    let mut text = format!("{named}@{digest}: {said}\n");
    for rule in rules {
        let verdict = if rule.passed { "kept" } else { "broken" };
        let _ = writeln!(text, "  {verdict:<6} {}: {}", rule.rule, rule.why);
    }
    text
}

/// Builds the image again and compares.
async fn rebuild(arguments: &VerifyArgs, image: &BaseSpec, events: &Events) -> Result<Verdict> {
    let is_signed = arguments.signatory.is_given();
    let signatory = if is_signed { Some(signatory(&arguments.signatory)?) } else { None };
    let source = arguments.rebuild.source(is_signed)?;
    let request = request::for_rebuild(arguments)?;
    let (client, store) = request::for_stored(&arguments.transfer, image, events)?;
    let (request, signatory) = (&request, signatory.as_ref());
    let (client, store, believes_unsigned) = (&client, &store, arguments.rebuild.unsigned);
    let rebuilder = Rebuilder { request, client, store, signatory, believes_unsigned, source, events };
    let rebuilt = story::rebuild(rebuilder, image).await?;
    let text = match arguments.say.format {
        PrintFormat::Json => format!("{:#}\n", json!(rebuilt)),
        PrintFormat::Text => words_of_rebuilt(&rebuilt),
    };
    Ok(Verdict { text, is_good: rebuilt.same })
}

fn words_of_rebuilt(rebuilt: &Rebuilt) -> String {
    let Rebuilt { image, digest, commit, signed, difference, cause, changes, .. } = rebuilt;
    let named = image.split('@').next().unwrap_or(image);
    let from = commit.as_ref().map(|commit| format!("  built from commit {commit}\n")).unwrap_or_default();
    let unsigned = if *signed { "" } else { "  the provenance is not verified: no signer was given\n" };
    let Some(difference) = difference else {
        return format!("{named}@{digest}: the same, bit for bit\n{from}{unsigned}");
    };
    let mut text = format!("{named}@{digest}: not the same\n{from}{unsigned}  {difference}\n");
    let of_cause = match cause {
        Some(Cause::Input(change)) => Some(change),
        _ => None,
    };
    if let Some(cause) = cause {
        let _ = writeln!(text, "  likely cause: {cause}");
    }
    for change in changes.iter().filter(|change| Some(*change) != of_cause).take(MOST_CHANGES) {
        let _ = writeln!(text, "  also: {change}");
    }
    text
}

/// Who must have signed, as the flags say.
///
/// # Errors
/// Usage: they do not say it, or a file that they name cannot be read.
pub(crate) fn signatory(flags: &SignatoryArgs) -> Result<Signatory> {
    if let Some(file) = &flags.key {
        let pem = text(file, "public key")?;
        let key = PublicKey::read(&pem);
        return Ok(Signatory::Key(key.map_err(|error| unusable(file, error))?));
    }
    let expected = |exactly: &Option<String>, pattern: &Option<String>| {
        Expected::of(exactly.as_deref(), pattern.as_deref())
    };
    let identity = expected(&flags.identity, &flags.identity_pattern)?;
    let issuer = expected(&flags.issuer, &flags.issuer_pattern)?;
    let source = expected(&flags.source, &flags.source_pattern)?;
    let source_ref = expected(&flags.source_ref, &flags.source_ref_pattern)?;
    let (identity, issuer) = match (identity, issuer) {
        (Some(identity), Some(issuer)) => (identity, issuer),
        (Some(_), None) => {
            let (identity, issuer) = (flag("identity"), flag("issuer"));
            return Err(Error::usage(words!("{identity} needs {issuer} too")).hint(words!(
                "add who vouches for the identity: for workflows on GitHub {}",
                issuer.of("https://token.actions.githubusercontent.com")
            )));
        }
        (None, _) => {
            return Err(Error::usage("the call does not say who must have signed").hint(words!(
                "give a public key with {}, or a name with {} and {}",
                flag("key").of("cosign.pub"),
                flag("identity").of("ID"),
                flag("issuer").of("URL")
            )));
        }
    };
    let root = match &flags.trusted_root {
        Some(file) => {
            TrustedRoot::read(&text(file, "trusted root")?).map_err(|error| unusable(file, error))?
        }
        None => TrustedRoot::public()?,
    };
    Ok(Signatory::Named(Box::new((root, Wanted { identity, issuer, source, source_ref }))))
}

fn text(file: &Path, what: &str) -> Result<String> {
    read::text(file, read::DOCUMENT).map_err(|error| {
        Error::usage(format!("the {what} {} cannot be read", file.display()))
            .because(error)
            .hint("check the path")
    })
}

fn unusable(file: &Path, error: Error) -> Error {
    Error::usage(format!("{} cannot be used", file.display())).because(error)
}

fn words(verified: &Verified, key: Option<&Path>) -> String {
    let Verified { image, digest, signer, platforms, attestations, .. } = verified;
    let named = image.split('@').next().unwrap_or(image);
    let mut text = format!("{named}@{digest}: {}", signed(key, signer.as_ref()));
    if !platforms.is_empty() {
        let _ = writeln!(text, "  an index of {} images", platforms.len());
    }
    stated(&mut text, attestations);
    text
}

fn words_of_files(verified: &VerifiedFiles, key: Option<&Path>) -> String {
    let VerifiedFiles { files, signer, attestations, .. } = verified;
    let mut text = String::new();
    for NamedFile { file, name, digest } in files {
        let own = Path::new(file).file_name();
        let other = name.as_deref().filter(|name| own.is_none_or(|own| own != *name));
        let other = other.map(|name| format!(", signed under the name {name:?}")).unwrap_or_default();
        let _ = writeln!(text, "{file}: {digest}{other}");
    }
    let _ = write!(text, "{}", signed(key, signer.as_ref()));
    stated(&mut text, attestations);
    text
}

/// Who has signed.
fn signed(key: Option<&Path>, signer: Option<&Identity>) -> String {
    match (key, signer) {
        (_, Some(Identity { identity, issuer, source, source_ref })) => {
            let at = source_ref.as_ref().map(|name| format!(" at {name}")).unwrap_or_default();
            let source =
                source.as_ref().map(|source| format!("  source: {source}{at}\n")).unwrap_or_default();
            format!("signed by {identity}\n  issuer: {issuer}\n{source}")
        }
        (Some(key), None) => format!("signed with {}\n", key.display()),
        (None, None) => "signed\n".to_owned(),
    }
}

fn stated(text: &mut String, attestations: &[Attestation]) {
    for Attestation { kind, signed, builder } in attestations {
        let what = match kind.as_str() {
            "spdx" => "SBOM (SPDX)",
            "cyclonedx" => "SBOM (CycloneDX)",
            other => other,
        };
        let by = builder.as_ref().map(|builder| format!(", built by {builder}")).unwrap_or_default();
        let _ = writeln!(text, "  {what}: {}{by}", if *signed { "signed" } else { "not signed" });
    }
}
