//! Signing what is pushed: with a key of this machine, by a command that has one, or with a certificate that says
//! who signs.

mod key;
mod keyless;
mod known;
mod token;
mod trusted;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::request::Request;
use crate::config::{Attest, Sign};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::http::{Client, Url, is_loopback, shown};
use crate::oci::{Digest, Repository, to_json};
use crate::read;
use crate::registry;
use crate::store::Store;
use crate::trust::{Bundle, SIMPLE_SIGNATURE, Signatory, Statement};
use crate::words;
use crate::words::{Flag, flag};
use key::KeySigner;
use keyless::Keyless;
use token::Tokens;
pub(super) use trusted::{Trusted, trusted_root};

/// Everybody who signs in one call, by what the settings say of them.
#[derive(Debug, Default)]
pub(super) struct Signers {
    signers: Vec<(Sign, Signer)>,
    tokens: Option<Tokens>,
}

/// Who signs.
#[derive(Debug)]
pub(super) enum Signer {
    Key(Box<KeySigner>),
    Keyless(Box<Keyless>),
}

/// A signed statement.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) bundle: Vec<u8>,
    /// Who has signed: one line that is the same for the same signer.
    pub(super) by: String,
}

/// A signature in the form before bundles.
#[derive(Debug, Clone)]
pub(super) struct Tagged {
    /// Of the layer that holds what is signed.
    pub(super) annotations: BTreeMap<String, String>,
    /// Who has signed, as in [`Signed`].
    pub(super) by: String,
}

/// What is signed in the form before bundles.
pub(super) struct Payload<'a> {
    /// Where the image is, and its signature will be.
    pub(super) place: &'a Repository,
    /// Of the manifest that it is about.
    pub(super) image: Digest,
    /// The JSON that names both, as it is signed.
    pub(super) content: Vec<u8>,
}

/// What signing works with.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) request: &'a Request,
    pub(super) dir: &'a Path,
    pub(super) store: &'a Store,
    /// For registries.
    pub(super) client: &'a registry::Client,
    pub(super) events: &'a Events,
}

impl Signers {
    /// Those that the settings name: keys are read, commands are not run yet, and tokens not fetched. Paths are
    /// relative to `dir`.
    ///
    /// # Errors
    /// Usage: a key cannot be read, its password is missing or wrong, or there is no token to be had.
    pub(super) fn of<'s>(
        request: &Request,
        dir: &Path,
        settings: impl Iterator<Item = &'s Attest>,
        http: &Client,
    ) -> Result<Self> {
        let tokens = Tokens::of(request, http.clone())?;
        let mut found = Self::default();
        for attest in settings {
            let Some(sign) = &attest.sign else { continue };
            if found.get(sign).is_none() {
                let signer = match sign.keyless {
                    true => Signer::Keyless(Box::new(Keyless::of(request, dir, sign, &tokens)?)),
                    false => Signer::Key(Box::new(KeySigner::of(request, dir, sign)?)),
                };
                found.signers.push((sign.clone(), signer));
            }
            if let Some(Signer::Keyless(keyless)) = found.get(sign)
                && attest.signature_format.has_tags()
            {
                keyless.must_promise(sign)?;
            }
        }
        let is_keyless = |(_, signer): &(Sign, Signer)| matches!(signer, Signer::Keyless(_));
        if request.identity_token.is_some() && !request.dry_run && !found.signers.iter().any(is_keyless) {
            let token = flag("identity-token");
            return Err(Error::usage(words!("{token} has no effect: nothing is signed with a certificate"))
                .hint(match request.push {
                    true => words!("add {}, or remove it", flag("sign").of("keyless")),
                    false => words!("add {} and {}, or remove it", flag("push"), flag("sign").of("keyless")),
                }));
        }
        found.tokens = Some(tokens);
        Ok(found)
    }

    /// The signer that the settings mean.
    pub(super) fn get(&self, sign: &Sign) -> Option<&Signer> {
        self.signers.iter().find(|(other, _)| other == sign).map(|(_, signer)| signer)
    }

    /// Whether nobody signs.
    pub(super) fn is_empty(&self) -> bool {
        self.signers.is_empty()
    }

    /// Who signs what is about all images of the call, if anybody signs.
    ///
    /// # Errors
    /// A bug when there are several: nobody signs for the others.
    pub(super) fn only(&self) -> Result<Option<&Signer>> {
        match &*self.signers {
            [] => Ok(None),
            [(_, signer)] => Ok(Some(signer)),
            _ => Err(Error::bug("several sign")),
        }
    }

    /// The workflow that this call runs in, where somebody vouches for it. That nobody does is said, and no error.
    pub(super) async fn workflow(&self, events: &Events) -> Option<String> {
        self.tokens.as_ref()?.workflow(events).await
    }
}

impl Signer {
    /// The bundles of statements, in their order. Where a signature costs more than computing it, one that is in one of
    /// the `places` already is not made again.
    ///
    /// # Errors
    /// When one cannot be signed.
    pub(super) async fn sign(
        &self,
        desk: Desk<'_>,
        places: &BTreeSet<&Repository>,
        statements: &[Vec<u8>],
    ) -> Result<Vec<Signed>> {
        match self {
            Self::Key(key) => tokio::task::block_in_place(|| {
                let by = key.public.digest().to_string();
                let signed = statements.iter().map(|statement| {
                    let bundle = to_json(&key.bundle(desk.request, desk.dir, statement)?)?;
                    Ok(Signed { bundle, by: by.clone() })
                });
                signed.collect()
            }),
            Self::Keyless(keyless) => keyless.sign(desk, places, statements).await,
        }
    }

    /// The signatures of payloads in the form before bundles, in their order. Where a signature costs more than computing
    /// it, one that is in its repository already is not made again.
    ///
    /// # Errors
    /// When one cannot be signed.
    pub(super) async fn tag(&self, desk: Desk<'_>, payloads: &[Payload<'_>]) -> Result<Vec<Tagged>> {
        match self {
            Self::Key(key) => tokio::task::block_in_place(|| {
                let by = key.public.digest().to_string();
                let tagged = payloads.iter().map(|payload| {
                    let signature = BASE64.encode(key.signature(desk.request, desk.dir, &payload.content)?);
                    let annotations = BTreeMap::from([(SIMPLE_SIGNATURE.to_owned(), signature)]);
                    Ok(Tagged { annotations, by: by.clone() })
                });
                tagged.collect()
            }),
            Self::Keyless(keyless) => keyless.tag(desk, payloads).await,
        }
    }

    /// Who signs: one line that is the same for the same signer; `None` for one that signs nothing else later, since
    /// its certificate names a tag.
    ///
    /// # Errors
    /// When no token can be had.
    pub(super) async fn name(&self) -> Result<Option<String>> {
        match self {
            Self::Key(key) => Ok(Some(key.public.digest().to_string())),
            Self::Keyless(keyless) => {
                let identity = keyless.identity().await?;
                let is_of_tag =
                    identity.source_ref.as_ref().is_some_and(|name| name.starts_with("refs/tags/"));
                Ok((!is_of_tag).then(|| identity.line()))
            }
        }
    }

    /// The statement in a bundle that this signer has made about `subject`.
    ///
    /// # Errors
    /// Integrity: with what does not match. When no token can be had.
    pub(super) async fn own(&self, bundle: &[u8], subject: &Digest) -> Result<Statement<Value>> {
        match self {
            Self::Key(key) => {
                let read = Bundle::read(bundle)?;
                read.verify(&key.public, subject).map_err(|refusal| refusal.error)
            }
            Self::Keyless(keyless) => keyless.own(bundle, subject).await,
        }
    }

    /// Whether it is one of these who signs, in words about what is signed: who it is of them, or why it is none.
    ///
    /// # Errors
    /// When no token can be had.
    pub(super) async fn is_one_of(&self, trusted: &[Trusted]) -> Result<Result<String, String>> {
        match self {
            Self::Key(key) => {
                let own = key.public.digest();
                let is_it =
                    |one: &Trusted| matches!(&one.signatory, Signatory::Key(key) if key.digest() == own);
                Ok(match trusted.iter().any(is_it) {
                    true => Ok(format!("with the key {own}")),
                    false => Err(format!(
                        "it would be signed with the key {own}, which is not one of those that may"
                    )),
                })
            }
            Self::Keyless(keyless) => {
                let own = keyless.identity().await?;
                let is_it = |one: &Trusted| matches!(&one.signatory, Signatory::Named(named) if named.1.accept(&own).is_ok());
                Ok(match trusted.iter().any(is_it) {
                    true => Ok(format!("by {}", own.identity)),
                    false => Err(format!(
                        "it would be signed by {}, who is not one of those that may",
                        own.identity
                    )),
                })
            }
        }
    }

    /// The flags that check a signature of this signer, once there is one.
    pub(super) fn proof(&self, sign: &Sign) -> Vec<Flag> {
        match self {
            Self::Key(_) => vec![flag("key").of(sign.public_file())],
            Self::Keyless(keyless) => keyless.proof(sign),
        }
    }
}

/// A file that the settings name. Paths are relative to `dir`.
fn text(dir: &Path, file: &str, what: &str) -> Result<String> {
    read::text(&dir.join(file), read::DOCUMENT).map_err(|error| {
        Error::usage(format!("cannot sign: the {what} {file} cannot be read"))
            .because(error)
            .hint(format!("check the path; it is relative to {}", dir.display()))
    })
}

/// Refuses services to which a token would travel in the open.
fn must_be_private(http: &Client, url: &Url) -> Result<()> {
    if url.scheme() == "https" || is_loopback(url) || http.options().is_insecure(url) {
        return Ok(());
    }
    Err(Error::usage(format!("cannot sign: {} is spoken to without TLS", shown(url))).hint(words!(
        "use an address that begins with https://, or allow the host with {}",
        flag("insecure").of("HOST")
    )))
}
