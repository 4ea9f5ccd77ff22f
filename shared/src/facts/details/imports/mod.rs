//! What a module of Python imports in any case: the import statements that nothing encloses.
//!
//! What is tried and caught, what a condition or a function asks for, and what stands in a text is no such
//! import. So whatever is found here fails where it cannot be found, unless the module itself is not imported.

use std::collections::HashSet;
use std::sync::LazyLock;

use memchr::{memchr, memchr2, memchr3, memmem};
use serde::{Deserialize, Serialize};

use super::words::Words;

/// What importing a module does, as far as it can be told from its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imports {
    /// The statements in their order, as `a.b`, `..c` or `..c:name,other`. Modules that each Python has, and
    /// names of classes, are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<String>,
    /// Whether its top does nothing but import and define, so that no other name is bound than those in `binds`, and
    /// those of its own modules that it imports.
    #[serde(default, skip_serializing_if = "is_false")]
    pub plain: bool,
    /// The names that its top binds, and that a module could have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<String>,
    /// Whether it speaks of the folders in which modules are looked for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paths: bool,
    /// Whether it speaks of what finds modules, or of those that are there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hooks: bool,
    /// The modules that it makes without a file, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub makes: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Imports {
    /// Whether nothing is to be said of the module.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The module that a statement of [`Imports`] names, and what it takes from there.
pub fn parts(statement: &str) -> (&str, impl Iterator<Item = &str>) {
    let (module, names) = statement.split_once(':').unwrap_or((statement, ""));
    (module, names.split(',').filter(|name| !name.is_empty()))
}

/// Statements of one module that are kept, names of one statement, and modules that are made.
const MOST_STATEMENTS: usize = 512;
const MOST_NAMES: usize = 64;
const MOST_MADE: usize = 64;

/// Words of code that changes where modules are looked for.
static PATHS: LazyLock<Words> =
    LazyLock::new(|| Words::new(&["sys.path", "addsitedir", "__path__", "extend_path"]));

/// Words of code that changes what finds them, or what is found.
static HOOKS: LazyLock<Words> = LazyLock::new(|| {
    Words::new(&["sys.modules", "meta_path", "path_hooks", "__import__", "declare_namespace", "ModuleType"])
});

/// Words of code that may bind names out of sight.
static UNSEEN: LazyLock<Words> =
    LazyLock::new(|| Words::new(&["global ", "globals(", "setattr(", "def __getattr__"]));

/// Words with which a statement begins that binds names in ways of its own, or only sometimes.
const BLOCKS: [&str; 12] =
    ["if", "elif", "else", "try", "except", "finally", "for", "while", "with", "match", "del", "async"];

/// Modules that every CPython 3 on Linux has, or that may be part of its program.
static ALWAYS: LazyLock<HashSet<&str>> = LazyLock::new(|| NAMES.split_whitespace().collect());

const NAMES: &str = "\
    __future__ __main__ abc argparse array ast asyncio atexit base64 bdb binascii bisect builtins bz2 \
    cProfile calendar cmath cmd code codecs codeop collections colorsys compileall concurrent \
    configparser contextlib contextvars copy copyreg csv ctypes dataclasses datetime dbm decimal difflib \
    dis doctest email encodings enum errno faulthandler fcntl filecmp fileinput fnmatch fractions ftplib \
    functools gc genericpath getopt getpass gettext glob grp gzip hashlib heapq hmac html http imaplib \
    importlib inspect io ipaddress itertools json keyword linecache locale logging lzma mailbox marshal \
    math mimetypes mmap modulefinder multiprocessing netrc ntpath numbers opcode operator optparse os \
    pathlib pdb pickle pickletools pkgutil platform plistlib poplib posix posixpath pprint profile \
    pstats pty pwd py_compile pyclbr pydoc pyexpat queue quopri random re readline reprlib resource \
    rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtplib socket \
    socketserver sqlite3 ssl stat statistics string stringprep struct subprocess symtable sys sysconfig \
    syslog tabnanny tarfile tempfile termios textwrap threading time timeit token tokenize trace \
    traceback tracemalloc tty types typing unicodedata unittest urllib uuid warnings wave weakref \
    webbrowser wsgiref xml xmlrpc zipapp zipfile zipimport zlib \
";

/// What importing the module with this text does.
pub(super) fn imports(text: &str) -> Imports {
    let mut found = Imports { plain: true, ..Imports::default() };
    let mut within = Block::default();
    for (indent, statement) in Statements::of(text) {
        if indent == 0 {
            within = Block::begun_by(statement);
        }
        if (indent == 0 || within.is_certain(indent)) && !take(statement, &mut found) {
            break;
        }
    }
    (found.paths, found.hooks) = (PATHS.is_any_in(text), HOOKS.is_any_in(text));
    found.makes = if found.hooks { made(text) } else { Vec::new() };
    found.plain = found.plain && !found.paths && !found.hooks && !UNSEEN.is_any_in(text);
    if !found.plain {
        found.binds.clear();
    }
    found
}

/// A block that is run in any case, and whose errors are not caught: one that only keeps warnings back.
#[derive(Default)]
struct Block {
    indent: Option<usize>,
    is_open: bool,
}

impl Block {
    /// The block of a statement on the left margin, where it has one of this kind.
    fn begun_by(statement: &str) -> Self {
        let is_open = statement.starts_with("with ") && statement.contains("catch_warnings(");
        Self { indent: None, is_open }
    }

    /// Whether a statement with this indent is one of the block's own.
    fn is_certain(&mut self, indent: usize) -> bool {
        self.is_open && *self.indent.get_or_insert(indent) == indent
    }
}

/// Takes what a statement imports. Whether more can follow.
fn take(statement: &str, found: &mut Imports) -> bool {
    let word = first_word(statement);
    match word {
        "import" | "from" => statement_imports(statement, found),
        // Nobody sees what comes after, since the module cannot be imported.
        "raise" => return false,
        "" if statement.starts_with(['"', '\'', '@']) => {}
        _ if word.starts_with("__") && word.ends_with("__") => {}
        _ => match defined(word, statement) {
            Some(name) => bind(name, found),
            None => found.plain = false,
        },
    }
    true
}

/// The one name that a statement beginning with `word` binds.
fn defined<'s>(word: &'s str, statement: &'s str) -> Option<&'s str> {
    let rest = statement.get(word.len()..).unwrap_or_default();
    let named = |rest: &'s str| Some(first_word(rest.trim_start())).filter(|name| !name.is_empty());
    match word {
        "def" | "class" => return named(rest),
        "async" => return named(rest.trim_start().strip_prefix("def")?),
        _ if word.is_empty() || BLOCKS.contains(&word) => return None,
        _ => {}
    }
    let is_written = rest.trim_start().starts_with([':', '=']) && !rest.trim_start().starts_with("==");
    let value = rest.split_once('=').map_or("", |(_, value)| value);
    // What stands in brackets and texts binds nothing, but for what is named on the way.
    let bare = value.split(['(', '[', '{', '"', '\'', '#']).next().unwrap_or_default();
    let is_one = !bare.contains(['=', ',']) && !statement.contains(":=") && !statement.contains(';');
    (is_written && is_one).then_some(word)
}

/// Notes a name that the module binds, if a module could have it.
fn bind(name: &str, found: &mut Imports) {
    if !is_of_module(name) || found.binds.iter().any(|bound| bound == name) {
        return;
    }
    match found.binds.len() < MOST_NAMES {
        true => found.binds.push(name.to_owned()),
        false => found.plain = false,
    }
}

fn first_word(text: &str) -> &str {
    let end = text.find(|letter: char| !is_of_name(letter)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn is_of_name(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

/// The imports of a logical line: `import a.b as c, d; from .e import (f, g)`.
fn statement_imports(line: &str, found: &mut Imports) {
    let tokens = tokens(line);
    for statement in tokens.split(|token| *token == ";") {
        match statement.split_first() {
            Some((&"import", rest)) => {
                for part in rest.split(|token| *token == ",") {
                    let alias = part.iter().skip_while(|token| **token != "as").nth(1);
                    alias.or(part.first()).into_iter().for_each(|name| bind(name, found));
                    let module: String = part.iter().take_while(|token| **token != "as").copied().collect();
                    keep(module, found);
                }
            }
            Some((&"from", rest)) => {
                let Some(at) = rest.iter().position(|token| *token == "import") else { continue };
                let module: String = rest.iter().take(at).copied().collect();
                let names = rest.get(at + 1..).unwrap_or_default();
                for part in names.split(|token| *token == ",") {
                    match part {
                        ["*"] => found.plain = false,
                        [_, "as", alias] => bind(alias, found),
                        // Its own modules are what they are.
                        [name] if module != "." => bind(name, found),
                        _ => {}
                    }
                }
                let names = names.split(|token| *token == ",").filter_map(|part| part.first().copied());
                let names: Vec<&str> = names.filter(|name| is_of_module(name)).take(MOST_NAMES).collect();
                keep(if names.is_empty() { module } else { format!("{module}:{}", names.join(",")) }, found);
            }
            Some(_) => found.plain = false,
            None => {}
        }
    }
}

/// Whether a name may be that of a module: those of classes are not written like this.
fn is_of_module(name: &str) -> bool {
    name.starts_with(|first: char| first == '_' || first.is_lowercase()) && !name.starts_with("__")
}

fn keep(statement: String, found: &mut Imports) {
    let (module, _) = parts(&statement);
    let first = module.split('.').next().unwrap_or_default();
    let is_sound = module.trim_start_matches('.').split('.').all(|part| part.chars().all(is_of_name));
    let is_new = !found.statements.contains(&statement);
    let is_wanted = is_new && !module.is_empty() && !ALWAYS.contains(first);
    if is_sound && is_wanted && found.statements.len() < MOST_STATEMENTS {
        found.statements.push(statement);
    }
}

/// The words and signs of a logical line, without comments and brackets.
fn tokens(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            _ if is_of_name(next) => first_word(rest).len(),
            _ => next.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if is_of_name(next) || matches!(next, '.' | ',' | ';' | '*') {
            found.push(token);
        }
        rest = after;
    }
    found
}

/// The names of modules that are put where Python keeps those that it has imported.
fn made(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for call in ["modules[", "modules.setdefault("] {
        for at in memmem::find_iter(text.as_bytes(), call) {
            let rest = text.get(at + call.len()..).unwrap_or_default().trim_start();
            let Some(quote) = rest.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else {
                continue;
            };
            let name = rest.get(1..).and_then(|rest| rest.split_once(quote)).map_or("", |(name, _)| name);
            let is_name = !name.is_empty() && name.chars().all(|letter| letter == '.' || is_of_name(letter));
            if is_name && found.len() < MOST_MADE && !found.iter().any(|other| other == name) {
                found.push(name.to_owned());
            }
        }
    }
    found
}

/// The bytes that [`Statements::end`] has an arm for: all others are passed over, which are nearly all of a text.
static COUNTS: [bool; 256] = {
    let mut counts = [false; 256];
    let marks = b"\n#\\()[]{}\"'";
    let mut at = 0;
    while at < marks.len() {
        counts[marks[at] as usize] = true;
        at += 1;
    }
    counts
};

/// The logical lines of a text, each with its indent: what stands in brackets and texts over several lines, and
/// behind a backslash, belongs to the line that began it.
struct Statements<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Statements<'a> {
    fn of(text: &'a str) -> Self {
        Self { text: text.strip_prefix('\u{feff}').unwrap_or(text), at: 0 }
    }

    /// Where the logical line that begins at `start` ends.
    fn end(&self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        let (mut at, mut depth) = (start, 0usize);
        while let Some(byte) = bytes.get(at) {
            match byte {
                _ if !COUNTS[usize::from(*byte)] => at += 1,
                b'\n' if depth == 0 => return at,
                b'#' => at = find(bytes, at, b'\n'),
                b'\\' => at += if bytes.get(at + 1..at + 3) == Some(b"\r\n") { 3 } else { 2 },
                b'(' | b'[' | b'{' => {
                    depth += 1;
                    at += 1;
                }
                b')' | b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    at += 1;
                }
                b'"' | b'\'' => at = behind_text(bytes, at),
                _ => at += 1,
            }
        }
        bytes.len()
    }
}

impl<'a> Iterator for Statements<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.text.get(self.at..).filter(|line| !line.is_empty())?;
            let statement = line.trim_start_matches([' ', '\t', '\x0c']);
            let start = self.at + line.len() - statement.len();
            let end = self.end(start);
            self.at = end + 1;
            let statement = self.text.get(start..end).unwrap_or_default().trim_end();
            if !statement.is_empty() && !statement.starts_with('#') {
                return Some((line.len() - line.trim_start_matches([' ', '\t']).len(), statement));
            }
        }
    }
}

fn find(bytes: &[u8], from: usize, wanted: u8) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    memchr(wanted, rest).map_or(bytes.len(), |at| from + at)
}

/// Where the text that begins at `start` has ended. One on a single line ends with the line at the latest.
fn behind_text(bytes: &[u8], start: usize) -> usize {
    let quote = bytes.get(start).copied().unwrap_or_default();
    let is_long = bytes.get(start..start + 3).is_some_and(|three| three == [quote; 3]);
    let mut at = start + if is_long { 3 } else { 1 };
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let next = if is_long { memchr2(b'\\', quote, rest) } else { memchr3(b'\\', quote, b'\n', rest) };
        let Some(next) = next else { return bytes.len() };
        at += next;
        match bytes.get(at..).unwrap_or_default() {
            [b'\\', ..] => at += 2,
            [b'\n', ..] => return at,
            [_, second, third, ..] if is_long && (*second, *third) == (quote, quote) => return at + 3,
            _ if is_long => at += 1,
            _ => return at + 1,
        }
    }
}

#[cfg(test)]
mod tests;
