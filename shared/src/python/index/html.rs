//! As much HTML as the simple API needs (PEP 503): the tags of a page, with their attributes.

/// A start tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// In lower case.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    /// The value of an attribute, empty where it has none; the first one counts.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The start tags of a page, in their order. What is no HTML gives none.
pub(super) fn tags(page: &str) -> impl Iterator<Item = Tag> {
    let mut rest = page;
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once('<')?;
            if let Some(comment) = after.strip_prefix("!--") {
                rest = comment.split_once("-->")?.1;
            } else if after.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let (tag, after) = tag(after);
                rest = skip_raw_text(&tag.name, after);
                return Some(tag);
            } else {
                rest = after;
            }
        }
    })
}

/// The content of these is no markup.
fn skip_raw_text<'a>(name: &str, rest: &'a str) -> &'a str {
    if !matches!(name, "script" | "style" | "title" | "textarea") {
        return rest;
    }
    let ends = |at: usize| {
        let word = rest.get(at + 2..at + 2 + name.len());
        word.is_some_and(|word| word.eq_ignore_ascii_case(name))
    };
    let end = rest.match_indices("</").map(|(at, _)| at).find(|at| ends(*at));
    rest.get(end.unwrap_or(rest.len())..).unwrap_or_default()
}

/// The tag at the beginning of `text` (without its `<`), and what comes after it.
fn tag(text: &str) -> (Tag, &str) {
    let is_end = |c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/');
    let (name, mut rest) = text.split_at(text.find(is_end).unwrap_or(text.len()));
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return (Tag { name: name.to_ascii_lowercase(), attributes }, after);
        }
        if rest.is_empty() {
            return (Tag { name: name.to_ascii_lowercase(), attributes }, rest);
        }
        let ((name, value), after) = attribute(rest);
        attributes.push((name, value));
        rest = after;
    }
}

fn attribute(text: &str) -> ((String, String), &str) {
    let is_end = |c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/' | '=');
    // A stray `=` is part of the name.
    let first = text.chars().next().map_or(0, char::len_utf8);
    let end = text.get(first..).and_then(|rest| rest.find(is_end)).map_or(text.len(), |at| first + at);
    let (name, rest) = text.split_at(end);
    let name = name.to_ascii_lowercase();
    let Some(value) = rest.trim_start().strip_prefix('=') else { return ((name, String::new()), rest) };
    let value = value.trim_start();
    let quoted = ['"', '\''].into_iter().find_map(|quote| Some((quote, value.strip_prefix(quote)?)));
    let (value, rest) = match quoted {
        Some((quote, value)) => value.split_once(quote).unwrap_or((value, "")),
        None => {
            value.split_at(value.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(value.len()))
        }
    };
    ((name, unescape(value)), rest)
}

/// Replaces the character references that occur in URLs and attributes of indexes.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let reference = after.split_once(';').and_then(|(name, after)| Some((character(name)?, after)));
        match reference {
            Some((character, after)) => {
                plain.push(character);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => {}
    }
    let number = name.strip_prefix('#')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(page: &str) -> Vec<String> {
        tags(page)
            .filter(|tag| tag.name == "a")
            .filter_map(|tag| Some(tag.attribute("href")?.into()))
            .collect()
    }

    #[test]
    fn attributes_are_read_in_all_their_forms() {
        let page = "<A HREF=\"a&amp;b&#43;c&#x2b;&bogus;&\" data-yanked>x</a><a\n href='q>\"' x=1>y</a><a href=bare>z</a><a href = s/>";
        assert_eq!(links(page), ["a&b+c+&bogus;&", "q>\"", "bare", "s/"]);
        let first = tags(page).next().expect("a tag");
        assert_eq!((first.attribute("data-yanked"), first.attribute("x")), (Some(""), None));
    }

    #[test]
    fn comments_and_scripts_hold_no_links() {
        let page = "<!doctype html><!-- <a href=no> --><script>\"<a href=no>\"</SCRIPT><title><a href=no></title><a href=yes>1 < 2 <3</a>";
        assert_eq!(links(page), ["yes"]);
    }

    #[test]
    fn pages_that_end_too_early_end() {
        for page in [
            "<",
            "<a",
            "<a href",
            "<a href=",
            "<a href='x",
            "<!-- <a href=x>",
            "<script><a href=x>",
            "<a =",
            "<é",
            "<a é='ü",
        ] {
            assert!(tags(page).count() <= 1, "{page}");
        }
    }
}
