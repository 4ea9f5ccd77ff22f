//! Unpacking source distributions: tar archives with gzip, and zip files, from people whom nobody
//! knows.
//!
//! Nothing is written outside of the folder, and nothing but files, directories and links
//! within it is made.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use crate::error::{Context, Error, Result};
use crate::read;
use crate::system::{executables, places};

/// No more is unpacked from one archive than this, in bytes.
const MOST_BYTES: u64 = 8 << 30;
/// Nor more entries than this.
const MOST_ENTRIES: usize = 1 << 20;

/// Why an archive cannot be unpacked; its name is added where it is known.
type Why = Box<dyn std::error::Error + Send + Sync>;

/// Unpacks `archive` into `folder`, which must be empty, and gives the folder that holds the
/// project: the only one at the top, or `folder` itself.
///
/// # Errors
/// When it is no archive that we read, is damaged, or wants something that no source
/// distribution has.
pub(super) fn unpack(archive: &Path, folder: &Path, name: &str) -> Result<PathBuf> {
    let what = || format!("cannot unpack {name}");
    let mut file = read::file(archive).context(what)?;
    let mut magic = Vec::new();
    file.by_ref().take(4).read_to_end(&mut magic).context(what)?;
    file.rewind().context(what)?;
    let mut modes = HashMap::new();
    // By its content: a URL's last part need not tell.
    match magic.as_slice() {
        [0x1f, 0x8b, ..] => untar(MultiGzDecoder::new(BufReader::new(file)), folder, &mut modes),
        [b'P', b'K', ..] => unzip(file, folder, &mut modes),
        _ => Err(Error::build("it is neither a tar.gz nor a zip file")
            .hint("a source distribution is a .tar.gz or .zip file; build a wheel from it yourself")
            .into()),
    }
    .context(what)?;
    executables::tell(folder, modes);
    project(folder).context(what)
}

fn project(folder: &Path) -> io::Result<PathBuf> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    // What archivers of some systems leave beside.
    let real = |entry: &&fs::DirEntry| entry.file_name() != "pax_global_header";
    match entries.iter().filter(real).collect::<Vec<_>>().as_slice() {
        [only] if only.file_type()?.is_dir() => Ok(only.path()),
        _ => Ok(folder.to_owned()),
    }
}

/// Files by their places, with whether they may be run.
type Modes = HashMap<String, bool>;

fn untar(reader: impl Read, folder: &Path, modes: &mut Modes) -> Result<(), Why> {
    let mut archive = tar::Archive::new(reader.take(MOST_BYTES));
    for (count, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let shown = path.display().to_string();
        refuse_many(count)?;
        if !stays_inside(&path) {
            return Err(Error::build(format!("it contains the path {shown}, which leads out of it")).into());
        }
        match entry.header().entry_type() {
            // Folders come with what is in them; their modes would only be in the way.
            EntryType::Directory | EntryType::XGlobalHeader => continue,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {}
            EntryType::Symlink | EntryType::Link => {
                let target = entry.link_name()?.unwrap_or_default().into_owned();
                let from = match entry.header().entry_type() {
                    EntryType::Symlink => path.parent().unwrap_or(Path::new("")).join(&target),
                    _ => target.clone(),
                };
                if target.is_absolute() || !stays_inside(&from) {
                    let target = target.display();
                    return Err(Error::build(format!(
                        "it contains the link {shown}, which leads to {target}"
                    ))
                    .into());
                }
            }
            other => {
                return Err(Error::build(format!(
                    "it contains {shown}, which is not a file but of type {other:?}"
                ))
                .into());
            }
        }
        modes.extend(places::below(&path).zip(entry.header().mode().ok().map(|mode| mode & 0o100 != 0)));
        entry.set_preserve_permissions(false);
        // `false`: a link that came before leads out.
        if !entry.unpack_in(folder)? {
            return Err(Error::build(format!("it contains the path {shown}, which leads out of it")).into());
        }
    }
    Ok(())
}

fn unzip(file: File, folder: &Path, modes: &mut Modes) -> Result<(), Why> {
    let mut archive = zip::ZipArchive::new(BufReader::new(file))?;
    let mut left = MOST_BYTES;
    for index in 0..archive.len() {
        refuse_many(index)?;
        let entry = archive.by_index(index)?;
        let name = entry.name()?.into_owned();
        let path = PathBuf::from(&name);
        if !stays_inside(&path) || name.contains(['\\', '\0']) {
            return Err(Error::build(format!("it contains the path {name}, which leads out of it")).into());
        }
        if entry.is_symlink() {
            return Err(Error::build(format!(
                "it contains the link {name}, which is not allowed in zip files"
            ))
            .into());
        }
        let executable = entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0);
        modes.extend(places::below(&path).map(|place| (place, executable)));
        let path = folder.join(path);
        if entry.is_dir() {
            fs::create_dir_all(&path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = File::create(&path)?;
        let copied = io::copy(&mut entry.take(left.saturating_add(1)), &mut file)?;
        left = left
            .checked_sub(copied)
            .ok_or_else(|| Error::build(format!("it unpacks to more than {MOST_BYTES} bytes")))?;
        if executable {
            make_executable(&file)?;
        }
    }
    Ok(())
}

fn refuse_many(count: usize) -> Result<()> {
    if count < MOST_ENTRIES {
        return Ok(());
    }
    Err(Error::build(format!("it contains more than {MOST_ENTRIES} entries")))
}

/// Whether a path stays below where it starts at each of its steps.
fn stays_inside(path: &Path) -> bool {
    let mut depth = 0u32;
    for component in path.components() {
        match component {
            Component::Normal(_) => depth = depth.saturating_add(1),
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

/// `folder/below`, where that is a folder within it.
pub(super) fn subdirectory(folder: PathBuf, below: Option<&str>) -> Result<PathBuf> {
    let Some(below) = below.filter(|below| !below.is_empty()) else { return Ok(folder) };
    let path = folder.join(below);
    let real = |path: &Path| fs::canonicalize(path).ok();
    let inside = real(&path).zip(real(&folder)).is_some_and(|(path, folder)| path.starts_with(folder));
    if !inside || !path.is_dir() {
        return Err(Error::build(format!("the source has no folder {below}"))
            .hint("check `subdirectory` in the dependency, and the lock"));
    }
    Ok(path)
}

#[cfg(unix)]
fn make_executable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    enum Entry<'a> {
        File(&'a str, u32),
        Link(&'a str, &'a str),
        Hard(&'a str, &'a str),
        Other(&'a str, EntryType),
    }
    use Entry::{File as F, Hard, Link, Other};

    fn tar_gz(entries: &[Entry<'_>]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("file");
        let mut builder = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
        for entry in entries {
            let mut header = tar::Header::new_gnu();
            let (name, kind, target, mode) = match entry {
                F(name, mode) => (*name, EntryType::Regular, "", *mode),
                Link(name, target) => (*name, EntryType::Symlink, *target, 0o777),
                Hard(name, target) => (*name, EntryType::Link, *target, 0o644),
                Other(name, kind) => (*name, *kind, "", 0o755),
            };
            header.set_entry_type(kind);
            header.set_mode(mode);
            // The crate's own setters refuse what we are about to refuse.
            let gnu = header.as_gnu_mut().expect("gnu");
            gnu.name[..name.len()].copy_from_slice(name.as_bytes());
            gnu.linkname[..target.len()].copy_from_slice(target.as_bytes());
            let content: &[u8] = if kind == EntryType::Regular { b"x" } else { b"" };
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content).expect("entry");
        }
        builder.into_inner().expect("tar").finish().expect("gzip")
    }

    fn zip_of(entries: &[(&str, u32)]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        let mut zip = zip::ZipWriter::new(&mut file);
        for (name, mode) in entries {
            let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
            zip.start_file(*name, options).expect("entry");
            zip.write_all(b"x").expect("content");
        }
        zip.finish().expect("zip");
        file
    }

    fn zip_with_link(name: &str, target: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        let mut zip = zip::ZipWriter::new(&mut file);
        zip.add_symlink(name, target, zip::write::SimpleFileOptions::default()).expect("link");
        zip.finish().expect("zip");
        file
    }

    fn cause(archive: &tempfile::NamedTempFile) -> String {
        let top = tempfile::tempdir().expect("folder");
        let folder = top.path().join("in");
        fs::create_dir(&folder).expect("folder");
        let error = unpack(archive.path(), &folder, "a-1.tar.gz").expect_err("refused");
        assert_eq!(error.to_string(), "cannot unpack a-1.tar.gz");
        assert_eq!(fs::read_dir(top.path()).expect("top").count(), 1, "nothing is written beside");
        error.causes().join(": ")
    }

    #[test]
    fn both_forms_give_the_folder_at_the_top() {
        let tar = tar_gz(&[Other("a-1/", EntryType::Directory), F("a-1/run", 0o4777), Link("a-1/l", "run")]);
        let zip = zip_of(&[("a-1/run", 0o755), ("a-1/m.py", 0o644)]);
        for archive in [tar, zip] {
            let folder = tempfile::tempdir().expect("folder");
            let project = unpack(archive.path(), folder.path(), "a").expect("unpacked");
            assert_eq!(project, folder.path().join("a-1"));
            let mode = fs::metadata(project.join("run")).expect("run").permissions().mode();
            assert_eq!((mode & 0o100, mode & 0o7000), (0o100, 0), "executable, and nothing more");
        }
    }

    #[test]
    fn an_archive_without_a_folder_at_the_top_is_the_project() {
        let folder = tempfile::tempdir().expect("folder");
        let archive = zip_of(&[("pyproject.toml", 0o644), ("src/a.py", 0o644)]);
        let project = unpack(archive.path(), folder.path(), "a").expect("unpacked");
        assert_eq!(project, folder.path());
        assert!(subdirectory(project.clone(), Some("src")).expect("there").ends_with("src"));
        for (below, why) in
            [("..", "outside"), ("none", "missing"), ("/", "absolute"), ("src/a.py", "a file")]
        {
            assert!(subdirectory(project.clone(), Some(below)).is_err(), "{why}");
        }
    }

    #[test]
    fn hostile_archives_are_refused_with_the_reason() {
        for (archive, why) in [
            (tar_gz(&[F("../evil", 0o644)]), "it contains the path ../evil, which leads out of it"),
            (tar_gz(&[F("/evil", 0o644)]), "it contains the path /evil, which leads out of it"),
            (tar_gz(&[F("a/../../evil", 0o644)]), "it contains the path a/../../evil, which leads out of it"),
            (tar_gz(&[Link("a/l", "/etc/passwd")]), "it contains the link a/l, which leads to /etc/passwd"),
            (tar_gz(&[Link("a/l", "../../x")]), "it contains the link a/l, which leads to ../../x"),
            (tar_gz(&[Hard("a/h", "../x")]), "it contains the link a/h, which leads to ../x"),
            (
                tar_gz(&[Other("a/p", EntryType::Fifo)]),
                "it contains a/p, which is not a file but of type Fifo",
            ),
            (
                tar_gz(&[Other("a/d", EntryType::Char)]),
                "it contains a/d, which is not a file but of type Char",
            ),
            (zip_of(&[("../evil", 0o644)]), "it contains the path ../evil, which leads out of it"),
            (zip_of(&[("a\\..\\evil", 0o644)]), "it contains the path a\\..\\evil, which leads out of it"),
            (zip_with_link("a/l", "../x"), "it contains the link a/l, which is not allowed in zip files"),
        ] {
            let said = cause(&archive);
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        file.write_all(b"BZh91AY").expect("write");
        assert!(cause(&file).contains("neither a tar.gz nor a zip file"));
    }
}
