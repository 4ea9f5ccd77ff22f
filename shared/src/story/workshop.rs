//! What every build works with, and opening the bases.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::permission::Permission;
use super::remote::RemoteCache;
use super::request::Request;
use super::sign::{Desk, Signers};
use super::vouched::{self, Voucher};
use crate::base::lock::BaseLock;
use crate::base::spec::BaseSpec;
use crate::base::{BaseImage, Opener, embedded};
use crate::debian::Package;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::facts::{self, Contents};
use crate::layer::{Entry, Head, Press, Spec};
use crate::oci::media_type::Compression;
use crate::oci::{Descriptor, History, Owner, Platform};
use crate::plan::Additions;
use crate::registry::{Client, Follow};
use crate::store::{Blob, Source, Store};
use crate::trust::Resource;

/// So many layers are fetched at once.
const DOWNLOADS: usize = 6;

/// So many layers of a base are read while they are fetched: what is in one may take much memory.
const LEARNERS: usize = 3;

/// Smaller layers are read when they are there. In bytes.
const WORTH_LEARNING: u64 = 1 << 20;

/// What every build works with.
#[derive(Clone, Copy)]
pub(super) struct Workshop<'a> {
    pub(super) request: &'a Request,
    pub(super) store: &'a Store,
    pub(super) client: &'a Client,
    pub(super) lock: &'a BaseLock,
    /// Who signs what is pushed.
    pub(super) signers: &'a Signers,
    /// What was found out elsewhere.
    pub(super) remote: &'a RemoteCache,
    /// Whether what is made may be pushed.
    pub(super) permission: &'a Permission,
    /// The folder that the paths of bases are relative to.
    pub(super) dir: &'a Path,
    pub(super) events: &'a Events,
}

/// A base that is needed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BaseWish {
    /// As it was named.
    pub(super) name: String,
    pub(super) platform: Platform,
    /// What is added to it.
    pub(super) additions: Additions,
    /// Whether the user that images run as gets a name where the base has none.
    pub(super) names_user: bool,
}

impl BaseWish {
    /// The base `name` for a platform, with what is added to it.
    pub(super) fn of(name: &str, platform: &Platform, additions: &Additions) -> Self {
        let (name, platform) = (name.to_owned(), platform.clone());
        Self { name, platform, additions: additions.clone(), names_user: false }
    }
}

/// A base that is open: the image and what is in it.
pub(super) struct Base {
    pub(super) image: BaseImage,
    /// Who has signed it, where somebody must have.
    pub(super) signed_by: Vec<Voucher>,
    pub(super) contents: Contents,
    /// Debian packages that were added to it.
    pub(super) debian: Vec<Package>,
    /// The package that an init was taken from.
    pub(super) init: Option<Package>,
    /// In so many layers.
    pub(super) debian_layers: usize,
}

/// Open bases by name, platform and what was added to them.
pub(super) struct Bases(BTreeMap<Key, Base>);

type Key = (String, String, String, bool, String, String);

fn key(name: &str, platform: &Platform, additions: &Additions) -> Key {
    let Additions { base_verify, debian, init, user, .. } = additions;
    let text = |value: serde_json::Value| value.to_string();
    let (signers, debian) = (text(serde_json::json!(base_verify)), text(serde_json::json!(debian)));
    (name.to_owned(), platform.to_string(), debian, *init, user.clone(), signers)
}

impl Bases {
    /// The base `name` for `platform` with what is added to it.
    ///
    /// # Errors
    /// A bug when it was not opened.
    pub(super) fn get(&self, name: &str, platform: &Platform, additions: &Additions) -> Result<&Base> {
        self.0
            .get(&key(name, platform, additions))
            .ok_or_else(|| Error::bug(format!("the base {name} for {platform} is lost")))
    }
}

impl Workshop<'_> {
    /// How many threads may work.
    pub(super) fn jobs(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.request.jobs.unwrap_or_else(processors)
    }

    /// Whether a layer that was made before may be taken as it is.
    pub(super) fn believes_layers(&self) -> bool {
        self.request.use_cache && self.request.repeats.is_none()
    }

    /// What signing works with.
    pub(super) fn desk(&self) -> Desk<'_> {
        let Self { request, dir, store, client, events, .. } = *self;
        Desk { request, dir, store, client, events }
    }

    /// What was used of earlier builds, for those who ask what an image is made of.
    pub(super) fn reused(&self) -> Vec<Resource> {
        match self.store.has_used_loan() {
            true => self.remote.reused(!self.signers.is_empty()),
            false => Vec::new(),
        }
    }

    /// What opens bases.
    pub(super) fn opener(&self, compression: Compression) -> Opener<'_> {
        Opener {
            store: self.store,
            client: self.client,
            lock: self.lock,
            locked: self.request.locking.is_locked(),
            offline: self.request.locking.is_offline(),
            dir: self.dir,
            compression,
            jobs: self.jobs(),
            events: self.events,
        }
    }

    /// What layers are made with, by all threads.
    pub(super) fn press(&self) -> Press<'_> {
        Press { store: self.store, jobs: self.jobs(), use_memo: self.request.use_cache, events: self.events }
    }

    /// Opens all bases at the same time, each once.
    ///
    /// # Errors
    /// When one is not there, is broken, or lacks a platform.
    pub(super) async fn bases(&self, wishes: Vec<BaseWish>) -> Result<Bases> {
        let mut unique: BTreeMap<Key, BaseWish> = BTreeMap::new();
        for wish in wishes {
            let key = key(&wish.name, &wish.platform, &wish.additions);
            unique.entry(key).or_insert(wish);
        }
        let opened = unique.into_iter().map(|(key, wish)| async move {
            let base = self.base(&wish).await?;
            let base = self.with_packages(base, &wish).await?;
            let base = self.with_init(base, &wish).await?;
            Ok((key, self.with_user(base, &wish).await?))
        });
        Ok(Bases(futures_util::future::try_join_all(opened).await?.into_iter().collect()))
    }

    /// Adds a layer that counts as the base's own.
    ///
    /// # Errors
    /// When it cannot be written, and those of `entries`.
    pub(super) fn add_to_base(
        &self,
        base: &mut Base,
        head: &Head,
        entries: impl FnOnce() -> Result<Vec<Entry>>,
    ) -> Result<()> {
        let spec = || {
            Ok(Spec {
                title: head.title.clone(),
                entries: entries()?,
                owner: Owner::ROOT,
                compression: head.compression,
                format: head.format,
            })
        };
        let made = self.press().write_keyed(head, spec, &base.contents.tree)?;
        base.contents.apply(facts::layer_facts(&made.blob, &made.diff_id, self.store)?);
        let line = History::of_layer(&made.title);
        base.image.add(made, line);
        base.debian_layers += 1;
        Ok(())
    }

    /// Opens the image of a base, if whoever must have signed it has; those are handed on, too.
    ///
    /// # Errors
    /// When it is not there, is broken, lacks the platform, or is not signed as it must be.
    pub(super) async fn open(&self, spec: &BaseSpec, wish: &BaseWish) -> Result<(BaseImage, Vec<Voucher>)> {
        let BaseWish { name, platform, additions, .. } = wish;
        let opener = self.opener(additions.compression);
        let wanted = vouched::Wanted { name, spec, platform, verify: &additions.base_verify };
        vouched::open(self.desk(), opener, wanted).await
    }

    /// Opens a base as it is.
    ///
    /// # Errors
    /// When it is not there, is broken, lacks the platform, or is not signed as it must be.
    pub(super) async fn base(&self, wish: &BaseWish) -> Result<Base> {
        let spec: BaseSpec = wish.name.parse()?;
        let (mut base, signed_by) = self.open(&spec, wish).await?;
        let contents = match spec {
            BaseSpec::Scratch => Contents::default(),
            BaseSpec::Static => Contents::of(embedded::tree()?),
            _ => {
                if base.layers.iter().any(|layer| is_unread(layer, self.store, facts::known))
                    && let Ok(signer) = self.signers.only()
                {
                    self.remote.borrow_bases(self.desk(), signer).await;
                }
                fetch_unknown(&mut base.layers, self.client, self.store, facts::known).await?;
                let (layers, store) = (base.layers.clone(), self.store.clone());
                let diff_ids = base.config.rootfs.diff_ids.clone();
                let read =
                    tokio::task::spawn_blocking(move || facts::contents_of(&layers, &diff_ids, &store));
                read.await.map_err(|e| Error::bug("reading a base panicked").because(e))??
            }
        };
        Ok(Base { image: base, signed_by, contents, debian: Vec::new(), init: None, debian_layers: 0 })
    }
}

/// Whether a layer is still in a registry and its bytes must be read, since `known` does not vouch for it.
fn is_unread(blob: &Blob, store: &Store, known: fn(&Blob, &Store) -> bool) -> bool {
    matches!(blob.source, Source::Registry(_)) && !known(blob, store)
}

/// Fetches the layers that are still in a registry and that `known` does not vouch for: their bytes
/// must be read. What is in them is found out as they come.
///
/// # Errors
/// When one cannot be fetched.
pub(super) async fn fetch_unknown(
    layers: &mut [Blob],
    client: &Client,
    store: &Store,
    known: fn(&Blob, &Store) -> bool,
) -> Result<()> {
    fetch_learning(layers, client, store, (known, DETAILS)).await
}

/// What is found out of a layer while it is fetched.
#[derive(Clone, Copy)]
struct Lesson {
    is_known: fn(&Blob, &Store) -> bool,
    learn: fn(&mut dyn Read, &Descriptor, &Store) -> Result<()>,
}

/// What there is in it, and what that needs to run.
const DETAILS: Lesson = Lesson {
    is_known: |layer, store| facts::known(layer, store) && facts::details_known(layer, store),
    learn: |bytes, layer, store| facts::learn(bytes, layer, store),
};

/// How large each file is, besides.
const FILES: Lesson = Lesson {
    is_known: facts::files_known,
    learn: |bytes, layer, store| facts::learn_files(bytes, layer, store),
};

/// As [`fetch_unknown`], for those who ask how large each file is.
///
/// # Errors
/// When one cannot be fetched.
pub(super) async fn fetch_to_measure(layers: &mut [Blob], client: &Client, store: &Store) -> Result<()> {
    fetch_learning(layers, client, store, (facts::files_known, FILES)).await
}

async fn fetch_learning(
    layers: &mut [Blob],
    client: &Client,
    store: &Store,
    (known, lesson): (fn(&Blob, &Store) -> bool, Lesson),
) -> Result<()> {
    let permits = &Arc::new(Semaphore::new(LEARNERS));
    let fetches = layers.iter_mut().map(|blob| async move {
        if let Source::Registry(home) = &blob.source
            && is_unread(blob, store, known)
        {
            let learners = Learners::of(blob, store, lesson, permits);
            let follow = learners.as_ref().map(Learners::follow);
            let path = client.fetch_blob_followed(home, &blob.descriptor, store, follow).await?;
            blob.source = Source::File(path);
            if let Some(learners) = learners {
                learners.end().await;
            }
        }
        Ok(())
    });
    // Boxed, as the compiler cannot see otherwise that these futures may move between threads.
    let fetches: Vec<BoxFuture<'_, Result<()>>> = fetches.map(|fetch| Box::pin(fetch) as _).collect();
    stream::iter(fetches).buffer_unordered(DOWNLOADS).try_collect().await
}

/// Those who read a layer while it is fetched: one for each attempt.
struct Learners {
    layer: Descriptor,
    store: Store,
    learn: fn(&mut dyn Read, &Descriptor, &Store) -> Result<()>,
    reading: Arc<Mutex<Vec<JoinHandle<()>>>>,
    _permit: OwnedSemaphorePermit,
}

impl Learners {
    /// None where all is known, where it is soon read, and where enough others read already.
    fn of(layer: &Blob, store: &Store, lesson: Lesson, permits: &Arc<Semaphore>) -> Option<Self> {
        let is_known = (lesson.is_known)(layer, store);
        let (layer, store) = (layer.descriptor.clone(), store.clone());
        if is_known || layer.size < WORTH_LEARNING {
            return None;
        }
        let permit = permits.clone().try_acquire_owned().ok()?;
        Some(Self { layer, store, learn: lesson.learn, reading: Arc::default(), _permit: permit })
    }

    fn follow(&self) -> Follow {
        let Self { layer, store, reading, .. } = self;
        let (layer, store, reading, learn) = (layer.clone(), store.clone(), reading.clone(), self.learn);
        Arc::new(move |mut passing| {
            let (layer, store) = (layer.clone(), store.clone());
            let learner = tokio::task::spawn_blocking(move || {
                // Who needs it then reads it from its file, and says what is wrong with it.
                if let Err(error) = learn(&mut passing, &layer, &store) {
                    tracing::debug!(%error, layer = %layer.digest, "was not read on its way");
                }
            });
            reading.lock().unwrap_or_else(PoisonError::into_inner).push(learner);
        })
    }

    /// Waits for them.
    async fn end(self) {
        let reading = std::mem::take(&mut *self.reading.lock().unwrap_or_else(PoisonError::into_inner));
        for learner in reading {
            if let Err(error) = learner.await {
                tracing::debug!(%error, "reading a layer on its way failed");
            }
        }
    }
}
