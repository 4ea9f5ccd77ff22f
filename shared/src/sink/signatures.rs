//! Signatures under tags of their own, into a registry.

use futures_util::future::try_join_all;

use crate::error::Result;
use crate::image::{ImageSet, Signature};
use crate::oci::Repository;
use crate::registry::{Client, Shelf};

/// Those of a set's signatures for this repository that are not there yet.
pub(super) async fn missing<'s>(
    client: &Client,
    set: &'s ImageSet,
    repository: &Repository,
) -> Result<Vec<&'s Signature>> {
    let own = set.signatures.iter().filter(|signature| signature.repository == *repository);
    let asked = own.map(|signature| async move {
        let there = client.shelved_to_change(repository, Shelf::Signatures, &signature.subject).await?;
        Ok((!signature.is_among(&there)).then_some(signature))
    });
    Ok(try_join_all(asked).await?.into_iter().flatten().collect())
}

/// Pushes signatures, whose images are in the repository.
pub(super) async fn push(client: &Client, repository: &Repository, signatures: &[&Signature]) -> Result<()> {
    let pushed = signatures.iter().map(|signature| async move {
        client.push_blob(repository, &signature.payload, "a signature", None).await?;
        let entry = signature.payload.descriptor.clone();
        client.shelve(repository, Shelf::Signatures, &signature.subject, &[entry]).await
    });
    try_join_all(pushed).await.map(|_| ())
}
