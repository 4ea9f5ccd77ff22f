//! Where values came from.

use std::collections::BTreeMap;
use std::fmt;

/// Where a value came from, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// Found in the project: says in what.
    Detected(&'static str),
    /// A table of the project or the workspace: says which.
    Table(String),
    /// The file of `--config`.
    File(String),
    /// Environment variables.
    Environment,
    /// Flags of the call.
    Flag,
    /// The table of one image in one of these places.
    Image {
        /// The place that holds the table.
        place: Box<Origin>,
        /// The image's name.
        image: String,
    },
}

impl Origin {
    /// Words for a value of `key` that came from here.
    pub fn describe(&self, key: &str) -> String {
        match self {
            Self::Default => "default".into(),
            Self::Detected(what) => format!("from {what}"),
            Self::Table(table) => format!("[{table}]"),
            Self::File(file) => file.clone(),
            Self::Environment => format!("CONTAINERIZE_{}", key.to_uppercase().replace('-', "_")),
            Self::Flag => format!("--{}", flag_of(key)),
            Self::Image { place, image } => match &**place {
                Self::Table(table) => format!("[{table}.image.{image}]"),
                place => format!("[image.{image}] in {place}"),
            },
        }
    }
}

/// The flag of a key: where a key is a list, the flag names one element.
fn flag_of(key: &str) -> &str {
    match key {
        "tags" => "tag",
        "platforms" => "platform",
        "labels" => "label",
        "annotations" => "annotation",
        "ports" => "port",
        "volumes" => "volume",
        "files" => "file",
        "groups" => "group",
        "extras" => "extra",
        other => other,
    }
}

/// Origins by key; for keys that merge by their own keys also by `key.name`, for lists that places add to by
/// `key.index`, and for such a list within a table by `key.name.index`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Vec<Origin>>);

impl Origins {
    /// What replaces a value came from `origin` alone.
    pub(super) fn set(&mut self, key: String, origin: &Origin) {
        self.0.insert(key, vec![origin.clone()]);
    }

    /// What is added to a value came from `origin` too.
    pub(super) fn add(&mut self, key: String, origin: &Origin) {
        let origins = self.0.entry(key).or_default();
        if !origins.contains(origin) {
            origins.push(origin.clone());
        }
    }

    /// Where the value of `key` (or of `key.name`) came from, in words.
    pub fn describe(&self, key: &str) -> String {
        let root = key.split_once('.').map_or(key, |(root, _)| root);
        let words: Vec<String> = self.0.get(key).into_iter().flatten().map(|o| o.describe(root)).collect();
        if words.is_empty() { "default".into() } else { words.join(" + ") }
    }

    /// Whether parts of the value of `key` have origins of their own.
    pub(super) fn has_parts(&self, key: &str) -> bool {
        let start = format!("{key}.");
        self.0.range(start.clone()..).next().is_some_and(|(part, _)| part.starts_with(&start))
    }

    /// Whether the value of `key` came from `origin` alone.
    pub fn is_from(&self, key: &str, origin: &Origin) -> bool {
        self.0.get(key).is_some_and(|origins| origins[..] == [origin.clone()])
    }

    /// Where the value of `key` came from, if it was one place.
    pub fn of(&self, key: &str) -> Option<&Origin> {
        self.0.get(key).and_then(|origins| if let [origin] = &origins[..] { Some(origin) } else { None })
    }

    /// Whether the value of `key` was set on purpose, not detected or built in.
    pub fn is_chosen(&self, key: &str) -> bool {
        self.0.get(key).into_iter().flatten().any(|o| !matches!(o, Origin::Default | Origin::Detected(_)))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("the environment"),
            Self::Flag => f.write_str("the flags"),
            other => f.write_str(&other.describe("")),
        }
    }
}
