//! What two statements about builds say differently: which inputs were not the same.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::redact::tame;
use crate::story::called::NOT_IN_THE_IMAGE;
use crate::trust::{Provenance, Resource};

/// An input that was another one, with what it was then and is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it is.
    #[serde(flatten)]
    pub input: Input,
    /// Then; empty where it was not there.
    pub then: String,
    /// Now.
    pub now: String,
}

/// An input of a build.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "input", content = "name")]
pub enum Input {
    /// The version of this program.
    Containerize,
    /// The Rust compiler.
    Compiler,
    /// The interpreter that runs the application and makes its bytecode.
    Python,
    /// An image from a registry that the image stands on.
    Base(String),
    /// A lock file.
    Lock(String),
    /// A distribution, crate or Debian package.
    Package(String),
    /// A library of the building machine.
    Library(String),
    /// The image's time of creation.
    Created,
    /// The image's version.
    Version,
    /// A key of the configuration.
    Setting(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, then, now } = self;
        match input {
            Input::Containerize => write!(f, "another version of containerize")?,
            Input::Compiler => write!(f, "another Rust compiler")?,
            Input::Python => write!(f, "another version of Python")?,
            Input::Base(name) => write!(f, "another base {name}")?,
            Input::Lock(name) => write!(f, "another {name}")?,
            Input::Package(name) => write!(f, "another {name}")?,
            Input::Library(name) => write!(f, "another {name} on the building machine")?,
            Input::Created => write!(f, "another time of creation")?,
            Input::Version => write!(f, "another version of the project")?,
            Input::Setting(key) => write!(f, "another value of {key}")?,
        }
        let shown = |text: &str| if text.is_empty() { "missing".to_owned() } else { text.to_owned() };
        write!(f, ": {} when the image was built, {} now", shown(then), shown(now))
    }
}

/// All inputs that differ, those first that most others follow from.
pub(super) fn changes(then: &[Provenance], now: &[Provenance]) -> Vec<Change> {
    let (before, after) = (inputs(then), inputs(now));
    let names: std::collections::BTreeSet<&Input> = before.keys().chain(after.keys()).collect();
    let of = |all: &BTreeMap<Input, String>, input| all.get(input).cloned().unwrap_or_default();
    names
        .into_iter()
        .map(|input| Change { input: input.clone(), then: of(&before, input), now: of(&after, input) })
        .filter(|change| change.then != change.now)
        .collect()
}

fn inputs(all: &[Provenance]) -> BTreeMap<Input, String> {
    let mut found = BTreeMap::new();
    for provenance in all {
        let mut add = |input: Input, value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if !value.is_null() {
                found.insert(input, tame(&text));
            }
        };
        add(Input::Containerize, provenance.internal("containerize"));
        add(Input::Created, provenance.external("created"));
        add(Input::Version, provenance.external("version"));
        for target in provenance.external("platforms").as_object().into_iter().flat_map(|all| all.values()) {
            target.get("python").iter().for_each(|python| add(Input::Python, python));
        }
        let settings = provenance.external("configuration").as_object();
        for (key, value) in settings.into_iter().flatten().filter(|(key, _)| counts(key)) {
            add(Input::Setting(tame(key)), value);
        }
        for (input, value) in provenance.materials().iter().filter_map(material) {
            add(input, &Value::from(value));
        }
    }
    found
}

/// Whether the key says something of the image: where it goes, the rebuilt one says in its own way.
fn counts(key: &str) -> bool {
    // What these say is found in the image itself.
    !NOT_IN_THE_IMAGE.contains(&key) && !["labels", "annotations"].contains(&key)
}

/// What a material is, and what stands for its content.
fn material(of: &Resource) -> Option<(Input, String)> {
    let role = of.annotations.get("role").and_then(Value::as_str);
    let digest = || of.digest_of_content().map(|digest| digest.short());
    let uri = of.uri.as_deref().unwrap_or_default();
    match role {
        Some("compiler") => {
            let version = uri.rsplit('@').next().unwrap_or_default();
            let commit =
                of.digest.get("gitCommit").map(|commit| format!(" ({})", &commit[..commit.len().min(9)]));
            Some((Input::Compiler, format!("{version}{}", commit.unwrap_or_default())))
        }
        Some("base") => {
            let platform = of.annotations.get("platform").and_then(Value::as_str).unwrap_or_default();
            Some((
                Input::Base(tame(&format!("{} for {platform}", uri.trim_start_matches("oci://")))),
                digest()?,
            ))
        }
        Some("library of the building machine") => Some((Input::Library(tame(of.name.as_ref()?)), digest()?)),
        Some(_) => None,
        None if uri.starts_with("pkg:") => {
            let (name, version) = uri.split_once('@').unwrap_or((uri, ""));
            let name = tame(name.rsplit('/').next().unwrap_or(name));
            let version = version.split('?').next().unwrap_or(version);
            let content = digest().map(|digest| format!(" ({digest})")).unwrap_or_default();
            Some((Input::Package(name), format!("{version}{content}")))
        }
        None => Some((Input::Lock(tame(of.name.as_ref()?)), digest()?)),
    }
}
