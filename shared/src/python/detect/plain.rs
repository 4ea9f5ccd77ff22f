//! Programs that need no server: console scripts, packages and single files.

use super::ast::outline;
use super::files::{Source, sources};
use super::ports::literal_port;
use super::{Answer, INTERRUPT, Name, Question, SOME_MODULE, write_entrypoint};
use crate::error::{Error, Result};

/// Files that a project's only program is often named.
const USUAL: &[&str] = &["__main__.py", "main.py", "app.py"];

/// The console script named like the project.
pub(super) fn own_script(question: &Question) -> Option<Answer> {
    let name: Name = question.name.parse().ok()?;
    let own = |script: &&String| script.parse::<Name>().is_ok_and(|script| script == name);
    let script = question.scripts.keys().find(own)?;
    Some(run_script(question, script, "named like the project"))
}

/// The only console script.
pub(super) fn only_script(question: &Question) -> Option<Answer> {
    let mut scripts = question.scripts.keys();
    let script = scripts.next().filter(|_| question.scripts.len() == 1)?;
    Some(run_script(question, script, "the only one"))
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
    let scripts: Vec<&Source> = sources.iter().filter(|source| is_script(source)).collect();
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
        question.scripts.keys().map(|name| format!("console script `{name}`")).collect();
    let top = sources(question).into_iter().filter(|source| source.depth == 0 && !source.is_package());
    found.extend(top.map(|source| source.path.to_owned()));
    let rest = found.len().saturating_sub(10);
    found.truncate(10);
    let list = match (found.is_empty(), rest) {
        (true, _) => {
            "there is no console script, no web application, no __main__.py and no script".to_owned()
        }
        (false, 0) => format!("none is the obvious one of {}", found.join(", ")),
        (false, rest) => format!("none is the obvious one of {} and {rest} more", found.join(", ")),
    };
    let message = format!("cannot tell how {} is started: {list}", question.name);
    match question.scripts.keys().next() {
        Some(script) => write_entrypoint(message, &[script]),
        None => write_entrypoint(message, SOME_MODULE),
    }
}

fn several_programs(sources: &[&Source]) -> Error {
    let list: Vec<&str> = sources.iter().take(10).map(|source| source.path).collect();
    let example = list.first().map_or("...", |path| path);
    write_entrypoint(format!("several programs could be meant: {}", list.join(", ")), &["python", example])
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

fn run_script(question: &Question, script: &str, why: &str) -> Answer {
    let sources = sources(question);
    let object = question.scripts.get(script).and_then(|object| object.split_once(':'));
    let port = object.and_then(|(module, function)| {
        let source = sources.iter().find(|source| source.module == module)?;
        port(source, Some(function))
    });
    let answer = run(&[script], format!("console script `{script}`, {why}"));
    Answer { port, ..answer }.stopped(&sources)
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

fn run(words: &[&str], reason: String) -> Answer {
    Answer { command: words.iter().map(|word| (*word).to_owned()).collect(), reason, ..Answer::default() }
}
