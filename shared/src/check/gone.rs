//! Modules that Python had and has no more, and what helps where something still imports them.

use crate::versions::gone_since;

/// Modules that are part of some interpreters, as long as Python had them: there is no file to look for.
const BUILT_IN: &[&str] = &["audioop", "crypt", "nis", "ossaudiodev", "parser", "spwd"];

/// Whether the interpreter may have the module without a file.
pub(super) fn may_be_built_in(name: &str, minor: u32) -> bool {
    BUILT_IN.contains(&name) && gone_since(name).is_none_or(|since| minor < since)
}

/// What helps where `who` imports a module that is gone.
pub(super) fn fix(name: &str, who: &str, minor: u32) -> Option<String> {
    let top = name.split('.').next().unwrap_or(name);
    if top == "pkg_resources" {
        return Some(format!(
            "add setuptools<82, the last version with pkg_resources, to the dependencies; or use a newer version of \
             the distribution that has {who}"
        ));
    }
    let since = gone_since(top).filter(|since| *since <= minor)?;
    let more =
        if top == "distutils" { ", add setuptools to the dependencies, which also has it," } else { "" };
    Some(format!(
        "Python has had no {top} since 3.{since}: use a newer version of the distribution that has {who}{more} or a base \
         with Python 3.{}",
        since - 1
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helps_is_told_for_the_versions_that_lack_the_module() {
        assert!(fix("imp", "a", 12).is_some_and(|words| words.ends_with("or a base with Python 3.11")));
        assert_eq!(fix("imp", "a", 11), None);
        assert!(fix("distutils.util", "a", 13).is_some_and(|words| words.contains("add setuptools to")));
        assert!(fix("pkg_resources", "a", 9).is_some_and(|words| words.contains("setuptools<82")));
        assert_eq!(fix("requests", "a", 13), None);
    }

    #[test]
    fn a_built_in_module_needs_no_file_while_there_is_one() {
        assert!(may_be_built_in("audioop", 12) && may_be_built_in("parser", 8));
        assert!(!may_be_built_in("audioop", 13) && !may_be_built_in("cgi", 12));
    }
}
