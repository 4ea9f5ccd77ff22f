//! How the image is started: `ENTRYPOINT` and `CMD` as the keys `entrypoint` and `cmd`.

use crate::dockerfile::{Command, Step, What};

use super::shell;

/// What the last `ENTRYPOINT` and `CMD` say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) entrypoint: Option<(usize, Command)>,
    pub(super) cmd: Option<(usize, Command)>,
    /// The shell of the shell form, where it is another one than `sh`.
    pub(super) shell: Option<Vec<String>>,
}

/// Programs that run another one as the init of a container.
const INITS: &[&str] = &["tini", "dumb-init", "catatonit", "docker-init"];

/// Tools that run commands in an environment, which all commands of an image have.
const RUNNERS: &[&str] = &["poetry", "pipenv", "uv", "pdm", "hatch", "rye"];

impl Start {
    pub(super) fn of(steps: &[Step]) -> Self {
        let mut found = Self::default();
        let mut stage_of_cmd = None;
        for step in steps {
            match &step.what {
                What::Entrypoint(command) => {
                    found.entrypoint = Some((step.line, command.clone()));
                    // An entrypoint has no arguments of the images below it.
                    if stage_of_cmd != Some(step.stage) {
                        found.cmd = None;
                    }
                }
                What::Cmd(command) => {
                    found.cmd = Some((step.line, command.clone()));
                    stage_of_cmd = Some(step.stage);
                }
                What::Shell(shell) => found.shell = Some(shell.clone()),
                _ => {}
            }
        }
        found
    }

    /// The line of the instruction that starts something, for remarks.
    pub(super) fn line(&self) -> usize {
        self.entrypoint.as_ref().or(self.cmd.as_ref()).map_or(0, |(line, _)| *line)
    }

    /// Whether a shell has to be there.
    pub(super) fn needs_shell(&self) -> bool {
        let lines = [&self.entrypoint, &self.cmd];
        lines.into_iter().flatten().any(|(_, command)| match command {
            Command::Shell(line) => words(assignments(line).1).is_none(),
            Command::Exec(words) => {
                words.iter().any(|word| word.ends_with(".sh"))
                    || words.first().is_some_and(|word| is_shell(word))
            }
        })
    }
}

pub(super) fn is_shell(word: &str) -> bool {
    matches!(word.rsplit('/').next(), Some("sh" | "bash" | "ash" | "dash"))
}

/// The words of a line that needs no shell; `exec` before it changes nothing.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    shell::words_alone(line.strip_prefix("exec ").unwrap_or(line).trim_start())
}

/// The words that a command is, with a shell where it needs one.
pub(super) fn as_words(command: &Command, shell: Option<&[String]>) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(line) => words(line).unwrap_or_else(|| {
            let usual = ["sh".to_owned(), "-c".to_owned()];
            let mut words =
                shell.filter(|words| !words.is_empty()).map_or_else(|| usual.to_vec(), <[String]>::to_vec);
            words.push(with_exec(line));
            words
        }),
    }
}

/// The last command takes the place of the shell, so that signals reach it.
fn with_exec(line: &str) -> String {
    let line = line.trim();
    let at = line.rfind("&&").map_or(0, |at| at + 2);
    let (before, last) = line.split_at(at);
    let last = last.trim_start();
    let is_simple =
        !last.contains(['&', '|', ';', '(', '\n', '`', '<', '>']) && !before.contains(['(', '\'', '"', '\n']);
    let first = last.split_whitespace().next().unwrap_or_default();
    if !is_simple || shell::is_assignment(first) || shell::is_own(first) {
        return line.to_owned();
    }
    let space = if before.is_empty() { "" } else { " " };
    format!("{before}{space}exec {last}")
}

/// Variables that stand before a command, and the command.
pub(super) fn assignments(line: &str) -> (Vec<(String, String)>, &str) {
    let (mut found, mut rest) = (Vec::new(), line.trim());
    while let Some((word, after)) = rest.split_once(' ') {
        let plain = !word.contains(['$', '\'', '"', '`', '\\']);
        let Some((name, value)) = word.split_once('=').filter(|_| plain && shell::is_assignment(word)) else {
            break;
        };
        found.push((name.to_owned(), value.to_owned()));
        rest = after.trim_start();
    }
    (found, rest)
}

/// The words without an init before them, and whether there was one.
pub(super) fn without_init(words: &[String]) -> (&[String], bool) {
    let Some((first, mut rest)) = words.split_first() else { return (words, false) };
    let name = first.rsplit('/').next().unwrap_or(first);
    if !INITS.contains(&name) {
        return (words, false);
    }
    while let Some((word, after)) = rest.split_first() {
        if !word.starts_with('-') {
            break;
        }
        rest = after;
        if word == "--" {
            break;
        }
    }
    (rest, true)
}

/// The words without a tool that runs them in an environment. uv runs files of Python, too.
pub(super) fn without_runner(words: &[String]) -> Vec<String> {
    let [tool, run, rest @ ..] = words else { return words.to_vec() };
    if !is_runner(tool) || run != "run" {
        return words.to_vec();
    }
    let flags = rest.iter().take_while(|word| word.starts_with('-')).count();
    let rest = &rest[flags..];
    let is_file = rest.first().is_some_and(|word| word.ends_with(".py"));
    is_file.then(|| "python".to_owned()).into_iter().chain(rest.iter().cloned()).collect()
}

/// Whether it is a tool that runs commands in an environment.
pub(super) fn is_runner(tool: &str) -> bool {
    RUNNERS.contains(&tool.rsplit('/').next().unwrap_or(tool))
}

/// The same in a line for a shell.
pub(super) fn line_without_runner(line: &str) -> String {
    RUNNERS.iter().fold(line.to_owned(), |line, tool| {
        let call = format!("{tool} run ");
        let mut parts = line.split(call.as_str());
        let mut kept = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let mut rest = part;
            while let Some((_, after)) = rest.split_once(' ').filter(|(flag, _)| flag.starts_with("--")) {
                rest = after.trim_start();
            }
            kept.push_str(rest);
        }
        kept
    })
}
