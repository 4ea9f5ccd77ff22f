//! Counting the inputs of programs, those of a whole call at once: packages share folders, and crates.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use super::files::{self, Tree, seen_from};
use super::values::{self, OfWorkspace};
use super::{Further, Input, Inputs, Reads};
use crate::cargo::build::Request;
use crate::cargo::crates::only_for_tests;
use crate::cargo::locked::{Lock, Locked, Need};
use crate::cargo::rustc::Facts;
use crate::cargo::settings::Settings;
use crate::cargo::target::{self, Linking};
use crate::cargo::{Cargo, Package, Project, local, rustflags};
use crate::error::{Error, Result};
use crate::oci::Digest;
use crate::read;
use crate::store::Store;
use crate::system::repository_of;

/// The version of how programs are built: of what is remapped, stripped and added.
const RECIPE: &str = "1";

/// Where packages of the system put files that are the same wherever they are installed.
const OF_THE_SYSTEM: &str = "/usr";

/// Counts what programs of one project are built from.
pub struct Counter<'a> {
    cargo: &'a Cargo,
    project: &'a Project,
    store: &'a Store,
    settings: Settings,
    lock: Lock,
    /// The packages on this machine by their names, and what lies in place of others.
    folders: BTreeMap<PathBuf, String>,
    replaced: Vec<PathBuf>,
    /// Folders that stand in the place of registries.
    vendors: Vec<PathBuf>,
    of_workspace: OfWorkspace,
    configuration: Vec<u8>,
    /// Packages, each with what only its tests need, where that decides about nothing else.
    only_for_tests: BTreeSet<(&'a str, &'a str)>,
    trees: RefCell<BTreeMap<PathBuf, Rc<Tree>>>,
}

impl<'a> Counter<'a> {
    /// Reads what concerns all programs.
    ///
    /// # Errors
    /// Build: there is no Cargo.lock, so versions are not decided; or the workspace's Cargo.toml cannot be read.
    pub fn new(cargo: &'a Cargo, project: &'a Project, store: &'a Store) -> Result<Self> {
        let settings = Settings::read(cargo);
        let lock =
            Lock::read(&project.workspace_root).ok_or_else(|| Error::build("there is no Cargo.lock"))?;
        let replaced: Vec<PathBuf> = settings.local_paths().iter().map(|path| local::plain(path)).collect();
        let folders = local::packages(project, replaced.clone());
        let root = project.root_manifest();
        let of_workspace = values::of_workspace(&root).ok_or_else(|| unreadable(&root, "it is not TOML"))?;
        let only_for_tests = match of_workspace.tests_decide {
            true => BTreeSet::new(),
            false => only_for_tests(project),
        };
        Ok(Self {
            cargo,
            project,
            store,
            lock,
            folders,
            replaced,
            vendors: settings.source_directories(),
            of_workspace,
            configuration: values::configuration(cargo, &settings)?,
            only_for_tests,
            trees: RefCell::default(),
            settings,
        })
    }

    /// What the programs of `request` are built from, if a build reads `further` beside the files of its packages.
    /// `more` is what the caller makes of them.
    ///
    /// # Errors
    /// When it cannot be told what counts, or it cannot be read.
    pub fn count(&self, request: &Request, more: &str, further: &Further) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        self.add_tools(request, more, &mut inputs)?;
        let crates = self.crates(request)?;
        for of in &crates {
            let needs = of
                .dependencies
                .iter()
                .filter(|line| Need::read(line).is_none_or(|need| !self.is_for_tests(of, need.name)));
            let needs: Vec<&str> = needs.map(String::as_str).collect();
            let (source, sum) = (of.source.as_deref().unwrap_or_default(), self.lock.checksum(of));
            let own = self.vendored(of)?;
            let value = format!("{source} {} {} {own}", sum.unwrap_or_default(), needs.join("\n"));
            inputs.add(Input::Crate(format!("{} {}", of.name, of.version)), value);
        }
        for (name, digest) in self.files(request, &crates)? {
            inputs.0.push((Input::File(name), digest));
        }
        for name in &further.files {
            for (name, digest) in self.read_again(name)? {
                inputs.0.push((Input::File(name), digest));
            }
        }
        for name in &further.variables {
            let value = self.cargo.environment().get(name);
            let value = value.map(|value| [b"=", value.as_encoded_bytes()].concat());
            inputs.add(Input::Variable(name.clone()), value.unwrap_or_default());
        }
        Ok(inputs)
    }

    /// The compiler, and everything that it is told.
    fn add_tools(&self, request: &Request, more: &str, inputs: &mut Inputs) -> Result<()> {
        let triple = target::bare(&request.triple);
        let facts = Facts::read(self.cargo, &self.settings, triple, Some(self.store))?;
        let linker = match target::linking(self.cargo, &self.settings, &facts, &request.triple)? {
            Linking::Cargo => target::configured_linker(self.cargo, &self.settings, &facts, triple)
                .and_then(|linker| Some(linker.file_name()?.to_string_lossy().into_owned()))
                .unwrap_or_default(),
            Linking::With(linker) => linker.display().to_string(),
            Linking::Zigbuild => "zigbuild".into(),
        };
        let Facts { release, commit, host, .. } = &facts;
        let bins: Vec<&str> = request.binaries.iter().map(|binary| binary.name.as_str()).collect();
        let package = &self.package(request)?.name;
        inputs.add(Input::General("rustc"), format!("{release} {commit:?} {host}"));
        inputs.add(Input::General("the linker"), linker);
        inputs.add(
            Input::General("the choice of programs"),
            format!("{RECIPE} {package} {bins:?} {} {} {more}", request.triple, request.crt_static),
        );
        inputs.add(Input::General("the profile"), format!("{} {:?}", request.profile, request.strip));
        let mut features = request.features.clone();
        features.features.sort();
        inputs.add(Input::General("the features"), format!("{features:?}"));
        let flags = rustflags::in_force(self.cargo, &self.settings, &facts, triple);
        inputs.add(Input::General("rustflags"), flags.join("\n"));
        inputs.add(Input::General("cargo's configuration"), &self.configuration);
        inputs.add(Input::General("the profiles and patches of the workspace"), &self.of_workspace.text);
        if triple.ends_with(".json") {
            let path = self.cargo.dir().join(triple);
            inputs.0.push((
                Input::General("the target"),
                files::digest(&path).map_err(|error| unreadable(&path, error))?,
            ));
        }
        Ok(())
    }

    fn package(&self, request: &Request) -> Result<&Package> {
        let id = request.binaries.first().map(|binary| binary.package_id.as_str()).unwrap_or_default();
        let found = self.project.packages.iter().find(|package| package.id == id);
        found.ok_or_else(|| Error::bug("a program of no package is built"))
    }

    /// Whether what a package needs is for its tests alone, and decides about nothing else.
    fn is_for_tests(&self, of: &Locked, need: &str) -> bool {
        of.source.is_none() && self.only_for_tests.contains(&(of.name.as_str(), need))
    }

    /// What folders of sources hold of a crate, in one line: nobody holds that to the checksum of the lock.
    fn vendored(&self, of: &Locked) -> Result<String> {
        let mut all = String::new();
        let names = [of.name.clone(), format!("{}-{}", of.name, of.version)];
        let folders = self.vendors.iter().flat_map(|folder| names.iter().map(move |name| folder.join(name)));
        for folder in folders.filter(|folder| of.source.is_some() && folder.is_dir()) {
            self.tree(&folder, files::of_folder)?
                .iter()
                .for_each(|(path, digest)| all.push_str(&format!("{} {digest}\n", seen_from(&folder, path))));
        }
        Ok(all)
    }

    /// The package and all that it needs, as Cargo.lock has it.
    fn crates(&self, request: &Request) -> Result<Vec<&Locked>> {
        let package = self.package(request)?;
        let found =
            self.lock.closure((&package.name, &package.version), |of, need| self.is_for_tests(of, need));
        match found.is_empty() {
            true => {
                Err(Error::build(format!("Cargo.lock has no package {} {}", package.name, package.version)))
            }
            false => Ok(found),
        }
    }

    /// The files of the packages among `crates` that lie on this machine, as seen from the workspace.
    fn files(&self, request: &Request, crates: &[&Locked]) -> Result<BTreeMap<String, Digest>> {
        let mut found = BTreeMap::new();
        for of in crates.iter().filter(|of| of.source.is_none()) {
            let mut own = self.folders.iter().filter(|(_, name)| **name == of.name).peekable();
            if own.peek().is_none() {
                return Err(Error::build(format!("the folder of the package {} was not found", of.name)));
            }
            for (folder, _) in own {
                self.add_package(request, folder, &mut found)?;
            }
        }
        for folder in self.replaced.iter().filter(|folder| self.folders.contains_key(*folder)) {
            self.add_package(request, folder, &mut found)?;
        }
        Ok(found)
    }

    fn add_package(
        &self,
        request: &Request,
        folder: &Path,
        found: &mut BTreeMap<String, Digest>,
    ) -> Result<()> {
        let own = request.target_dir(self.cargo, self.project);
        let made = [own, self.project.target_directory.clone(), self.project.build_directory.clone()];
        for (path, digest) in self.tree(folder, |folder| files::of_package(folder, &made))?.iter() {
            found.insert(self.name(path), *digest);
        }
        let manifest = folder.join("Cargo.toml");
        let member = self.project.metadata.packages.iter().find(|package| package.manifest_path == manifest);
        // A member's manifest may say `workspace = true`: what that comes to counts. Of other workspaces all counts.
        let said = match member {
            Some(member) => values::of_member(member).map(|text| Digest::of(&text)),
            None => {
                let above = folder.ancestors().skip(1).map(|above| above.join("Cargo.toml"));
                let all = above.filter_map(|path| files::digest(&path).ok());
                let all: Vec<String> = all.map(|digest| digest.to_string()).collect();
                (!all.is_empty()).then(|| Digest::of(all.join("\n").as_bytes()))
            }
        };
        found.extend(said.map(|said| (format!("{} with its workspace", self.name(&manifest)), said)));
        Ok(())
    }

    /// The files of a folder, which are read once.
    fn tree(&self, folder: &Path, read: impl FnOnce(&Path) -> std::io::Result<Tree>) -> Result<Rc<Tree>> {
        if let Some(known) = self.trees.borrow().get(folder) {
            return Ok(known.clone());
        }
        let read = Rc::new(read(folder).map_err(|error| unreadable(folder, error))?);
        self.trees.borrow_mut().insert(folder.to_owned(), read.clone());
        Ok(read)
    }

    fn name(&self, path: &Path) -> String {
        seen_from(&self.project.workspace_root, path)
    }

    /// What stands now at a place that a build has read.
    fn read_again(&self, name: &str) -> Result<Vec<(String, Digest)>> {
        let path = self.project.workspace_root.join(name);
        if path.is_dir() {
            let tree = files::of_folder(&path).map_err(|error| unreadable(&path, error))?;
            let named =
                |(file, digest): (PathBuf, Digest)| (format!("{name}/{}", seen_from(&path, &file)), digest);
            return Ok(tree.into_iter().map(named).collect());
        }
        match files::digest(&path) {
            Ok(digest) => Ok(vec![(name.to_owned(), digest)]),
            Err(error) if read::is_absent(&error) => Ok(Vec::new()),
            Err(error) => Err(unreadable(&path, error)),
        }
    }

    /// What a build of `request` that began at `start` has read beside the files of its packages; `before` is what counted
    /// until then.
    ///
    /// # Errors
    /// Build: it has read something that is not the same on other machines, or that has changed meanwhile.
    pub fn further(
        &self,
        request: &Request,
        reads: &Reads,
        start: SystemTime,
        before: &Further,
    ) -> Result<Further> {
        let counted = self.files(request, &self.crates(request)?)?;
        let target = request.target_dir(self.cargo, self.project);
        let mut elsewhere = vec![target, self.project.build_directory.clone()];
        elsewhere.extend(self.cargo.home());
        let mut files = BTreeSet::new();
        for path in &reads.files {
            let is_made = elsewhere.iter().any(|folder| path.starts_with(folder));
            if is_made || counted.contains_key(&self.name(path)) || self.folders.contains_key(path) {
                continue;
            }
            let own = self.folders.keys().find(|folder| path.starts_with(folder));
            let is_near = own.is_some() || path.starts_with(self.near());
            let changed =
                path.metadata().and_then(|metadata| metadata.modified()).is_ok_and(|time| time >= start);
            match (is_near, changed) {
                // Version control ignores it, and the build has written it.
                (true, true)
                    if own.is_some() && path.is_file() && !before.files.contains(&self.name(path)) => {}
                (true, true) if !path.is_dir() => {
                    return Err(Error::build(format!("{} has changed while it was built", self.name(path))));
                }
                (true, _) => _ = files.insert(self.name(path)),
                (false, _) if path.starts_with(OF_THE_SYSTEM) => _ = files.insert(path.display().to_string()),
                (false, _) => {
                    return Err(Error::build(format!(
                        "it reads {}, which is not in the project",
                        path.display()
                    )));
                }
            }
        }
        Ok(Further { files, variables: reads.variables.clone() })
    }

    /// The repository that the workspace is in, else its own folder.
    fn near(&self) -> &Path {
        let root = &self.project.workspace_root;
        repository_of(root).unwrap_or(root)
    }
}

fn unreadable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::build(format!("cannot read {}: {why}", path.display()))
}
