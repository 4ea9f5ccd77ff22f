//! Libraries that the code of Python modules opens by a name that is written in it: `CDLL("libmagic.so.1")`,
//! `find_library("zbar")`.
//!
//! A wrong warning is worse than none. So what may fail without harm is passed over: what is tried and caught,
//! what another system or a setting asks for, and what is looked for where nothing says that it must be found.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::words::Words;

/// A library that is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Its name as it is written: `zbar`, or `libmagic.so.1`.
    pub name: String,
    /// Whether `find_library` looks for it; else the loader gets exactly this name.
    pub searched: bool,
}

/// Libraries of one module that are kept.
const MOST: usize = 32;

/// Lines in which it is said what happens where nothing is found.
const REACH: usize = 8;

/// Calls that open what they are given, and the one that looks for it first.
const OPEN: [&str; 4] = ["CDLL(", "LoadLibrary(", "dlopen(", "PyDLL("];
const SEARCH: &str = "find_library(";
static CALLS: LazyLock<Words> = LazyLock::new(|| Words::new(&[&OPEN[..], &[SEARCH]].concat()));

/// Words of conditions that hold on other systems.
const ELSEWHERE: [&str; 9] = ["win", "darwin", "mac", "\"nt\"", "'nt'", "java", "android", "ios", "freebsd"];

/// What the module opens whenever it gets there.
pub(super) fn opened(text: &str) -> Vec<Opened> {
    if !CALLS.is_any_in(text) {
        return Vec::new();
    }
    let lines = code(text);
    let mut found: Vec<Opened> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        for (name, searched) in calls(line.text) {
            let opened = Opened { name: name.to_owned(), searched };
            let must_be_there = !searched || is_opened_at_once(line.text) || is_insisted_on(&lines, at);
            let is_new = found.len() < MOST && !found.contains(&opened);
            if is_new && must_be_there && !is_optional(&lines, at) {
                found.push(opened);
            }
        }
    }
    found
}

/// A line of code: how far it is indented, and what is on it.
struct Line<'a> {
    indent: usize,
    text: &'a str,
}

/// The lines of code, without comments and what stands in texts over several lines.
fn code(text: &str) -> Vec<Line<'_>> {
    let mut within: Option<&str> = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        let bare = line.trim();
        let was_within = within.is_some();
        let mut rest = bare;
        loop {
            let next = match within {
                Some(quote) => rest.find(quote).map(|at| (at, quote, None)),
                None => ["\"\"\"", "'''"]
                    .into_iter()
                    .filter_map(|quote| Some((rest.find(quote)?, quote, Some(quote))))
                    .min_by_key(|(at, ..)| *at),
            };
            let Some((at, quote, then)) = next else { break };
            within = then;
            rest = rest.get(at + quote.len()..).unwrap_or_default();
        }
        if !was_within && !bare.is_empty() && !bare.starts_with('#') {
            lines.push(Line { indent: line.len() - line.trim_start().len(), text: bare });
        }
    }
    lines
}

/// The names that calls on the line are given as texts, and whether they are looked for.
fn calls(line: &str) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    for call in OPEN.into_iter().chain([SEARCH]) {
        for (at, _) in line.match_indices(call) {
            let given = line.get(at + call.len()..).and_then(literal);
            let searched = call == SEARCH;
            let is_name = |name: &&str| match searched {
                true => !name.is_empty() && !name.contains(['/', '\\', '%', '{']),
                false => name.starts_with("lib") && name.contains(".so") && !name.contains(['/', '%', '{']),
            };
            found.extend(given.filter(is_name).map(|name| (name, searched)));
        }
    }
    found
}

/// A text that is the whole of an argument.
fn literal(rest: &str) -> Option<&str> {
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (text, after) = rest.get(1..)?.split_once(quote)?;
    after.trim_start().starts_with([',', ')']).then_some(text)
}

/// Whether what is found is opened without a look at it: `CDLL(find_library("x"))`.
fn is_opened_at_once(line: &str) -> bool {
    let before = line.split(SEARCH).next().unwrap_or_default();
    OPEN.iter().any(|call| before.contains(call))
}

/// Whether the lines that follow raise an error where nothing was found.
fn is_insisted_on(lines: &[Line<'_>], at: usize) -> bool {
    let Some(line) = lines.get(at) else { return false };
    let name = line.text.split('=').next().unwrap_or_default().trim();
    let following = lines.iter().skip(at + 1).take(REACH);
    let mut following = following.skip_while(|next| {
        // `if not name:`, `if name is None:`
        !(next.text.starts_with("if ")
            && next.text.contains(name)
            && (next.text.contains("not ") || next.text.contains("None")))
    });
    following.next().is_some() && following.next().is_some_and(|next| next.text.starts_with("raise "))
}

/// Whether what encloses the line lets it fail, or keeps it from being run.
fn is_optional(lines: &[Line<'_>], at: usize) -> bool {
    let Some(mut indent) = lines.get(at).map(|line| line.indent) else { return false };
    for (index, line) in lines.iter().enumerate().take(at).rev() {
        if line.indent >= indent {
            continue;
        }
        indent = line.indent;
        let word = line.text.split([' ', ':', '(']).next().unwrap_or_default();
        let lets = match word {
            "try" => is_caught(lines, index),
            "if" | "elif" => !is_for_linux(line.text),
            "else" => !is_after_other_systems(lines, index),
            "def" | "class" | "with" | "for" | "async" => false,
            // What it is nobody knows: the end of a condition over several lines, a table, a call.
            _ => true,
        };
        if lets {
            return true;
        }
    }
    false
}

/// Whether a handler of the `try` at this line swallows what is raised.
fn is_caught(lines: &[Line<'_>], at: usize) -> bool {
    let Some(indent) = lines.get(at).map(|line| line.indent) else { return false };
    let after: Vec<&Line<'_>> = lines.iter().skip(at + 1).take_while(|line| line.indent >= indent).collect();
    let handlers = after.iter().enumerate().filter(|(_, line)| line.indent == indent);
    for (index, handler) in handlers.take_while(|(_, line)| !starts_statement(line.text)) {
        if handler.text.starts_with("except") {
            let body: Vec<_> = after.iter().skip(index + 1).take_while(|line| line.indent > indent).collect();
            // One that is raised under a condition comes after another try.
            let level = body.first().map_or(0, |line| line.indent);
            if !body.iter().any(|line| line.indent == level && line.text.starts_with("raise")) {
                return true;
            }
        }
    }
    false
}

/// Whether a line on the level of a `try` is not a part of it.
fn starts_statement(text: &str) -> bool {
    !["except", "else", "finally"].iter().any(|word| text.starts_with(word))
}

/// Whether a condition holds on Linux, as far as it speaks of systems.
fn is_for_linux(condition: &str) -> bool {
    let positive = condition.contains("linux") || condition.contains("Linux") || condition.contains("posix");
    positive && !condition.contains("!=") && !condition.contains("not ")
}

/// Whether an `else` is what is left when all other systems had their turn.
fn is_after_other_systems(lines: &[Line<'_>], at: usize) -> bool {
    let Some(indent) = lines.get(at).map(|line| line.indent) else { return false };
    let before = lines.iter().take(at).rev().filter(|line| line.indent <= indent);
    for line in before {
        let condition = line.text.to_lowercase();
        let is_branch =
            line.indent == indent && (condition.starts_with("if ") || condition.starts_with("elif "));
        let elsewhere = ELSEWHERE.iter().any(|word| condition.contains(word));
        if !is_branch || !elsewhere || condition.contains("!=") || condition.contains("linux") {
            return false;
        }
        if condition.starts_with("if ") {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        opened(text).into_iter().map(|opened| opened.name).collect()
    }

    #[test]
    fn what_must_be_there_is_found() {
        for text in [
            "lib = CDLL('libzbar.so.0')",
            "lib = ctypes.cdll.LoadLibrary(\"libzbar.so.0\")",
            "def load():\n    with lock:\n        return ffi.dlopen( 'libzbar.so.0' , 1)",
            "try:\n    lib = CDLL('libzbar.so.0')\nexcept OSError as e:\n    raise ImportError('no zbar') from e",
            "if sys.platform == 'linux':\n    lib = CDLL('libzbar.so.0')",
            "if platform.system() == 'Windows':\n    lib = CDLL('zbar.dll')\nelif sys.platform == 'darwin':\n    pass\nelse:\n    lib = CDLL('libzbar.so.0')",
        ] {
            assert_eq!(names(text), ["libzbar.so.0"], "{text}");
        }
        for text in [
            "lib = CDLL(find_library('zbar'))",
            "path = ctypes.util.find_library('zbar')\nif not path:\n    raise ImportError('Unable to find zbar')",
            "def load():\n    if os.name == 'nt':\n        pass\n    else:\n        # here\n        path = find_library('zbar')\n        if path is None:\n            raise ImportError('x')",
        ] {
            assert_eq!(names(text), ["zbar"], "{text}");
        }
    }

    #[test]
    fn what_may_fail_is_passed_over() {
        for text in [
            "try:\n    lib = CDLL('libzbar.so.0')\nexcept OSError:\n    lib = None",
            "try:\n    a()\nexcept OSError:\n    lib = CDLL('libzbar.so.0')",
            "try:\n    try:\n        lib = CDLL('libzbar.so.0')\n    except OSError:\n        raise ImportError()\nexcept ImportError:\n    pass",
            "try:\n    lib = CDLL('libzbar.so.0')\nexcept:\n    lib = other()\n    if not lib:\n        raise OSError()",
            "if sys.platform == 'win32':\n    lib = CDLL('libzbar.so.0')",
            "if sys.platform != 'linux':\n    lib = CDLL('libzbar.so.0')",
            "if DEBUG:\n    lib = CDLL('libzbar.so.0')",
            "if DEBUG:\n    pass\nelse:\n    lib = CDLL('libzbar.so.0')",
            "if not lib:\n    lib = CDLL('libzbar.so.0')",
            "path = find_library('zbar')\nif path:\n    lib = CDLL(path)",
            "path = find_library('zbar')",
            "lib = CDLL('zbar.dll')\nlib = CDLL(None)\nlib = CDLL('/opt/libzbar.so.0')\nlib = CDLL('libzbar.so.%d' % 0)",
            "lib = CDLL(f'libzbar.so.{n}')\nlib = CDLL('libzbar' + '.so.0')",
            "# lib = CDLL('libzbar.so.0')",
            "def f():\n    \"\"\"Like this:\n\n    lib = CDLL('libzbar.so.0')\n    \"\"\"",
        ] {
            assert_eq!(names(text), Vec::<String>::new(), "{text}");
        }
    }
}
