//! One fold over all places that configure, keeping for each value where it came from.

use std::collections::BTreeMap;
use std::fmt;

use super::Partial;
use super::value::Debian;

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
        /// The place.
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

/// Origins by key; for keys that merge by their own keys also by `key.name`, for lists that places add to by `key.index`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Vec<Origin>>);

impl Origins {
    fn set(&mut self, key: String, origin: &Origin) {
        self.0.insert(key, vec![origin.clone()]);
    }

    fn add(&mut self, key: String, origin: &Origin) {
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

/// The values of one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The place.
    pub origin: Origin,
    /// Its values.
    pub values: Partial,
}

/// What all places together say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Folded {
    /// The values.
    pub values: Partial,
    /// Where they came from.
    pub origins: Origins,
}

/// Lays the places over each other, the lowest precedence first. `image` names the image that
/// is configured: its overrides in a place come directly above that place's own values.
pub fn fold(places: &[Place], image: &str) -> Folded {
    let mut folded = Folded::default();
    for place in places {
        let mut values = place.values.clone();
        let own = std::mem::take(&mut values.image).remove(image);
        folded.values.lay_over(values, &place.origin, &mut folded.origins);
        if let Some(own) = own {
            let origin = Origin::Image { place: Box::new(place.origin.clone()), image: image.to_owned() };
            folded.values.lay_over(own, &origin, &mut folded.origins);
        }
    }
    folded
}

/// The higher value wins.
pub(super) fn replace<T>(
    key: &str,
    low: &mut Option<T>,
    high: Option<T>,
    origin: &Origin,
    origins: &mut Origins,
) {
    if high.is_some() {
        *low = high;
        origins.set(key.into(), origin);
    }
}

/// The higher values come after the lower ones.
pub(super) fn append<T>(
    key: &str,
    low: &mut Option<Vec<T>>,
    high: Option<Vec<T>>,
    origin: &Origin,
    origins: &mut Origins,
) {
    if let Some(high) = high {
        origins.add(key.into(), origin);
        let low = low.get_or_insert_default();
        for value in high {
            origins.set(format!("{key}.{}", low.len()), origin);
            low.push(value);
        }
    }
}

/// Each of the value's own keys is replaced by itself.
pub(super) fn by_key<V>(
    key: &str,
    low: &mut Option<BTreeMap<String, V>>,
    high: Option<BTreeMap<String, V>>,
    origin: &Origin,
    origins: &mut Origins,
) {
    for (name, value) in high.into_iter().flatten() {
        origins.set(format!("{key}.{name}"), origin);
        low.get_or_insert_default().insert(name, value);
    }
}

/// Packages come after those of the lower value; the rest is replaced where it is given.
pub(super) fn debian(
    key: &str,
    low: &mut Option<Debian>,
    high: Option<Debian>,
    origin: &Origin,
    origins: &mut Origins,
) {
    let Some(high) = high else { return };
    origins.add(key.into(), origin);
    let low = low.get_or_insert_default();
    let fresh: Vec<String> = high.packages.into_iter().filter(|name| !low.packages.contains(name)).collect();
    low.packages.extend(fresh);
    low.mirror = high.mirror.or(low.mirror.take());
    low.suite = high.suite.or(low.suite.take());
    low.snapshot = high.snapshot.or(low.snapshot.take());
    low.keyring = high.keyring.or(low.keyring.take());
    low.docs = high.docs.or(low.docs);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_toml;

    fn place(origin: Origin, text: &str) -> Place {
        Place { values: from_toml(text, &origin).expect("valid"), origin }
    }

    #[test]
    fn keys_replace_append_or_merge() {
        let low = place(Origin::Default, "user = '1'\nports = [1]\nenv = { A = '1', B = '1' }");
        let high = place(Origin::Flag, "user = '2'\nports = [2]\nenv = { B = '2' }");
        let folded = fold(&[low, high], "x");
        assert_eq!(folded.values.user.as_deref(), Some("2"));
        assert_eq!(folded.values.ports.as_ref().map(Vec::len), Some(2));
        assert_eq!(folded.origins.describe("user"), "--user");
        assert_eq!(folded.origins.describe("ports"), "default + --port");
        let ports = folded.values.shown(&folded.origins);
        let ports: Vec<_> = ports.iter().filter(|row| row.key == "ports").collect();
        assert_eq!((&ports[0].value, ports[0].origin.as_str()), (&"1/tcp".into(), "default"));
        assert_eq!((&ports[1].value, ports[1].origin.as_str()), (&"2/tcp".into(), "--port"));
        assert_eq!(folded.origins.describe("env.A"), "default");
        assert_eq!(folded.origins.describe("env.B"), "--env");
    }

    #[test]
    fn debian_packages_add_up_and_their_place_is_replaced() {
        let low =
            place(Origin::Default, "debian = { packages = ['a', 'b'], mirror = 'http://x', docs = true }");
        let high = place(Origin::Flag, "debian = ['b', 'c']");
        let folded = fold(&[low, high], "x");
        let debian = folded.values.debian.expect("packages");
        assert_eq!(debian.packages, ["a", "b", "c"]);
        assert_eq!((debian.mirror.as_deref(), debian.docs), (Some("http://x"), Some(true)));
        assert_eq!(folded.origins.describe("debian"), "default + --debian");
    }

    #[test]
    fn an_image_overrides_its_own_place_only() {
        let table = Origin::Table("package.metadata.containerize".into());
        let project = place(table, "user = '1'\n[image.web]\nuser = '2'\nworkdir = '/w'");
        let env = place(Origin::Environment, "user = '3'");
        let web = fold(&[project.clone(), env.clone()], "web");
        assert_eq!(web.values.user.as_deref(), Some("3"));
        assert_eq!(web.origins.describe("workdir"), "[package.metadata.containerize.image.web]");
        assert_eq!(web.origins.describe("user"), "CONTAINERIZE_USER");
        assert_eq!(fold(&[project], "other").values.user.as_deref(), Some("1"));
    }
}
