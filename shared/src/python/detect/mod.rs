//! How an application is started, found by reading its source and never by running it.
//!
//! In this order: what the project says itself (a `Procfile`, gunicorn's and FastAPI's settings), an
//! application of a known framework together with a production server that is really installed or the
//! console script named like the project, the only console script, the package with a `__main__`, the
//! only script. Whatever is not clear is an error that lists the candidates; what was found beside
//! the chosen one is told.

mod candidate;
mod candidates;
mod choose;
mod commands;
mod django;
mod files;
mod frameworks;
mod gunicorn;
mod making;
mod plain;
mod ports;
mod processes;
mod said;
mod servers;
mod shelf;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;
mod wrap;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Name;
use crate::error::{Error, Result};
use crate::words;
use crate::words::Words;
use candidate::Candidate;
use frameworks::Serves;
use servers::Interface;

pub(crate) use plain::is_command_line;
pub(crate) use processes::has_shell_marks;

/// What is known of a project whose start is looked for.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The project's name as written.
    pub name: &'a str,
    /// The project's console scripts: name to `module:object`.
    pub scripts: &'a BTreeMap<String, String>,
    /// The `.py` files that go into the image: path relative to the project with `/` between its
    /// parts, and where it is on this machine.
    pub files: &'a [(String, PathBuf)],
    /// Folders of the project that are on the import path: `src`, or nothing for the project itself.
    pub source_roots: &'a [String],
    /// What the environment will hold, the project included.
    pub installed: &'a BTreeSet<Name>,
    /// What the lock could give beside that.
    pub optional: &'a [Optional],
    /// The image's name, where the project has several.
    pub image: Option<&'a str>,
    /// The text of the project's `Procfile`.
    pub procfile: Option<&'a str>,
    /// The `entrypoint` of `[tool.fastapi]`: `module:name`.
    pub fastapi: Option<&'a str>,
    /// Whether every base has a shell.
    pub has_shell: bool,
    /// The server that the user wants.
    pub server: Option<&'a str>,
    /// The port that the user wants it to listen on.
    pub port: Option<u16>,
}

/// A distribution that a dependency group or an extra would bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Optional {
    /// The distribution, by its normalised name.
    pub distribution: Name,
    /// In what it is: `the extra prod`.
    pub within: String,
    /// What is typed to have it: `give --extra prod`.
    pub way: Words,
}

impl Optional {
    /// For a hint.
    fn words(&self) -> Words {
        words!("{} is in {}: {}", self.distribution, self.within, self.way)
    }
}

impl Question<'_> {
    fn has(&self, distribution: &str) -> bool {
        self.installed.iter().any(|name| name.as_str() == distribution)
    }

    /// The project's name as a module may spell it.
    fn module_name(&self) -> String {
        self.name.to_ascii_lowercase().replace(['-', '.'], "_")
    }
}

/// How the application is started. The working folder is the project's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The program and its arguments. Programs are named without a folder.
    pub command: Vec<String>,
    /// Variables that the program reads.
    pub env: BTreeMap<String, String>,
    /// The port it listens on.
    pub port: Option<u16>,
    /// The signal that ends it, where that is not SIGTERM: as process 1, Python ignores that one
    /// unless the program handles it.
    pub stop_signal: Option<&'static str>,
    /// What was found, in one line.
    pub reason: String,
    /// What was found beside it, each with the line that would choose it.
    pub also: Vec<String>,
    /// What else is to be known of it.
    pub notes: Vec<String>,
}

/// Finds out how the application is started.
///
/// # Errors
/// Usage: nothing was found, several equally good candidates, no production server among the
/// dependencies, or a `server` that is not installed or cannot serve this application.
pub fn detect(question: &Question) -> Result<Answer> {
    let wanted = servers::wanted(question)?;
    // Who names a server wants it to serve something.
    if wanted.is_none()
        && let Some(answer) = said::by_the_project(question)?
    {
        return Ok(answer);
    }
    let named = said::of_fastapi(question);
    let script = plain::own_script(question).filter(|_| wanted.is_none() && named.is_none());
    let choice = named.unwrap_or_else(|| choose::application(question));
    let served = match choice.best.as_slice() {
        [one] => servers::serve(question, one, wanted)?,
        _ => None,
    };
    if let Some(script) = script
        && !comes_before(question, &choice, served.as_ref(), script)
    {
        let script = plain::run_script(question, script, "named like the project");
        let also = said::others(question, choice.best.iter().chain(&choice.others), Some(&script));
        return Ok(Answer { also, ..script });
    }
    let unserved = match (choice.best.as_slice(), served) {
        ([one], Some(answer)) => {
            refuse_worker(question, one, &answer)?;
            let also = said::others(question, choice.others.iter(), Some(&answer));
            return Ok(Answer { also, ..answer });
        }
        ([], _) => None,
        ([one], None) => Some(servers::none_installed(question, one)),
        (several, _) => return Err(several_applications(question, several)),
    };
    if let Some(server) = wanted {
        return Err(unserved.unwrap_or_else(|| {
            let message = format!("server = {:?}, but found no application for it", server.name);
            write_entrypoint(message, &[server.name, "..."])
        }));
    }
    let program = match processes::only(question)? {
        Some(answer) => Some(answer),
        None => plain::only_script(question),
    };
    if let Some(answer) = program {
        let also = said::others(question, choice.best.iter().chain(&choice.others), Some(&answer));
        return Ok(Answer { also, ..answer });
    }
    if let Some(error) = unserved {
        return Err(error);
    }
    plain::module(question)?.map_or_else(|| Err(plain::nothing(question)), Ok)
}

/// Whether the application that was found is what an image is for, rather than the console script
/// named like the project: it is plainly one, a production server for it is there, and the script
/// is none that starts a server itself.
fn comes_before(
    question: &Question,
    choice: &choose::Choice<'_>,
    served: Option<&Answer>,
    script: &str,
) -> bool {
    let [one] = choice.best.as_slice() else { return false };
    let serves = matches!(one.serves, Serves::Asgi | Serves::Wsgi | Serves::AioHttp | Serves::Sanic);
    let by_server = served.and_then(|answer| answer.command.first()).is_some_and(|word| word != "python");
    serves && by_server && choose::is_clear(one) && !plain::starts_server(question, script)
}

/// Refuses a worker where the lock holds what serves a web application.
fn refuse_worker(question: &Question, found: &Candidate, answer: &Answer) -> Result<()> {
    if found.serves != Serves::Celery {
        return Ok(());
    }
    let web = |serves| {
        frameworks::FRAMEWORKS
            .iter()
            .filter(move |f| f.serves == serves)
            .find(|f| question.has(f.distribution))
    };
    let pairs = [(Serves::Asgi, Interface::Asgi), (Serves::Wsgi, Interface::Wsgi)];
    let pair = pairs
        .into_iter()
        .find_map(|(serves, interface)| web(serves).filter(|_| servers::speaks(question, interface)));
    match pair {
        None => Ok(()),
        Some(framework) => {
            let message = format!(
                "the {} is a worker, and found no application of {} for which the lock has a server",
                found.describe(),
                framework.title
            );
            Err(write_entrypoint(message, &answer.line()))
        }
    }
}

/// The error for applications that are equally good.
fn several_applications(question: &Question, equals: &[Candidate]) -> Error {
    let list: Vec<String> = equals.iter().map(Candidate::describe).collect();
    let message = format!("found several applications: {}", list.join("; "));
    let Some(first) = equals.first() else { return write_entrypoint(message, SOME_MODULE) };
    match servers::serve(question, first, None) {
        Ok(Some(answer)) => write_entrypoint(message, &answer.line()),
        _ => {
            let (missing, line) = (servers::missing(question, first), servers::wish(question, first));
            let line =
                if line.is_empty() { vec!["python".to_owned(), first.source.path.to_owned()] } else { line };
            Error::usage(message).hint(words!(
                "{missing}, and set entrypoint = {line:?}, or whichever you want, under [tool.containerize] in pyproject.toml"
            ))
        }
    }
}

/// A usage error whose way out is to say what to start: `example`, or what is meant instead.
fn write_entrypoint<Word: std::fmt::Debug>(message: String, example: &[Word]) -> Error {
    Error::usage(message).hint(format!(
        "set entrypoint = {example:?}, or whichever you want, under [tool.containerize] in pyproject.toml"
    ))
}

/// What ends a program that has no handler for SIGTERM: Python makes a `KeyboardInterrupt` of it.
const INTERRUPT: &str = "SIGINT";

/// How a program is started of which nothing is known.
const SOME_MODULE: &[&str] = &["python", "-m", "..."];
