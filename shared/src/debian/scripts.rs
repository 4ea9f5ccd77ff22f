//! What a package would do when it is installed, which nobody does here.

/// Whether a maintainer script does anything that an image would miss. What tells the dynamic
/// linker of new libraries, or takes leftovers of earlier versions away, is not missed.
pub(super) fn does_something(script: &str) -> bool {
    let text = script.replace("\\\n", " ");
    // How deep in an `if` that is only entered when an earlier version is replaced.
    let mut upgrading = 0_usize;
    for line in text.lines().map(str::trim) {
        let opens = usize::from(line.starts_with("if "));
        let closes = usize::from(line == "fi" || line.starts_with("fi ") || line.ends_with("; fi"));
        if upgrading > 0 || (opens > 0 && is_of_upgrade(line)) {
            upgrading = (upgrading + opens).saturating_sub(closes);
        } else if !is_idle(line) {
            return true;
        }
    }
    false
}

/// Whether the condition asks for the version that was installed before, which is empty when there
/// was none.
fn is_of_upgrade(line: &str) -> bool {
    let alternatives = line.contains("||") || line.contains(" -o ");
    let of_version = ["\"x$2\" != \"x\"", "-n \"$2\"", "-n \"${2}\"", "lt-nl \"$2\"", "\"$2\" lt-nl"];
    !alternatives && of_version.iter().any(|words| line.contains(words))
}

fn is_idle(line: &str) -> bool {
    let line = line.split(" #").next().unwrap_or(line).trim().trim_end_matches(';').trim_end();
    let first = line.split_whitespace().next().unwrap_or_default();
    let ends_case = line.ends_with(')') && !line.contains('$') && !line.contains(char::is_whitespace);
    line.is_empty()
        || line.starts_with('#')
        || ends_case
        || matches!(
            first,
            "set"
                | "exit"
                | "if"
                | "elif"
                | "else"
                | "fi"
                | "case"
                | "esac"
                | "then"
                | "ldconfig"
                | ":"
                | "true"
                | ";;"
                | "{"
                | "}"
                | "dpkg-maintscript-helper"
                | "echo"
                | "return"
                | "dpkg-trigger"
        )
        || line.trim_end_matches(['|', '&', ' ', ')']).split_whitespace().all(|word| {
            // `configure|upgrade)` and its like, however it is spaced.
            matches!(
                word.trim_end_matches('|'),
                "configure"
                    | "install"
                    | "upgrade"
                    | "triggered"
                    | "|"
                    | "abort-upgrade"
                    | "abort-remove"
                    | "abort-deconfigure"
                    | "purge"
                    | "remove"
                    | "*"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telling_the_linker_is_nothing() {
        for script in [
            "#!/bin/sh\nset -e\nif [ \"$1\" = \"configure\" ]; then\n\tldconfig\nfi\nexit 0\n",
            "#!/bin/sh\nset -e\n# Automatically added\ncase \"$1\" in\n  configure|abort-upgrade)\n  ;;\n  *)\n    echo \"unknown\" >&2\n    exit 1\n  ;;\nesac\n",
            "#! /bin/sh\nset -e\ndpkg-maintscript-helper rm_conffile /etc/x 1~ -- \\\n  \"$@\"\n",
            "",
        ] {
            assert!(!does_something(script), "{script}");
        }
    }

    #[test]
    fn what_is_for_upgrades_only_is_nothing() {
        let script = "#!/bin/sh\nset -e\nif [ \"configure\" = \"$1\" -a \"x$2\" != \"x\" ]; then\n  if test -f /usr/etc/gss/mech; then\n cp /usr/etc/gss/mech /etc/gss/mech\n fi\nfi\n\nexit 0\n";
        assert!(!does_something(script));
        assert!(does_something(&format!("{script}adduser x\n")), "what comes after it counts");
        assert!(does_something(&script.replace("-a", "-o")));
    }

    #[test]
    fn users_and_alternatives_are_something() {
        for script in [
            "#!/bin/sh\nset -e\nadduser --system redis\n",
            "#!/bin/sh\nif [ \"$1\" = configure ]; then\n  update-alternatives --install /usr/lib/a a b 10\nfi\n",
            "#!/bin/sh\nupdate-ca-certificates\n",
            "#!/usr/bin/perl\nuse Debconf::Client;\n",
        ] {
            assert!(does_something(script), "{script}");
        }
    }
}
