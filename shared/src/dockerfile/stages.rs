//! Stages: what each is built on, and what all of its ancestors and it do.

use super::expand::{self, Variables};
use super::instruction::{Instruction, Verb};
use super::lines;
use super::pairs::words;
use super::step::{self, From, Step, What, absolute};
use crate::error::{Error, Result};

/// A Dockerfile, divided into its stages.
#[derive(Debug, Clone)]
pub struct Dockerfile {
    pub(super) escape: char,
    /// The arguments before the first stage, which only `FROM` sees by itself.
    pub(super) globals: Variables,
    /// In their order; there is at least one.
    pub stages: Vec<Stage>,
}

/// A `FROM` and what follows it, up to the next one.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The line of its `FROM`, from 1.
    pub line: usize,
    /// What `AS` calls it, in lower case.
    pub name: Option<String>,
    /// The image that it is built on.
    pub base: Base,
    pub(super) instructions: Vec<Instruction>,
}

/// What a stage is built on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// An earlier stage, by its place.
    Stage(usize),
    /// An image of a registry, or `scratch`.
    Image(String),
    /// It hangs on a variable: the text, and why its value is not known.
    Unknown(String, String),
}

/// More stages are refused.
const MOST_STAGES: usize = 256;
/// More instructions are refused.
const MOST_INSTRUCTIONS: usize = 10_000;

impl Dockerfile {
    /// Reads the text of a Dockerfile.
    ///
    /// # Errors
    /// Usage: it is not one; the message names the line.
    pub fn read(text: &str) -> Result<Self> {
        let (escape, lines) = lines::read(text)?;
        if lines.len() > MOST_INSTRUCTIONS {
            return Err(Error::usage(format!(
                "the Dockerfile has {} instructions, but the limit is {MOST_INSTRUCTIONS}",
                lines.len()
            )));
        }
        let mut file = Self { escape, globals: Variables::new(), stages: Vec::new() };
        for line in lines {
            let instruction = Instruction::of(line)?;
            match (instruction.verb, file.stages.last_mut()) {
                (Verb::From, _) => {
                    let stage = file.stage(&instruction)?;
                    file.stages.push(stage);
                }
                (_, Some(stage)) => stage.instructions.push(instruction),
                (Verb::Arg, None) => declare(&instruction, escape, None, &mut file.globals),
                (_, None) => {
                    return Err(Error::usage(format!(
                        "line {} of the Dockerfile comes before its first FROM",
                        instruction.line
                    )));
                }
            }
        }
        match file.stages.len() {
            0 => Err(Error::usage("the Dockerfile has no FROM, so it makes no image")),
            1..=MOST_STAGES => Ok(file),
            many => {
                Err(Error::usage(format!("the Dockerfile has {many} stages, but the limit is {MOST_STAGES}")))
            }
        }
    }

    fn stage(&self, from: &Instruction) -> Result<Stage> {
        let words = words(&from.rest, self.escape);
        let Some(image) = words.first() else {
            return Err(Error::usage(format!("FROM in line {} of the Dockerfile names no image", from.line)));
        };
        let name = words
            .get(1)
            .filter(|word| word.eq_ignore_ascii_case("as"))
            .and_then(|_| words.get(2))
            .map(|name| name.to_lowercase());
        let base = match expand::expand(image, &self.globals, self.escape) {
            Ok(image) => match self.stage_of(&image) {
                Some(stage) => Base::Stage(stage),
                None => Base::Image(image),
            },
            Err(why) => Base::Unknown(image.clone(), why.to_string()),
        };
        Ok(Stage { line: from.line, name, base, instructions: Vec::new() })
    }

    /// The stage of that name, the latest if there are several.
    pub(super) fn stage_of(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.stages.iter().rposition(|stage| stage.name.as_ref() == Some(&name))
    }

    /// The stage itself after all that it is built on, the first before.
    pub fn chain(&self, stage: usize) -> Vec<usize> {
        let mut chain = vec![stage];
        // Each is built on an earlier one, so this ends.
        while let Some(Base::Stage(below)) = chain.last().map(|last| &self.stages[*last].base) {
            chain.push(*below);
        }
        chain.reverse();
        chain
    }

    /// The folders and files of the project that are copied, by their relative paths; all of their parents are among them.
    pub fn copied_folders(&self) -> Vec<String> {
        let mut found = Vec::new();
        let copies =
            (0..self.stages.len()).flat_map(|stage| self.steps(stage)).filter_map(|step| match step.what {
                What::Copy(copied) if copied.from == From::Context => Some(copied.sources),
                _ => None,
            });
        for source in copies.flatten() {
            let path = absolute("/", &source);
            let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
            for end in 1..=parts.len() {
                let path = parts[..end].join("/");
                if !found.contains(&path) {
                    found.push(path);
                }
            }
        }
        found
    }

    /// What happens in the stages that this one is built on, and in it.
    pub fn steps(&self, stage: usize) -> Vec<Step> {
        let mut state = step::State::new(self.escape);
        let mut steps = Vec::new();
        for at in self.chain(stage) {
            state.enter();
            for instruction in &self.stages[at].instructions {
                if instruction.verb == Verb::Arg {
                    declare(instruction, self.escape, Some(&self.globals), &mut state.variables);
                    state.keep_environment();
                } else {
                    let named = |name: &str| {
                        self.stage_of(name).or_else(|| name.parse().ok()).filter(|named| *named < at)
                    };
                    steps.push(state.step(at, instruction, &named));
                }
            }
        }
        steps
    }
}

/// Declares the arguments of an `ARG`. In a stage, one without a value has that of the argument of that name before all
/// stages.
fn declare(instruction: &Instruction, escape: char, globals: Option<&Variables>, variables: &mut Variables) {
    for word in words(&instruction.rest, escape) {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, expand::expand(value, variables, escape).ok()),
            None => (word.as_str(), globals.and_then(|globals| globals.get(&word).cloned().flatten())),
        };
        variables.insert(name.to_owned(), value);
    }
}
