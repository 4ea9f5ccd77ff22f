//! The release file of a suite: who it is, how long it counts, and the hashes of its indexes.

use std::time::{Duration, SystemTime};

use jiff::fmt::rfc2822::DateTimeParser;

use super::control::Paragraph;
use super::keyring::at;
use crate::error::{Error, Result};
use crate::oci::Digest;

/// How far clocks may be apart.
pub(super) const SKEW: Duration = Duration::from_secs(3600);

/// What of a release file matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    /// When it was made: seconds since 1970.
    pub(super) date: i64,
    valid_until: Option<i64>,
    suite: Option<String>,
    codename: Option<String>,
    pub(super) components: Vec<String>,
    /// Whether files are found under their hashes.
    pub(super) by_hash: bool,
    /// Whether apt takes packages from it only where it is told to, as from backports.
    pub(super) not_automatic: bool,
    files: Vec<Listed>,
}

/// A file that a release lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) path: String,
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
}

impl Release {
    /// Reads the signed text.
    ///
    /// # Errors
    /// Integrity when a field is missing or makes no sense.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let fields = Paragraph::parse(text);
        let valid_until = fields.get("Valid-Until").map(seconds).transpose()?;
        let words = |name: &str| -> Vec<String> {
            let value = fields.get(name).unwrap_or_default();
            value.split_whitespace().map(str::to_owned).collect()
        };
        let yes = |name: &str| fields.get(name).is_some_and(|value| value.eq_ignore_ascii_case("yes"));
        Ok(Self {
            date: seconds(fields.need("Date")?)?,
            valid_until,
            suite: fields.get("Suite").map(str::to_owned),
            codename: fields.get("Codename").map(str::to_owned),
            components: words("Components"),
            by_hash: yes("Acquire-By-Hash"),
            not_automatic: yes("NotAutomatic"),
            files: fields.need("SHA256")?.lines().filter_map(Listed::parse).collect(),
        })
    }

    /// Whether it is that of `suite`: by its name or its code name, either of which may be meant.
    ///
    /// # Errors
    /// Integrity when it is another one.
    pub(super) fn check_suite(&self, suite: &str) -> Result<()> {
        let suite = suite.trim_end_matches('/');
        let names = [self.suite.as_deref(), self.codename.as_deref()];
        // Suites of security updates were called `bullseye/updates` in their time.
        let same = |name: &str| name == suite || name.rsplit('/').next() == Some(suite);
        if names.into_iter().flatten().any(same) {
            return Ok(());
        }
        let found = names.into_iter().flatten().collect::<Vec<_>>().join(" or ");
        Err(Error::integrity(format!("it is the release of {found}, not of {suite}")))
    }

    /// Whether it was made by `now`. One from the future, believed and remembered, would lock out all
    /// true ones.
    ///
    /// # Errors
    /// Integrity when it was not.
    pub(super) fn check_made(&self, now: SystemTime) -> Result<()> {
        if at(self.date) <= now + SKEW {
            return Ok(());
        }
        Err(Error::integrity(format!("it was made {}, which is in the future", shown(self.date)))
            .hint("set this machine's clock if it is wrong; otherwise use another mirror"))
    }

    /// Whether it still counts at `now`.
    ///
    /// # Errors
    /// Integrity when it does not any more.
    pub(super) fn check_time(&self, now: SystemTime) -> Result<()> {
        match self.valid_until {
            Some(until) if at(until) < now => {
                Err(Error::integrity(format!("it was valid until {}", shown(until))).hint(
                    "the mirror is out of date, or someone is withholding updates; use another mirror; for a fixed time, set a snapshot",
                ))
            }
            _ => Ok(()),
        }
    }

    /// The index of a component's packages, without and with compression.
    pub(super) fn packages(&self, component: &str, architecture: &str) -> Option<Index<'_>> {
        let path = format!("{component}/binary-{architecture}/Packages");
        let find = |ending: &str| self.files.iter().find(|file| file.path == format!("{path}{ending}"));
        let plain = find("")?;
        let (fetched, compression) = find(".xz")
            .map(|file| (file, IndexCompression::Xz))
            .or_else(|| find(".gz").map(|file| (file, IndexCompression::Gzip)))
            .unwrap_or((plain, IndexCompression::None));
        Some(Index { plain, fetched, compression })
    }
}

/// An index of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Index<'a> {
    /// As it is read.
    pub(super) plain: &'a Listed,
    /// As it is fetched.
    pub(super) fetched: &'a Listed,
    pub(super) compression: IndexCompression,
}

/// How an index is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexCompression {
    None,
    Gzip,
    Xz,
}

impl Listed {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let digest = format!("sha256:{}", words.next()?).parse().ok()?;
        let size = words.next()?.parse().ok()?;
        Some(Self { path: words.next()?.to_owned(), digest, size })
    }
}

/// A time in seconds since 1970, for people.
pub(super) fn shown(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

fn seconds(text: &str) -> Result<i64> {
    // Debian writes the zone as UTC, which the standard spells +0000.
    let parsed = DateTimeParser::new().parse_timestamp(text.replace("UTC", "+0000").replace("GMT", "+0000"));
    parsed
        .map(jiff::Timestamp::as_second)
        .map_err(|e| Error::integrity(format!("{text:?} is not a date")).because(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn text(extra: &str) -> String {
        format!(
            "Origin: Debian\nSuite: oldstable-security\nCodename: bookworm-security\nDate: Fri, 20 Nov 2026 00:12:41 UTC\nComponents: main contrib\nAcquire-By-Hash: yes\n{extra}SHA256:\n {SUM} 7 main/binary-amd64/Packages\n {SUM} 8 main/binary-amd64/Packages.xz\n {SUM} 9 main/binary-arm64/Packages\n nonsense\n"
        )
    }

    #[test]
    fn indexes_are_found_by_component_and_architecture() {
        let release = Release::parse(&text("")).expect("a release");
        let index = release.packages("main", "amd64").expect("an index");
        assert_eq!((index.plain.size, index.fetched.size), (7, 8));
        assert_eq!(index.compression, IndexCompression::Xz);
        assert_eq!(release.packages("main", "arm64").expect("an index").compression, IndexCompression::None);
        assert!(release.packages("main", "i386").is_none());
        assert_eq!(release.date, 1_795_133_561);
        assert!(release.by_hash && !release.not_automatic);
    }

    #[test]
    fn another_suite_is_refused() {
        let release = Release::parse(&text("")).expect("a release");
        assert!(release.check_suite("bookworm-security").is_ok());
        assert!(release.check_suite("oldstable-security").is_ok());
        assert_eq!(release.check_suite("bookworm").expect_err("refused").kind(), crate::Kind::Integrity);
    }

    #[test]
    fn what_is_no_longer_valid_is_refused() {
        let until = "Valid-Until: Fri, 27 Nov 2026 00:12:41 UTC\n";
        let release = Release::parse(&text(until)).expect("a release");
        assert!(release.check_time(at(release.date + 6 * 86400)).is_ok());
        assert!(release.check_time(at(release.date + 8 * 86400)).is_err());
        let endless = Release::parse(&text("")).expect("a release");
        assert!(endless.check_time(at(release.date + 800 * 86400)).is_ok());
    }

    #[test]
    fn what_was_not_made_yet_is_refused() {
        let release = Release::parse(&text("")).expect("a release");
        assert!(release.check_made(at(release.date)).is_ok());
        assert!(release.check_made(at(release.date - 3000)).is_ok(), "clocks differ");
        let error = release.check_made(at(release.date - 86400)).expect_err("in the future");
        assert_eq!(error.kind(), crate::Kind::Integrity);
    }

    #[test]
    fn a_release_without_date_or_hashes_is_refused() {
        for broken in
            ["Suite: x\nSHA256:\n", "Date: Fri, 20 Nov 2026 00:12:41 UTC\n", "Date: soon\nSHA256:\n"]
        {
            assert_eq!(Release::parse(broken).expect_err(broken).kind(), crate::Kind::Integrity);
        }
    }
}
