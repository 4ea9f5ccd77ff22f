//! Who made the project, what it is, under which terms, and where it lives.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::Value;

use super::Inputs;
use super::table::View;
use crate::error::Result;
use crate::python::headers;

/// Under which terms the project is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct License {
    /// An SPDX expression, if one is declared or follows from what is.
    pub expression: Option<String>,
    /// What is declared in other words.
    pub text: Option<String>,
    /// Files with the terms, relative; globs are possible.
    pub files: Vec<String>,
}

/// What describes a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) description: Option<String>,
    pub(super) authors: Vec<String>,
    pub(super) license: License,
    pub(super) homepage: Option<String>,
    pub(super) repository: Option<String>,
    pub(super) documentation: Option<String>,
}

/// The headers of a PKG-INFO, which a source distribution has.
#[derive(Debug, Default)]
pub(super) struct PkgInfo(Vec<(String, String)>);

impl PkgInfo {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let found = Self(headers(text.as_bytes()));
        found.all("Metadata-Version").next()?;
        Some(found)
    }

    /// The first header with this name; `UNKNOWN` is what old tools write for nothing.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).find(|value| !value.is_empty() && *value != "UNKNOWN")
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Reads the description from wherever the project has it, the standard's table first.
pub(super) fn describe(inputs: &Inputs, root: Option<&View<'_>>) -> Result<Description> {
    let mut found = Description::default();
    if let Some(project) = root.map(|root| root.table("project")).transpose()?.flatten() {
        found.fill(standard(&project)?);
    }
    if let Some(poetry) = root.map(|root| root.below(&["tool", "poetry"])).transpose()?.flatten() {
        found.fill(of_poetry(&poetry)?);
    }
    if let Some(flit) = root.map(|root| root.below(&["tool", "flit", "metadata"])).transpose()?.flatten() {
        found.fill(of_flit(&flit)?);
    }
    found.fill(of_cfg(inputs));
    found.fill(of_pkg_info(inputs));
    if found.repository.is_none() {
        found.repository = found.homepage.clone().filter(|url| is_forge(url));
    }
    Ok(found)
}

impl Description {
    /// Takes from `other` what is still missing.
    fn fill(&mut self, other: Self) {
        let take = |mine: &mut Option<String>, theirs: Option<String>| {
            if mine.is_none() {
                *mine = theirs.filter(|text| !text.trim().is_empty());
            }
        };
        take(&mut self.description, other.description);
        take(&mut self.homepage, other.homepage);
        take(&mut self.repository, other.repository);
        take(&mut self.documentation, other.documentation);
        take(&mut self.license.expression, other.license.expression);
        take(&mut self.license.text, other.license.text);
        if self.authors.is_empty() {
            self.authors = other.authors;
        }
        if self.license.files.is_empty() {
            self.license.files = other.license.files;
        }
    }

    fn urls(&mut self, urls: impl IntoIterator<Item = (String, String)>) {
        for (label, url) in urls {
            let plain: String =
                label.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
            let place = match plain.as_str() {
                "homepage" | "home" | "website" => &mut self.homepage,
                "source" | "repository" | "sourcecode" | "code" | "github" | "gitlab" => &mut self.repository,
                "documentation" | "docs" => &mut self.documentation,
                _ => continue,
            };
            place.get_or_insert(url);
        }
    }

    fn terms(&mut self, license: Option<&str>, classifiers: &[String]) {
        let declared = license.map(str::trim).filter(|text| !text.is_empty());
        self.license.expression = declared.and_then(spdx).or_else(|| of_classifiers(classifiers));
        self.license.text = declared.filter(|text| spdx(text).as_deref() != Some(*text)).map(str::to_owned);
    }
}

fn standard(project: &View<'_>) -> Result<Description> {
    let mut found =
        Description { description: project.text("description")?.map(str::to_owned), ..<_>::default() };
    let classifiers = project.texts("classifiers")?;
    let mut files = project.texts("license-files").unwrap_or_default();
    match project.raw().get("license") {
        None => found.terms(None, &classifiers),
        Some(Value::String(expression)) => {
            found.terms(None, &classifiers);
            found.license.expression = Some(expression.clone());
        }
        Some(Value::Table(_)) => {
            let table = project.table("license")?;
            let table = table.as_ref();
            found.terms(table.map(|t| t.text("text")).transpose()?.flatten(), &classifiers);
            files.extend(table.map(|t| t.text("file")).transpose()?.flatten().map(str::to_owned));
        }
        Some(other) => return Err(project.mistyped("license", other, "a string or a table")),
    }
    found.license.files = files;
    found.authors = people(project, "authors")?;
    if found.authors.is_empty() {
        found.authors = people(project, "maintainers")?;
    }
    found.urls(project.map("urls")?);
    Ok(found)
}

fn people(project: &View<'_>, key: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (at, value) in project.list(key)?.into_iter().flatten().enumerate() {
        let Value::Table(author) = value else {
            return Err(project.mistyped(&format!("{key}[{at}]"), value, "a table with name and email"));
        };
        let part = |key: &str| author.get(key).and_then(Value::as_str);
        found.extend(person(part("name"), part("email")));
    }
    Ok(found)
}

fn of_poetry(poetry: &View<'_>) -> Result<Description> {
    let text = |key: &str| -> Result<Option<String>> { Ok(poetry.text(key)?.map(str::to_owned)) };
    let mut found = Description {
        description: text("description")?,
        authors: poetry.texts("authors")?,
        homepage: text("homepage")?,
        repository: text("repository")?,
        documentation: text("documentation")?,
        ..Description::default()
    };
    let license = poetry.raw().get("license").and_then(Value::as_str);
    found.terms(license, &poetry.texts("classifiers")?);
    found.urls(poetry.map("urls")?);
    Ok(found)
}

fn of_flit(flit: &View<'_>) -> Result<Description> {
    let mut found = Description {
        authors: person(flit.text("author")?, flit.text("author-email")?).into_iter().collect(),
        homepage: flit.text("home-page")?.map(str::to_owned),
        ..Description::default()
    };
    found.terms(flit.text("license")?, &flit.texts("classifiers")?);
    found.urls(flit.map("urls")?);
    Ok(found)
}

fn of_cfg(inputs: &Inputs) -> Description {
    let Some(ini) = &inputs.setup_cfg else { return Description::default() };
    let get = |key| ini.get("metadata", key).filter(|value| !value.starts_with("file:"));
    let mut found = Description {
        description: get("description").or_else(|| get("summary")).map(str::to_owned),
        authors: person(get("author"), get("author_email")).into_iter().collect(),
        homepage: get("url").or_else(|| get("home_page")).map(str::to_owned),
        ..Description::default()
    };
    found.terms(get("license"), &ini.list("metadata", "classifiers"));
    found.license.files = ini.list("metadata", "license_files");
    found.urls(ini.pairs("metadata", "project_urls"));
    found
}

fn of_pkg_info(inputs: &Inputs) -> Description {
    let Some(info) = &inputs.pkg_info else { return Description::default() };
    let owned = |name| info.get(name).map(str::to_owned);
    // Names with addresses are in the second.
    let email = info.get("Author-email");
    let author = match email {
        Some(email) if email.contains('<') => Some(email.to_owned()),
        _ => person(info.get("Author"), email),
    };
    let mut found = Description {
        description: owned("Summary"),
        authors: author.into_iter().collect(),
        homepage: owned("Home-page"),
        ..Description::default()
    };
    let classifiers: Vec<String> = info.all("Classifier").map(str::to_owned).collect();
    found.terms(info.get("License"), &classifiers);
    found.license.expression = owned("License-Expression").or(found.license.expression);
    let urls: BTreeMap<String, String> = info
        .all("Project-URL")
        .filter_map(|line| line.split_once(','))
        .map(|(label, url)| (label.trim().to_owned(), url.trim().to_owned()))
        .collect();
    found.urls(urls);
    found
}

fn person(name: Option<&str>, email: Option<&str>) -> Option<String> {
    match (name.filter(|name| !name.is_empty()), email.filter(|email| !email.is_empty())) {
        (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

/// Whether a URL names a repository at one of the places that hold them.
fn is_forge(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    let forge =
        matches!(url.host_str(), Some("github.com" | "gitlab.com" | "codeberg.org" | "bitbucket.org"));
    forge && url.path_segments().is_some_and(|parts| parts.filter(|part| !part.is_empty()).count() >= 2)
}

/// Names of licences in use, and their SPDX identifiers. Ambiguous ones ("BSD") are not among them.
const COMMON: &[(&str, &str)] = &[
    ("apache 2.0", "Apache-2.0"),
    ("apache license 2.0", "Apache-2.0"),
    ("apache license, version 2.0", "Apache-2.0"),
    ("apache-2", "Apache-2.0"),
    ("bsd 2-clause", "BSD-2-Clause"),
    ("bsd 3-clause", "BSD-3-Clause"),
    ("bsd-3", "BSD-3-Clause"),
    ("gplv3", "GPL-3.0-only"),
    ("isc license", "ISC"),
    ("mit license", "MIT"),
    ("mpl 2.0", "MPL-2.0"),
    ("psf", "PSF-2.0"),
    ("the mit license", "MIT"),
    ("zpl-2.1", "ZPL-2.1"),
];

/// Classifiers that mean exactly one licence; the one for BSD does not.
const CLASSIFIERS: &[(&str, &str)] = &[
    ("Apache Software License", "Apache-2.0"),
    ("GNU Affero General Public License v3", "AGPL-3.0-only"),
    ("GNU Affero General Public License v3 or later (AGPLv3+)", "AGPL-3.0-or-later"),
    ("GNU General Public License v2 (GPLv2)", "GPL-2.0-only"),
    ("GNU General Public License v2 or later (GPLv2+)", "GPL-2.0-or-later"),
    ("GNU General Public License v3 (GPLv3)", "GPL-3.0-only"),
    ("GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later"),
    ("GNU Lesser General Public License v3 (LGPLv3)", "LGPL-3.0-only"),
    ("GNU Lesser General Public License v3 or later (LGPLv3+)", "LGPL-3.0-or-later"),
    ("ISC License (ISCL)", "ISC"),
    ("MIT License", "MIT"),
    ("MIT No Attribution License (MIT-0)", "MIT-0"),
    ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
    ("Python Software Foundation License", "PSF-2.0"),
    ("The Unlicense (Unlicense)", "Unlicense"),
];

/// An SPDX expression for a short declaration; `None` for prose.
fn spdx(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase();
    if let Some((_, id)) = COMMON.iter().find(|(name, _)| *name == lower) {
        return Some((*id).to_owned());
    }
    const BARE: &[&str] = &["MIT", "ISC", "Zlib", "Unlicense", "0BSD", "PostgreSQL", "NCSA", "WTFPL"];
    let id = |word: &str| {
        let word = word.trim_matches(['(', ')']).trim_end_matches('+');
        let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
        plain
            && (BARE.contains(&word)
                || (word.contains('-') && word.starts_with(|c: char| c.is_ascii_uppercase())))
    };
    let operator = |word: &str| matches!(word, "AND" | "OR" | "WITH");
    let mut words = text.split_whitespace().enumerate();
    let odd = words.clone().count() % 2 == 1;
    (odd && words.all(|(at, word)| if at % 2 == 0 { id(word) } else { operator(word) }))
        .then(|| text.trim().to_owned())
}

/// What the classifiers say, if they say one thing. Several may mean AND or OR.
fn of_classifiers(classifiers: &[String]) -> Option<String> {
    let mut ids = classifiers.iter().filter_map(|classifier| {
        let name = classifier.strip_prefix("License :: ")?.rsplit(" :: ").next()?;
        CLASSIFIERS.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
    });
    let (first, second) = (ids.next()?, ids.next());
    second.is_none().then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_spdx_counts_as_an_expression() {
        for (text, expected) in [
            ("MIT", Some("MIT")),
            ("MIT License", Some("MIT")),
            ("Apache-2.0 OR MIT", Some("Apache-2.0 OR MIT")),
            ("GPL-2.0-only WITH Classpath-exception-2.0", Some("GPL-2.0-only WITH Classpath-exception-2.0")),
            ("(MIT OR Apache-2.0) AND BSD-3-Clause", Some("(MIT OR Apache-2.0) AND BSD-3-Clause")),
            ("BSD", None),
            ("MIT OR", None),
            ("Copyright (c) 2020 All rights reserved", None),
            ("see LICENSE", None),
        ] {
            assert_eq!(spdx(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn classifiers_count_when_they_say_one_thing() {
        let of = |names: &[&str]| {
            of_classifiers(&names.iter().map(|n| format!("License :: {n}")).collect::<Vec<_>>())
        };
        assert_eq!(of(&["OSI Approved :: MIT License"]).as_deref(), Some("MIT"));
        assert_eq!(
            of(&["OSI Approved", "OSI Approved :: Apache Software License"]).as_deref(),
            Some("Apache-2.0")
        );
        assert_eq!(of(&["OSI Approved :: MIT License", "OSI Approved :: Apache Software License"]), None);
        assert_eq!(of(&["OSI Approved :: BSD License"]), None);
    }

    #[test]
    fn a_home_page_at_a_forge_is_a_repository() {
        assert!(is_forge("https://github.com/a/b"));
        assert!(!is_forge("https://github.com/a"));
        assert!(!is_forge("https://example.com/a/b"));
        assert!(!is_forge("github.com/a/b"));
    }

    #[test]
    fn pkg_info_must_be_one() {
        assert!(PkgInfo::parse("Name: a\n").is_none());
        let info =
            PkgInfo::parse("Metadata-Version: 2.1\nName: a\nLicense: UNKNOWN\n\nbody").expect("headers");
        assert_eq!((info.get("name"), info.get("License")), (Some("a"), None));
    }
}
