//! Whether images will start: of those that were just made, before anything of them can be
//! found under a name, and of any other one.

use std::path::Path;

use serde::Serialize;

use super::parallel::in_parallel;
use super::workshop::{Workshop, fetch_unknown};
use crate::base::Opener;
use crate::base::lock::BaseLock;
use crate::base::spec::BaseSpec;
use crate::check::{self, Finding, Kind, RULES, Report, Severity};
use crate::config::CheckMode;
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::facts;
use crate::facts::details::FileSystem;
use crate::image::{Image, ImageSet};
use crate::oci::{Digest, ImageConfig, Platform, to_json};
use crate::plan::Plan;
use crate::registry::Client;
use crate::store::{Blob, Source, Store, Table};
use crate::words;
use crate::words::{Words, flag};

/// What was found in an image for one platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Checked {
    /// What the image runs on.
    #[serde(serialize_with = "crate::oci::as_text")]
    pub platform: Platform,
    /// What was found.
    #[serde(flatten)]
    pub report: Report,
}

/// Where the image that is to be examined may come from.
pub struct Examiner<'a> {
    /// Where layers and what is known of them are kept.
    pub store: &'a Store,
    /// For images in registries.
    pub client: &'a Client,
    /// The folder that paths are relative to.
    pub dir: &'a Path,
    /// How many threads may work.
    pub jobs: usize,
    /// Where events go.
    pub events: &'a Events,
}

impl Examiner<'_> {
    /// Examines `image` for these platforms; for all that it has where none is named.
    ///
    /// # Errors
    /// When it is not there, is broken, or lacks a platform. What is wrong with how it would run is
    /// in the reports.
    pub async fn examine(&self, image: &BaseSpec, platforms: &[Platform]) -> Result<Vec<Checked>> {
        let lock = BaseLock::default();
        let opener = Opener::of_images((self.store, self.client), &lock, self.dir, self.events);
        let opener = Opener { jobs: self.jobs, ..opener };
        let platforms =
            if platforms.is_empty() { opener.platforms(image).await? } else { platforms.to_vec() };
        let mut found = Vec::new();
        for platform in platforms {
            let opened = opener.read(image, &platform).await?;
            self.events.step("Checking", format!("{image} ({platform})"));
            let key = Digest::of(&to_json(&opened.config)?);
            let report =
                report(self.store, self.client, self.jobs, key, &opened.config, opened.layers, false).await?;
            found.push(Checked { platform, report });
        }
        Ok(found)
    }
}

/// Examines images before they are delivered, as far as their settings want it.
///
/// # Errors
/// Build: what would fail, unless it is only to be warned of.
pub(super) async fn preflight<'s>(
    workshop: &Workshop<'_>,
    plan: &Plan,
    sets: impl Iterator<Item = &'s ImageSet>,
) -> Result<()> {
    let mut failed = None;
    for (set, planned) in sets.zip(&plan.images) {
        let mode = planned.check;
        if mode == CheckMode::Off {
            continue;
        }
        for image in &set.images {
            let report = report_of(workshop, image).await?;
            for finding in &report.findings {
                // What an environment lacks was judged when it was made, by the lock that knows why.
                if finding.kind == Kind::MissingDistribution && planned.python().is_some() {
                    continue;
                }
                let stops = mode == CheckMode::Error && finding.severity == Severity::Error;
                if stops && failed.is_none() {
                    let name = format!("{} ({})", set.name, image.platform);
                    failed = Some(refusal(&name, finding, report.errors() - 1));
                } else {
                    workshop.events.warn(warning(finding, &image.platform));
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

fn refusal(name: &str, finding: &Finding, others: usize) -> Error {
    let more = match others {
        0 => String::new(),
        1 => " (and one more error)".into(),
        n => format!(" (and {n} more errors)"),
    };
    let mut error = Error::build(format!("{name} would fail: {}{more}", finding.message));
    if finding.through.len() > 1 {
        error = error.because(format!("through {}", finding.through.join(" -> ")));
    }
    let mode = words!("use `{}` to continue anyway", flag("check").of("warn"));
    error.hint(finding.fix.as_ref().map_or_else(|| mode.clone(), |fix| words!("{fix}; {mode}")))
}

fn warning(finding: &Finding, platform: &Platform) -> Words {
    let fix = finding.fix.as_ref().map_or_else(Words::default, |fix| words!("; {fix}"));
    words!("{platform}: {}{fix}", finding.message)
}

async fn report_of(workshop: &Workshop<'_>, image: &Image) -> Result<Report> {
    let config = config_of(image)?;
    let Workshop { store, client, .. } = *workshop;
    let key = image.config.descriptor.digest;
    if let Some(report) = remembered(store, &key) {
        return Ok(report);
    }
    workshop.remote.borrow_rest(client, store).await;
    report(store, client, workshop.jobs(), key, &config, image.layers.clone(), true).await
}

/// The configuration of an image that was just made.
///
/// # Errors
/// A bug when it is not in memory.
pub(super) fn config_of(image: &Image) -> Result<ImageConfig> {
    let Source::Memory(bytes) = &image.config.source else {
        return Err(Error::bug("the configuration of an image that was just made is not in memory"));
    };
    serde_json::from_slice(bytes).map_err(|e| Error::bug("a configuration cannot be read").because(e))
}

/// The verdict on an image, remembered under the digest of its configuration: that names the
/// content of all layers, and all that is set. `made_here` as for [`file_system`].
///
/// # Errors
/// When a layer cannot be had or read.
pub(super) async fn report(
    store: &Store,
    client: &Client,
    jobs: usize,
    key: Digest,
    config: &ImageConfig,
    layers: Vec<Blob>,
    made_here: bool,
) -> Result<Report> {
    if let Some(report) = remembered(store, &key) {
        return Ok(report);
    }
    let layers = fetched(layers, client, store).await?;
    let report = tokio::task::block_in_place(|| -> Result<Report> {
        Ok(check::examine(&file_system(&layers, config, store, jobs, made_here)?, config))
    })?;
    store.remember(Table::Verdicts, &under(&key), &report);
    Ok(report)
}

fn remembered(store: &Store, key: &Digest) -> Option<Report> {
    store.recall(Table::Verdicts, &under(key))
}

fn under(key: &Digest) -> String {
    format!("{RULES} {key}")
}

/// The merged file system of the layers, and what its files need to run. Where the image was
/// `made_here`, its own layers need not be verified; of others the history may say anything.
///
/// # Errors
/// When a layer cannot be read.
pub(super) fn file_system(
    layers: &[Blob],
    config: &ImageConfig,
    store: &Store,
    jobs: usize,
    made_here: bool,
) -> Result<FileSystem> {
    let diff_ids = &config.rootfs.diff_ids;
    if layers.len() != diff_ids.len() {
        let (layers, named) = (layers.len(), diff_ids.len());
        let message = format!("the image has {layers} layers, but its configuration lists {named}");
        return Err(Error::integrity(message));
    }
    let work: Vec<_> = layers.iter().zip(diff_ids).zip(check::own_layers(config)).collect();
    let found = in_parallel(jobs, &work, |((blob, diff_id), own)| {
        let read = if *own && made_here { facts::details_of_own } else { facts::details_of };
        read(blob, diff_id, store).context(|| format!("cannot read the layer {}", blob.descriptor.digest))
    })?;
    let mut fs = FileSystem::default();
    for ((facts, details), (_, own)) in found.into_iter().zip(work) {
        fs.apply(facts, details, own);
    }
    Ok(fs)
}

/// The layers, those whose bytes must be read fetched.
///
/// # Errors
/// When one cannot be fetched.
pub(super) async fn fetched(mut layers: Vec<Blob>, client: &Client, store: &Store) -> Result<Vec<Blob>> {
    let known = |blob: &Blob, store: &Store| facts::known(blob, store) && facts::details_known(blob, store);
    fetch_unknown(&mut layers, client, store, known).await?;
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_fails_why_and_what_helps() {
        let finding = Finding {
            severity: Severity::Error,
            kind: Kind::MissingLibrary,
            message: "/a needs libx.so, which is not in the image".into(),
            library: Some("libx.so".into()),
            through: vec!["/run".into(), "/a".into()],
            fix: Some("add it".into()),
        };
        let error = refusal("web (linux/amd64)", &finding, 2);
        assert_eq!(error.kind(), crate::Kind::Build);
        assert_eq!(
            error.to_string(),
            "web (linux/amd64) would fail: /a needs libx.so, which is not in the image (and 2 more errors)"
        );
        assert_eq!(error.causes(), ["through /run -> /a"]);
        assert_eq!(error.hint_text(), Some("add it; use `--check warn` to continue anyway"));
        let alone = Finding { through: vec!["/a".into()], fix: None, ..finding };
        assert!(refusal("web", &alone, 0).causes().is_empty());
        assert!(warning(&alone, &Platform::linux("arm64")).starts_with("linux/arm64: /a needs"));
    }
}
