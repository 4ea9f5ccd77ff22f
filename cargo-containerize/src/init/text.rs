//! What `init` prints.

use std::fmt::Write as _;

use containerize_core::init::{Draft, Remark};
use containerize_core::words::{Command, Wording};

/// What would be written, file by file.
pub(super) fn drafted(draft: &Draft) -> String {
    let mut text = String::new();
    for file in draft.files() {
        let _ = writeln!(text, "# {}\n{}", file.name, file.shown);
    }
    text
}

/// The lines of the Dockerfile with which the image differs: those to be looked at after those that need nothing.
pub(super) fn differences(file: Option<&str>, remarks: &[Remark]) -> String {
    let Some(file) = file else { return String::new() };
    let mut text = String::new();
    let (left, otherwise): (Vec<_>, Vec<_>) = remarks.iter().partition(|remark| remark.instead.is_some());
    section(&mut text, &format!("Different from {file}:"), &otherwise);
    section(&mut text, &format!("Not taken over from {file}:"), &left);
    text
}

fn section(text: &mut String, title: &str, remarks: &[&Remark]) {
    if remarks.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}");
    let mut known = (0, "");
    for remark in remarks {
        if known != (remark.line, remark.text.as_str()) {
            let _ = writeln!(text, "  line {}: {}", remark.line, remark.text);
        }
        known = (remark.line, &remark.text);
        let _ = writeln!(text, "    {}", remark.why);
        if let Some(instead) = &remark.instead {
            let _ = writeln!(text, "    instead: {instead}");
        }
    }
    text.push('\n');
}

/// What to type next.
pub(super) fn next(needs_lock: bool, wording: &dyn Wording) -> String {
    let build = wording.command(&Command::BUILD);
    match needs_lock {
        true => format!("Next: {} && {build}\n", wording.command(&Command::LOCK)),
        false => format!("Next: {build}\n"),
    }
}
