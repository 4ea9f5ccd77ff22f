//! `.dockerignore` and `.containerignore`, by Docker's rules, which are not git's: patterns are
//! anchored at the root, a pattern that matches a folder matches all in it, and the last pattern
//! that matches decides. (BuildKit passes over an exception for what is in a folder when the folder
//! itself was not left out; here it counts, as the documentation says and Docker's own matcher does.)

/// The patterns of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct DockerIgnore(Vec<Pattern>);

/// What the patterns say of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No pattern matches.
    Silent,
    /// The last one that matches leaves it out.
    Ignored,
    /// The last one that matches is an exception (`!`).
    Excepted,
}

#[derive(Debug, Clone)]
struct Pattern {
    exception: bool,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    /// `**` and then no wildcard: whatever ends with this, across separators too.
    Suffix(String),
    Tokens(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Literal(char),
    /// `?`: one character, but no separator.
    One,
    /// `*`: any number of characters, but no separator.
    Many,
    /// `**` in front of something: this and the next token may be passed over ...
    Skippable,
    /// ... else anything up to and with a separator.
    Folders,
    /// `**` at the end.
    All,
    /// `[a-z]`; a negated one may be a separator, as in the original.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl DockerIgnore {
    /// Reads the file's text. A pattern that Docker would refuse matches nothing.
    pub(super) fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(Pattern::parse).collect())
    }

    /// What is said of `path`, which is relative and has `/`.
    pub(super) fn verdict(&self, path: &str) -> Verdict {
        let parents: Vec<&str> = path.match_indices('/').filter_map(|(at, _)| path.get(..at)).collect();
        let matches = |pattern: &&Pattern| {
            pattern.form.matches(path) || parents.iter().any(|parent| pattern.form.matches(parent))
        };
        match self.0.iter().rev().find(matches) {
            None => Verdict::Silent,
            Some(pattern) if pattern.exception => Verdict::Excepted,
            Some(_) => Verdict::Ignored,
        }
    }

    /// Whether an exception might match something in the folder `path`, although it is left out.
    /// Answers too often rather than too seldom.
    pub(super) fn may_except_inside(&self, path: &str) -> bool {
        self.0.iter().any(|pattern| pattern.exception && pattern.form.may_be_inside(path))
    }
}

impl Pattern {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (exception, text) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
        let text = clean(text);
        if text.is_empty() {
            return None;
        }
        Form::parse(&text).map(|form| Self { exception, form })
    }
}

/// As Go's `path.Clean`, relative to the root: no empty parts, no `.`, and `..` resolved.
fn clean(text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

impl Form {
    fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("**").filter(|rest| !rest.is_empty())
            && !rest.contains(['*', '?', '[', '\\'])
        {
            return Some(Self::Suffix(rest.to_owned()));
        }
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.next_if_eq(&'*').is_some() => {
                    chars.next_if_eq(&'/');
                    if chars.peek().is_none() {
                        tokens.push(Token::All);
                    } else {
                        tokens.extend([Token::Skippable, Token::Folders]);
                    }
                }
                '*' => tokens.push(Token::Many),
                '?' => tokens.push(Token::One),
                '[' => tokens.push(class(&mut chars)?),
                '\\' => tokens.push(Token::Literal(chars.next()?)),
                c => tokens.push(Token::Literal(c)),
            }
        }
        Some(Self::Tokens(tokens))
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Suffix(suffix) => path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path),
            Self::Tokens(tokens) => run(tokens, path).last().is_some_and(|end| *end),
        }
    }

    /// Whether something below the folder `path` can match.
    fn may_be_inside(&self, path: &str) -> bool {
        match self {
            Self::Suffix(_) => true,
            // Any state that is left is one from which more can be matched. A folder that matches as
            // a whole is not inside, but all in it is.
            Self::Tokens(tokens) => self.matches(path) || run(tokens, &format!("{path}/")).contains(&true),
        }
    }
}

/// The members of a class, behind its `[`.
fn class(chars: &mut impl Iterator<Item = char>) -> Option<Token> {
    let mut text: Vec<char> = Vec::new();
    loop {
        match chars.next()? {
            ']' if !text.is_empty() && text != ['^'] => break,
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
    let negated = text.first() == Some(&'^');
    let mut rest = text.get(usize::from(negated)..)?;
    let mut ranges = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        if let ['-', last, beyond @ ..] = after {
            ranges.push((*first, *last));
            rest = beyond;
        } else {
            ranges.push((*first, *first));
            rest = after;
        }
    }
    Some(Token::Class { negated, ranges })
}

/// Runs all ways through the pattern at once, so that no pattern takes more than its length times
/// the path's. The result tells which tokens may come next; the one behind the last is the end.
fn run(tokens: &[Token], path: &str) -> Vec<bool> {
    let mut states = vec![false; tokens.len() + 1];
    enter(&mut states, tokens, 0);
    for c in path.chars() {
        let mut next = vec![false; tokens.len() + 1];
        for (at, token) in tokens.iter().enumerate().filter(|(at, _)| states.get(*at) == Some(&true)) {
            let (stays, moves) = match token {
                Token::Literal(literal) => (false, *literal == c),
                Token::One => (false, c != '/'),
                Token::Many => (c != '/', false),
                Token::Folders => (true, c == '/'),
                Token::All => (true, false),
                Token::Skippable => (false, false),
                Token::Class { negated, ranges } => {
                    let inside = ranges.iter().any(|(first, last)| (*first..=*last).contains(&c));
                    (false, inside != *negated)
                }
            };
            if stays {
                enter(&mut next, tokens, at);
            }
            if moves {
                enter(&mut next, tokens, at + 1);
            }
        }
        states = next;
    }
    states
}

/// Marks a state and all that are reached from it without a character.
fn enter(states: &mut [bool], tokens: &[Token], at: usize) {
    match states.get_mut(at) {
        Some(state) if !*state => *state = true,
        _ => return,
    }
    match tokens.get(at) {
        Some(Token::Many | Token::All) => enter(states, tokens, at + 1),
        Some(Token::Skippable) => {
            enter(states, tokens, at + 1);
            enter(states, tokens, at + 2);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(text: &str, path: &str) -> bool {
        DockerIgnore::parse(text).verdict(path) == Verdict::Ignored
    }

    #[test]
    fn patterns_mean_what_docker_says() {
        for (pattern, path, expected) in [
            ("foo", "foo", true),
            ("foo", "foo/bar", true),
            ("foo", "a/foo", false),
            ("/foo", "foo", true),
            ("./foo/", "foo", true),
            ("../foo", "foo", true),
            ("foo/../bar", "bar", true),
            ("*.md", "a.md", true),
            ("*.md", "a/b.md", false),
            ("*/*.md", "a/b.md", true),
            ("**/*.md", "a.md", true),
            ("**/*.md", "a/b/c.md", true),
            ("**/foo", "foo", true),
            ("**/foo", "a/foo/b", true),
            ("**/foo", "afoo", false),
            ("**.pyc", "a/b.pyc", true),
            ("foo/**", "foo/a/b", true),
            ("foo/**", "foo", false),
            ("foo**bar", "foobar", true),
            ("foo**bar", "foo/x/bar", true),
            ("foo**bar", "fooxbar", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[a", "a", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("**", "any/thing", true),
            ("# foo", "# foo", false),
            (" foo ", "foo", true),
            ("a.b", "axb", false),
            (".", "x", false),
        ] {
            assert_eq!(ignored(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn the_last_match_decides() {
        let ignore = DockerIgnore::parse("*\n!src\n! app.py\nsrc/*.log\n!src/keep.log\n");
        for (path, verdict) in [
            ("README", Verdict::Ignored),
            ("src", Verdict::Excepted),
            ("src/a/b.py", Verdict::Excepted),
            ("app.py", Verdict::Excepted),
            ("src/x.log", Verdict::Ignored),
            ("src/keep.log", Verdict::Excepted),
        ] {
            assert_eq!(ignore.verdict(path), verdict, "{path}");
        }
        assert_eq!(DockerIgnore::parse("a").verdict("b"), Verdict::Silent);
    }

    #[test]
    fn folders_with_exceptions_inside_are_known() {
        let ignore = DockerIgnore::parse("docs\n!docs/api/*.md\n");
        assert!(ignore.may_except_inside("docs") && ignore.may_except_inside("docs/api"));
        assert!(!ignore.may_except_inside("src") && !ignore.may_except_inside("docs/other"));
        assert!(DockerIgnore::parse("!**/*.md").may_except_inside("any"));
    }

    #[test]
    fn hostile_patterns_do_not_explode() {
        let pattern = format!("{}b", "**/*a".repeat(100));
        assert!(!ignored(&pattern, &"a".repeat(1000)));
    }
}
