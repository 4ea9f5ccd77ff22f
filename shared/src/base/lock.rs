//! `containerize.lock`: which digests the bases of a project had when they were last looked at, and
//! which Debian packages went on top of them.
//!
//! A tag moves, and so do the versions of packages; a build that should not move with them reads
//! them from here.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::debian;
use crate::error::{Context, Error, Result};
use crate::interrupt;
use crate::oci::{Digest, Platform, Reference};
use crate::read;
use crate::store::replace::{self, Over};
use crate::words;
use crate::words::Command;

/// The file's name, beside the workspace's Cargo.toml.
pub const FILE: &str = "containerize.lock";

const VERSION: u32 = 1;
const HEADER: &str = "# The base images of this project, and the Debian packages added to them. Written and updated by `containerize lock`.
# Builds use these digests, even if the names refer to something else by now.
";

/// The digests of registry bases, by their full names, and packages for bases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseLock {
    bases: BTreeMap<String, Digest>,
    packages: Vec<LockedPackages>,
    /// What single platforms had, by reference and platform: these are in no file.
    platforms: BTreeMap<(String, String), Digest>,
}

/// The Debian packages that were chosen for one base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackages {
    /// The base, as it was named.
    pub base: String,
    /// The platform that they were chosen for, as `linux/amd64`.
    pub platform: String,
    /// What was asked for: `NAME` or `NAME=VERSION`.
    pub wanted: Vec<String>,
    /// Stands for what the choice depends on: the base's packages, the sources and what was asked for.
    pub state: Digest,
    /// Everything that was chosen, dependencies too, each with its version, address and digest.
    #[serde(default, rename = "package")]
    pub packages: Vec<debian::Package>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    #[serde(default)]
    bases: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    debian: Vec<LockedPackages>,
}

impl BaseLock {
    /// Reads the file; one that is not there pins nothing.
    ///
    /// # Errors
    /// Usage when it is there and is no lock file of this program.
    pub fn read(path: &Path) -> Result<Self> {
        let broken = || {
            Error::usage(format!("{} cannot be read", path.display()))
                .hint(words!("delete it and run `{lock}`", lock = Command::LOCK))
        };
        let text = match read::text(path, read::LOCK) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(broken().because(error)),
        };
        let document: Document =
            toml::from_str(&text).map_err(|e| broken().because(read::toml_words(path, &e)))?;
        if document.version != VERSION {
            let version = document.version;
            return Err(broken()
                .because(format!("it has version {version}, but this program supports version {VERSION}")));
        }
        let mut lock = Self { packages: document.debian, ..Self::default() };
        for (name, digest) in document.bases {
            let reference: Reference = name.parse().map_err(|e: Error| broken().because(e))?;
            lock.insert(
                &reference,
                digest.parse().map_err(|e: crate::oci::DigestParseError| broken().because(e))?,
            );
        }
        Ok(lock)
    }

    /// The digest of the reference's index or manifest, if it is pinned.
    pub fn get(&self, reference: &Reference) -> Option<Digest> {
        self.bases.get(&reference.to_string()).copied()
    }

    /// Pins the manifest that one platform had, for this call alone.
    pub fn pin(&mut self, reference: &Reference, platform: &Platform, digest: Digest) {
        self.platforms.insert((reference.to_string(), platform.to_string()), digest);
    }

    /// The digest that a reference had for a platform when it was pinned.
    pub fn get_for(&self, reference: &Reference, platform: &Platform) -> Option<Digest> {
        let own = self.platforms.get(&(reference.to_string(), platform.to_string()));
        own.copied().or_else(|| self.get(reference))
    }

    /// What of it is in the file.
    #[must_use]
    pub fn of_file(&self) -> Self {
        Self { platforms: BTreeMap::new(), ..self.clone() }
    }

    /// Pins a reference.
    pub fn insert(&mut self, reference: &Reference, digest: Digest) {
        self.bases.insert(reference.to_string(), digest);
    }

    /// The packages that were chosen for a base.
    pub fn packages(&self, base: &str, platform: &str, wanted: &[String]) -> Option<&LockedPackages> {
        self.packages.iter().find(|set| set.base == base && set.platform == platform && set.wanted == wanted)
    }

    /// Pins the packages for a base.
    pub fn insert_packages(&mut self, set: LockedPackages) {
        let same = |other: &LockedPackages| {
            (&other.base, &other.platform, &other.wanted) == (&set.base, &set.platform, &set.wanted)
        };
        self.packages.retain(|other| !same(other));
        self.packages.push(set);
        let key = |set: &LockedPackages| (set.base.clone(), set.platform.clone(), set.wanted.clone());
        self.packages.sort_by_key(key);
    }

    /// Writes the file whole, or leaves it as it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let bases = self.bases.iter().map(|(name, digest)| (name.clone(), digest.to_string())).collect();
        let document = toml::to_string(&Document { version: VERSION, bases, debian: self.packages.clone() })
            .map_err(|e| Error::bug("the lock cannot be serialised").because(e))?;
        let text = format!("{HEADER}{document}");
        if read::text(path, read::LOCK).is_ok_and(|there| there == text) {
            return Ok(());
        }
        let write = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(Path::new("."));
            let mut file = tempfile::Builder::new().prefix(".containerize-lock-").tempfile_in(folder)?;
            file.write_all(text.as_bytes())?;
            crate::store::make_readable(&file)?;
            file.as_file().sync_all()?;
            interrupt::check_io()?;
            replace::persist(file, path, Over::Anything).map_err(|(error, _)| error)
        };
        write().context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> Reference {
        text.parse().expect("reference")
    }

    #[test]
    fn what_is_written_is_read_under_any_spelling() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(FILE);
        let mut lock = BaseLock::read(&path).expect("nothing yet");
        assert_eq!(lock, BaseLock::default());
        let digest = Digest::of(b"x");
        lock.insert(&reference("debian:12"), digest);
        lock.write(&path).expect("written");
        let read = BaseLock::read(&path).expect("read");
        assert_eq!(read, lock);
        assert_eq!(read.get(&reference("docker.io/library/debian:12")), Some(digest));
        assert_eq!(read.get(&reference("debian:13")), None);
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(text.contains(&format!("\"docker.io/library/debian:12\" = \"{digest}\"")), "{text}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1);
    }

    #[test]
    fn packages_are_pinned_for_a_base_and_a_platform() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(FILE);
        let set = |platform: &str, version: &str| LockedPackages {
            base: "debian:12".into(),
            platform: platform.into(),
            wanted: vec!["libpq5".into()],
            state: Digest::of(b"state"),
            packages: vec![debian::Package {
                name: "libpq5".into(),
                version: version.into(),
                architecture: "amd64".into(),
                url: "http://deb.debian.org/debian/pool/x.deb".into(),
                size: 7,
                digest: Digest::of(b"x"),
            }],
        };
        let mut lock = BaseLock::default();
        for (platform, version) in [("linux/arm64", "15"), ("linux/amd64", "15"), ("linux/amd64", "16")] {
            lock.insert_packages(set(platform, version));
        }
        lock.write(&path).expect("written");
        let read = BaseLock::read(&path).expect("read");
        assert_eq!(read, lock);
        let wanted = ["libpq5".to_owned()];
        assert_eq!(read.packages("debian:12", "linux/amd64", &wanted), Some(&set("linux/amd64", "16")));
        assert_eq!(read.packages("debian:13", "linux/amd64", &wanted), None);
        assert_eq!(read.packages("debian:12", "linux/amd64", &[]), None);
    }

    #[test]
    fn a_broken_file_says_how_to_make_it_anew() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(FILE);
        for text in [
            "version = 2",
            "version = 1\n[bases]\n\"Debian\" = \"sha256:x\"",
            "version = 1\n[bases]\n\"debian\" = \"sha256:x\"",
            "version = 1\n[base]",
            "<<<<<<< HEAD",
        ] {
            std::fs::write(&path, text).expect("file");
            let error = BaseLock::read(&path).expect_err(text);
            assert_eq!(error.kind(), crate::Kind::Usage);
            assert!(error.hint_text().is_some_and(|hint| hint.contains("containerize lock")), "{error:?}");
        }
    }
}
