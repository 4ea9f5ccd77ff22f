//! Ignore files: git's and ripgrep's with git's rules, nested ones included, and Docker's.
//!
//! Only files that lie in the project or its repository count. What git ignores on one machine
//! alone (its global file, `.git/info/exclude`) would give other bytes on the next.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::docker::{DockerIgnore, Verdict};
use crate::error::{Context, Result};
use crate::read;
use crate::system::repository_of;

/// The files with git's rules, the stronger first.
const BY_GITS_RULES: &[&str] = &[".ignore", ".gitignore"];

/// The files with Docker's rules; the first that is there counts alone.
const BY_DOCKERS_RULES: &[&str] = &[".containerignore", ".dockerignore"];

/// The ignore files in force in a folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Ignores {
    /// The nearest first.
    files: Vec<Gitignore>,
}

/// What ignore files say of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ignored {
    /// Nothing.
    Silent,
    /// To leave it out.
    Yes,
    /// Not to leave it out, whatever was said of its folder.
    No,
}

impl Ignores {
    /// Those above the project, up to the root of the repository that it is in.
    pub(super) fn above(project: &Path) -> Self {
        let mut above = Self::default();
        let Some(repository) = repository_of(project) else {
            return above;
        };
        let between: Vec<&Path> =
            project.ancestors().skip(1).take_while(|folder| folder.starts_with(repository)).collect();
        for folder in between.into_iter().rev() {
            above = above.and_in(folder);
        }
        above
    }

    /// These and the ones in `folder`, which is inside.
    pub(super) fn and_in(&self, folder: &Path) -> Self {
        let own = BY_GITS_RULES.iter().map(|name| folder.join(name)).filter(|file| file.is_file());
        let own = own.filter_map(|file| {
            let mut builder = GitignoreBuilder::new(folder);
            let text = read::bytes(&file, read::DOCUMENT).ok()?;
            for line in String::from_utf8_lossy(&text).trim_start_matches('\u{feff}').lines() {
                // A line that is no pattern ignores nothing, as for git.
                let _ = builder.add_line(Some(file.clone()), line);
            }
            builder.build().ok()
        });
        Self { files: own.chain(self.files.iter().cloned()).collect() }
    }

    /// What the nearest pattern says of `path` alone, not of its folders.
    pub(super) fn verdict(&self, path: &Path, is_dir: bool) -> Ignored {
        let verdicts = self.files.iter().map(|file| file.matched(path, is_dir));
        match verdicts.into_iter().find(|found| !found.is_none()) {
            Some(found) if found.is_ignore() => Ignored::Yes,
            Some(_) => Ignored::No,
            None => Ignored::Silent,
        }
    }
}

/// Reads the file with Docker's rules, if the project has one.
pub(super) fn dockers(project: &Path) -> Result<DockerIgnore> {
    for name in BY_DOCKERS_RULES {
        let file = project.join(name);
        if file.is_file() {
            let text =
                read::bytes(&file, read::DOCUMENT).context(|| format!("cannot read {}", file.display()))?;
            return Ok(DockerIgnore::parse(&String::from_utf8_lossy(&text)));
        }
    }
    Ok(DockerIgnore::default())
}

/// Both kinds of files' word on a path. What is said for images weighs more than what is said for
/// repositories.
pub(super) fn together(docker: Verdict, git: Ignored) -> Ignored {
    match (docker, git) {
        (Verdict::Ignored, _) => Ignored::Yes,
        (Verdict::Excepted, _) => Ignored::No,
        // An exception of git's does not reach into an ignored folder.
        (Verdict::Silent, Ignored::No) => Ignored::Silent,
        (Verdict::Silent, git) => git,
    }
}
