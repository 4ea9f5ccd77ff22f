//! Text in columns that fit a terminal.

/// Columns of a line.
pub(crate) const LINE: usize = 100;

/// As much of a text as fits so many columns.
pub(crate) fn cut(text: &str, width: usize) -> String {
    console::truncate_str(text, width, "…").into_owned()
}

/// The word for so many.
pub(crate) fn plural(count: u64, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}
