//! What a check found, for people.

use std::fmt::Write as _;

use containerize_core::check::{Finding, Severity};
use containerize_core::redact::tame;
use containerize_core::story::Checked;

/// The findings of each platform, with what could not be told; with `verbose` also what was examined.
pub(super) fn text(image: &str, found: &[Checked], verbose: bool) -> String {
    let mut text = String::new();
    for Checked { platform, report } in found {
        let all = report.findings.len();
        let verdict = match (report.errors(), all - report.errors()) {
            (0, 0) => "no problems found".to_owned(),
            (errors, warnings) => [count(errors, "error"), count(warnings, "warning")]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", "),
        };
        let _ = writeln!(text, "{image} ({platform}): {verdict}");
        report.findings.iter().for_each(|finding| lines(&mut text, finding));
        if verbose {
            report.checked.iter().for_each(|what| _ = writeln!(text, "  checked: {what}"));
        }
        report.not_checked.iter().for_each(|what| _ = writeln!(text, "  not checked: {what}"));
    }
    text
}

fn count(number: usize, what: &str) -> Option<String> {
    match number {
        0 => None,
        1 => Some(format!("1 {what}")),
        n => Some(format!("{n} {what}s")),
    }
}

fn lines(text: &mut String, finding: &Finding) {
    let (word, color) = match finding.severity {
        Severity::Error => ("error", anstyle::AnsiColor::Red),
        Severity::Warning => ("warning", anstyle::AnsiColor::Yellow),
    };
    let color = color.on_default().bold();
    // Names of files are whatever the image has: a line of their own could be a command for a runner.
    let _ = writeln!(text, "  {color}{word}{color:#}: {}", tame(&finding.message));
    if finding.through.len() > 1 {
        let _ = writeln!(text, "    through {}", tame(&finding.through.join(" -> ")));
    }
    if let Some(fix) = &finding.fix {
        let _ = writeln!(text, "    fix: {}", tame(fix));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use containerize_core::check::{Kind, Report};

    #[test]
    fn findings_are_counted_and_said_with_their_way_and_fix() {
        let finding = |severity, message: &str| Finding {
            severity,
            kind: Kind::MissingLibrary,
            message: message.into(),
            library: None,
            through: vec!["/run".into(), "/a".into()],
            fix: Some("add it".into()),
        };
        let report = Report {
            findings: vec![finding(Severity::Error, "x is missing"), finding(Severity::Warning, "y, too")],
            checked: vec!["something".into()],
            not_checked: vec!["what the shell does".into()],
        };
        let platform: containerize_core::oci::Platform = "linux/amd64".parse().expect("platform");
        let found =
            [Checked { platform: platform.clone(), report }, Checked { platform, report: Report::default() }];
        let said = anstream::adapter::strip_str(&text("web", &found, false)).to_string();
        let expected = "web (linux/amd64): 1 error, 1 warning\n  error: x is missing\n    through /run -> /a\n    \
                        fix: add it\n  warning: y, too\n    through /run -> /a\n    fix: add it\n  not checked: what \
                        the shell does\nweb (linux/amd64): no problems found\n";
        assert_eq!(said, expected);
        assert!(text("web", &found, true).contains("  checked: something\n"));
    }
}
