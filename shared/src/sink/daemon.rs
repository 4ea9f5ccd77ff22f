//! Delivery to a local Docker or Podman, through its own program.
//!
//! An engine that has the image is only told its names. Otherwise it gets an archive without the
//! layers that it has: `docker load` and `podman load` read no layer that they do not need. An
//! engine that misses one after all refuses the archive, and gets a whole one.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::archive::docker_archive;
use super::registry::localize_but;
pub use crate::base::engine::Daemon;
use crate::base::engine::Engine;
use crate::error::{Context, Error, Kind, Result};
use crate::event::{Events, Motion, Outcome, Task};
use crate::image::{Image, ImageSet};
use crate::oci::{Digest, ImageConfig, ManifestKind, Reference};
use crate::registry::Client;
use crate::store::{Blob, Source, Store, Table};

/// What loading needs besides the images.
#[derive(Clone, Copy)]
pub struct Loader<'a> {
    /// For layers that are still in a registry.
    pub client: &'a Client,
    /// Where layers are, and what is known of engines.
    pub store: &'a Store,
    /// Where events go.
    pub events: &'a Events,
}

/// Whether the engine took an image before.
pub(crate) fn has_loaded(store: &Store, daemon: Daemon) -> bool {
    store.recall::<bool>(Table::LoadedInto, daemon.program()).unwrap_or_default()
}

impl Loader<'_> {
    /// Brings the set, which must hold one image, to the engine under all the names. What the
    /// engine has is neither sent nor fetched.
    ///
    /// # Errors
    /// When the program is missing or refuses, with its own words as the cause; when a layer
    /// cannot be fetched.
    pub async fn load(self, daemon: Daemon, names: &[Reference], set: &ImageSet) -> Result<()> {
        self.load_into(&Engine::of(daemon), names, set).await?;
        self.store.remember(Table::LoadedInto, daemon.program(), &true);
        Ok(())
    }

    async fn load_into(self, engine: &Engine, names: &[Reference], set: &ImageSet) -> Result<()> {
        let [image] = &set.images[..] else {
            return Err(Error::bug(format!("{} is to be loaded for several platforms", set.name)));
        };
        let known = tokio::task::block_in_place(|| engine.images())?;
        // Which of the two digests is the image's id depends on how the engine keeps images.
        let ids = [&image.config, &image.manifest].map(|blob| blob.descriptor.digest);
        if let Some(id) = ids.iter().find(|id| known.contains(id)) {
            self.events.step("Unchanged", format!("{} has {}", engine.daemon(), set.name));
            return tokio::task::block_in_place(|| engine.tag(&id.to_string(), names));
        }
        let held = tokio::task::block_in_place(|| held(engine, image, &known, self.store))?;
        let sent = match held.layers.is_empty() {
            true => false,
            false => self.send(engine, names, set, &held.layers).await?,
        };
        if !sent {
            self.send_whole(engine, names, set).await?;
        }
        if held.by_manifest {
            // What the next image needs not bring.
            keep(&image.manifest, self.store)?;
        }
        let Some((first, others)) = names.split_first() else { return Ok(()) };
        tokio::task::block_in_place(|| engine.tag(&first.to_string(), others))
    }

    /// Sends the set without the layers `held`; false when the engine misses one after all.
    async fn send(
        self,
        engine: &Engine,
        names: &[Reference],
        set: &ImageSet,
        held: &BTreeSet<Digest>,
    ) -> Result<bool> {
        let mut sets = [set.clone()];
        localize_but(self.client, &mut sets, self.store, held).await?;
        match self.stream(engine, names, &sets, held) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == Kind::Integrity => Err(error),
            Err(error) => {
                tracing::debug!(%error, "the engine wants all layers");
                Ok(false)
            }
        }
    }

    async fn send_whole(self, engine: &Engine, names: &[Reference], set: &ImageSet) -> Result<()> {
        let mut sets = [set.clone()];
        localize_but(self.client, &mut sets, self.store, &BTreeSet::new()).await?;
        self.stream(engine, names, &sets, &BTreeSet::new())
    }

    fn stream(
        self,
        engine: &Engine,
        names: &[Reference],
        sets: &[ImageSet; 1],
        held: &BTreeSet<Digest>,
    ) -> Result<()> {
        // Podman takes an archive for an OCI archive, the form that may lack layers, only if it
        // holds a single name.
        let first = [names.get(..1).unwrap_or_default().to_vec()];
        let sizes = sets[0].blobs().into_iter().map(|(blob, _)| &blob.descriptor);
        let total = sizes.filter(|blob| !held.contains(&blob.digest)).map(|blob| blob.size).sum();
        let label = format!("{} to {}", sets[0].name, engine.daemon());
        let task = self.events.start(Motion::Upload, label, Some(total));
        tokio::task::block_in_place(|| {
            engine.load(|to| docker_archive(&mut Counted { to, task: &task }, &first, sets, held))
        })?;
        task.end(Outcome::Done);
        Ok(())
    }
}

/// What an engine needs not be sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    /// The digests of layers.
    layers: BTreeSet<Digest>,
    /// Whether the engine keeps manifests, which say what it has.
    by_manifest: bool,
}

/// What of the image the engine has, where it can tell.
fn held(engine: &Engine, image: &Image, known: &[Digest], store: &Store) -> Result<Held> {
    let in_containerd = match engine.daemon() {
        Daemon::Podman => Some(false),
        Daemon::Docker => engine.has_containerd_store()?,
    };
    let layers = match in_containerd {
        Some(true) => of_manifests(image, known, store),
        Some(false) => of_chains(image, &engine.layers(known)?)?,
        None => BTreeSet::new(),
    };
    Ok(Held { layers, by_manifest: in_containerd == Some(true) })
}

/// With containerd's store an image's id is the digest of its manifest, and the engine has the
/// very blobs of the images that it lists. Their layers' diff_ids say too little there: an image
/// loaded without a blob that was only unpacked from another form would run, but could not be
/// pushed or saved. So only manifests that we know count.
fn of_manifests(image: &Image, known: &[Digest], store: &Store) -> BTreeSet<Digest> {
    let mut held = BTreeSet::new();
    for id in known {
        let Some(bytes) = store.read(id) else { continue };
        if let Ok(ManifestKind::Manifest(manifest)) = ManifestKind::parse(&bytes, "") {
            held.extend(manifest.layers.iter().map(|layer| layer.digest));
        }
    }
    let own: BTreeSet<Digest> = image.layers.iter().map(|layer| layer.descriptor.digest).collect();
    own.intersection(&held).copied().collect()
}

/// Elsewhere layers are kept by what they and those below them unpack to.
fn of_chains(image: &Image, chains: &[Vec<Digest>]) -> Result<BTreeSet<Digest>> {
    let Source::Memory(config) = &image.config.source else {
        return Err(Error::bug("a configuration is not in memory"));
    };
    let config: ImageConfig =
        serde_json::from_slice(config).context(|| "the configuration is invalid".into())?;
    let wanted = &config.rootfs.diff_ids;
    let common = |chain: &Vec<Digest>| wanted.iter().zip(chain).take_while(|(a, b)| a == b).count();
    let count = chains.iter().map(common).max().unwrap_or_default();
    let digests = |layers: &[Blob]| layers.iter().map(|l| l.descriptor.digest).collect::<BTreeSet<_>>();
    let (lower, upper) = image.layers.split_at(count.min(image.layers.len()));
    // A layer that comes again further up is needed there.
    Ok(digests(lower).difference(&digests(upper)).copied().collect())
}

fn keep(manifest: &Blob, store: &Store) -> Result<()> {
    let Source::Memory(bytes) = &manifest.source else { return Ok(()) };
    if store.find(&manifest.descriptor.digest, manifest.descriptor.size).is_some() {
        return Ok(());
    }
    let mut writer = store.writer()?;
    writer.write_all(bytes).context(|| "cannot write to the cache folder".into())?;
    writer.commit(Some(&manifest.descriptor.digest)).map(|_| ())
}

/// Tells how much has been written.
pub(super) struct Counted<'a> {
    pub(super) to: &'a mut dyn Write,
    pub(super) task: &'a Task,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.task.advance(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Index, Manifest, Platform, media_type, to_json};

    /// An image of these layers; what they unpack to is told by their first letter.
    fn image(layers: &[&str]) -> Image {
        let layers: Vec<Blob> = layers
            .iter()
            .map(|text| Blob::of(media_type::OCI_LAYER_GZIP, text.as_bytes().to_vec()))
            .collect();
        let diff_ids = layers.iter().map(|layer| match &layer.source {
            Source::Memory(bytes) => diff_id(&String::from_utf8_lossy(bytes)),
            _ => unreachable!("made above"),
        });
        let mut config =
            ImageConfig { architecture: "amd64".into(), os: "linux".into(), ..Default::default() };
        config.rootfs.diff_ids = diff_ids.collect();
        let config = Blob::of(media_type::OCI_CONFIG, to_json(&config).expect("json"));
        let contents = layers.iter().map(|layer| layer.descriptor.clone()).collect();
        let manifest = Manifest::new(media_type::OCI_MANIFEST, config.descriptor.clone(), contents);
        let manifest = Blob::of(media_type::OCI_MANIFEST, to_json(&manifest).expect("json"));
        let titles = vec![String::new(); layers.len()];
        Image { platform: Platform::linux("amd64"), manifest, config, layers, titles }
    }

    fn diff_id(text: &str) -> Digest {
        Digest::of(&text.as_bytes()[..1])
    }

    fn digests(texts: &[&str]) -> BTreeSet<Digest> {
        texts.iter().map(|text| Digest::of(text.as_bytes())).collect()
    }

    fn chains(chains: &[&[&str]]) -> Vec<Vec<Digest>> {
        chains.iter().map(|chain| chain.iter().map(|text| diff_id(text)).collect()).collect()
    }

    #[test]
    fn layers_are_held_from_the_lowest_up_to_where_images_part() {
        let image = image(&["a.gz", "b.gz", "c.gz"]);
        let held = |known: &[&[&str]]| of_chains(&image, &chains(known)).expect("held");
        assert_eq!(held(&[]), digests(&[]));
        assert_eq!(held(&[&["x"], &["a", "b", "x"], &["a"]]), digests(&["a.gz", "b.gz"]));
        assert_eq!(held(&[&["b", "c"]]), digests(&[]), "upon another base they are other layers");
        assert_eq!(held(&[&["a", "b", "c", "d"]]), digests(&["a.gz", "b.gz", "c.gz"]));
    }

    #[test]
    fn a_layer_that_comes_again_is_sent() {
        let image = image(&["a", "b", "a"]);
        assert_eq!(of_chains(&image, &chains(&[&["a", "b"]])).expect("held"), digests(&["b"]));
    }

    #[test]
    fn containerds_store_has_the_blobs_of_manifests_that_we_know() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        let (old, new) = (image(&["a.gz", "b.gz"]), image(&["a.gz", "b.zst", "c.gz"]));
        let known = [old.manifest.descriptor.digest];
        assert_eq!(of_manifests(&new, &known, &store), digests(&[]), "a stranger");
        keep(&old.manifest, &store).expect("kept");
        assert_eq!(of_manifests(&new, &known, &store), digests(&["a.gz"]), "b is there in another form");
        assert_eq!(of_manifests(&new, &[], &store), digests(&[]), "the engine has lost it");
    }

    #[test]
    fn an_index_says_too_little_about_what_is_there() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        let image = image(&["a.gz"]);
        let index = Index::new(media_type::OCI_INDEX, vec![image.manifest.descriptor.clone()]);
        let index = Blob::of(media_type::OCI_INDEX, to_json(&index).expect("json"));
        keep(&index, &store).expect("kept");
        assert_eq!(of_manifests(&image, &[index.descriptor.digest], &store), digests(&[]));
    }
}
