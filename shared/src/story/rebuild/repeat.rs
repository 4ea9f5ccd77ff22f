//! The call that builds an image again.

use std::path::{Path, PathBuf};

use super::checkout::Checkout;
use super::inputs::{HIDDEN, Inputs};
use crate::cargo::{Cargo, select::Scope};
use crate::config::{Attestations, KEYS, Language, Origin, Partial, Place, RemoteCache, Sbom};
use crate::error::{Error, Result};
use crate::sink::Output;
use crate::story::called::is_for_the_compiler;
use crate::story::request::{Repeat, Request, RustCall};

/// The variable that says when an image was made.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The call that builds the image again from what is checked out, with everything new in the folder `scratch`. It begins
/// with `request`, which says how registries are spoken to and where the cache is; `is_signed`: what the inputs are read
/// from is signed by who was named.
///
/// # Errors
/// Integrity: what the compiler was told is not recorded, and not given either.
pub(super) fn request(
    (inputs, is_signed): (&Inputs, bool),
    settings: Partial,
    checkout: &Checkout,
    scratch: &Path,
    request: &Request,
) -> Result<Request> {
    let call = &inputs.call;
    let dir = match call.folder.as_deref() {
        Some(folder) => place_in(&checkout.root, folder)?,
        None => checkout.root.clone(),
    };
    let epoch = epoch(inputs, checkout);
    let is_key = |name: &str| KEYS.iter().any(|key| key.variable().as_deref() == Some(name));
    let kept = request.variables.iter().filter(|(name, _)| *name != EPOCH && !is_key(name));
    let variables = kept.map(|(name, value)| (name.clone(), value.clone())).chain(epoch.clone()).collect();
    let manifest = call.manifest.as_ref().map(|path| place_in(&checkout.root, path)).transpose()?;
    let is_rust = inputs.language == Language::Rust;
    // Stronger than the tables of the project, as the call was; the flags are those of this one.
    let told =
        Place { origin: Origin::Flag, values: Partial { tags: Some(vec!["rebuilt".into()]), ..settings } };
    Ok(Request {
        language: Some(inputs.language),
        rust: RustCall {
            cargo: cargo(inputs, &dir, epoch, request)?,
            manifest_path: manifest,
            target_dir: is_rust.then(|| scratch.join("target")),
            ..request.rust.clone()
        },
        scope: Scope {
            packages: call.package.iter().filter(|_| is_rust).cloned().collect(),
            bins: call.bins,
            ..Scope::default()
        },
        dir,
        variables,
        told: Some(told),
        flags: Partial {
            sbom: Some(Sbom::None),
            attestations: Some(Attestations::Referrers),
            remote_cache: Some(RemoteCache::On(false)),
            ..Partial::default()
        },
        outputs: vec![Output::Layout { dir: layout(scratch), name: None }],
        use_cache: false,
        repeats: Some(Repeat { bases: inputs.bases.clone(), is_signed }),
        ..request.clone()
    })
}

/// The folder that the rebuilt image is in.
pub(super) fn layout(scratch: &Path) -> PathBuf {
    scratch.join("image")
}

/// A folder or file of the repository; what leads out of it was never recorded.
fn place_in(root: &Path, path: &str) -> Result<PathBuf> {
    use std::path::Component;
    let below = Path::new(path);
    match below.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        true => Ok(root.join(below).components().collect()),
        false => Err(Error::integrity(format!(
            "the provenance names the folder {path:?}, which is not in the repository"
        ))),
    }
}

/// The image's time of creation, where nothing in the checkout gives it.
fn epoch(inputs: &Inputs, checkout: &Checkout) -> Option<(String, String)> {
    let committed =
        checkout.revision.as_ref().map_or(jiff::Timestamp::UNIX_EPOCH, |revision| revision.committed);
    (inputs.created != committed).then(|| (EPOCH.to_owned(), inputs.created.as_second().to_string()))
}

/// Cargo in `dir`, with what its compiler was told then.
fn cargo(inputs: &Inputs, dir: &Path, epoch: Option<(String, String)>, request: &Request) -> Result<Cargo> {
    let call = &inputs.call;
    let here = request.rust.cargo.environment();
    let mut told = Vec::new();
    for (name, value) in &call.variables {
        match (value.contains(HIDDEN), here.text(name)) {
            (false, _) => told.push((name.into(), value.into())),
            (true, Some(given)) => told.push((name.into(), given.into())),
            (true, None) => {
                let text = format!("{name} was set when the image was built, and its value is not recorded");
                return Err(Error::integrity(text).hint(format!(
                    "set {name} to what fits this machine: its value named folders of another one"
                )));
            }
        }
    }
    let is_other = |name: &std::ffi::OsStr| {
        name.to_str()
            .is_some_and(|name| is_for_the_compiler(name) || name == EPOCH || name == "CARGO_TARGET_DIR")
    };
    let kept = here.iter().filter(|(name, _)| !is_other(name));
    let kept = kept.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let epoch = epoch.into_iter().map(|(name, value)| (name.into(), value.into()));
    let environment = kept.chain(told).chain(epoch).collect();
    Ok(Cargo::new(dir, environment)
        .called_from(&request.dir)
        .with_config(call.cargo_config.clone())
        .with_flags(call.cargo_unstable.clone(), Vec::new()))
}
