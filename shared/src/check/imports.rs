//! The first Python modules that are imported: those of a console script, of a file, of `-m`, and the application
//! that a server is given. What they import in turn is [followed](super::follow).

use super::follow::{Follow, Missing};
use super::gone;
use super::python::{Python, SearchPath};
use super::{Finding, Image, Kind, Report, Severity};
use crate::facts::tree::NodeKind;

/// Servers that are given `module:object`.
const SERVERS: &[&str] = &["uvicorn", "gunicorn", "hypercorn", "granian", "daphne"];

/// Flags with which a server looks for modules elsewhere, or is told in another way.
const ELSEWHERE: &[&str] = &["--app-dir", "--chdir", "--pythonpath", "--working-dir", "--config", "-c"];

/// What helps where a module is missing of which nothing else is known.
const LACKING: &str = "check that it is a dependency or part of the included source (include, exclude), and supports this version of Python";

/// Whether the modules that `words` (from the interpreter on) import first are there.
pub(super) fn examine(
    image: &Image<'_>,
    python: &Python,
    words: &[String],
    severity: Severity,
    through: &[String],
    report: &mut Report,
) {
    let path = python.search_path(image);
    let landmarks = ["os.py", "os.pyc", "encodings"].map(|name| format!("{}/{name}", python.library()));
    let zip = format!("/lib/python3{}.zip", python.minor);
    let has_zip = image.exists(&python.library().replace(&format!("/lib/python3.{}", python.minor), &zip));
    let mut examination = Examination { image, python, severity, through, report };
    if !has_zip && !landmarks.iter().any(|path| image.exists(path)) {
        let message = format!("{} has no standard library at {}", python.path, python.library());
        return examination.add(message, "use a base whose Python is complete");
    }
    if path.is_open {
        let words = "modules that a .pth file with an import line may add";
        return examination.report.cannot_tell(words);
    }
    let mut rest = words.get(1..).unwrap_or_default().iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-c" | "-" => {
                return examination.report.cannot_tell("the Python code in the arguments");
            }
            "-X" | "-W" | "--check-hash-based-pycs" => drop(rest.next()),
            "-m" => {
                let Some(module) = rest.next() else { return };
                let path = path.from(image.absolute("."));
                let arguments: Vec<&str> = rest.map(String::as_str).collect();
                return examination.module(module, &path, &arguments);
            }
            flag if flag.starts_with('-') => {}
            script => {
                let arguments: Vec<&str> = rest.map(String::as_str).collect();
                return examination.script(script, &path, &arguments);
            }
        }
    }
}

impl SearchPath {
    /// With a folder that is looked into first.
    fn from(&self, first: String) -> Self {
        let folders = [first].into_iter().chain(self.folders.iter().cloned()).collect();
        Self { folders, is_open: self.is_open }
    }
}

struct Examination<'i, 'a, 'r> {
    image: &'i Image<'a>,
    python: &'i Python,
    severity: Severity,
    through: &'i [String],
    report: &'r mut Report,
}

/// How far a module's name leads.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// To a file.
    File,
    /// To a package, in these folders.
    Package(Vec<String>),
    /// Its beginning leads somewhere, and the rest does not; packages may make up modules.
    Partly,
    Nothing,
}

impl Examination<'_, '_, '_> {
    fn add(&mut self, message: String, fix: &str) {
        let (through, severity) = (self.through.to_vec(), self.severity);
        let fix = Some(fix.into());
        self.report.add(Finding {
            severity,
            kind: Kind::MissingModule,
            message,
            library: None,
            through,
            fix,
        });
    }

    /// Looks for what is imported in turn from where `start` says.
    fn follow(&mut self, path: &SearchPath, start: impl FnOnce(&mut Follow<'_, '_>)) {
        let mut follow = Follow::new(self.image, self.python, path);
        start(&mut follow);
        for missing in follow.missing() {
            if !gone::may_be_built_in(&missing.name, self.python.minor) {
                self.lacks(missing);
            }
        }
    }

    fn lacks(&mut self, missing: Missing) {
        let Missing { name, way, is_installed } = missing;
        let who = way.last().cloned().unwrap_or_default();
        let message =
            format!("{who} imports {name}, which is not where Python 3.{} looks for it", self.python.minor);
        let fix = gone::fix(&name, &who, self.python.minor).unwrap_or_else(|| match is_installed {
            true => format!(
                "add the distribution that has {name} to the dependencies: {who} needs it but does not declare it"
            ),
            false => LACKING.to_owned(),
        });
        let through = self.through.iter().cloned().chain(way).collect();
        let (severity, kind) = (self.severity, Kind::MissingModule);
        self.report.add(Finding { severity, kind, message, library: None, through, fix: Some(fix.into()) });
    }

    fn module(&mut self, name: &str, path: &SearchPath, arguments: &[&str]) {
        match self.find(name, path) {
            Found::Package(folders) => {
                let main = SearchPath { folders, is_open: false };
                if self.find("__main__", &main) == Found::Nothing {
                    let message =
                        format!("python -m {name} needs {name}.__main__, which is not in the image");
                    self.add(message, "use a module that can be run");
                }
            }
            found => self.say(found, name, &format!("python -m {name}")),
        }
        self.follow(path, |follow| {
            follow.module(name);
            follow.module(&format!("{name}.__main__"));
        });
        self.application(name, path, arguments);
    }

    fn script(&mut self, script: &str, path: &SearchPath, arguments: &[&str]) {
        let script = self.image.absolute(script);
        let Some(real) = self.image.fs.contents.follow(&script) else {
            let message = format!("{} should run {script}, which is not in the image", self.python.path);
            return self.add(message, "use a file that is in the image");
        };
        let folder = real.rsplit_once('/').map_or("", |(folder, _)| folder);
        if let Some(text) = self.image.fs.script(&script)
            && folder.rsplit('/').next() == Some("bin")
            && text.contains("sys.exit(")
        {
            let path = path.from(format!("/{folder}"));
            for module in imported(text) {
                let found = self.find(module, &path);
                self.say(found, module, &script);
                self.follow(&path, |follow| follow.module(module));
            }
        } else {
            self.environment(&script, path);
            let name = real.rsplit('/').next().unwrap_or_default();
            self.follow(&path.from(format!("/{folder}")), |follow| follow.file(&script, name));
        }
        let name = script.rsplit('/').next().unwrap_or_default();
        let path = path.from(self.image.absolute("."));
        self.application(name, &path, arguments);
    }

    /// Whether a file is run by a Python that has the packages of the image's environment.
    fn environment(&mut self, script: &str, path: &SearchPath) {
        let Some(place) =
            self.image.variable("VIRTUAL_ENV").map(|place| place.trim_end_matches('/').to_owned())
        else {
            return;
        };
        let within = |folder: &String| folder.strip_prefix(&place).is_some_and(|rest| rest.starts_with('/'));
        let inner = place.trim_start_matches('/');
        let is_filled = || {
            let below = |path: &str| path.strip_prefix(inner).is_some_and(|rest| rest.starts_with('/'));
            self.image.fs.contents.tree.iter().any(|(path, _)| below(path) && path.contains(".dist-info/"))
        };
        if inner.is_empty() || self.python.is_of(&place) || path.folders.iter().any(within) || !is_filled() {
            return;
        }
        let message = format!(
            "{script} is run by {}, which is not the Python of the environment in {place}, so it finds none of its packages",
            self.python.path
        );
        self.add(
            message,
            &format!("do not use another Python in the command, and keep {place}/bin first in PATH"),
        );
    }

    /// What a server is to serve.
    fn application(&mut self, server: &str, path: &SearchPath, arguments: &[&str]) {
        let elsewhere = |word: &&str| ELSEWHERE.iter().any(|flag| word.split('=').next() == Some(flag));
        if !SERVERS.contains(&server) || arguments.iter().any(elsewhere) {
            return;
        }
        let is_module = |module: &str| module.split('.').all(is_identifier);
        let split = |word: &&str| word.split_once(':').map(|(module, _)| module.to_owned());
        if let Some(module) = arguments.iter().filter_map(split).find(|module| is_module(module)) {
            let found = self.find(&module, path);
            self.say(found, &module, server);
            self.follow(path, |follow| follow.module(&module));
        }
    }

    fn say(&mut self, found: Found, module: &str, who: &str) {
        match found {
            Found::File | Found::Package(_) => {}
            Found::Partly => {
                self.report.cannot_tell(format!("whether {module} is created by its package at run time"))
            }
            Found::Nothing => {
                let python = format!("Python 3.{}", self.python.minor);
                let message = format!("{who} imports {module}, which is not where {python} looks for it");
                self.add(message, LACKING);
            }
        }
    }

    /// Follows a dotted name through packages, namespace packages included.
    fn find(&self, name: &str, path: &SearchPath) -> Found {
        let mut folders = path.folders.clone();
        let parts: Vec<&str> = name.split('.').collect();
        for (number, part) in parts.iter().enumerate() {
            let is_last = number + 1 == parts.len();
            let nothing = if number == 0 { Found::Nothing } else { Found::Partly };
            let mut portions = Vec::new();
            let mut package = None;
            for folder in &folders {
                let place = format!("{}/{part}", folder.trim_end_matches('/'));
                if self.has_module(&format!("{place}/__init__")) {
                    package = Some(place);
                    break;
                }
                if self.has_module(&place) {
                    return if is_last { Found::File } else { nothing };
                }
                if self.is_folder(&place) {
                    portions.push(place);
                }
            }
            folders = package.map_or(portions, |package| vec![package]);
            if folders.is_empty() {
                return nothing;
            }
        }
        Found::Package(folders)
    }

    fn has_module(&self, stem: &str) -> bool {
        let compiled = self.python.suffixes(self.image.machine);
        let endings = [".py", ".pyc"].into_iter().chain(compiled.iter().map(String::as_str));
        endings.into_iter().any(|ending| self.image.exists(&format!("{stem}{ending}")))
    }

    fn is_folder(&self, path: &str) -> bool {
        let contents = &self.image.fs.contents;
        let node = contents.follow(path).and_then(|real| contents.tree.get(&real));
        node.is_some_and(|node| node.kind == NodeKind::Directory)
    }
}

/// The modules that a console script imports, but for the interpreter's own.
fn imported(text: &str) -> Vec<&str> {
    // What is cut off is the last line.
    let lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines).lines();
    let module = |line| str::strip_prefix(line, "from ").and_then(|rest| rest.split_once(" import "));
    let found = lines.filter_map(module).map(|(module, _)| module.trim());
    let found = found.filter(|module| module.split('.').all(is_identifier));
    found.filter(|module| *module != "__future__").collect()
}

fn is_identifier(part: &str) -> bool {
    let mut letters = part.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}
