//! The files of bases and images, and what they need to run.

use crate::base::BaseImage;
use crate::error::Result;
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

    async fn read(&self, layers: Vec<Blob>, config: &ImageConfig) -> Result<FileSystem> {
        let Desk { store, client, .. } = self.desk;
        let layers = fetched(layers, client, store).await?;
        tokio::task::block_in_place(|| file_system(&layers, config, store, self.jobs, false))
    }
}
