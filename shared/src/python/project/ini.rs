//! INI files as Python's `configparser` reads them: setup.cfg and entry_points.txt.

use std::collections::BTreeMap;

/// The sections of an INI file.
#[derive(Debug, Default)]
pub(super) struct Ini(BTreeMap<String, BTreeMap<String, String>>);

impl Ini {
    /// Reads a text. Lines that mean nothing are passed over. Keys are in lower case, with `_` for
    /// `-`.
    pub(super) fn parse(text: &str) -> Self {
        let mut ini = Self::default();
        let mut section = String::new();
        let mut key: Option<String> = None;
        for line in text.lines() {
            let content = line.trim();
            if content.starts_with(['#', ';']) {
                continue;
            }
            let indented = line.starts_with([' ', '\t']);
            if let (true, false, Some(key)) = (indented, content.is_empty(), &key) {
                let value = ini.0.entry(section.clone()).or_default().entry(key.clone()).or_default();
                value.push('\n');
                value.push_str(content);
            } else if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
                ini.0.entry(section.clone()).or_default();
                key = None;
            } else if let Some((name, value)) = split(content) {
                let name = name.to_ascii_lowercase().replace('-', "_");
                ini.0.entry(section.clone()).or_default().insert(name.clone(), value.to_owned());
                key = Some(name);
            }
        }
        ini
    }

    /// Sets a key to what is there.
    pub(super) fn set(&mut self, section: &str, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.0.entry(section.to_owned()).or_default().insert(key.to_owned(), value);
        }
    }

    /// Takes what `other` says over what this does.
    pub(super) fn lay_over(&mut self, other: Self) {
        for (section, keys) in other.0 {
            self.0.entry(section).or_default().extend(keys);
        }
    }

    /// The value of a key, trimmed; `None` where it is missing or empty.
    pub(super) fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.0.get(section)?.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A list: one item a line, or separated by commas.
    pub(super) fn list(&self, section: &str, key: &str) -> Vec<String> {
        let Some(value) = self.get(section, key) else { return Vec::new() };
        let items: Vec<&str> =
            if value.contains('\n') { value.lines().collect() } else { value.split(',').collect() };
        items.into_iter().map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// A table in a value: lines of `name = value`.
    pub(super) fn pairs(&self, section: &str, key: &str) -> BTreeMap<String, String> {
        pairs(self.list(section, key).iter().map(String::as_str))
    }
}

/// The lines of a section with their names as they are written, which in entry_points.txt are
/// names of programs.
pub(super) fn section_pairs(text: &str, section: &str) -> BTreeMap<String, String> {
    let header = format!("[{section}]");
    let lines = text.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    pairs(lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with(['#', ';'])))
}

fn pairs<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    lines.filter_map(pair).collect()
}

fn split(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_at_checked(line.find(['=', ':'])?)?;
    Some((key.trim(), value.get(1..)?.trim())).filter(|(key, _)| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# comment
[metadata]
Name: thing
author-email = a@example.com
long_description = file: README.md

[options]
install_requires =
    a>=1
    # not b
    c ; python_version < '3.9'
packages = find:
py_modules = one, two
package_dir =
    =src

[options.entry_points]
console_scripts =
    Thing-Cli = thing.cli:main
    other=thing:other
";

    #[test]
    fn values_span_indented_lines_and_keys_have_one_spelling() {
        let ini = Ini::parse(TEXT);
        assert_eq!(ini.get("metadata", "name"), Some("thing"));
        assert_eq!(ini.get("metadata", "author_email"), Some("a@example.com"));
        assert_eq!(ini.list("options", "install_requires"), ["a>=1", "c ; python_version < '3.9'"]);
        assert_eq!(ini.list("options", "py_modules"), ["one", "two"]);
        assert_eq!(ini.pairs("options", "package_dir"), [(String::new(), "src".into())].into());
        assert_eq!(ini.pairs("options.entry_points", "console_scripts")["Thing-Cli"], "thing.cli:main");
        assert!(ini.get("options", "nothing").is_none());
    }

    #[test]
    fn entry_points_keep_the_spelling_of_programs() {
        let text = "[console_scripts]\nMy-App = a:b\n; no\n\n[gui_scripts]\nwin = a:w\n";
        assert_eq!(section_pairs(text, "console_scripts"), [("My-App".into(), "a:b".into())].into());
        assert_eq!(section_pairs(text, "gui_scripts")["win"], "a:w");
        assert!(section_pairs(text, "other").is_empty());
    }

    #[test]
    fn nonsense_is_passed_over() {
        let ini = Ini::parse("  stray\n= x\n[open\nä\n[s]\n\n k = v\n");
        assert_eq!(ini.get("s", "k"), Some("v"));
    }
}
