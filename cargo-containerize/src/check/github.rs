//! What a check found as commands for a runner of GitHub, which shows them at the job and at the pull request.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>

use std::fmt::Write as _;

use containerize_core::check::Severity;
use containerize_core::story::Checked;

use super::{each, whole};

/// One command for each finding; nothing where nothing was found.
pub(super) fn commands(image: &str, found: &[Checked]) -> String {
    each(found).fold(String::new(), |mut text, (Checked { platform, .. }, finding)| {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let title = property(&format!("{image} ({platform}): {}", finding.kind.as_str()));
        let _ = writeln!(text, "::{command} title={title}::{}", message(&whole(finding)));
        text
    })
}

/// Text after the second `::`. Whatever a runner would take for the end of the command is escaped: names of files may
/// hold line feeds.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, where colons and commas mean something too.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_line_whatever_it_says() {
        let commands = commands("ghcr.io/you/app:1,x", &super::super::example());
        let lines: Vec<&str> = commands.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(
            lines[0],
            "::error title=ghcr.io/you/app%3A1%2Cx (linux/amd64)%3A missing-library::/a b/run needs libx.so, which is \
             100%25 not there%0Athrough /start -> /a b/run%0Afix: add it"
        );
        assert!(
            lines[1].starts_with("::warning title=") && lines[1].ends_with("100%25 not there"),
            "{}",
            lines[1]
        );
        assert_eq!(message("a\r\n::error::b"), "a%0D%0A::error::b");
    }
}
