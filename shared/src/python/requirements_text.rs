//! The text of requirements files, as pip takes it: in which encoding they are, and the variables that
//! they name.

use std::collections::BTreeMap;

/// The text of a file: UTF-8, or what a byte order mark or a line `# -*- coding: ... -*-` says.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn decode(bytes: &[u8]) -> Result<String, String> {
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return utf_8(rest);
    }
    // The mark of UTF-32 begins like that of UTF-16.
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        return Err("it is in UTF-32: save it in UTF-8".into());
    }
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return utf_16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return utf_16(rest, u16::from_be_bytes);
    }
    match declared(bytes) {
        None => utf_8(bytes),
        Some(name) => match name.to_ascii_lowercase().replace('_', "-").as_str() {
            "utf-8" | "utf8" | "utf-8-sig" | "ascii" | "us-ascii" => utf_8(bytes),
            "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "l1" => {
                Ok(bytes.iter().copied().map(char::from).collect())
            }
            _ => Err(format!("its first lines say that it is in {name}: save it in UTF-8")),
        },
    }
}

fn utf_8(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec())
        .map_err(|error| format!("it is not text in UTF-8: {}", error.utf8_error()))
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let units = bytes.chunks(2).map(|pair| match pair {
        [a, b] => Some(unit([*a, *b])),
        _ => None,
    });
    let units: Option<Vec<u16>> = units.collect();
    units
        .and_then(|units| String::from_utf16(&units).ok())
        .ok_or_else(|| "it starts like text in UTF-16, but is not".into())
}

/// The encoding that one of the first two lines names (PEP 263).
fn declared(bytes: &[u8]) -> Option<String> {
    bytes.split(|byte| *byte == b'\n').take(2).filter(|line| line.first() == Some(&b'#')).find_map(|line| {
        let text = String::from_utf8_lossy(line).into_owned();
        let (_, rest) = text.split_once("coding")?;
        let name = rest.strip_prefix([':', '='])?.trim_start();
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name: String = name.chars().take_while(|c| good(*c)).collect();
        (!name.is_empty()).then_some(name)
    })
}

/// Replaces `${NAME}` by the variable's value. A name has capitals, digits and `_` alone; one without a
/// value stays.
pub(super) fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = next(rest) {
        expanded.push_str(before);
        match variables.get(name).filter(|value| !value.is_empty()) {
            Some(value) => expanded.push_str(value),
            None => expanded.push_str(&format!("${{{name}}}")),
        }
        rest = after;
    }
    expanded + rest
}

/// The first variable of a text that has no value.
pub(super) fn unset<'a>(text: &'a str, variables: &BTreeMap<String, String>) -> Option<&'a str> {
    let mut rest = text;
    while let Some((_, name, after)) = next(rest) {
        if variables.get(name).is_none_or(String::is_empty) {
            return Some(name);
        }
        rest = after;
    }
    None
}

/// The first `${NAME}`: what is before it, the name, and what is after it.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices("${").find_map(|(at, sign)| {
        let (name, after) = text.get(at + sign.len()..)?.split_once('}')?;
        let good = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let good = !name.is_empty() && name.chars().all(good);
        good.then_some((text.get(..at)?, name, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_that_pip_knows_by_a_mark_or_a_line_is_read() {
        let wide = |mark: &[u8], unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
            mark.iter().copied().chain("a==1 # ä".encode_utf16().flat_map(unit)).collect()
        };
        for bytes in [
            "a==1 # ä".as_bytes().to_vec(),
            "\u{feff}a==1 # ä".as_bytes().to_vec(),
            wide(b"\xff\xfe", u16::to_le_bytes),
            wide(b"\xfe\xff", u16::to_be_bytes),
        ] {
            assert_eq!(decode(&bytes).as_deref(), Ok("a==1 # ä"));
        }
        assert_eq!(decode(b"# coding: latin-1\n\xe4").as_deref(), Ok("# coding: latin-1\n\u{e4}"));
        for (bytes, words) in [
            (&b"a \xe4"[..], "not text in UTF-8"),
            (b"# -*- coding: cp1252 -*-\na", "in cp1252"),
            (b"\xff\xfea", "UTF-16, but is not"),
            (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
        ] {
            let said = decode(bytes).expect_err(words);
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn only_names_in_capitals_are_variables() {
        let variables =
            BTreeMap::from([("A_1", "x"), ("b", "y"), ("EMPTY", "")].map(|(n, v)| (n.into(), v.into())));
        let text = "${A_1}/${b}$A_1${}${EMPTY}${A_1";
        assert_eq!(expand(text, &variables), "x/${b}$A_1${}${EMPTY}${A_1");
        assert_eq!(unset(text, &variables), Some("EMPTY"));
        assert_eq!(unset("${A_1} ${b}", &variables), None);
    }
}
