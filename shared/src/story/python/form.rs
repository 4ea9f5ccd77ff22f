//! In which form distributions, and the project itself, get into an image.

use crate::config::Install;
use crate::python::{DistFile, Package, Project};

/// A distribution and what of it is taken.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) package: Package,
    pub(super) form: Form,
}

/// In which form a distribution is taken.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// As a wheel.
    Wheel(DistFile),
    /// As a source archive, which is built.
    Archive(DistFile),
    /// From its source, which is built.
    Source,
}

/// How the project itself gets in, and a word where that may surprise.
pub(super) fn install_of(project: &Project, asked: Option<Install>) -> (Install, Option<String>) {
    let compiles = project.build_system.as_ref().is_some_and(|system| system.compiles());
    let layout = &project.layout;
    let is_empty = layout.packages.is_empty() && layout.modules.is_empty();
    let has_code = compiles || !(is_empty || layout.is_unknown_to_backend);
    match asked {
        Some(install) => (install, None),
        None if !project.is_package() => (Install::Source, None),
        None if has_code => (Install::Wheel, None),
        None => {
            let what = if is_empty { "no package" } else { "no package that it finds" };
            let why = format!("{} has a build system but {what}; using its source as it is", project.name);
            (Install::Source, Some(why))
        }
    }
}
