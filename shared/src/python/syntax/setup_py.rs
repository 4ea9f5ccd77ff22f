//! What a `setup.py` tells setuptools in literals: found by parsing, never by running it.

use std::collections::BTreeMap;

use ruff_python_ast::{Expr, ExprCall, Operator, Stmt};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use serde_json::{Map, Value};

use super::outline::{MOST_DEPTH, depth, is_main_guard};

/// What a call of `find_packages` stands for: its arguments under this key, and under
/// [`FIND_NAMESPACES`] for the one that finds namespaces too.
pub(in crate::python) const FIND: &str = "find:";
/// See [`FIND`].
pub(in crate::python) const FIND_NAMESPACES: &str = "find_namespace:";

/// The arguments of the only call of `setup()` at the top of a file, as far as they are literals or
/// names that were given one. `None` if there is no such call, or more than one.
pub(in crate::python) fn setup_arguments(source: &str) -> Option<Map<String, Value>> {
    of_the_call(source, |reader, call| reader.arguments(call))
}

/// What `tell` says of the only call of `setup()` at the top of a file.
fn of_the_call<T>(source: &str, tell: impl FnOnce(&Reader<'_>, &ExprCall) -> T) -> Option<T> {
    if depth(source) > MOST_DEPTH {
        return None;
    }
    let parsed = parse_unchecked(source, ParseOptions::from(Mode::Module)).try_into_module()?;
    let mut reader = Reader::default();
    reader.block(parsed.suite());
    match reader.calls.as_slice() {
        [one] => Some(tell(&reader, one)),
        _ => None,
    }
}

/// Whether the only call of `setup()` at the top of a file has no `keyword`, or an empty list for it, whatever
/// else it has. `false` where running it may tell otherwise.
pub(in crate::python) fn setup_omits(source: &str, keyword: &str) -> bool {
    let omits = |reader: &Reader<'_>, call: &ExprCall| {
        call.arguments.keywords.iter().all(|one| match (&one.arg, reader.literal(&one.value)) {
            (Some(name), value) if name.as_str() == keyword => value == Some(Value::Array(Vec::new())),
            (Some(_), _) => true,
            (None, Some(Value::Object(more))) => !more.contains_key(keyword),
            (None, _) => false,
        })
    };
    of_the_call(source, omits).unwrap_or_default()
}

#[derive(Default)]
struct Reader<'a> {
    /// Names that hold a literal; `None` for those that are given something else too.
    names: BTreeMap<&'a str, Option<Value>>,
    calls: Vec<&'a ExprCall>,
}

impl<'a> Reader<'a> {
    fn block(&mut self, block: &'a [Stmt]) {
        block.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Assign(assign) => {
                let value = self.literal(&assign.value);
                for target in &assign.targets {
                    self.bind(target, value.clone());
                }
            }
            Stmt::AnnAssign(assign) => {
                let value = assign.value.as_ref().and_then(|value| self.literal(value));
                self.bind(&assign.target, value);
            }
            Stmt::AugAssign(assign) => self.bind(&assign.target, None),
            Stmt::Expr(expression) => {
                if let Expr::Call(call) = &*expression.value {
                    self.call(call);
                }
            }
            Stmt::If(branch) if is_main_guard(&branch.test) => self.block(&branch.body),
            // What happens on a condition is not known to happen.
            Stmt::If(branch) => {
                self.forget(&branch.body);
                branch.elif_else_clauses.iter().for_each(|clause| self.forget(&clause.body));
            }
            Stmt::Try(stmt) => {
                self.block(&stmt.body);
                for handler in &stmt.handlers {
                    if let Some(handler) = handler.as_except_handler() {
                        self.forget(&handler.body);
                    }
                }
                self.block(&stmt.finalbody);
            }
            Stmt::With(with) => self.block(&with.body),
            Stmt::For(stmt) => self.forget(&stmt.body),
            Stmt::While(stmt) => self.forget(&stmt.body),
            _ => {}
        }
    }

    /// Reads a block that may run or not.
    fn forget(&mut self, block: &'a [Stmt]) {
        let mut within = Self::default();
        within.block(block);
        self.calls.extend(within.calls);
        self.names.extend(within.names.into_keys().map(|name| (name, None)));
    }

    fn bind(&mut self, target: &'a Expr, value: Option<Value>) {
        match target {
            Expr::Name(name) => {
                let known = self.names.contains_key(name.id.as_str());
                self.names.insert(name.id.as_str(), value.filter(|_| !known));
            }
            Expr::Subscript(subscript) => self.bind(&subscript.value, None),
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|element| self.bind(element, None)),
            _ => {}
        }
    }

    fn call(&mut self, call: &'a ExprCall) {
        match &*call.func {
            Expr::Name(name) if name.id.as_str() == "setup" => self.calls.push(call),
            Expr::Attribute(attribute) => {
                let Expr::Name(name) = &*attribute.value else { return };
                match (name.id.as_str(), attribute.attr.as_str()) {
                    ("setuptools" | "core" | "distutils", "setup") => self.calls.push(call),
                    // `requires.append(...)`
                    (name, _) => _ = self.names.insert(name, None),
                }
            }
            _ => {}
        }
    }

    fn arguments(&self, call: &ExprCall) -> Map<String, Value> {
        let mut arguments = Map::new();
        for keyword in &call.arguments.keywords {
            let Some(value) = self.literal(&keyword.value) else { continue };
            match (&keyword.arg, value) {
                (Some(name), value) => _ = arguments.insert(name.to_string(), value),
                (None, Value::Object(more)) => arguments.extend(more),
                (None, _) => {}
            }
        }
        arguments
    }

    fn literal(&self, expression: &Expr) -> Option<Value> {
        Some(match expression {
            Expr::StringLiteral(text) => Value::String(text.value.to_str().to_owned()),
            Expr::BooleanLiteral(truth) => Value::Bool(truth.value),
            Expr::NoneLiteral(_) => Value::Null,
            Expr::Name(name) => self.names.get(name.id.as_str())?.clone()?,
            Expr::List(list) => self.literals(&list.elts)?,
            Expr::Tuple(tuple) => self.literals(&tuple.elts)?,
            Expr::Set(set) => self.literals(&set.elts)?,
            Expr::Dict(dict) => {
                let mut map = Map::new();
                for item in &dict.items {
                    let Value::String(key) = self.literal(item.key.as_ref()?)? else { return None };
                    map.insert(key, self.literal(&item.value)?);
                }
                Value::Object(map)
            }
            Expr::BinOp(sum) if sum.op == Operator::Add => {
                match (self.literal(&sum.left)?, self.literal(&sum.right)?) {
                    (Value::String(left), Value::String(right)) => Value::String(left + &right),
                    (Value::Array(left), Value::Array(right)) => Value::Array([left, right].concat()),
                    _ => return None,
                }
            }
            Expr::Call(call) => self.find(call)?,
            _ => return None,
        })
    }

    fn literals(&self, elements: &[Expr]) -> Option<Value> {
        elements.iter().map(|element| self.literal(element)).collect::<Option<Vec<_>>>().map(Value::Array)
    }

    /// `find_packages("src", exclude=["tests"])`
    fn find(&self, call: &ExprCall) -> Option<Value> {
        let name = match &*call.func {
            Expr::Name(name) => name.id.as_str(),
            Expr::Attribute(attribute) => attribute.attr.as_str(),
            _ => return None,
        };
        let kind = match name {
            "find_packages" => FIND,
            "find_namespace_packages" => FIND_NAMESPACES,
            _ => return None,
        };
        let mut arguments = self.arguments(call);
        if arguments.len() != call.arguments.keywords.len() {
            return None;
        }
        for (name, value) in ["where", "exclude", "include"].iter().zip(&call.arguments.args) {
            arguments.insert((*name).to_owned(), self.literal(value)?);
        }
        Some(Value::Object([(kind.to_owned(), Value::Object(arguments))].into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(source: &str) -> String {
        setup_arguments(source).map_or_else(|| "nothing".into(), |found| Value::Object(found).to_string())
    }

    #[test]
    fn what_setup_does_not_say_is_told_from_what_only_running_it_tells() {
        let omits = |text: &str| super::setup_omits(text, "install_requires");
        for text in [
            "setup(name='a')",
            "setup(name=read(), ext_modules=[Extension('a')])",
            "setup(name='a', install_requires=[])",
            "x = {'name': 'a'}\nsetup(**x)",
        ] {
            assert!(omits(text), "{text}");
        }
        for text in [
            "",
            "setup(install_requires=['a'])",
            "setup(install_requires=read())",
            "setup(**read())",
            "x = {'install_requires': ['a']}\nsetup(**x)",
            "if x:\n    setup(name='a')\nelse:\n    setup(install_requires=['b'])",
        ] {
            assert!(!omits(text), "{text}");
        }
    }

    #[test]
    fn literals_and_names_of_literals_are_read() {
        let source = "\
from setuptools import setup, find_packages
NAME = 'de' 'mo'
requires = ['a'] + ['b>=1,<2']
about = {}
if __name__ == '__main__':
    setup(name=NAME, version=about['v'], install_requires=requires, packages=find_packages('src', exclude=('t',)),
          package_dir={'': 'src'}, entry_points={'console_scripts': ['demo = demo.cli:main']}, **{'url': 'u'})
";
        assert_eq!(
            told(source),
            r#"{"entry_points":{"console_scripts":["demo = demo.cli:main"]},"install_requires":["a","b>=1,<2"],"name":"demo","package_dir":{"":"src"},"packages":{"find:":{"exclude":["t"],"where":"src"}},"url":"u"}"#
        );
        assert_eq!(told("import setuptools\nsetuptools.setup(name='a')"), r#"{"name":"a"}"#);
    }

    #[test]
    fn what_running_would_change_is_not_taken() {
        for text in [
            "x = 'a'\nx = 'b'\nsetup(name=x)",
            "x = 'a'\nx += 'b'\nsetup(name=x)",
            "x = 'a'\nif y:\n    x = 'b'\nsetup(name=x)",
            "x = ['a']\nx.append('b')\nsetup(name=x)",
            "x = {'a': 'b'}\nx['a'] = 'c'\nsetup(name=x)",
            "x, y = f()\nsetup(name=x)",
            "setup(name=f'{x}')",
            "setup(name=read('x'))",
            "setup(packages=find_packages(where=here))",
            "setup(**arguments)",
        ] {
            assert_eq!(told(text), "{}", "{text}");
        }
        for text in [
            "",
            "def f():\n    setup(name='a')",
            "setup(name='a')\nsetup(name='b')",
            "(".repeat(5000).as_str(),
        ] {
            assert_eq!(told(text), "nothing", "{text}");
        }
    }
}
