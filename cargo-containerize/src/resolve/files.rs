//! Which files a call means, in an order that does not depend on the machine.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use containerize_core::deployment::Deployment;
use containerize_core::words::flag;
use containerize_core::{Error, Result, read, words};

use crate::cli::FileArgs;

/// As large as a file may be, in bytes.
const LARGEST: u64 = 64 << 20;

/// What kubectl takes of a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads all of them.
///
/// # Errors
/// Usage: one is not there or cannot be read, or a folder has none.
pub(super) fn read(wanted: &FileArgs) -> Result<Vec<Deployment>> {
    let mut found = Vec::new();
    for file in &wanted.filename {
        if file.as_os_str() == "-" {
            found.push(Deployment::of("standard input", standard_input()?));
            continue;
        }
        let files = if file.is_dir() { in_folder(file, wanted.recursive)? } else { vec![file.clone()] };
        for file in files {
            let text = read::given(&file, LARGEST)
                .map_err(|error| Error::usage(format!("cannot read {}", file.display())).because(error))?;
            found.push(Deployment::of(file.display().to_string(), text));
        }
    }
    Ok(found)
}

fn standard_input() -> Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(Error::usage("there is nothing to read from the terminal")
            .hint(words!("use {} with a pipe or a file", flag("filename").of("-"))));
    }
    read::stream(stdin.lock(), LARGEST)
        .map_err(|error| Error::usage("cannot read standard input").because(error))
}

/// The files of a folder, and of those within it where that is wanted. Links to folders are not followed.
fn in_folder(folder: &Path, recursive: bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(folder, recursive, &mut files)?;
    if files.is_empty() {
        let hint = match recursive {
            true => words!("give another folder, or a file"),
            false => words!("use {} for files in folders below it", flag("recursive")),
        };
        return Err(Error::usage(format!("{} has no .yaml, .yml or .json file", folder.display())).hint(hint));
    }
    Ok(files)
}

fn collect(folder: &Path, recursive: bool, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |error| Error::usage(format!("cannot read {}", folder.display())).because(error);
    let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut entries = listed.map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            if recursive {
                collect(&path, recursive, files)?;
            }
        } else if path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) {
            files.push(path);
        }
    }
    Ok(())
}
