//! Globs of names that have several spellings.

use globset::GlobSet;
use serde::Deserialize;

use crate::sbom::Listed;
use crate::system::globs::{self, Star};

/// Globs of names in which large letters are the same as small ones: of licences and packages.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Names {
    patterns: Vec<String>,
    set: GlobSet,
    /// The same for distributions of Python.
    python: GlobSet,
}

impl Names {
    pub(super) fn has(&self, name: &str) -> bool {
        self.set.is_match(name.to_lowercase())
    }

    /// Whether a package has such a name, or name and version, with its group or without it.
    pub(super) fn has_package(&self, package: &Listed) -> bool {
        let alone = Listed { group: None, ..package.clone() };
        let spelled = [package, &alone].map(|one| {
            let nameless = Listed { version: None, ..one.clone() };
            [one.shown(), nameless.shown()]
        });
        let is_python = |text: &str| package.is_python && self.python.is_match(python(&text.to_lowercase()));
        spelled.as_flattened().iter().any(|text| self.has(text) || is_python(text))
    }
}

/// A name, with what follows it, in which all of `-`, `_` and `.` are one.
fn python(text: &str) -> String {
    let (name, rest) = text.split_at(text.find(' ').unwrap_or(text.len()));
    let mut spelled = String::with_capacity(text.len());
    for sign in name.chars().map(|sign| if matches!(sign, '_' | '.') { '-' } else { sign }) {
        if sign != '-' || !spelled.ends_with('-') {
            spelled.push(sign);
        }
    }
    spelled + rest
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl TryFrom<Vec<String>> for Names {
    type Error = globs::NoGlob;

    fn try_from(patterns: Vec<String>) -> Result<Self, Self::Error> {
        let small: Vec<String> = patterns.iter().map(|pattern| pattern.to_lowercase()).collect();
        // In a set of characters these signs have a meaning of their own.
        let respelled = small.iter().filter(|pattern| !pattern.contains('[')).map(|pattern| python(pattern));
        let respelled: Vec<String> = respelled.collect();
        let set = globs::set(small.iter().map(String::as_str), Star::Anywhere)?;
        let python = globs::set(respelled.iter().map(String::as_str), Star::Anywhere)?;
        Ok(Self { patterns, set, python })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sbom::Licence;

    #[test]
    fn a_package_is_known_in_all_its_spellings() {
        let package = |group: Option<&str>, name: &str, is_python: bool| Listed {
            name: name.into(),
            group: group.map(str::to_owned),
            version: Some("1.3.0".into()),
            licence: Licence::Unknown,
            is_python,
        };
        let has = |pattern: &str, package: &Listed| {
            Names::try_from(vec![pattern.to_owned()]).expect(pattern).has_package(package)
        };
        let zope = package(None, "Zope.Interface", true);
        for pattern in
            ["zope-interface", "ZOPE__interface", "zope.interface 1.3.*", r"zope\.interface", "zope_*"]
        {
            assert!(has(pattern, &zope), "{pattern}");
        }
        assert!(!has("zope.interface 1-3-0", &zope) && !has("zopeinterface", &zope));
        let scoped = package(Some("@scope"), "Left.Pad", false);
        for pattern in ["left.pad", "@scope/left.pad", "left.pad 1.3.0", "@scope/left.pad 1.*"] {
            assert!(has(pattern, &scoped), "{pattern}");
        }
        assert!(!has("left-pad", &scoped), "this is not a Python distribution");
    }
}
