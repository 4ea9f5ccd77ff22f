//! Manifests, read and written. They are small, and their bytes are never touched: the digest
//! hangs on them.

use bytes::Bytes;

use super::access::Access;
use super::host::Host;
use super::{Client, short};
use crate::error::{Error, Result};
use crate::http::header::{ACCEPT, CONTENT_TYPE};
use crate::http::{Body, Cause, Failure, HeaderValue, Method, Request, Response, StatusCode};
use crate::oci::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use crate::oci::{Descriptor, Digest, Reference, Repository};
use crate::words;
use crate::words::flag;
use std::sync::Arc;

/// The largest manifest that registries must take, in bytes (distribution-spec "Pushing
/// Manifests"), and so the largest that is read.
pub(super) const MOST: usize = 4 * 1024 * 1024;

/// The header with the digest of an answer's content.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// The header with the digest of the manifest that another one was listed under.
const SUBJECT: &str = "oci-subject";

/// A manifest or index as the registry gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedManifest {
    /// Its bytes, exactly.
    pub bytes: Bytes,
    /// What it is, in its own words if it says so, else in those of the registry.
    pub media_type: String,
    /// The digest of the bytes.
    pub digest: Digest,
}

impl Client {
    /// Reads a manifest or index, from a mirror if one has it.
    ///
    /// # Errors
    /// Kind network when the registry cannot be reached, refuses or does not have it; kind
    /// integrity when its bytes do not have the digest of the reference or of the answer.
    pub async fn manifest(&self, reference: &Reference) -> Result<FetchedManifest> {
        self.refuse_offline(|| format!("the manifest of {reference}"))?;
        let read = |place| async move {
            self.fetch_manifest(&Reference { repository: place, ..reference.clone() }).await
        };
        let fetched = self.0.http.retry(|_| self.read_anywhere(&reference.repository, read)).await;
        fetched.map_err(|spent| spent.explain_name(format!("cannot read the manifest {reference}")))
    }

    /// What a reference stands for, or `None` when the registry does not have it.
    ///
    /// # Errors
    /// As [`Client::manifest`].
    pub async fn head_manifest(&self, reference: &Reference) -> Result<Option<Descriptor>> {
        let found = self.0.http.retry(|_| self.ask_manifest(reference)).await;
        found.map_err(|spent| spent.explain(format!("cannot look for the manifest {reference}")))
    }

    /// Whether a reference leads to `digest` already. One request with the rights of a push and
    /// without repetition: whatever is in the way, the push that follows says it better.
    pub async fn leads_to(&self, reference: &Reference, digest: &Digest) -> bool {
        let host = self.host(&reference.repository);
        let access = Access::push(&reference.repository);
        let ask = async {
            let response = host.send(&access, question(&host, Method::HEAD, reference).await?).await?;
            let found = describe(&response).filter(|_| response.status().is_success());
            Ok::<_, Failure>(found.is_some_and(|descriptor| descriptor.digest == *digest))
        };
        ask.await.unwrap_or(false)
    }

    /// Writes a manifest or index under the reference's digest or tag.
    ///
    /// # Errors
    /// Kind network when the registry cannot be reached or refuses; kind integrity when it
    /// says that it got something else, or the reference's digest is not that of the bytes.
    pub async fn push_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest> {
        let digest = Digest::of(&bytes);
        let what = || format!("cannot push the manifest {reference}");
        if reference.digest.is_some_and(|named| named != digest) {
            return Err(Error::integrity(what()).because(Error::integrity(format!("its digest is {digest}"))));
        }
        let media_type = HeaderValue::from_str(media_type).map_err(|error| {
            Error::usage(format!("{media_type:?} is not a valid media type")).because(error)
        })?;
        let pushed = self.0.http.retry(|_| self.put_manifest(reference, &media_type, &bytes, digest)).await;
        pushed.map(|_| digest).map_err(|spent| spent.explain_name(what()))
    }

    /// Writes a manifest that names a subject, under its digest. Whether the registry says that it has
    /// put it on the subject's list (distribution-spec "Pushing Manifests with Subject").
    ///
    /// # Errors
    /// As [`Client::push_manifest`].
    pub async fn push_attached(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        bytes: Bytes,
        subject: &Digest,
    ) -> Result<bool> {
        let reference = repository.with_digest(descriptor.digest);
        let what = || format!("cannot push the manifest {reference}");
        let digest = Digest::of(&bytes);
        if digest != descriptor.digest {
            return Err(Error::integrity(what()).because(Error::integrity(format!("its digest is {digest}"))));
        }
        let media_type = HeaderValue::from_static(OCI_MANIFEST);
        let pushed = self.0.http.retry(|_| self.put_manifest(&reference, &media_type, &bytes, digest)).await;
        pushed.map(|listed| listed.as_ref() == Some(subject)).map_err(|spent| spent.explain_name(what()))
    }

    pub(super) async fn fetch_manifest(&self, reference: &Reference) -> Result<FetchedManifest, Failure> {
        let host = self.host(&reference.repository);
        let access = Access::pull(&reference.repository);
        let mut response = host.send(&access, question(&host, Method::GET, reference).await?).await?;
        if !response.status().is_success() {
            return Err(host.refusal(&access, response).await);
        }
        let bytes = response.bytes(MOST).await?;
        let digest = Digest::of(&bytes);
        if let Some(wanted) = reference.digest.filter(|wanted| *wanted != digest) {
            return Err(Error::integrity(format!("asked for {wanted}, got {digest}")).into());
        }
        check_digest(&response, digest)?;
        let media_type = media_type_of(&bytes, response.header(CONTENT_TYPE.as_str()));
        Ok(FetchedManifest { bytes, media_type, digest })
    }

    async fn ask_manifest(&self, reference: &Reference) -> Result<Option<Descriptor>, Failure> {
        let host = self.host(&reference.repository);
        let access = Access::pull(&reference.repository);
        let response = host.send(&access, question(&host, Method::HEAD, reference).await?).await?;
        match response.status() {
            StatusCode::NOT_FOUND => return Ok(None),
            status if status.is_success() => {
                if let Some(descriptor) = describe(&response) {
                    if let Some(wanted) = reference.digest.filter(|wanted| *wanted != descriptor.digest) {
                        let got = descriptor.digest;
                        return Err(Error::integrity(format!("asked for {wanted}, got {got}")).into());
                    }
                    return Ok(Some(descriptor));
                }
            }
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {}
            _ => return Err(host.refusal(&access, response).await),
        }
        // HEAD is not understood, or says too little, or refuses without a word.
        let fetched = self.fetch_manifest(reference).await?;
        Ok(Some(Descriptor::new(fetched.media_type, fetched.digest, fetched.bytes.len() as u64)))
    }

    async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &HeaderValue,
        bytes: &Bytes,
        digest: Digest,
    ) -> Result<Option<Digest>, Failure> {
        let host = self.host(&reference.repository);
        let access = Access::push(&reference.repository);
        // A tag beside the digest is what the user wants to find it by.
        let selector = reference.tag.clone().unwrap_or_else(|| reference.selector());
        let url = host.endpoint(&reference.repository, &format!("manifests/{selector}")).await?;
        let request = Request::new(Method::PUT, url)
            .header(CONTENT_TYPE, media_type.clone())
            .body(Body::Bytes(bytes.clone()));
        let response = host.send(&access, request).await?;
        if !response.status().is_success() {
            let failure = host.refusal(&access, response).await;
            let cause = failure.cause;
            return Err(failure.map(|error| advise(error, cause, media_type)));
        }
        check_digest(&response, digest)?;
        Ok(response.header(SUBJECT).and_then(|subject| subject.trim().parse().ok()))
    }
}

/// Whether a registry refused a manifest because it has not all blobs (distribution-spec "Error
/// Codes"; distribution has a code of its own for it).
pub fn is_about_missing_blobs(error: &Error) -> bool {
    // MANIFEST_BLOB_UNKNOWN holds the other.
    error.causes().iter().any(|cause| cause.contains("BLOB_UNKNOWN"))
}

/// Some registries know Docker's own format only, and say so in one of these ways.
fn advise(error: Error, cause: Cause, media_type: &HeaderValue) -> Error {
    let is_oci = [OCI_MANIFEST, OCI_INDEX].iter().any(|oci| media_type == oci);
    let refused = match cause {
        Cause::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE) => true,
        Cause::Status(StatusCode::BAD_REQUEST) => error.to_string().contains("MANIFEST_INVALID"),
        _ => false,
    };
    if !(is_oci && refused) {
        return error;
    }
    error.hint(words!(
        "the registry may accept only Docker's format: set image-format = \"docker\" or use {}",
        flag("image-format").of("docker")
    ))
}

pub(super) async fn question(
    host: &Arc<Host>,
    method: Method,
    reference: &Reference,
) -> Result<Request, Failure> {
    let url = host.endpoint(&reference.repository, &format!("manifests/{}", reference.selector())).await?;
    let accepted = [OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST];
    Ok(accepted.iter().fold(Request::new(method, url), |request, media_type| {
        request.header(ACCEPT, HeaderValue::from_static(media_type))
    }))
}

/// The digest that an answer claims to be about; others than sha256 cannot be compared.
pub(super) fn claimed_digest(response: &Response) -> Option<Digest> {
    response.header(CONTENT_DIGEST)?.trim().parse().ok()
}

/// Compares the digest of an answer's content with the one that the registry claims.
pub(super) fn check_digest(response: &Response, digest: Digest) -> Result<(), Failure> {
    match claimed_digest(response) {
        Some(claimed) if claimed != digest => Err(Error::integrity(format!(
            "the registry announced {}, but the content is {}",
            short(&claimed),
            short(&digest)
        ))
        .into()),
        _ => Ok(()),
    }
}

fn describe(response: &Response) -> Option<Descriptor> {
    let media_type = bare(response.header(CONTENT_TYPE.as_str())?);
    Some(Descriptor::new(media_type, claimed_digest(response)?, response.length()?))
}

/// The bytes' own word counts more than the header's: the digest covers it.
pub(super) fn media_type_of(bytes: &[u8], header: Option<&str>) -> String {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Own {
        media_type: Option<String>,
    }
    let own = serde_json::from_slice::<Own>(bytes).ok().and_then(|own| own.media_type);
    own.filter(|own| !own.is_empty()).unwrap_or_else(|| bare(header.unwrap_or_default()))
}

/// A media type without its parameters.
fn bare(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_says_itself_what_it_is() {
        let own = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}"}}"#);
        assert_eq!(media_type_of(own.as_bytes(), Some("application/json")), OCI_INDEX);
        let silent = media_type_of(br#"{"schemaVersion":2}"#, Some("application/json; charset=utf-8"));
        assert_eq!(silent, "application/json");
        assert_eq!(media_type_of(b"{}", None), "");
    }
}
