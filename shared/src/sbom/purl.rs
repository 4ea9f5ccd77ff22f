//! Package URLs (the purl specification): one name for a package in all ecosystems.

use std::collections::BTreeMap;
use std::fmt;

/// A package URL. Two that are written alike are the same, whoever wrote them.
#[derive(Clone)]
pub struct Purl {
    kind: &'static str,
    namespace: Option<String>,
    name: String,
    version: Option<String>,
    qualifiers: BTreeMap<&'static str, String>,
    /// As somebody else wrote it.
    given: Option<String>,
}

impl Purl {
    /// One that somebody else wrote, as it is but for addresses with logins and of files of their machine.
    pub fn given(text: &str) -> Option<Self> {
        let odd = |c: char| c.is_whitespace() || c.is_control();
        let (head, rest) = text.split_once('?').unwrap_or((text, ""));
        if !head.starts_with("pkg:") || !head.contains('/') || text.contains(odd) {
            return None;
        }
        let kept: Vec<&str> =
            rest.split('&').filter(|qualifier| !qualifier.is_empty() && !is_private(qualifier)).collect();
        let given = if kept.is_empty() { head.to_owned() } else { format!("{head}?{}", kept.join("&")) };
        Some(Self { given: Some(given), ..Self::new("", "") })
    }

    /// The kind of package: `cargo`, `pypi`.
    pub fn kind(&self) -> &str {
        let given = self.given.as_deref().and_then(|given| given.strip_prefix("pkg:")?.split('/').next());
        given.unwrap_or(self.kind)
    }

    /// `pkg:KIND/NAME`.
    pub fn new(kind: &'static str, name: impl Into<String>) -> Self {
        let (namespace, version, qualifiers, given) = (None, None, BTreeMap::new(), None);
        Self { kind, namespace, name: name.into(), version, qualifiers, given }
    }

    /// Of a namespace.
    #[must_use]
    pub fn of(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// In a version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// With a qualifier; an empty one is none.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.qualifiers.insert(name, value);
        }
        self
    }
}

/// Whether an address in a qualifier names a user before its host, or a file.
fn is_private(qualifier: &str) -> bool {
    let plain = qualifier.to_ascii_lowercase().replace("%2f", "/").replace("%40", "@");
    let plain = plain.replace("%3a", ":").replace("%2b", "+");
    if plain.split(['=', '+']).any(|part| part.starts_with("file:")) {
        return true;
    }
    let host = plain.split_once("//").and_then(|(_, rest)| rest.split(['/', '#']).next());
    host.is_some_and(|host| host.contains('@'))
}

impl PartialEq for Purl {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Purl {}

impl fmt::Debug for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(given) = &self.given {
            return f.write_str(given);
        }
        write!(f, "pkg:{}/", self.kind)?;
        for part in self.namespace.iter().flat_map(|namespace| namespace.split('/')) {
            write!(f, "{}/", encoded(part))?;
        }
        f.write_str(&encoded(&self.name))?;
        if let Some(version) = &self.version {
            write!(f, "@{}", encoded(version))?;
        }
        for (i, (name, value)) in self.qualifiers.iter().enumerate() {
            write!(f, "{}{name}={}", if i == 0 { '?' } else { '&' }, encoded(value))?;
        }
        Ok(())
    }
}

/// Percent-encoded, but for what the specification leaves alone.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b':') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_names_stay_and_their_logins_go() {
        for (text, expected) in [
            ("pkg:cargo/zmij@1.0.6", Some("pkg:cargo/zmij@1.0.6")),
            (
                "pkg:cargo/a@1?vcs_url=git%2Bhttps://h/a%40c0ffee",
                Some("pkg:cargo/a@1?vcs_url=git%2Bhttps://h/a%40c0ffee"),
            ),
            ("pkg:cargo/a@1?x=1&vcs_url=https://u:p@h/a", Some("pkg:cargo/a@1?x=1")),
            ("pkg:cargo/a@1?vcs_url=https%3A%2F%2Fu%3Ap%40h%2Fa", Some("pkg:cargo/a@1")),
            ("pkg:cargo/a@1?download_url=file://.", Some("pkg:cargo/a@1")),
            ("pkg:cargo/a@1?download_url=file:///home/me/a#src/lib.rs", Some("pkg:cargo/a@1")),
            ("pkg:cargo/a@1?x=1&vcs_url=git%2Bfile%3A%2F%2F%2Fhome%2Fa", Some("pkg:cargo/a@1?x=1")),
            ("pkg:pypi/a@1?file_name=file.whl", Some("pkg:pypi/a@1?file_name=file.whl")),
            ("pkg:a", None),
            ("cargo/a@1", None),
            ("pkg:cargo/a b", None),
        ] {
            assert_eq!(Purl::given(text).map(|purl| purl.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn names_are_written_as_the_specification_shows_them() {
        let git = "git+https://example.com/a b@1234";
        for (purl, expected) in [
            (Purl::new("cargo", "serde").version("1.0.0+x"), "pkg:cargo/serde@1.0.0%2Bx"),
            (
                Purl::new("deb", "libc6")
                    .of("debian")
                    .version("1:2.36-9")
                    .with("distro", "debian-12")
                    .with("arch", "amd64"),
                "pkg:deb/debian/libc6@1:2.36-9?arch=amd64&distro=debian-12",
            ),
            (Purl::new("oci", "web").version("sha256:00").with("tag", ""), "pkg:oci/web@sha256:00"),
            (
                Purl::new("cargo", "x").with("vcs_url", git),
                "pkg:cargo/x?vcs_url=git%2Bhttps:%2F%2Fexample.com%2Fa%20b%401234",
            ),
            (Purl::new("golang", "c").of("example.com/a b"), "pkg:golang/example.com/a%20b/c"),
        ] {
            assert_eq!(purl.to_string(), expected);
        }
    }
}
