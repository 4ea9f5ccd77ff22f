//! What a program is built from, without building it: the compiler, the profile, the features, the crates that
//! Cargo.lock pins, the files of the packages on this machine, and what an earlier build turned out to read beside.
//!
//! A list of inputs is the same on every machine: paths are relative to the workspace, and crates are named by their
//! checksums. What it does not know is what a build reads without saying so: the C compiler and the linker (but for
//! its name), libraries of the system, and whatever build scripts and macros do not declare.

mod counter;
mod files;
mod reads;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::oci::Digest;

pub use counter::Counter;
pub(super) use files::seen_from;
pub use reads::Reads;

/// So many digits of an input's digest are kept to tell later which one has changed.
const DIGITS: usize = 12;

/// One thing that a program is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Input {
    /// What concerns all of it, in words.
    General(&'static str),
    /// A crate that Cargo.lock pins, with its version.
    Crate(String),
    /// A file, as seen from the workspace.
    File(String),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::General(what) => f.write_str(what),
            Self::Crate(name) => write!(f, "the crate {name}"),
            Self::File(path) => f.write_str(path),
            Self::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}

/// Everything that a program is built from, what concerns all of it first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs(Vec<(Input, Digest)>);

impl Inputs {
    fn add(&mut self, input: Input, value: impl AsRef<[u8]>) {
        self.0.push((input, Digest::of(value.as_ref())));
    }

    /// The digest of all of them.
    pub fn digest(&self) -> Digest {
        let lines = self.0.iter().map(|(input, digest)| format!("{input:?}\0{digest}\n"));
        Digest::of(lines.collect::<String>().as_bytes())
    }

    /// What they are, in one line.
    pub fn summary(&self) -> String {
        let (mut all, mut crates, mut files) = (Vec::new(), 0, 0);
        for (input, _) in &self.0 {
            match input {
                Input::General(_) | Input::Variable(_) => all.push(input.to_string()),
                Input::Crate(_) => crates += 1,
                Input::File(_) => files += 1,
            }
        }
        format!("{files} files, {crates} crates of Cargo.lock, {}", all.join(", "))
    }

    /// The same in brief, with what the build turned out to read.
    pub fn trail(&self, further: Further) -> Trail {
        let brief = |(input, digest): &(Input, Digest)| (input.to_string(), kept_digits(input, digest));
        Trail { further, inputs: self.0.iter().map(brief).collect() }
    }
}

/// The digits that are kept of an input: none of a variable, whose value may be a secret that could be guessed by them.
fn kept_digits(input: &Input, digest: &Digest) -> String {
    match input {
        Input::Variable(_) => String::new(),
        _ => digest.hex()[..DIGITS].to_owned(),
    }
}

/// What a build reads beside the files of its packages: known only when it was made once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Further {
    /// Files and folders, relative to the workspace; absolute where the system's packages have put them.
    pub files: BTreeSet<String>,
    /// Variables that build scripts and code name.
    pub variables: BTreeSet<String>,
}

/// What is kept of a build to count the inputs of the next, and to say what has changed since.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// What it has read beside the files of its packages.
    pub further: Further,
    /// Each input, with the first digits of its digest.
    inputs: Vec<(String, String)>,
}

impl Trail {
    /// The first of `now` that is not what it was; one of its variables, where it is nothing else. `None` where nothing is
    /// known of before.
    pub fn change_since(&self, now: &Inputs) -> Option<Change> {
        if self.inputs.is_empty() {
            return None;
        }
        let before: BTreeMap<&str, &str> =
            self.inputs.iter().map(|(what, digits)| (what.as_str(), digits.as_str())).collect();
        let now: Vec<(String, String)> =
            now.0.iter().map(|(input, digest)| (input.to_string(), kept_digits(input, digest))).collect();
        let is_other = |(what, digits): &(String, String)| match before.get(what.as_str()) {
            None => Some(Change::Added(what.clone())),
            Some(before) => (before != digits).then(|| Change::Changed(what.clone())),
        };
        now.iter().find_map(is_other).or_else(|| {
            let here: BTreeSet<&str> = now.iter().map(|(what, _)| what.as_str()).collect();
            let gone = self.inputs.iter().find(|(what, _)| !here.contains(what.as_str()));
            let variables = now.iter().filter(|(_, digits)| digits.is_empty());
            let variables: Vec<&str> = variables.map(|(what, _)| what.as_str()).collect();
            let one_of = (!variables.is_empty()).then(|| Change::Changed(variables.join(" or ")));
            gone.map(|(what, _)| Change::Gone(what.clone())).or(one_of)
        })
    }
}

/// What is another input than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It has another value.
    Changed(String),
    /// It was not there.
    Added(String),
    /// It is not there any more.
    Gone(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(what) => write!(f, "{what} changed"),
            Self::Added(what) => write!(f, "{what} is new"),
            Self::Gone(what) => write!(f, "{what} is gone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(all: &[(&str, &str)]) -> Inputs {
        let mut inputs = Inputs::default();
        all.iter().for_each(|(path, value)| inputs.add(Input::File((*path).to_owned()), value));
        inputs
    }

    #[test]
    fn the_first_change_is_named() {
        let trail = inputs(&[("c", "1"), ("src/a.rs", "a"), ("src/b.rs", "b")]).trail(Further::default());
        let said = |all: &[(&str, &str)]| trail.change_since(&inputs(all)).map(|change| change.to_string());
        assert_eq!(said(&[("c", "1"), ("src/a.rs", "a"), ("src/b.rs", "b")]), None);
        let other = said(&[("c", "1"), ("src/a.rs", "x"), ("src/b.rs", "y")]);
        assert_eq!(other.as_deref(), Some("src/a.rs changed"));
        let more = said(&[("c", "1"), ("src/a.rs", "a"), ("src/aa.rs", ""), ("src/b.rs", "b")]);
        assert_eq!(more.as_deref(), Some("src/aa.rs is new"));
        assert_eq!(said(&[("c", "1"), ("src/b.rs", "b")]).as_deref(), Some("src/a.rs is gone"));
    }

    #[test]
    fn no_digit_of_a_variable_is_kept() {
        let mut inputs = Inputs::default();
        inputs.add(Input::Variable("PIN".into()), "=1234");
        let trail = inputs.trail(Further::default());
        let text = serde_json::to_string(&trail).expect("JSON");
        assert!(!text.contains(&Digest::of(b"=1234").hex()[..6]), "{text}");
        let mut other = Inputs::default();
        other.add(Input::Variable("PIN".into()), "=4321");
        let said = trail.change_since(&other).map(|change| change.to_string());
        assert_eq!(said.as_deref(), Some("the variable PIN changed"));
    }

    #[test]
    fn a_digest_tells_kinds_names_values_and_their_order_apart() {
        let mut variable = Inputs::default();
        variable.add(Input::Variable("a".into()), "1");
        let all = [
            inputs(&[("a", "1"), ("b", "2")]),
            inputs(&[("a", "2"), ("b", "1")]),
            inputs(&[("b", "2"), ("a", "1")]),
            inputs(&[("a", "1")]),
            variable,
        ];
        let digests: BTreeSet<Digest> = all.iter().map(Inputs::digest).collect();
        assert_eq!(digests.len(), all.len());
    }

    #[test]
    fn a_summary_counts_what_are_many() {
        let mut some = inputs(&[("a", "1"), ("b", "2")]);
        some.add(Input::General("rustc"), "");
        some.add(Input::Crate("serde 1.0.0".into()), "");
        some.add(Input::Variable("CC".into()), "");
        assert_eq!(some.summary(), "2 files, 1 crates of Cargo.lock, rustc, the variable CC");
    }
}
