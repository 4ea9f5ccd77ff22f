//! Locks that the tools themselves made (trimmed to a few files each), and what the tools
//! select from them: `tests/fixtures/locks/answers.json` has the answers of `poetry export`,
//! `uv export`, `pdm export` and of `packaging`'s own reader of `pylock.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Table;

use super::*;
use crate::oci::Platform;
use crate::python::closed::{Present, unmet};
use crate::python::{Libc, Markers};

#[derive(Deserialize)]
struct Answer {
    lock: String,
    python: String,
    groups: Vec<String>,
    extras: Vec<String>,
    /// Versions by name; none where the tool names a path or URL.
    packages: BTreeMap<String, Option<String>>,
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/locks")
        .canonicalize()
        .expect("fixtures")
}

fn pyproject(dir: &Path) -> Option<Table> {
    let text = fs::read_to_string(dir.join("pyproject.toml")).ok()?;
    Some(toml::from_str(&text).expect("a pyproject.toml"))
}

pub(super) fn python(version: &str) -> Interpreter {
    Interpreter {
        path: "/usr/local/bin/python3".into(),
        version: version.parse().expect("a version"),
        libc: Libc::Glibc { major: 2, minor: 36 },
        platform: Platform::linux("amd64"),
    }
}

fn names(list: &[&str]) -> std::collections::BTreeSet<Name> {
    list.iter().map(|name| name.parse().expect("a name")).collect()
}

/// What is selected from a fixture.
fn chosen(fixture: &str, version: &str, groups: &[&str], extras: &[&str]) -> Result<Vec<Package>> {
    let dir = fixtures().join(fixture);
    let pyproject = pyproject(&dir);
    let found = find(&dir, None)?.expect("a lock");
    let lock = read(&found.path, found.kind)?;
    let project = ProjectFacts { dir: &dir, pyproject: pyproject.as_ref(), members: None };
    check_fresh(&lock, &project)?;
    let selection = Selection { groups: names(groups), extras: names(extras), project };
    select(&lock, &selection, &python(version))
}

#[test]
fn the_selection_is_that_of_the_tools() {
    let text = fs::read_to_string(fixtures().join("answers.json")).expect("answers");
    let answers: Vec<Answer> = serde_json::from_str(&text).expect("answers");
    assert!(answers.len() > 80);
    let mut wrong = Vec::new();
    for answer in answers {
        let groups: Vec<&str> = answer.groups.iter().map(String::as_str).collect();
        let extras: Vec<&str> = answer.extras.iter().map(String::as_str).collect();
        let case = format!("{} {} {groups:?} {extras:?}", answer.lock, answer.python);
        let found = match chosen(&answer.lock, &answer.python, &groups, &extras) {
            Ok(found) => found,
            Err(error) => {
                wrong.push(format!("{case}: {error:?}"));
                continue;
            }
        };
        let found: BTreeMap<String, Option<String>> = found
            .into_iter()
            .map(|package| {
                let known = answer.packages.get(package.name.as_str()).is_some_and(Option::is_some);
                (
                    package.name.to_string(),
                    package.version.filter(|_| known).map(|version| version.to_string()),
                )
            })
            .collect();
        if found != answer.packages {
            let more: Vec<_> =
                found.iter().filter(|(name, v)| answer.packages.get(*name) != Some(*v)).collect();
            let less: Vec<_> =
                answer.packages.iter().filter(|(name, v)| found.get(*name) != Some(*v)).collect();
            wrong.push(format!("{case}: more {more:?}, less {less:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// What each distribution needs that the tools select, as its metadata say: `tests/fixtures/locks/needs.json`.
fn needs() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(fixtures().join("needs.json")).expect("needs");
    serde_json::from_str(&text).expect("needs")
}

#[test]
fn what_the_tools_select_has_all_that_it_needs() {
    let text = fs::read_to_string(fixtures().join("answers.json")).expect("answers");
    let answers: Vec<Answer> = serde_json::from_str(&text).expect("answers");
    let needs = needs();
    let (mut wrong, mut looked_at) = (Vec::new(), 0);
    for answer in &answers {
        let groups: Vec<&str> = answer.groups.iter().map(String::as_str).collect();
        let extras: Vec<&str> = answer.extras.iter().map(String::as_str).collect();
        let Ok(packages) = chosen(&answer.lock, &answer.python, &groups, &extras) else { continue };
        let present = |package: &Package| {
            let version = package.version.as_ref().map(ToString::to_string).unwrap_or_default();
            let needed = needs.get(&format!("{} {version}", package.name));
            let texts = needed.into_iter().flatten().map(String::as_str);
            Present::of(package.name.clone(), package.version.clone(), texts)
        };
        let all: Vec<Present> = packages.iter().map(present).collect();
        looked_at += all.iter().filter(|one| !one.requires.is_empty()).count();
        let lacking = unmet(&all, &[], &Markers::of(&python(&answer.python)));
        wrong.extend(lacking.iter().map(|one| format!("{} {}: {one:?}", answer.lock, answer.python)));
    }
    assert!(looked_at > 300, "{looked_at}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Edits the project of a fixture, and says what the check of freshness then says.
fn freshness(fixture: &str, from: &str, to: &str) -> Result<()> {
    let dir = fixtures().join(fixture);
    let text = fs::read_to_string(dir.join("pyproject.toml")).expect("a project");
    assert!(text.contains(from), "{fixture} has no {from:?}");
    let pyproject: Table = toml::from_str(&text.replacen(from, to, 1)).expect("a pyproject.toml");
    let found = find(&dir, None)?.expect("a lock");
    let lock = read(&found.path, found.kind)?;
    check_fresh(&lock, &ProjectFacts { dir: &dir, pyproject: Some(&pyproject), members: None })
}

#[test]
fn a_changed_requirement_makes_a_lock_stale() {
    for (fixture, from, to, command) in [
        ("service-poetry1", "fastapi = \"^0.115\"", "fastapi = \"^0.116\"", "poetry lock"),
        ("service-poetry1", "mkdocs = \"^1.5\"", "mkdocs = \"^1.6\"", "poetry lock"),
        ("service-poetry2", "orjson>=3.9,<4", "orjson>=3.9,<5", "poetry lock"),
        ("service-poetry2", "[\"ruff\"]", "[\"ruff>0\"]", "poetry lock"),
        ("service-poetry2", "requires-python = \">=3.11", "requires-python = \">=3.12", "poetry lock"),
        ("flask-poetry2", "tomli = {version = \"^2\"", "tomli = {version = \"^2.1\"", "poetry lock"),
        ("service-uv", "fastapi>=0.115,<0.116", "fastapi>=0.115,<0.117", "uv lock"),
        ("service-uv", "orjson>=3.9,<4", "orjson>=3.9", "uv lock"),
        ("service-uv", "sqlalchemy[asyncio]", "sqlalchemy", "uv lock"),
        ("service-uv", "\"uvicorn[standard]\"", "\"uvicorn[standard]\", \"httpx\"", "uv lock"),
        ("service-uv", "lint = [\"ruff\"]", "lint = [\"ruff\", \"mypy\"]", "uv lock"),
        ("flask-uv", "\"tomli>=2; python_version < '3.11'\"", "\"tomli>=2\"", "uv lock"),
        ("flask-uv", "  \"flask>=3.0,<4\",\n", "", "uv lock"),
        ("service-pdm", "psycopg[binary]>=3.1", "psycopg[binary]>=3.2", "pdm lock"),
        ("flask-pdm", "test = [", "tests = [", "pdm lock"),
        ("graph-pdm", "idna>=3", "idna>=3.1", "pdm lock"),
        ("inputs-pdm", "idna>=3", "idna<3", "pdm lock"),
        ("inputs-pdm", "requests[socks]", "requests", "pdm lock"),
        ("inputs-pdm", "< '3.11'", "< '3.12'", "pdm lock"),
        ("inputs-pdm", "\"packaging\"", "\"packaging\", \"six\"", "pdm lock"),
        ("inputs-pdm", "requires-python = \">=3.10", "requires-python = \">=3.11", "pdm lock"),
        ("inputs-pdm", "lock_inputs = true", "lock_inputs = true\nallow-prereleases = true", "pdm lock"),
        ("inputs-pdm", "[tool.pdm]", "[[tool.pdm.source]]\nurl='https://x.example'\n[tool.pdm]", "pdm lock"),
    ] {
        let error = freshness(fixture, from, to).expect_err(fixture);
        assert_eq!(error.hint_text(), Some(&*format!("run `{command}`")), "{fixture} {from}: {error:?}");
        assert!(error.to_string().contains("no longer matches pyproject.toml"), "{error:?}");
    }
}

/// Edits one file of a copy of the workspace's fixture, and says whether its lock is fresh for an
/// image with extra `o`.
fn workspace_freshness(file: &str, from: &str, to: &str) -> Result<()> {
    let copy = tempfile::tempdir().expect("a folder");
    let (dir, fixture) = (copy.path(), fixtures().join("workspace-uv"));
    let members = ["lib", "virt", "outside"].map(|name| format!("packages/{name}/pyproject.toml"));
    for name in members.iter().map(String::as_str).chain(["pyproject.toml", "uv.lock"]) {
        let text = fs::read_to_string(fixture.join(name)).expect(name);
        assert!(name != file || text.contains(from), "{file} has no {from:?}");
        let text = if name == file { text.replacen(from, to, 1) } else { text };
        fs::create_dir_all(dir.join(name).parent().expect("a folder")).expect("folders");
        fs::write(dir.join(name), text).expect(name);
    }
    let pyproject = pyproject(dir);
    let project = ProjectFacts { dir, pyproject: pyproject.as_ref(), members: None };
    let lock = read(&dir.join("uv.lock"), LockKind::Uv)?;
    check_fresh(&lock, &project)?;
    let selection = Selection { groups: names(&["dev"]), extras: names(&["o"]), project };
    check_folders_fresh(&lock, &selection, &python("3.13.5"))
}

#[test]
fn a_changed_member_or_python_makes_a_lock_of_a_workspace_stale() {
    for (file, from, to, because) in [
        ("pyproject.toml", ">=3.9,!=3.9.7", ">=3.12", "it is for Python >=3.10, <4"),
        ("packages/lib/pyproject.toml", ",<4", "", "it is for Python >=3.10, <4"),
        ("packages/lib/pyproject.toml", "zipp>=3", "zipp>=2", "lib: the requirement for zipp has changed"),
        (
            "packages/lib/pyproject.toml",
            "\"attrs\"",
            "\"attrs>1\"",
            "lib: the requirement for attrs has changed",
        ),
        ("packages/virt/pyproject.toml", "\"certifi\"", "\"certifi\", \"six\"", "virt: it lacks six"),
        ("packages/outside/pyproject.toml", "[\"click\"]", "[]", "outside: click is no longer required"),
        (
            "pyproject.toml",
            "python = \">=3.12\"",
            "python = \">=3.11\"",
            "the requirement for packaging has changed",
        ),
        (
            "pyproject.toml",
            "[tool.uv.sources]",
            "[tool.uv.sources]\nsix = [{ url = 'https://h.example/x', marker = 'os_name == \"nt\"' }]",
            "six now comes from elsewhere",
        ),
        ("pyproject.toml", "lib = { workspace = true }", "", "lib now comes from elsewhere"),
        (
            "pyproject.toml",
            "[tool.uv.sources]",
            "[tool.uv.sources]\nsix = { git = 'https://h.example/six' }",
            "six now comes from elsewhere",
        ),
        (
            "pyproject.toml",
            "[tool.uv.sources]",
            "[tool.uv]\nno-sources = true\n[tool.uv.sources]",
            "lib now comes from elsewhere",
        ),
        (
            "pyproject.toml",
            "[tool.uv.sources]",
            "[tool.uv]\nconstraint-dependencies = ['six<2']\n[tool.uv.sources]",
            "it lacks six",
        ),
        (
            "pyproject.toml",
            "[tool.uv.sources]",
            "[tool.uv]\nprerelease = 'allow'\n[tool.uv.sources]",
            "prerelease has changed",
        ),
        ("pyproject.toml", "o = [\"outside\"]", "o = [\"outside\"]\nnew = []", "it lacks the extra new"),
        (
            "packages/lib/pyproject.toml",
            "{ workspace = true }",
            "{ url = 'https://h.example/v.whl' }",
            "lib: virt now comes from elsewhere",
        ),
    ] {
        let error = workspace_freshness(file, from, to).expect_err(to);
        assert_eq!(error.hint_text(), Some("run `uv lock`"));
        assert!(error.to_string().ends_with(&format!("pyproject.toml: {because}")), "{error}");
    }
}

#[test]
fn what_a_workspace_cannot_tell_or_does_not_need_leaves_its_lock_fresh() {
    for (file, from, to) in [
        ("pyproject.toml", "version = \"1\"", "version = \"1\"\ndescription = \"x\""),
        ("pyproject.toml", ">=3.9,!=3.9.7", ">=3.8"),
        ("packages/lib/pyproject.toml", "[\"typing-extensions\"]", "[]"),
        ("packages/virt/pyproject.toml", ">=3.8", ">=3.7"),
        ("packages/outside/pyproject.toml", ">=3.7", ">=3.9"),
        ("packages/outside/pyproject.toml", "dependencies = [\"click\"]", "dynamic = [\"dependencies\"]"),
        ("packages/outside/pyproject.toml", "[project]", "[other]"),
        ("pyproject.toml", "[tool.uv.sources]", "[tool.uv.sources]\nsix = { index = 'own' }"),
    ] {
        workspace_freshness(file, from, to).expect(to);
    }
}

#[test]
fn what_does_not_concern_a_lock_does_not_make_it_stale() {
    for (fixture, from, to) in [
        ("service-poetry1", "version = \"1.0.0\"", "version = \"2.0.0\""),
        ("service-poetry2", "Umlauten", "umlauts"),
        ("service-uv", "version = \"1.0.0\"", "version = \"2.0.0\""),
        ("flask-uv", "tomli>=2; python_version < '3.11'", "tomli >= 2 ;python_version<'3.11'"),
        ("flask-pdm", "[tool.pdm]", "[tool.other]\nx = 1\n[tool.pdm]"),
        ("graph-pdm", "version = \"1\"", "version = \"2\"\ndescription = \"x\""),
        ("inputs-pdm", "version = \"1\"", "version = \"2\"\ndescription = \"x\""),
        // PDM itself takes the lock while the locked versions will do.
        ("inputs-pdm", "idna>=3", "idna>=3.1"),
    ] {
        freshness(fixture, from, to).expect(fixture);
    }
}

#[test]
fn a_lock_of_pdm_without_groups_is_walked_to_the_same_packages() {
    for version in ["3.10.4", "3.13.5"] {
        for (groups, extras) in [(&[][..], &[][..]), (&["dev"], &[]), (&["x"], &["o"]), (&["dev"], &["o"])] {
            let walked = chosen("graph-pdm", version, groups, extras).expect("a walk");
            assert_eq!(walked, chosen("inherit-pdm", version, groups, extras).expect("a selection"));
            assert!(walked.iter().any(|package| package.name.as_str() == "pysocks"));
        }
    }
    let error = chosen("graph-pdm", "3.13.5", &["devs"], &[]).expect_err("no group");
    assert_eq!(error.hint_text(), Some("did you mean dev?"));
    let dir = fixtures().join("graph-pdm");
    let lock = read(&dir.join("pdm.lock"), LockKind::Pdm).expect("a lock");
    let project = ProjectFacts { dir: &dir, pyproject: None, members: None };
    let selection = Selection { groups: names(&[]), extras: names(&[]), project };
    let error = select(&lock, &selection, &python("3.13.5")).expect_err("nothing to walk from");
    assert!(error.hint_text().expect("a hint").starts_with("run `pdm lock --strategy inherit_metadata"));
}

#[test]
fn sources_come_out_as_what_they_are() {
    for fixture in ["sources-poetry1", "sources-poetry2", "sources-uv", "sources-pylock"] {
        let found = chosen(fixture, "3.13.5", &[], &[]).expect(fixture);
        let named =
            |name: &str| found.iter().find(|package| package.name.as_str() == name).expect(name).clone();
        let near = Source::Directory { path: fixtures().join(fixture).join("near"), editable: true };
        assert_eq!(named("near").source, near, "{fixture}");
        let Source::Git { url, commit, requested, subdirectory } = named("tinydep").source else {
            panic!("{fixture}: no repository")
        };
        assert_eq!((url.expose(), commit.len()), ("file:///srv/git/tinydep", 40), "{fixture}");
        assert_eq!((requested.as_deref(), subdirectory), (Some("v0.3"), None), "{fixture}");
        let archive = named("annotated-types");
        let Source::Url { url, .. } = &archive.source else { panic!("{fixture}: no URL") };
        assert_eq!(archive.files.len(), 1, "{fixture}");
        assert_eq!(archive.files[0].url.as_ref(), Some(url), "{fixture}");
        assert_eq!(archive.files[0].hashes.len(), 1, "{fixture}");
        assert!(!found.iter().any(|package| package.name.as_str() == "mixed"), "{fixture}");
    }
}

#[test]
fn a_member_of_a_workspace_is_selected_from_the_lock_above_it() {
    let root = fixtures().join("sources-uv");
    let dir = root.join("packages/member");
    let lock = read(&root.join("uv.lock"), LockKind::Uv).expect("a lock");
    let project = ProjectFacts { dir: &dir, pyproject: None, members: None };
    let of = |extras: &[&str]| {
        let selection = Selection { groups: names(&[]), extras: names(extras), project };
        let found = select(&lock, &selection, &python("3.13.5")).expect("a selection");
        found.into_iter().map(|package| package.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of(&[]), ["markupsafe"]);
    assert_eq!(of(&["more"]), ["click", "markupsafe"]);
    let elsewhere = ProjectFacts { dir: &root.join("packages/other"), pyproject: None, members: None };
    let selection = Selection { groups: names(&[]), extras: names(&[]), project: elsewhere };
    let error = select(&lock, &selection, &python("3.13.5")).expect_err("no member");
    assert_eq!(error.hint_text(), Some("choose the folder of one of member, mixed, near"));
}

#[test]
fn groups_and_extras_that_do_not_exist_are_named() {
    for (fixture, groups, extras, sentence, hint) in [
        ("service-poetry1", "doc", "", "poetry.lock has no dependency group doc", "did you mean docs?"),
        ("service-poetry2", "", "fats", "poetry.lock has no extra fats", "did you mean fast?"),
        ("service-uv", "zzz", "", "uv.lock has no dependency group zzz", "it has dev, lint"),
        ("flask-uv", "", "x", "uv.lock has no extra x", "it has no extras at all"),
        ("service-pylock", "lnt", "", "pylock.toml has no dependency group lnt", "did you mean lint?"),
        (
            "flask-pip",
            "dev",
            "",
            "requirements.txt has no dependency group dev",
            "it has no dependency groups at all",
        ),
    ] {
        let list = |text: &'static str| if text.is_empty() { Vec::new() } else { vec![text] };
        let error = chosen(fixture, "3.13.5", &list(groups), &list(extras)).expect_err(fixture);
        assert_eq!((error.to_string().as_str(), error.hint_text()), (sentence, Some(hint)), "{fixture}");
    }
}

#[test]
fn a_python_that_the_lock_is_not_for_is_refused() {
    for fixture in ["service-poetry1", "service-poetry2", "service-uv", "service-pylock", "service-pdm"] {
        let error = chosen(fixture, "3.10.4", &[], &[]).expect_err(fixture).to_string();
        assert!(error.contains("3.11") && error.contains("3.10.4"), "{fixture}: {error}");
    }
}

#[test]
fn files_carry_what_the_lock_says_of_them() {
    let find = |fixture: &str, name: &str| {
        let found = chosen(fixture, "3.13.5", &[], &[]).expect(fixture);
        found.into_iter().find(|package| package.name.as_str() == name).expect(name)
    };
    for fixture in ["flask-poetry2", "flask-uv", "flask-pylock", "flask-pdm", "flask-pdm-static"] {
        let flask = find(fixture, "flask");
        assert!(flask.files.iter().any(crate::python::DistFile::is_wheel), "{fixture}");
        assert!(
            flask.files.iter().all(|file| file.hashes.len() == 1 && !file.filename.is_empty()),
            "{fixture}"
        );
        let has_urls = !matches!(fixture, "flask-poetry2" | "flask-pdm");
        assert!(flask.files.iter().all(|file| file.url.is_some() == has_urls), "{fixture}");
    }
    // A requirements file says which digests will do, not whose they are.
    let flask = find("flask-pip", "flask");
    assert_eq!(flask.files.len(), 2);
    assert!(flask.files.iter().all(|file| file.filename.is_empty() && file.hashes.len() == 1));
    assert!(find("flask-universal", "flask").files.is_empty());
}
