//! Building wheels of source distributions, repositories, folders and the project itself, through
//! PEP 517 with the builder at hand: uv, else pip, else `build`.
//!
//! A wheel is built once: it is kept in the store, and remembered by the content of its source.
//! One that is the same for all interpreters and machines is remembered for all of them, any
//! other for the Python and the platform that it was built with. Whether it runs in an image is
//! looked at each time, since bases differ.
//!
//! The source is built where the user has it, for it may refer to what is beside it; but what
//! setuptools writes there, and would read again the next time, is led elsewhere. Archives are
//! unpacked into a folder whose name depends on the content alone, since compilers write it into
//! what they make.

mod accept;
mod advice;
mod compile;
mod content;
mod examine;
#[cfg(test)]
#[cfg(unix)]
pub(super) mod fakes;
mod git;
mod judge;
mod lock;
mod made_lock;
mod modes;
mod places;
#[cfg(test)]
#[cfg(unix)]
mod real_tests;
mod run;
#[cfg(test)]
#[cfg(unix)]
mod tests;
mod tool;
mod unpack;
mod variables;
mod version;
mod workspace;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use compile::{Compile, Strip};
pub use lock::{LockRequest, Locked, make_lock};

use super::host::Host;
use super::{Interpreter, LeftOut, Name, WheelName, index};
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::oci::Digest;
use crate::read;
use crate::redact::clean;
use crate::store::{Store, Table};
use crate::system::System;
use accept::Record;
use tool::{Attempt, Trust};
use workspace::Workspace;

/// Builds wheels. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Builder {
    host: Host,
    store: Store,
    events: Events,
    variables: BTreeMap<String, String>,
    compile: Compile,
    offline: bool,
}

/// What a wheel is built of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A source distribution or another archive with a project, `.tar.gz` or `.zip`.
    Archive {
        /// Where it is on this machine.
        path: &'a Path,
        /// Its digest, as the caller vouches for.
        digest: &'a Digest,
        /// The folder in it that holds the project.
        subdirectory: Option<&'a str>,
    },
    /// A folder with a project.
    Directory(&'a Path),
    /// A commit of a git repository.
    Git {
        /// The repository, as git takes it.
        url: &'a str,
        /// The full commit.
        commit: &'a str,
        /// The folder in it that holds the project.
        subdirectory: Option<&'a str>,
    },
}

/// A wheel that was built, now or earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Where it is. The name of the file on disk is its digest, not its own.
    pub path: PathBuf,
    /// Its own file name.
    pub filename: String,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What of it must stay out of an image, by the names of files in the wheel. Only a folder of this
    /// machine is judged: what others published holds what they published.
    pub left_out: Vec<LeftOut>,
}

impl Builder {
    /// A builder that uses the tools of `host` and asks `indexes` for what builds need; with
    /// `offline` nothing but the tools' own caches.
    pub fn new(host: Host, store: Store, events: Events, indexes: &index::Options, offline: bool) -> Self {
        let variables = variables::base(host.variables(), indexes, offline);
        Self { host, store, events, variables, compile: Compile::default(), offline }
    }

    /// The same builder, which makes compiled code in another way.
    pub fn compiling(&self, compile: Compile) -> Self {
        Self { compile, ..self.clone() }
    }

    /// A wheel of `origin` that runs with `target`, which `name` must be the name of.
    ///
    /// # Errors
    /// Kind build when there is no tool, the build fails (the end of the tool's words is the
    /// cause), or the wheel cannot run with `target`; kind network when something that the build
    /// needs could not be fetched.
    pub async fn wheel(&self, name: &Name, origin: Origin<'_>, target: &Interpreter) -> Result<Built> {
        let mut first = None;
        let source = self.source_key(origin).await?;
        let _turn = self.turn(&source).await?;
        for attempt in self.attempts(Some(target)).await? {
            let record = self.record(name.as_str(), origin, &source, &attempt).await?;
            if let Ok(record) = &record {
                check_name(name, record)?;
            }
            match record.and_then(|record| record.check(target).map(|()| record)) {
                Ok(record) => {
                    let found = self.find(&record);
                    return found.ok_or_else(|| Error::build(format!("the wheel of {name} left the cache")));
                }
                Err(error) => _ = first.get_or_insert(error),
            }
        }
        Err(first.unwrap_or_else(|| Error::bug("there was no way to build a wheel")))
    }

    async fn attempts(&self, target: Option<&Interpreter>) -> Result<Vec<Attempt>> {
        let (host, target, offline) = (self.host.clone(), target.cloned(), self.offline);
        blocking(move || tool::attempts(&host, target.as_ref(), offline)).await
    }

    /// What is remembered of the wheel that `attempt` makes, or made anew. The outer error is
    /// the source's, with which no attempt would do better.
    async fn record(
        &self,
        what: &str,
        origin: Origin<'_>,
        source: &str,
        attempt: &Attempt,
    ) -> Result<Result<Record>> {
        let everywhere = format!("{source} {}", attempt.name());
        let here = format!("{everywhere} {}", attempt.python());
        let remembered =
            [&everywhere, &here].into_iter().find_map(|key| self.store.recall(Table::Wheels, key));
        if let Some(record) = remembered.filter(|record| self.find(record).is_some()) {
            return Ok(Ok(record));
        }
        self.events.step("Building", format!("a wheel of {} with {}", shown(what, origin), attempt.name()));
        let work = Workspace::make(&self.store, what, source, &here)?;
        let (project, trust) = self.project(what, origin, &work).await?;
        if !["pyproject.toml", "setup.py"].iter().any(|file| project.join(file).is_file()) {
            return Err(Error::build(format!("no wheel can be built of {what}"))
                .because("it has neither pyproject.toml nor setup.py"));
        }
        let record = self.build(what, &project, trust, work, attempt).await;
        if let Ok(record) = &record {
            let key = if record.is_universal() { everywhere } else { here };
            self.store.remember(Table::Wheels, &key, record);
        }
        Ok(record)
    }

    fn find(&self, record: &Record) -> Option<Built> {
        let path = self.store.find(&record.digest, record.size)?;
        let (filename, left_out) = (record.filename.clone(), record.left_out.clone());
        Some(Built { path, filename, digest: record.digest, size: record.size, left_out })
    }

    async fn build(
        &self,
        what: &str,
        project: &Path,
        trust: Trust,
        work: Workspace,
        attempt: &Attempt,
    ) -> Result<Record> {
        let out = work.folder("out")?;
        let variables = self.build_variables(&work, project, trust)?;
        let call = attempt.call(project, &out, trust, self.offline, variables);
        call.run(work.log(), || format!("{} cannot build a wheel of {what}", attempt.name())).await?;
        let store = self.store.clone();
        let project = project.to_owned();
        let record = blocking(move || keep(&store, &out, &project, trust)).await;
        let record = record.context(|| format!("cannot use what {} made of {what}", attempt.name()))?;
        work.done();
        Ok(record)
    }

    /// The folder to build.
    async fn project(&self, what: &str, origin: Origin<'_>, work: &Workspace) -> Result<(PathBuf, Trust)> {
        match origin {
            Origin::Directory(folder) => Ok((folder.to_owned(), Trust::Own)),
            Origin::Archive { path, subdirectory, .. } => {
                let (path, folder, name) = (path.to_owned(), work.folder("source")?, what.to_owned());
                let top = blocking(move || unpack::unpack(&path, &folder, &name)).await?;
                Ok((unpack::subdirectory(top, subdirectory)?, Trust::Archive))
            }
            Origin::Git { url, commit, subdirectory } => {
                let folder = work.path("source");
                git::check_out(&self.host, url, commit, &folder, work.log()).await?;
                Ok((unpack::subdirectory(folder, subdirectory)?, Trust::Repository))
            }
        }
    }

    fn build_variables(
        &self,
        work: &Workspace,
        project: &Path,
        trust: Trust,
    ) -> Result<Vec<(String, String)>> {
        let mut variables = self.variables.clone();
        if trust == Trust::Own {
            let settings = work.folder("setuptools")?;
            for folder in ["base", "egg"] {
                work.folder(&format!("setuptools/{folder}"))?;
            }
            let file = work.path("setuptools.cfg");
            let written = fs::write(&file, variables::setuptools_settings(&settings));
            written.context(|| format!("cannot write {}", file.display()))?;
            let file = file.to_string_lossy().into_owned();
            variables.entry("DIST_EXTRA_CONFIG".into()).or_insert(file);
        } else {
            // The cache may be within a repository, which is not this source's.
            let top = work.path("").to_string_lossy().into_owned();
            variables.insert("GIT_CEILING_DIRECTORIES".into(), top);
            for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
                variables.remove(name);
            }
        }
        self.compile.apply(&mut variables, project, &work.path(""));
        Ok(variables.into_iter().collect())
    }

    /// Names all that a wheel of `origin` depends on beside the tool.
    async fn source_key(&self, origin: Origin<'_>) -> Result<String> {
        let source = self.source(origin).await?;
        let compile = self.compile.key(self.host.variables());
        Ok(if compile.is_empty() { source } else { format!("{source} {compile}") })
    }

    /// Names all that a wheel of `origin` depends on in its source.
    async fn source(&self, origin: Origin<'_>) -> Result<String> {
        let below = |subdirectory: Option<&str>| subdirectory.unwrap_or_default().to_owned();
        match origin {
            Origin::Archive { digest, subdirectory, .. } => {
                Ok(format!("archive {digest} {}", below(subdirectory)))
            }
            Origin::Git { url, commit, subdirectory } => {
                // Who fetches it does not matter.
                let url = clean(url);
                Ok(format!("git {url} {} {}", commit.to_ascii_lowercase(), below(subdirectory)))
            }
            Origin::Directory(folder) => {
                let (folder, host) = (folder.to_owned(), self.host.clone());
                blocking(move || {
                    let digest = content::digest(&folder)?;
                    let vcs =
                        content::version_is_in_vcs(&folder).then(|| workspace::describe(&host, &folder));
                    let told = variables::told_versions(host.variables());
                    Ok(format!("folder {digest} {}{told}", vcs.unwrap_or_default()))
                })
                .await
            }
        }
    }

    /// Waits until nobody else builds this source, in this process or another.
    async fn turn(&self, source: &str) -> Result<workspace::Turn> {
        let (store, source) = (self.store.clone(), source.to_owned());
        blocking(move || workspace::Turn::take(&store, &source)).await
    }
}

/// What is built, for people.
fn shown(what: &str, origin: Origin<'_>) -> String {
    match origin {
        Origin::Git { url, commit, .. } => {
            format!("{what} from {} at {}", clean(url), commit.get(..8).unwrap_or(commit))
        }
        _ => what.to_owned(),
    }
}

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(act)
        .await
        .map_err(|e| Error::bug("a task of a build ended early").because(e))?
}

/// Puts the only wheel in `out`, made of `project`, into the store. One of a folder of this machine is judged.
fn keep(store: &Store, out: &Path, project: &Path, trust: Trust) -> Result<Record> {
    let what = || format!("cannot read {}", out.display());
    let entries = fs::read_dir(out).and_then(Iterator::collect::<io::Result<Vec<_>>>).context(what)?;
    let name = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let wheels: Vec<_> = entries.iter().map(name).filter(|name| name.ends_with(".whl")).collect();
    let [filename] = wheels.as_slice() else {
        return Err(Error::build(match wheels.len() {
            0 => "it finished, but made no wheel".into(),
            _ => format!("it made several wheels: {}", wheels.join(", ")),
        }));
    };
    WheelName::parse(filename)?;
    let path = out.join(filename);
    if System::HERE.is_windows() {
        modes::settle(&path, project)?;
    }
    places::forget(&path)?;
    let code = examine::code(&path)?;
    let own = trust == Trust::Own;
    let left_out = own.then(|| judge::judge(&path, project)).transpose()?.unwrap_or_default();
    let mut writer = store.writer()?;
    read::file(&path).and_then(|mut file| io::copy(&mut file, &mut writer)).context(what)?;
    let (_, digest, size) = writer.commit(None)?;
    Ok(Record { filename: filename.clone(), digest, size, code, left_out })
}

fn check_name(name: &Name, record: &Record) -> Result<()> {
    let built = WheelName::parse(&record.filename)?.name;
    if built == *name {
        return Ok(());
    }
    Err(Error::build(format!("the wheel built for {name} is a wheel of {built}"))
        .hint("check the name in its pyproject.toml, and the lock"))
}
