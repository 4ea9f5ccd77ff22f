//! Extension modules of Python, loaded into the interpreter of the image; and the programs and
//! libraries of the image that nothing else has led to.
//!
//! Nobody knows which modules a program will import. So a module that cannot be loaded is an
//! error where it was built for this image, or where no module of its distribution can be
//! loaded; else whoever built the wheel meant it to be optional, and it is a warning.

use std::collections::{BTreeMap, BTreeSet};

use super::loader::Search;
use super::process::{Problem, Process, Trouble};
use super::python::Python;
use super::start::Started;
use super::{Finding, Image, Kind, Report, Severity, fixes};
use crate::elf::ElfFacts;
use crate::facts::details::Detail;
use crate::versions::Family;

/// Where Debian's packages put modules, whatever version its Python has. A Python that was built into
/// another prefix does not look there.
const DEBIANS: &str = "usr/lib/python3/dist-packages/";

/// The Python that Debian's packages are for.
const DEBIANS_PYTHON: &str = "/usr/bin/python3";

/// Examines all modules, and then what is left.
pub(super) fn examine(image: &Image<'_>, started: &Started, report: &mut Report) {
    let python = started.python.clone().or_else(|| Python::of(image));
    let files: Vec<File<'_>> = image.fs.details().filter_map(|found| File::of(image, found)).collect();
    let modules: Vec<&File<'_>> = files.iter().filter(|file| file.is_module()).collect();
    let mut reached = started.reached.clone();
    match &python {
        Some(python) => {
            let beside = |file: &&File<'_>| !python.is_debians() && file.path.starts_with(DEBIANS);
            let (beside, own): (Vec<&File<'_>>, Vec<&File<'_>>) = modules.into_iter().partition(beside);
            let mut failed = Loading::all(image, python, &own, &mut reached, report);
            failed.extend(debians(image, &beside, &mut reached, report));
            judge(image, &files, failed, report);
        }
        None if !modules.is_empty() => {
            report.cannot_tell(format!(
                "{} extension modules: no CPython with a known version was found",
                modules.len()
            ));
        }
        None => {}
    }
    let rest: Vec<&File<'_>> =
        files.iter().filter(|file| !file.is_module() && !reached.contains(file.path)).collect();
    others(image, python.as_ref(), &rest, report);
}

/// Loads the modules of Debian's Python beside that of the image, which only tools may use.
fn debians(
    image: &Image<'_>,
    modules: &[&File<'_>],
    reached: &mut BTreeSet<String>,
    report: &mut Report,
) -> Vec<Failed> {
    if modules.is_empty() {
        return Vec::new();
    }
    let Some(python) = Python::at(DEBIANS_PYTHON, image, Family::Glibc) else {
        report.cannot_tell("modules for Debian's own Python, which is not in the image");
        return Vec::new();
    };
    let mut failed = Loading::all(image, &python, modules, reached, report);
    failed.iter_mut().for_each(|failed| failed.finding.severity = Severity::Warning);
    failed
}

/// An ELF file that belongs to the image.
struct File<'a> {
    path: &'a str,
    name: &'a str,
    facts: &'a ElfFacts,
    own: bool,
}

impl<'a> File<'a> {
    fn of(image: &Image<'_>, (path, detail, own): (&'a str, &'a Detail, bool)) -> Option<Self> {
        let Detail::Elf(facts) = detail else { return None };
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        (own || image.all_own).then_some(Self { path, name, facts, own })
    }

    fn in_packages(&self) -> bool {
        self.path.contains("/site-packages/") || self.path.contains("/dist-packages/")
    }

    /// Whether Python imports it: its name says so, or at least that it is no library.
    fn is_module(&self) -> bool {
        let folder = self.path.rsplit('/').nth(1).unwrap_or_default();
        let tagged = self.name.contains(".cpython-3") || self.name.ends_with(".abi3.so");
        let plain = self.name.ends_with(".so") && !self.name.starts_with("lib") && !folder.ends_with(".libs");
        self.in_packages() && self.facts.interpreter.is_none() && (tagged || plain)
    }

    /// The minor version of the Python whose folder it is in, where the folder says it.
    fn minor(&self) -> Option<u32> {
        let rest = self.path.rsplit_once("/python3.")?.1;
        rest.split('/').next()?.parse().ok()
    }

    /// The name of the module, without what says for which Python it is.
    fn stem(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

/// A module that cannot be loaded, and what is wrong; `key` is the same for the same trouble.
struct Failed {
    path: String,
    key: String,
    finding: Finding,
}

struct Loading<'i, 'a, 'r> {
    image: &'i Image<'a>,
    python: &'i Python,
    report: &'r mut Report,
    reached: BTreeSet<String>,
    failed: Vec<Failed>,
}

impl Loading<'_, '_, '_> {
    /// Loads the modules each by itself, and gives those that fail. What they led to is added to `reached`.
    fn all(
        image: &Image<'_>,
        python: &Python,
        modules: &[&File<'_>],
        reached: &mut BTreeSet<String>,
        report: &mut Report,
    ) -> Vec<Failed> {
        report.checked.push(format!("{} extension modules for Python 3.{}", modules.len(), python.minor));
        let mut loading = Loading { image, python, report, reached: BTreeSet::new(), failed: Vec::new() };
        loading.modules(modules);
        reached.append(&mut loading.reached);
        loading.failed
    }

    fn modules(&mut self, files: &[&File<'_>]) {
        let search = Search::new(self.image, self.python.libc);
        let mut process = Process::new(&search, self.image.user.as_ref());
        // What is wrong with the interpreter itself is said elsewhere.
        process.load(&self.python.path);
        let alone = process.len();
        for file in files {
            if file.minor().is_some_and(|minor| minor != self.python.minor) {
                self.report.cannot_tell(format!("modules for another Python than 3.{}", self.python.minor));
                continue;
            }
            if let Some(finding) = self.misfit(file, files) {
                if let Some(finding) = finding {
                    let key = format!("{:?}", finding.kind);
                    self.failed.push(Failed { path: file.path.to_owned(), key, finding });
                }
                continue;
            }
            let problems = process.load(&format!("/{}", file.path));
            self.reached.extend(process.real_paths(alone).map(str::to_owned));
            process.truncate(alone);
            for problem in problems {
                if let Some(key) = self.certain(&problem) {
                    let finding = fixes::finding(&problem, Severity::Error, self.image);
                    self.failed.push(Failed { path: file.path.to_owned(), key, finding });
                }
            }
        }
    }

    /// Whether the file is for another interpreter or machine: `Some(None)` where a sibling is
    /// there for this one.
    fn misfit(&self, file: &File<'_>, all: &[&File<'_>]) -> Option<Option<Finding>> {
        let machine = self.image.machine;
        let ending = file.name.get(file.stem().len()..).unwrap_or_default();
        let named_for_this = !file.name.contains(".cpython-3")
            || self.python.suffixes(machine).iter().any(|suffix| suffix == ending);
        if named_for_this && file.facts.machine == machine {
            return None;
        }
        let folder = |file: &File<'_>| file.path.len() - file.name.len();
        let sibling = |other: &File<'_>| {
            other.path != file.path
                && other.path.get(..folder(other)) == file.path.get(..folder(file))
                && other.stem() == file.stem()
                && other.facts.machine == machine
                && self.python.suffixes(machine).iter().any(|suffix| other.name.ends_with(suffix.as_str()))
        };
        if all.iter().any(|other| sibling(other)) {
            return Some(None);
        }
        let path = file.path;
        let (kind, message) = if file.facts.machine == machine {
            let message =
                format!("/{path} is not for this interpreter, CPython 3.{} ({machine})", self.python.minor);
            (Kind::WrongPython, message)
        } else {
            let built = &file.facts.machine;
            (Kind::WrongMachine, format!("/{path} is built for {built}, but the image is for {machine}"))
        };
        let through = vec![self.python.path.clone(), format!("/{path}")];
        let fix = "use the wheel for this interpreter and machine, or build it for them".to_owned();
        Some(Some(Finding {
            severity: Severity::Error,
            kind,
            message,
            library: None,
            through,
            fix: Some(fix.into()),
        }))
    }

    /// What makes the problem one for sure, and nothing where Python code may prevent it: what
    /// is beside the modules may have been loaded by path before.
    fn certain(&mut self, problem: &Problem) -> Option<String> {
        let Trouble::Missing(library) = &problem.what else { return Some(format!("{:?}", problem.what)) };
        if fixes::comes_with_the_machine(library) {
            self.report.cannot_tell(format!("{library}, which comes with the machine's driver"));
            return None;
        }
        let file = library.rsplit('/').next().unwrap_or_default();
        let places = self.image.libraries.get(file).map(Vec::as_slice).unwrap_or_default();
        if places.iter().any(|path| path.contains("/site-packages/") || path.contains("/dist-packages/")) {
            self.report
                .cannot_tell("libraries of Python packages that their code loads before it needs them");
            return None;
        }
        Some(format!("{:?}", problem.what))
    }
}

/// The distributions that modules belong to: by the path of the module, that of its `.dist-info`.
fn distributions(image: &Image<'_>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (path, detail, _) in image.fs.details() {
        let (Detail::Record(files), Some((info, _))) = (detail, path.rsplit_once('/')) else { continue };
        let site = info.rsplit_once('/').map_or("", |(site, _)| site);
        found.extend(files.iter().map(|file| (format!("{site}/{file}"), info.to_owned())));
    }
    found
}

/// Whether the distribution came as a wheel that is made to run anywhere.
fn is_portable(image: &Image<'_>, info: &str) -> bool {
    let text = image.fs.text(&format!("/{info}/WHEEL")).unwrap_or_default();
    let tags = text.lines().filter_map(|line| line.strip_prefix("Tag:"));
    tags.into_iter()
        .any(|tag| tag.contains("manylinux") || tag.contains("musllinux") || tag.trim().ends_with("-any"))
}

/// A finding, and the modules that it is about.
type Group<'a> = (Finding, BTreeSet<&'a str>);

/// Says what is wrong with modules: the same trouble of one distribution once.
fn judge(image: &Image<'_>, files: &[File<'_>], failed: Vec<Failed>, report: &mut Report) {
    if failed.is_empty() {
        return;
    }
    let distributions = distributions(image);
    let of = |path: &str| distributions.get(path).map(String::as_str);
    let mut groups: BTreeMap<(Option<&str>, String), Group<'_>> = BTreeMap::new();
    for Failed { path, key, finding } in &failed {
        let group = groups.entry((of(path), key.clone()));
        group.or_insert_with(|| (finding.clone(), BTreeSet::new())).1.insert(path);
    }
    for ((info, _), (mut finding, paths)) in groups {
        let all = files.iter().filter(|file| file.is_module() && of(file.path) == info).count();
        let broken: BTreeSet<&str> =
            failed.iter().map(|failed| failed.path.as_str()).filter(|path| of(path) == info).collect();
        if info.is_some_and(|info| is_portable(image, info)) && broken.len() < all {
            finding.severity = Severity::Warning;
        }
        match paths.len().saturating_sub(1) {
            0 => {}
            1 => finding.message.push_str(" (as does one more module)"),
            n => finding.message.push_str(&format!(" (as do {n} more modules)")),
        }
        report.add(finding);
    }
}

/// Programs and libraries that the image holds and that nothing led to: what is wrong with them
/// shows when they are used.
fn others(image: &Image<'_>, python: Option<&Python>, files: &[&File<'_>], report: &mut Report) {
    let mut count = 0;
    for file in files.iter().filter(|file| file.own && file.facts.runs) {
        let path = format!("/{}", file.path);
        if file.facts.machine != image.machine {
            // Packages often bring tools for all machines.
            if !file.in_packages() {
                let (built, machine) = (&file.facts.machine, image.machine);
                report.add(Finding {
                    severity: Severity::Warning,
                    kind: Kind::WrongMachine,
                    message: format!("{path} is built for {built}, but the image is for {machine}"),
                    library: None,
                    through: vec![path.clone()],
                    fix: Some(format!("put the {machine} build of it into this image").into()),
                });
            }
            continue;
        }
        count += 1;
        let libc = match (&file.facts.interpreter, python) {
            (Some(loader), _) => Family::of(loader),
            (None, Some(python)) => python.libc,
            (None, None) => Family::Glibc,
        };
        let search = Search::new(image, libc);
        let mut process = Process::new(&search, image.user.as_ref());
        if let Some(python) = python.filter(|_| file.facts.interpreter.is_none() && file.in_packages()) {
            process.load(&python.path);
        }
        for problem in process.load(&path) {
            // Whoever loads it may have loaded the rest before.
            let there = |library: &str| {
                image.libraries.contains_key(library) || fixes::comes_with_the_machine(library)
            };
            if !matches!(&problem.what, Trouble::Missing(library) if there(library)) {
                report.add(fixes::finding(&problem, Severity::Warning, image));
            }
        }
    }
    if count > 0 {
        report.checked.push(format!("{count} other programs and libraries"));
    }
}
