//! What the names of wheels and source distributions say, and which names are none.

use std::str::FromStr;

use pep440_rs::Version;

use crate::python::{Name, WheelName};

/// Whether this can be the name of a file that an index offers: one component of a path, and a
/// wheel or a source distribution of a form that can be used.
pub(super) fn is_usable(name: &str) -> bool {
    let bad = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':');
    let form = [".whl", ".tar.gz", ".zip"].iter().any(|end| name.len() > end.len() && name.ends_with(end));
    form && name.len() <= 255 && !name.starts_with('.') && !name.contains(bad)
}

/// The version of `package` that a file of this name holds; `None` when it is another's, or
/// follows no rule.
pub(super) fn version(filename: &str, package: &Name) -> Option<Version> {
    let is_name = |text: &str| Name::from_str(text).is_ok_and(|name| name == *package);
    if let Some(stem) = filename.strip_suffix(".whl") {
        // name-version(-build)?-python-abi-platform
        let parts: Vec<_> = stem.split('-').collect();
        let [name, version, rest @ ..] = parts.as_slice() else { return None };
        let good = matches!(rest.len(), 3 | 4) && is_name(name);
        // A wheel spells the separators of a local version as it spells those of names.
        return good.then(|| Version::from_str(&version.replace('_', "-")).ok()).flatten();
    }
    let stem = filename.strip_suffix(".tar.gz").or_else(|| filename.strip_suffix(".zip"))?;
    // Old source distributions have dashes in both parts.
    let cuts = stem.match_indices('-').map(|(at, _)| stem.split_at(at));
    let versions = cuts.filter(|(name, _)| is_name(name));
    versions.filter_map(|(_, rest)| Version::from_str(rest.trim_start_matches('-')).ok()).next_back()
}

/// Whether two texts name the same distribution file, in whatever spelling of its parts.
pub fn is_same_file(one: &str, other: &str) -> bool {
    let wheels = [one, other].map(|name| WheelName::parse(name).ok());
    let archives = [one, other].map(archive);
    one == other
        || match (&wheels, &archives) {
            ([Some(one), Some(other)], _) => one.is_same(other),
            (_, [Some(one), Some(other)]) => one == other,
            _ => false,
        }
}

/// The distribution and the version that a source archive names.
fn archive(filename: &str) -> Option<(Name, Version)> {
    let stem = filename.strip_suffix(".tar.gz").or_else(|| filename.strip_suffix(".zip"))?;
    let (name, version) = stem.rsplit_once('-')?;
    Some((name.parse().ok()?, version.parse().ok()?))
}

/// The bytes that `%` escapes stand for; `None` when they are no text.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let hex = |byte: Option<&u8>| char::from(*byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = (byte == b'%').then(|| Some(hex(bytes.get(at + 1))? << 4 | hex(bytes.get(at + 2))?));
        match escape.flatten() {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(filename: &str, package: &str) -> Option<String> {
        version(filename, &package.parse().expect("name")).map(|version| version.to_string())
    }

    #[test]
    fn names_tell_the_version() {
        for (filename, package, expected) in [
            ("numpy-1.26.4-cp312-cp312-manylinux_2_17_x86_64.whl", "numpy", Some("1.26.4")),
            ("Zope.Interface-6.0-1-py3-none-any.whl", "zope-interface", Some("6.0")),
            ("torch-2.1.0+cpu-cp311-cp311-linux_x86_64.whl", "torch", Some("2.1.0+cpu")),
            ("x-1.0+a_b-py3-none-any.whl", "x", Some("1.0+a.b")),
            ("python-dateutil-2.9.0.post0.tar.gz", "python-dateutil", Some("2.9.0.post0")),
            ("python-dateutil-2.9.zip", "python", None),
            ("foo-2-1.0.tar.gz", "foo-2", Some("1.0")),
            ("foo-1.0-1.tar.gz", "foo", Some("1.0.post1")),
            ("numpy-1.26.4-py3.whl", "numpy", None),
            ("numpy-1.26.4.tar.gz", "nump", None),
            ("numpy.whl", "numpy", None),
        ] {
            assert_eq!(held(filename, package).as_deref(), expected, "{filename}");
        }
    }

    #[test]
    fn files_have_several_spellings() {
        for (one, other, same) in [
            ("A.b-1.0-py3-none-any.whl", "a_b-1.0-py3-none-any.whl", true),
            ("a-1.0-py3.py2-none-any.whl", "a-1-py2.py3-none-any.whl", true),
            ("a-1-cp312-cp312-x.y.whl", "a-1-cp312-cp312-y.x.whl", true),
            ("a-1-1-py3-none-any.whl", "a-1-py3-none-any.whl", false),
            ("a-1-py3-none-any.whl", "a-1-py2-none-any.whl", false),
            ("a-1-py3-none-any.whl", "a-1-py3-none-any.whl.zip", false),
            ("A.b-1.0.tar.gz", "a_b-1.tar.gz", true),
            ("a-1.tar.gz", "a-1.1.tar.gz", false),
            ("a-1.tar.gz", "b-1.tar.gz", false),
            ("a-1.tar.gz", "a-1-py3-none-any.whl", false),
        ] {
            assert_eq!(is_same_file(one, other), same, "{one} {other}");
        }
    }

    #[test]
    fn a_file_name_is_one_component() {
        for good in ["a-1-py3-none-any.whl", "a-1.tar.gz", "a-1+x.zip"] {
            assert!(is_usable(good), "{good}");
        }
        for bad in ["../a-1.zip", "a/b.whl", "a\\b.whl", "C:a.whl", ".whl", ".x.whl", "a.egg", "a\n.whl", ""]
        {
            assert!(!is_usable(bad), "{bad:?}");
        }
    }

    #[test]
    fn escapes_are_decoded_and_what_is_none_stays() {
        assert_eq!(percent_decode("a%2B1%20%e2%82%ac").as_deref(), Some("a+1 €"));
        assert_eq!(percent_decode("100%").as_deref(), Some("100%"));
        assert_eq!(percent_decode("%zz%1").as_deref(), Some("%zz%1"));
        assert_eq!(percent_decode("%ff"), None);
    }
}
