//! Who called: cargo, a person, or a tool like Poetry, which then tells in one JSON document what only it knows.
//! The document is a file that is removed once it was read: it may hold passwords, and hooks and build tools
//! inherit the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use containerize_core::config::{self, Origin, Place};
use containerize_core::http::Secret;
use containerize_core::story::GroupChanges;
use containerize_core::words::{Command, Flag, Plain, Verb, Wording};
use containerize_core::{Error, Result};
use serde::Deserialize;

/// The variable that names the document's file.
pub(crate) const VARIABLE: &str = "CONTAINERIZE_FRONT_END";
/// The version of the document's form.
const PROTOCOL: u64 = 1;
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who called, and what they told.
#[derive(Default)]
pub(crate) struct FrontEnd {
    /// Whether it is the program that cargo calls, which is for Rust projects.
    pub(crate) for_cargo: bool,
    /// What people type to come here, if it is not the program's own name.
    pub(crate) command: Option<String>,
    /// What they type to make a lock, if not `lock` after the command.
    pub(crate) lock: Option<String>,
    /// What comes before `KEY=VALUE` where options are given in that way, as Hatch's `-o`.
    pub(crate) option: Option<String>,
    /// The project's folder, unless flags name another.
    pub(crate) project: Option<PathBuf>,
    /// Whether groups are named as Poetry names them.
    pub(crate) group_flags: bool,
    /// The groups that were named so.
    pub(crate) groups: GroupChanges,
    /// User name and password of package indexes, by name.
    pub(crate) sources: BTreeMap<String, Login>,
    /// Keys that the caller sets.
    pub(crate) settings: Option<Place>,
}

/// Enough of any version's document to say that it does not fit.
#[derive(Deserialize)]
struct Head {
    protocol: u64,
    version: String,
    package: String,
    install: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    command: String,
    lock: Option<String>,
    option: Option<String>,
    project: Option<PathBuf>,
    #[serde(default)]
    group_flags: bool,
    #[serde(default)]
    sources: BTreeMap<String, Login>,
    settings: Option<serde_json::Value>,
    settings_place: Option<String>,
}

/// A user name and a password for a package index.
#[derive(Deserialize)]
pub(crate) struct Login {
    username: String,
    password: String,
}

/// The document in the file that `path` names, and the file gone. `None` where there is none any more: a
/// program that was started from here starts this one.
///
/// # Errors
/// Usage: the file cannot be read.
pub(crate) fn take(path: &Path) -> Result<Option<String>> {
    let text = match containerize_core::read::text(path, containerize_core::read::DOCUMENT) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => {
            return Err(Error::usage(format!(
                "cannot read {}, the file named by {VARIABLE}",
                path.display()
            ))
            .because(e)
            .hint("unset it; it is set by the Poetry, Hatch and PDM plugins"));
        }
    };
    let _ = std::fs::remove_file(path);
    Ok(Some(text))
}

impl FrontEnd {
    /// Reads the document, if there is one.
    ///
    /// # Errors
    /// Usage: it is of another version than this program, or cannot be understood.
    pub(crate) fn read(document: Option<&str>) -> Result<Self> {
        let Some(text) = document else { return Ok(Self::default()) };
        // The text may hold passwords: no message repeats it.
        let unclear = || {
            Error::usage(format!("the file named by {VARIABLE} was not written by a front end"))
                .hint("unset it; it is set by the Poetry, Hatch and PDM plugins")
        };
        let head: Head = serde_json::from_str(text).map_err(|_| unclear())?;
        if head.protocol != PROTOCOL || head.version != VERSION {
            let Head { package, version, install, .. } = head;
            let install = install.unwrap_or_else(|| "pip install".into());
            return Err(Error::usage(format!("{package} {version} does not match containerize {VERSION}"))
                .because("both must have the same version, but one of them has been replaced")
                .hint(format!("reinstall it: {install} {package}=={version}")));
        }
        let document: Document = serde_json::from_str(text).map_err(|_| unclear())?;
        let settings = match &document.settings {
            None => None,
            Some(table) => {
                let place = document.settings_place.unwrap_or_else(|| document.command.clone());
                let origin = Origin::File(place);
                Some(Place { values: config::from_table(table, &origin)?, origin })
            }
        };
        Ok(Self {
            for_cargo: false,
            command: Some(document.command),
            lock: document.lock,
            option: document.option,
            project: document.project,
            group_flags: document.group_flags,
            groups: GroupChanges::default(),
            sources: document.sources,
            settings,
        })
    }

    /// The variables through which package indexes get user names and passwords: those of Poetry,
    /// which has sources with names.
    pub(crate) fn source_variables(&self) -> impl Iterator<Item = (String, String)> {
        self.sources.iter().flat_map(|(name, login)| {
            let word = name.to_ascii_uppercase().replace(['-', '.'], "_");
            [("USERNAME", &login.username), ("PASSWORD", &login.password)]
                .map(|(what, value)| (format!("POETRY_HTTP_BASIC_{word}_{what}"), value.clone()))
        })
    }
}

/// What people type where they called from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Speech {
    command: Option<String>,
    lock: Option<String>,
    option: Option<String>,
}

impl FrontEnd {
    /// How the caller speaks of commands and flags.
    pub(crate) fn speech(&self) -> Speech {
        let Self { command, lock, option, .. } = self;
        Speech { command: command.clone(), lock: lock.clone(), option: option.clone() }
    }
}

impl Wording for FrontEnd {
    fn command(&self, command: &Command) -> String {
        self.speech().command(command)
    }

    fn flag(&self, flag: &Flag) -> String {
        self.speech().flag(flag)
    }
}

impl Wording for Speech {
    fn command(&self, command: &Command) -> String {
        let here = self.command.as_deref().unwrap_or("containerize");
        let verb = match (command.verb, &self.lock) {
            (Verb::Build, _) => here.to_owned(),
            (Verb::Lock, Some(lock)) => return lock.clone(),
            (Verb::Lock, None) => format!("{here} lock"),
            (Verb::Verify, _) => "containerize verify".into(),
        };
        command.flags.iter().fold(verb, |text, flag| format!("{text} {}", self.flag(flag)))
    }

    fn flag(&self, flag: &Flag) -> String {
        match (&self.option, &flag.value) {
            (None, _) => Plain.flag(flag),
            // Pushing is what is done where options are given in this way.
            (Some(_), None) if flag.name == "push" => self.command.clone().unwrap_or_default(),
            (Some(option), Some(value)) => format!("{option} {}={value}", flag.name),
            (Some(option), None) => format!("{option} {}", flag.name),
        }
    }
}

impl std::fmt::Debug for FrontEnd {
    /// Without passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrontEnd").field("command", &self.command).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{:?}", self.username, Secret::new(self.password.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use containerize_core::words;
    use containerize_core::words::flag;

    fn told(more: &str) -> Result<FrontEnd> {
        let head = format!(r#""protocol": 1, "version": "{VERSION}", "package": "poetry-containerize""#);
        FrontEnd::read(Some(&format!(r#"{{{head}, "command": "poetry containerize"{more}}}"#)))
    }

    #[test]
    fn flags_are_spoken_of_as_the_caller_spells_them() {
        let hatch = told(r#", "option": "-o""#).expect("read");
        let hint = words!("use {}, or remove {}", flag("repository").of("ghcr.io/you/web"), flag("offline"));
        assert_eq!(hint.said(&hatch), "use -o repository=ghcr.io/you/web, or remove -o offline");
        assert_eq!(hint.said(&told("").expect("read")), &*hint);
    }

    #[test]
    fn a_document_is_read_once() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("told.json");
        std::fs::write(&file, "{}").expect("file");
        assert_eq!(take(&file).expect("read").as_deref(), Some("{}"));
        assert!(!file.exists(), "it may hold passwords");
        assert_eq!(take(&file).expect("gone"), None);
        assert!(take(folder.path()).is_err(), "a folder");
    }

    #[test]
    fn without_a_document_nobody_called() {
        let front_end = FrontEnd::read(None).expect("nobody");
        assert!(front_end.command.is_none() && !front_end.group_flags);
        assert_eq!(words!("run `{}`", Command::LOCK).said(&front_end), "run `containerize lock`");
    }

    #[test]
    fn logins_become_the_variables_of_poetry() {
        let sources = r#", "sources": {"my-index.eu": {"username": "ada", "password": "secret"}}"#;
        let front_end = told(sources).expect("document");
        let variables: Vec<_> = front_end.source_variables().collect();
        assert_eq!(
            variables,
            [
                ("POETRY_HTTP_BASIC_MY_INDEX_EU_USERNAME".to_owned(), "ada".to_owned()),
                ("POETRY_HTTP_BASIC_MY_INDEX_EU_PASSWORD".to_owned(), "secret".to_owned()),
            ]
        );
        assert!(!format!("{front_end:?} {:?}", front_end.sources).contains("secret"));
    }

    #[test]
    fn another_version_says_what_to_install() {
        for (protocol, version) in [(2, VERSION), (1, "9.8.7")] {
            let text = format!(
                r#"{{"protocol": {protocol}, "version": "{version}", "package": "poetry-containerize",
                    "install": "poetry self add", "sources": {{"a": {{"password": "secret"}}}}}}"#
            );
            let error = FrontEnd::read(Some(&text)).expect_err("refused");
            assert_eq!(
                error.to_string(),
                format!("poetry-containerize {version} does not match containerize {VERSION}")
            );
            let install = format!("reinstall it: poetry self add poetry-containerize=={version}");
            assert_eq!(error.hint_text(), Some(install.as_str()));
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        for more in [r#", "sources": "secret""#, r#", "sources": {"a": "secret"}"#] {
            let error = told(more).expect_err(more);
            assert!(
                error.to_string().contains(VARIABLE) && !format!("{error:?}").contains("secret"),
                "{error:?}"
            );
        }
        assert!(FrontEnd::read(Some("secret")).is_err());
    }

    #[test]
    fn settings_name_their_place() {
        let front_end =
            told(r#", "settings": {"ports": [80]}, "settings-place": "BuildConfig""#).expect("fine");
        let place = front_end.settings.expect("a place");
        assert_eq!(place.origin, Origin::File("BuildConfig".into()));
        let error =
            told(r#", "settings": {"prots": [80]}, "settings-place": "BuildConfig""#).expect_err("typo");
        assert_eq!(error.to_string(), "there is no key `prots` in BuildConfig");
    }

    #[test]
    fn advice_is_in_the_callers_words() {
        let hint = words!(
            "in containerize lock: run `{}`, or `{}`",
            Command::LOCK,
            Command::BUILD.with([flag("offline")])
        );
        let poetry = told("").expect("document");
        assert_eq!(
            hint.said(&poetry),
            "in containerize lock: run `poetry containerize lock`, or `poetry containerize --offline`"
        );
        let hatch = told(r#", "lock": "hatch dep lock", "option": "-o""#).expect("document");
        assert_eq!(
            hint.said(&hatch),
            "in containerize lock: run `hatch dep lock`, or `poetry containerize -o offline`"
        );
        let error = Error::usage(hint.clone()).because(Error::build(hint.clone())).hint(hint);
        assert!(error.causes_said(&hatch)[0].contains("hatch dep lock"), "causes too");
        assert!(error.message().said(&hatch).contains("hatch dep lock"), "{error}");
    }
}
