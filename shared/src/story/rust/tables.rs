//! Where the settings of Rust projects are.

use crate::cargo::{Package, Project};
use crate::config::{Language, Partial};
use crate::error::Result;
use crate::event::Events;
use crate::story::places::{self, Own, Places, Tables};
use crate::story::request::Request;

/// How the tables of a Rust project are called.
pub(super) const TABLES: Tables = Tables {
    language: Language::Rust,
    own: "package.metadata.containerize",
    workspace: "workspace.metadata.containerize",
};

/// Reads the places that configure the project.
///
/// # Errors
/// Usage: an unknown key or a wrong value in one of them.
pub(super) fn places(request: &Request, project: &Project, events: &Events) -> Result<Places> {
    Places::read(
        request,
        TABLES,
        (defaults()?, request.flags.clone()),
        project.workspace_settings.as_ref(),
        &project.workspace_root,
        events,
    )
}

/// What a package brings along.
pub(super) fn own(package: &Package) -> Own<'_> {
    Own { table: package.settings.as_ref(), dir: package.dir() }
}

fn defaults() -> Result<Partial> {
    Ok(Partial { workdir: Some("/".into()), ..places::defaults()? })
}
