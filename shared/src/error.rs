//! One error type for the whole library: what failed, why, and what to type next.

use std::error::Error as StdError;
use std::fmt;

use crate::redact::clean;
use crate::words::{Wording, Words};

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it was. It decides the program's exit code, which is public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The build itself failed: a compiler, a hook, a file that cannot be read or written.
    Build,
    /// The words of the call or the configuration are wrong.
    Usage,
    /// The network or a registry failed; trying again may help.
    Network,
    /// A digest, size or signature does not match what was promised.
    Integrity,
    /// A mistake in this program.
    Bug,
    /// The user or the system asked the program to end.
    Interrupted,
}

impl Kind {
    /// The exit code that the program ends with. For [`Kind::Interrupted`] it is that of Ctrl-C; front ends
    /// know which signal it was.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Build => 1,
            Self::Usage => 2,
            Self::Network => 3,
            Self::Integrity => 4,
            Self::Bug => 70,
            Self::Interrupted => 130,
        }
    }

    /// The kind as one word, for machine-readable output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Usage => "usage",
            Self::Network => "network",
            Self::Integrity => "integrity",
            Self::Bug => "bug",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A failure: one sentence, perhaps the cause below it, perhaps what to type next.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: Words,
    source: Option<Box<dyn StdError + Send + Sync>>,
    hint: Option<Words>,
}

impl Error {
    /// A failure of `kind`, said in one sentence without a full stop. Logins in it are not kept.
    pub fn new(kind: Kind, message: impl Into<Words>) -> Self {
        let message = without_logins(message);
        Self(Box::new(Inner { kind, message, source: None, hint: None }))
    }

    /// The build failed.
    pub fn build(message: impl Into<Words>) -> Self {
        Self::new(Kind::Build, message)
    }

    /// The call or the configuration is wrong.
    pub fn usage(message: impl Into<Words>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The network or a registry failed.
    pub fn network(message: impl Into<Words>) -> Self {
        Self::new(Kind::Network, message)
    }

    /// Bytes are not what they were promised to be.
    pub fn integrity(message: impl Into<Words>) -> Self {
        Self::new(Kind::Integrity, message)
    }

    /// This program is wrong.
    pub fn bug(message: impl Into<Words>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Words>) -> Self {
        self.0.hint = Some(without_logins(hint));
        self
    }

    /// The same in the same words, for several who wait for one thing. Of causes that others speak of, only the words are kept.
    #[must_use]
    pub(crate) fn copy(&self) -> Self {
        let Inner { kind, message, source, hint } = &*self.0;
        let source = source.as_ref().map(|source| copied(&**source));
        Self(Box::new(Inner { kind: *kind, message: message.clone(), source, hint: hint.clone() }))
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What failed, for a front end to word.
    pub fn message(&self) -> &Words {
        &self.0.message
    }

    /// What the user can do about it, for a front end to word: the nearest hint in the chain of causes.
    pub fn advice(&self) -> Option<&Words> {
        let hint = self.0.hint.as_ref();
        hint.or_else(|| self.0.source.as_ref()?.downcast_ref::<Error>().and_then(Error::advice))
    }

    /// What the user can do about it, in the program's own words.
    pub fn hint_text(&self) -> Option<&str> {
        self.advice().map(|hint| &**hint)
    }

    /// All of it in one line: the sentence, its causes, and what to do.
    pub fn in_a_line(&self) -> String {
        let mut words = self.to_string();
        self.causes().iter().for_each(|cause| words.push_str(&format!(": {cause}")));
        self.hint_text().into_iter().for_each(|hint| words.push_str(&format!("; {hint}")));
        words
    }

    /// The sentences of all causes in the program's own words, the nearest first.
    pub fn causes(&self) -> Vec<String> {
        self.causes_said(&crate::words::Plain)
    }

    /// The sentences of all causes as a front end words them, the nearest first.
    pub fn causes_said(&self, wording: &dyn Wording) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.source();
        while let Some(cause) = next {
            // What others say may quote anything.
            let text = match cause.downcast_ref::<Error>() {
                Some(own) => own.message().said(wording),
                None => clean(&cause.to_string()).into_owned(),
            };
            // Many foreign errors repeat their source in their own text.
            if causes.last().is_none_or(|last: &String| !last.contains(&text)) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.message.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)?;
        for cause in self.causes() {
            write!(f, "\n  caused by: {cause}")?;
        }
        if let Some(hint) = self.hint_text() {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

/// A cause with those below it, as they are shown.
fn copied(cause: &(dyn StdError + 'static)) -> Box<dyn StdError + Send + Sync> {
    if let Some(own) = cause.downcast_ref::<Error>() {
        return Box::new(own.copy());
    }
    let copy = Error::build(cause.to_string());
    Box::new(match cause.source() {
        Some(below) => copy.because(copied(below)),
        None => copy,
    })
}

fn without_logins(words: impl Into<Words>) -> Words {
    words.into().map_text(|text| clean(text).into_owned())
}

/// Says what was being done when a foreign error came up.
pub trait Context<T> {
    /// Wraps the error as the cause of a [`Kind::Build`] failure with this sentence.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> Context<T> for std::result::Result<T, E> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| {
            let source = source.into();
            // Our own errors keep their kind when more is said about them.
            let kind = own(&*source).map_or(Kind::Build, Error::kind);
            Error::new(kind, message()).because(source)
        })
    }
}

/// An error of ours, also one that came through what speaks of input and output.
fn own<'a>(error: &'a (dyn StdError + Send + Sync + 'static)) -> Option<&'a Error> {
    error.downcast_ref::<Error>().or_else(|| {
        error.downcast_ref::<std::io::Error>()?.get_ref().and_then(|inner| inner.downcast_ref::<Error>())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_keeps_kind_and_hint_of_our_own_errors() {
        let inner: Result<()> = Err(Error::network("cannot connect").hint("start it"));
        let outer = inner.context(|| "cannot push".into()).expect_err("an error");
        assert_eq!(outer.kind(), Kind::Network);
        assert_eq!(outer.hint_text(), Some("start it"));
        assert_eq!(outer.causes(), ["cannot connect"]);
        let through: std::io::Result<()> = Err(std::io::Error::other(Error::integrity("cut")));
        assert_eq!(through.context(String::new).expect_err("an error").kind(), Kind::Integrity);
    }

    #[test]
    fn a_cause_that_repeats_its_source_is_said_once() {
        let io = std::io::Error::other("disk on fire");
        let error = Error::build("cannot write x").because(Error::build("writing: disk on fire").because(io));
        assert_eq!(error.causes(), ["writing: disk on fire"]);
    }
}
