//! Messages and help in plain English: `docs/STYLE.md` says why. What a pattern can find is found here.

use std::fs;
use std::path::{Path, PathBuf};

/// What a native reader stumbles over, and what to write instead. `^` is the start of a clause.
const FOREIGN: &[(&str, &str)] = &[
    ("is no ", "is not a"),
    ("are no ", "are not"),
    ("is none", "is invalid, is missing"),
    ("are none", "are invalid, are missing"),
    (" anew", "again, or a verb with re-"),
    (", as ", "such as, for example, since"),
    (" is taken", "using"),
    (" are taken", "using"),
    ("^take ", "use"),
    ("or take ", "or use"),
    (" along", "bundle"),
    ("nobody", "nothing, not"),
    ("somebody", "someone"),
    (" of ours", "that containerize adds"),
    ("so many", "a number of"),
    (" its own words", "its output"),
    (" any more", "no longer"),
    ("to be true", "implausibly, or the limit"),
    ("which none", "invalid"),
    ("at hand", "available"),
    (" by way of", "through"),
    (" it says ", "it reports, it has"),
    (" says that ", "reports"),
    ("^name ", "choose, give, set, use"),
    ("or name ", "or give, or set"),
    ("is given, and", "was given, but"),
    (" ended with", "failed with"),
    ("cannot be had", "is not available"),
    (" makes it", "run"),
    (" is wrong:", "is invalid:"),
];

/// A riddle in the place of a name.
const RIDDLES: &[&str] = &["what ", "who ", "whom ", "whose ", "whatever "];

/// Where such words are right: the file, a part of the text, and why.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("http/failure.rs", "Name ", "what the system says"),
    ("cli/index.rs", "Name of the index", "the noun"),
];

/// Correct whatever stands before or after.
const CORRECT: &[&str] =
    &["there is no ", "there is none", "there are no ", "is no longer", "are no longer", "as well as"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

/// The strings of Rust code, without comments and the modules of unit tests.
fn strings(code: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), code);
    while let Some(at) = rest.find(['"', '/', '\'', '#']) {
        let here = &rest[at..];
        rest = if here.starts_with("//") {
            &here[here.find('\n').unwrap_or(here.len())..]
        } else if here.starts_with("#[cfg(test)]") || here.starts_with("#[cfg(all(test") {
            after_item(here)
        } else if here.starts_with('"') && rest[..at].ends_with('r') {
            let end = here[1..].find('"').expect("an end") + 1;
            found.push(here[1..end].to_owned());
            &here[end + 1..]
        } else if here.starts_with("#\"") && rest[..at].ends_with('r') {
            let end = here[2..].find("\"#").expect("an end") + 2;
            found.push(here[2..end].to_owned());
            &here[end + 2..]
        } else if let Some(string) = here.strip_prefix('"') {
            let end = end_of_string(string);
            found.push(joined(&string[..end]));
            &string[end + 1..]
        } else if here.starts_with('\'') {
            after_character(here)
        } else {
            &here[1..]
        };
    }
    found
}

/// Where a string ends whose quotation mark was read.
fn end_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.expect("an end")
}

/// A string over several lines as one.
fn joined(text: &str) -> String {
    text.split("\\\n").enumerate().map(|(i, part)| if i > 0 { part.trim_start() } else { part }).collect()
}

/// What follows a character, or the mark of a lifetime.
fn after_character(text: &str) -> &str {
    let mut characters = text.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some((at, _))) => {
            &text[text[at + 1..].find('\'').map_or(at, |end| at + 1 + end + 1)..]
        }
        (Some(_), Some((at, '\''))) => &text[at + 1..],
        _ => &text[1..],
    }
}

/// What follows an item for tests: a module in braces, or a line.
fn after_item(text: &str) -> &str {
    let body = text.find('\n').map_or(text.len(), |end| end + 1);
    let (brace, line) = (text[body..].find('{'), text[body..].find(";\n"));
    match (brace, line) {
        (Some(brace), Some(line)) if line < brace => &text[body + line + 1..],
        (None, Some(line)) => &text[body + line + 1..],
        _ => text.find("\n}\n").map_or("", |end| &text[end + 2..]),
    }
}

/// Messages with the files they stand in, relative to the repository.
fn messages() -> Vec<(String, String)> {
    let root = root();
    let mut found: Vec<(String, String)> = Vec::new();
    let mut add = |path: &Path, texts: Vec<String>| {
        let path = path.strip_prefix(&root).expect("below the root").to_string_lossy().replace('\\', "/");
        let is_sentence = |text: &String| text.contains(' ');
        found.extend(texts.into_iter().filter(is_sentence).map(|text| (path.clone(), text)));
    };
    for part in ["shared/src", "cargo-containerize/src"] {
        for path in files(&root.join(part), "rs") {
            let name = path.strip_prefix(&root).expect("below the root").to_string_lossy().replace('\\', "/");
            if name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("fakes.rs") {
                continue;
            }
            let code = fs::read_to_string(&path).expect("text");
            // Comments on fields and variants are the help of flags and verbs.
            if name.contains("/src/cli/") {
                let help =
                    code.lines().filter_map(|line| line.strip_prefix("    ")?.trim().strip_prefix("/// "));
                add(&path, help.map(str::to_owned).collect());
            }
            add(&path, strings(&code));
        }
    }
    for part in ["cargo-containerize/python", "poetry-bridge/src", "hatch-bridge/src"] {
        for path in files(&root.join(part), "py") {
            let code = fs::read_to_string(&path).expect("text");
            // Without what explains the code.
            let code: String = code.split("\"\"\"").step_by(2).collect();
            add(&path, code.split('"').skip(1).step_by(2).map(str::to_owned).collect());
        }
    }
    let action = root.join("action.yml");
    let lines = fs::read_to_string(&action).expect("text").lines().map(str::to_owned).collect();
    add(&action, lines);
    found
}

/// The foreign words of a message, each with what to write instead.
fn foreign(text: &str) -> Vec<String> {
    let plain = CORRECT.iter().fold(text.to_lowercase(), |text, correct| text.replace(correct, "~"));
    let starts = |word: &str| {
        plain.starts_with(word) || [": ", "; "].iter().any(|end| plain.contains(&format!("{end}{word}")))
    };
    let riddles = RIDDLES.iter().filter(|word| starts(word));
    let found = FOREIGN.iter().filter(|(word, _)| match word.strip_prefix('^') {
        Some(word) => starts(word),
        None => is_there(&plain, word),
    });
    found
        .map(|(word, instead)| format!("`{}`: write {instead}", word.trim()))
        .chain(riddles.map(|word| format!("`{}` at the start: name it", word.trim())))
        .collect()
}

/// Whether the words are there, and not as the end of a longer word.
fn is_there(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        !words.starts_with(char::is_alphabetic)
            || !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn messages_are_plain_english() {
    let mut allowed_used = vec![false; ALLOWED.len()];
    let mut wrong = Vec::new();
    for (path, text) in messages() {
        let is_allowed =
            ALLOWED.iter().position(|(file, part, _)| path.ends_with(file) && text.contains(part));
        if let Some(at) = is_allowed {
            allowed_used[at] = true;
            continue;
        }
        wrong.extend(foreign(&text).iter().map(|why| format!("{path}: {text:?}\n    {why}")));
    }
    assert!(wrong.is_empty(), "{}\ndocs/STYLE.md explains. {} places", wrong.join("\n"), wrong.len());
    let spare: Vec<_> = ALLOWED.iter().zip(allowed_used).filter(|(_, used)| !used).collect();
    assert!(spare.is_empty(), "no longer needed: {spare:?}");
}

#[test]
fn strings_are_found_and_foreign_words_in_them() {
    let code = "let a = \"x is \\\n   no URL\"; // \"c\"\nlet q = '\"'; r#\"raw \"text\"\"#; fn f<'a>() {} \"end\"\n\
                #[cfg(test)]\nmod tests {\n    \"hidden\"\n}\n\"after\"";
    assert_eq!(strings(code), ["x is no URL", "raw \"text\"", "end", "after"]);
    assert_eq!(foreign("x is no URL").len(), 1);
    assert_eq!(foreign("mistake no one; x is no longer there; there is no base"), [""; 0]);
    assert_eq!(foreign("cannot read it: what is there").len(), 1);
}

/// Documentation that only repeats the name of what it stands above: "The name." on `name`.
fn fillers(code: &str) -> Vec<&str> {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let is_attribute = |line: &&&str| !line.starts_with("#[");
    let repeats = |at: usize| {
        let words = lines[at].strip_prefix("/// ")?.strip_suffix('.')?;
        let is_alone =
            !lines.get(at + 1)?.starts_with("///") && (at == 0 || !lines[at - 1].starts_with("///"));
        let said = ["The ", "Its ", "A ", "An "].iter().find_map(|article| words.strip_prefix(article))?;
        let item = lines[at + 1..].iter().find(is_attribute)?;
        let name = item
            .split([':', '(', '<', ' ', ','])
            .find(|word| !["pub", "super)", "crate)", "fn", "struct", "enum"].contains(word))?;
        (is_alone && name.replace('_', " ").eq_ignore_ascii_case(said)).then_some(lines[at])
    };
    (0..lines.len()).filter_map(repeats).collect()
}

#[test]
fn documentation_says_more_than_the_name() {
    let mut wrong = Vec::new();
    for part in ["shared/src", "cargo-containerize/src"] {
        for file in files(&root().join(part), "rs") {
            let code = fs::read_to_string(&file).expect("text");
            wrong.extend(fillers(&code).iter().map(|line| format!("{}: {line}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "{}\nSay its shape, its unit or what it is for.", wrong.join("\n"));
    let code = "/// The base name.\n#[serde(x)]\npub base_name: String,\n/// The version, in full.\nversion: String,";
    assert_eq!(fillers(code), ["/// The base name."]);
}
