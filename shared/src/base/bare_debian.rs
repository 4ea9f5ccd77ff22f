//! The base `deb:SUITE`: what Debian packages take for granted, and no package yet.
//!
//! It lies on the base `static`, which has users, root certificates and time zones. No registry is
//! asked for it: its bytes depend on the suite, the architecture and this program's version alone.

use crate::error::{Error, Result};
use crate::facts::tree::Tree;
use crate::layer::{Content, Entry, Layer, Press, Spec};
use crate::oci::media_type::{Compression, Format};
use crate::oci::{Mode, Owner, Platform};

/// Releases with the folders of programs and libraries below `/usr`, which all packages of them
/// expect, and the numbers of those that are out.
const RELEASES: &[(&str, Option<&str>)] =
    &[("bookworm", Some("12")), ("trixie", Some("13")), ("forky", None), ("sid", None)];

/// Architectures whose dynamic linker is below `/lib64`; elsewhere it is below `/lib`.
const WITH_LIB64: &[&str] = &["amd64", "loong64", "mips64le", "ppc64le"];

/// A release of Debian that a base can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    name: &'static str,
    /// Of what is out.
    number: Option<&'static str>,
}

impl Suite {
    /// Reads its code name.
    ///
    /// # Errors
    /// Usage when it is none, or one that means another release every few years.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(&(name, number)) = RELEASES.iter().find(|(name, _)| *name == text) {
            return Ok(Self { name, number });
        }
        let names: Vec<&str> = RELEASES.iter().map(|(name, _)| *name).collect();
        Err(match text {
            "stable" | "oldstable" | "testing" => {
                Error::usage(format!("the base \"deb:{text}\" would change with Debian's next release"))
            }
            _ => Error::usage(format!("the base \"deb:{text}\" does not name a release of Debian")),
        }
        .hint(format!("write deb:{}", names.join(" or deb:"))))
    }

    /// Its code name, as `trixie`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// os-release(5), which tells scanners whose packages these are, and us where more are.
    fn os_release(&self) -> String {
        let Self { name, number } = *self;
        let title = number.map_or_else(|| name.to_owned(), |number| format!("{number} ({name})"));
        let version =
            number.map(|n| format!("VERSION_ID=\"{n}\"\nVERSION=\"{title}\"\n")).unwrap_or_default();
        format!(
            "PRETTY_NAME=\"Debian GNU/Linux {title}\"\nNAME=\"Debian GNU/Linux\"\n{version}VERSION_CODENAME={name}\n\
             ID=debian\nHOME_URL=\"https://www.debian.org/\"\nSUPPORT_URL=\"https://www.debian.org/support\"\n\
             BUG_REPORT_URL=\"https://bugs.debian.org/\"\n"
        )
    }
}

/// The layer that makes the base `static` ready for packages of `suite`.
///
/// # Errors
/// When the store refuses.
pub(super) fn layer(
    suite: &Suite,
    platform: &Platform,
    press: &Press<'_>,
    compression: Compression,
) -> Result<Layer> {
    let title = format!("base deb:{}", suite.name());
    let entries = entries(suite, platform);
    let spec = Spec { title, entries, owner: Owner::ROOT, compression, format: Format::Oci };
    press.write(&spec, &Tree::default())
}

fn entries(suite: &Suite, platform: &Platform) -> Vec<Entry> {
    let mut folders = vec!["bin", "lib", "sbin"];
    if WITH_LIB64.contains(&platform.architecture.as_str()) {
        folders.push("lib64");
    }
    let mut entries = Vec::new();
    for folder in folders {
        entries.push(Entry::directory(format!("usr/{folder}"), Mode(0o755), Owner::ROOT));
        entries.push(Entry::symlink(folder, format!("usr/{folder}"), Owner::ROOT));
    }
    for folder in ["run", "var/lib/dpkg/status.d"] {
        entries.push(Entry::directory(folder, Mode(0o755), Owner::ROOT));
    }
    entries.push(Entry::directory("var/tmp", Mode(0o1777), Owner::ROOT));
    entries.push(Entry::symlink("var/run", "/run", Owner::ROOT));
    let os_release = Content::Bytes(suite.os_release().into());
    entries.push(Entry::file("usr/lib/os-release", os_release, Mode(0o644), Owner::ROOT));
    let version = format!("{}\n", suite.number.unwrap_or(suite.name));
    entries.push(Entry::file("etc/debian_version", Content::Bytes(version.into()), Mode(0o644), Owner::ROOT));
    entries.push(Entry::symlink("etc/os-release", "../usr/lib/os-release", Owner::ROOT));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Events;
    use crate::store::Store;

    fn made(suite: &str, architecture: &str) -> Layer {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path()).expect("store");
        let suite = Suite::parse(suite).expect("a suite");
        let platform = Platform::linux(architecture);
        let press = Press { store: &store, jobs: 1, use_memo: true, events: &Events::silent() };
        layer(&suite, &platform, &press, Compression::Gzip).expect("made")
    }

    /// Changes with the contract: the changelog names it.
    #[test]
    fn the_base_is_the_same_for_everyone() {
        let digest = made("trixie", "amd64").diff_id.to_string();
        assert_eq!(digest, "sha256:96792424cc42180a6081b4e248972cf340dd154e2b179daf48330d717b1c39e9");
        assert_ne!(made("trixie", "arm64").diff_id, made("trixie", "amd64").diff_id, "no /lib64 there");
        assert_ne!(made("bookworm", "amd64").diff_id, made("trixie", "amd64").diff_id);
    }

    #[test]
    fn releases_are_named_by_what_stays_theirs() {
        for text in ["stable", "testing", "buster", "13", "", "Trixie", "trixie-slim"] {
            let error = Suite::parse(text).expect_err(text);
            assert_eq!(error.kind(), crate::Kind::Usage);
            assert_eq!(
                error.hint_text(),
                Some("write deb:bookworm or deb:trixie or deb:forky or deb:sid"),
                "{text}"
            );
        }
        let text = Suite::parse("trixie").expect("a suite").os_release();
        assert!(text.contains("VERSION=\"13 (trixie)\"\n") && text.contains("\nID=debian\n"), "{text}");
        for unreleased in ["forky", "sid"] {
            assert!(!Suite::parse(unreleased).expect("a suite").os_release().contains("VERSION_ID"));
        }
    }
}
