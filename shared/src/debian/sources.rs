//! Where packages come from: what the configuration names, else what the base's own apt would ask
//! (sources.list(5)), else Debian's mirrors for the release that the base is.

use super::control::Paragraph;
use crate::error::{Error, Result};
use crate::system::os_release;

/// Debian's own name for its mirrors. Signatures make plain HTTP as good as any, as they do for
/// apt itself.
const MIRROR: &str = "http://deb.debian.org/debian";
const SECURITY: &str = "http://deb.debian.org/debian-security";
const SNAPSHOT: &str = "https://snapshot.debian.org/archive";

/// One suite of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The archive's URL, without a slash at its end.
    pub url: String,
    /// As `bookworm-security`; a flat archive's path ends with a slash.
    pub suite: String,
    /// As `main`.
    pub components: Vec<String>,
}

impl Source {
    /// Whether its URL fixes the time: what is there was valid when it was.
    pub fn is_snapshot(&self) -> bool {
        self.url.split('/').any(is_time)
    }
}

/// Whether it is written as snapshot archives write a time: `20250520T000000Z`.
pub fn is_time(text: &str) -> bool {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let time = text.strip_suffix('Z').and_then(|text| text.split_once('T'));
    time.is_some_and(|(day, time)| digits(day, 8) && digits(time, 6))
}

/// What the configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Another mirror than the base's.
    pub mirror: Option<&'a str>,
    /// Another suite than the base's: one with its updates, or exactly these.
    pub suites: &'a [String],
    /// Whether `suites` are all that is wanted.
    pub exactly: bool,
    /// The time of a snapshot, as `20250520T000000Z`.
    pub snapshot: Option<&'a str>,
    /// Whether a keyring is named, so that others than Debian may sign.
    pub keyring: bool,
}

/// What is known of a base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base<'a> {
    /// The text of `/etc/os-release`.
    pub os_release: Option<&'a str>,
    /// Apt's files: their names and texts, in the order of apt.
    pub apt: Vec<(&'a str, &'a str)>,
}

/// The sources, and words about those that are left out.
///
/// # Errors
/// Usage when nothing tells which release the base is.
pub fn sources(wanted: &Wanted<'_>, base: &Base<'_>) -> Result<(Vec<Source>, Vec<String>)> {
    let mut notes = Vec::new();
    let release = base.os_release.and_then(codename);
    if wanted.mirror.is_none() && wanted.suites.is_empty() && wanted.snapshot.is_none() {
        let mut found = Vec::new();
        for (name, text) in &base.apt {
            let (sources, left_out) = listed(name, text, wanted.keyring);
            found.extend(sources.into_iter().filter(|source| !found.contains(source)).collect::<Vec<_>>());
            notes.extend(left_out);
        }
        if !found.is_empty() {
            return Ok((found, notes));
        }
    }
    let suite = wanted.suites.first().cloned().or(release).ok_or_else(|| {
        Error::usage("the base does not say which release of Debian it is")
            .hint("use a base made of Debian packages, or set a suite: debian = { packages = [...], suite = \"bookworm\" }")
    })?;
    Ok((usual(wanted, &suite), notes))
}

/// The suite with its updates, as Debian's images have them.
fn usual(wanted: &Wanted<'_>, suite: &str) -> Vec<Source> {
    let source = |url: &str, suite: String| Source {
        url: url.trim_end_matches('/').to_owned(),
        suite,
        components: vec!["main".into()],
    };
    let rolling =
        matches!(suite, "sid" | "unstable" | "experimental") || suite.contains('-') || suite.ends_with('/');
    let (mirror, security) = match (wanted.mirror, wanted.snapshot) {
        (Some(mirror), _) => (mirror.to_owned(), security_of(mirror)),
        (None, Some(time)) => {
            (format!("{SNAPSHOT}/debian/{time}"), Some(format!("{SNAPSHOT}/debian-security/{time}")))
        }
        (None, None) => (MIRROR.to_owned(), Some(SECURITY.to_owned())),
    };
    if wanted.exactly {
        let place = |suite: &String| match &security {
            Some(security) if suite.ends_with("-security") => source(security, suite.clone()),
            _ => source(&mirror, suite.clone()),
        };
        return wanted.suites.iter().map(place).collect();
    }
    let mut found = vec![source(&mirror, suite.to_owned())];
    if !rolling {
        // A mirror of somebody's own may have this suite and nothing else.
        if wanted.mirror.is_none() || security.is_some() {
            found.push(source(&mirror, format!("{suite}-updates")));
        }
        found.extend(security.map(|url| source(&url, format!("{suite}-security"))));
    }
    found
}

/// Mirrors have the security archive beside the other one.
fn security_of(mirror: &str) -> Option<String> {
    let mirror = mirror.trim_end_matches('/');
    match mirror.rsplit_once("/debian/") {
        Some((front, time)) if is_time(time) => Some(format!("{front}/debian-security/{time}")),
        _ => mirror.strip_suffix("/debian").map(|front| format!("{front}/debian-security")),
    }
}

/// The code name in `/etc/os-release` of a Debian.
fn codename(text: &str) -> Option<String> {
    let value = |key: &str| os_release::value(text, key);
    if value("ID")? != "debian" {
        return None;
    }
    // Distroless images have only the number.
    let name = value("VERSION_CODENAME").or_else(|| match value("VERSION_ID")? {
        "10" => Some("buster"),
        "11" => Some("bullseye"),
        "12" => Some("bookworm"),
        "13" => Some("trixie"),
        "14" => Some("forky"),
        _ => None,
    });
    name.map(str::to_owned)
}

/// The sources of one of apt's files, and words about those that are left out.
fn listed(name: &str, text: &str, keyring: bool) -> (Vec<Source>, Vec<String>) {
    if name.ends_with(".sources") { deb822(text, keyring) } else { one_line(text, keyring) }
}

fn deb822(text: &str, keyring: bool) -> (Vec<Source>, Vec<String>) {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for paragraph in Paragraph::all(text) {
        let words = |field: &str| -> Vec<String> {
            paragraph.get(field).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
        };
        let off = paragraph.get("Enabled").is_some_and(|value| matches!(value, "no" | "false" | "0"));
        if off || !words("Types").iter().any(|word| word == "deb") {
            continue;
        }
        for url in words("URIs") {
            for suite in words("Suites") {
                let signed_by = paragraph.get("Signed-By");
                add(&url, &suite, words("Components"), signed_by, keyring, &mut found, &mut notes);
            }
        }
    }
    (found, notes)
}

fn one_line(text: &str, keyring: bool) -> (Vec<Source>, Vec<String>) {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t'])) else {
            continue;
        };
        let rest = rest.trim();
        let (options, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((options, rest)) => (options, rest),
            None => ("", rest),
        };
        let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        let mut words = rest.split_whitespace();
        let (Some(url), Some(suite)) = (words.next(), words.next()) else { continue };
        let components = words.map(str::to_owned).collect();
        add(url, suite, components, signed_by, keyring, &mut found, &mut notes);
    }
    (found, notes)
}

fn add(
    url: &str,
    suite: &str,
    components: Vec<String>,
    signed_by: Option<&str>,
    keyring: bool,
    found: &mut Vec<Source>,
    notes: &mut Vec<String>,
) {
    let fetched = url.starts_with("http://") || url.starts_with("https://");
    // Other keys lie in the base, and their archives are seldom what an image is made from.
    let debians = signed_by.is_none_or(|key| key.contains("debian-archive"));
    let reason = match () {
        () if !fetched => Some("it is not fetched by HTTP"),
        () if components.is_empty() => Some("flat archives are not supported"),
        () if !(debians || keyring) => {
            Some("it is signed by a key that is not Debian's; set that with debian.keyring")
        }
        () => None,
    };
    if let Some(reason) = reason {
        notes.push(format!("ignoring the base's source {url}: {reason}"));
        return;
    }
    let source = Source { url: url.trim_end_matches('/').to_owned(), suite: suite.to_owned(), components };
    if !found.contains(&source) {
        found.push(source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: &[Source]) -> Vec<String> {
        found.iter().map(|s| format!("{} {} {}", s.url, s.suite, s.components.join(" "))).collect()
    }

    const DEB822: &str = "Types: deb\n# http://snapshot.debian.org/archive/debian/20250520T000000Z\nURIs: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\nTypes: deb deb-src\nURIs: https://deb.nodesource.com/node_20.x\nSuites: nodistro\nComponents: main\nSigned-By: /usr/share/keyrings/nodesource.gpg\n\nTypes: deb\nEnabled: no\nURIs: http://x/debian\nSuites: sid\n";

    #[test]
    fn the_bases_own_sources_count() {
        let base = Base { os_release: None, apt: vec![("debian.sources", DEB822)] };
        let (found, notes) = sources(&Wanted::default(), &base).expect("sources");
        assert_eq!(
            shown(&found),
            [
                "http://deb.debian.org/debian bookworm main",
                "http://deb.debian.org/debian bookworm-updates main"
            ]
        );
        assert_eq!(notes.len(), 1, "{notes:?}");
        let wanted = Wanted { keyring: true, ..Wanted::default() };
        assert_eq!(sources(&wanted, &base).expect("sources").0.len(), 3);
    }

    #[test]
    fn lines_have_options_and_comments() {
        let text = "# deb http://a x\ndeb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://a/debian/ trixie main contrib # why\ndeb-src http://a trixie main\ndeb cdrom:[x]/ trixie main\ndeb http://b\n";
        let base = Base { os_release: None, apt: vec![("sources.list", text)] };
        let (found, notes) = sources(&Wanted::default(), &base).expect("sources");
        assert_eq!(shown(&found), ["http://a/debian trixie main contrib"]);
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn a_release_without_sources_has_the_usual_ones() {
        let distroless = "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"\n";
        let base = Base { os_release: Some(distroless), apt: vec![] };
        let urls = |wanted: Wanted<'_>| shown(&sources(&wanted, &base).expect("sources").0);
        assert_eq!(
            urls(Wanted::default()),
            [
                "http://deb.debian.org/debian bookworm main",
                "http://deb.debian.org/debian bookworm-updates main",
                "http://deb.debian.org/debian-security bookworm-security main"
            ]
        );
        let snapshot = urls(Wanted { snapshot: Some("20250520T000000Z"), ..Wanted::default() });
        assert_eq!(
            snapshot[2],
            "https://snapshot.debian.org/archive/debian-security/20250520T000000Z bookworm-security main"
        );
        assert_eq!(
            urls(Wanted {
                mirror: Some("https://mirror/debian/"),
                suites: &["sid".into()],
                ..Wanted::default()
            }),
            ["https://mirror/debian sid main"]
        );
        let two = ["trixie".into(), "trixie-security".into()];
        assert_eq!(
            urls(Wanted { suites: &two, exactly: true, ..Wanted::default() }),
            [
                "http://deb.debian.org/debian trixie main",
                "http://deb.debian.org/debian-security trixie-security main"
            ]
        );
        assert_eq!(urls(Wanted { mirror: Some("https://mirror/own"), ..Wanted::default() }).len(), 1);
        let time = Wanted { mirror: Some("https://m/archive/debian/20250520T000000Z"), ..Wanted::default() };
        assert_eq!(
            urls(time)[2],
            "https://m/archive/debian-security/20250520T000000Z bookworm-security main"
        );
    }

    #[test]
    fn no_debian_is_no_source() {
        for text in ["ID=alpine\nVERSION_ID=3.20\n", "", "ID=debian\n"] {
            let base = Base { os_release: Some(text), apt: vec![] };
            assert_eq!(sources(&Wanted::default(), &base).expect_err(text).kind(), crate::Kind::Usage);
        }
    }

    #[test]
    fn a_url_may_fix_the_time() {
        let source = |url: &str| Source { url: url.into(), suite: "x".into(), components: vec![] };
        assert!(source("https://snapshot.debian.org/archive/debian/20250520T000000Z").is_snapshot());
        assert!(!source("https://deb.debian.org/debian").is_snapshot());
        assert!(!is_time("20250520T00000Z") && !is_time("now"));
    }
}
