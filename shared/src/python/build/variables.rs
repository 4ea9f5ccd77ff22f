//! The environment that builders get: the user's, the indexes that were found for the project,
//! and what makes results the same each time.

use std::collections::BTreeMap;
use std::path::Path;

use crate::http::Url;
use crate::python::index::{Index, Kind, Options, Role};

/// What would lead a build in isolation out of it, or change what our own flags say.
const LEFT_OUT: &[&str] = &[
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONDONTWRITEBYTECODE",
    "__PYVENV_LAUNCHER__",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_USER",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_NO_BUILD_ISOLATION",
    "PIP_WHEEL_DIR",
    "UV_PYTHON",
    "UV_PROJECT",
    "UV_WORKING_DIR",
    "UV_WORKING_DIRECTORY",
    "UV_NO_BUILD_ISOLATION",
    "UV_NO_BUILD",
    "PIP_ONLY_BINARY",
    "PIP_REQUIRE_HASHES",
    "UV_REQUIRE_HASHES",
];

/// 1980-01-01T00:00:00Z, the first time that a zip file can say.
const EPOCH: &str = "315532800";

/// The user's variables as builders get them.
pub(super) fn base(
    user: &BTreeMap<String, String>,
    indexes: &Options,
    offline: bool,
) -> BTreeMap<String, String> {
    let mut variables = user.clone();
    variables.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
    let fixed = [
        ("SOURCE_DATE_EPOCH", EPOCH),
        ("PYTHONHASHSEED", "0"),
        ("TZ", "UTC"),
        ("LC_ALL", "C.UTF-8"),
        ("NO_COLOR", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("PYTHONUTF8", "1"),
    ];
    variables.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
    variables.extend(of_indexes(indexes));
    if offline {
        variables.insert("PIP_NO_INDEX".into(), "1".into());
    }
    variables
}

/// The variables that tell a version in the place of version control, for what is remembered of builds.
pub(super) fn told_versions(user: &BTreeMap<String, String>) -> String {
    const TELL: &[&str] = &[
        "SETUPTOOLS_SCM_PRETEND_",
        "SETUPTOOLS_SCM_OVERRIDES",
        "VCS_VERSIONING_",
        "POETRY_DYNAMIC_VERSIONING_",
        "UV_DYNAMIC_VERSIONING_",
        "PDM_BUILD_SCM_VERSION",
        "PBR_VERSION",
    ];
    let told = user.iter().filter(|(name, _)| TELL.iter().any(|begin| name.starts_with(begin)));
    told.map(|(name, value)| format!(" {name}={value}")).collect()
}

/// With these, what setuptools writes beside its wheel stays out of the user's folder, and what an
/// older build left there stays out of the wheel. `folder` must have the folders `base` and `egg`.
pub(super) fn setuptools_settings(folder: &Path) -> String {
    let folder = folder.display();
    format!("[build]\nbuild_base = {folder}/base\n[egg_info]\negg_base = {folder}/egg\n")
}

/// The indexes in the words of uv and of pip, so that each asks those that the other is set up for.
fn of_indexes(options: &Options) -> BTreeMap<String, String> {
    let with = |kind, role| {
        let chosen = options.indexes.iter().filter(move |index| index.kind == kind && index.role == role);
        chosen.map(|index| location(index, options)).collect::<Vec<_>>()
    };
    let mut links = with(Kind::Links, Role::Extra);
    links.extend(with(Kind::Links, Role::Default));
    let mut found = BTreeMap::new();
    let mut set = |names: &[&str], values: &[String], separator: &str| {
        if !values.is_empty() {
            found.extend(names.iter().map(|&name| (name.to_owned(), values.join(separator))));
        }
    };
    set(&["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"], &with(Kind::Simple, Role::Default), " ");
    let extra = with(Kind::Simple, Role::Extra);
    set(&["UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"], &extra, " ");
    set(&["UV_FIND_LINKS"], &links, ",");
    set(&["PIP_FIND_LINKS"], &links, " ");
    set(&["UV_INSECURE_HOST", "PIP_TRUSTED_HOST"], &options.trusted_hosts, " ");
    if options.no_index {
        found.insert("PIP_NO_INDEX".into(), "1".into());
        found.insert("UV_NO_INDEX".into(), "1".into());
    }
    if let Some(certificates) = options.certificates.first() {
        let path = certificates.to_string_lossy().into_owned();
        found.insert("PIP_CERT".into(), path.clone());
        found.insert("SSL_CERT_FILE".into(), path);
    }
    found
}

/// Where an index is, with the login that is known for it.
fn location(index: &Index, options: &Options) -> String {
    let mut url: Url = index.url.clone();
    if let Some(login) = options.credentials.find(&url).filter(|_| url.scheme() != "file") {
        // Both fail only for URLs that cannot have a user at all.
        let _ = url.set_username(&login.username);
        let _ = url.set_password(login.password.as_ref().map(crate::http::Secret::expose));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::System;

    fn options(indexes: &[(&str, Kind, Role)]) -> Options {
        let mut options = Options::default();
        for (url, kind, role) in indexes {
            options.add(Index::new(url, *kind, *role, &System::HERE.absolute("/w")).expect("index"));
        }
        options
    }

    #[test]
    fn results_do_not_depend_on_time_and_place() {
        let user =
            [("TZ", "Asia/Tokyo"), ("PYTHONPATH", "/x"), ("CFLAGS", "-O3"), ("SOURCE_DATE_EPOCH", "1")];
        let user = user.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let variables = base(&user, &Options::default(), false);
        assert_eq!(variables["SOURCE_DATE_EPOCH"], "315532800");
        assert_eq!((variables["TZ"].as_str(), variables["CFLAGS"].as_str()), ("UTC", "-O3"));
        assert!(!variables.contains_key("PYTHONPATH") && !variables.contains_key("PIP_NO_INDEX"));
        assert_eq!(base(&user, &Options::default(), true)["PIP_NO_INDEX"], "1");
    }

    #[test]
    fn both_tools_ask_the_same_indexes_with_the_same_logins() {
        let options = options(&[
            ("https://me:p%40w@i.example/simple", Kind::Simple, Role::Default),
            ("https://a.example/simple/", Kind::Simple, Role::Extra),
            ("https://b.example/simple/", Kind::Simple, Role::Extra),
            ("wheels", Kind::Links, Role::Extra),
            ("https://only.example/simple/", Kind::Simple, Role::Explicit),
        ]);
        let found = of_indexes(&options);
        for name in ["UV_DEFAULT_INDEX", "PIP_INDEX_URL"] {
            assert_eq!(found[name], "https://me:p%40w@i.example/simple/", "{name}");
        }
        for name in ["UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"] {
            assert_eq!(found[name], "https://a.example/simple/ https://b.example/simple/", "{name}");
        }
        for name in ["UV_FIND_LINKS", "PIP_FIND_LINKS"] {
            let wheels = Url::from_file_path(System::HERE.absolute("/w/wheels")).expect("a URL");
            assert_eq!(found[name], wheels.as_str(), "{name}");
        }
        assert!(!found.values().any(|value| value.contains("only.example")));
        assert!(of_indexes(&Options::default()).is_empty());
    }

    #[test]
    fn hosts_certificates_and_no_index_are_passed_on() {
        let options = Options {
            no_index: true,
            trusted_hosts: vec!["i.example".into()],
            certificates: vec!["/c.pem".into()],
            ..Options::default()
        };
        let found = of_indexes(&options);
        assert_eq!((found["PIP_NO_INDEX"].as_str(), found["PIP_CERT"].as_str()), ("1", "/c.pem"));
        assert_eq!(
            (found["UV_INSECURE_HOST"].as_str(), found["SSL_CERT_FILE"].as_str()),
            ("i.example", "/c.pem")
        );
    }
}
