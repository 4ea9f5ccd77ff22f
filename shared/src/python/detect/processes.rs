//! Processes that the project writes down itself as command lines: in a `Procfile`, or as scripts
//! that are no Python object.

use std::collections::BTreeMap;

use super::gunicorn::{self, Bind};
use super::plain::{self, is_command_line};
use super::{Answer, Question, servers, write_entrypoint};
use crate::error::{Error, Result};

/// A command line that the project names.
#[derive(Debug, Clone)]
pub(super) struct Process<'a> {
    /// What stands before the colon: `web`.
    pub(super) name: &'a str,
    /// The command line, as written.
    line: &'a str,
    /// Where it stands, for the user.
    place: &'static str,
}

/// What comes before a command for it to have the environment, which all commands of an image have.
const RUNNERS: &[&str] = &["poetry", "pipenv", "uv", "pdm", "hatch", "rye"];
/// Flags with which a server is told its port or address.
const PORTS: &[&str] =
    &["-b", "--bind", "-p", "--port", "--http", "--http-socket", "--listen", "--server.port"];
/// So many other processes are told.
const MOST_OTHERS: usize = 8;
/// Names of scripts that are what the project is deployed as.
const DEPLOYED: &[&str] = &["web", "start", "serve", "server", "prod", "production"];

/// The processes of the `Procfile`, but for the one that runs before a release.
pub(super) fn of_procfile<'a>(question: &Question<'a>) -> Vec<Process<'a>> {
    let lines = question.procfile.unwrap_or_default().lines();
    let split = |line: &'a str| {
        let (name, line) = line.trim().split_once(':')?;
        let proper = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        let line = line.trim();
        (proper && !line.is_empty()).then_some(Process { name, line, place: "the Procfile" })
    };
    lines.filter_map(split).filter(|process| process.name != "release").collect()
}

/// Scripts of `[project.scripts]` that are command lines of a server.
fn of_scripts<'a>(question: &Question<'a>) -> Vec<Process<'a>> {
    let lines = question.scripts.iter().filter(|(_, line)| is_command_line(line));
    let processes =
        lines.map(|(name, line)| Process { name: name.as_str(), line: line.as_str(), place: "the scripts" });
    // What reloads is for those who write it.
    let served = |process: &Process| {
        let is_server = |word: &str| servers::of_program(word).is_some();
        words(process.line).first().is_some_and(|word| is_server(word)) && !process.line.contains("--reload")
    };
    processes.filter(served).collect()
}

/// The process that the project says is the one that serves, if it says so.
///
/// # Errors
/// Usage: it cannot be started in the image.
pub(super) fn web(question: &Question) -> Result<Option<Answer>> {
    let all = of_procfile(question);
    let scripts = of_scripts(question);
    let named = |process: &&Process| DEPLOYED.contains(&process.name) || process.name == question.name;
    let of_image = || all.iter().find(|process| Some(process.name) == question.image);
    let web = || all.iter().find(|process| process.name == "web");
    let chosen = of_image().or_else(web).or(match scripts.as_slice() {
        [one] => Some(one),
        several => several.iter().find(named),
    });
    let Some(chosen) = chosen else { return Ok(None) };
    let mut answer = chosen.answer(question)?;
    let command = answer.command.clone();
    answer.also = others(question, &all, Some(&command));
    Ok(Some(answer))
}

/// The only process of a `Procfile` that has none for the web.
///
/// # Errors
/// As [`web`].
pub(super) fn only(question: &Question) -> Result<Option<Answer>> {
    match of_procfile(question).as_slice() {
        [one] => one.answer(question).map(Some),
        _ => Ok(None),
    }
}

/// What else the `Procfile` has, each with what chooses it.
pub(super) fn others(question: &Question, all: &[Process], chosen: Option<&[String]>) -> Vec<String> {
    let told = |process: &Process| match process.answer(question) {
        Ok(answer) if chosen == Some(answer.command.as_slice()) => None,
        Ok(answer) => Some(format!("{}: {}", process.described(), answer.chosen_by())),
        Err(error) => Some(format!("{} ({error})", process.described())),
    };
    all.iter().filter_map(told).take(MOST_OTHERS).collect()
}

impl Process<'_> {
    fn described(&self) -> String {
        format!("`{}` of {}", self.name, self.place)
    }

    /// How it is started.
    fn answer(&self, question: &Question) -> Result<Answer> {
        let line = without_runner(question, self.line);
        let needs_shell = needs_shell(&without_port(line, "1"));
        let answer =
            if needs_shell { self.by_shell(question, line)? } else { self.by_words(question, line)? };
        let reason = format!("{}, {}", self.described(), self.line);
        Ok(Answer { reason, ..answer })
    }

    fn by_words(&self, question: &Question, line: &str) -> Result<Answer> {
        let port = question.port.or(default_port(line)).unwrap_or(8000);
        let mut words = words(&without_port(line, &port.to_string()));
        let assigned = words.iter().take_while(|word| assignment(word).is_some()).count();
        let env: BTreeMap<String, String> = words
            .drain(..assigned)
            .filter_map(|word| assignment(&word).map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect();
        if words.is_empty() {
            let message = format!("{} is `{}`, which is not a command", self.described(), self.line);
            return Err(write_entrypoint(message, super::SOME_MODULE));
        }
        self.check_server(question, &words)?;
        let mut answer = Answer { port: port_of(question, &words), command: words, env, ..Answer::default() };
        listen(question, &mut answer);
        let program = answer.command.first().map(String::as_str).unwrap_or_default();
        let is_python = program == "python" || program == "python3";
        let stopped = is_python || program == "waitress-serve" || question.scripts.contains_key(program);
        Ok(if stopped { plain::stopped(answer, question) } else { answer })
    }

    /// Through a shell, which gives its place to what it starts last.
    fn by_shell(&self, question: &Question, line: &str) -> Result<Answer> {
        if !question.has_shell {
            let message = format!(
                "{} is `{}`, which only a shell understands, but the base has none",
                self.described(),
                self.line
            );
            return Err(write_entrypoint(message, super::SOME_MODULE));
        }
        let words = words(last_command(line).1);
        self.check_server(question, &words)?;
        let mut answer = Answer { port: port_of(question, &words), command: words, ..Answer::default() };
        listen(question, &mut answer);
        if line.contains("$PORT") || line.contains("${PORT") {
            let number = question.port.or(default_port(line)).unwrap_or(8000);
            answer.env.insert("PORT".to_owned(), number.to_string());
            answer.port = Some(number);
        }
        answer.command = vec!["sh".to_owned(), "-c".to_owned(), with_exec(line)];
        Ok(answer)
    }

    /// Refuses to start a server that is not there.
    fn check_server(&self, question: &Question, words: &[String]) -> Result<()> {
        let server =
            words.iter().find(|word| assignment(word).is_none()).and_then(|word| servers::of_program(word));
        let Some(server) = server.filter(|server| !server.is_in(question)) else { return Ok(()) };
        let message = format!(
            "{} starts {}, which is not among the locked dependencies",
            self.described(),
            server.name
        );
        Err(Error::usage(message).hint(match server.optional(question) {
            Some(optional) => optional.words(),
            None => {
                format!("add {} to the dependencies and lock again, or set entrypoint", server.name).into()
            }
        }))
    }
}

/// A line without what runs commands in an environment.
fn without_runner<'l>(question: &Question, line: &'l str) -> &'l str {
    let line = line.strip_prefix("exec ").unwrap_or(line).trim_start();
    let Some((runner, rest)) = line.split_once(" run ") else { return line };
    let rest = rest.trim_start();
    let strips = RUNNERS.contains(&runner) && !question.has(runner) && !rest.starts_with('-');
    if strips { rest } else { line }
}

/// A line in which the port stands as a number.
fn without_port(line: &str, port: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix("{PORT").and_then(|inner| inner.split_once('}'));
        let plain = after.strip_prefix("PORT");
        let ends = |next: &&str| !next.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        match (braced, plain.filter(ends)) {
            (Some((default, next)), _) if default.is_empty() || default.starts_with([':', '-']) => {
                out.push_str(port);
                rest = next;
            }
            (_, Some(next)) => {
                out.push_str(port);
                rest = next;
            }
            _ => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The port of `${PORT:-5000}`.
fn default_port(line: &str) -> Option<u16> {
    let (_, after) = line.split_once("${PORT")?;
    let (default, _) = after.split_once('}')?;
    default.trim_start_matches([':', '-', '=']).parse().ok()
}

/// Whether a line is more than words and quotation marks.
fn needs_shell(line: &str) -> bool {
    has_shell_marks(line, ";&|<>*?~") || shlex::split(line).is_none()
}

/// Whether a shell would put something else in the place of a part of a line, or reads one of these marks outside of quotes.
pub(crate) fn has_shell_marks(line: &str, marks: &str) -> bool {
    let (mut quote, mut escaped) = (None, false);
    for c in line.chars() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => escaped = true,
            (_, '$' | '`') => return true,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, _) if marks.contains(c) => return true,
            (None, _) => {}
        }
    }
    false
}

fn words(line: &str) -> Vec<String> {
    shlex::split(line).unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect())
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let proper = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    proper.then_some((name, value))
}

/// What comes before the last of several commands, and that.
fn last_command(line: &str) -> (&str, &str) {
    let at = line.rfind("&&").map(|at| at + 2).max(line.rfind(';').map(|at| at + 1)).unwrap_or(0);
    let (before, last) = line.split_at(at);
    // A separator within quotation marks is none.
    if shlex::split(before).is_none() || shlex::split(last).is_none() { ("", line) } else { (before, last) }
}

/// Words that the shell itself understands: nothing takes its place.
const OF_SHELL: &[&str] = &[
    "exec", "cd", "export", "source", ".", "fi", "done", "esac", "wait", "eval", "set", "if", "for", "while",
    "until", "case", "then", "else", "do", "}", "!", "trap", "read",
];

/// A line whose last command takes the shell's place, so that signals reach it.
fn with_exec(line: &str) -> String {
    let (before, last) = last_command(line);
    let last = last.trim();
    let is_simple = !last.contains(['|', '(', ')', '{', '<', '>', '`']) || last.contains("${");
    let first = words(last).into_iter().next().unwrap_or_default();
    let assigns = assignment(&first).is_some() || OF_SHELL.contains(&first.as_str());
    let single = !last.contains(['|', '&', '`', '(']);
    if !is_simple || !single || assigns {
        return line.to_owned();
    }
    let space = if before.is_empty() { "" } else { " " };
    format!("{}{space}exec {last}", before.trim_end())
}

/// The value of the first of some flags.
fn value_of<'w>(words: &'w [String], flags: &[&str]) -> Option<&'w str> {
    words.iter().enumerate().find_map(|(at, word)| match word.split_once('=') {
        Some((flag, value)) if flags.contains(&flag) => Some(value),
        None if flags.contains(&word.as_str()) => words.get(at + 1).map(String::as_str),
        _ => None,
    })
}

/// The port that a command says it listens on.
fn port_of(question: &Question, words: &[String]) -> Option<u16> {
    let number = |text: &str| text.rsplit(':').next().and_then(|port| port.parse().ok());
    if let Some(port) = value_of(words, PORTS) {
        return number(port);
    }
    if words.first().is_none_or(|word| word != "gunicorn") {
        return None;
    }
    match configured(question, words) {
        Bind::Port { number, .. } => Some(number),
        _ => None,
    }
}

/// Where gunicorn's configuration says to listen.
fn configured(question: &Question, words: &[String]) -> Bind {
    let config = match value_of(words, &["-c", "--config"]) {
        Some(file) => gunicorn::of_file(question, file.trim_start_matches("./")),
        None => gunicorn::config(question),
    };
    config.map_or(Bind::None, |config| config.bind)
}

/// Has a server listen on all addresses where its command does not say it: by variables, which
/// its arguments and its configuration outrank.
fn listen(question: &Question, answer: &mut Answer) {
    let words = &answer.command;
    let port = answer.port.or(question.port).unwrap_or(8000);
    let has = |flags: &[&str]| value_of(words, flags).is_some();
    let mut env = BTreeMap::new();
    match words.first().map(String::as_str) {
        Some("gunicorn") if !has(&["-b", "--bind"]) => match configured(question, words) {
            Bind::None | Bind::Unknown => {
                env.insert("PORT", port.to_string());
                answer.port = Some(port);
            }
            Bind::Port { .. } | Bind::Socket => {}
        },
        Some(program @ ("uvicorn" | "granian")) if !has(&["--uds"]) => {
            let (host, number) = match program {
                "uvicorn" => ("UVICORN_HOST", "UVICORN_PORT"),
                _ => ("GRANIAN_HOST", "GRANIAN_PORT"),
            };
            if !has(&["--host"]) {
                env.insert(host, "0.0.0.0".to_owned());
            }
            if !has(&["--port"]) {
                env.insert(number, port.to_string());
            }
            answer.port = Some(port);
        }
        _ => {}
    }
    for (name, value) in env {
        answer.env.entry(name.to_owned()).or_insert(value);
    }
}
