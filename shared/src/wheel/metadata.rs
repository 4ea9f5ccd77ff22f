//! METADATA and WHEEL: mail headers with known keys (core metadata; binary distribution format).

use pep440_rs::Version;

use super::filename::Filename;
use crate::error::{Error, Result};
use crate::python::{Name, headers};

/// What METADATA says, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) requires_dist: Vec<String>,
    pub(super) requires_python: Option<String>,
}

/// What WHEEL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WheelFacts {
    pub(super) root_is_purelib: bool,
    pub(super) tags: Vec<String>,
}

/// Headers of a file, without the body.
struct Headers {
    file: &'static str,
    pairs: Vec<(String, String)>,
}

impl Headers {
    fn parse(file: &'static str, text: &[u8]) -> Self {
        Self { file, pairs: headers(text) }
    }

    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(key))
            .map(|(_, value)| value.as_str())
    }

    fn optional<'a>(&'a self, key: &'a str) -> Result<Option<&'a str>> {
        let mut values = self.all(key);
        let first = values.next();
        if values.next().is_some() {
            return Err(Error::integrity(format!("{} has {key} twice", self.file)));
        }
        Ok(first)
    }

    fn one<'a>(&'a self, key: &'a str) -> Result<&'a str> {
        self.optional(key)?.ok_or_else(|| Error::integrity(format!("{} has no {key}", self.file)))
    }
}

/// Reads METADATA, which must be about the distribution that the file name says.
pub(super) fn metadata(text: &[u8], expected: &Filename) -> Result<Metadata> {
    let headers = Headers::parse("METADATA", text);
    let name = headers.one("Name")?;
    if !name.parse::<Name>().is_ok_and(|name| name == expected.name) {
        return Err(Error::integrity(format!("METADATA is about {name:?}, not about {}", expected.name)));
    }
    let version = headers.one("Version")?;
    if !version.parse::<Version>().is_ok_and(|version| version == expected.version) {
        return Err(Error::integrity(format!(
            "METADATA is about version {version:?}, not about {}",
            expected.version
        )));
    }
    Ok(Metadata {
        requires_dist: headers.all("Requires-Dist").map(str::to_owned).collect(),
        requires_python: headers.optional("Requires-Python")?.map(str::to_owned),
    })
}

/// Reads WHEEL, which must be of a version that is known.
pub(super) fn wheel(text: &[u8]) -> Result<WheelFacts> {
    let headers = Headers::parse("WHEEL", text);
    let version = headers.one("Wheel-Version")?;
    // Minor versions are compatible, majors are not (binary distribution format, "Installing").
    if version.split('.').next() != Some("1") {
        return Err(Error::usage(format!("its format version is {version:?}, but only 1 is supported")));
    }
    let root_is_purelib = match headers.one("Root-Is-Purelib")?.to_ascii_lowercase().as_str() {
        "true" => true,
        "false" => false,
        other => return Err(Error::integrity(format!("WHEEL has {other:?} for Root-Is-Purelib"))),
    };
    Ok(WheelFacts { root_is_purelib, tags: headers.all("Tag").map(str::to_owned).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filename() -> Filename {
        Filename::parse("a_b-1.0-py3-none-any.whl").expect("a name")
    }

    #[test]
    fn headers_end_where_the_description_begins() {
        let text = "Metadata-Version: 2.1\nName: A.B\nVersion: 1.0.0\nRequires-Dist: x>1\nrequires-dist: y;\n \
                    python_version<'4'\nRequires-Python: >=3.9\n\nName: other\nRequires-Dist: z\n";
        let metadata = metadata(text.as_bytes(), &filename()).expect("metadata");
        assert_eq!(metadata.requires_dist.len(), 2);
        assert!(metadata.requires_dist[1].ends_with("python_version<'4'"));
        assert_eq!(metadata.requires_python.as_deref(), Some(">=3.9"));
    }

    #[test]
    fn metadata_of_another_distribution_is_refused() {
        for (text, reason) in [
            ("Name: c\nVersion: 1.0\n", "not about a-b"),
            ("Name: a-b\nVersion: 1.1\n", "not about 1.0"),
            ("Name: a-b\n", "no Version"),
            ("Version: 1.0\n", "no Name"),
            ("Name: a-b\nName: c\nVersion: 1.0\n", "twice"),
        ] {
            let error = metadata(text.as_bytes(), &filename()).expect_err(text);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[test]
    fn minor_versions_of_the_format_are_compatible() {
        let facts =
            wheel(b"Wheel-Version: 1.9\nRoot-Is-Purelib: False\nTag: py2-none-any\nTag: py3-none-any\n");
        let expected = vec!["py2-none-any".to_owned(), "py3-none-any".to_owned()];
        assert_eq!(facts.expect("facts"), WheelFacts { root_is_purelib: false, tags: expected });
        assert!(wheel(b"Wheel-Version: 10.0\nRoot-Is-Purelib: true\n").is_err());
        assert!(wheel(b"Wheel-Version: 1.0\nRoot-Is-Purelib: perhaps\n").is_err());
        assert!(wheel(b"Wheel-Version: 1.0\n").is_err());
    }
}
