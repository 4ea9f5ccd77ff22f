//! Who must have signed bases.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::trust::TrustedSigner;
use crate::system::globs::{self, Star};

/// Who must have signed the bases that are in registries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum BaseVerify {
    /// The same for all of them.
    All(AnySigner),
    /// By globs of the bases' names, in which `*` reaches across `/`. A base that several describe must keep to each of
    /// them, and one that none describes is refused.
    ByName(BTreeMap<String, AnySigner>),
}

/// Signers of whom one must have signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum AnySigner {
    /// This one.
    One(Box<TrustedSigner>),
    /// One of these; with none, nobody needs to have signed.
    AnyOf(Vec<TrustedSigner>),
}

impl AnySigner {
    /// All of them.
    pub fn all(&self) -> &[TrustedSigner] {
        match self {
            Self::One(one) => std::slice::from_ref(&**one),
            Self::AnyOf(several) => several,
        }
    }

    fn read<E: serde::de::Error>(value: Value) -> Result<Self, E> {
        let read = match value {
            list @ Value::Array(_) => serde_json::from_value(list).map(Self::AnyOf),
            one => serde_json::from_value(one).map(Self::One),
        };
        read.map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for AnySigner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(Value::deserialize(deserializer)?)
    }
}

impl Default for BaseVerify {
    fn default() -> Self {
        Self::All(AnySigner::AnyOf(Vec::new()))
    }
}

impl<'de> Deserialize<'de> for BaseVerify {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            // A signer is described by texts, and names of bases have signers.
            Value::Object(table) if table.values().any(|value| !value.is_string()) => {
                let named = table.into_iter().map(|(glob, value)| Ok((glob, AnySigner::read(value)?)));
                Ok(Self::ByName(named.collect::<Result<_, D::Error>>()?))
            }
            value @ (Value::Object(_) | Value::Array(_)) => AnySigner::read(value).map(Self::All),
            _ => Err(D::Error::custom("expected a signer, a list of them, or a table of signers by base")),
        }
    }
}

impl BaseVerify {
    /// How it is written, for hints.
    pub(super) const FORMS: &str = "write { key = \"base.pub\" }, { identity = \"...\", issuer = \"...\" }, a list of such signers, or { \"NAME OF BASE\" = SIGNER }";

    /// Whether nobody needs to have signed any base.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::All(signers) if signers.all().is_empty())
    }

    /// The lists of signers each of which must have one who has signed the base of these names; `None` where no entry is
    /// about it. Hosts have no case: of a base in a registry, one of the names has its host in small letters.
    pub fn of<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Option<Vec<&AnySigner>> {
        let named = match self {
            Self::All(signers) => return Some(vec![signers]),
            Self::ByName(named) => named,
        };
        let names: Vec<&str> = names.into_iter().collect();
        let is_about = |glob: &str| {
            let set = globs::set([glob, &*with_plain_host(glob)], Star::Anywhere);
            set.is_ok_and(|set| names.iter().any(|name| set.is_match(name)))
        };
        let found: Vec<&AnySigner> =
            named.iter().filter(|(glob, _)| is_about(glob)).map(|(_, signers)| signers).collect();
        (!found.is_empty()).then_some(found)
    }

    /// What makes no sense in it.
    pub(super) fn mistake(&self) -> Option<String> {
        let of_signers =
            |signers: &AnySigner| signers.all().iter().find_map(TrustedSigner::mistake).map(str::to_owned);
        match self {
            Self::All(signers) => of_signers(signers),
            Self::ByName(named) => named.iter().find_map(|(glob, signers)| {
                let no_glob =
                    || globs::one(glob, Star::Anywhere).err().map(|error| format!("{glob}: {error}"));
                no_glob().or_else(|| of_signers(signers))
            }),
        }
    }
}

/// A glob of names with hosts in small letters, as the repositories behind them are; only tags have a case.
fn with_plain_host(glob: &str) -> Cow<'_, str> {
    let is_in_registry = |first: &str| {
        // Not `oci:FOLDER`, whose folder has a case.
        let port = first.split_once(':').map_or("0", |(_, port)| port);
        port.starts_with(|c: char| c.is_ascii_digit() || "*?[{".contains(c))
    };
    match (glob.split_once('/'), glob.rsplit_once('/')) {
        (Some((first, _)), Some((name, tagged))) if is_in_registry(first) => {
            format!("{}/{tagged}", name.to_ascii_lowercase()).into()
        }
        _ => glob.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BaseVerify, String> {
        #[derive(Debug, Deserialize)]
        struct File {
            it: BaseVerify,
        }
        toml::from_str::<File>(&format!("it = {text}")).map(|file| file.it).map_err(|error| error.to_string())
    }

    #[test]
    fn signers_are_for_all_bases_or_for_those_of_a_name() {
        let all = read("{ key = 'a.pub' }").expect("one");
        assert_eq!(all.of(["debian:12"]).map(|lists| lists.len()), Some(1));
        let named =
            read("{ 'cgr.dev/*' = [{ key = 'a.pub' }, { key = 'b.pub' }], '*:1' = { key = 'c.pub' } }");
        let named = named.expect("by name");
        let counts =
            |name| named.of([name]).map(|lists| lists.iter().map(|one| one.all().len()).collect::<Vec<_>>());
        assert_eq!(counts("cgr.dev/a/b:1"), Some(vec![1, 2]), "each that describes it");
        assert_eq!(counts("cgr.dev/a:2"), Some(vec![2]));
        assert_eq!(counts("debian:12"), None);
        assert!(read("[]").expect("nobody").is_empty() && !named.is_empty());
        assert_eq!(
            read("{ 'deb*' = [] }").expect("nobody").of(["debian"]),
            Some(vec![&AnySigner::AnyOf(vec![])])
        );
    }

    #[test]
    fn hosts_have_no_case_and_tags_and_folders_do() {
        for (glob, name, is_about) in [
            ("CGR.dev/*", "cgr.dev/you/x", true),
            ("*.DEV:50*/x:A", "cgr.dev:5000/x:A", true),
            ("{CGR.dev/a,GHCR.io/b}:*", "ghcr.io/b:1", true),
            ("cgr.dev/x:A", "cgr.dev/x:a", false),
            ("oci:Build/x", "oci:build/x", false),
            ("oci:/Build/x", "oci:/build/x", false),
            ("Build/x", "Build/x", true),
        ] {
            let verify = BaseVerify::ByName([(glob.to_owned(), AnySigner::AnyOf(Vec::new()))].into());
            assert_eq!(verify.of([name]).is_some(), is_about, "{glob} {name}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, words) in [
            ("{ identity = 'me' }", "issuer"),
            ("{ 'a' = { key = 'x', issuer = 'y' } }", "both a key"),
            ("{ '[' = { key = 'x' } }", "["),
        ] {
            let mistake = read(text).expect(text).mistake();
            assert!(mistake.as_ref().is_some_and(|said| said.contains(words)), "{text}: {mistake:?}");
        }
        for text in ["true", "{ kye = 'x' }", "{ a = { kye = 'x' } }", "['x']"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
