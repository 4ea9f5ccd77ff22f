//! The outline of a Python module: the few facts that tell what it starts.
//!
//! This and [`super::setup_py`] alone use the parser, whose API comes without promises.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{Expr, Number, Stmt, StmtFunctionDef, StmtIf};
use ruff_python_parser::{Mode, ParseOptions, lexer, parse_unchecked};

/// A syntax tree is freed recursively: deeper ones than this are not built.
pub(in crate::python) const MOST_DEPTH: usize = 1000;

/// An expression, as far as it matters here. Names that were imported are written in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::python) enum Value {
    /// `name` or `a.b.c`.
    Path(String),
    /// A call. It is shared, since a call is also noted where it is an argument of others.
    Call(Rc<Call>),
    /// A list, a table's values, or alternatives: more than one of them.
    Several(Rc<[Value]>),
    /// A string.
    Text(String),
    /// A number.
    Int(u64),
    /// Anything else.
    Other,
}

/// A call, as far as its arguments are literals, names or calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::python) struct Call {
    /// What is called: `fastapi.FastAPI`, or `gradio.Interface().launch` for a chain.
    pub(in crate::python) callee: String,
    /// Its positional arguments.
    pub(in crate::python) args: Vec<Value>,
    /// Its keyword arguments.
    pub(in crate::python) keywords: Vec<(String, Value)>,
}

impl Call {
    /// All its arguments.
    pub(in crate::python) fn given(&self) -> impl Iterator<Item = &Value> {
        self.args.iter().chain(self.keywords.iter().map(|(_, value)| value))
    }
}

/// `name = value`, perhaps with an annotation.
#[derive(Debug, Clone)]
pub(in crate::python) struct Binding {
    pub(in crate::python) name: String,
    /// The annotation's path.
    pub(in crate::python) annotation: Option<String>,
    /// What it is bound to.
    pub(in crate::python) value: Value,
}

/// What runs in one scope, in order.
#[derive(Debug, Default)]
pub(in crate::python) struct Scope {
    /// Names that are bound.
    pub(in crate::python) bindings: Vec<Binding>,
    /// Where each name is bound last.
    last: BTreeMap<String, usize>,
    /// All calls, also those within other expressions.
    pub(in crate::python) calls: Vec<Rc<Call>>,
    /// The values of its `return` statements.
    pub(in crate::python) returned: Vec<Value>,
}

impl Scope {
    /// The last binding of a name.
    pub(in crate::python) fn last(&self, name: &str) -> Option<&Binding> {
        self.bindings.get(*self.last.get(name)?)
    }

    fn bind(&mut self, name: &str, annotation: Option<String>, value: Value) {
        self.last.insert(name.to_owned(), self.bindings.len());
        self.bindings.push(Binding { name: name.to_owned(), annotation, value });
    }
}

/// What stands above a function.
#[derive(Debug)]
pub(in crate::python) struct Decorator {
    /// What it is: `click.group()`.
    pub(in crate::python) path: String,
    /// The text that it is given first, or as `name`.
    pub(in crate::python) text: Option<String>,
}

/// A function of the module.
#[derive(Debug)]
pub(in crate::python) struct Function {
    pub(in crate::python) name: String,
    /// What decorates it.
    pub(in crate::python) decorators: Vec<Decorator>,
    /// Whether it is what it says: nothing decorates it that might make something else of it.
    pub(in crate::python) plain: bool,
    /// The parameters that have to be given.
    pub(in crate::python) needs: Vec<String>,
    /// Whether it is a coroutine.
    pub(in crate::python) is_async: bool,
    /// What it says it returns.
    pub(in crate::python) returns: Option<String>,
    /// What it does.
    pub(in crate::python) body: Scope,
}

impl Function {
    /// Whether it can be called without arguments.
    pub(in crate::python) fn callable(&self) -> bool {
        self.plain && self.needs.is_empty()
    }
}

/// What a module defines and does when it is imported.
#[derive(Debug, Default)]
pub(in crate::python) struct Outline {
    /// Imported names and what they stand for.
    pub(in crate::python) imports: BTreeMap<String, String>,
    /// Modules all names of which are imported.
    pub(in crate::python) stars: Vec<String>,
    /// Whether running it does something of its own: calls at its top, loops, and the like.
    pub(in crate::python) acts: bool,
    /// What importing it runs.
    pub(in crate::python) body: Scope,
    /// Functions at the top of the module, not those in classes.
    pub(in crate::python) functions: Vec<Function>,
    /// Its classes, with the paths of their bases.
    pub(in crate::python) classes: Vec<(String, Vec<String>)>,
    /// What runs under `if __name__ == "__main__"`.
    pub(in crate::python) main: Option<Scope>,
    /// Full paths of what is mounted below another application.
    pub(in crate::python) mounted: Vec<String>,
}

impl Outline {
    /// The functions of the module that some calls name.
    pub(in crate::python) fn called_by<'o>(
        &'o self,
        calls: impl Iterator<Item = &'o Rc<Call>>,
    ) -> impl Iterator<Item = &'o Function> {
        let names: BTreeSet<&str> = calls.map(|call| call.callee.as_str()).collect();
        self.functions.iter().filter(move |own| names.contains(own.name.as_str()))
    }
}

/// Reads the outline of `source`, which is the module `module` (`is_package`: its `__init__`).
/// `None` if it is nested too deeply to be written by hand. Of a broken file, what is whole.
pub(in crate::python) fn outline(source: &str, module: &str, is_package: bool) -> Option<Outline> {
    if depth(source) > MOST_DEPTH {
        return None;
    }
    let parsed = parse_unchecked(source, ParseOptions::from(Mode::Module)).try_into_module()?;
    let mut reader = Reader { module, is_package, outline: Outline::default() };
    let mut body = Scope::default();
    for statement in parsed.suite() {
        reader.top(statement, &mut body);
    }
    reader.outline.body = body;
    Some(reader.outline)
}

/// An upper bound of the depth of the syntax tree, from the tokens alone: how deep blocks and
/// brackets are nested, and how many operators may stand on each other within each of them.
pub(in crate::python) fn depth(source: &str) -> usize {
    let mut lexer = lexer::lex(source, Mode::Module);
    let (mut most, mut blocks) = (0, 0usize);
    // Operators since the last comma, and whether a lambda makes commas no separators, by bracket.
    let mut open = vec![(0usize, false)];
    let mut total = 0usize;
    loop {
        let kind = lexer.next_token();
        let top = open.len() - 1;
        match kind {
            TokenKind::EndOfFile => return most,
            TokenKind::Indent => blocks += 1,
            TokenKind::Dedent => blocks = blocks.saturating_sub(1),
            TokenKind::Newline | TokenKind::Semi => {
                open.clear();
                open.push((0, false));
                total = 0;
            }
            TokenKind::Comma if !open[top].1 => {
                total -= open[top].0;
                open[top].0 = 0;
            }
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                open[top].0 += 1;
                total += 1;
                open.push((0, false));
            }
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd
                if top > 0 =>
            {
                total -= open[top].0;
                open.pop();
            }
            kind if kind.is_operator() || kind.is_non_soft_keyword() => {
                open[top].0 += 1;
                open[top].1 |= kind == TokenKind::Lambda;
                total += 1;
            }
            _ => {}
        }
        most = most.max(total + blocks);
    }
}

struct Reader<'a> {
    module: &'a str,
    is_package: bool,
    outline: Outline,
}

impl Reader<'_> {
    /// A statement of the module itself.
    fn top(&mut self, statement: &Stmt, body: &mut Scope) {
        self.outline.acts |= acts(statement);
        match statement {
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => {
                let bases = class.arguments.iter().flat_map(|arguments| &arguments.args);
                let bases = bases.filter_map(|base| self.path(base)).collect();
                self.outline.classes.push((class.name.to_string(), bases));
            }
            Stmt::If(branch) if is_main_guard(&branch.test) => {
                let mut main = Scope::default();
                branch.body.iter().for_each(|statement| self.top(statement, &mut main));
                self.outline.main = Some(main);
            }
            statement => self.statement(statement, body, true),
        }
    }

    fn block(&mut self, block: &[Stmt], scope: &mut Scope, top: bool) {
        for statement in block {
            if top { self.top(statement, scope) } else { self.statement(statement, scope, false) }
        }
    }

    fn statement(&mut self, statement: &Stmt, scope: &mut Scope, top: bool) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.name.as_str();
                    let (local, full) = match &alias.asname {
                        Some(local) => (local.as_str(), name),
                        // `import a.b` binds `a`.
                        None => name.split_once('.').map_or((name, name), |(first, _)| (first, first)),
                    };
                    self.outline.imports.insert(local.to_owned(), full.to_owned());
                }
            }
            Stmt::ImportFrom(import) => {
                let Some(from) = self.absolute(import.module.as_deref(), import.level) else { return };
                for alias in &import.names {
                    let local = alias.asname.as_ref().unwrap_or(&alias.name);
                    if local.as_str() == "*" {
                        self.outline.stars.push(from.clone());
                        continue;
                    }
                    self.outline.imports.insert(local.to_string(), join(&from, &alias.name));
                }
            }
            Stmt::Assign(assign) => {
                let value = self.value(&assign.value, scope);
                for target in &assign.targets {
                    if let Expr::Name(name) = target {
                        scope.bind(&name.id, None, value.clone());
                    }
                }
            }
            Stmt::AnnAssign(assign) => {
                let (Expr::Name(name), Some(value)) = (&*assign.target, &assign.value) else { return };
                let value = self.value(value, scope);
                let annotation = self.annotation(&assign.annotation);
                scope.bind(&name.id, annotation, value);
            }
            Stmt::Expr(expression) => {
                self.value(&expression.value, scope);
            }
            Stmt::Return(stmt) => {
                let value = stmt.value.as_ref().map(|value| self.value(value, scope));
                scope.returned.extend(value);
            }
            Stmt::If(branch) => self.branch(branch, scope, top),
            Stmt::Try(stmt) => {
                self.block(&stmt.body, scope, top);
                for handler in &stmt.handlers {
                    if let Some(handler) = handler.as_except_handler() {
                        self.block(&handler.body, scope, top);
                    }
                }
                self.block(&stmt.orelse, scope, top);
                self.block(&stmt.finalbody, scope, top);
            }
            Stmt::With(with) => {
                for item in &with.items {
                    let value = self.value(&item.context_expr, scope);
                    if let Some(Expr::Name(name)) = item.optional_vars.as_deref() {
                        scope.bind(&name.id, None, value);
                    }
                }
                self.block(&with.body, scope, top);
            }
            Stmt::For(stmt) => self.block(&stmt.body, scope, top),
            Stmt::While(stmt) => self.block(&stmt.body, scope, top),
            _ => {}
        }
    }

    /// What only type checkers see is no more than a source of names.
    fn branch(&mut self, branch: &StmtIf, scope: &mut Scope, top: bool) {
        let types_only = self.path(&branch.test).is_some_and(|path| {
            matches!(
                path.as_str(),
                "TYPE_CHECKING" | "typing.TYPE_CHECKING" | "typing_extensions.TYPE_CHECKING"
            )
        });
        if types_only {
            let imports = branch.body.iter().filter(|s| matches!(s, Stmt::Import(_) | Stmt::ImportFrom(_)));
            imports.for_each(|import| self.statement(import, scope, false));
        } else {
            self.value(&branch.test, scope);
            self.block(&branch.body, scope, top);
        }
        for clause in &branch.elif_else_clauses {
            self.block(&clause.body, scope, top);
        }
    }

    fn function(&mut self, function: &StmtFunctionDef) {
        let parameters = &function.parameters;
        let positional = parameters.posonlyargs.iter().chain(&parameters.args).chain(&parameters.kwonlyargs);
        let needed = positional.into_iter().filter(|parameter| parameter.default.is_none());
        let needs = needed.map(|parameter| parameter.parameter.name.to_string()).collect();
        let returns = function.returns.as_deref().and_then(|returns| self.annotation(returns));
        let mut body = Scope::default();
        self.block(&function.body, &mut body, false);
        self.outline.functions.push(Function {
            name: function.name.to_string(),
            decorators: function
                .decorator_list
                .iter()
                .filter_map(|d| self.decorator(&d.expression))
                .collect(),
            // A decorated function is something else: a fixture, a task, a command.
            plain: function.decorator_list.iter().all(|decorator| self.harmless(&decorator.expression)),
            needs,
            is_async: function.is_async,
            returns,
            body,
        });
    }

    fn decorator(&self, expression: &Expr) -> Option<Decorator> {
        let named = match expression {
            Expr::Call(call) => call.arguments.find_argument_value("name", 0),
            _ => None,
        };
        let text = match named {
            Some(Expr::StringLiteral(text)) => Some(text.value.to_str().to_owned()),
            _ => None,
        };
        Some(Decorator { path: self.path(expression)?, text })
    }

    /// Whether a decorator leaves a function what it is.
    fn harmless(&self, decorator: &Expr) -> bool {
        let path = self.path(decorator).unwrap_or_default();
        path.starts_with("functools.") || path.starts_with("typing.")
    }

    fn value(&mut self, expression: &Expr, scope: &mut Scope) -> Value {
        match expression {
            Expr::Name(_) | Expr::Attribute(_) => {
                // The calls of a chain `a().b` are calls too.
                if let Expr::Attribute(attribute) = expression
                    && !matches!(*attribute.value, Expr::Name(_))
                {
                    self.value(&attribute.value, scope);
                }
                self.path(expression).map_or(Value::Other, Value::Path)
            }
            Expr::StringLiteral(text) => Value::Text(text.value.to_str().to_owned()),
            Expr::NumberLiteral(number) => match &number.value {
                Number::Int(int) => int.as_u64().map_or(Value::Other, Value::Int),
                _ => Value::Other,
            },
            Expr::Await(inner) => self.value(&inner.value, scope),
            Expr::Named(named) => {
                let value = self.value(&named.value, scope);
                if let Expr::Name(name) = &*named.target {
                    scope.bind(&name.id, None, value.clone());
                }
                value
            }
            Expr::If(choice) => self.value(&choice.body, scope),
            Expr::BoolOp(choice) => self.several(&choice.values, scope),
            Expr::List(list) => self.several(&list.elts, scope),
            Expr::Tuple(tuple) => self.several(&tuple.elts, scope),
            Expr::Dict(dict) => {
                let values: Vec<Value> =
                    dict.items.iter().map(|item| self.value(&item.value, scope)).collect();
                Value::Several(values.into())
            }
            Expr::Call(call) => {
                if let Expr::Attribute(attribute) = &*call.func {
                    self.value(&attribute.value, scope);
                }
                let callee = self.path(&call.func);
                let args: Vec<Value> =
                    call.arguments.args.iter().map(|argument| self.value(argument, scope)).collect();
                let mut keywords = Vec::new();
                for keyword in &call.arguments.keywords {
                    let value = self.value(&keyword.value, scope);
                    keywords.extend(keyword.arg.as_ref().map(|name| (name.to_string(), value)));
                }
                let Some(callee) = callee else { return Value::Other };
                if is_mount(&callee) {
                    call.arguments.args.iter().for_each(|argument| self.mount(argument));
                    call.arguments.keywords.iter().for_each(|keyword| self.mount(&keyword.value));
                }
                let call = Rc::new(Call { callee, args, keywords });
                scope.calls.push(Rc::clone(&call));
                Value::Call(call)
            }
            _ => Value::Other,
        }
    }

    fn several(&mut self, expressions: &[Expr], scope: &mut Scope) -> Value {
        Value::Several(expressions.iter().map(|expression| self.value(expression, scope)).collect())
    }

    /// Notes what `argument` of a call that mounts names, also within a wrapper.
    fn mount(&mut self, argument: &Expr) {
        match argument {
            Expr::Call(call) => call.arguments.args.iter().for_each(|inner| self.mount(inner)),
            Expr::Dict(dict) => dict.items.iter().for_each(|item| self.mount(&item.value)),
            Expr::Name(name) if !self.outline.imports.contains_key(name.id.as_str()) => {
                self.outline.mounted.push(join(self.module, name.id.as_str()));
            }
            other => self.outline.mounted.extend(self.path(other)),
        }
    }

    /// A dotted path, its first name replaced by what was imported under it.
    fn path(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::Name(name) => {
                let name = name.id.as_str();
                Some(self.outline.imports.get(name).map_or(name, String::as_str).to_owned())
            }
            Expr::Attribute(attribute) => Some(join(&self.path(&attribute.value)?, &attribute.attr)),
            Expr::Call(call) => Some(format!("{}()", self.path(&call.func)?)),
            _ => None,
        }
    }

    /// The path in an annotation, which may be quoted.
    fn annotation(&self, annotation: &Expr) -> Option<String> {
        let Expr::StringLiteral(text) = annotation else { return self.path(annotation) };
        let text = text.value.to_str();
        let (first, rest) = text.split_once('.').map_or((text, None), |(first, rest)| (first, Some(rest)));
        let first = self.outline.imports.get(first).map_or(first, String::as_str);
        Some(rest.map_or_else(|| first.to_owned(), |rest| join(first, rest)))
    }

    /// The full path of the module of a `from` import.
    fn absolute(&self, module: Option<&str>, level: u32) -> Option<String> {
        if level == 0 {
            return module.map(str::to_owned);
        }
        let up = usize::try_from(level).ok()? - usize::from(self.is_package);
        let parts: Vec<&str> = self.module.split('.').collect();
        let base = parts.get(..parts.len().checked_sub(up)?)?.join(".");
        Some(module.map_or_else(|| base.clone(), |module| join(&base, module)))
    }
}

fn join(base: &str, name: &str) -> String {
    if base.is_empty() { name.to_owned() } else { format!("{base}.{name}") }
}

/// What serves several WSGI applications, each below its path.
const DISPATCHER: &str = "werkzeug.middleware.dispatcher.DispatcherMiddleware";

fn is_mount(callee: &str) -> bool {
    callee.ends_with(".mount")
        || callee.ends_with(".add_subapp")
        || callee == "starlette.routing.Mount"
        || callee == DISPATCHER
}

/// Whether a statement at the top of a module does something that is no definition.
fn acts(statement: &Stmt) -> bool {
    match statement {
        Stmt::Expr(expression) => matches!(*expression.value, Expr::Call(_) | Expr::Await(_)),
        Stmt::While(_) | Stmt::For(_) | Stmt::With(_) => true,
        _ => false,
    }
}

pub(in crate::python) fn is_main_guard(test: &Expr) -> bool {
    let Expr::Compare(compare) = test else { return false };
    let sides = [Some(&*compare.left), compare.comparators.first()];
    let is_name = |side: &Expr| matches!(side, Expr::Name(name) if name.id.as_str() == "__name__");
    let is_main =
        |side: &Expr| matches!(side, Expr::StringLiteral(text) if text.value.to_str() == "__main__");
    sides.iter().flatten().any(|side| is_name(side)) && sides.iter().flatten().any(|side| is_main(side))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Outline {
        outline(source, "web.main", false).expect("an outline")
    }

    #[test]
    fn imported_names_are_written_in_full() {
        let outline = read(
            "import fastapi as f\nfrom fastapi import FastAPI as F\nfrom .core import make\nfrom .. import up\n\
             from . import here\nimport a.b\nx = f.FastAPI()\ny: 'F' = make()\nz = here.q\nw = a.b.c\n",
        );
        let values: Vec<_> = outline.body.bindings.iter().map(|binding| binding.value.clone()).collect();
        let call = |callee: &str| {
            Value::Call(Rc::new(Call { callee: callee.into(), args: vec![], keywords: vec![] }))
        };
        let path = |path: &str| Value::Path(path.into());
        assert_eq!(
            values,
            [call("fastapi.FastAPI"), call("web.core.make"), path("web.here.q"), path("a.b.c")]
        );
        assert_eq!(outline.body.bindings[1].annotation.as_deref(), Some("fastapi.FastAPI"));
        assert_eq!(outline.imports["up"], "up");
    }

    #[test]
    fn relative_imports_in_a_package_start_at_itself() {
        let outline =
            outline("from .core import make\nfrom ..x import y\n", "a.b", true).expect("an outline");
        assert_eq!((&*outline.imports["make"], &*outline.imports["y"]), ("a.b.core.make", "a.x.y"));
        let outline = super::outline("from ...x import y\n", "a", true).expect("an outline");
        assert!(outline.imports.is_empty(), "above the top there is nothing");
    }

    #[test]
    fn what_is_whole_in_a_broken_file_is_read() {
        let outline = read("x = f()\ndef broken(:\n    pass\n\ny = g()\nz = (\n");
        let names: Vec<_> = outline.body.bindings.iter().map(|binding| binding.name.as_str()).collect();
        assert_eq!(&names[..2], ["x", "y"]);
    }

    #[test]
    fn trees_that_are_too_deep_are_not_built() {
        let n = 100_000;
        let deep = [
            format!("x = {}1{}", "(".repeat(n), ")".repeat(n)),
            format!("x = {}", "(".repeat(n)),
            format!("x = {}1{}", "[".repeat(n), "]".repeat(n)),
            format!("x = {}1", "not ".repeat(n)),
            format!("x = 1{}", " + 1".repeat(n)),
            format!("x = a{}", ".b".repeat(n)),
            format!("x = a{}", "(1, 2)".repeat(n)),
            format!("x = {}1", "lambda a, b: ".repeat(n)),
            format!("x = 1{}", " if 1 else 1".repeat(n)),
            (0..2000).map(|i| format!("{}if x:\n", " ".repeat(i))).collect(),
        ];
        for source in deep {
            assert!(outline(&source, "m", false).is_none(), "{}", &source[..40]);
        }
    }

    #[test]
    fn trees_just_below_the_limit_and_long_tables_are_read() {
        let n = MOST_DEPTH - 2;
        let sources = [
            format!("x = {}1{}", "(".repeat(n), ")".repeat(n)),
            format!("x = 1{}", " + 1".repeat(n)),
            format!("x = a{}", ".b".repeat(n)),
            format!("x = a{}", "()".repeat(n)),
            format!("x = [{}]", "f(-1, 'a'), ".repeat(50_000)),
            "x = f(1) + 2\n".repeat(50_000),
        ];
        for source in sources {
            assert!(outline(&source, "m", false).is_some(), "{}", &source[..40]);
        }
    }
}
