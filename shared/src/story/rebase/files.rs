//! The files of bases and images, and what they need to run.

use super::case::Ours;
use super::standing::About;
use crate::base::BaseImage;
use crate::error::Result;
use crate::facts;
use crate::facts::details::FileSystem;
use crate::image::Image;
use crate::oci::ImageConfig;
use crate::store::Blob;
use crate::story::preflight::{config_of, fetched, file_system};
use crate::story::sign::Desk;

/// What files are read with.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    pub(super) desk: Desk<'a>,
    pub(super) jobs: usize,
}

impl Files<'_> {
    /// Those of a base.
    pub(super) async fn of_base(&self, base: &BaseImage) -> Result<FileSystem> {
        self.read(base.layers.clone(), &base.config).await
    }

    /// Those of an image that was just made.
    pub(super) async fn of_image(&self, image: &Image) -> Result<FileSystem> {
        self.read(image.layers.clone(), &config_of(image)?).await
    }

    /// What is in the layers of an image's own.
    pub(super) async fn ours(&self, about: &About) -> Result<Vec<Ours>> {
        let Desk { store, client, .. } = self.desk;
        let blobs = about.ours.iter().map(|layer| layer.blob.clone()).collect();
        let blobs: Vec<Blob> = fetched(blobs, client, store).await?;
        tokio::task::block_in_place(|| {
            let each = blobs.iter().zip(&about.ours);
            each.map(|(blob, layer)| {
                let facts = facts::layer_facts(blob, &layer.diff_id, store)?;
                Ok(Ours { title: layer.title.clone(), facts })
            })
            .collect()
        })
    }

    async fn read(&self, layers: Vec<Blob>, config: &ImageConfig) -> Result<FileSystem> {
        let Desk { store, client, .. } = self.desk;
        let layers = fetched(layers, client, store).await?;
        tokio::task::block_in_place(|| file_system(&layers, config, store, self.jobs, false))
    }
}
