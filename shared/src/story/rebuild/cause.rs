//! Why an image differs from the same one rebuilt: what is likely, by the place and by the inputs that changed.

use std::fmt;

use serde::Serialize;

use super::changes::{Change, Input};
use super::difference::{Difference, LayerDifference, Place, Within};

/// What is likely to be the cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "cause")]
pub enum Cause {
    /// An input was another one.
    Input(Change),
    /// Something in the file says where it was built.
    Path {
        /// In the image.
        image: String,
        /// Here.
        rebuilt: String,
    },
    /// Something in the file says when it was built: a build backend writes times.
    Time {
        /// In the image.
        image: String,
        /// Here.
        rebuilt: String,
    },
    /// The interpreter that made bytecode was another one than the base's version says.
    Bytecode,
    /// Something compiled here, by another compiler or with other libraries.
    Compiled,
    /// The file is not the one of the commit: it was changed, or git does not know it.
    Source,
    /// All recorded inputs are the same, and they give another layer.
    NotFromTheseInputs,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(change) => change.fmt(f),
            Self::Path { image, rebuilt } => {
                write!(f, "the file contains the path where it was built: {image} in the image, {rebuilt} here")
            }
            Self::Time { image, rebuilt } => {
                write!(f, "the file contains the time when it was built: {image} in the image, {rebuilt} here")
            }
            Self::Bytecode => f.write_str("another CPython made the bytecode"),
            Self::Compiled => f.write_str("another compiler, or other libraries of the building machine"),
            Self::Source => {
                f.write_str("the file was changed without a commit when the image was built, or git ignores it")
            }
            Self::NotFromTheseInputs => f.write_str(
                "the recorded inputs are the same but give another result, so the image was not made from them alone",
            ),
        }
    }
}

/// What is likely to be the cause of a difference, given the inputs that `changed`. The layer with the project's own
/// files is called `project`.
pub(super) fn likely(difference: &Difference, changed: &[Change], project: &str) -> Cause {
    let input = |is_wanted: &dyn Fn(&Input) -> bool| {
        changed.iter().find(|change| is_wanted(&change.input)).cloned().map(Cause::Input)
    };
    let any = || input(&|_| true).unwrap_or(Cause::NotFromTheseInputs);
    match &difference.place {
        Place::Configuration(field) if field.field.contains("created") => {
            input(&|one| *one == Input::Created).unwrap_or_else(any)
        }
        Place::Configuration(field) if field.field.contains("version") => {
            input(&|one| *one == Input::Version).unwrap_or_else(any)
        }
        Place::Configuration(_) | Place::Manifest(_) | Place::Index(_) | Place::Platforms(_) => {
            input(&|one| matches!(one, Input::Setting(_) | Input::Base(_))).unwrap_or_else(any)
        }
        Place::Layer(layer) => of_layer(difference, layer, project, &input).unwrap_or_else(any),
    }
}

/// The cause of a difference in a layer, where its place tells more than what changed at all.
fn of_layer(
    difference: &Difference,
    layer: &LayerDifference,
    project: &str,
    input: &dyn Fn(&dyn Fn(&Input) -> bool) -> Option<Cause>,
) -> Option<Cause> {
    let path = difference.path().unwrap_or_default();
    if path.ends_with(".pyc") {
        let python = input(&|one| *one == Input::Python);
        return python.or_else(|| input(&|one| *one == Input::Containerize)).or(Some(Cause::Bytecode));
    }
    if matches!(layer.within, Within::Compression(_) | Within::Archive) {
        return input(&|one| *one == Input::Containerize);
    }
    let is_base = |one: &Input| matches!(one, Input::Base(_));
    if layer.title.starts_with("base") || !layer.is_ours {
        return input(&is_base);
    }
    let own_name = |one: &Input| match one {
        Input::Package(name) => is_about(&layer.title, path, name),
        Input::Library(name) => path.ends_with(name.as_str()),
        _ => false,
    };
    let compiled = is_compiled(path);
    // Another compiler writes other paths of its own too.
    let near = input(&own_name).or_else(|| input(&|one| *one == Input::Compiler));
    let near = near.or_else(|| of_content(difference));
    let near = near.or_else(|| input(&|one| !matches!(one, Input::Created | Input::Version)));
    near.or(match (compiled, layer.title == project || layer.title == "files") {
        (true, _) => Some(Cause::Compiled),
        (false, true) if !path.is_empty() => Some(Cause::Source),
        (false, _) => None,
    })
}

/// Whether a package is what the layer is named for, or what is in the folder of the path.
fn is_about(title: &str, path: &str, package: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(['-', '.'], "_");
    let package = plain(package);
    plain(title).starts_with(&package) || plain(path).split('/').any(|part| part.starts_with(&package))
}

fn is_compiled(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.ends_with(".so") || name.contains(".so.") || (path.contains("/bin/") && !name.contains('.'))
}

/// What the bytes in question say themselves.
fn of_content(difference: &Difference) -> Option<Cause> {
    let (image, rebuilt) = difference.bytes()?.text()?;
    if let (Some(one), Some(other)) = (path_in(&image), path_in(&rebuilt))
        && one != other
    {
        return Some(Cause::Path { image: one, rebuilt: other });
    }
    if let (Some(one), Some(other)) = (time_in(&image), time_in(&rebuilt))
        && one != other
    {
        return Some(Cause::Time { image: one, rebuilt: other });
    }
    None
}

/// The first absolute path in a text that leads deep enough to be one of a machine.
fn path_in(text: &str) -> Option<String> {
    let mut words = text.split([' ', '"', '\'', '=', ',', ';', '(', ')', '<', '>']);
    let is_path = |word: &&str| {
        let parts = word.split('/').filter(|part| !part.is_empty()).count();
        let is_address = word.contains("//");
        word.starts_with('/') && parts >= 3 && !is_address
    };
    words.find(is_path).map(str::to_owned)
}

/// The first time in a text: a date with a time of day, a time of day, or seconds since 1970.
fn time_in(text: &str) -> Option<String> {
    let pattern = regex::Regex::new(
        r"(19|20)\d\d-[01]\d-[0-3]\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?|\b[0-2]\d:[0-5]\d:[0-5]\d\b|\b1[5-9]\d{8}(\.\d+)?\b",
    );
    pattern.ok()?.find(text).map(|found| found.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_times_are_found_in_text() {
        assert_eq!(path_in("x=/home/ann/app/src/a.c:7").as_deref(), Some("/home/ann/app/src/a.c:7"));
        assert_eq!(path_in("https://example.org/a/b/c"), None);
        assert_eq!(path_in("/usr/bin"), None);
        for (text, time) in [
            ("built 2026-11-28T10:00:01.5Z", "2026-11-28T10:00:01.5"),
            ("at 10:00:01", "10:00:01"),
            ("T = 1764324000.25", "1764324000.25"),
        ] {
            assert_eq!(time_in(text).as_deref(), Some(time));
        }
        assert_eq!(time_in("version 1.2.3"), None);
    }

    #[test]
    fn a_package_is_known_by_its_layer_or_folder() {
        assert!(is_about("typing_extensions-4.1-py3-none-any", "", "typing-extensions"));
        assert!(is_about(
            "7 wheels",
            "opt/venv/lib/python3.13/site-packages/Markup_Safe/x.py",
            "markup-safe"
        ));
        assert!(!is_about("7 wheels", "opt/venv/x.py", "markupsafe"));
    }
}
