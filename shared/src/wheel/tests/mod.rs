//! Whole wheels: what is installed from sound ones, and why others are refused.

mod archives;
mod builder;
mod contents;
mod installed;

use std::path::PathBuf;

use super::{Venv, Vouched, Wheel, install};
use crate::error::{Error, Kind, Result};
use crate::layer::Entry;
use crate::oci::{Digest, Owner};

pub(super) fn venv() -> Venv {
    Venv {
        prefix: "app/.venv".into(),
        python: "3.13".parse().expect("a version"),
        owner: Owner::ROOT,
        interpreter: "/app/.venv/bin/python".into(),
    }
}

fn on_disk(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kept-under-any-name");
    std::fs::write(&path, bytes).expect("written");
    (folder, path)
}

fn open(bytes: &[u8]) -> Result<Wheel> {
    let (_folder, path) = on_disk(bytes);
    Wheel::open(&path, builder::FILENAME, Digest::of(bytes))
}

fn installed(bytes: &[u8]) -> Result<Vec<Entry>> {
    install(&open(bytes)?, &venv(), None, Vouched::ByArchive)
}

/// The reason for which a wheel is refused.
fn refusal(bytes: &[u8]) -> Option<(Kind, String)> {
    let error: Error = installed(bytes).err()?;
    Some((error.kind(), error.causes().join(" / ")))
}

/// Each case must be refused with its kind and reason.
fn all_refused(cases: Vec<(&str, Vec<u8>, Kind, &str)>) {
    let mut wrong = Vec::new();
    for (case, bytes, kind, reason) in cases {
        match refusal(&bytes) {
            Some((found, text)) if found == kind && text.contains(reason) => {}
            other => wrong.push(format!("{case}: expected {kind:?} {reason:?}, got {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
