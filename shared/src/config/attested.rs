//! Which distributions of Python must be attested, and by whom.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::system::globs::{self, Star};

/// Distributions that must be attested on their index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum WheelVerify {
    /// These, by whomever the index names: names, or globs of them.
    Names(Vec<String>),
    /// By names, or globs of them. What a name says counts alone; of globs each that describes a distribution does.
    ByName(BTreeMap<String, AnyPublisher>),
}

/// Who must have published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum AnyPublisher {
    /// With `true` whomever the index names; with `false` nobody needs to be known.
    Whether(bool),
    /// This one.
    One(Box<TrustedPublisher>),
    /// One of these.
    AnyOf(Vec<TrustedPublisher>),
}

/// A publisher whom somebody trusts. What is not said may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TrustedPublisher {
    /// `GitHub`, `GitLab` or `Google`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The repository whose workflow or pipeline publishes, as `owner/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The name of the workflow's file on GitHub; on GitLab the path of the pipeline's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The environment that its jobs are run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The address of a service account of Google's cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A file with the trusted root of services other than Sigstore's public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_root: Option<String>,
}

/// What is asked of a distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked<'v> {
    /// Nothing is said of it.
    Nothing,
    /// It needs no attestation, whatever else says so.
    Exempt,
    /// Each of these must have one who has published it.
    Of {
        /// Who must have.
        publishers: Vec<&'v AnyPublisher>,
        /// Whether its own name says so, and not only a glob.
        by_name: bool,
    },
}

impl AnyPublisher {
    /// All of them; without any, whoever the index names will do.
    pub fn all(&self) -> &[TrustedPublisher] {
        match self {
            Self::Whether(_) => &[],
            Self::One(one) => std::slice::from_ref(&**one),
            Self::AnyOf(several) => several,
        }
    }

    fn read<E: serde::de::Error>(value: Value) -> Result<Self, E> {
        let read = match value {
            Value::Bool(whether) => return Ok(Self::Whether(whether)),
            Value::Array(list) if !list.iter().all(Value::is_object) => {
                return Err(E::custom(
                    "a list of publishers has tables, such as { repository = \"owner/name\" }",
                ));
            }
            list @ Value::Array(_) => serde_json::from_value(list).map(Self::AnyOf),
            one => serde_json::from_value(one).map(Self::One),
        };
        read.map_err(E::custom)
    }

    fn mistake(&self) -> Option<String> {
        match self {
            Self::AnyOf(none) if none.is_empty() => {
                Some("an empty list allows no publisher; `false` needs none".into())
            }
            _ => self.all().iter().find_map(TrustedPublisher::mistake),
        }
    }
}

impl<'de> Deserialize<'de> for AnyPublisher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(Value::deserialize(deserializer)?)
    }
}

impl TrustedPublisher {
    const KINDS: [&str; 3] = ["GitHub", "GitLab", "Google"];

    fn mistake(&self) -> Option<String> {
        let kind = self.kind.as_deref();
        match kind.filter(|kind| !Self::KINDS.contains(kind)) {
            Some(other) => Some(format!("{other:?} is not one of {}", Self::KINDS.join(", "))),
            None if self.email.is_some() && (self.repository.is_some() || self.workflow.is_some()) => {
                Some("an entry has both a repository and an email".into())
            }
            None => None,
        }
    }
}

impl Default for WheelVerify {
    fn default() -> Self {
        Self::Names(Vec::new())
    }
}

impl<'de> Deserialize<'de> for WheelVerify {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            list @ Value::Array(_) => serde_json::from_value(list).map(Self::Names).map_err(D::Error::custom),
            Value::Object(table) => {
                let named = table.into_iter().map(|(name, value)| Ok((name, AnyPublisher::read(value)?)));
                Ok(Self::ByName(named.collect::<Result<_, D::Error>>()?))
            }
            _ => Err(D::Error::custom("expected a list of names, or a table of publishers by name")),
        }
    }
}

const ANYBODY: &AnyPublisher = &AnyPublisher::Whether(true);

impl WheelVerify {
    /// How it is written, for hints.
    pub(super) const FORMS: &str = "write [\"NAME\", \"GLOB\"], or { NAME = true, OTHER = { repository = \"owner/name\", workflow = \"release.yml\" } }";

    /// What is asked of the distribution with this normalised name.
    pub fn of(&self, name: &str) -> Asked<'_> {
        let (exact, globs): (Vec<_>, Vec<_>) =
            self.entries().filter(|(entry, _)| is_about(entry, name)).partition(|(entry, _)| !is_glob(entry));
        let by_name = !exact.is_empty();
        let counts = if by_name { exact } else { globs };
        if counts.is_empty() {
            return Asked::Nothing;
        }
        let publishers: Vec<_> = counts
            .into_iter()
            .map(|(_, publishers)| publishers)
            .filter(|publishers| **publishers != AnyPublisher::Whether(false))
            .collect();
        match publishers.is_empty() {
            true => Asked::Exempt,
            false => Asked::Of { publishers, by_name },
        }
    }

    /// The entries that are about none of these names: mistyped ones, mostly. `*` is about whatever there is.
    pub fn about_none(&self, names: &[&str]) -> Vec<&str> {
        let entries = self.entries().map(|(entry, _)| entry);
        entries.filter(|entry| *entry != "*" && !names.iter().any(|name| is_about(entry, name))).collect()
    }

    fn entries(&self) -> Box<dyn Iterator<Item = (&str, &AnyPublisher)> + '_> {
        match self {
            Self::Names(names) => Box::new(names.iter().map(|name| (name.as_str(), ANYBODY))),
            Self::ByName(named) => {
                Box::new(named.iter().map(|(name, publishers)| (name.as_str(), publishers)))
            }
        }
    }

    /// What makes no sense in it.
    pub(super) fn mistake(&self) -> Option<String> {
        self.entries().find_map(|(name, publishers)| {
            let no_glob = globs::one(name, Star::Anywhere).err().map(|error| format!("{name}: {error}"));
            let exempts = is_glob(name) && *publishers == AnyPublisher::Whether(false);
            let wide = exempts.then(|| format!("{name}: `false` is for a name, and not for a glob of names"));
            no_glob.or(wide).or_else(|| publishers.mistake().map(|mistake| format!("{name}: {mistake}")))
        })
    }
}

fn is_glob(entry: &str) -> bool {
    entry.contains(['*', '?', '[', '{'])
}

/// Whether an entry is about a normalised name.
fn is_about(entry: &str, name: &str) -> bool {
    let spelled = normalised(entry);
    spelled == name
        || is_glob(entry) && globs::one(&spelled, Star::Anywhere).is_ok_and(|set| set.is_match(name))
}

/// A name, or a glob of names, in which all of `-`, `_` and `.` are one and large letters are small (PEP 503).
fn normalised(entry: &str) -> String {
    let mut spelled = String::with_capacity(entry.len());
    for sign in entry.chars().map(|sign| if matches!(sign, '_' | '.') { '-' } else { sign }) {
        if sign != '-' || !spelled.ends_with('-') {
            spelled.push(sign.to_ascii_lowercase());
        }
    }
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<WheelVerify, String> {
        #[derive(Debug, Deserialize)]
        struct File {
            it: WheelVerify,
        }
        toml::from_str::<File>(&format!("it = {text}")).map(|file| file.it).map_err(|error| error.to_string())
    }

    #[test]
    fn names_and_globs_say_what_must_be_attested() {
        let names = read("['Zope.Interface', 'django_*']").expect("names");
        let by_name = |verify: &WheelVerify, name: &str| match verify.of(name) {
            Asked::Of { by_name, publishers } => Some((by_name, publishers.len())),
            Asked::Nothing | Asked::Exempt => None,
        };
        assert_eq!(by_name(&names, "zope-interface"), Some((true, 1)));
        assert_eq!(by_name(&names, "django-redis"), Some((false, 1)));
        assert_eq!(names.of("django"), Asked::Nothing);
        assert_eq!(names.about_none(&["django-redis"]), ["Zope.Interface"]);
        assert_eq!(read("['*', 'x*']").expect("globs").about_none(&[]), ["x*"]);
        assert_eq!(read("[]").expect("none").of("x"), Asked::Nothing);
    }

    #[test]
    fn a_name_counts_before_globs() {
        let table = "{ '*' = true, 'a*' = { repository = 'x/y' }, ab = false, abc = [{ email = 'a@b' }, { kind = 'GitLab' }] }";
        let verify = read(table).expect("a table");
        let count = |name: &str| match verify.of(name) {
            Asked::Of { publishers, .. } => publishers.iter().map(|any| any.all().len()).collect(),
            Asked::Nothing | Asked::Exempt => Vec::new(),
        };
        assert_eq!(count("b"), [0], "whoever the index names");
        assert_eq!(count("a"), [0, 1], "both globs");
        assert_eq!(verify.of("ab"), Asked::Exempt);
        assert_eq!(count("abc"), [2]);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, words) in [
            ("{ a = { kind = 'Gitlab' } }", "\"Gitlab\" is not one of GitHub"),
            ("{ a = { email = 'x', repository = 'y' } }", "both a repository and an email"),
            ("{ a = [] }", "`false` needs none"),
            ("{ 'a*' = false }", "not for a glob"),
            ("['[']", "["),
        ] {
            let mistake = read(text).expect(text).mistake();
            assert!(mistake.as_ref().is_some_and(|said| said.contains(words)), "{text}: {mistake:?}");
        }
        assert_eq!(read("{ a = true }").expect("a table").mistake(), None);
        for text in [
            "true",
            "'a'",
            "{ a = 'x/y' }",
            "{ a = { repo = 'x' } }",
            "{ a = [[]] }",
            "{ a = [['GitHub']] }",
            "[1]",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
