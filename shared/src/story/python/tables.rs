//! Where the settings of Python projects are.

use crate::config::{Language, Partial};
use crate::error::Result;
use crate::event::Events;
use crate::plan::APP;
use crate::python::Project;
use crate::story::places::{self, Places, Tables};
use crate::story::request::Request;

/// How the tables of a Python project are called.
pub(super) const TABLES: Tables = Tables {
    language: Language::Python,
    own: "tool.containerize",
    workspace: "tool.containerize of the workspace",
};

/// The table that Hatch keeps of its build target.
const HATCH_TABLE: &str = "tool.hatch.build.targets.containerize";

/// All places that configure the images of a project.
///
/// # Errors
/// Usage: an unknown key or a wrong value in one of them.
pub(super) fn places(request: &Request, project: &Project, events: &Events) -> Result<Places> {
    let workspace = project.workspace.as_ref().and_then(|workspace| workspace.settings.as_ref());
    Places::read(request, TABLES, (defaults()?, flags(request)), workspace, project.root_dir(), events)?
        .with_tool(project.hatch_settings.as_ref(), HATCH_TABLE)
}

fn defaults() -> Result<Partial> {
    Ok(Partial { workdir: Some(APP.into()), ..places::defaults()? })
}

/// The flags as they are for Python: `--exclude` names source here, and packages with cargo.
fn flags(request: &Request) -> Partial {
    let excluded = &request.scope.exclude;
    let exclude = if excluded.is_empty() { request.flags.exclude.clone() } else { Some(excluded.clone()) };
    Partial { exclude, ..request.flags.clone() }
}
