//! What cargo says while it builds, line by line in JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// A program that was made.
#[derive(Debug, Deserialize)]
pub(super) struct Artifact {
    pub(super) package_id: String,
    pub(super) target: Target,
    pub(super) executable: Option<Box<Path>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Target {
    pub(super) name: String,
    kind: Vec<String>,
}

impl Target {
    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|own| own == kind)
    }
}

/// A unit that cargo has compiled, or found compiled.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Unit {
    pub(super) package_id: String,
    pub(super) target: Target,
    #[serde(default)]
    pub(super) filenames: Vec<PathBuf>,
    #[serde(default)]
    pub(super) manifest_path: PathBuf,
}

/// What a build script asked for.
#[derive(Debug, Deserialize)]
struct Executed {
    package_id: String,
    #[serde(default)]
    linked_libs: Vec<String>,
    #[serde(default)]
    out_dir: PathBuf,
}

/// The messages that matter.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Binaries that were made.
    pub(super) programs: Vec<Artifact>,
    /// The names of packages of which anything was compiled.
    pub(super) compiled: BTreeSet<String>,
    /// Everything that was compiled, or found compiled.
    pub(super) units: Vec<Unit>,
    /// The folders that build scripts were given.
    pub(super) out_dirs: Vec<PathBuf>,
    /// The ids of packages whose build script was compiled.
    scripts: BTreeSet<String>,
    /// Those whose build script ended well, and the libraries that they want linked.
    executed: BTreeMap<String, Vec<String>>,
}

impl Messages {
    /// Reads to the end. Lines that are no messages are what some procedural macro printed.
    pub(super) async fn read(stdout: impl AsyncRead + Unpin) -> std::io::Result<Self> {
        let mut messages = Self::default();
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).await? > 0 {
            messages.add(&line);
            line.clear();
        }
        Ok(messages)
    }

    fn add(&mut self, line: &[u8]) {
        if line.starts_with(br#"{"reason":"compiler-artifact""#) {
            self.units.extend(serde_json::from_slice::<Unit>(line));
            let Ok(artifact) = serde_json::from_slice::<Artifact>(line) else { return };
            if artifact.target.is("custom-build") {
                self.scripts.insert(artifact.package_id);
            } else if artifact.executable.is_some() && artifact.target.is("bin") {
                self.programs.push(artifact);
            } else {
                self.compiled.insert(parts(&artifact.package_id).0.to_owned());
            }
        } else if line.starts_with(br#"{"reason":"build-script-executed""#)
            && let Ok(Executed { package_id, linked_libs, out_dir }) = serde_json::from_slice(line)
        {
            self.out_dirs.push(out_dir);
            self.executed.entry(package_id).or_default().extend(linked_libs);
        }
    }

    /// Name and version of the packages whose build script was begun and did not end well, after a
    /// build that failed. Some of them may only have been given up.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = (&str, &str)> {
        self.scripts.iter().filter(|id| !self.executed.contains_key(*id)).map(|id| parts(id))
    }

    /// Name and version of packages, and a shared library that the build script of each wants linked.
    pub(super) fn linked(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.executed.iter().flat_map(|(id, libraries)| {
            let shared = libraries.iter().filter_map(|library| match library.split_once('=') {
                Some(("dylib", name)) => Some(name),
                Some(_) => None,
                None => Some(library.as_str()),
            });
            shared.map(move |library| (parts(id).0, parts(id).1, library))
        })
    }
}

/// Name and version in a package id: `SOURCE#NAME@VERSION`, or `SOURCE/NAME#VERSION`.
pub(super) fn parts(id: &str) -> (&str, &str) {
    let (source, fragment) = id.rsplit_once('#').unwrap_or((id, ""));
    // The branch or tag of a repository.
    let place = source.split('?').next().unwrap_or(source);
    fragment.split_once('@').unwrap_or_else(|| (place.rsplit('/').next().unwrap_or(place), fragment))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cargo) fn artifact(package: &str, name: &str, kind: &str, executable: &str) -> String {
        format!(
            "{{\"reason\":\"compiler-artifact\",\"package_id\":\"path+file:///w/{package}#1.0.0\",\
             \"target\":{{\"kind\":[\"{kind}\"],\"name\":\"{name}\"}},\"executable\":{executable}}}\n"
        )
    }

    #[test]
    fn package_ids_tell_name_and_version() {
        assert_eq!(parts("registry+https://x/index#openssl-sys@0.9.118"), ("openssl-sys", "0.9.118"));
        assert_eq!(parts("path+file:///w/my%20app#1.0.0"), ("my%20app", "1.0.0"));
        assert_eq!(parts("git+https://x/y?rev=a#y@1.2.3+4"), ("y", "1.2.3+4"));
        assert_eq!(parts("git+https://x/y?branch=a/b#1.2.3"), ("y", "1.2.3"));
    }

    #[tokio::test]
    async fn what_is_no_message_is_passed_over() {
        let lines = ["a macro says hello\n", "{\"reason\":\"compiler-artifact\",\n", "\u{0}\n"].concat();
        let messages = Messages::read(lines.as_bytes()).await.expect("lines");
        assert!(messages.programs.is_empty() && messages.unfinished().next().is_none());
    }
}
