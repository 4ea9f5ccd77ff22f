//! Texts that others chose, such as names and versions in an image, before a person or a log sees them.

use super::excerpt;

/// No more is shown of a name or a version, in characters.
const LONGEST: usize = 200;

/// The text without what steers a terminal, begins another line or turns the direction of writing.
pub fn tame(text: &str) -> String {
    text.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The same of a name or a version, of which megabytes may be there.
pub(crate) fn tame_word(text: &str) -> String {
    excerpt(&tame(text), LONGEST)
}

fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_others_stays_one_short_line_that_steers_nothing() {
        assert_eq!(tame("1.0\n::error::\u{1b}[2J\u{9b}\u{202e}x\u{2028}ü 名"), "1.0�::error::�[2J��x�ü 名");
        assert_eq!(tame_word("2.36-9+deb12u1"), "2.36-9+deb12u1");
        assert_eq!(tame_word(&"\n".repeat(1 << 20)), format!("{}...", "�".repeat(LONGEST)));
    }
}
