//! `containerize attest`: a signed statement about files that something else built, and whether files are those of
//! such a statement.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::parallel::in_parallel;
use super::places;
use super::request::Request;
use super::revision::{self, remember_written};
use super::sign::{Desk, Signers};
use super::signed::{Attestation, attestation};
use super::verify::{perhaps_shown, refusal, shown};
use crate::config::{Attest, Sign};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::oci::{Digest, to_json};
use crate::read;
use crate::redact::clean;
use crate::registry::Client;
use crate::sink;
use crate::store::Store;
use crate::trust::{Build, Bundle, Identity, Product, Provenance, Resource, Run, Signatory, Statement};
use crate::vcs::{Question, Revision};
use crate::words;
use crate::words::{Command, flag};

/// So many files are read at once.
const AT_ONCE: usize = 4;

/// No larger bundle is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// So many names of a statement are shown where a file is not one of them.
const SHOWN: usize = 5;

/// A file that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedFile {
    /// The file, as the call named it.
    pub file: String,
    /// What the statement calls it, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of its content.
    #[serde(serialize_with = "shown")]
    pub digest: Digest,
}

/// A signed statement about files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attested {
    /// The file with the bundle.
    pub bundle: String,
    /// The files that it is about, in the order of the call.
    pub files: Vec<NamedFile>,
}

/// Files that a signed statement is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifiedFiles {
    /// The file with the bundle.
    pub bundle: String,
    /// The files that it is about, in the order of the call.
    pub files: Vec<NamedFile>,
    /// The SHA-256 of the public key, where one has signed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "perhaps_shown")]
    pub key: Option<Digest>,
    /// Whom the certificate names, where one says who has signed.
    #[serde(flatten)]
    pub signer: Option<Identity>,
    /// What is stated about them.
    pub attestations: Vec<Attestation>,
}

/// States that `files` were built where this call runs, signs it as the call says, and writes the bundle to `output`.
///
/// # Errors
/// Usage: a file cannot be read, two have the same name, or the call does not say how to sign. As for signing
/// otherwise. Nothing is written then.
pub async fn attest(
    request: &Request,
    files: &[PathBuf],
    output: &Path,
    events: &Events,
) -> Result<Attested> {
    let sign = sign_of(request, events)?;
    let names = names(files)?;
    check_output(request, files, output)?;
    let dir = &request.dir;
    // Git looks while files are read.
    let question = Question::ask(dir);
    let client = Client::new(request.registry.clone(), request.credentials.clone(), events.clone())?;
    let attest = Attest { sign: Some(sign.clone()), ..Attest::default() };
    let signers = Signers::of(request, dir, std::iter::once(&attest), client.http())?;
    let signer = signers.get(&sign).ok_or_else(|| Error::bug("a signer is lost"))?;
    events.step("Attesting", counted(files.len()));
    let digests = tokio::task::block_in_place(|| digests(dir, files))?;
    let places: Vec<PathBuf> = files.iter().chain([&output.to_owned()]).map(|file| dir.join(file)).collect();
    let revision = tokio::task::block_in_place(|| revision::answer(question, request, &places, events));
    let run = Run::of(&request.variables, signers.workflow(events).await);
    let named = files.iter().zip(names).zip(digests);
    let named =
        named.map(|((file, name), digest)| NamedFile { file: shown_path(file), name: Some(name), digest });
    let named: Vec<NamedFile> = named.collect();
    let statement = to_json(&statement(request, &named, revision.as_ref(), run))?;
    let store = Store::open(&request.cache_dir)?.telling(events);
    let desk = Desk { request, dir, store: &store, client: &client, events };
    let signed = signer.sign(desk, &BTreeSet::new(), &[statement]).await?.pop();
    let bundle = signed.ok_or_else(|| Error::bug("a bundle is lost"))?.bundle;
    let place = dir.join(output);
    tokio::task::block_in_place(|| {
        sink::write_file(&place, |to| {
            to.write_all(&bundle).map_err(|e| Error::build("cannot write the attestation").because(e))
        })
    })?;
    remember_written(&store, &place);
    store.evict(request.cache_size);
    let bundle = shown_path(output);
    let proof = signer.proof(&sign).into_iter().chain([flag("bundle").of(&bundle)]);
    let (verify, example) = (Command::VERIFY.with(proof), &named[0].file);
    events.note(words!("signed; to check a file, run `{verify} {example}`"));
    Ok(Attested { bundle, files: named })
}

/// Whether the statement of a bundle is signed as it must be, and about all of `files`. Their names are not compared.
///
/// # Errors
/// Integrity: it is signed otherwise, or a file is not one of those that it is about. Usage: something cannot be read.
pub fn verify_files(
    dir: &Path,
    files: &[PathBuf],
    bundle: &Path,
    signatory: &Signatory,
    events: &Events,
) -> Result<VerifiedFiles> {
    let place = shown_path(bundle);
    events.step("Verifying", counted(files.len()));
    let bytes = read::bytes(&dir.join(bundle), LARGEST).map_err(|error| {
        Error::usage(format!("the bundle {place} cannot be read")).because(error).hint("check the path")
    })?;
    let digests = digests(dir, files)?;
    let (statement, signer) = signed_statement(&place, &bytes, signatory)?;
    let named = files.iter().zip(digests).map(|(file, digest)| {
        let listed = listed(&statement, &digest).ok_or_else(|| stranger(file, &statement, &place))?;
        Ok(NamedFile { file: shown_path(file), name: listed.name.clone(), digest })
    });
    let files = named.collect::<Result<Vec<_>>>()?;
    let key = match signatory {
        Signatory::Key(key) => Some(key.digest()),
        Signatory::Named(_) => None,
    };
    let stated = serde_json::to_value(&statement).unwrap_or_default();
    Ok(VerifiedFiles { bundle: place, files, key, signer, attestations: vec![attestation(&stated, true)] })
}

/// How the call says to sign.
fn sign_of(request: &Request, events: &Events) -> Result<Sign> {
    let sign = places::without_project(request, events)?.sign.ok_or_else(|| {
        Error::usage("the call does not say how to sign the files").hint(words!(
            "add {} or {}",
            flag("sign").of("keyless"),
            flag("sign-key").of("cosign.key")
        ))
    })?;
    match sign.mistake() {
        Some(mistake) => Err(Error::usage(format!("sign is invalid: {mistake}")).hint(Sign::FORMS)),
        None => Ok(sign),
    }
}

/// What the statement calls the files: by their names alone, since it is read elsewhere.
fn names(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut seen: BTreeMap<&str, &Path> = BTreeMap::new();
    let mut names = Vec::with_capacity(files.len());
    for file in files {
        let shown = file.display();
        let name = file.file_name().ok_or_else(|| {
            Error::usage(format!("{shown} is not the path of a file")).hint("give files, for example dist/*")
        })?;
        let name = name.to_str().ok_or_else(|| {
            Error::usage(format!("the name of {shown} is not Unicode")).hint("rename the file")
        })?;
        if let Some(other) = seen.insert(name, file) {
            return Err(match other == file {
                true => Error::usage(format!("{shown} was given twice")).hint("give it once"),
                false => Error::usage(format!("{} and {shown} have the same name", other.display()))
                    .hint("rename one of them, or make a statement for each"),
            });
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Refuses places that the bundle cannot go to, before anything is signed.
fn check_output(request: &Request, files: &[PathBuf], output: &Path) -> Result<()> {
    let (place, shown, to) = (request.dir.join(output), output.display(), flag("output"));
    if place.is_dir() {
        return Err(Error::usage(format!("{shown} is a folder, but the bundle is a file"))
            .hint(words!("give a file with {}", to.of("attestation.sigstore.json"))));
    }
    let folder = place.parent().unwrap_or(&place);
    if !folder.is_dir() {
        return Err(Error::usage(format!("the folder of {shown} does not exist"))
            .hint(words!("make the folder, or give another file with {to}")));
    }
    let real = |path: &Path| request.dir.join(path).canonicalize().ok();
    if let Some(there) = real(output)
        && files.iter().any(|file| real(file).as_ref() == Some(&there))
    {
        return Err(Error::usage(format!("{shown} is one of the files, and also the output"))
            .hint(words!("leave it out, or give another file with {to}")));
    }
    Ok(())
}

/// The digests of files, in their order.
fn digests(dir: &Path, files: &[PathBuf]) -> Result<Vec<Digest>> {
    in_parallel(AT_ONCE, files, |file| {
        let digest = read::file(&dir.join(file)).and_then(Digest::of_stream);
        match digest {
            Ok((digest, _)) => Ok(digest),
            Err(error) => {
                crate::interrupt::check()?;
                Err(Error::usage(format!("cannot read {}", file.display()))
                    .because(error)
                    .hint("check the path; each must be a file"))
            }
        }
    })
}

fn statement(
    request: &Request,
    files: &[NamedFile],
    revision: Option<&Revision>,
    run: Run,
) -> Statement<Provenance> {
    let subject = files.iter().map(|file| {
        let name = file.name.clone();
        Resource { name, ..Resource::default() }.sha256(&file.digest)
    });
    let names: Vec<_> = files.iter().filter_map(|file| file.name.as_deref()).collect();
    let place = Run::repository(&request.variables);
    let source = revision.map(|Revision { commit, dirty, .. }| {
        let source = match place {
            Some(place) => Resource::at(format!("git+{}", clean(&place))),
            None => Resource::named("source"),
        };
        source.digest("gitCommit", commit).with("role", "source").with("dirty", *dirty)
    });
    let build = Build {
        product: Product::Files,
        external: BTreeMap::from([("files".to_owned(), json!(names))]),
        internal: BTreeMap::from([("containerize".to_owned(), json!(env!("CARGO_PKG_VERSION")))]),
        materials: source.into_iter().collect(),
        byproducts: Vec::new(),
    };
    Provenance::statement(subject.collect(), build, run)
}

/// The statement of a bundle, if it is signed as it must be; and whom the certificate names.
fn signed_statement(
    place: &str,
    bytes: &[u8],
    signatory: &Signatory,
) -> Result<(Statement<Value>, Option<Identity>)> {
    let unusable = |why| {
        Error::integrity(format!("the bundle {place} cannot be used"))
            .because(why)
            .hint("give a Sigstore bundle with a statement about files, such as attestation.sigstore.json")
    };
    let bundle = Bundle::read(bytes).map_err(unusable)?;
    // Who has signed is asked before which files it is about: what the bundle claims is verified with it.
    let subject = bundle.subject();
    let subject = subject
        .ok_or_else(|| unusable(Error::integrity("it holds no statement about files with their SHA-256")))?;
    signatory.verify(bytes, &subject).map_err(|why| refusal(place, signatory, why))
}

/// The file of this digest in the statement.
fn listed<'s>(statement: &'s Statement<Value>, digest: &Digest) -> Option<&'s Resource> {
    statement.subject.iter().find(|one| one.digest_of_content() == Some(*digest))
}

/// The refusal of a file that the statement is not about.
fn stranger(file: &Path, statement: &Statement<Value>, bundle: &str) -> Error {
    let error =
        Error::integrity(format!("{} is not one of the files that {bundle} is about", file.display()));
    let names: Vec<&str> = statement.subject.iter().filter_map(|one| one.name.as_deref()).collect();
    let own = file.file_name().and_then(|name| name.to_str());
    if let Some(own) = own.filter(|own| names.contains(own)) {
        let changed = Error::integrity(format!("the {own} that was signed has other content"));
        return error.because(changed).hint("fetch the file and its bundle again, from the same release");
    }
    let listed = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let error = error.hint("give the bundle of the release that the file is from");
    match names[..] {
        [] => error,
        [..] => error.because(Error::integrity(format!("it is about {listed}{more}"))),
    }
}

fn counted(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}

fn shown_path(path: &Path) -> String {
    path.display().to_string()
}
