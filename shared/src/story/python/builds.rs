//! The Python tools of this machine, and what they build for an image.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::fitting;
use super::form::{Chosen, Form};
use super::ready::ReadyWheel;
use crate::config::{Settings, Strip};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::oci::{Digest, Platform};
use crate::python::build::{self, Builder, Built, Compile, Origin};
use crate::python::host::Host;
use crate::python::index::{Downloader, Options, Requirements, Surroundings};
use crate::python::lock::{Lock, LockKind};
use crate::python::{
    DistFile, HashAlgorithm, Interpreter, LeftOut, Libc, Package, Project, PythonVersion, Reason, Source,
    is_named,
};
use crate::redact::Secret;
use crate::store::Store;
use crate::story::ingredients::Lineage;
use crate::story::request::Request;
use crate::story::supply::Supply;
use crate::system::System;
use crate::wheel::DirectUrl;

/// Where the projects of one call have their distributions from: those that share a lock share connections too, and what
/// is known of certificates and indexes.
#[derive(Default)]
pub(super) struct Sources(Mutex<HashMap<Place, (Options, Downloader)>>);

/// The folder whose settings count, and the lock.
type Place = (PathBuf, Option<PathBuf>);

impl Sources {
    fn of(
        &self,
        request: &Request,
        project: &Project,
        lock: Option<&Lock>,
        store: &Store,
        events: &Events,
    ) -> Result<(Options, Downloader)> {
        let place = (project.lock_dir().to_owned(), lock.map(|lock| lock.path.clone()));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&place) {
            return Ok(known.clone());
        }
        let options = indexes(request, project, lock)?;
        let http = request.registry.http.clone();
        let downloads = Downloader::new(http, store.clone(), events.clone(), options.clone())?;
        known.insert(place, (options.clone(), downloads.clone()));
        Ok((options, downloads))
    }
}

/// What fetches and builds distributions.
pub(super) struct Tools {
    pub(super) downloads: Downloader,
    builder: Builder,
    host: Host,
}

impl Tools {
    /// The tools for a project with this lock.
    ///
    /// # Errors
    /// Usage: a file or a variable that says where indexes are cannot be understood.
    pub(super) fn of(
        request: &Request,
        project: &Project,
        lock: Option<&Lock>,
        sources: &Sources,
        store: &Store,
        events: &Events,
    ) -> Result<Self> {
        let (options, downloads) = sources.of(request, project, lock, store, events)?;
        let host = Host::find(&request.variables, &project.dir);
        let offline = request.locking.is_offline();
        let builder = Builder::new(host.clone(), store.clone(), events.clone(), &options, offline);
        Ok(Self { downloads, builder, host })
    }

    /// Builds and compiles with this interpreter where it fits.
    pub(super) fn prefer(&self, python: &Path) {
        self.host.prefer(python);
    }

    /// The version that the project's build backend tells, asked with this Python if one is named.
    ///
    /// # Errors
    /// When it cannot be built.
    pub(super) async fn version(
        &self,
        project: &Project,
        python: Option<(PythonVersion, Platform)>,
    ) -> Result<String> {
        // Which C library the image has does not matter: nothing is built for it.
        let libc = Libc::Glibc { major: 2, minor: 17 };
        let target =
            python.map(|(version, platform)| Interpreter { path: String::new(), version, libc, platform });
        self.builder.version(&project.dir, target.as_ref()).await.map(|version| version.to_string())
    }

    /// The wheel of a distribution that is no wheel yet.
    ///
    /// # Errors
    /// When it cannot be fetched or built, or the base cannot run what came of it.
    pub(super) async fn build(
        &self,
        chosen: &Chosen,
        settings: &Settings,
        interpreter: &Interpreter,
    ) -> Result<ReadyWheel> {
        let Package { name, source, .. } = &chosen.package;
        let builder = self.builder.compiling(compile(settings));
        let wheel = |origin| builder.wheel(name, origin, interpreter);
        let built = match (&chosen.form, source) {
            (Form::Archive(file), source) => {
                let fetched = self.downloads.fetch(&chosen.package, file).await?;
                let subdirectory = match source {
                    Source::Url { subdirectory, .. } => subdirectory.as_deref(),
                    _ => None,
                };
                let origin = Origin::Archive { path: &fetched.path, digest: &fetched.digest, subdirectory };
                match wheel(origin).await {
                    Ok(built) => built,
                    Err(error) => {
                        let listed = self.all_files(&chosen.package).await;
                        return Err(fitting::explain(error, &chosen.package, &listed, interpreter));
                    }
                }
            }
            (_, Source::Directory { path, .. }) => wheel(Origin::Directory(path)).await?,
            (_, Source::Git { url, commit, subdirectory, .. }) => {
                let url = url.expose();
                wheel(Origin::Git { url, commit, subdirectory: subdirectory.as_deref() }).await?
            }
            (_, Source::File { path }) => self.of_file(&builder, chosen, path, interpreter).await?,
            (_, Source::Index { .. } | Source::Url { .. }) => {
                return Err(Error::bug(format!("nothing says which file of {name} is meant")));
            }
        };
        let lineage = self.lineage(&chosen.package, &chosen.form);
        Ok(ready(&chosen.package, built, settings, lineage))
    }

    /// Where a distribution comes from. Folders and files of this machine have no address elsewhere.
    pub(super) fn lineage(&self, package: &Package, form: &Form) -> Lineage {
        let file = match form {
            Form::Wheel(file) | Form::Archive(file) => Some(file),
            Form::Source => None,
        };
        let address = match &package.source {
            Source::Index { url } => {
                let page = |index: String| format!("{}/{}/", index.trim_end_matches('/'), package.name);
                let index =
                    || url.as_ref().map(ToString::to_string).or_else(|| self.downloads.default_index());
                let named = file.and_then(|file| file.url.as_ref()).map(ToString::to_string);
                named.or_else(|| index().map(page))
            }
            Source::Url { url, .. } => Some(url.to_string()),
            Source::Git { url, commit, .. } => Some(format!("git+{url}@{commit}")),
            Source::Directory { .. } | Source::File { .. } => None,
        };
        let sha256 = |file: &DistFile| {
            let hash = file.hashes.iter().find(|hash| hash.algorithm == HashAlgorithm::Sha256)?;
            Digest::from_hex(&hash.hex)
        };
        let archive = match form {
            Form::Archive(file) => Some((file.filename.clone(), sha256(file))),
            Form::Wheel(_) | Form::Source => None,
        };
        let is_own = matches!(package.source, Source::Directory { .. });
        Lineage { address, archive, is_own, publishers: Vec::new() }
    }

    /// All files of a version, also those that a lock for one Python does not list.
    async fn all_files(&self, package: &Package) -> Vec<DistFile> {
        let is_wheel = |file: &DistFile| file.filename.ends_with(".whl");
        if package.files.iter().any(is_wheel) {
            return package.files.clone();
        }
        // Where nobody answers, less is said.
        self.downloads.files(&Package { files: Vec::new(), ..package.clone() }).await.unwrap_or_default()
    }

    /// A file of this machine: a wheel is taken as it is.
    async fn of_file(
        &self,
        builder: &Builder,
        chosen: &Chosen,
        path: &Path,
        interpreter: &Interpreter,
    ) -> Result<Built> {
        let hashes: Vec<_> = chosen.package.files.iter().flat_map(|file| file.hashes.clone()).collect();
        let mut imported = self.downloads.import(path, hashes.get(..1).unwrap_or_default()).await;
        // Of several digests one must be right.
        for hash in hashes.iter().skip(1) {
            if imported.is_err() {
                imported = self.downloads.import(path, std::slice::from_ref(hash)).await;
            }
        }
        let fetched = imported?;
        let filename = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if filename.ends_with(".whl") {
            let (path, digest, size) = (fetched.path, fetched.digest, fetched.size);
            return Ok(Built { path, filename, digest, size, left_out: Vec::new() });
        }
        let origin = Origin::Archive { path, digest: &fetched.digest, subdirectory: None };
        builder.wheel(&chosen.package.name, origin, interpreter).await
    }

    /// The wheel of the project itself.
    ///
    /// # Errors
    /// When it cannot be built.
    pub(super) async fn project(
        &self,
        project: &Project,
        settings: &Settings,
        interpreter: &Interpreter,
    ) -> Result<ReadyWheel> {
        let name = &project.normalized;
        let builder = self.builder.compiling(compile(settings));
        let built = builder.wheel(name, Origin::Directory(&project.dir), interpreter).await?;
        let left_out = left_out(&built, settings);
        let Built { path, filename, digest, size, .. } = built;
        let lineage = Lineage { is_own: true, ..Lineage::default() };
        Ok(ReadyWheel {
            name: name.clone(),
            filename,
            supply: Supply::here(path),
            digest,
            size,
            origin: None,
            left_out,
            trim: None,
            lineage,
        })
    }

    /// A CPython of this machine of exactly this version.
    pub(super) fn exactly(&self, version: PythonVersion) -> Option<PathBuf> {
        let found = self.host.python_where(version, |python| python.version == version);
        found.map(|python| python.path)
    }
}

/// How compiled code is made.
fn compile(settings: &Settings) -> Compile {
    let strip = match settings.strip {
        Strip::None => build::Strip::Nothing,
        Strip::Debuginfo => build::Strip::Debug,
        Strip::Symbols => build::Strip::Symbols,
    };
    let exposed = |(name, value): (&String, &Secret)| (name.clone(), value.expose().to_owned());
    Compile { variables: settings.python.build_env.iter().map(exposed).collect(), strip }
}

/// What of a wheel stays out: a secret that `include` names does not.
fn left_out(built: &Built, settings: &Settings) -> Vec<LeftOut> {
    let meant =
        |left: &LeftOut| left.reason == Reason::Secret && is_named(&settings.python.include, &left.path);
    built.left_out.iter().filter(|left| !meant(left)).cloned().collect()
}

fn ready(package: &Package, built: Built, settings: &Settings, lineage: Lineage) -> ReadyWheel {
    let left_out = left_out(&built, settings);
    let Built { path, filename, digest, size, .. } = built;
    let hashes: Vec<_> = package.files.first().map(|file| file.hashes.clone()).unwrap_or_default();
    let origin = DirectUrl::of(&package.source, &hashes);
    let name = package.name.clone();
    let supply = Supply::here(path);
    ReadyWheel { name, filename, supply, digest, size, origin, left_out, trim: None, lineage }
}

/// Where distributions are looked for.
pub(super) fn indexes(request: &Request, project: &Project, lock: Option<&Lock>) -> Result<Options> {
    let is_of_requirements = |lock: &&Lock| lock.kind == LockKind::Requirements || lock.made.is_some();
    let requirements = lock.filter(is_of_requirements).map(|lock| Requirements {
        index_url: lock.indexes.index.clone(),
        extra_index_urls: lock.indexes.extra.clone(),
        find_links: lock.indexes.find_links.clone(),
        no_index: lock.indexes.no_index,
        trusted_hosts: lock.indexes.trusted_hosts.clone(),
        folder: lock.path.parent().unwrap_or(&project.dir).to_owned(),
    });
    Options::read(&Surroundings {
        variables: &request.variables,
        host: System::HERE,
        system: Path::new("/"),
        project: project.lock_dir(),
        requirements: requirements.as_ref(),
    })
}
