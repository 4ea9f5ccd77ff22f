//! Who may be run of a wheel that was built where the file system does not say so.
//!
//! Tools take the bit from the disk. On Windows there is none, so it is taken from where it is told (git's index, the
//! archive with the source, how a file begins), and put into the wheel for the files that are in it unchanged.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Context, Result};
use crate::read;
use crate::system::executables;

use super::content;

/// How a file's content is known in a zip file: its checksum and its size.
type Content = (u32, u64);

/// "Made by Unix" in the directory of a zip file, and what it then says of a file.
const UNIX: u8 = 3;
const REGULAR: u32 = 0o100_755 << 16;
/// Where both stand in an entry.
const MADE_BY: u64 = 5;
const ATTRIBUTES: u64 = 38;

/// Lets those files of the wheel be run that may be in `project`.
///
/// # Errors
/// When something cannot be read or written.
pub(super) fn settle(wheel: &Path, project: &Path) -> Result<()> {
    let programs = programs(project).context(|| format!("cannot read {}", project.display()))?;
    let what = || format!("cannot write {}", wheel.display());
    let entries = entries(wheel, &programs).context(what)?;
    if entries.is_empty() {
        return Ok(());
    }
    let mut file = OpenOptions::new().write(true).open(wheel).context(what)?;
    for entry in entries {
        write(&mut file, entry + MADE_BY, &[UNIX]).context(what)?;
        write(&mut file, entry + ATTRIBUTES, &REGULAR.to_le_bytes()).context(what)?;
    }
    file.sync_data().context(what)
}

fn write(file: &mut File, at: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

/// What may be run of a project; content that is also in a file that may not does not count.
fn programs(project: &Path) -> io::Result<HashMap<Content, bool>> {
    let mut found = HashMap::new();
    for entry in content::files(project) {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() && metadata.len() > 0 {
            let content = (checksum(&mut read::file(entry.path())?)?, metadata.len());
            let may = executables::is_executable(entry.path(), &metadata);
            found.entry(content).and_modify(|all| *all &= may).or_insert(may);
        }
    }
    found.retain(|_, may| *may);
    Ok(found)
}

fn checksum(file: &mut impl Read) -> io::Result<u32> {
    let (mut hash, mut buffer) = (crc32fast::Hasher::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize()),
            length => hash.update(buffer.get(..length).unwrap_or_default()),
        }
    }
}

/// Where the entries of these files are in the wheel's directory.
fn entries(wheel: &Path, programs: &HashMap<Content, bool>) -> io::Result<Vec<u64>> {
    if programs.is_empty() {
        return Ok(Vec::new());
    }
    let mut archive = zip::ZipArchive::new(read::file(wheel)?)?;
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        if programs.contains_key(&(entry.crc32(), entry.size())) {
            found.push(entry.central_header_start());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zip::write::SimpleFileOptions;

    #[test]
    fn unchanged_files_of_the_project_get_their_bit() {
        let folder = tempfile::tempdir().expect("folder");
        let project = folder.path().join("project");
        std::fs::create_dir_all(project.join("src/demo")).expect("folders");
        for (name, text) in [
            ("src/demo/run.sh", "#!/bin/sh\n"),
            ("src/demo/twin.sh", "#!/bin/sh\n# twin\n"),
            ("src/demo/data.sh", "#!/bin/sh\n# twin\n"),
            ("src/demo/__init__.py", ""),
        ] {
            std::fs::write(project.join(name), text).expect("file");
        }
        // Told here as on Windows, where the disk says nothing.
        let git = ["src/demo/run.sh", "src/demo/twin.sh"];
        mark(&project, &git);
        let wheel = folder.path().join("demo-1-py3-none-any.whl");
        let mut archive = zip::ZipWriter::new(File::create(&wheel).expect("file"));
        let options = SimpleFileOptions::default().unix_permissions(0o644);
        for (name, text) in [
            ("demo/run.sh", "#!/bin/sh\n"),
            ("demo/twin.sh", "#!/bin/sh\n# twin\n"),
            ("demo/data.sh", "#!/bin/sh\n# twin\n"),
            ("demo/changed.sh", "#!/bin/sh\n# changed\n"),
            ("demo/__init__.py", ""),
        ] {
            archive.start_file(name, options).expect("an entry");
            archive.write_all(text.as_bytes()).expect("content");
        }
        archive.finish().expect("a wheel");

        settle(&wheel, &project).expect("settled");

        let mut archive = zip::ZipArchive::new(File::open(&wheel).expect("file")).expect("still a wheel");
        let modes: Vec<_> = (0..archive.len())
            .map(|index| {
                let entry = archive.by_index(index).expect("an entry");
                let may = entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0);
                (entry.name().expect("a name").into_owned(), may)
            })
            .collect();
        let expected = [
            ("demo/run.sh", true),
            ("demo/twin.sh", false),
            ("demo/data.sh", false),
            ("demo/changed.sh", false),
            ("demo/__init__.py", false),
        ];
        assert_eq!(modes, expected.map(|(name, may)| (name.to_owned(), may)));
    }

    #[cfg(unix)]
    fn mark(project: &Path, names: &[&str]) {
        use std::os::unix::fs::PermissionsExt;
        for name in names {
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(project.join(name), mode).expect("mode");
        }
    }

    #[cfg(not(unix))]
    fn mark(project: &Path, names: &[&str]) {
        let all = ["src/demo/run.sh", "src/demo/twin.sh", "src/demo/data.sh"];
        executables::tell(project, all.map(|name| (name.to_owned(), names.contains(&name))).into());
    }
}
