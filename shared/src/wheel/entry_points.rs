//! entry_points.txt: the commands that a distribution brings (entry points specification).

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// A command that calls a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Script {
    /// The command, a plain file name.
    pub name: String,
    /// The module that holds the function, as `uvicorn.main`.
    pub module: String,
    /// The function within it, as `main` or `App.run`.
    pub object: String,
    /// Whether it wants no terminal (`gui_scripts`); the same as any other on Linux.
    pub gui: bool,
}

/// Reads the sections `console_scripts` and `gui_scripts`, sorted by name.
///
/// # Errors
/// Integrity: a line is no entry point, a name is no plain file name, a reference holds what is no
/// identifier (it becomes the code of a script), or a name is taken twice.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Script>> {
    let text = std::str::from_utf8(text)
        .map_err(|e| Error::integrity("entry_points.txt is not UTF-8").because(e))?;
    let mut scripts: BTreeMap<String, Script> = BTreeMap::new();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.trim();
            continue;
        }
        if !matches!(section, "console_scripts" | "gui_scripts") {
            continue;
        }
        let script = script(line, section == "gui_scripts")?;
        match scripts.get(&script.name) {
            None => _ = scripts.insert(script.name.clone(), script),
            Some(other) if (&other.module, &other.object) == (&script.module, &script.object) => {}
            Some(_) => {
                return Err(Error::integrity(format!(
                    "entry_points.txt defines the command {} twice",
                    script.name
                )));
            }
        }
    }
    Ok(scripts.into_values().collect())
}

fn script(line: &str, gui: bool) -> Result<Script> {
    let wrong = |what: &str| Error::integrity(format!("entry_points.txt {what}: {line:?}"));
    let (name, reference) =
        line.split_once('=').ok_or_else(|| wrong("has a line that is not an entry point"))?;
    let name = name.trim_end();
    let special = |c: char| c == '/' || c == '\\' || c.is_control();
    if name.is_empty() || name.starts_with('.') || name.contains(special) || name.len() > 255 {
        return Err(wrong("has a command whose name is not a plain file name"));
    }
    // Extras in brackets, an old way to say what the command needs, decide nothing here.
    let reference = reference.split_once('[').map_or(reference, |(reference, _)| reference).trim();
    let (module, object) =
        reference.split_once(':').ok_or_else(|| wrong("has a command that names no function"))?;
    let (module, object) = (module.trim(), object.trim());
    if !dotted(module) || !dotted(object) {
        return Err(wrong("has a command that refers to no Python object"));
    }
    Ok(Script { name: name.to_owned(), module: module.to_owned(), object: object.to_owned(), gui })
}

/// Whether it is identifiers joined by dots.
fn dotted(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    })
}

impl Script {
    /// The command `name` of a project that is not installed from a wheel, which calls
    /// `reference`: `module:object`.
    ///
    /// # Errors
    /// Usage: one of them cannot be what it should be.
    pub fn of(name: &str, reference: &str) -> Result<Self> {
        script(&format!("{name}={reference}"), false).map_err(|_| {
            Error::usage(format!("the script {name} = {reference:?} is not a command"))
                .hint("write it as name = \"module:function\"")
        })
    }

    /// The program: imports the object, calls it, and ends with what it returns.
    pub fn program(&self, interpreter: &str) -> String {
        let Self { module, object, .. } = self;
        let import = object.split('.').next().unwrap_or(object);
        format!(
            "#!{interpreter}\nimport sys\n\nfrom {module} import {import}\n\nif __name__ == \"__main__\":\n    \
             sys.exit({object}())\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_among_other_entry_points() {
        let text = "# comment\n[pytest11]\nx = not a reference!\n[console_scripts]\nb=pkg.cli:App.run [extra]\n \
                    a : b = pkg:main\n; comment\n\n[ gui_scripts ]\nwin = _gui.ä1:main\n";
        let scripts = parse(text.as_bytes()).expect("scripts");
        let found: Vec<_> =
            scripts.iter().map(|s| (s.name.as_str(), s.module.as_str(), s.object.as_str(), s.gui)).collect();
        let expected = [
            ("a : b", "pkg", "main", false),
            ("b", "pkg.cli", "App.run", false),
            ("win", "_gui.ä1", "main", true),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_program_calls_what_its_entry_point_says() {
        let script = &parse(b"[console_scripts]\nb = pkg.cli:App.run").expect("scripts")[0];
        let program = script.program("/app/.venv/bin/python");
        assert_eq!(
            program,
            "#!/app/.venv/bin/python\nimport sys\n\nfrom pkg.cli import App\n\n\
             if __name__ == \"__main__\":\n    sys.exit(App.run())\n"
        );
    }

    #[test]
    fn a_command_in_both_sections_is_one() {
        let twice = "[console_scripts]\na = m:f\n[gui_scripts]\na = m:f";
        assert_eq!(parse(twice.as_bytes()).expect("scripts").len(), 1);
        let other = "[console_scripts]\na = m:f\n[gui_scripts]\na = m:g";
        assert!(parse(other.as_bytes()).is_err());
    }

    #[test]
    fn what_would_be_other_code_is_refused() {
        for entry in [
            "a = m:f()",
            "a = m:f;import os",
            "a = m;import os:f",
            "a = m:f\u{a0}or\u{a0}g",
            "a = os:system('x') or f",
            "a = m:",
            "a = :f",
            "a = m",
            "a = m.:f",
            "a = m..n:f",
            "a = 1m:f",
            "a = m:f.",
            "a = .m:f",
            "a",
            "= m:f",
            "../a = m:f",
            "a/b = m:f",
            "a\\b = m:f",
            ".. = m:f",
            ".wh.a = m:f",
            "a\u{1}b = m:f",
        ] {
            let text = format!("[console_scripts]\n{entry}\n");
            assert!(parse(text.as_bytes()).is_err(), "{entry:?}");
        }
    }
}
