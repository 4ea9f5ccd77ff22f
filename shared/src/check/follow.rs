//! From the first Python module that is imported to all that it imports in any case.
//!
//! Only what nothing encloses is followed (see [`Imports`]), so each import is one that happens, and one that
//! cannot be found ends the program. What other code may bring from elsewhere is left alone.

use std::collections::{BTreeMap, BTreeSet};

use super::Image;
use super::python::{Python, SearchPath};
use crate::facts::details::{Detail, Imports, PACKAGES, parts};
use crate::facts::tree::NodeKind;

/// As many modules are followed.
const MOST_MODULES: usize = 20_000;

/// An import that finds nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// What is imported, by the name that is looked for: `a`, or `a.b` where `a` is there.
    pub(super) name: String,
    /// The modules on the way there, the first and the one that imports it included.
    pub(super) way: Vec<String>,
    /// Whether the one that imports it came as a package.
    pub(super) is_installed: bool,
}

/// Where a part of a name leads.
#[derive(Clone)]
enum Place {
    /// To the folder of a package.
    Package(String),
    /// To a module.
    Module(String),
    /// To folders that are packages without a module of their own.
    Folders(Vec<String>),
    /// To what cannot be read.
    Closed,
    Nowhere,
}

/// A module that is imported: its file, its name, and which one imports it.
struct Reached {
    path: String,
    name: String,
    by: Option<usize>,
}

/// On the way through the modules.
pub(super) struct Follow<'i, 'a> {
    image: &'i Image<'a>,
    /// The endings of extension modules.
    compiled: Vec<String>,
    /// The real folders that modules are looked for in, and the interpreter's own among them.
    folders: Vec<String>,
    library: String,
    known: BTreeMap<String, Place>,
    reached: Vec<Reached>,
    seen: BTreeSet<String>,
    missing: Vec<(String, usize)>,
}

/// The name below `site-packages` that a path is in.
fn distribution(path: &str) -> Option<&str> {
    path.split_once(PACKAGES)?.1.trim_start_matches('/').split('/').next()
}

impl<'i, 'a> Follow<'i, 'a> {
    pub(super) fn new(image: &'i Image<'a>, python: &Python, path: &SearchPath) -> Self {
        let folders = path.folders.iter().filter_map(|folder| image.fs.contents.follow(folder)).collect();
        Self {
            image,
            compiled: python.suffixes(image.machine),
            folders,
            library: python.library().trim_start_matches('/').to_owned(),
            known: BTreeMap::new(),
            reached: Vec::new(),
            seen: BTreeSet::new(),
            missing: Vec::new(),
        }
    }

    /// Follows the module of this name.
    pub(super) fn module(&mut self, name: &str) {
        self.import(name, None);
    }

    /// Follows the file that is run, or the module that is run for a package.
    pub(super) fn file(&mut self, path: &str, name: &str) {
        if let Some(real) = self.image.fs.contents.follow(path) {
            self.reach(real, name.to_owned(), None);
        }
    }

    /// What is imported and not there.
    pub(super) fn missing(mut self) -> Vec<Missing> {
        let mut next = 0;
        while next < self.reached.len() && next < MOST_MODULES {
            self.imports_of(next);
            next += 1;
        }
        let missing = std::mem::take(&mut self.missing);
        let certain = missing.into_iter().filter(|(name, by)| self.is_certain(name, *by));
        let mut told = BTreeSet::new();
        let certain = certain.filter(|(name, _)| told.insert(name.clone()));
        certain.map(|(name, by)| self.told(name, by)).collect()
    }

    fn told(&self, name: String, by: usize) -> Missing {
        let mut way = Vec::new();
        let mut at = Some(by);
        while let Some(module) = at.and_then(|at| self.reached.get(at)) {
            way.insert(0, module.name.clone());
            at = module.by;
        }
        let is_installed = self.reached.get(by).is_some_and(|module| module.path.contains(PACKAGES));
        Missing { name, way, is_installed }
    }

    fn reach(&mut self, path: String, name: String, by: Option<usize>) {
        if !self.is_pythons(&path) && self.seen.insert(path.clone()) {
            self.reached.push(Reached { path, name, by });
        }
    }

    /// Whether it is of the interpreter's own library, which its maker vouches for.
    fn is_pythons(&self, path: &str) -> bool {
        let within = path.strip_prefix(&self.library);
        within.is_some_and(|rest| rest.starts_with('/') && !rest.contains(PACKAGES))
    }

    fn facts(&self, path: &str) -> Option<&'i Imports> {
        match self.image.fs.detail_at(path)? {
            Detail::Module(module) => Some(&module.imports),
            _ => None,
        }
    }

    fn imports_of(&mut self, at: usize) {
        let Some(path) = self.reached.get(at).map(|module| module.path.clone()) else { return };
        let Some(facts) = self.facts(&path) else { return };
        for statement in &facts.statements {
            self.import(statement, Some(at));
        }
    }

    /// What one statement leads to.
    fn import(&mut self, statement: &str, by: Option<usize>) {
        let (module, names) = parts(statement);
        let rest = module.trim_start_matches('.');
        let dots = module.len() - rest.len();
        let importer =
            by.and_then(|by| self.reached.get(by)).map(|module| (module.path.clone(), module.name.clone()));
        let start = match (dots, importer) {
            (0, _) => Some((self.folders.clone(), String::new())),
            (_, Some((path, name))) => above(&path, &name, dots),
            (_, None) => None,
        };
        let Some((mut folders, mut name)) = start else { return };
        let is_package =
            |folder: &&String| self.image.fs.contents.tree.get(&format!("{folder}/__init__.py")).is_some();
        let mut package = folders.first().filter(|folder| dots > 0 && is_package(folder)).cloned();
        for part in rest.split('.').filter(|part| !part.is_empty()) {
            let place = self.place(&folders, part);
            let full = if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
            let within = package.take();
            match place {
                Place::Package(folder) => {
                    self.reach(format!("{folder}/__init__.py"), full.clone(), by);
                    package = Some(folder.clone());
                    folders = vec![folder];
                }
                Place::Module(path) => {
                    self.reach(path, full, by);
                    // A module may pose as a package.
                    return;
                }
                Place::Folders(found) => folders = found,
                Place::Closed => return,
                Place::Nowhere => {
                    // Packages without a module of their own may have parts elsewhere.
                    let is_told = name.is_empty() || within.is_some();
                    self.missing.extend(by.filter(|_| is_told).map(|by| (full, by)));
                    return;
                }
            }
            name = full;
        }
        self.names(names, &folders, package.as_deref(), &name, by);
    }

    /// The names that a statement takes from a package, where they are modules and nothing else.
    fn names<'n>(
        &mut self,
        names: impl Iterator<Item = &'n str>,
        folders: &[String],
        package: Option<&str>,
        name: &str,
        by: Option<usize>,
    ) {
        let own = package.map(|package| self.facts(&format!("{package}/__init__.py")));
        let bound: BTreeSet<&str> = match own {
            // A module that is missing binds nothing.
            None => BTreeSet::new(),
            Some(Some(facts)) if facts.plain => facts.binds.iter().map(String::as_str).collect(),
            Some(_) => return,
        };
        for part in names.filter(|part| !bound.contains(part)) {
            let full = format!("{name}.{part}");
            match self.place(folders, part) {
                Place::Package(folder) => self.reach(format!("{folder}/__init__.py"), full, by),
                Place::Module(path) => self.reach(path, full, by),
                Place::Folders(_) | Place::Closed | Place::Nowhere => {}
            }
        }
    }

    fn place(&mut self, folders: &[String], part: &str) -> Place {
        let key = format!("{}\0{part}", folders.join("\0"));
        if let Some(place) = self.known.get(&key) {
            return place.clone();
        }
        let place = self.look(folders, part);
        self.known.insert(key, place.clone());
        place
    }

    fn look(&self, folders: &[String], part: &str) -> Place {
        let mut portions = Vec::new();
        for folder in folders {
            let place = if folder.is_empty() { part.to_owned() } else { format!("{folder}/{part}") };
            if self.is_folder(&place) {
                match self.module_at(&format!("{place}/__init__")) {
                    Some(true) => return Place::Package(place),
                    Some(false) => return Place::Closed,
                    None => portions.push(place.clone()),
                }
            }
            match self.module_at(&place) {
                Some(true) => return Place::Module(format!("{place}.py")),
                Some(false) => return Place::Closed,
                None => {}
            }
        }
        if portions.is_empty() { Place::Nowhere } else { Place::Folders(portions) }
    }

    /// Whether there is a module whose path begins like this, and whether it is one to read.
    fn module_at(&self, stem: &str) -> Option<bool> {
        let is_there = |ending: &str| self.image.exists(&format!("{stem}{ending}"));
        if self
            .image
            .fs
            .contents
            .tree
            .get(&format!("{stem}.py"))
            .is_some_and(|node| node.kind == NodeKind::File)
        {
            return Some(true);
        }
        let others = [".py", ".pyc"].into_iter().chain(self.compiled.iter().map(String::as_str));
        others.into_iter().any(is_there).then_some(false)
    }

    fn is_folder(&self, path: &str) -> bool {
        let contents = &self.image.fs.contents;
        match contents.tree.get(path).map(|node| &node.kind) {
            Some(NodeKind::Directory) => true,
            // A folder is not always written down, and a link may lead to one.
            _ => contents
                .follow(path)
                .and_then(|real| contents.tree.get(&real))
                .is_some_and(|node| node.kind == NodeKind::Directory),
        }
    }

    /// Whether nothing that was reached can bring the module from elsewhere.
    fn is_certain(&self, name: &str, by: usize) -> bool {
        if self.image.fs.modules().any(|(_, module)| module.makes.iter().any(|made| made == name)) {
            return false;
        }
        match name.split_once('.') {
            None => self.is_nowhere(name),
            Some((top, _)) => self.is_usual(top, by),
        }
    }

    /// Whether a name is looked for in the usual way, and found in no folder.
    fn is_nowhere(&self, name: &str) -> bool {
        // setuptools has it, for versions of Python that do not.
        let is_replaced =
            name == "distutils" && !matches!(self.look(&self.folders, "setuptools"), Place::Nowhere);
        if is_replaced || name.starts_with('_') {
            return false;
        }
        let facts = self.reached.iter().filter_map(|module| Some((module, self.facts(&module.path)?)));
        let (mut changers, mut hooks) = (Vec::new(), false);
        for (module, facts) in facts {
            changers.extend(facts.paths.then_some(module.path.as_str()));
            // Packages do such things for names of their own.
            hooks |= facts.hooks && !module.path.contains(PACKAGES);
        }
        !(hooks || !changers.is_empty() && self.is_somewhere(name, &changers))
    }

    /// Whether anything in the image could be a module of this name, once the modules at `changers` have changed the
    /// path. What a distribution has in a package of its own, as pip has six, it would change the path for itself.
    fn is_somewhere(&self, name: &str, changers: &[&str]) -> bool {
        let file = format!("{name}.");
        let tree = &self.image.fs.contents.tree;
        let is_it = |path: &str| {
            let (folder, last) = path.rsplit_once('/').unwrap_or(("", path));
            if last != name && !last.starts_with(&file) {
                return false;
            }
            let is_in_package = tree.get(&format!("{folder}/__init__.py")).is_some();
            let own = distribution(path).filter(|_| is_in_package);
            own.is_none_or(|own| changers.iter().any(|changer| distribution(changer) == Some(own)))
        };
        tree.iter().any(|(path, _)| is_it(path))
    }

    /// Whether all modules of a package come from files of Python, and none of them changes that.
    fn is_usual(&self, top: &str, by: usize) -> bool {
        let Place::Package(folder) = self.look(&self.folders, top) else { return false };
        let folder = format!("{folder}/");
        if !self
            .reached
            .get(by)
            .is_some_and(|module| module.path.starts_with(&folder) || !module.path.contains(PACKAGES))
        {
            return false;
        }
        let below = |path: &str| path.starts_with(&folder);
        let changes = |imports: &Imports| imports.paths || imports.hooks;
        !self.image.fs.modules().any(|(path, imports)| below(path) && changes(imports))
            && !self.image.fs.contents.tree.iter().any(|(path, _)| below(path) && path.ends_with(".so"))
    }
}

/// The folder and the name of the package that so many dots lead to from a module.
fn above(path: &str, name: &str, dots: usize) -> Option<(Vec<String>, String)> {
    let (mut folder, file) = path.rsplit_once('/')?;
    let mut package = if file == "__init__.py" { name } else { name.rsplit_once('.')?.0 };
    for _ in 1..dots {
        folder = folder.rsplit_once('/')?.0;
        package = package.rsplit_once('.')?.0;
    }
    Some((vec![folder.to_owned()], package.to_owned()))
}
