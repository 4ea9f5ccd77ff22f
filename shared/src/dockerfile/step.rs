//! Steps: instructions with their variables replaced, and with the folder that they happen in.

use std::collections::BTreeMap;

use super::expand::{Budget, Unknown, Variables, expand, expand_known};
use super::heredoc::Document;
use super::instruction::{Instruction, Verb};
use super::pairs::{json, pairs, words};

/// What an instruction does where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its first line, from 1.
    pub line: usize,
    /// The place of its stage.
    pub stage: usize,
    /// How it is written, on one line.
    pub text: String,
    /// The working directory, absolute; also after `WORKDIR`, the new one.
    pub workdir: String,
    /// What it does.
    pub what: What,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Variables.
    Env(Vec<(String, String)>),
    /// Labels.
    Label(Vec<(String, String)>),
    /// Ports, as they are written.
    Expose(Vec<String>),
    /// A user, by number or name.
    User(String),
    /// Places of volumes.
    Volume(Vec<String>),
    /// A working directory.
    Workdir,
    /// A signal.
    StopSignal(String),
    /// What is started.
    Entrypoint(Command),
    /// Its arguments, or what is started.
    Cmd(Command),
    /// A command and its options by name; `None` is `HEALTHCHECK NONE`.
    Healthcheck(BTreeMap<String, String>, Option<Command>),
    /// Files.
    Copy(Copied),
    /// A command of the build.
    Run(Run),
    /// The shell for what follows.
    Shell(Vec<String>),
    /// Whoever wrote it.
    Maintainer(String),
    /// What happens in images that are built on this one.
    Onbuild,
    /// Its variables have no value that is known here; why.
    Unknown(String),
}

/// A command in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Words.
    Exec(Vec<String>),
    /// A line for the shell, whose variables are replaced when it runs.
    Shell(String),
}

/// Files that are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Where they are from.
    pub from: From,
    /// Paths, with wildcards.
    pub sources: Vec<String>,
    /// The place, absolute; with a slash at its end, a folder.
    pub to: String,
    /// The value of `--chown`.
    pub owner: Option<String>,
    /// The value of `--chmod`.
    pub mode: Option<String>,
    /// Whether `ADD` does it, which unpacks and fetches.
    pub is_add: bool,
    /// Files whose content stands in the Dockerfile.
    pub documents: Vec<Document>,
}

/// Where copied files are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// The project.
    Context,
    /// Another stage.
    Stage(usize),
    /// An image of a registry.
    Image(String),
}

/// A command of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The command. Variables of the Dockerfile are replaced where they are known.
    pub command: Command,
    /// Further lines for the shell.
    pub documents: Vec<Document>,
}

/// The earlier stage of a name or number.
pub(super) type Named<'a> = &'a dyn Fn(&str) -> Option<usize>;

/// What a variable takes beside its name and value, in bytes.
const SIZE_OF_VARIABLE: usize = 64;
/// Linux knows no longer paths, in bytes.
const LONGEST_PATH: usize = 4096;

/// What holds from one instruction to the next.
pub(super) struct State {
    escape: char,
    budget: Budget,
    variables: Variables,
    /// The variables that `ENV` has set, which later stages inherit.
    inherited: Variables,
    workdir: String,
}

impl State {
    pub(super) fn new(escape: char, budget: Budget) -> Self {
        Self { escape, budget, variables: Variables::new(), inherited: Variables::new(), workdir: "/".into() }
    }

    /// For a stage that is built on this one: its arguments do not count.
    pub(super) fn next_stage(&self) -> Self {
        let sizes = self
            .inherited
            .iter()
            .map(|(name, value)| SIZE_OF_VARIABLE + name.len() + value.as_ref().map_or(0, String::len));
        self.budget.spend(sizes.sum());
        Self {
            escape: self.escape,
            budget: self.budget.clone(),
            variables: self.inherited.clone(),
            inherited: self.inherited.clone(),
            workdir: self.workdir.clone(),
        }
    }

    /// Lets arguments be declared, beside the variables that `ENV` has set.
    pub(super) fn declare(&mut self, declare: impl FnOnce(&mut Variables, &Variables)) {
        declare(&mut self.variables, &self.inherited);
    }

    /// The instruction as a step, which may change what holds.
    pub(super) fn step(&mut self, stage: usize, instruction: &Instruction, named: Named) -> Step {
        let what = self.what(instruction, named);
        let what = what.unwrap_or_else(|why| What::Unknown(why.to_string()));
        let verb = format!("{:?}", instruction.verb).to_uppercase();
        let rest = instruction.rest.split_whitespace().collect::<Vec<_>>().join(" ");
        let flags = instruction.flags.iter().filter(|(_, value)| !value.is_empty());
        let flags: String = flags.map(|(name, value)| format!("--{name}={value} ")).collect();
        Step {
            line: instruction.line,
            stage,
            text: format!("{verb} {flags}{rest}").trim_end().to_owned(),
            workdir: self.workdir.clone(),
            what,
        }
    }

    fn what(&mut self, it: &Instruction, named: Named) -> Result<What, Unknown> {
        Ok(match it.verb {
            Verb::Env => What::Env(self.env(it)?),
            Verb::Label => What::Label(self.pairs(it)?),
            Verb::Expose => What::Expose(self.words(&it.rest)?),
            Verb::User => What::User(self.expand(&it.rest)?),
            Verb::Volume => {
                let places = json(&it.rest).unwrap_or_else(|| words(&it.rest, self.escape));
                let places = places.iter().map(|place| self.expand(place));
                let places = places.collect::<Result<Vec<_>, _>>()?;
                What::Volume(places.iter().map(|place| absolute(&self.workdir, place)).collect())
            }
            Verb::Workdir => {
                let workdir = absolute(&self.workdir, &self.expand(&it.rest)?);
                if workdir.len() > LONGEST_PATH {
                    return Err(Unknown::TooLong);
                }
                self.workdir = workdir;
                What::Workdir
            }
            Verb::Stopsignal => What::StopSignal(self.expand(&it.rest)?),
            Verb::Entrypoint => What::Entrypoint(command(&it.rest)),
            Verb::Cmd => What::Cmd(command(&it.rest)),
            Verb::Healthcheck => healthcheck(it),
            Verb::Copy | Verb::Add => What::Copy(self.copied(it, named)?),
            Verb::Run => What::Run(self.run(it)),
            Verb::Shell => What::Shell(json(&it.rest).unwrap_or_default()),
            Verb::Maintainer => What::Maintainer(self.expand(&it.rest)?),
            Verb::Onbuild => What::Onbuild,
            // Read before there are steps.
            Verb::Arg | Verb::From => What::Unknown(String::new()),
        })
    }

    fn expand(&self, text: &str) -> Result<String, Unknown> {
        if self.budget.is_spent() {
            return Err(Unknown::TooLong);
        }
        let value = expand(text.trim(), &self.variables, self.escape)?;
        // What holds no variable is as long as the file at most.
        self.budget.spend(if text.contains('$') { value.len() } else { 0 });
        Ok(value)
    }

    /// A line for the shell, in which only what is known is replaced.
    fn known(&self, text: &str) -> String {
        if self.budget.is_spent() {
            return String::new();
        }
        let line = expand_known(text, &self.variables);
        self.budget.spend(if text.contains('$') { line.len() } else { 0 });
        line
    }

    fn words(&self, text: &str) -> Result<Vec<String>, Unknown> {
        words(text, self.escape).iter().map(|word| self.expand(word)).collect()
    }

    fn pairs(&self, it: &Instruction) -> Result<Vec<(String, String)>, Unknown> {
        let pairs = pairs(&it.rest, self.escape).into_iter();
        pairs.map(|(name, value)| Ok((self.expand(&name)?, self.expand(&value)?))).collect()
    }

    /// Variables. Those of one line do not see each other; one whose value hangs on the base keeps its text.
    fn env(&mut self, it: &Instruction) -> Result<Vec<(String, String)>, Unknown> {
        let pairs = pairs(&it.rest, self.escape);
        let values = pairs.iter().map(|(name, value)| (name, value, self.expand(value)));
        let values: Vec<_> = values.collect();
        let mut set = Vec::new();
        let mut unknown = None;
        for (name, text, value) in values {
            let is_of_base = |text: &str| text.contains("$PATH") || text.contains("${PATH");
            match value {
                Ok(value) => {
                    self.inherited.insert(name.clone(), Some(value.clone()));
                    self.variables.insert(name.clone(), Some(value.clone()));
                    set.push((name.clone(), value));
                }
                Err(_) if name == "PATH" || is_of_base(text) => set.push((name.clone(), text.clone())),
                Err(why) => {
                    self.inherited.insert(name.clone(), None);
                    self.variables.insert(name.clone(), None);
                    unknown = Some(why);
                }
            }
        }
        match unknown {
            Some(why) if set.is_empty() => Err(why),
            _ => Ok(set),
        }
    }

    fn copied(&self, it: &Instruction, named: Named) -> Result<Copied, Unknown> {
        let list = json(&it.rest).unwrap_or_else(|| words(&it.rest, self.escape));
        let mut list = list.iter().map(|word| self.expand(word)).collect::<Result<Vec<_>, _>>()?;
        let to = list.pop().unwrap_or_default();
        list.retain(|word| !word.starts_with("<<"));
        let flag = |name| it.flag(name).map(|value| self.expand(value)).transpose();
        let from = match flag("from")? {
            None => From::Context,
            Some(name) => match named(&name) {
                Some(stage) => From::Stage(stage),
                None => From::Image(name),
            },
        };
        let is_folder = to.ends_with('/') || matches!(to.as_str(), "." | "..") || to.ends_with("/.");
        let place = absolute(&self.workdir, &to);
        Ok(Copied {
            from,
            sources: list,
            to: if is_folder && place != "/" { format!("{place}/") } else { place },
            owner: flag("chown")?,
            mode: flag("chmod")?,
            is_add: it.verb == Verb::Add,
            documents: it.documents.clone(),
        })
    }

    fn run(&self, it: &Instruction) -> Run {
        let command = match command(&it.rest) {
            Command::Shell(line) => Command::Shell(self.known(&line)),
            words @ Command::Exec(_) => words,
        };
        let known = |document: &Document| Document { text: self.known(&document.text), ..document.clone() };
        Run { command, documents: it.documents.iter().map(known).collect() }
    }
}

fn command(rest: &str) -> Command {
    json(rest).map_or_else(|| Command::Shell(rest.trim().to_owned()), Command::Exec)
}

fn healthcheck(it: &Instruction) -> What {
    let options = it.flags.iter().cloned().collect();
    let (word, rest) = it.rest.split_once(char::is_whitespace).unwrap_or((&it.rest, ""));
    match word {
        _ if word.eq_ignore_ascii_case("NONE") => What::Healthcheck(options, None),
        _ if word.eq_ignore_ascii_case("CMD") => What::Healthcheck(options, Some(command(rest.trim_start()))),
        _ => What::Unknown("it has neither CMD nor NONE".into()),
    }
}

/// A place in the image, without `.`, `..` and a slash at its end.
pub(crate) fn absolute(workdir: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{workdir}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
