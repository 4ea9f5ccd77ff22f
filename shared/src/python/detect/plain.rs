//! Programs that need no server: console scripts, packages and single files.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{Source, sources};
use super::ports::literal_port;
use super::{Answer, INTERRUPT, Name, Question, SOME_MODULE, commands, servers, write_entrypoint};
use crate::error::{Error, Result};
use crate::python::syntax::{Outline, outline};

/// Files that a project's only program is often named.
const USUAL: &[&str] = &["__main__.py", "main.py", "app.py"];
/// So many files are followed from a console script on.
const MOST_FOLLOWED: usize = 40;
/// So many files at the top of a project are looked at for one that does something.
const MOST_AT_TOP: usize = 100;

/// Whether the text of a script is a command line rather than `module:object`.
pub(crate) fn is_command_line(text: &str) -> bool {
    text.trim().contains(char::is_whitespace)
}

/// The console scripts that are objects of Python.
fn scripts<'q>(question: &Question<'q>) -> impl Iterator<Item = (&'q String, &'q String)> {
    question.scripts.iter().filter(|(_, object)| !is_command_line(object))
}

/// The console script named like the project.
pub(super) fn own_script<'q>(question: &Question<'q>) -> Option<&'q str> {
    let name: Name = question.name.parse().ok()?;
    let own = |(script, _): &(&String, &String)| script.parse::<Name>().is_ok_and(|script| script == name);
    let exact = scripts(question).find(own).map(|(script, _)| script.as_str());
    exact.or_else(|| {
        let mut alike = scripts(question).filter(|(script, _)| bare(script) == bare(name.as_str()));
        alike.next().filter(|_| alike.next().is_none()).map(|(script, _)| script.as_str())
    })
}

/// A name without what tells nobody apart: `proxy.py`, `pypi-server` and `pypiserver`, `python-x`.
fn bare(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace(['_', '.'], "-");
    let name = name.strip_prefix("python-").unwrap_or(&name);
    name.strip_suffix("-py").unwrap_or(name).replace('-', "")
}

/// The console script that a hint names: one that seems to serve, else one that begins like the project.
fn likeliest<'q>(question: &Question<'q>) -> Option<&'q str> {
    scripts(question).map(|(script, _)| script.as_str()).min_by_key(|script| rank(question, script))
}

/// The lower, the more likely a console script is what an image is for.
fn rank(question: &Question, script: &str) -> u8 {
    let (own, script) = (bare(question.name), bare(script));
    match () {
        () if script.contains("serve") || script == format!("{own}d") => 0,
        () if script.starts_with(&own) => 1,
        () => 2,
    }
}

/// The only console script.
pub(super) fn only_script(question: &Question) -> Option<Answer> {
    let mut scripts = scripts(question);
    match (scripts.next(), scripts.next()) {
        (Some((script, _)), None) => Some(run_script(question, script, "the only one")),
        _ => None,
    }
}

/// The console script that is named like an image.
pub(super) fn script_of_image(question: &Question, image: &str) -> Option<Answer> {
    let (script, _) = scripts(question).find(|(name, _)| *name == image)?;
    Some(run_script(question, script, "named like the image"))
}

/// The console scripts beside what was chosen, with the line that would choose the likeliest.
pub(super) fn other_scripts(question: &Question, chosen: Option<&Answer>) -> Option<String> {
    let program = chosen.and_then(|answer| answer.command.first());
    let mut others: Vec<&String> =
        scripts(question).map(|(name, _)| name).filter(|name| Some(*name) != program).collect();
    others.sort_by_key(|name| rank(question, name));
    let names: Vec<String> = others.iter().take(5).map(|name| format!("`{name}`")).collect();
    let more = if others.len() > names.len() { ", ..." } else { "" };
    let plural = if others.len() > 1 { "s" } else { "" };
    let first = others.first()?;
    Some(format!("console script{plural} {}{more}: entrypoint = {:?}", names.join(", "), [first]))
}

/// Whether the program that a console script calls starts a server of its own: its file, or one of
/// the project that it imports in turn, names one. What cannot be followed is taken for one.
pub(super) fn starts_server(question: &Question, script: &str) -> bool {
    let object = question.scripts.get(script);
    let Some((module, _)) = object.and_then(|object| object.split_once(':')) else { return true };
    let sources = sources(question);
    let by_module: BTreeMap<&str, &Source> =
        sources.iter().map(|source| (source.module.as_str(), source)).collect();
    // A project may be imported from another folder than is known here.
    let ending = format!(".{module}");
    let is_it = |name: &&&str| **name == module || name.ends_with(&ending);
    let Some(start) = by_module.keys().filter(is_it).min_by_key(|name| name.len()).copied() else {
        return true;
    };
    let root = start.strip_suffix(module).unwrap_or_default();
    let mut seen = BTreeSet::from([start]);
    let mut next = vec![start];
    for _ in 0..MOST_FOLLOWED {
        let Some(source) = next.pop().and_then(|module| by_module.get(module)) else { return false };
        let Some(text) = source.text() else { continue };
        if names_server(&text) {
            return true;
        }
        let Some(outline) = outline(&text, &source.module, source.is_package()) else { continue };
        for path in outline.imports.values().chain(&outline.stars) {
            let rooted = format!("{root}{path}");
            let found = nearest(&by_module, path).or_else(|| nearest(&by_module, &rooted));
            next.extend(found.filter(|module| seen.insert(module)));
        }
    }
    false
}

/// The module that something is in, or that it is.
fn nearest<'s>(modules: &BTreeMap<&'s str, &Source>, path: &str) -> Option<&'s str> {
    let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
    ends.filter_map(|end| modules.get_key_value(path.get(..end)?)).next_back().map(|(module, _)| *module)
}

fn names_server(text: &str) -> bool {
    // These two are frameworks first.
    let names = || servers::names().filter(|name| !matches!(*name, "fastapi" | "sanic"));
    let imports = |line: &str| {
        let module = line.trim_start();
        let module = module.strip_prefix("import ").or_else(|| module.strip_prefix("from "));
        let first = module.and_then(|module| module.split(|c: char| c != '_' && !c.is_alphanumeric()).next());
        first.is_some_and(|first| names().any(|name| name == first))
    };
    let quoted = |name: &str| text.contains(&format!("\"{name}\"")) || text.contains(&format!("'{name}'"));
    ["run_app(", "run_simple(", "serve_forever("].iter().any(|call| text.contains(call))
        || names().any(|name| text.contains(name) && quoted(name))
        || text.lines().any(imports)
}

/// The package with a `__main__`, or the only script.
///
/// # Errors
/// Usage: several packages or scripts are equally good.
pub(super) fn module(question: &Question) -> Result<Option<Answer>> {
    let sources = sources(question);
    let packages: Vec<&Source> = sources.iter().filter(|source| is_package_main(source)).collect();
    let own = format!("{}.__main__", question.module_name());
    let package = match packages.as_slice() {
        [] => None,
        [one] => Some(*one),
        several => Some(
            *several
                .iter()
                .find(|package| package.module.eq_ignore_ascii_case(&own))
                .ok_or_else(|| several_programs(several))?,
        ),
    };
    if let Some(package) = package {
        let name = package.module.trim_end_matches(".__main__");
        let answer = run(&["python", "-m", name], format!("package `{name}`, which has a __main__.py"));
        return Ok(Some(Answer { port: port(package, None), ..answer }.stopped(&sources)));
    }
    let mut scripts: Vec<&Source> = sources.iter().filter(|source| is_script(source)).collect();
    if scripts.is_empty() {
        scripts = acting(&sources);
    }
    let usual: Vec<&Source> =
        scripts.iter().copied().filter(|script| USUAL.contains(&script.file_name())).collect();
    let script = match (scripts.as_slice(), usual.as_slice()) {
        ([], _) => return Ok(None),
        ([one], _) | (_, [one]) => one,
        (several, _) => return Err(several_programs(several)),
    };
    // By its path `__main__` is no module of another name.
    let by_path = script.module == "__main__" || script.search.is_some();
    let words = if by_path { vec!["python", script.path] } else { vec!["python", "-m", &script.module] };
    let answer = run(&words, format!("script {}", script.path));
    Ok(Some(Answer { port: port(script, None), ..answer }.stopped(&sources)))
}

/// The error for a project in which nothing was found.
pub(super) fn nothing(question: &Question) -> Error {
    let mut found: Vec<String> =
        scripts(question).map(|(name, _)| format!("console script `{name}`")).collect();
    let top = sources(question).into_iter().filter(|source| source.depth == 0 && !source.is_package());
    found.extend(top.map(|source| source.path.to_owned()));
    let rest = found.len().saturating_sub(10);
    found.truncate(10);
    let list = match (found.is_empty(), rest) {
        (true, _) => {
            "there is no console script, no web application, no __main__.py and no script".to_owned()
        }
        (false, 0) => format!("there is no obvious choice among {}", found.join(", ")),
        (false, rest) => format!("there is no obvious choice among {} and {rest} more", found.join(", ")),
    };
    let message = format!("cannot tell how {} is started: {list}", question.name);
    match likeliest(question) {
        Some(script) => write_entrypoint(message, &[script]),
        None => write_entrypoint(message, SOME_MODULE),
    }
}

fn several_programs(sources: &[&Source]) -> Error {
    let list: Vec<&str> = sources.iter().take(10).map(|source| source.path).collect();
    let example = list.first().map_or("...", |path| path);
    write_entrypoint(format!("found several programs: {}", list.join(", ")), &["python", example])
}

fn is_package_main(source: &Source) -> bool {
    source.depth == 1 && source.search.is_none() && source.file_name() == "__main__.py"
}

/// Whether a file at the top runs when it is started rather than imported.
fn is_script(source: &Source) -> bool {
    if source.depth != 0 || source.is_package() {
        return false;
    }
    let guarded = |text: String| {
        text.contains("__main__")
            && outline(&text, &source.module, false).is_some_and(|outline| outline.main.is_some())
    };
    source.file_name() == "__main__.py" || source.text().is_some_and(guarded)
}

/// The files at the top that do something when they are run, and that no other one imports.
fn acting<'s, 'a>(sources: &'s [Source<'a>]) -> Vec<&'s Source<'a>> {
    let top = sources.iter().filter(|source| source.depth == 0 && !source.is_package()).take(MOST_AT_TOP);
    let read = |source: &'s Source<'a>| Some((source, outline(&source.text()?, &source.module, false)?));
    let read: Vec<(&Source, Outline)> = top.filter_map(read).collect();
    let imports = read.iter().flat_map(|(_, outline)| outline.imports.values().chain(&outline.stars));
    let imported: BTreeSet<&str> = imports.filter_map(|path| path.split('.').next()).collect();
    let is_program =
        |(source, outline): &&(&Source, Outline)| outline.acts && !imported.contains(source.module.as_str());
    read.iter().filter(is_program).map(|(source, _)| *source).collect()
}

/// Has a program stopped by an interrupt, unless some file of the project speaks of SIGTERM.
pub(super) fn stopped(answer: Answer, question: &Question) -> Answer {
    answer.stopped(&sources(question))
}

/// What runs a console script.
pub(super) fn run_script(question: &Question, script: &str, why: &str) -> Answer {
    let sources = sources(question);
    let object = question.scripts.get(script).and_then(|object| object.split_once(':'));
    let port = object.and_then(|(module, function)| {
        let source = sources.iter().find(|source| source.module == module)?;
        port(source, Some(function))
    });
    let answer = run(&[script], format!("console script `{script}`, {why}"));
    let notes = commands::note(question, script).into_iter().collect();
    Answer { port, notes, ..answer }.stopped(&sources)
}

/// The port on which a program listens, if it says so in its own file.
fn port(source: &Source, function: Option<&str>) -> Option<u16> {
    let text = source.text().filter(|text| text.contains("port"))?;
    literal_port(&outline(&text, &source.module, source.is_package())?, function)
}

impl Answer {
    /// Has it stopped by an interrupt, unless some file of the project speaks of SIGTERM.
    fn stopped(self, sources: &[Source]) -> Self {
        let handles = |source: &Source| source.text().is_some_and(|text| text.contains("SIGTERM"));
        match sources.iter().any(handles) {
            true => self,
            false => Self { stop_signal: Some(INTERRUPT), ..self },
        }
    }
}

/// The command that runs a program of which no more is known.
fn run(words: &[&str], reason: String) -> Answer {
    Answer { command: words.iter().map(|word| (*word).to_owned()).collect(), reason, ..Answer::default() }
}
