//! Headers as mail has them, in which core metadata is written: of wheels, and of source distributions.

/// Names and values of the headers before the first empty line, in their order. A value that goes on in lines that
/// begin with a space is one line here.
pub(crate) fn headers(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines().take_while(|line| !line.is_empty()) {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = found.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            found.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_end_at_the_first_empty_line_and_go_on_where_lines_are_indented() {
        let text =
            b"Name: a\r\nRequires-Dist: y;\r\n\tpython_version<'4'\r\nrequires-dist: z\r\n\r\nVersion: 1\r\n";
        let expected = [("Name", "a"), ("Requires-Dist", "y; python_version<'4'"), ("requires-dist", "z")];
        assert_eq!(headers(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_no_header_counts_for_nothing() {
        assert_eq!(headers(b" indented first\nno colon\nA: b: c\n\xff: \xff\n").len(), 2);
        assert_eq!(headers(b"A: b: c")[0].1, "b: c");
        assert_eq!(headers(b""), Vec::new());
    }
}
