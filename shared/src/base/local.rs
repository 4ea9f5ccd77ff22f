//! Bases that a local engine has.
//!
//! The engine is asked for the image's id, which is a digest and says all about the content.
//! Only an image that the store does not hold is saved and read.

use super::archive::{Saved, import_saved};
use super::content::Content;
use super::engine::Engine;
use super::image::{BaseImage, checked_platform};
use super::open::Opener;
use crate::error::{Error, Result};
use crate::oci::{Descriptor, Digest, ImageConfig, Platform};
use crate::store::{Blob, Source, Store, Table};

impl Opener<'_> {
    /// Opens the image `name` of the engine.
    ///
    /// # Errors
    /// When the engine does not answer or lacks the image, or the image is for another platform.
    pub(super) async fn local(&self, engine: Engine, name: &str, platform: &Platform) -> Result<BaseImage> {
        let (asked, wanted) = (engine.clone(), name.to_owned());
        let id = aside(move || asked.image_id(&wanted)).await?;
        if let Some(base) = self.kept(&id, platform).await {
            return Ok(base);
        }
        self.events.step("Reading", format!("{name} from {}", engine.daemon()));
        let shown = format!("saved by {} from {name}", engine.daemon());
        let store = self.store.clone();
        let saved = aside(move || engine.save(&id, |from| import_saved(from, &shown, &id, &store))).await?;
        match saved {
            Saved::Content(root) => self.descend(Content::Store(self.store.clone()), root, platform).await,
            Saved::Image(config, layers) => {
                let descriptors: Vec<&Descriptor> = layers.iter().map(|layer| &layer.descriptor).collect();
                self.store.remember(Table::EngineLayers, &id.to_string(), &descriptors);
                checked_platform(
                    BaseImage { name: None, digest: None, version: None, config: *config, layers },
                    platform,
                )
            }
        }
    }

    /// The image if all of it is in the store and it is for the platform: of an id that means
    /// several platforms the engine may have saved another one.
    async fn kept(&self, id: &Digest, platform: &Platform) -> Option<BaseImage> {
        let bytes = self.store.read(id)?;
        let base = match self.store.recall::<Vec<Descriptor>>(Table::EngineLayers, &id.to_string()) {
            Some(layers) => {
                let config: ImageConfig = serde_json::from_slice(&bytes).ok()?;
                let layers = layers.into_iter().map(|layer| in_store(layer, self.store)).collect();
                BaseImage { name: None, digest: None, version: None, config, layers }
            }
            None => {
                let root = Descriptor::of("", &bytes);
                self.descend(Content::Store(self.store.clone()), root, platform).await.ok()?
            }
        };
        let there = |layer: &Blob| self.store.find(&layer.descriptor.digest, layer.descriptor.size).is_some();
        base.layers.iter().all(there).then_some(base).and_then(|base| checked_platform(base, platform).ok())
    }
}

fn in_store(descriptor: Descriptor, store: &Store) -> Blob {
    Blob { source: Source::File(store.path(&descriptor.digest)), descriptor }
}

/// Waits for a program without holding up what else is being done.
async fn aside<T: Send + 'static>(act: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(act).await;
    done.map_err(|e| Error::bug("speaking to the engine panicked").because(e))?
}
