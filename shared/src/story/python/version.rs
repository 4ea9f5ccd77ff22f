//! The version that images are labelled and tagged with.

use super::builds::Tools;
use super::bundled;
use super::form::install_of;
use crate::config::{Install, Partial, PythonChoice};
use crate::error::Result;
use crate::event::Events;
use crate::oci::Platform;
use crate::python::Project;
use crate::story::request::Request;

/// The version of what has none.
pub(super) const UNKNOWN_VERSION: &str = "0.0.0";

/// The project's version. The backend is asked with the Python that the image will have, as far as
/// that is known before the base is open.
///
/// # Errors
/// When it cannot be told, and more than a label depends on the build.
pub(super) async fn of(
    project: &Project,
    tools: &Tools,
    request: &Request,
    early: &Partial,
    events: &Events,
) -> Result<String> {
    if let Some(text) = project.version.text() {
        return Ok(text.to_owned());
    }
    if !project.version.needs_backend() {
        events.note("the project declares no version; using 0.0.0 (set the key `version` to change it)");
        return Ok(UNKNOWN_VERSION.into());
    }
    let wanted = match &early.python {
        Some(PythonChoice::Bundled { prefix }) => {
            let bundled = bundled::ask(project, prefix, request)?;
            tools.prefer(&bundled.executable);
            Some(bundled.version)
        }
        Some(PythonChoice::Version(text)) => text.parse().ok(),
        None => project.python_version_file.as_ref().and_then(|text| text.parse().ok()),
    };
    let platform = early.platforms.iter().flatten().find_map(|text| text.parse::<Platform>().ok());
    let error = match tools.version(project, wanted.zip(platform)).await {
        Ok(version) => return Ok(version),
        Err(error) => error,
    };
    let (install, _) = install_of(project, early.install);
    if install == Install::Wheel {
        return Err(error);
    }
    let hint = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
    events.note(format!(
        "the build backend cannot tell the version of {}; using {UNKNOWN_VERSION}{hint}",
        project.name
    ));
    Ok(UNKNOWN_VERSION.into())
}
