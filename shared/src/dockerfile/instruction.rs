//! An instruction: its verb, its flags, and what follows them.

use std::str::FromStr;

use super::heredoc::Document;
use super::lines::Line;
use crate::error::{Error, Result};

/// What an instruction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of Dockerfiles")]
pub enum Verb {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
}

const VERBS: &[(&str, Verb)] = &[
    ("ADD", Verb::Add),
    ("ARG", Verb::Arg),
    ("CMD", Verb::Cmd),
    ("COPY", Verb::Copy),
    ("ENTRYPOINT", Verb::Entrypoint),
    ("ENV", Verb::Env),
    ("EXPOSE", Verb::Expose),
    ("FROM", Verb::From),
    ("HEALTHCHECK", Verb::Healthcheck),
    ("LABEL", Verb::Label),
    ("MAINTAINER", Verb::Maintainer),
    ("ONBUILD", Verb::Onbuild),
    ("RUN", Verb::Run),
    ("SHELL", Verb::Shell),
    ("STOPSIGNAL", Verb::Stopsignal),
    ("USER", Verb::User),
    ("VOLUME", Verb::Volume),
    ("WORKDIR", Verb::Workdir),
];

impl FromStr for Verb {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        VERBS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, verb)| *verb).ok_or(())
    }
}

/// An instruction whose variables are not replaced yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) line: usize,
    pub(super) verb: Verb,
    /// `--name=value` or `--name`, before all else.
    pub(super) flags: Vec<(String, String)>,
    pub(super) rest: String,
    pub(super) documents: Vec<Document>,
}

impl Instruction {
    /// Takes a line apart.
    ///
    /// # Errors
    /// Usage: it begins with no verb of Dockerfiles.
    pub(super) fn of(line: Line) -> Result<Self> {
        let (word, rest) = line.text.split_once(char::is_whitespace).unwrap_or((&line.text, ""));
        let Ok(verb) = word.parse() else {
            let known: Vec<&str> = VERBS.iter().map(|(name, _)| *name).collect();
            let shown: String = word.chars().take(40).collect();
            return Err(Error::usage(format!(
                "line {} of the Dockerfile begins with {shown:?}, which is not an instruction",
                line.number
            ))
            .hint(format!("the instructions are {}", known.join(", "))));
        };
        let (flags, rest) = flags(verb, rest.trim_start());
        Ok(Self { line: line.number, verb, flags, rest: rest.to_owned(), documents: line.documents })
    }

    /// The value of a flag.
    pub(super) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find(|(flag, _)| flag == name).map(|(_, value)| value.as_str())
    }
}

fn flags(verb: Verb, mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    if matches!(verb, Verb::Add | Verb::Copy | Verb::From | Verb::Healthcheck | Verb::Run) {
        while let Some(flag) = rest.strip_prefix("--") {
            let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
            let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
            found.push((name.to_owned(), value.to_owned()));
            rest = after.trim_start();
        }
    }
    (found, rest)
}
