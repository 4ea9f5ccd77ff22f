//! Where the repository is that a folder is in.

use std::path::Path;

/// The folder that has a `.git`, `dir` itself or one above it: of a repository, or of a worktree or submodule of one.
/// As git does, it passes over a link that leads nowhere.
pub fn repository_of(dir: &Path) -> Option<&Path> {
    dir.ancestors().find(|above| above.join(".git").exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_nearest_git_counts_be_it_a_folder_or_a_file() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("outer/.git")).expect("folder");
        fs::create_dir_all(at("outer/tree/deep")).expect("folder");
        assert_eq!(repository_of(&at("outer/tree/deep")), Some(at("outer").as_path()));
        fs::write(at("outer/tree/.git"), "gitdir: ../.git/worktrees/tree\n").expect("file");
        assert_eq!(repository_of(&at("outer/tree/deep")), Some(at("outer/tree").as_path()));
        assert_eq!(repository_of(&at("outer")), Some(at("outer").as_path()));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_nowhere_is_no_repository() {
        let folder = tempfile::tempdir().expect("folder");
        let project = folder.path().join("project");
        fs::create_dir(&project).expect("folder");
        std::os::unix::fs::symlink("nowhere", project.join(".git")).expect("link");
        assert_ne!(repository_of(&project), Some(project.as_path()));
    }
}
