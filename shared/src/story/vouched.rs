//! Whether a base is signed by whoever must have signed it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::sign::{Desk, Trusted};
use super::signed::{Found, Seeker, unsigned};
use crate::base::spec::BaseSpec;
use crate::base::{BaseImage, Opener};
use crate::config::{AnySigner, BaseVerify};
use crate::error::{Error, Kind, Result};
use crate::oci::{Digest, Platform, Reference};
use crate::store::Table;
use crate::trust::{Identity, Signatory};
use crate::words;
use crate::words::flag;

/// The key that says who must have signed.
const KEY: &str = "base-verify";

/// A base that somebody has signed who must have.
pub(super) struct Vouched {
    /// The manifest that this holds for, and for no other.
    pub(super) manifest: Digest,
    pub(super) by: Vec<Voucher>,
}

/// Who has signed a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Voucher(Value);

impl Voucher {
    fn of(signatory: &Signatory, signer: Option<&Identity>) -> Self {
        match (signer, signatory) {
            (Some(signer), _) => Self(json!(signer)),
            (None, Signatory::Key(key)) => Self(json!({ "key": key.digest().to_string() })),
            (None, Signatory::Named(named)) => Self(json!({ "identity": named.1.whom() })),
        }
    }

    /// As provenance says it.
    pub(super) fn value(&self) -> &Value {
        &self.0
    }

    fn shown(&self) -> &str {
        let part = |name: &str| self.0.get(name).and_then(Value::as_str);
        part("identity").or_else(|| part("key")).unwrap_or_default()
    }
}

/// A base, as far as it must be known to find its signatures.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) spec: &'a BaseSpec,
    pub(super) platform: &'a Platform,
    pub(super) verify: &'a BaseVerify,
}

/// Looks for the signatures that the base must have: of what its name leads to, or of the manifest there for the
/// platform. Nothing but manifests is read of it. `None` where nobody needs to have signed it.
///
/// # Errors
/// Integrity: nobody has signed it who must have. Usage: it is nowhere where signatures are, no entry is about it, or
/// there is no network and it was not verified before.
pub(super) async fn vouched(
    desk: Desk<'_>,
    opener: &Opener<'_>,
    base: Wanted<'_>,
) -> Result<Option<Vouched>> {
    if base.verify.is_empty() {
        return Ok(None);
    }
    let reference = match base.spec {
        // These are made here.
        BaseSpec::Static | BaseSpec::Scratch | BaseSpec::Debian(_) => return Ok(None),
        BaseSpec::Registry(reference) => Some(reference),
        BaseSpec::Layout { .. }
        | BaseSpec::OciArchive { .. }
        | BaseSpec::DockerArchive { .. }
        | BaseSpec::Local { .. } => None,
    };
    // Whoever signed what is repeated says that the build had this very manifest, whose signature it had verified then.
    let is_repeated = |of: &Reference| {
        desk.request.repeats.as_ref().is_some_and(|repeat| repeat.vouches_for(of, base.platform))
    };
    if reference.is_some_and(is_repeated) {
        return Ok(None);
    }
    let lists = lists(&base, reference)?;
    if lists.is_empty() {
        return Ok(None);
    }
    let Some(reference) = reference else {
        let name = base.name;
        return Err(Error::usage(format!(
            "{KEY} cannot be applied to the base {name}: only registries keep signatures"
        ))
        .hint(format!(
            "use the base from its registry, or need no signature of it: {KEY} = {{ {name:?} = [] }}"
        )));
    };
    let (mut root, manifest) = opener.locate(reference, base.platform).await?;
    if root == manifest && desk.request.repeats.is_some() {
        // Provenance records the manifest, and many sign only the index around it.
        root = opener.index_of(&manifest, reference, base.platform).await.unwrap_or(root);
    }
    let place = Place { desk, name: base.name, reference, digests: [root, manifest] };
    let mut by = Vec::with_capacity(lists.len());
    for list in lists {
        by.push(place.voucher(list).await?);
    }
    Ok(Some(Vouched { manifest, by }))
}

/// Opens the image of a base, if whoever must have signed it has; those are handed on, too.
///
/// # Errors
/// Those of [`vouched`]; when it is not there, is broken, or lacks the platform.
pub(super) async fn open(
    desk: Desk<'_>,
    opener: Opener<'_>,
    base: Wanted<'_>,
) -> Result<(BaseImage, Vec<Voucher>)> {
    let Wanted { name, spec, platform, .. } = base;
    let Some(vouched) = vouched(desk, &opener, base).await? else {
        return Ok((opener.open(spec, platform).await?, Vec::new()));
    };
    // A tag may lead elsewhere by now.
    let mut lock = opener.lock.clone();
    if let BaseSpec::Registry(reference) = spec {
        lock.pin(reference, platform, vouched.manifest);
    }
    let image = Opener { lock: &lock, ..opener }.open(spec, platform).await?;
    match image.digest == Some(vouched.manifest) {
        true => Ok((image, vouched.by)),
        false => Err(Error::bug(format!("the base {name} is another than the one that was verified"))),
    }
}

/// The lists of signers each of which must have one who has signed the base.
fn lists<'v>(base: &Wanted<'v>, reference: Option<&Reference>) -> Result<Vec<&'v AnySigner>> {
    let full = reference.map(ToString::to_string);
    let names = [Some(base.name), full.as_deref()];
    let lists = base.verify.of(names.into_iter().flatten()).ok_or_else(|| {
        let name = base.name;
        Error::usage(format!("{KEY} has no entry for the base {name}"))
            .hint(format!("add one, such as {name:?} = {{ key = \"base.pub\" }}; [] in place of the signer needs no signature"))
    })?;
    Ok(lists.into_iter().filter(|list| !list.all().is_empty()).collect())
}

/// Where signatures of a base are.
struct Place<'a> {
    desk: Desk<'a>,
    name: &'a str,
    reference: &'a Reference,
    /// Of what its name leads to, and of the manifest for the platform.
    digests: [Digest; 2],
}

impl Place<'_> {
    /// The one of these who has signed the base.
    async fn voucher(&self, signers: &AnySigner) -> Result<Voucher> {
        let Desk { request, dir, store, .. } = self.desk;
        let trusted: Vec<Trusted> =
            signers.all().iter().map(|entry| Trusted::read(dir, KEY, entry)).collect::<Result<_>>()?;
        let is_offline = request.locking.is_offline();
        let pairs = || trusted.iter().flat_map(|one| self.digests.iter().map(move |digest| (one, digest)));
        if (request.use_cache || is_offline)
            && let Some(known) =
                pairs().find_map(|(one, digest)| store.recall(Table::BaseSigners, &key(one, digest)))
        {
            return Ok(known);
        }
        if is_offline {
            let (name, offline) = (self.name, flag("offline"));
            return Err(Error::usage(words!(
                "{offline} was given, but the signature of the base {name} was not verified before"
            ))
            .hint(words!("build once without {}", flag("offline"))));
        }
        self.look_for(&trusted).await
    }

    async fn look_for(&self, trusted: &[Trusted]) -> Result<Voucher> {
        let Desk { store, client, events, .. } = self.desk;
        let signatories: Vec<&Signatory> = trusted.iter().map(|one| &one.signatory).collect();
        let [root, manifest] = self.digests;
        let mut all: Vec<Found> = trusted.iter().map(|_| Found::default()).collect();
        for digest in [Some(root), Some(manifest).filter(|manifest| *manifest != root)].into_iter().flatten()
        {
            let seeker = Seeker {
                store,
                client,
                repository: &self.reference.repository,
                image: &digest,
                signatories: &signatories,
            };
            seeker.seek(&seeker.hanging().await?, &mut all).await?;
            for (one, found) in trusted.iter().zip(&all) {
                if let Some(signer) = found.signature.as_ref().or(found.provenance.as_ref()) {
                    let voucher = Voucher::of(&one.signatory, signer.as_ref());
                    events.step("Verified", format!("{} is signed by {}", self.name, voucher.shown()));
                    store.remember(Table::BaseSigners, &key(one, &digest), &voucher);
                    return Ok(voucher);
                }
            }
        }
        Err(self.refusal(trusted, all))
    }

    /// Why the base is refused, with what tells most about that.
    fn refusal(&self, trusted: &[Trusted], found: Vec<Found>) -> Error {
        let (what, is_repeated) = (format!("the base {}", self.name), self.desk.request.repeats.is_some());
        let mut refused = trusted.iter().zip(found).filter_map(|(one, mut found)| Some((one, found.why()?)));
        let Some((one, why)) = refused.next() else {
            let hint = match is_repeated {
                false => format!("use a base that is signed, or remove it from {KEY}").into(),
                true => words!(
                    "give the signer of the provenance with {} or {}: then the bases that it records need no signature of their own",
                    flag("key").of("cosign.pub"),
                    flag("identity").of("ID")
                ),
            };
            return unsigned(&what, None).hint(hint);
        };
        if why.kind() != Kind::Integrity {
            return why;
        }
        let error = match trusted.len() {
            1 => unsigned(&what, Some(&one.signatory)),
            several => Error::integrity(format!(
                "{what} is signed by none of the {several} signers that {KEY} names"
            )),
        };
        error.because(why).hint(format!("if that signer is the right one, name it in {KEY}"))
    }
}

/// What was found out holds for this signer and this digest alone.
fn key(signer: &Trusted, digest: &Digest) -> String {
    format!("{} {digest}", signer.mark)
}
