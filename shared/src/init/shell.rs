//! Lines for a shell, as far as they can be understood without one.

use std::collections::BTreeMap;

use crate::python::has_shell_marks;

/// The simple commands of a script, as words without quotation marks and redirections.
pub(super) fn commands(script: &str) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let part = word.get_or_insert_default();
                while let Some(inner) = chars.next() {
                    match inner {
                        _ if inner == c => break,
                        '\\' if c == '"' => part.extend(chars.next()),
                        _ => part.push(inner),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            '#' if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            '$' if chars.peek() == Some(&'(') => {
                let part = word.get_or_insert_default();
                part.push('$');
                substitution(&mut chars, part);
            }
            '&' | '|' | ';' | '\n' | '(' | ')' => {
                // `2>&1` and `&>` redirect.
                let redirects = c == '&'
                    && (word.as_ref().is_some_and(|word| word.ends_with('>')) || chars.peek() == Some(&'>'));
                if redirects {
                    word.get_or_insert_default().push(c);
                    continue;
                }
                push(&mut found, word.take());
                if found.last().is_some_and(|command| !command.is_empty()) {
                    found.push(Vec::new());
                }
            }
            c if c.is_whitespace() => push(&mut found, word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    push(&mut found, word);
    found.into_iter().map(plain).filter(|command| !command.is_empty()).collect()
}

fn push(found: &mut [Vec<String>], word: Option<String>) {
    if let (Some(last), Some(word)) = (found.last_mut(), word) {
        last.push(word);
    }
}

/// What stands between the brackets of `$(...)`, with them.
fn substitution(chars: &mut impl Iterator<Item = char>, part: &mut String) {
    let mut depth = 0_usize;
    for c in chars {
        part.push(c);
        match c {
            '(' => depth += 1,
            ')' if depth <= 1 => return,
            ')' => depth -= 1,
            _ => {}
        }
    }
}

/// Words that only the shell itself knows, before a command.
const OF_SHELL: &[&str] = &["then", "else", "do", "{", "}", "!", "if", "exec", "sudo", "time"];

/// A command without redirections, leading assignments and words of the shell.
fn plain(words: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut skips = false;
    for word in words {
        let redirects =
            word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '&').starts_with(['>', '<']);
        let leads = kept.is_empty() && (OF_SHELL.contains(&word.as_str()) || is_assignment(&word));
        if !redirects && !leads && !skips {
            kept.push(word.clone());
        }
        skips = redirects && word.ends_with(['>', '<']);
    }
    kept
}

/// `NAME=value`.
pub(super) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// The words of a line that means the same without a shell.
pub(super) fn words_alone(line: &str) -> Option<Vec<String>> {
    if has_shell_marks(line, ";&|<>*?~()#[\n") {
        return None;
    }
    let words = shlex::split(line)?;
    let first = words.first()?;
    (!is_assignment(first) && !is_own(first)).then_some(words)
}

/// Whether the shell itself does what the word says.
pub(super) fn is_own(word: &str) -> bool {
    OF_SHELL_ALONE.contains(&word)
}

/// Commands that no program of that name is.
const OF_SHELL_ALONE: &[&str] =
    &["cd", "exec", "export", "source", ".", "set", "eval", "if", "for", "while", "exit"];

/// The variables that a line reads and does not set.
pub(super) fn variables(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((_, after)) = rest.split_once('$') {
        let inner = after.strip_prefix('{').unwrap_or(after);
        let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
        let has_default = after.starts_with('{') && inner[end..].starts_with([':', '-']);
        if end > 0 && !has_default && !inner.starts_with(|c: char| c.is_ascii_digit()) {
            found.push(inner[..end].to_owned());
        }
        rest = inner;
    }
    found
}

/// The line with these variables replaced by their values; others stay.
pub(super) fn filled(line: &str, values: &BTreeMap<String, String>) -> String {
    let (mut out, mut rest) = (String::new(), line);
    // Behind the last brace, no end has to be looked for.
    let last = line.rfind('}').map_or(line.len(), |at| line.len() - at);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let name_end =
            |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let inner = after.strip_prefix('{').filter(|inner| inner.len() >= last);
        let (name, tail) = match inner.and_then(|inner| inner.split_once('}')) {
            Some((inner, tail)) => (&inner[..name_end(inner)], tail),
            None => after.split_at(name_end(after)),
        };
        match values.get(name) {
            Some(value) => {
                out.push_str(value);
                rest = tail;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
}
