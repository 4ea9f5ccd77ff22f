//! What a Dockerfile installs for Python, as a lock, extras and groups.

use crate::config::Partial;

use super::commands::is_tool;
use super::paths::relative;
use super::places::{Origin, Places};
use super::project::{Project, PythonProject};
use super::remark::Remark;
use super::runs::Runs;
use crate::redact;

/// The file that `containerize lock` makes a lock of, before `requirements.txt`.
pub(super) const INPUT: &str = "requirements.in";
const USUAL: &str = "requirements.txt";
/// The line by which an [`INPUT`] of this program is known.
const HEAD: &str = "# The requirements that the Dockerfile installs.\n";

/// Fills in the lock, the extras and the groups. Gives back the text of a [`INPUT`], where one is needed.
pub(super) fn dependencies(
    (runs, places): (&Runs, &Places),
    (project, python): (&Project, &PythonProject),
    settings: &mut Partial,
    remarks: &mut Vec<Remark>,
) -> Option<String> {
    let listed = |names: &std::collections::BTreeSet<String>| {
        (!names.is_empty()).then(|| names.iter().cloned().collect())
    };
    if python.declares {
        settings.extras = listed(&runs.extras);
        settings.groups = listed(&runs.groups);
    }
    let files = files(runs, places, project, remarks);
    let missing: Vec<&(usize, String)> = runs
        .distributions
        .iter()
        .filter(|(_, text)| is_missing(text, python))
        .filter(|(line, text)| may_be_written(*line, text, remarks))
        .collect();
    let made = python.lock.as_ref().filter(|(_, by_tool)| *by_tool).map(|(name, _)| name.as_str());
    if let Some(lock) = made {
        for (line, file) in &files {
            remarks.push(Remark::otherwise(
                *line,
                &format!("install -r {file}"),
                format!("using {lock}, which a tool keeps; lock = {file:?} uses the file"),
            ));
        }
        add_by_hand(&missing, &format!("add it to the project and update {lock}"), remarks);
        return None;
    }
    let is_usual = matches!(&files[..], [(_, file)] if file == USUAL) || files.is_empty();
    if is_usual && missing.is_empty() {
        return None;
    }
    if python.declares && files.is_empty() {
        add_by_hand(&missing, "add it to the project's dependencies", remarks);
        return None;
    }
    // One of an earlier call is made anew.
    let is_ours = project.text(INPUT).is_some_and(|text| text.starts_with(HEAD));
    if python.declares || (project.has(INPUT) && !is_ours) {
        // What is declared is locked, so the file has to be named, and complete.
        if let [(_, file)] = &files[..]
            && file != USUAL
        {
            settings.lock = Some(file.clone());
        }
        let file = files.first().map_or(USUAL, |(_, file)| file);
        add_by_hand(&missing, &format!("add it to {file}"), remarks);
        return None;
    }
    let mut text = HEAD.to_owned();
    let usual = (files.is_empty() && project.has(USUAL)).then(|| USUAL.to_owned());
    for file in files.into_iter().map(|(_, file)| file).chain(usual) {
        text.push_str(&format!("-r {file}\n"));
    }
    for (_, distribution) in missing {
        text.push_str(distribution);
        text.push('\n');
    }
    Some(text)
}

/// Whether a requirement can be a line of a file that others read, and holds no secret.
fn may_be_written(line: usize, text: &str, remarks: &mut Vec<Remark>) -> bool {
    let refused = if text.contains(char::is_control) {
        Some(("it is not one line", "write it to requirements.txt by hand"))
    } else if redact::holds_login(text) {
        let instead = "add it without the login, which git or netrc can give: see docs/python.md";
        Some(("it holds a login, which stays out of files", instead))
    } else {
        None
    };
    if let Some((why, instead)) = refused {
        remarks.push(Remark::left(line, &redact::clean(&format!("pip install {text}")), why, instead));
    }
    refused.is_none()
}

fn add_by_hand(missing: &[&(usize, String)], instead: &str, remarks: &mut Vec<Remark>) {
    for (line, text) in missing {
        remarks.push(Remark::left(
            *line,
            &format!("pip install {text}"),
            "it is not among the locked distributions",
            instead,
        ));
    }
}

/// The requirements files of the project, each once.
fn files(runs: &Runs, places: &Places, project: &Project, remarks: &mut Vec<Remark>) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for (line, place) in &runs.requirements {
        let by_place = match places.origin(place, project) {
            Some(Origin::Project(path)) => Some(path),
            _ => None,
        };
        // Mounted for this command alone.
        let mounted = || {
            let path = relative(place);
            let parts: Vec<&str> = path.split('/').collect();
            let ends = (0..parts.len()).map(|at| parts[at..].join("/"));
            ends.map(|path| project.path_of(&path).0).find(|path| !path.is_empty() && project.has(path))
        };
        match by_place.or_else(mounted) {
            Some(path) if found.iter().any(|(_, known)| *known == path) => {}
            Some(path) => found.push((*line, path)),
            // An export of the lock.
            None if runs.requirements.len() == 1 && project.has("poetry.lock") || project.has("uv.lock") => {}
            None => remarks.push(Remark::left(
                *line,
                &format!("pip install -r {place}"),
                "the file is not in the project",
                "list what it installs in requirements.txt",
            )),
        }
    }
    found
}

/// Whether a requirement is in no lock.
fn is_missing(text: &str, python: &PythonProject) -> bool {
    let end =
        text.find(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.')).unwrap_or(text.len());
    let name = text[..end].to_lowercase().replace(['_', '.'], "-");
    !is_tool(text) && !name.is_empty() && !python.locked.contains(&name)
}
