//! Reading markers: a grammar of few words, by descent.

use super::{Clause, Expression, Operator, Set, Test, Text, Variable};
use crate::error::{Error, Result};
use crate::redact;

/// How deep parentheses may be nested. Nobody nests ten.
const MAX_DEPTH: u32 = 64;

/// What may stand on either side of an operator.
enum Operand {
    Text(String),
    Variable(Variable),
    Extra,
    Set(Set),
}

struct Parser<'a> {
    source: &'a str,
    rest: &'a str,
}

pub(super) fn parse(source: &str) -> Result<Expression> {
    let mut parser = Parser { source, rest: source };
    let expression = parser.any(0)?;
    match parser.rest {
        "" => Ok(expression),
        _ => Err(parser.expected("\"and\", \"or\" or the end")),
    }
}

impl Parser<'_> {
    fn any(&mut self, depth: u32) -> Result<Expression> {
        let mut parts = vec![self.all(depth)?];
        while self.word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self, depth: u32) -> Result<Expression> {
        let mut parts = vec![self.atom(depth)?];
        while self.word("and") {
            parts.push(self.atom(depth)?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn atom(&mut self, depth: u32) -> Result<Expression> {
        if !self.sign("(") {
            return Ok(Expression::Test(self.test()?));
        }
        if depth == MAX_DEPTH {
            return Err(Error::usage(format!("a marker has parentheses nested more than {MAX_DEPTH} deep")));
        }
        let inner = self.any(depth + 1)?;
        if !self.sign(")") {
            return Err(self.expected("\")\""));
        }
        self.skip();
        Ok(inner)
    }

    fn test(&mut self) -> Result<Test> {
        let left = self.operand()?;
        let operator = self.operator()?;
        let right = self.operand()?;
        self.skip();
        make(left, operator, right).ok_or_else(|| {
            Error::usage(format!(
                "the marker {:?} compares values that cannot be compared",
                shown(self.source)
            ))
            .because(format!("{:?} has no meaning there", operator.sign()))
            .hint("PEP 508 says what each variable can be compared with")
        })
    }

    fn operand(&mut self) -> Result<Operand> {
        self.skip();
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            return self.text(quote);
        }
        let name = self.peek_word();
        let operand = match name {
            "os_name" | "os.name" => Operand::Variable(Variable::OsName),
            "sys_platform" | "sys.platform" => Operand::Variable(Variable::SysPlatform),
            "platform_machine" | "platform.machine" => Operand::Variable(Variable::PlatformMachine),
            "platform_python_implementation" | "platform.python_implementation" | "python_implementation" => {
                Operand::Variable(Variable::PlatformPythonImplementation)
            }
            "platform_release" => Operand::Variable(Variable::PlatformRelease),
            "platform_system" => Operand::Variable(Variable::PlatformSystem),
            "platform_version" | "platform.version" => Operand::Variable(Variable::PlatformVersion),
            "python_version" => Operand::Variable(Variable::PythonVersion),
            "python_full_version" => Operand::Variable(Variable::PythonFullVersion),
            "implementation_name" => Operand::Variable(Variable::ImplementationName),
            "implementation_version" => Operand::Variable(Variable::ImplementationVersion),
            "extra" => Operand::Extra,
            "extras" => Operand::Set(Set::Extras),
            "dependency_groups" => Operand::Set(Set::Groups),
            _ => return Err(self.expected("a variable or a quoted text")),
        };
        self.rest = self.rest.get(name.len()..).unwrap_or_default();
        Ok(operand)
    }

    fn text(&mut self, quote: char) -> Result<Operand> {
        let inner = self.rest.get(1..).unwrap_or_default();
        let Some((text, rest)) = inner.split_once(quote) else {
            return Err(self.expected("the closing quote"));
        };
        // Not in the grammar, and Python would take it for an escape.
        if text.contains(['\\', '\n', '\r', '\0']) {
            return Err(self.expected("a text without backslashes and line breaks"));
        }
        self.rest = rest;
        Ok(Operand::Text(text.to_owned()))
    }

    fn operator(&mut self) -> Result<Operator> {
        const SIGNS: [Operator; 8] = [
            Operator::Identical,
            Operator::Equal,
            Operator::Compatible,
            Operator::NotEqual,
            Operator::LessOrEqual,
            Operator::GreaterOrEqual,
            Operator::Less,
            Operator::Greater,
        ];
        self.skip();
        if let Some(operator) = SIGNS.into_iter().find(|operator| self.sign(operator.sign())) {
            return Ok(operator);
        }
        if self.word("in") {
            return Ok(Operator::In);
        }
        let before = self.rest;
        if self.word("not") && self.rest.starts_with([' ', '\t']) && self.word("in") {
            return Ok(Operator::NotIn);
        }
        self.rest = before;
        Err(self.expected("one of <=, <, !=, ==, >=, >, ~=, ===, in, not in"))
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn sign(&mut self, sign: &str) -> bool {
        self.skip();
        self.rest.strip_prefix(sign).map(|rest| self.rest = rest).is_some()
    }

    fn word(&mut self, word: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(word).filter(|rest| !rest.starts_with(in_word));
        rest.map(|rest| self.rest = rest).is_some()
    }

    /// The letters, digits, underscores and dots ahead.
    fn peek_word(&self) -> &str {
        let end = self.rest.find(|c| !in_word(c) && c != '.').unwrap_or(self.rest.len());
        self.rest.get(..end).unwrap_or_default()
    }

    fn expected(&self, what: &str) -> Error {
        let found = match self.rest {
            "" => "it ends".to_owned(),
            rest => format!("it goes on with {:?}", shown(rest)),
        };
        Error::usage(format!("{:?} is not a valid marker", shown(self.source)))
            .because(format!("expected {what}, but {found}"))
    }
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// As [`one_or`], where nothing may be left.
pub(super) fn one_or_none(
    parts: Vec<Expression>,
    many: fn(Vec<Expression>) -> Expression,
) -> Option<Expression> {
    (!parts.is_empty()).then(|| one_or(parts, many))
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            many(parts)
        }
    }
}

/// As much of a marker as an error message bears.
fn shown(text: &str) -> String {
    redact::excerpt(text.trim(), 120)
}

/// `None` for what can have no value, whatever the target.
fn make(left: Operand, operator: Operator, right: Operand) -> Option<Test> {
    match (left, right) {
        (Operand::Variable(variable), Operand::Text(text)) => compare(variable, operator, Text::Right(text)),
        (Operand::Text(text), Operand::Variable(variable)) => compare(variable, operator, Text::Left(text)),
        (Operand::Extra, Operand::Text(text)) if compares_texts(operator) => {
            Some(Test::Extra { operator, text: Text::Right(normal(&text)) })
        }
        (Operand::Text(text), Operand::Extra) if compares_texts(operator) => {
            Some(Test::Extra { operator, text: Text::Left(normal(&text)) })
        }
        (Operand::Text(name), Operand::Set(set)) => {
            let wanted = match operator {
                Operator::In => true,
                Operator::NotIn => false,
                _ => return None,
            };
            Some(Test::Member { name: normal(&name), set, wanted })
        }
        _ => None,
    }
}

fn compare(variable: Variable, operator: Operator, text: Text) -> Option<Test> {
    let clause = match &text {
        Text::Right(text) if variable.is_version() => Clause::parse(&format!("{}{text}", operator.sign())),
        _ => None,
    };
    let defined = match &text {
        _ if compares_texts(operator) || clause.is_some() => true,
        Text::Right(_) => false,
        // All values of these are versions, but the release, which is empty.
        Text::Left(_) if variable == Variable::PlatformRelease => operator == Operator::Identical,
        Text::Left(_) => variable.is_version(),
    };
    defined.then_some(Test::Variable { variable, operator, text, clause })
}

/// Whether the operator has a meaning for texts too.
fn compares_texts(operator: Operator) -> bool {
    !matches!(operator, Operator::Compatible | Operator::Identical)
}

/// As PEP 503 has it, for texts that need not be names.
fn normal(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.extend(c.to_lowercase()),
        }
    }
    normal
}
