//! File names of wheels (binary distribution format, "File name convention").

use std::str::FromStr;

use pep440_rs::Version;

use crate::error::{Error, Result};
use crate::python::Name;

/// What a wheel's file name says, tags aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filename {
    pub(super) name: Name,
    pub(super) version: Version,
}

/// The version that the file name of a wheel says.
pub fn version_of(filename: &str) -> Option<String> {
    Filename::parse(filename).ok().map(|named| named.version.to_string())
}

impl Filename {
    /// Reads `NAME-VERSION(-BUILD)-PYTHON-ABI-PLATFORM.whl`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("{text:?} is not the file name of a wheel"))
                .hint("the form is NAME-VERSION-PYTHON-ABI-PLATFORM.whl")
        };
        let stem = text.strip_suffix(".whl").ok_or_else(wrong)?;
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, version) = match parts[..] {
            [name, version, _, _, _] => (name, version),
            [name, version, build, _, _, _] if build.starts_with(|c: char| c.is_ascii_digit()) => {
                (name, version)
            }
            _ => return Err(wrong()),
        };
        if parts.iter().any(|part| part.is_empty()) {
            return Err(wrong());
        }
        let name = name.parse().map_err(|e: Error| wrong().because(e))?;
        // `-` cannot be in a part, so packers write `_` for it, in versions too.
        let version = Version::from_str(&version.replace('_', "-")).map_err(|e| wrong().because(e))?;
        Ok(Self { name, version })
    }

    /// Whether the `NAME-VERSION` of a folder means this distribution, however it is spelled.
    pub(super) fn is_meant_by(&self, stem: &str) -> bool {
        stem.match_indices('-').any(|(at, _)| {
            let (name, version) = (&stem[..at], &stem[at + 1..]);
            name.parse().is_ok_and(|name: Name| name == self.name)
                && Version::from_str(&version.replace('_', "-")).is_ok_and(|version| version == self.version)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_read_as_they_are_meant() {
        for (text, name, version) in [
            ("Zope.Interface-1.0-py3-none-any.whl", "zope-interface", "1.0"),
            ("a_b-1.0-1build-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "a-b", "1.0"),
            ("torch-2.0.0+cu118-cp313-cp313-linux_x86_64.whl", "torch", "2.0.0+cu118"),
            ("a-1.0_1-py3-none-any.whl", "a", "1.0.post1"),
        ] {
            let filename = Filename::parse(text).expect(text);
            assert_eq!(filename.name.as_str(), name);
            assert_eq!(filename.version, version.parse().expect("a version"));
        }
    }

    #[test]
    fn other_file_names_are_refused() {
        for text in [
            "a-1.0.tar.gz",
            "a-1.0.whl",
            "a-1.0-py3-none.whl",
            "a-1.0-x1-py3-none-any.whl",
            "a-1.0-1-py3-none-any-x.whl",
            "a-x-py3-none-any.whl",
            "-1.0-py3-none-any.whl",
            "../a-1.0-py3-none-any.whl",
            "a-1.0---.whl",
        ] {
            assert!(Filename::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn folders_may_spell_a_name_in_other_ways() {
        let filename = Filename::parse("zope_interface-1.0-py3-none-any.whl").expect("a name");
        for stem in ["zope_interface-1.0", "Zope.Interface-1.0.0", "zope-interface-1.0"] {
            assert!(filename.is_meant_by(stem), "{stem}");
        }
        for stem in ["zope_interface-1.1", "zope-1.0", "zope_interface", ""] {
            assert!(!filename.is_meant_by(stem), "{stem}");
        }
    }
}
