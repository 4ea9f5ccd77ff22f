//! Words and pairs of an instruction, with their quotation marks: those go when variables are replaced.

/// The words of an instruction; quoted spaces do not divide them.
pub(super) fn words(text: &str, escape: char) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let (mut word, mut quote, mut chars) = (String::new(), None, text.chars());
    while let Some(c) = chars.next() {
        match quote {
            None if c.is_whitespace() => {
                found.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                continue;
            }
            None if matches!(c, '\'' | '"') => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
        word.push(c);
        if c == escape && quote != Some('\'') {
            word.extend(chars.next());
        }
    }
    found.extend((!word.is_empty()).then_some(word));
    found
}

/// `NAME=value NAME=value`, or the old `NAME value to the end of the line`.
pub(super) fn pairs(text: &str, escape: char) -> Vec<(String, String)> {
    let words = words(text, escape);
    let Some(first) = words.first() else { return Vec::new() };
    if !first.contains('=') {
        let value = text.trim_start().strip_prefix(first.as_str()).unwrap_or_default();
        return vec![(first.clone(), value.trim().to_owned())];
    }
    let pair = |word: String| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    words.into_iter().filter_map(pair).collect()
}

/// A list in JSON. Whatever is not one is for a shell.
pub(super) fn json(text: &str) -> Option<Vec<String>> {
    text.trim_start().starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}
