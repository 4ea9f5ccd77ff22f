//! Something in the source that could be served.

use std::collections::BTreeSet;

use super::files::Source;
use super::frameworks::{Framework, Serves};

/// What sort of object a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// An application.
    Instance,
    /// A function that makes one.
    Factory {
        /// Whether it is a coroutine.
        is_async: bool,
    },
    /// The whole file.
    Script,
}

/// Something that could be served.
#[derive(Debug, Clone)]
pub(super) struct Candidate<'a> {
    /// The framework that makes it.
    pub(super) framework: &'static Framework,
    /// The interface that it has, or the program that runs it.
    pub(super) serves: Serves,
    /// Where it is.
    pub(super) source: Source<'a>,
    /// Its name in the module; empty for a script.
    pub(super) name: String,
    /// An object, something that makes one, or a whole file.
    pub(super) form: Form,
    /// First names of its absolute imports.
    pub(super) imports: BTreeSet<String>,
    /// The port, if it starts itself and says so in a way that can be read; `None` if it does not
    /// start itself.
    pub(super) own_start: Option<u16>,
    /// The port that the file itself gives to what serves it.
    pub(super) own_port: Option<u16>,
}

impl Candidate<'_> {
    /// For the user: `FastAPI app \`app\` in src/web/main.py`.
    pub(super) fn describe(&self) -> String {
        let (title, path) = (self.framework.title, self.source.path);
        match self.form {
            Form::Instance => format!("{title} app `{}` in {path}", self.name),
            Form::Factory { .. } => format!("{title} factory `{}` in {path}", self.name),
            Form::Script => format!("{title} script {path}"),
        }
    }
}
