//! `containerize cache`: what is in the cache, and making it smaller.

use std::fmt::Write as _;
use std::path::Path;

use containerize_core::event::Events;
use containerize_core::oci::Platform;
use containerize_core::store::{Count, Removed, Store, Table, Usage};
use containerize_core::{Error, Result, story};
use serde_json::json;

use crate::cli::{CacheArgs, CacheVerb, PrintFormat, PublishArgs};
use crate::render::bytes;
use crate::request;

/// Does what the call says; returns what is to be printed.
///
/// # Errors
/// When the cache cannot be read or changed, or its limit is not a size.
pub(crate) fn run(arguments: &CacheArgs) -> Result<String> {
    let dir = request::cache_dir(arguments.cache_dir.clone())?;
    let json = arguments.format == PrintFormat::Json;
    Ok(match &arguments.verb {
        CacheVerb::Dir if json => format!("{:#}\n", json!({ "dir": dir })),
        CacheVerb::Dir => format!("{}\n", dir.display()),
        CacheVerb::Info => {
            let size = request::cache_size()?;
            info(&dir, size, &Store::open(&dir)?.usage(), json)
        }
        CacheVerb::Prune { all } => {
            let size = if *all { 0 } else { request::cache_size()? };
            let removed = Store::open(&dir)?.prune(size)?;
            pruned(removed, json)
        }
        CacheVerb::Publish(_) => return Err(Error::bug("publishing needs the network")),
    })
}

/// Publishes what is in bases; what is to be printed.
///
/// # Errors
/// Those of publishing.
pub(crate) async fn publish(arguments: &PublishArgs, events: &Events) -> Result<String> {
    let request = request::for_publish(arguments)?;
    let PublishArgs { bases, platforms, to, .. } = arguments;
    let here = Platform::from_rust_arch(std::env::consts::ARCH).filter(|_| platforms.is_empty());
    let platforms: Vec<Platform> = platforms.iter().cloned().chain(here).collect();
    let published = story::publish(&request, bases, &platforms, to, events).await?;
    Ok(match arguments.say.format {
        PrintFormat::Json => format!("{:#}\n", json!(published)),
        PrintFormat::Text => format!("{}\n", published.reference),
    })
}

fn info(dir: &Path, size: u64, usage: &Usage, json: bool) -> String {
    let total = usage.total();
    if json {
        return format!("{:#}\n", json!({ "dir": dir, "max-bytes": size, "total": total, "usage": usage }));
    }
    let mut text = format!("{}\n", dir.display());
    let mut row = |name: &str, count: &Count| {
        let _ = writeln!(text, "  {name:<32} {:>8} files  {:>10}", count.files, bytes(count.bytes));
    };
    row("layers, manifests, files", &usage.blobs);
    let known = Table::ALL.iter().filter_map(|table| Some((table.holds(), usage.memo.get(table.name())?)));
    known.for_each(|(holds, count)| row(holds, count));
    // What no table of this program is: it goes when it was not used for long.
    let foreign = usage.memo.iter().filter(|(name, _)| Table::named(name).is_none());
    let foreign = foreign.fold(Count::default(), |sum, (_, count)| sum + *count);
    if foreign.files > 0 {
        row("from other versions", &foreign);
    }
    row("temporary", &usage.temporary);
    row("total", &total);
    let _ = writeln!(text, "  limit {} (pruned after each build)", bytes(size));
    text
}

fn pruned(removed: Removed, json: bool) -> String {
    if json {
        return format!("{:#}\n", json!({ "removed": removed }));
    }
    format!("removed {} files, {}\n", removed.files, bytes(removed.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_shown_by_kind_and_together() {
        let usage = Usage {
            blobs: Count { files: 2, bytes: 3 << 20 },
            memo: [("facts-v0", 64), ("layers", 512), ("tags-v7", 36)]
                .map(|(name, bytes)| (name.to_owned(), Count { files: 1, bytes }))
                .into(),
            temporary: Count::default(),
        };
        let text = info(Path::new("/cache"), 10 << 30, &usage, false);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["/cache"]);
        assert_eq!(lines[1], ["layers,", "manifests,", "files", "2", "files", "3.0", "MiB"]);
        assert_eq!(lines[2], ["layers", "by", "their", "entries", "1", "files", "512", "B"]);
        assert_eq!(lines[3], ["from", "other", "versions", "2", "files", "100", "B"]);
        assert_eq!(lines[5][..2], ["total", "5"]);
        assert!(text.contains("10.0 GiB"), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&info(Path::new("/cache"), 1, &usage, true)).expect("json");
        assert_eq!(json["usage"]["memo"]["layers"]["bytes"], 512);
        assert_eq!(json["total"]["files"], 5);
    }
}
