//! Files and trees of this machine as entries.

use std::ffi::OsStr;
use std::path::Path;

use globset::GlobSet;
use walkdir::{DirEntry, WalkDir};

#[cfg(unix)]
use super::name;
use super::{Content, Entry, EntryKind};
use crate::error::{Context, Error, Result};
use crate::interrupt;
use crate::oci::{Mode, Owner};
use crate::system::globs::{self, NoGlob, Star};
use crate::system::{System, executables, leavings};

/// The file or tree `from` as entries below `to` (absolute in the image). A file whose `to`
/// ends with a slash keeps its name in that folder; the content of a folder goes to `to`
/// itself. Files get `mode`, else 0755 if their owner may run them, else 0644; links stay
/// links. `exclude` are globs relative to `from`; what they match stays out with all below it, and so does what
/// systems leave in folders.
///
/// # Errors
/// Usage: `from` is not there, a glob is wrong, or something is neither file, folder nor link.
/// Build: something cannot be read.
pub fn collect(
    from: &Path,
    to: &str,
    mode: Option<Mode>,
    owner: Owner,
    exclude: &[String],
) -> Result<Vec<Entry>> {
    let metadata = std::fs::metadata(from).map_err(|e| {
        Error::usage(format!("{} does not exist", from.display()))
            .because(e)
            .hint("paths are relative to the project")
    })?;
    let place = to.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    if !metadata.is_dir() {
        let name =
            if to.ends_with('/') { text(from, from.file_name().unwrap_or_default())? } else { String::new() };
        let path = join(&place, &name);
        if path.is_empty() {
            return Err(Error::usage(format!("{} cannot be the root of the image", from.display()))
                .hint("give it a place, for example FROM:/etc/name"));
        }
        return Ok(vec![file(from, &metadata, path, mode, owner)?]);
    }
    let exclude = globs(exclude)?;
    let mut entries = Vec::new();
    if !place.is_empty() {
        entries.push(folder(place.clone(), owner));
    }
    let kept = |entry: &DirEntry| {
        let relative = entry.path().strip_prefix(from).unwrap_or(entry.path());
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(exclude.is_match(relative) || leavings::is_leaving(&name))
    };
    for found in WalkDir::new(from).follow_root_links(true).min_depth(1).into_iter().filter_entry(kept) {
        interrupt::check()?;
        let found = found.context(|| format!("cannot read {}", from.display()))?;
        entries.push(entry(&found, from, &place, mode, owner)?);
    }
    Ok(entries)
}

fn entry(found: &DirEntry, from: &Path, place: &str, mode: Option<Mode>, owner: Owner) -> Result<Entry> {
    let path = found.path();
    let failed = || format!("cannot read {}", path.display());
    let relative = path.strip_prefix(from).unwrap_or(path);
    let parts = relative.iter().map(|part| Ok(System::HERE.name(text(path, part)?)));
    let parts = parts.collect::<Result<Vec<_>>>()?;
    let inside = join(place, &parts.join("/"));
    let kind = found.file_type();
    if kind.is_dir() {
        Ok(folder(inside, owner))
    } else if kind.is_symlink() {
        let target = std::fs::read_link(path).context(failed)?;
        let said = text(path, target.as_os_str())?;
        let said = System::HERE.link_target(&said).ok_or_else(|| {
            Error::usage(format!("{} is a link to {said}, which does not exist in an image", path.display()))
                .hint("exclude it, or make it a link with a relative path")
        })?;
        Ok(Entry::symlink(inside, said, owner))
    } else if kind.is_file() {
        let metadata = found.metadata().context(failed)?;
        file(path, &metadata, inside, mode, owner)
    } else {
        Err(Error::usage(format!("{} is not a file, folder or link", path.display()))
            .hint("exclude it, or remove it"))
    }
}

fn file(
    from: &Path,
    metadata: &std::fs::Metadata,
    path: String,
    mode: Option<Mode>,
    owner: Owner,
) -> Result<Entry> {
    if !metadata.is_file() {
        return Err(Error::usage(format!("{} is neither a file nor a folder", from.display())));
    }
    let usual = || Mode(if executables::is_executable(from, metadata) { 0o755 } else { 0o644 });
    Ok(Entry::file(path, Content::of_file(from)?, mode.unwrap_or_else(usual), owner))
}

fn folder(path: String, owner: Owner) -> Entry {
    Entry { kind: EntryKind::ImpliedDirectory, ..Entry::directory(path, Mode(0o755), owner) }
}

fn join(place: &str, name: &str) -> String {
    match (place, name) {
        ("", name) => name.to_owned(),
        (place, "") => place.to_owned(),
        (place, name) => format!("{place}/{name}"),
    }
}

#[cfg(unix)]
fn text(_: &Path, name: &OsStr) -> Result<String> {
    use std::os::unix::ffi::OsStrExt;
    Ok(name::text_of(name.as_bytes()))
}

#[cfg(not(unix))]
fn text(path: &Path, name: &OsStr) -> Result<String> {
    let text = name.to_str().ok_or_else(|| {
        Error::usage(format!("the name {} is not valid Unicode", path.display()))
            .hint("rename it, or exclude it")
    });
    text.map(str::to_owned)
}

/// Whether a file of this machine has capabilities (`capabilities(7)`). They do not go into a layer by
/// themselves.
#[cfg(target_os = "linux")]
pub fn has_capability(path: &Path) -> bool {
    rustix::fs::getxattr_query(path, super::header::CAPABILITY).is_ok_and(|size| size > 0)
}

/// Whether a file of this machine has capabilities: only Linux knows them.
#[cfg(not(target_os = "linux"))]
pub fn has_capability(_: &Path) -> bool {
    false
}

/// Whether what is left out can be told.
///
/// # Errors
/// Usage: one of these is no glob.
pub(crate) fn check_globs(patterns: &[String]) -> Result<()> {
    globs(patterns).map(drop)
}

/// Globs in which `*` stays within a folder and `**` does not. A pattern without a slash
/// matches names at any depth, as in ignore files.
fn globs(patterns: &[String]) -> Result<GlobSet> {
    let wrong = |pattern: &str, e: NoGlob| {
        Error::usage(format!("exclude: {pattern:?} is not a valid glob")).because(e)
    };
    let whole = |pattern: &String| {
        let trimmed = pattern.trim_start_matches("./").trim_matches('/');
        let anchored = pattern.trim_end_matches('/').contains('/');
        let text = if anchored { trimmed.to_owned() } else { format!("**/{trimmed}") };
        globs::one(&text, Star::WithinFolder).map(|_| text).map_err(|e| wrong(pattern, e))
    };
    let texts = patterns.iter().map(whole).collect::<Result<Vec<_>>>()?;
    globs::set(texts.iter().map(String::as_str), Star::WithinFolder).map_err(|e| wrong("", e))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path();
        std::fs::create_dir_all(root.join("a/b")).expect("folders");
        std::fs::create_dir(root.join("empty")).expect("folder");
        for name in ["run.sh", "a/x.txt", "a/b/y.txt", "a/b/z.log"] {
            std::fs::write(root.join(name), name).expect("file");
        }
        std::fs::set_permissions(root.join("run.sh"), PermissionsExt::from_mode(0o700)).expect("mode");
        symlink("../run.sh", root.join("a/link")).expect("link");
        folder
    }

    fn shown(entries: &[Entry]) -> Vec<String> {
        let mut lines: Vec<String> = entries.iter().map(|e| format!("{} {:o}", e.path, e.mode.0)).collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_tree_keeps_its_shape_with_plain_modes() {
        let folder = tree();
        let entries = collect(folder.path(), "/srv", None, Owner { uid: 1, gid: 2 }, &["*.log".into()])
            .expect("collected");
        assert_eq!(
            shown(&entries),
            [
                "srv 755",
                "srv/a 755",
                "srv/a/b 755",
                "srv/a/b/y.txt 644",
                "srv/a/link 777",
                "srv/a/x.txt 644",
                "srv/empty 755",
                "srv/run.sh 755"
            ]
        );
        assert!(entries.iter().all(|e| e.owner == Owner { uid: 1, gid: 2 }));
    }

    #[test]
    fn exclusions_take_whole_folders_and_may_be_anchored() {
        let folder = tree();
        let left = |pattern: &str| {
            shown(&collect(folder.path(), "/", None, Owner::ROOT, &[pattern.into()]).expect(pattern)).len()
        };
        assert_eq!(left("b"), 5, "a/b and both files in it");
        assert_eq!(left("/a/b/*.txt"), 7);
        assert_eq!(left("/b"), 8, "there is no b at the top");
        assert!(collect(folder.path(), "/", None, Owner::ROOT, &["a[".into()]).is_err());
    }

    #[test]
    fn a_file_goes_to_a_name_or_into_a_folder() {
        let folder = tree();
        let one = |to: &str| {
            shown(&collect(&folder.path().join("run.sh"), to, Some(Mode(0o500)), Owner::ROOT, &[]).expect(to))
        };
        assert_eq!(one("/bin/start"), ["bin/start 500"]);
        assert_eq!(one("/bin/"), ["bin/run.sh 500"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn capabilities_of_this_machines_files_are_noticed() {
        use super::super::header::CAPABILITY;
        use rustix::fs::{XattrFlags, setxattr};
        let folder = tree();
        let file = folder.path().join("run.sh");
        assert!(!has_capability(&file));
        let value = "cap_net_raw=p".parse::<crate::config::Capabilities>().expect("capabilities").to_bytes();
        // Only root may, and not on every file system.
        if setxattr(&file, CAPABILITY, &value, XattrFlags::empty()).is_ok() {
            assert!(has_capability(&file));
        }
    }

    #[test]
    fn names_need_not_be_unicode() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().expect("folder");
        let name = OsStr::from_bytes(b"bad\xff\xfename");
        std::fs::write(folder.path().join(name), "x").expect("file");
        symlink(name, folder.path().join("link")).expect("link");
        let entries = collect(folder.path(), "/srv", None, Owner::ROOT, &[]).expect("collected");
        let of = |end: &[u8]| entries.iter().find(|e| name::bytes_of(&e.path).ends_with(end));
        assert!(of(b"srv/bad\xff\xfename").is_some());
        let Some(EntryKind::Symlink(target)) = of(b"link").map(|e| &e.kind) else { panic!("no link") };
        assert_eq!(&*name::bytes_of(target), name.as_bytes());
        assert_eq!(
            collect(folder.path(), "/srv", None, Owner::ROOT, &["bad*".into()]).expect("collected").len(),
            2
        );
    }

    #[test]
    fn what_cannot_go_in_is_named() {
        let folder = tree();
        let error =
            collect(&folder.path().join("nothing"), "/x", None, Owner::ROOT, &[]).expect_err("refused");
        assert_eq!(error.kind(), crate::Kind::Usage);
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).expect("socket");
        let error = collect(folder.path(), "/x", None, Owner::ROOT, &[]).expect_err("refused");
        assert!(error.to_string().contains("socket is not a file"), "{error}");
    }
}
