//! The lines of a requirements file, in pip's grammar.

use crate::error::{Error, Result};

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// `-r FILE`
    Include(String),
    /// `-c FILE`
    Constrain(String),
    /// `-i URL`
    Index(String),
    /// `--extra-index-url URL`
    ExtraIndex(String),
    /// `-f URL-OR-PATH`
    FindLinks(String),
    /// `--no-index`
    NoIndex,
    /// `--trusted-host HOST`
    TrustedHost(String),
    /// `--no-binary NAMES`
    NoBinary(String),
    /// `--only-binary NAMES`
    OnlyBinary(String),
    /// `-e WHAT`
    Editable(String),
    /// A requirement, a path or a URL, with its digests.
    Requirement { text: String, hashes: Vec<String> },
}

/// Options with a value that say nothing about which distributions are meant.
const SILENT: [&str; 7] = [
    "--all-releases",
    "--only-final",
    "--use-feature",
    "--config-settings",
    "--config-setting",
    "--global-option",
    "--build-constraint",
];

/// The same without a value.
const FLAGS: [&str; 6] = [
    "--require-hashes",
    "--no-require-hashes",
    "--pre",
    "--prefer-binary",
    "--always-unzip",
    "--no-build-isolation",
];

impl Line {
    /// An address as it is written, with its variables, where that is one: what they hold may be a secret.
    pub(super) fn or_written(self, written: Option<Self>) -> Self {
        let is_one = |text: &str| {
            text.contains("${")
                && url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        };
        match (&self, written) {
            (Self::Index(_), Some(Self::Index(url))) if is_one(&url) => Self::Index(url),
            (Self::ExtraIndex(_), Some(Self::ExtraIndex(url))) if is_one(&url) => Self::ExtraIndex(url),
            (Self::FindLinks(_), Some(Self::FindLinks(url))) if is_one(&url) => Self::FindLinks(url),
            _ => self,
        }
    }
}

/// The lines with their numbers, continued ones joined, without comments.
pub(super) fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, line) in physical_lines(text).into_iter().enumerate() {
        let (start, mut joined) = open.take().unwrap_or((at + 1, String::new()));
        let is_comment = line.trim_start().starts_with('#');
        match line.ends_with('\\') && !is_comment {
            true => {
                joined.push_str(line.trim_matches('\\'));
                open = Some((start, joined));
            }
            false => {
                // A comment stays one behind what it is joined to.
                if is_comment {
                    joined.push(' ');
                }
                joined.push_str(line);
                lines.push((start, joined));
            }
        }
    }
    lines.extend(open);
    let uncommented = lines.into_iter().map(|(at, line)| (at, without_comment(&line).trim().to_owned()));
    uncommented.filter(|(_, line)| !line.is_empty()).collect()
}

/// The lines as Python divides text.
fn physical_lines(text: &str) -> Vec<&str> {
    let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(ends) {
        let (line, after) = rest.split_at(at);
        lines.push(line);
        let end = after.chars().next().map_or(0, char::len_utf8);
        rest = after.strip_prefix("\r\n").or_else(|| after.get(end..)).unwrap_or_default();
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// A `#` begins a comment at the start or after white space; elsewhere it is part of a URL.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return line.get(..at).unwrap_or(line);
        }
        before = c;
    }
    line
}

/// What a line says; options may stand several in one.
pub(super) fn parse(line: &str) -> Result<Vec<Line>> {
    let (text, options) = split_options(line);
    let words = shlex::split(options).ok_or_else(|| Error::usage("a quotation mark is not closed"))?;
    let mut words = words.into_iter();
    let mut lines = Vec::new();
    let mut hashes = Vec::new();
    while let Some(word) = words.next() {
        let (option, attached) = split_word(&word);
        let option = whole(option);
        if FLAGS.contains(&option) {
            continue;
        }
        if option == "--no-index" {
            lines.push(Line::NoIndex);
            continue;
        }
        let known = SILENT.contains(&option) || LONG.contains(&option) || option == "--hash";
        if !known {
            return Err(Error::usage(format!("the option {option} is not supported")));
        }
        let value = attached.map(str::to_owned).or_else(|| words.next());
        let value = value.ok_or_else(|| Error::usage(format!("the option {option} has no value")))?;
        match option {
            "--hash" => hashes.push(value),
            "--requirement" => lines.push(Line::Include(value)),
            "--constraint" => lines.push(Line::Constrain(value)),
            "--index-url" | "--pypi-url" => lines.push(Line::Index(value)),
            "--extra-index-url" => lines.push(Line::ExtraIndex(value)),
            "--find-links" => lines.push(Line::FindLinks(value)),
            "--no-binary" => lines.push(Line::NoBinary(value)),
            "--only-binary" => lines.push(Line::OnlyBinary(value)),
            "--editable" => lines.push(Line::Editable(value)),
            "--trusted-host" => lines.push(Line::TrustedHost(value)),
            _ => {}
        }
    }
    if !text.is_empty() {
        // Behind a requirement only what is about it counts.
        lines.clear();
        lines.push(Line::Requirement { text: text.to_owned(), hashes });
    }
    Ok(lines)
}

/// The option that an abbreviation can only mean.
fn whole(option: &str) -> &str {
    let all = || LONG.iter().chain(&SILENT).chain(&FLAGS).copied().chain(["--hash", "--no-index"]);
    if !option.starts_with("--") || all().any(|known| known == option) {
        return option;
    }
    let mut meant = all().filter(|known| known.starts_with(option));
    match (meant.next(), meant.next()) {
        (Some(known), None) => known,
        _ => option,
    }
}

const LONG: [&str; 10] = [
    "--trusted-host",
    "--no-binary",
    "--only-binary",
    "--requirement",
    "--constraint",
    "--index-url",
    "--pypi-url",
    "--extra-index-url",
    "--find-links",
    "--editable",
];

/// The requirement, and the options after it.
fn split_options(line: &str) -> (&str, &str) {
    if line.starts_with('-') {
        return ("", line);
    }
    let start = line
        .match_indices(char::is_whitespace)
        .find(|(at, space)| line.get(at + space.len()..).is_some_and(|rest| rest.starts_with('-')));
    match start {
        Some((at, _)) => (line.get(..at).unwrap_or(line).trim(), line.get(at..).unwrap_or_default()),
        None => (line.trim(), ""),
    }
}

/// `--a=b`, `-rFILE`: the option by its long name, and the value if it is in the same word.
fn split_word(word: &str) -> (&str, Option<&str>) {
    const SHORT: [(&str, &str); 6] = [
        ("-r", "--requirement"),
        ("-c", "--constraint"),
        ("-i", "--index-url"),
        ("-f", "--find-links"),
        ("-e", "--editable"),
        ("-C", "--config-settings"),
    ];
    if word.starts_with("--") {
        return match word.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (word, None),
        };
    }
    let short = SHORT.iter().find_map(|(short, long)| Some((*long, word.strip_prefix(short)?)));
    match short {
        Some((long, "")) => (long, None),
        Some((long, value)) => (long, Some(value.trim_start_matches('='))),
        None => (word, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Line {
        parse(line).expect(line).remove(0)
    }

    #[test]
    fn lines_are_joined_and_comments_go() {
        let text = "# head\na==1 \\\n    --hash=x \\\n    --hash=y\n    # via b\n\nb @ https://h/x#egg=b # c\nc\\\n# d\ne";
        let found = logical_lines(text);
        let shown: Vec<(usize, &str)> = found.iter().map(|(at, line)| (*at, line.as_str())).collect();
        assert_eq!(
            shown,
            [(2, "a==1     --hash=x     --hash=y"), (7, "b @ https://h/x#egg=b"), (8, "c"), (10, "e")]
        );
    }

    #[test]
    fn options_have_two_spellings_and_two_places() {
        assert_eq!(one("-rbase.txt"), Line::Include("base.txt".into()));
        assert_eq!(one("--requirement=base.txt"), Line::Include("base.txt".into()));
        assert_eq!(one("-r 'my base.txt'"), Line::Include("my base.txt".into()));
        assert_eq!(one("-i https://x/simple"), Line::Index("https://x/simple".into()));
        let both = parse("--no-index --find-links ./wheels --pre").expect("options");
        assert_eq!(both, [Line::NoIndex, Line::FindLinks("./wheels".into())]);
        assert_eq!(one("--no-binary a,b"), Line::NoBinary("a,b".into()));
        let hashed = Line::Requirement {
            text: "a==1; os_name == 'posix'".into(),
            hashes: vec!["sha256:1".into(), "sha256:2".into()],
        };
        assert_eq!(one("a==1; os_name == 'posix' --hash=sha256:1 --hash sha256:2"), hashed);
    }

    #[test]
    fn what_pip_would_refuse_is_refused() {
        for line in ["--frobnicate x", "-r", "-x", "a==1 --hash", "-e 'x"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
