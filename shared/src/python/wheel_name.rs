//! The file names of wheels, which say what they fit (PEP 427, PEP 425).

use std::collections::BTreeSet;
use std::str::FromStr;

use pep440_rs::Version;

use super::Name;
use crate::error::{Error, Result};
use crate::redact;

/// What the file name of a wheel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// The distribution, normalised.
    pub name: Name,
    /// The version of the distribution, normalised.
    pub version: Version,
    /// The build number and what follows it, which break ties.
    pub build: Option<(u64, String)>,
    /// Interpreters, lower case: `cp313`, `py2` and `py3`. The wheel has a tag for each
    /// combination with `abis` and `platforms`.
    pub pythons: Vec<String>,
    /// Binary interfaces, lower case: `cp313`, `abi3`, `none`.
    pub abis: Vec<String>,
    /// Platforms, lower case: `manylinux_2_17_x86_64`, `any`.
    pub platforms: Vec<String>,
}

impl WheelName {
    /// Reads a file name.
    ///
    /// # Errors
    /// When it is not that of a wheel.
    pub fn parse(filename: &str) -> Result<Self> {
        let no_wheel = |why: String| {
            let shown = redact::excerpt(filename, 200);
            Error::usage(format!("{shown:?} is not the file name of a wheel")).because(why)
        };
        let Some(stem) = filename.strip_suffix(".whl") else {
            return Err(no_wheel("it does not end with .whl".into()));
        };
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, version, build, tags) = match parts[..] {
            [name, version, a, b, c] => (name, version, None, [a, b, c]),
            [name, version, build, a, b, c] => (name, version, Some(build), [a, b, c]),
            _ => return Err(no_wheel("it does not have five parts, or six with a build number".into())),
        };
        // The escaped form has single underscores.
        if name.contains("__") {
            return Err(no_wheel(format!("{name:?} is not the escaped name of a distribution")));
        }
        let version = Version::from_str(version)
            .map_err(|_| no_wheel(format!("{version:?} is not a valid version")))?;
        let build = match build {
            None => None,
            Some(text) => Some(
                build_number(text)
                    .ok_or_else(|| no_wheel(format!("{text:?} is not a valid build number")))?,
            ),
        };
        let name = name.parse::<Name>().map_err(|e| no_wheel(e.to_string()))?;
        let sets = tags.map(set);
        let [Some(pythons), Some(abis), Some(platforms)] = sets else {
            return Err(no_wheel(format!("{:?} are not valid tags", tags.join("-"))));
        };
        if !pythons.iter().all(|python| is_identifier(python)) {
            return Err(no_wheel(format!("{:?} are not valid interpreters", pythons.join("."))));
        }
        Ok(Self { name, version, build, pythons, abis, platforms })
    }
}

impl WheelName {
    /// Whether both say the same, in whatever order they list what a wheel fits.
    pub fn is_same(&self, other: &Self) -> bool {
        let sets = |of: &Self| {
            [&of.pythons, &of.abis, &of.platforms].map(|set| set.iter().cloned().collect::<BTreeSet<_>>())
        };
        (&self.name, &self.version, &self.build) == (&other.name, &other.version, &other.build)
            && sets(self) == sets(other)
    }
}

fn build_number(text: &str) -> Option<(u64, String)> {
    let (digits, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    Some((digits.parse().ok()?, rest.to_owned()))
}

/// The members of a compressed set.
fn set(text: &str) -> Option<Vec<String>> {
    let members: Vec<String> = text.split('.').map(str::to_lowercase).collect();
    members.iter().all(|member| !member.is_empty()).then_some(members)
}

fn is_identifier(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_') && !text.starts_with(|c: char| c.is_numeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_are_read() {
        let found = WheelName::parse("Zope_Interface-1.0+cu.1-2build-py2.PY3-none-any.whl").expect("a wheel");
        assert_eq!(found.name.as_str(), "zope-interface");
        assert_eq!(found.version.to_string(), "1.0+cu.1");
        assert_eq!(found.build, Some((2, "build".into())));
        assert_eq!(found.pythons, ["py2", "py3"]);
        assert_eq!((found.abis, found.platforms), (vec!["none".into()], vec!["any".into()]));
    }

    #[test]
    fn other_names_are_refused_with_the_reason() {
        for (name, why) in [
            ("a-1.tar.gz", "it does not end with .whl"),
            ("a-1-py3-none.whl", "it does not have five parts, or six with a build number"),
            ("a-b-c-1-py3-none-any.whl", "it does not have five parts, or six with a build number"),
            ("a-x-py3-none-any.whl", "\"x\" is not a valid version"),
            ("a__b-1-py3-none-any.whl", "\"a__b\" is not the escaped name of a distribution"),
            ("a-1-b1-py3-none-any.whl", "\"b1\" is not a valid build number"),
            ("a-1-py3.-none-any.whl", "\"py3.-none-any\" are not valid tags"),
            ("a-1-py3--any.whl", "\"py3--any\" are not valid tags"),
            ("a-1-3.py3-none-any.whl", "\"3.py3\" are not valid interpreters"),
            ("../a-1-py3-none-any.whl", "\"../a\" cannot be the name of a Python distribution"),
        ] {
            assert_eq!(WheelName::parse(name).expect_err(name).causes(), [why], "{name}");
        }
    }
}
