//! `containerize inspect` and `diff`: images as they are stored, read for [`crate::inspect`], which tells what they are
//! made of, and what two differ in.

mod diff;
mod hanging;

use super::parallel::in_parallel;
use super::preflight::Examiner;
use super::stated;
use super::workshop::fetch_to_measure;
use crate::base::lock::BaseLock;
use crate::base::spec::BaseSpec;
use crate::base::{BaseImage, Opener, StoredImage};
use crate::error::{Context, Error, Result};
use crate::facts;
use crate::inspect::{self, Image, Inspection, Layer, SCHEMA};
use crate::oci::{Digest, History, ImageConfig, Platform, Reference};
use crate::redact;
use crate::trust::Provenance;

/// An image of more layers is not read: engines take an eighth of that, and all of them are held at once.
const MOST_LAYERS: usize = 1000;

/// How labels and annotations name the base.
const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// An image that is open: what its name leads to, its platforms, and what is stated about it.
pub(crate) struct Opened<'a> {
    examiner: &'a Examiner<'a>,
    /// The image by its digest, where it has one: tags may move meanwhile.
    spec: BaseSpec,
    stored: Option<StoredImage>,
    platforms: Vec<Platform>,
    provenance: Vec<Provenance>,
}

impl Examiner<'_> {
    /// What `image` is made of, for these platforms; for all that it has where none is named.
    ///
    /// # Errors
    /// When it is not there, is broken, or lacks a platform.
    pub async fn inspect(&self, image: &BaseSpec, platforms: &[Platform]) -> Result<Inspection> {
        let opened = self.opened(image, platforms).await?;
        let mut views = Vec::new();
        for platform in &opened.platforms {
            self.events.step("Inspecting", format!("{image} ({platform})"));
            let read = opened.read(platform).await?;
            views.push(tokio::task::block_in_place(|| inspect::view(read)));
        }
        let attached = match &opened.stored {
            Some(stored) => hanging::all(self, image, stored, &views).await,
            None => Vec::new(),
        };
        let digest = opened.digest();
        Ok(Inspection { schema: SCHEMA, image: image.to_string(), digest, platforms: views, attached })
    }

    /// Opens an image, with what is stated about it.
    ///
    /// # Errors
    /// When it is not there, or is broken.
    pub(crate) async fn opened(&self, image: &BaseSpec, platforms: &[Platform]) -> Result<Opened<'_>> {
        let lock = BaseLock::default();
        let opener = self.opener(&lock);
        let keeps_statements =
            matches!(image, BaseSpec::Registry(_) | BaseSpec::Layout { .. } | BaseSpec::OciArchive { .. });
        let stored = if keeps_statements { Some(opener.stored(image).await?) } else { None };
        let spec = match (image, &stored) {
            (BaseSpec::Registry(reference), Some(stored)) => {
                BaseSpec::Registry(Reference { digest: Some(stored.root.digest), ..reference.clone() })
            }
            _ => image.clone(),
        };
        let platforms = match platforms {
            [] => opener.platforms(&spec).await?,
            wanted => {
                let mut named = Vec::new();
                for platform in wanted {
                    if !named.contains(platform) {
                        named.push(platform.clone());
                    }
                }
                named
            }
        };
        let provenance = match &stored {
            Some(stored) => {
                stated::told(stored, None, Provenance::is_of_an_image).await.map(|told| told.ours)
            }
            None => Ok(Vec::new()),
        };
        // Whatever hangs there, the image can be told without it.
        let provenance = provenance.unwrap_or_else(|error| {
            self.events.warn(format!("cannot read the provenance of {image}: {error}"));
            Vec::new()
        });
        Ok(Opened { examiner: self, spec, stored, platforms, provenance })
    }

    fn opener<'o>(&'o self, lock: &'o BaseLock) -> Opener<'o> {
        let opener = Opener::of_images((self.store, self.client), lock, self.dir, self.events);
        Opener { jobs: self.jobs, ..opener }
    }
}

impl Opened<'_> {
    /// The digest of what its name leads to.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.stored.as_ref().map(|stored| stored.root.digest)
    }

    /// Reads one platform's image, with the sizes of all of its files.
    ///
    /// # Errors
    /// When a layer cannot be had, or is broken.
    pub(crate) async fn read(&self, platform: &Platform) -> Result<Image> {
        self.measured(self.look(platform).await?, platform).await
    }

    /// One platform's image, without what is in its layers.
    async fn look(&self, platform: &Platform) -> Result<BaseImage> {
        self.examiner.opener(&BaseLock::default()).read(&self.spec, platform).await
    }

    async fn measured(&self, mut image: BaseImage, platform: &Platform) -> Result<Image> {
        let Examiner { store, client, jobs, .. } = *self.examiner;
        fetch_to_measure(&mut image.layers, client, store).await?;
        let annotations = self.annotations(&image).await?;
        let provenance =
            self.provenance.iter().find(|one| one.internal("choices").get(platform.to_string()).is_some());
        let bills = match (&self.stored, image.digest) {
            (Some(stored), Some(digest)) => hanging::bills(self.examiner, stored, &digest).await,
            _ => Vec::new(),
        };
        let layers = tokio::task::block_in_place(|| layers(&image, jobs, store))?;
        Ok(Image {
            platform: platform.clone(),
            digest: image.digest,
            base: base(&image.config, &annotations),
            config: image.config,
            layers,
            provenance: provenance.cloned(),
            bills,
        })
    }

    /// Those of the manifest.
    async fn annotations(&self, image: &BaseImage) -> Result<std::collections::BTreeMap<String, String>> {
        let Some(stored) = &self.stored else { return Ok(Default::default()) };
        let all = stored.images().await?.into_iter();
        let mut own = all.filter(|(entry, _)| Some(entry.digest) == image.digest);
        Ok(own.next().map(|(_, manifest)| manifest.annotations).unwrap_or_default())
    }
}

/// The base that an image names: its annotations count more than its labels.
fn base(
    config: &ImageConfig,
    annotations: &std::collections::BTreeMap<String, String>,
) -> Option<(String, String)> {
    [annotations, &config.config.labels].into_iter().find_map(|said| {
        let name = said.get(BASE_NAME)?.clone();
        Some((name, said.get(BASE_DIGEST).cloned().unwrap_or_default()))
    })
}

fn layers(image: &BaseImage, jobs: usize, store: &crate::store::Store) -> Result<Vec<Layer>> {
    let (layers, diff_ids) = (&image.layers, &image.config.rootfs.diff_ids);
    if layers.len() != diff_ids.len() {
        let (layers, named) = (layers.len(), diff_ids.len());
        let message = format!("the image has {layers} layers, but its configuration lists {named}");
        return Err(Error::integrity(message));
    }
    if layers.len() > MOST_LAYERS {
        let message = format!("the image has {} layers, and at most {MOST_LAYERS} are read", layers.len());
        return Err(Error::integrity(message));
    }
    let work: Vec<_> = layers.iter().zip(diff_ids).collect();
    let found = in_parallel(jobs, &work, |(blob, diff_id)| {
        facts::files_of(blob, diff_id, store)
            .context(|| format!("cannot read the layer {}", blob.descriptor.digest))
    })?;
    let mut lines: Vec<&History> = image.config.history.iter().filter(|line| line.makes_layer()).collect();
    if lines.len() > layers.len() {
        // They belong to nobody knows which layers.
        lines.clear();
    }
    let is_ours = lines.iter().any(|line| line.is_ours());
    let all =
        work.into_iter().zip(found).enumerate().map(|(at, ((blob, diff_id), (facts, details, files)))| {
            let line = lines.get(at);
            Layer {
                descriptor: blob.descriptor.clone(),
                diff_id: *diff_id,
                made_by: line.map(|line| made_by(line)).unwrap_or_default(),
                is_own: is_ours.then(|| line.is_some_and(|line| line.is_ours())),
                facts,
                details,
                files,
            }
        });
    Ok(all.collect())
}

/// A line of the history without what every line of a builder begins or ends with.
fn made_by(line: &History) -> String {
    let words = line.title().trim();
    let words = words.strip_suffix("# buildkit").unwrap_or(words).trim();
    let words = words.strip_prefix("RUN ").unwrap_or(words);
    let is_shell = words.strip_prefix("/bin/sh -c ");
    let words = is_shell.map_or(words, |rest| rest.strip_prefix("#(nop) ").unwrap_or(rest)).trim();
    let one_line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    redact::clean(&one_line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_builders_say_what_was_done() {
        let cases = [
            ("/bin/sh -c #(nop) ADD file:abc in / ", "ADD file:abc in /"),
            ("RUN /bin/sh -c set -eux;  \tapt-get update # buildkit", "set -eux; apt-get update"),
            ("COPY app /app # buildkit", "COPY app /app"),
            ("containerize: environment", "environment"),
        ];
        for (line, expected) in cases {
            let line = History { created_by: Some(line.into()), ..History::default() };
            assert_eq!(made_by(&line), expected);
        }
    }
}
