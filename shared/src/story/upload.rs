//! Sending layers while others are still being made.

use super::workshop::Workshop;
use crate::oci::Repository;
use crate::plan::ImagePlan;
use crate::registry::{Client, home};
use crate::store::{Blob, Store};

/// Sends what was just made on ahead. The push that comes at the end finds these blobs on their
/// way or there; and where one could not be sent, it tries again and says why.
#[derive(Clone)]
pub(super) struct Uploads {
    client: Client,
    store: Store,
    runtime: tokio::runtime::Handle,
    /// One for each registry: the image's other repositories there mount from it.
    repositories: Vec<Repository>,
}

impl Uploads {
    /// Uploads to where `image` is pushed, where it is; with a policy nothing is sent before it is judged.
    pub(super) fn ahead(workshop: &Workshop<'_>, image: &ImagePlan) -> Option<Self> {
        let is_sent = workshop.request.push && image.policy.is_none();
        is_sent.then(|| Self::of(image, workshop.client, workshop.store))
    }

    fn of(image: &ImagePlan, client: &Client, store: &Store) -> Self {
        let mut repositories: Vec<Repository> = Vec::new();
        // The push goes through them in this order, too.
        let mut all: Vec<&Repository> = image.references.iter().map(|r| &r.repository).collect();
        all.sort();
        for repository in all {
            if !repositories.iter().any(|known| known.registry == repository.registry) {
                repositories.push(repository.clone());
            }
        }
        let (client, store) = (client.clone(), store.clone());
        Self { client, store, runtime: tokio::runtime::Handle::current(), repositories }
    }

    /// Begins to send a blob.
    pub(super) fn begin(&self, blob: &Blob, title: &str) {
        for repository in self.repositories.clone() {
            let (client, blob, title) = (self.client.clone(), blob.clone(), title.to_owned());
            let home = home(&self.store, &repository, &blob.descriptor.digest);
            self.runtime.spawn(async move {
                if let Err(error) = client.push_blob(&repository, &blob, &title, home.as_ref()).await {
                    tracing::debug!(%error, "could not be sent ahead");
                }
            });
        }
    }
}
