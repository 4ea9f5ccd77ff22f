//! The digest of a project's folder: all that its wheel may be made of.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use crate::error::{Context, Result};
use crate::oci::{Digest, HashingWriter};
use crate::read;
use crate::system::{executables, leavings, places};

/// Folders that tools make and no wheel is made of, wherever they are.
const NEVER: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    ".bzr",
    "__pycache__",
    ".tox",
    ".nox",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    ".eggs",
    ".idea",
    ".vscode",
    "node_modules",
];

/// Folders at the top that old builds leave, unless they are packages.
const OUTPUTS: &[&str] = &["build", "dist", "htmlcov"];

/// The digest of paths, modes, links and bytes below `folder`, in an order of its own.
///
/// # Errors
/// When something cannot be read.
pub(super) fn digest(folder: &Path) -> Result<Digest> {
    let mut hash = HashingWriter::new(io::sink());
    for entry in files(folder) {
        let entry = entry.context(|| format!("cannot read {}", folder.display()))?;
        add(&mut hash, folder, &entry).context(|| format!("cannot read {}", entry.path().display()))?;
    }
    Ok(hash.finish().1)
}

/// What a wheel may be made of, in an order of its own.
pub(super) fn files(folder: &Path) -> impl Iterator<Item = walkdir::Result<DirEntry>> {
    WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(belongs)
}

fn add(hash: &mut HashingWriter<io::Sink>, folder: &Path, entry: &DirEntry) -> io::Result<()> {
    let path = entry.path().strip_prefix(folder).unwrap_or(entry.path());
    let kind = entry.file_type();
    if kind.is_dir() {
        return Ok(());
    }
    // Each part ends with a byte that is in no path, and content is preceded by its length.
    let place = places::below(path).unwrap_or_else(|| path.display().to_string());
    write!(hash, "{place}\0")?;
    if kind.is_symlink() {
        return write!(hash, "link\0{}\0", fs::read_link(entry.path())?.display());
    }
    if !kind.is_file() {
        return Ok(());
    }
    let mut file = read::file(entry.path())?;
    let metadata = file.metadata()?;
    write!(
        hash,
        "{}\0{}\0",
        if executables::is_executable(entry.path(), &metadata) { "run" } else { "file" },
        metadata.len()
    )?;
    io::copy(&mut file, hash).map(drop)
}

fn belongs(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    if entry.depth() == 0 {
        return true;
    }
    if leavings::is_leaving(&name) {
        return false;
    }
    if !entry.file_type().is_dir() {
        return !name.ends_with(".pyc") && !name.starts_with(".coverage");
    }
    let holds = |file: &str| entry.path().join(file).exists();
    let output = entry.depth() == 1 && OUTPUTS.contains(&name.as_ref()) && !holds("__init__.py");
    // A cache says so itself (https://bford.info/cachedir/), and so does an environment.
    let said = holds("CACHEDIR.TAG") || holds("pyvenv.cfg");
    !output && !said && !NEVER.contains(&name.as_ref()) && !name.ends_with(".egg-info")
}

/// Whether the project takes its version from version control, as far as its own files tell.
pub(super) fn version_is_in_vcs(folder: &Path) -> bool {
    const SIGNS: &[&str] = &[
        "scm",
        "vcs",
        "versioneer",
        "versioningit",
        "dunamai",
        "dynamic-versioning",
        "pbr",
        "git_version",
        "git-version",
    ];
    ["pyproject.toml", "setup.py", "setup.cfg"].iter().any(|name| {
        let text = read::text(&folder.join(name), read::DOCUMENT).unwrap_or_default();
        SIGNS.iter().any(|sign| text.contains(sign))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        put(&folder, "pyproject.toml", "[project]");
        put(&folder, "src/a.py", "x = 1");
        folder
    }

    fn put(folder: &tempfile::TempDir, path: &str, text: &str) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, text).expect("file");
    }

    fn of(folder: &tempfile::TempDir) -> Digest {
        digest(folder.path()).expect("digest")
    }

    #[test]
    fn the_place_does_not_matter_and_each_byte_does() {
        let (one, other) = (project(), project());
        assert_eq!(of(&one), of(&other));
        put(&other, "src/a.py", "x = 2");
        assert_ne!(of(&one), of(&other));
        put(&other, "src/a.py", "x = 1");
        put(&other, "src/b.py", "");
        assert_ne!(of(&one), of(&other), "an empty file is a module too");
    }

    #[test]
    fn what_tools_leave_does_not_matter() {
        let (one, other) = (project(), project());
        for path in [
            ".git/HEAD",
            "src/__pycache__/a.pyc",
            "src/a.egg-info/PKG-INFO",
            "build/lib/a.py",
            "dist/a.whl",
            "env/pyvenv.cfg",
            "target/CACHEDIR.TAG",
            ".coverage",
            ".DS_Store",
            "src/._a.py",
        ] {
            put(&other, path, "left");
        }
        assert_eq!(of(&one), of(&other));
        for path in ["src/build/x.py", "build/__init__.py"] {
            put(&other, path, "a package of that name");
            assert_ne!(of(&one), of(&other), "{path}");
            fs::remove_file(other.path().join(path)).expect("removed");
        }
    }

    #[test]
    #[cfg(unix)]
    fn modes_and_links_matter() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let (one, other) = (project(), project());
        let file = other.path().join("src/a.py");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
        assert_ne!(of(&one), of(&other));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("mode");
        assert_eq!(of(&one), of(&other), "only who may run it");
        symlink("a.py", one.path().join("src/l.py")).expect("link");
        symlink("b.py", other.path().join("src/l.py")).expect("link");
        assert_ne!(of(&one), of(&other));
    }

    #[test]
    fn versions_from_version_control_are_recognised() {
        let folder = project();
        assert!(!version_is_in_vcs(folder.path()));
        put(&folder, "pyproject.toml", "[build-system]\nrequires = ['hatchling', 'hatch-vcs']");
        assert!(version_is_in_vcs(folder.path()));
    }
}
