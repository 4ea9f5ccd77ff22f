//! What is in the layers of bases, kept in a repository for all who name it: so none of them reads the bases again.

use std::collections::BTreeSet;

use serde::Serialize;

use super::places;
use super::remote;
use super::request::Request;
use super::sign::{Desk, Signers};
use super::workshop::fetch_unknown;
use crate::base::lock::{BaseLock, FILE};
use crate::base::spec::BaseSpec;
use crate::base::{BaseImage, Opener};
use crate::config::{Attest, Sign};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::facts;
use crate::oci::{Digest, Platform, Repository};
use crate::registry::Client;
use crate::store::{Blob, Store, Table};

/// What was published.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Published {
    /// The tag that leads to it.
    pub reference: String,
    /// How many layers it speaks of.
    pub layers: usize,
}

/// Reads the layers of `bases` for each platform, as the folder's lock pins them, and keeps what is in them in the repository `to`, signed where the call
/// says how.
///
/// # Errors
/// When a base cannot be had or read, or the registry of `to` refuses.
pub async fn publish(
    request: &Request,
    bases: &[BaseSpec],
    platforms: &[Platform],
    to: &Repository,
    events: &Events,
) -> Result<Published> {
    let sign = places::without_project(request, events)?.sign;
    if let Some(mistake) = sign.as_ref().and_then(Sign::mistake) {
        return Err(Error::usage(format!("sign is invalid: {mistake}")).hint(Sign::FORMS));
    }
    let store = Store::open(&request.cache_dir)?.telling(events);
    let client = Client::new(request.registry.clone(), request.credentials.clone(), events.clone())?;
    let attest = Attest { sign, ..Attest::default() };
    let signers = Signers::of(request, &request.dir, std::iter::once(&attest), client.http())?;
    client.check_push(to).await?;
    let desk = Desk { request, dir: &request.dir, store: &store, client: &client, events };
    // What the builds in this folder stand on.
    let pins = BaseLock::read(&request.dir.join(FILE))?;
    for base in bases {
        if let BaseSpec::Registry(reference) = base
            && let Some(digest) = pins.get(reference)
        {
            events.note(format!("{base} is read as {FILE} pins it: {digest}"));
        }
    }
    let mut layers: BTreeSet<Digest> = BTreeSet::new();
    for base in bases {
        for platform in platforms {
            layers.extend(read(desk, &pins, base, platform).await?);
        }
    }
    let keys = layers.iter().map(|layer| Digest::of(layer.to_string().as_bytes()));
    let told = keys.flat_map(|key| [(Table::Facts, key), (Table::Details, key)]).collect();
    events.step("Publishing", to.to_string());
    let place = remote::publish(to, desk, signers.only()?, told).await?;
    store.evict(request.cache_size);
    Ok(Published { reference: place.to_string(), layers: layers.len() })
}

/// Reads a base, unless it is known; its layers.
async fn read(desk: Desk<'_>, pins: &BaseLock, base: &BaseSpec, platform: &Platform) -> Result<Vec<Digest>> {
    let Desk { request, dir, store, client, events } = desk;
    events.step("Reading", format!("{base} for {platform}"));
    let opener = Opener::of_images((store, client), pins, dir, events);
    let opener = Opener { jobs: request.jobs.unwrap_or(1), ..opener };
    let BaseImage { mut layers, config, .. } = opener.read(base, platform).await?;
    let known = |blob: &Blob, store: &Store| facts::known(blob, store) && facts::details_known(blob, store);
    fetch_unknown(&mut layers, client, store, known).await?;
    tokio::task::block_in_place(|| {
        let each = layers.iter().zip(&config.rootfs.diff_ids);
        let read = each.map(|(layer, diff_id)| {
            facts::details_of(layer, diff_id, store)?;
            Ok(layer.descriptor.digest)
        });
        read.collect()
    })
}
