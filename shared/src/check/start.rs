//! From the words that start the image to the program that runs: `PATH`, links, permissions, `#!`
//! lines and loaders, as `execve(2)` goes through them.

use std::collections::BTreeSet;

use super::access::{EXECUTE, READ};
use super::loader::Search;
use super::process::Process;
use super::python::Python;
use super::{Finding, Image, Kind, Report, Severity, fixes, imports};
use crate::elf::ElfFacts;
use crate::facts::details::Detail;
use crate::facts::tree::NodeKind;
use crate::oci::DEFAULT_PATH;
use crate::system::System;
use crate::versions::Family;
use crate::words;
use crate::words::{Words, flag};

/// As many `#!` lines as Linux follows.
const MOST_SCRIPTS: usize = 5;

/// What the way to a health check's program begins with.
const HEALTHCHECK: &str = "HEALTHCHECK";

/// What is known after following what the image starts.
#[derive(Default)]
pub(super) struct Started {
    /// The interpreter, where it is a Python.
    pub(super) python: Option<Python>,
    /// The real paths of all that was loaded.
    pub(super) reached: BTreeSet<String>,
}

/// Follows what the image starts, and its health check.
pub(super) fn examine(image: &Image<'_>, report: &mut Report) -> Started {
    let execution = &image.config.config;
    let all = [&execution.entrypoint, &execution.cmd];
    let words: Vec<String> = all.into_iter().flatten().flatten().cloned().collect();
    let mut started = Started::default();
    if words.is_empty() {
        report.cannot_tell("the image does not say what to start");
    } else {
        let mut walk = Walk { image, report, severity: Severity::Error, through: Vec::new(), started };
        walk.run(&words);
        started = walk.started;
        report.checked.push(format!("the program that is started: {}", words.join(" ")));
    }
    let test = execution.healthcheck.as_ref().map(|check| check.test.as_slice()).unwrap_or_default();
    if let Some((kind, words)) = test.split_first() {
        let words = match kind.as_str() {
            "CMD" => words.to_vec(),
            "CMD-SHELL" => vec!["/bin/sh".to_owned(), "-c".into(), words.join(" ")],
            _ => Vec::new(),
        };
        let through = vec![HEALTHCHECK.to_owned()];
        let mut walk =
            Walk { image, report, severity: Severity::Warning, through, started: Started::default() };
        if !words.is_empty() {
            walk.run(&words);
        }
    }
    started
}

/// On the way from words to a program.
struct Walk<'i, 'a, 'r> {
    image: &'i Image<'a>,
    report: &'r mut Report,
    severity: Severity,
    through: Vec<String>,
    started: Started,
}

impl<'a> Walk<'_, 'a, '_> {
    fn run(&mut self, words: &[String]) {
        let mut words = words.to_vec();
        let mut by: Option<String> = None;
        for _ in 0..MOST_SCRIPTS {
            let Some(path) = words.first().and_then(|word| self.find(word, by.as_deref())) else { return };
            self.through.push(path.clone());
            match (self.image.fs.detail(&path), self.image.fs.script(&path)) {
                (Some(Detail::Elf(facts)), _) => {
                    self.program(&path, facts, &words);
                    match behind_init(&path, &words) {
                        Some(next) => {
                            words = next;
                            by = Some(path);
                        }
                        None => return,
                    }
                }
                (_, Some(text)) => match self.interpreter(&path, text, &words) {
                    Some(next) => {
                        words = next;
                        by = Some(path);
                    }
                    None => return,
                },
                _ => {
                    let message = format!("{path} is neither a program nor a script");
                    let fix = "a script begins with a line such as #!/bin/sh; a program is an ELF file";
                    return self.add(Kind::NotExecutable, message, Some(fix.into()));
                }
            }
        }
        self.add(Kind::NoInterpreter, "the scripts start one another in a loop".into(), None);
    }

    fn add(&mut self, kind: Kind, message: String, fix: Option<Words>) {
        let through = self.through.clone();
        self.report.add(Finding { severity: self.severity, kind, message, library: None, through, fix });
    }

    /// The absolute path that a word means, if the user may execute it.
    fn find(&mut self, word: &str, by: Option<&str>) -> Option<String> {
        let candidates = if word.contains('/') {
            vec![self.image.absolute(word)]
        } else {
            let path = self.image.variable("PATH").filter(|path| !path.is_empty()).unwrap_or(DEFAULT_PATH);
            path.split(':').map(|dir| self.image.absolute(&format!("{dir}/{word}"))).collect()
        };
        let there: Vec<&String> = candidates.iter().filter(|path| self.is_file(path)).collect();
        let Some(first) = there.first() else {
            self.not_there(word, by);
            return None;
        };
        let user = self.image.user.as_ref();
        let stopped = |path: &str| user.and_then(|user| user.stopped_at(self.image.fs, path, EXECUTE));
        if let Some(path) = there.iter().find(|path| stopped(path).is_none()) {
            return Some((**path).clone());
        }
        let (at, who) = (stopped(first)?, user.map_or_else(String::new, |user| user.shown()));
        let message = match by {
            Some(script) => format!("{script} is started by {first}, but {who} may not execute {at}"),
            None => format!("{} {first}, but {who} may not execute {at}", self.starts()),
        };
        let fix = how_to_allow(System::HERE, &at);
        self.add(Kind::NotAllowed, message, Some(fix.into()));
        None
    }

    fn is_healthcheck(&self) -> bool {
        self.through.first().is_some_and(|first| first == HEALTHCHECK)
    }

    /// The beginning of a sentence about a program that is started.
    fn starts(&self) -> &'static str {
        if self.is_healthcheck() { "the health check runs" } else { "the image starts" }
    }

    fn is_file(&self, path: &str) -> bool {
        let contents = &self.image.fs.contents;
        let node = contents.follow(path).and_then(|real| contents.tree.get(&real));
        node.is_some_and(|node| node.kind == NodeKind::File)
    }

    fn not_there(&mut self, word: &str, by: Option<&str>) {
        let place =
            if word.contains('/') { "which is not in the image" } else { "which is in no folder of PATH" };
        match by {
            Some(script) if word.ends_with('\r') => {
                let message =
                    format!("the first line of {script} has a Windows line ending, so it names no program");
                self.add(
                    Kind::NoInterpreter,
                    message,
                    Some("save the script with Unix line endings (LF)".into()),
                );
            }
            Some(script) => {
                let message = format!("{script} is started by {word}, {place}");
                let fix = "use a base that has it, or start the program without a script".into();
                self.add(Kind::NoInterpreter, message, Some(fix));
            }
            None => {
                let message = format!("{} {word}, {place}", self.starts());
                let key = if self.is_healthcheck() { "healthcheck" } else { "entrypoint" };
                let fix = words!("use a program that is in the image, with {} or the key {key}", flag(key));
                self.add(Kind::NoProgram, message, Some(fix));
            }
        }
    }

    /// The words that run a script: its interpreter, perhaps one argument, the script, and its
    /// arguments. `env` is looked through.
    fn interpreter(&mut self, path: &str, text: &str, words: &[String]) -> Option<Vec<String>> {
        let line = first_line(text.strip_prefix("#!")?);
        let (interpreter, argument) = match line.split_once([' ', '\t']) {
            Some((interpreter, argument)) => (interpreter, Some(argument.trim())),
            None => (line, None),
        };
        if let Some(user) = &self.image.user
            && let Some(at) = user.stopped_at(self.image.fs, path, READ)
        {
            let message = format!("{interpreter} should run {path}, but {} may not read {at}", user.shown());
            self.add(Kind::NotAllowed, message, Some(format!("make {at} readable (mode 0755)").into()));
            return None;
        }
        let mut next: Vec<String> = vec![interpreter.to_owned()];
        if interpreter.rsplit('/').next() == Some("env") {
            self.find(interpreter, Some(path))?;
            next = argument.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
            next.retain(|word| word != "-S" && !word.contains('='));
            if next.first().is_none_or(|word| word.starts_with('-')) {
                self.report.cannot_tell(format!("programs started by `{line}` in {path}"));
                return None;
            }
        } else {
            next.extend(argument.filter(|text| !text.is_empty()).map(str::to_owned));
        }
        next.push(path.to_owned());
        next.extend(words.iter().skip(1).cloned());
        Some(next)
    }

    /// The end of the way: a program, its loader and its libraries.
    fn program(&mut self, path: &str, facts: &'a ElfFacts, words: &[String]) {
        let machine = self.image.machine;
        if facts.machine != machine || !facts.runs {
            let message = format!("{path} is built for {}, but the image is for {machine}", facts.machine);
            let fix = format!("put the {machine} build of it into this image");
            return self.add(Kind::WrongMachine, message, Some(fix.into()));
        }
        if let (None, [first, ..]) = (&facts.interpreter, facts.needed.as_slice()) {
            let message = format!("{path} needs {first}, but names no loader that would find it");
            let fix = "link it fully statically, or dynamically: it was linked for musl with a glibc library";
            // It never gets as far as its libraries.
            self.started.reached.insert(path.trim_start_matches('/').to_owned());
            return self.add(Kind::NoInterpreter, message, Some(fix.into()));
        }
        let libc = facts.interpreter.as_deref().map_or(Family::Glibc, Family::of);
        if let Some(loader) = &facts.interpreter {
            if !self.loader(path, loader) {
                return;
            }
            let search = Search::new(self.image, libc);
            let mut process = Process::new(&search, self.image.user.as_ref());
            for mut problem in process.load(path) {
                let above = self.through.len().saturating_sub(1);
                let front = self.through.iter().take(above).cloned();
                problem.chain = front.chain(problem.chain).collect();
                self.report.add(fixes::finding(&problem, self.severity, self.image));
            }
            self.started.reached.extend(process.real_paths(0).map(str::to_owned));
        }
        self.started.python = Python::at(path, self.image, libc);
        match &self.started.python {
            Some(python) => {
                imports::examine(self.image, python, words, self.severity, &self.through, self.report);
            }
            None if words.get(1).is_some_and(|word| word == "-c") => {
                self.report.cannot_tell(format!("programs started by `{}`", words.join(" ")));
            }
            None => {}
        }
    }

    fn loader(&mut self, path: &str, loader: &str) -> bool {
        let facts = self.image.fs.elf(loader);
        let fits = facts.is_some_and(|facts| facts.machine == self.image.machine);
        if !fits {
            let musl = Family::of(loader) == Family::Musl;
            let fix = if musl {
                "use a base with musl, such as Alpine, or build it statically"
            } else {
                "use a base with glibc, such as distroless/cc or debian:*-slim, or build it statically (for Rust: a musl target)"
            };
            let message = if facts.is_some() || self.image.exists(loader) {
                format!("{path} is started by {loader}, which is not a loader for {}", self.image.machine)
            } else {
                format!("{path} is started by {loader}, which is not in the image")
            };
            self.add(Kind::NoInterpreter, message, Some(fix.into()));
        }
        fits
    }
}

/// Programs that start another one and wait for it.
const INITS: [&str; 5] = ["tini", "tini-static", "dumb-init", "catatonit", "docker-init"];

/// What an init starts: the words after `--`, or from the first one that is no flag.
fn behind_init(path: &str, words: &[String]) -> Option<Vec<String>> {
    let name = path.rsplit('/').next().filter(|name| INITS.contains(name))?;
    let own = words.get(1..)?;
    let at = match own.iter().position(|word| word == "--") {
        Some(at) => at + 1,
        // A flag may have a value of its own, which only the init can tell.
        None if name == "dumb-init" || !own.first().is_some_and(|word| word.starts_with('-')) => {
            own.iter().position(|word| !word.starts_with('-'))?
        }
        None => return None,
    };
    own.get(at..).filter(|next| !next.is_empty()).map(<[String]>::to_vec)
}

/// The first line of a script as the kernel takes it: without blanks at its end, and with what
/// Windows ends a line with.
fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default().trim_matches([' ', '\t'])
}

/// How a file gets the bit that lets it be started. Windows has none, so it comes from elsewhere.
fn how_to_allow(system: System, at: &str) -> String {
    if system.is_windows() {
        return format!(
            "make it executable: a file of the project with `git update-index --chmod=+x FILE`, one that `files` \
             puts at {at} with mode = \"0755\""
        );
    }
    format!("make {at} executable for everybody (mode 0755), or run as another user")
}
