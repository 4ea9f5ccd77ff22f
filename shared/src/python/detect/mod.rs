//! How an application is started, found by reading its source and never by running it.
//!
//! In this order: the console script named like the project, an application of a known framework
//! together with a production server that is really installed, the only console script, the
//! package with a `__main__`, the only script. Whatever is not clear is an error that lists the
//! candidates.

mod ast;
mod choose;
mod files;
mod frameworks;
mod plain;
mod ports;
mod servers;
mod setup_py;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Name;
use crate::error::{Error, Result};
use choose::Choice;

pub(super) use setup_py::{FIND, FIND_NAMESPACES, setup_arguments, setup_omits};

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
    /// The server that the user wants.
    pub server: Option<&'a str>,
    /// The port that the user wants it to listen on.
    pub port: Option<u16>,
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
        && let Some(answer) = plain::own_script(question)
    {
        return Ok(answer);
    }
    let unserved = match choose::application(question)? {
        Choice::One(found) => {
            if let Some(answer) = servers::serve(question, &found, wanted)? {
                return Ok(answer);
            }
            Some(servers::none_installed(&found))
        }
        Choice::None => None,
    };
    if let Some(server) = wanted {
        return Err(unserved.unwrap_or_else(|| {
            let message = format!("server = {:?}, but no application for it was found", server.name);
            write_entrypoint(message, &[server.name, "..."])
        }));
    }
    if let Some(answer) = plain::only_script(question) {
        return Ok(answer);
    }
    if let Some(error) = unserved {
        return Err(error);
    }
    plain::module(question)?.map_or_else(|| Err(plain::nothing(question)), Ok)
}

/// A usage error whose way out is to say what to start: `example`, or what is meant instead.
fn write_entrypoint<Word: std::fmt::Debug>(message: String, example: &[Word]) -> Error {
    Error::usage(message).hint(format!(
        "write entrypoint = {example:?}, or what is meant, under [tool.containerize] in pyproject.toml"
    ))
}

/// What ends a program that has no handler for SIGTERM: Python makes a `KeyboardInterrupt` of it.
const INTERRUPT: &str = "SIGINT";

/// How a program is started of which nothing is known.
const SOME_MODULE: &[&str] = &["python", "-m", "..."];
