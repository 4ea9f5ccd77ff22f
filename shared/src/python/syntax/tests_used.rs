//! Which packages of tests a module speaks of: what it imports anywhere, also in functions and on conditions, and what
//! it names in texts as whole as an import would. Rather too much is found than too little.

use std::collections::BTreeSet;

use memchr::memmem;

use crate::trim::{is_name_of_tests, tests_named};

/// The tests that the module at `path` speaks of, each as [`tests_named`] names it. The path is seen from the folder
/// that modules are looked for in.
pub fn tests_used(path: &str, text: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    if memmem::find(text.as_bytes(), b"test").is_none() {
        return used;
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let package: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let mut add = |name: &str| used.extend(absolute(name, &package).as_deref().and_then(tests_named));
    let tokens: Vec<Token<'_>> = Tokens { rest: text }.collect();
    let mut rest = tokens.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            Token::Word("from") => {
                let (module, names) = match rest {
                    [Token::Word(module), Token::Word("import"), names @ ..] => ((*module).to_owned(), names),
                    // Blanks may follow the dots.
                    [Token::Word(dots), Token::Word(module), Token::Word("import"), names @ ..]
                        if dots.ends_with('.') =>
                    {
                        (format!("{dots}{module}"), names)
                    }
                    _ => continue,
                };
                add(&module);
                let from = |name: &str| match module.ends_with('.') {
                    true => format!("{module}{name}"),
                    false => format!("{module}.{name}"),
                };
                names_in(names).filter(|name| is_name_of_tests(name)).for_each(|name| add(&from(name)));
                // The names are none of an `import` of their own.
                rest = names;
            }
            Token::Word("import") => names_in(rest).for_each(&mut add),
            // With a dot at its end it is the beginning of names that others are compared with.
            Token::Text(name) if name.contains('.') && !name.ends_with('.') => add(name),
            _ => {}
        }
    }
    used
}

/// The names of an import statement, up to its end.
fn names_in<'t>(tokens: &'t [Token<'t>]) -> impl Iterator<Item = &'t str> {
    let is_open = tokens.first() == Some(&Token::Open);
    let ends = move |token: &&Token<'_>| match token {
        Token::Line => !is_open,
        Token::Close | Token::Other | Token::Text(_) => true,
        Token::Word(_) | Token::Open => false,
    };
    tokens.iter().take_while(move |token| !ends(token)).filter_map(|token| match token {
        Token::Word(word) => Some(*word),
        _ => None,
    })
}

/// The full name of a module that is named in a package; `None` where the dots lead out of all packages.
fn absolute(name: &str, package: &[&str]) -> Option<String> {
    let rest = name.trim_start_matches('.');
    let dots = name.len() - rest.len();
    let above = match dots {
        0 => &[],
        dots => package.get(..(package.len() + 1).checked_sub(dots)?)?,
    };
    let parts = above.iter().copied().chain(rest.split('.')).filter(|part| !part.is_empty());
    Some(parts.collect::<Vec<_>>().join("."))
}

/// What matters in a text of Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A name with or without dots.
    Word(&'a str),
    /// A name in quotation marks, alone or in front of a colon.
    Text(&'a str),
    Open,
    Close,
    /// The end of a line that is not continued, or of a statement.
    Line,
    /// Whatever stands in no import.
    Other,
}

struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Takes a name, which may have dots.
    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|letter: char| !is_of_word(letter)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let next = self.rest.chars().next()?;
            if is_of_word(next) {
                return Some(Token::Word(self.word()));
            }
            match next {
                '#' => self.skip(self.rest.find('\n').unwrap_or(self.rest.len())),
                '\\' => {
                    self.skip(1);
                    // The line goes on in the next one.
                    let end = ["\r\n", "\n"].into_iter().find(|end| self.rest.starts_with(end));
                    self.skip(end.map_or(0, str::len));
                }
                ' ' | '\t' | '\r' | '\x0c' | ',' | '*' => self.skip(1),
                _ => {
                    self.skip(next.len_utf8());
                    return Some(match next {
                        '\n' | ';' => Token::Line,
                        '(' => Token::Open,
                        ')' => Token::Close,
                        '"' | '\'' => {
                            let word = self.word();
                            let is_whole = self.rest.starts_with([next, ':']);
                            if is_whole { Token::Text(word) } else { Token::Other }
                        }
                        _ => Token::Other,
                    });
                }
            }
        }
    }
}

fn is_of_word(letter: char) -> bool {
    letter == '_' || letter == '.' || letter.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(text: &str) -> String {
        tests_used("a/b/c.py", text).into_iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn imports_are_found_wherever_they_stand() {
        for (text, wanted) in [
            ("import x.tests", "x.tests"),
            ("import y, x.tests.z as t", "x.tests"),
            ("from x.test.y import z", "x.test"),
            ("from x import y, tests", "x.tests"),
            ("from x import (\n    y,  # one\n    tests,\n)\n", "x.tests"),
            ("from x import y, \\\n    tests", "x.tests"),
            ("r = '\\ü'\nimport x.tests", "x.tests"),
            ("from . import tests", "a.b.tests"),
            ("from .. import z, tests as t", "a.tests"),
            ("from ..tests.d import z", "a.tests"),
            ("from .. tests.d import z", "a.tests"),
            ("def f():\n    from .tests import run", "a.b.tests"),
            ("try: import x.tests\nexcept ImportError: pass", "x.tests"),
            ("if y: from tests import z; import x.test", "tests x.test"),
            ("from x.conftest import y", "x.conftest"),
            ("f = import_module('x.tests.y')", "x.tests"),
            ("f = import_module('.tests', __package__)", "a.b.tests"),
            ("RUNNER = \"x.test.runner:Runner\"", "x.test"),
        ] {
            assert_eq!(used(text), wanted, "{text}");
        }
    }

    #[test]
    fn other_words_are_no_tests() {
        for text in [
            "from x import y\ntests = 1",
            "from x.testing import z",
            "x.test()",
            "import y\ntests = y",
            "# import x.tests",
            "f('test')",
            "'see x.tests for more'",
            "name.startswith('x.tests.')",
            "from .... import tests",
            "from x import y; tests()",
        ] {
            assert_eq!(used(text), "", "{text}");
        }
    }

    #[test]
    fn a_package_is_where_its_own_module_is() {
        assert!(tests_used("a/__init__.py", "from .tests import x").contains("a.tests"));
        assert!(tests_used("main.py", "from tests import x").contains("tests"));
    }
}
