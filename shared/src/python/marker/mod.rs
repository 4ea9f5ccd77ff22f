//! Environment markers (PEP 508, with the names that PEP 751 adds): whether a dependency is
//! wanted on a target, which is not the machine that asks.
//!
//! The decisions are those of Python's own `packaging`, of which a test holds thousands, with
//! three differences. What `packaging` cannot evaluate (`sys_platform ~= "linux"`,
//! `"a" == "b"`) is refused when the marker is read. So is a comparison of two variables, where
//! it would take one of the names for a text. And several extras may be wanted at once:
//! `extra == "x"` asks whether `x` is one of them.

mod parse;

use std::fmt;

use super::specifier::Clause;
use super::{Interpreter, Name};
use crate::error::Result;

/// A marker that was read: a condition on the target, extras and groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    text: String,
    expression: Expression,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    Any(Vec<Expression>),
    All(Vec<Expression>),
    /// No marker is written with it; what is left of a place when others are taken out is one.
    Not(Box<Expression>),
    Test(Test),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    /// A variable and a text. `clause` is there when they are compared as versions.
    Variable { variable: Variable, operator: Operator, text: Text, clause: Option<Clause> },
    /// `extra == 'x'` and the like; the text is normalised.
    Extra { operator: Operator, text: Text },
    /// `'x' in extras`, `'x' not in dependency_groups`; the name is normalised.
    Member { name: String, set: Set, wanted: bool },
}

/// The text that something is compared with, and on which side it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Text {
    Left(String),
    Right(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Extras,
    Groups,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
    Compatible,
    Identical,
    In,
    NotIn,
}

/// The variables of PEP 508 whose values the target has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    OsName,
    SysPlatform,
    PlatformMachine,
    PlatformPythonImplementation,
    PlatformRelease,
    PlatformSystem,
    PlatformVersion,
    PythonVersion,
    PythonFullVersion,
    ImplementationName,
    ImplementationVersion,
}

/// The values that markers ask for, on a target.
///
/// What a container will find as its kernel's release and version, nobody knows when the image
/// is made: `platform_release` and `platform_version` are empty, as PEP 508 says of values that
/// cannot be determined. So no comparison of them as versions holds, not even `!=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markers {
    pub(super) platform_machine: String,
    pub(super) python_version: String,
    pub(super) python_full_version: String,
    pub(super) platform_release: String,
    pub(super) system: System,
}

/// A kind of system. Images are for Linux; locks are for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Linux,
    Mac,
    Windows,
}

impl Markers {
    /// Those of an interpreter in an image.
    pub fn of(interpreter: &Interpreter) -> Self {
        Self {
            platform_machine: machine(&interpreter.platform),
            python_version: interpreter.version.short(),
            python_full_version: interpreter.version.to_string(),
            platform_release: String::new(),
            system: System::Linux,
        }
    }

    /// The same interpreter on another system.
    pub(super) fn on(mut self, system: System) -> Self {
        self.platform_machine = match (system, self.platform_machine.as_str()) {
            (System::Mac, "aarch64") => "arm64".into(),
            (System::Windows, "x86_64") => "AMD64".into(),
            (_, machine) => machine.to_owned(),
        };
        Self { system, ..self }
    }

    fn value(&self, variable: Variable) -> &str {
        match variable {
            Variable::OsName if self.system == System::Windows => "nt",
            Variable::OsName => "posix",
            Variable::SysPlatform => match self.system {
                System::Linux => "linux",
                System::Mac => "darwin",
                System::Windows => "win32",
            },
            Variable::PlatformMachine => &self.platform_machine,
            Variable::PlatformPythonImplementation => "CPython",
            Variable::PlatformRelease => &self.platform_release,
            Variable::PlatformSystem => match self.system {
                System::Linux => "Linux",
                System::Mac => "Darwin",
                System::Windows => "Windows",
            },
            Variable::PlatformVersion => "",
            Variable::PythonVersion => &self.python_version,
            Variable::PythonFullVersion | Variable::ImplementationVersion => &self.python_full_version,
            Variable::ImplementationName => "cpython",
        }
    }
}

/// The machine as the kernel, and so `platform.machine()`, names it.
pub fn machine(platform: &crate::oci::Platform) -> String {
    match (platform.architecture.as_str(), platform.variant.as_deref()) {
        ("arm", Some("v5")) => "armv5l".into(),
        ("arm", Some("v6")) => "armv6l".into(),
        ("arm", _) => "armv7l".into(),
        (architecture, _) => match architecture {
            "amd64" => "x86_64",
            "arm64" => "aarch64",
            "386" => "i686",
            "loong64" => "loongarch64",
            // riscv64, ppc64le and s390x have one name everywhere.
            other => other,
        }
        .into(),
    }
}

impl Marker {
    /// Reads a marker, without the semicolon before it.
    ///
    /// # Errors
    /// When it is none, compares what cannot be compared, or is nested more than 64 deep.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self { text: text.trim().to_owned(), expression: parse::parse(text)? })
    }

    /// Holds where all of `all` do and none of `none`; `None` where that is everywhere.
    pub(super) fn all_but(all: &[&Self], none: &[&Self]) -> Option<Self> {
        let inner = |marker: &&Self| format!("({})", marker.text);
        let mut texts: Vec<String> = all.iter().map(inner).collect();
        let mut parts: Vec<Expression> = all.iter().map(|marker| marker.expression.clone()).collect();
        for marker in none {
            texts.push(format!("not ({})", marker.text));
            parts.push(Expression::Not(Box::new(marker.expression.clone())));
        }
        match (parts.len(), all) {
            (0, _) => None,
            (1, [only]) => Some((*only).clone()),
            _ => Some(Self { text: texts.join(" and "), expression: Expression::All(parts) }),
        }
    }

    /// The marker without what compares a version with what is none, which uv passes over; `None` where nothing
    /// else is left.
    pub(super) fn of_versions(&self) -> Option<Self> {
        Some(Self { text: self.text.clone(), expression: self.expression.of_versions()? })
    }

    /// The marker as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it holds on the target, for somebody who asked for these extras and dependency
    /// groups.
    pub fn holds(&self, target: &Markers, extras: &[Name], groups: &[Name]) -> bool {
        self.expression.holds(&Asked { target, extras, groups })
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Asked<'a> {
    target: &'a Markers,
    extras: &'a [Name],
    groups: &'a [Name],
}

impl Expression {
    fn holds(&self, asked: &Asked<'_>) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.holds(asked)),
            Self::All(parts) => parts.iter().all(|part| part.holds(asked)),
            Self::Not(part) => !part.holds(asked),
            Self::Test(test) => test.holds(asked),
        }
    }
}

impl Expression {
    fn of_versions(&self) -> Option<Self> {
        let some = |parts: &[Self]| parts.iter().filter_map(Self::of_versions).collect::<Vec<_>>();
        match self {
            Self::Any(parts) => parse::one_or_none(some(parts), Self::Any),
            Self::All(parts) => parse::one_or_none(some(parts), Self::All),
            Self::Not(part) => part.of_versions().map(|part| Self::Not(Box::new(part))),
            Self::Test(test) => (!test.is_of_no_version()).then(|| self.clone()),
        }
    }
}

impl Test {
    /// Whether it compares a version with a text that is none, by an operator for versions.
    fn is_of_no_version(&self) -> bool {
        let Self::Variable { variable, operator, text, clause } = self else { return false };
        let is_version = match text {
            Text::Right(_) => clause.is_some(),
            Text::Left(text) => Clause::parse(&format!("=={text}")).is_some(),
        };
        variable.is_version()
            && *variable != Variable::PlatformRelease
            && !matches!(operator, Operator::In | Operator::NotIn)
            && !is_version
    }

    fn holds(&self, asked: &Asked<'_>) -> bool {
        match self {
            Self::Variable { variable, operator, text, clause } => {
                let value = asked.target.value(*variable);
                match (clause, text) {
                    (Some(clause), _) => clause.allows(value),
                    (None, Text::Right(text)) => operator.compares(value, text),
                    (None, Text::Left(text)) if variable.is_version() => {
                        match Clause::parse(&format!("{}{value}", operator.sign())) {
                            Some(clause) => clause.allows(text),
                            None => operator.compares(text, value),
                        }
                    }
                    (None, Text::Left(text)) => operator.compares(text, value),
                }
            }
            Self::Extra { operator, text } => {
                let holds = |extra: &str| match text {
                    Text::Left(text) => operator.compares(text, extra),
                    Text::Right(text) => operator.compares(extra, text),
                };
                match (asked.extras, operator) {
                    ([], _) => holds(""),
                    (extras, Operator::NotEqual | Operator::NotIn) => {
                        extras.iter().all(|e| holds(e.as_str()))
                    }
                    (extras, _) => extras.iter().any(|e| holds(e.as_str())),
                }
            }
            Self::Member { name, set, wanted } => {
                let set = match set {
                    Set::Extras => asked.extras,
                    Set::Groups => asked.groups,
                };
                set.iter().any(|member| member.as_str() == name) == *wanted
            }
        }
    }
}

impl Variable {
    /// Whether its values are versions, which are not compared as texts.
    fn is_version(self) -> bool {
        matches!(
            self,
            Self::PythonVersion
                | Self::PythonFullVersion
                | Self::ImplementationVersion
                | Self::PlatformRelease
        )
    }
}

impl Operator {
    /// Compares texts, which have no order: `<=` and `>=` are `==`.
    fn compares(self, left: &str, right: &str) -> bool {
        match self {
            Self::Equal | Self::LessOrEqual | Self::GreaterOrEqual => left == right,
            Self::NotEqual => left != right,
            Self::In => right.contains(left),
            Self::NotIn => !right.contains(left),
            // The last two are refused for texts when a marker is read.
            Self::Less | Self::Greater | Self::Compatible | Self::Identical => false,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
            Self::Compatible => "~=",
            Self::Identical => "===",
            Self::In => "in",
            Self::NotIn => "not in",
        }
    }
}

#[cfg(test)]
mod tests;
