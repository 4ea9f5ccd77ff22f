//! What belongs to a project: the repository that it is in, without the repository's own data.
//!
//! Whoever can change a link in a repository can change its files, so a link from one place of it to
//! another gives nothing away. One that leads elsewhere could carry any file of the machine into an
//! image, and `.git/config` holds tokens on CI machines.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::system::repository_of;

/// The repository of a project, or its folder where there is none.
#[derive(Debug, Clone)]
pub struct Territory {
    root: PathBuf,
}

impl Territory {
    /// That of the project in `dir`.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let dir = fs::canonicalize(dir)?;
        let root = repository_of(&dir).unwrap_or(&dir).to_owned();
        Ok(Self { root })
    }

    /// The part of `path`, which has no links in it, behind the root; `None` for what does not belong
    /// here.
    pub fn part<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        let part = path.strip_prefix(&self.root).ok()?;
        let is_data = part.iter().any(|part| is_version_control(&part.to_string_lossy()));
        (!is_data).then_some(part)
    }

    /// Where `path` leads, if links in it lead out of here. What is not there leads nowhere.
    pub fn escape(&self, path: &Path) -> Option<PathBuf> {
        let end = fs::canonicalize(path).ok()?;
        self.part(&end).is_none().then_some(end)
    }
}

/// Whether a folder or file of this name is a version control system's.
pub fn is_version_control(name: &str) -> bool {
    [".git", ".hg", ".svn", ".bzr", ".jj", "_darcs"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_may_lead_within_the_repository_but_not_into_its_data() {
        let machine = tempfile::tempdir().expect("folder");
        let at = |path: &str| machine.path().join(path);
        for folder in ["repo/.git", "repo/app", "repo/shared", "host"] {
            fs::create_dir_all(at(folder)).expect("made");
        }
        for file in ["repo/.git/config", "repo/shared/x", "host/shadow"] {
            fs::write(at(file), "").expect("written");
        }
        for (link, target) in [
            ("shared", "../shared"),
            ("config", "../.git/config"),
            ("shadow", "../../host/shadow"),
            ("host", "../../host"),
        ] {
            symlink(target, at("repo/app").join(link)).expect("link");
        }
        let territory = Territory::of(&at("repo/app")).expect("territory");
        let escapes = |path: &str| territory.escape(&at("repo/app").join(path)).is_some();
        assert_eq!(["shared/x", "missing"].map(escapes), [false; 2]);
        assert_eq!(["config", "shadow", "host/shadow", "host"].map(escapes), [true; 4]);
        fs::remove_dir_all(at("repo/.git")).expect("removed");
        let alone = Territory::of(&at("repo/app")).expect("territory");
        assert!(alone.escape(&at("repo/app/shared/x")).is_some(), "there is no repository");
    }
}
