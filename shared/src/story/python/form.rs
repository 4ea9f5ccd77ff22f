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
    let has_code = compiles || !project.layout.packages.is_empty() || !project.layout.modules.is_empty();
    match asked {
        Some(install) => (install, None),
        None if !project.is_package() => (Install::Source, None),
        None if has_code => (Install::Wheel, None),
        None => {
            let why =
                format!("{} has a build system but no package; using its source as it is", project.name);
            (Install::Source, Some(why))
        }
    }
}
