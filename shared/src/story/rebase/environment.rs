//! The one layer that differs between two patch versions of Python: it holds the configuration of the environment, which
//! names the version, and links to the interpreter. It is small, and made anew.

use super::case::Ours;
use super::standing::About;
use crate::error::Result;
use crate::facts::Contents;
use crate::facts::python::{FoundPython, find_python};
use crate::layer::{Layer, Press, Spec};
use crate::oci::ImageConfig;
use crate::oci::media_type::layer_compression;
use crate::plan::PREFIX;
use crate::python::Interpreter;
use crate::story::python::skeleton;

/// A base's files, and what it says of running.
pub(super) type Ground<'a> = (&'a Contents, &'a ImageConfig);

/// Another layer for the environment, and its place among the image's own; `None` where the old one is right, or where more
/// than it would be another one.
///
/// # Errors
/// When it cannot be written.
pub(super) fn remade(
    about: &About,
    ours: &[Ours],
    (old, new): (Ground<'_>, Ground<'_>),
    press: &Press<'_>,
) -> Result<Option<(usize, Layer)>> {
    let choices = &about.choices;
    let find = |(contents, config): Ground<'_>| find_python(contents, config);
    let (Some(then), Some(now)) = (find(old), find(new)) else { return Ok(None) };
    let is_asked = choices.python && !choices.bytecode && !choices.exact_python && is_patch(&then, &now);
    let Some(at) = place(ours).filter(|_| is_asked) else { return Ok(None) };
    let write = |python: &FoundPython, (contents, _): Ground<'_>| {
        let interpreter = Interpreter {
            path: python.path.clone(),
            version: python.version,
            libc: python.libc,
            platform: about.platform.clone(),
        };
        let spec = Spec {
            title: about.ours[at].title.clone(),
            entries: skeleton(&interpreter, choices.owner),
            owner: choices.owner,
            compression: layer_compression(&about.ours[at].blob.descriptor.media_type).unwrap_or_default(),
            format: about.format,
        };
        press.write(&spec, &contents.tree)
    };
    // It is only made anew if that is known to give what a build gives.
    match write(&then, old)?.is_same(&about.ours[at]) {
        true => Ok(Some((at, write(&now, new)?))),
        false => Ok(None),
    }
}

/// Whether only the patch version differs. The first one of a minor version is special: `> '3.13'` is true for 3.13.1.
fn is_patch(then: &FoundPython, now: &FoundPython) -> bool {
    let FoundPython { path, version, libc } = then;
    (path, version.short(), libc) == (&now.path, now.version.short(), &now.libc)
        && version.micro != now.version.micro
        && version.micro.min(now.version.micro) > 0
}

/// The layer that holds the environment's configuration.
fn place(ours: &[Ours]) -> Option<usize> {
    let path = format!("{}/pyvenv.cfg", PREFIX.trim_start_matches('/'));
    ours.iter().position(|layer| layer.facts.entries.iter().any(|(entry, _)| *entry == path))
}
