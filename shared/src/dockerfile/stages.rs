//! Stages: what each is built on, and what all of its ancestors and it do.

use std::collections::BTreeSet;

use super::expand::{self, Budget, Variables};
use super::instruction::{Instruction, Verb};
use super::lines;
use super::pairs::words;
use super::step::{From, State, Step, What, absolute};
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
    /// What it does itself, beyond what it is built on.
    pub steps: Vec<Step>,
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
        let budget = Budget::default();
        for line in lines {
            let instruction = Instruction::of(line)?;
            match (instruction.verb, file.stages.last_mut()) {
                (Verb::From, _) => {
                    let stage = file.stage(&instruction)?;
                    file.stages.push(stage);
                }
                (_, Some(stage)) => stage.instructions.push(instruction),
                (Verb::Arg, None) => declare(&instruction, (escape, &budget), None, &mut file.globals),
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
            1..=MOST_STAGES => {
                file.fill_in_steps(&budget)?;
                Ok(file)
            }
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
        Ok(Stage { line: from.line, name, base, steps: Vec::new(), instructions: Vec::new() })
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
        let mut found = BTreeSet::new();
        let copies = self.stages.iter().flat_map(|stage| &stage.steps).filter_map(|step| match &step.what {
            What::Copy(copied) if copied.from == From::Context => Some(&copied.sources),
            _ => None,
        });
        for source in copies.flatten() {
            let path = absolute("/", source);
            let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            found.extend(ends.filter(|end| *end > 0).map(|end| path[1..end].to_owned()));
        }
        found.into_iter().filter(|path| !path.is_empty()).collect()
    }

    /// What happens in the stages that this one is built on, and in it.
    pub fn steps(&self, stage: usize) -> Vec<&Step> {
        self.chain(stage).into_iter().flat_map(|at| &self.stages[at].steps).collect()
    }

    /// Makes steps of the instructions: each stage goes on where the one below it ends.
    ///
    /// # Errors
    /// Usage: the variables grow beyond all measure.
    fn fill_in_steps(&mut self, budget: &Budget) -> Result<()> {
        let mut ends: Vec<State> = Vec::new();
        for at in 0..self.stages.len() {
            let mut state = match self.stages[at].base {
                Base::Stage(below) => ends[below].next_stage(),
                _ => State::new(self.escape, budget.clone()),
            };
            let instructions = std::mem::take(&mut self.stages[at].instructions);
            let named =
                |name: &str| self.stage_of(name).or_else(|| name.parse().ok()).filter(|named| *named < at);
            let mut steps = Vec::new();
            for instruction in &instructions {
                match instruction.verb {
                    Verb::Arg => state.declare(|variables, set| {
                        declare(instruction, (self.escape, budget), Some((&self.globals, set)), variables);
                    }),
                    _ => steps.push(state.step(at, instruction, &named)),
                }
                budget.check()?;
            }
            self.stages[at].steps = steps;
            ends.push(state);
        }
        budget.check()
    }
}

/// Declares the arguments of an `ARG`. In a stage, one without a value has that of the argument of that name before all
/// stages, and `ENV` outranks it, whichever comes last.
fn declare(
    instruction: &Instruction,
    (escape, budget): (char, &Budget),
    stage: Option<(&Variables, &Variables)>,
    variables: &mut Variables,
) {
    for word in words(&instruction.rest, escape) {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if !budget.is_spent() => {
                (name, expand::expand(value, variables, escape).ok())
            }
            Some((name, _)) => (name, None),
            None => (word.as_str(), stage.and_then(|(globals, _)| globals.get(&word).cloned().flatten())),
        };
        budget.spend(value.as_ref().map_or(0, String::len));
        if !stage.is_some_and(|(_, set)| set.contains_key(name)) {
            variables.insert(name.to_owned(), value);
        }
    }
}
