//! Opening a base for a platform: its configuration, its layers, and where their bytes are.

use std::path::Path;

use super::archive;
use super::bare_debian;
use super::choose::{choose, pick, read_index};
use super::content::Content;
use super::embedded;
use super::engine::Engine;
use super::image::{BaseImage, checked_platform, empty};
use super::inherit::inherit;
use super::lock::BaseLock;
use super::spec::BaseSpec;
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::layer::Press;
use crate::oci::media_type::{Compression, layer_compression};
use crate::oci::{Descriptor, Digest, History, ImageConfig, Manifest, ManifestKind, Platform, Reference};
use crate::redact;
use crate::registry::Client;
use crate::store::{Blob, Store, Table};
use crate::words;
use crate::words::{Command, flag};

/// Says which version an image is.
const VERSION: &str = "org.opencontainers.image.version";

/// What opening a base may need.
pub struct Opener<'a> {
    /// Where what was opened is kept: blobs, and which digest a tag had.
    pub store: &'a Store,
    /// For bases in a registry.
    pub client: &'a Client,
    /// The digests that bases are pinned to.
    pub lock: &'a BaseLock,
    /// Whether a registry base must be pinned.
    pub locked: bool,
    /// Whether only the cache may be asked for registry bases.
    pub offline: bool,
    /// The project's folder, which paths of bases are relative to.
    pub dir: &'a Path,
    /// How the embedded base is compressed.
    pub compression: Compression,
    /// Threads for compressing.
    pub jobs: usize,
    /// Where events go.
    pub events: &'a Events,
}

impl<'a> Opener<'a> {
    /// One for images that are looked at and not built on: `lock` pins nothing that may not move, and nothing is
    /// compressed.
    pub const fn of_images(
        (store, client): (&'a Store, &'a Client),
        lock: &'a BaseLock,
        dir: &'a Path,
        events: &'a Events,
    ) -> Self {
        let compression = Compression::Gzip;
        Self { store, client, lock, locked: false, offline: false, dir, compression, jobs: 1, events }
    }
}

impl Opener<'_> {
    /// Opens `spec` for `platform`, without what an image that is built on it must not take over.
    ///
    /// # Errors
    /// When the base is not there, is broken, or has no image for the platform.
    pub async fn open(&self, spec: &BaseSpec, platform: &Platform) -> Result<BaseImage> {
        let opened = self.read(spec, platform).await;
        let mut opened = opened.context(|| format!("cannot use the base {spec} for {platform}"))?;
        inherit(&mut opened, spec).into_iter().for_each(|note| self.events.note(note));
        Ok(opened)
    }

    /// Says that a name which a registry does not have is that of something here.
    fn with_place(&self, error: Error, reference: &Reference) -> Error {
        let name = &reference.repository.name;
        let name = name.strip_prefix("library/").unwrap_or(name);
        let place = self.dir.join(name);
        if reference.repository.registry != "docker.io" || !place.exists() {
            return error;
        }
        let forms = match place.join("oci-layout").exists() {
            true => format!("oci:{name}"),
            false => format!("oci:{name}, oci-archive:{name} or docker-archive:{name}"),
        };
        error.hint(format!("for {}, use {forms}", place.display()))
    }

    /// Opens any image, be it a base or not.
    ///
    /// # Errors
    /// When it is not there, is broken, or is not for the platform.
    pub async fn read(&self, spec: &BaseSpec, platform: &Platform) -> Result<BaseImage> {
        match spec {
            BaseSpec::Scratch => Ok(empty(platform)),
            BaseSpec::Static => self.embedded(platform),
            BaseSpec::Debian(suite) => {
                let mut base = self.embedded(platform)?;
                let layer = bare_debian::layer(suite, platform, &self.press(), self.compression)?;
                base.add(layer, History::of_base(&spec.to_string()));
                Ok(base)
            }
            BaseSpec::Layout { dir, name } => {
                let (content, root) = self.in_layout(dir, name.as_deref())?;
                self.descend(content, root, platform).await
            }
            BaseSpec::OciArchive { file, name } => {
                let (content, root) = self.in_archive(file, name.as_deref())?;
                self.descend(content, root, platform).await
            }
            BaseSpec::DockerArchive { file, name } => {
                let (config, layers) =
                    archive::import_docker(&self.dir.join(file), name.as_deref(), self.store)?;
                checked_platform(
                    BaseImage { name: None, digest: None, version: None, config, layers },
                    platform,
                )
            }
            BaseSpec::Local { daemon, name } => self.local(Engine::of(*daemon), name, platform).await,
            BaseSpec::Registry(reference) => {
                let pinned = self.lock.get_for(reference, platform);
                let (content, root) = self.in_registry(reference, pinned).await?;
                let opened = self.descend(content, root, platform).await?;
                Ok(BaseImage { name: Some(reference.to_string()), ..opened })
            }
        }
    }

    /// The platforms that an image is there for. What says nothing of them, such as what a local
    /// engine has, is taken to be for this machine.
    ///
    /// # Errors
    /// When it is not there or is broken.
    pub async fn platforms(&self, spec: &BaseSpec) -> Result<Vec<Platform>> {
        let (content, root) = match spec {
            BaseSpec::Layout { dir, name } => self.in_layout(dir, name.as_deref())?,
            BaseSpec::OciArchive { file, name } => self.in_archive(file, name.as_deref())?,
            BaseSpec::DockerArchive { file, name } => {
                let (config, _) = archive::import_docker(&self.dir.join(file), name.as_deref(), self.store)?;
                return Ok(vec![config.platform()]);
            }
            BaseSpec::Registry(reference) => self.in_registry(reference, self.lock.get(reference)).await?,
            BaseSpec::Static | BaseSpec::Scratch | BaseSpec::Debian(_) | BaseSpec::Local { .. } => {
                return Ok(vec![this_machine()?]);
            }
        };
        let bytes = content.manifest(&root).await?;
        match ManifestKind::parse(&bytes, &root.media_type)? {
            ManifestKind::Manifest(manifest) => {
                let bytes = content.small(&manifest.config).await?;
                let config: ImageConfig = serde_json::from_slice(&bytes)
                    .map_err(|e| Error::integrity("the image's configuration cannot be read").because(e))?;
                Ok(vec![config.platform()])
            }
            ManifestKind::Index(index) => {
                let images = index.manifests.into_iter().filter(|d| !d.is_attached());
                Ok(images.filter_map(|descriptor| descriptor.platform).collect())
            }
        }
    }

    /// What is in a layout, and the index or manifest in it that is meant.
    fn in_layout(&self, dir: &Path, name: Option<&str>) -> Result<(Content, Descriptor)> {
        let dir = self.dir.join(dir);
        let root = pick(&read_index(&dir)?, name)?;
        Ok((Content::Layout(dir), root))
    }

    /// The same of an OCI archive.
    fn in_archive(&self, file: &Path, name: Option<&str>) -> Result<(Content, Descriptor)> {
        let index = archive::import_oci(&self.dir.join(file), self.store)?;
        Ok((Content::Store(self.store.clone()), pick(&index, name)?))
    }

    /// The same of a registry.
    pub(super) async fn in_registry(
        &self,
        reference: &Reference,
        pinned: Option<Digest>,
    ) -> Result<(Content, Descriptor)> {
        let content =
            Content::Registry(self.client.clone(), reference.repository.clone(), self.store.clone());
        let root = self.root(reference, reference.digest.or(pinned)).await;
        Ok((content, root.map_err(|error| self.with_place(error, reference))?))
    }

    /// The index or manifest that a reference leads to; its bytes are in the store afterwards.
    async fn root(&self, reference: &Reference, pinned: Option<Digest>) -> Result<Descriptor> {
        if pinned.is_none() && self.locked {
            return Err(Error::usage(words!(
                "{reference} is not pinned, and {locked} was given",
                locked = flag("locked")
            ))
            .hint(words!("run `{lock}`, or give the base with its digest", lock = Command::LOCK)));
        }
        let last_seen = || self.store.recall(Table::Tags, &reference.to_string()).filter(|_| self.offline);
        if let Some(digest) = pinned.or_else(last_seen)
            && let Some(bytes) = self.store.read(&digest)
        {
            self.store.tell_blob(&digest);
            // It says itself what it is, or its fields do.
            return Ok(Descriptor::of("", &bytes));
        }
        let wanted = Reference { digest: pinned, ..reference.clone() };
        look_up(self.client, self.store, &wanted).await
    }

    /// What is the same for everybody is taken from the cache, whatever the call says of its own layers.
    fn press(&self) -> Press<'_> {
        Press { store: self.store, jobs: self.jobs, use_memo: true, events: self.events }
    }

    fn embedded(&self, platform: &Platform) -> Result<BaseImage> {
        let layer = embedded::layer(&self.press(), self.compression)?;
        let mut base = empty(platform);
        base.config.config.env = embedded::environment();
        base.add(layer, History::of_base("static"));
        Ok(base)
    }

    /// The digest that the name of a base in a registry leads to, and that of the manifest there for `platform`. Nothing
    /// else of the base is read.
    ///
    /// # Errors
    /// As [`Opener::open`].
    pub async fn locate(&self, reference: &Reference, platform: &Platform) -> Result<(Digest, Digest)> {
        let found: Result<_> = async {
            let (content, root) = self.in_registry(reference, self.lock.get_for(reference, platform)).await?;
            let digest = root.digest;
            Ok((digest, manifest_in(&content, root, platform).await?.0.digest))
        }
        .await;
        found.context(|| format!("cannot use the base {reference} for {platform}"))
    }

    /// The index that has this manifest for `platform`, if the reference or its pin in the file still leads to it.
    pub async fn index_of(
        &self,
        manifest: &Digest,
        reference: &Reference,
        platform: &Platform,
    ) -> Option<Digest> {
        let lock = &self.lock.of_file();
        let (root, found) = Opener { lock, ..*self }.locate(reference, platform).await.ok()?;
        (found == *manifest).then_some(root)
    }

    /// From a manifest or index down to the image for `platform`.
    pub(super) async fn descend(
        &self,
        content: Content,
        root: Descriptor,
        platform: &Platform,
    ) -> Result<BaseImage> {
        let (descriptor, manifest) = manifest_in(&content, root, platform).await?;
        let base = self.image(&content, &manifest, &descriptor).await?;
        checked_platform(base, platform)
    }

    async fn image(&self, content: &Content, manifest: &Manifest, found: &Descriptor) -> Result<BaseImage> {
        let bytes = content.small(&manifest.config).await?;
        let config: ImageConfig = serde_json::from_slice(&bytes)
            .map_err(|e| Error::integrity("the base's configuration cannot be read").because(e))?;
        let mut layers = Vec::with_capacity(manifest.layers.len());
        for descriptor in &manifest.layers {
            if layer_compression(&descriptor.media_type).is_none() {
                return Err(Error::build(format!(
                    "the base has a layer of type {:?}, which is not a file system",
                    descriptor.media_type
                )));
            }
            layers.push(Blob { source: content.layer(descriptor)?, descriptor: descriptor.clone() });
        }
        if config.rootfs.diff_ids.len() != layers.len() {
            return Err(Error::integrity(format!(
                "the base has {} layers, but its configuration lists {}",
                layers.len(),
                config.rootfs.diff_ids.len()
            )));
        }
        let said = [&manifest.annotations, &found.annotations, &config.config.labels];
        let version = said.into_iter().find_map(|said| said.get(VERSION)).map(|said| redact::tame_word(said));
        Ok(BaseImage { name: None, digest: Some(found.digest), version, config, layers })
    }
}

/// From a manifest or index down to the manifest for `platform`.
async fn manifest_in(
    content: &Content,
    root: Descriptor,
    platform: &Platform,
) -> Result<(Descriptor, Box<Manifest>)> {
    let mut descriptor = root;
    // An index may hold an index; nobody nests deeper.
    for _ in 0..4 {
        let bytes = content.manifest(&descriptor).await?;
        match ManifestKind::parse(&bytes, &descriptor.media_type)? {
            ManifestKind::Index(index) => descriptor = choose(&index, platform)?,
            ManifestKind::Manifest(manifest) => return Ok((descriptor, manifest)),
        }
    }
    Err(Error::integrity("the index contains indexes nested too deeply"))
}

/// Asks the registry what a reference means now, and remembers it.
///
/// # Errors
/// When the registry cannot be reached, refuses or does not have it.
pub(crate) async fn look_up(client: &Client, store: &Store, reference: &Reference) -> Result<Descriptor> {
    let fetched = client.manifest(reference).await?;
    super::content::keep(store, &fetched.bytes)?;
    let name = reference.to_string();
    if reference.digest.is_none() && store.recall(Table::Tags, &name) != Some(fetched.digest) {
        store.remember(Table::Tags, &name, &fetched.digest);
    }
    Ok(Descriptor::of(fetched.media_type, &fetched.bytes))
}

fn this_machine() -> Result<Platform> {
    Platform::from_rust_arch(std::env::consts::ARCH).ok_or_else(|| {
        Error::usage("this machine's platform is not supported")
            .hint(words!("choose one with {platform}", platform = flag("platform")))
    })
}
