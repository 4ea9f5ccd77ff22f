//! What will be written: all of it is known before the first file changes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use toml::Table;

use super::dependencies::INPUT;
use super::manifest;
use super::project::{Kind, Project};
use super::table::table;
use super::workflow::Workflow;
use crate::config::Partial;
use crate::error::{Context, Error, Result};
use crate::python::{SourceKind, SourceOptions, sources};
use crate::read;
use crate::store::replace::{Over, persist};
use crate::words;
use crate::words::flag;

/// The files that will be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// The manifest is the last one.
    files: Vec<Written>,
}

/// A file, as it will be or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its place, relative to the project, with `/`.
    pub name: String,
    /// What is new in it.
    pub shown: String,
    /// All of it.
    text: String,
}

/// What is asked for, beside the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes<'a> {
    /// Whether what is there may be replaced.
    pub force: bool,
    /// The text of a `requirements.in`.
    pub requirements: Option<&'a str>,
    /// The service that gets a workflow.
    pub workflow: Option<Workflow>,
    /// The version of this program, which the workflow names.
    pub version: &'a str,
}

/// A folder of the source of this size or more is worth a question, in bytes.
const LARGE: u64 = 20 << 20;
const IGNORE: &str = ".containerignore";
const NOTE: &str = "# Nothing has to be set: the defaults fit this project.\n";

impl Draft {
    /// What to write for these settings.
    ///
    /// # Errors
    /// Usage: a file or table is there already, or the manifest cannot be extended.
    pub fn new(project: &Project, settings: &Partial, wishes: &Wishes) -> Result<Self> {
        let mut draft = Self::default();
        if let Some(text) = wishes.requirements {
            draft.add(project, INPUT, text.to_owned(), wishes.force)?;
        }
        if let Some(text) = ignored(project)? {
            draft.add(project, IGNORE, text, wishes.force)?;
        }
        if let Some(workflow) = wishes.workflow {
            let name = workflow.file();
            // It may hold other jobs.
            if project.has(name) && workflow == Workflow::Gitlab {
                return Err(Error::usage(format!("{name} is already there"))
                    .hint("add the job to it by hand: docs/ci.md shows it"));
            }
            draft.add(project, name, workflow.text(project, wishes.version), wishes.force)?;
        }
        draft.files.push(configured(project, settings, wishes.force)?);
        Ok(draft)
    }

    fn add(&mut self, project: &Project, name: &str, text: String, force: bool) -> Result<()> {
        // A link that leads nowhere is there, too.
        let is_there = std::fs::symlink_metadata(project.dir.join(name)).is_ok();
        if is_there && project.text(name).is_some_and(|known| known == text) {
            return Ok(());
        }
        if is_there && !force {
            return Err(refused(name));
        }
        self.files.push(Written { name: name.to_owned(), shown: text.clone(), text });
        Ok(())
    }

    /// The files in the order in which they are written.
    pub fn files(&self) -> &[Written] {
        &self.files
    }

    /// Writes the files, each whole or not at all: none gets its name before all are on the disk.
    ///
    /// # Errors
    /// When the disk refuses; usage, when a link would lead out of the project.
    pub fn write(&self, project: &Project) -> Result<()> {
        let prepared = self.files.iter().map(|file| Prepared::new(project, file));
        let prepared = prepared.collect::<Result<Vec<_>>>()?;
        prepared.into_iter().try_for_each(Prepared::finish)
    }
}

fn refused(name: &str) -> Error {
    Error::usage(format!("{name} is already there")).hint(words!("use {} to replace it", flag("force")))
}

/// The manifest with the table.
fn configured(project: &Project, settings: &Partial, force: bool) -> Result<Written> {
    let (name, path) = manifest::table_of(project);
    let file = project.dir.join(name);
    let mut text = match std::fs::symlink_metadata(&file) {
        Ok(_) => read::text(&file, read::DOCUMENT).context(|| format!("cannot read {name}"))?,
        Err(_) => String::new(),
    };
    let is_there = text.parse::<Table>().is_ok_and(|table| manifest::has(&table, path));
    if is_there && !force {
        return Err(Error::usage(format!("{name} already has [{}]", path.join(".")))
            .hint(words!("use {} to replace it, or change it by hand", flag("force"))));
    }
    if is_there {
        text = manifest::without_table(name, &text, path)?;
    }
    let shown = table(&path.join("."), settings, NOTE);
    let text = manifest::with_table(name, &text, path, &shown)?;
    Ok(Written { name: name.to_owned(), shown, text })
}

/// The text of a `.containerignore`, if the source has large folders that no program is in.
fn ignored(project: &Project) -> Result<Option<String>> {
    let is_told = [IGNORE, ".dockerignore"].iter().any(|name| project.has(name));
    if is_told || matches!(project.kind, Kind::Rust(_)) {
        return Ok(None);
    }
    let mut sizes: BTreeMap<String, (u64, bool)> = BTreeMap::new();
    for file in sources(&project.dir, &SourceOptions::default())?.files {
        let SourceKind::File { size } = file.kind else { continue };
        let Some((folder, rest)) = file.to.split_once('/') else { continue };
        let (sum, has_code) = sizes.entry(folder.to_owned()).or_default();
        *sum += size;
        *has_code |= rest.ends_with(".py");
    }
    let large = sizes
        .into_iter()
        .filter(|(name, (size, has_code))| name == "node_modules" || (*size >= LARGE && !has_code));
    let lines: String = large.map(|(name, (size, _))| format!("# {} MiB\n{name}\n", size >> 20)).collect();
    let head = "# Large folders without programs stay out of the image: remove a line if the program reads the folder.\n";
    Ok((!lines.is_empty()).then(|| format!("{head}{lines}")))
}

/// A file that is written beside its place, and lacks only its name.
struct Prepared {
    file: tempfile::NamedTempFile,
    /// Its place. A link leads where it did.
    path: PathBuf,
}

impl Prepared {
    /// The mode of what is there stays.
    fn new(project: &Project, written: &Written) -> Result<Self> {
        let path = project.dir.join(&written.name);
        let failed = || format!("cannot write {}", path.display());
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        let folder = real.parent().unwrap_or(Path::new("."));
        let root = project.dir.canonicalize().context(failed)?;
        // Before anything is made, of the folders that are there: a link may be among them.
        let nearest = folder.ancestors().find_map(|folder| folder.canonicalize().ok());
        if !nearest.is_some_and(|folder| folder.starts_with(&root)) {
            return Err(Error::usage(format!(
                "{} is behind a link that leads out of the project",
                written.name
            ))
            .hint("replace the link by a file or folder of the project"));
        }
        std::fs::create_dir_all(folder).context(failed)?;
        let mut file = beside(folder).context(failed)?;
        file.write_all(written.text.as_bytes()).context(failed)?;
        if let Ok(about) = real.metadata() {
            file.as_file().set_permissions(about.permissions()).context(failed)?;
        }
        file.as_file().sync_all().context(failed)?;
        Ok(Self { file, path: real })
    }

    fn finish(self) -> Result<()> {
        let Self { file, path } = self;
        let failed = || format!("cannot write {}", path.display());
        persist(file, &path, Over::Anything).map_err(|(error, _)| error).context(failed)
    }
}

#[cfg(unix)]
fn beside(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    // As any new file of this user: the umask takes away from it.
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o666)).tempfile_in(folder)
}

#[cfg(not(unix))]
fn beside(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().tempfile_in(folder)
}
