//! Globs that mean the same on all systems: `/` separates folders, and `\` takes the meaning from the sign behind it.

use std::fmt;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// How far a `*` reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Star {
    /// To the next `/`; `**` goes further.
    WithinFolder,
    /// Anywhere: for names that are no paths.
    Anywhere,
}

/// Why a text is no glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoGlob(String);

impl fmt::Display for NoGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoGlob {}

/// One glob.
///
/// # Errors
/// When it is none.
pub fn one(pattern: &str, star: Star) -> Result<GlobSet, NoGlob> {
    set([pattern], star)
}

/// Globs of which one has to match.
///
/// # Errors
/// When one is none.
pub fn set<'a>(patterns: impl IntoIterator<Item = &'a str>, star: Star) -> Result<GlobSet, NoGlob> {
    let mut set = GlobSetBuilder::new();
    let wrong = |error: globset::Error| NoGlob(error.to_string());
    for pattern in patterns {
        refuse_backslashes(pattern)?;
        let mut builder = GlobBuilder::new(pattern);
        // By itself this differs from system to system.
        builder.backslash_escape(true).literal_separator(star == Star::WithinFolder);
        set.add(builder.build().map_err(wrong)?);
    }
    set.build().map_err(wrong)
}

/// Who writes `data\x.txt` means a folder, and would get `datax.txt`.
fn refuse_backslashes(pattern: &str) -> Result<(), NoGlob> {
    let mut signs = pattern.chars();
    while let Some(sign) = signs.next() {
        let escaped = if sign == '\\' { signs.next() } else { None };
        if let Some(next) = escaped.filter(|next| next.is_alphanumeric()) {
            let slashes = pattern.replace('\\', "/");
            return Err(NoGlob(format!(
                "a \\ escapes a special character such as *, and {next} is not one; use / between folders on all systems: {slashes}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Pattern, path, whether it matches within folders, and whether it does anywhere.
    const TABLE: &[(&str, &str, bool, bool)] = &[
        ("a", "a", true, true),
        ("a", "A", false, false),
        ("a", "b/a", false, false),
        ("**/a", "a", true, true),
        ("**/a", "b/c/a", true, true),
        ("a/**", "a/b/c", true, true),
        ("a/**", "a", false, false),
        ("a/**/b", "a/b", true, true),
        ("a/**/b", "a/x/y/b", true, true),
        ("*", "a", true, true),
        ("*", "a/b", false, true),
        ("*.py", "a.py", true, true),
        ("*.py", "b/a.py", false, true),
        ("**/*.py", "b/c/a.py", true, true),
        ("a/*", "a/b", true, true),
        ("a/*", "a/b/c", false, true),
        ("a?c", "abc", true, true),
        ("a?c", "a/c", false, true),
        ("ü?", "üa", true, true),
        ("[ab]", "b", true, true),
        ("[!ab]", "b", false, false),
        ("[!ab]", "c", true, true),
        ("[a-c]x", "bx", true, true),
        ("[]]", "]", true, true),
        ("{a,b}/c", "b/c", true, true),
        ("{a,b}/c", "c/c", false, false),
        ("*.{md,txt}", "x.txt", true, true),
        ("*.{md,txt}", "x.rst", false, false),
        (r"\[draft\].md", "[draft].md", true, true),
        (r"\[draft\].md", "d.md", false, false),
        (r"\*", "*", true, true),
        (r"\*", "a", false, false),
        (r"a\*b", "a*b", true, true),
        (r"a\*b", "a/xb", false, false),
        (r"\?", "?", true, true),
        (r"\{a\}", "{a}", true, true),
        (r"\!a", "!a", true, true),
        (r"\#a", "#a", true, true),
        (r"a\ b", "a b", true, true),
        (r"\.env", ".env", true, true),
        (r"x\.py", "x.py", true, true),
        (r"x\.py", "x/.py", false, false),
        (r"a\-b", "a-b", true, true),
        (r"a\\*", "ab", false, false),
        ("[*]", "*", true, true),
        ("[?]", "?", true, true),
        ("[[]x]", "[x]", true, true),
        (".*", ".env", true, true),
        (".*", "env", false, false),
        (".*/**", ".git/x", true, true),
        ("a b", "a b", true, true),
        ("ünï/*", "ünï/名", true, true),
        ("日本*", "日本 ☃.txt", true, true),
        ("a.b", "aXb", false, false),
        ("a+b", "a+b", true, true),
        ("(a)", "(a)", true, true),
        ("^a$", "^a$", true, true),
        ("a|b", "a", false, false),
        ("a/b/", "a/b", false, false),
        ("", "", true, true),
        ("**", "a/b", true, true),
        ("src/**/__pycache__/**", "src/a/__pycache__/x.pyc", true, true),
        ("pkg.*", "pkg.sub.deep", true, true),
        ("COM1", "COM1", true, true),
    ];

    #[test]
    fn every_pattern_means_the_same_on_all_systems() {
        for (pattern, path, within, anywhere) in TABLE {
            for (star, expected) in [(Star::WithinFolder, within), (Star::Anywhere, anywhere)] {
                let glob = one(pattern, star).expect(pattern);
                assert_eq!(glob.is_match(path), *expected, "{pattern} {path} {star:?}");
                // As the system writes it.
                let path: std::path::PathBuf = path.split('/').collect();
                assert_eq!(
                    glob.is_match(Path::new(&path)),
                    *expected,
                    "{pattern} {} {star:?}",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn a_backslash_between_folders_is_explained() {
        for pattern in [r"data\x.txt", r"a\b\*.py", r"**\1"] {
            let why = one(pattern, Star::WithinFolder).expect_err(pattern).to_string();
            assert!(why.contains(&pattern.replace('\\', "/")), "{why}");
        }
        assert!(one("a[", Star::Anywhere).is_err());
        assert!(set(["a", "b{"], Star::Anywhere).is_err());
    }
}
