//! Paths with `/`, of images and projects.

use crate::dockerfile::absolute;

/// A path of the project without `./` and slashes around it.
pub(super) fn relative(path: &str) -> String {
    absolute("/", path).trim_start_matches('/').to_owned()
}

/// What a path is below a place; empty for the place itself.
pub(super) fn below<'p>(path: &'p str, place: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(place.trim_end_matches('/'))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// The two paths as one.
pub(super) fn joined(folder: &str, rest: &str) -> String {
    match (folder, rest) {
        ("", rest) => rest.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, rest) => format!("{folder}/{rest}"),
    }
}
