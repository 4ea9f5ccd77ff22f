//! Finding, and what the real locks do not show.

use std::collections::BTreeSet;
use std::fs;

use tempfile::TempDir;
use toml::Table;

use super::fixture_tests::python;
use super::*;

/// A folder with these files.
pub(super) fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().expect("a folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    dir
}

pub(super) fn chosen(dir: &Path, file: &str, groups: &[&str]) -> Result<Vec<Package>> {
    let path = dir.join(file);
    let lock = read(&path, LockKind::of(&path).expect("a kind"))?;
    let text = fs::read_to_string(dir.join("pyproject.toml")).ok();
    let pyproject: Option<Table> = text.map(|text| toml::from_str(&text).expect("a pyproject.toml"));
    let selection = Selection {
        groups: groups.iter().map(|group| group.parse().expect("a name")).collect(),
        extras: BTreeSet::new(),
        project: ProjectFacts { dir, pyproject: pyproject.as_ref() },
    };
    select(&lock, &selection, &python("3.13.5"))
}

fn shown(packages: &[Package]) -> Vec<String> {
    let version = |package: &Package| package.version.as_ref().map_or("-".into(), ToString::to_string);
    packages.iter().map(|package| format!("{} {}", package.name, version(package))).collect()
}

#[test]
fn what_a_lock_was_made_from_is_no_other_lock() {
    for (requirements, others) in [
        ("flask>=3\n", 0),
        ("# all of it\n-r base.txt\nflask == 3.1.0\nwerkzeug\n", 0),
        ("flask==3.1.0 \\\n  --hash=sha256:1\n", 1),
    ] {
        let dir = folder(&[("pylock.toml", ""), ("requirements.txt", requirements)]);
        let found = find(dir.path(), None).expect("a search").expect("a lock");
        assert_eq!((found.kind, found.others.len()), (LockKind::Pylock, others), "{requirements}");
    }
}

#[test]
fn the_lock_of_the_named_tool_is_found() {
    let all = ["uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "requirements.txt"];
    let dir = folder(&all.map(|name| (name, "")));
    for (text, name) in [
        ("", "uv.lock"),
        ("[tool.poetry]", "poetry.lock"),
        ("[tool.pdm]", "pdm.lock"),
        ("[tool.uv]\n[tool.pdm]", "uv.lock"),
        ("[tool.poetry]\n[tool.uv]", "poetry.lock"),
    ] {
        let pyproject: Table = toml::from_str(text).expect(text);
        let found = find(dir.path(), Some(&pyproject)).expect("a search").expect("a lock");
        assert_eq!(found.path, dir.path().join(name), "{text}");
        assert_eq!(found.others.len(), 4);
    }
    fs::remove_file(dir.path().join("poetry.lock")).expect("gone");
    let pyproject: Table = toml::from_str("[tool.poetry]").expect("a table");
    let found = find(dir.path(), Some(&pyproject)).expect("a search").expect("a lock");
    assert_eq!(found.kind, LockKind::Uv);
    assert_eq!(find(folder(&[]).path(), None).expect("a search"), None);
}

#[test]
fn a_workspace_has_its_lock_above_its_members() {
    let dir = folder(&[
        ("pyproject.toml", "[tool.uv.workspace]\nmembers = ['a']"),
        ("uv.lock", ""),
        ("a/requirements.txt", ""),
        ("b/poetry.lock", ""),
        ("c/x", ""),
    ]);
    let lock = |name: &str| find(&dir.path().join(name), None).expect("a search").expect("a lock");
    assert_eq!(lock("a").path, dir.path().join("uv.lock"));
    assert_eq!(lock("a").others, [dir.path().join("a/requirements.txt")]);
    assert_eq!(lock("b").kind, LockKind::Poetry);
    assert_eq!(lock("c").path, dir.path().join("uv.lock"));
}

#[test]
fn requirements_are_read_with_what_they_include() {
    let commit = "9e7cbd756e61c92cd19f507ccc4bfc8f6814fa1b";
    let base = format!(
        "-c limits.txt\n-e .\n-e .[dev]\nnear @ file:///srv/near\n./libs/own\n\
         git+https://u@h.example/r@{commit}#egg=from-git&subdirectory=py\n\
         https://h.example/by_name-1.0-py3-none-any.whl ; os_name == 'posix'\n\
         named[x] @ https://h.example/named-2.tar.gz#sha256={}\nlimited\n\
         windows==1; sys_platform == 'win32'\n",
        "a".repeat(64)
    );
    let dir = folder(&[
        ("requirements.txt", "--index-url https://i.example/simple\n-rdeep/base.txt\nFlask_Cors===4.0.0"),
        ("deep/base.txt", &base),
        ("deep/limits.txt", "limited==2.5\nother<3\nflask.cors<5"),
        ("libs/own/pyproject.toml", "[project]\nname = 'Own_Thing'"),
    ]);
    let found = chosen(dir.path(), "requirements.txt", &[]).expect("a selection");
    assert_eq!(
        shown(&found),
        ["by-name -", "flask-cors 4.0.0", "from-git -", "limited 2.5", "named -", "near -", "own-thing -"]
    );
    let git = Source::Git {
        url: "https://u@h.example/r".into(),
        commit: commit.into(),
        requested: None,
        subdirectory: Some("py".into()),
    };
    assert_eq!(found[2].source, git);
    assert_eq!(found[4].files[0].hashes.len(), 1);
    assert_eq!(found[5].source, Source::Directory { path: "/srv/near".into(), editable: false });
    assert_eq!(found[6].source, Source::Directory { path: dir.path().join("libs/own"), editable: false });
}

#[test]
fn indexes_of_a_requirements_file_are_told() {
    let text = "-i https://a.example/simple\n--extra-index-url=https://b.example/\n--no-index\n-f wheels\n\
                --find-links https://c.example/\na==1\n";
    let dir = folder(&[("requirements.txt", text)]);
    let lock = read(&dir.path().join("requirements.txt"), LockKind::Requirements).expect("a lock");
    let indexes = Indexes {
        index: Some("https://a.example/simple".into()),
        extra: vec!["https://b.example/".into()],
        find_links: vec![dir.path().join("wheels").display().to_string().into(), "https://c.example/".into()],
        no_index: true,
        ..Indexes::default()
    };
    assert_eq!(lock.indexes, indexes);
    assert_eq!(
        lock.notes,
        ["requirements.txt has no digests for 1 of its lines, so the index's are trusted"]
    );
}

#[test]
fn conflicting_extras_of_uv_are_told_apart() {
    let hash = format!("sha256:{}", "0".repeat(64));
    let package = |version: &str| {
        format!(
            "[[package]]\nname = 'torch'\nversion = '{version}'\nsource = {{ registry = 'https://i.example/{version}' }}\n\
             wheels = [{{ url = 'https://i.example/torch-{version}-py3-none-any.whl', hash = '{hash}' }}]\n"
        )
    };
    let edge = |version: &str, extra: &str| {
        format!(
            "{{ name = 'torch', version = '{version}', source = {{ registry = 'https://i.example/{version}' }}, \
             marker = \"extra == 'extra-3-app-{extra}'\" }}"
        )
    };
    let text = format!(
        "version = 1\nconflicts = [[{{ package = 'app', extra = 'cpu' }}, {{ package = 'app', extra = 'gpu' }}]]\n\
         [[package]]\nname = 'app'\nversion = '1'\nsource = {{ virtual = '.' }}\n\
         [package.optional-dependencies]\ncpu = [{}]\ngpu = [{}]\n{}{}",
        edge("1.0", "cpu"),
        edge("2.0", "gpu"),
        package("1.0"),
        package("2.0")
    );
    let dir = folder(&[("uv.lock", &text)]);
    let lock = read(&dir.path().join("uv.lock"), LockKind::Uv).expect("a lock");
    let of = |extras: &[&str]| {
        let selection = Selection {
            groups: BTreeSet::new(),
            extras: extras.iter().map(|extra| extra.parse().expect("a name")).collect(),
            project: ProjectFacts { dir: dir.path(), pyproject: None },
        };
        select(&lock, &selection, &python("3.13.5"))
    };
    assert_eq!(shown(&of(&["gpu"]).expect("a selection")), ["torch 2.0"]);
    assert_eq!(shown(&of(&["cpu"]).expect("a selection")), ["torch 1.0"]);
    assert_eq!(shown(&of(&[]).expect("a selection")), [""; 0]);
    let both = of(&["cpu", "gpu"]).expect_err("two versions").to_string();
    assert!(both.contains("torch: the target would have it twice"), "{both}");
}

#[test]
fn a_lock_of_pdm_may_hold_repositories_and_folders() {
    let text = "[metadata]\nlock_version = '4.5.0'\nstrategy = ['inherit_metadata']\ngroups = ['default']\n\
        [[package]]\nname = 'a'\nversion = '1'\ngroups = ['default']\ngit = 'https://h.example/a'\nref = 'v1'\n\
        revision = '9e7cbd756e61c92cd19f507ccc4bfc8f6814fa1b'\n\
        [[package]]\nname = 'b'\nversion = '2'\ngroups = ['default']\npath = './libs/b'\neditable = true\n";
    let dir = folder(&[("pdm.lock", text)]);
    let found = chosen(dir.path(), "pdm.lock", &[]).expect("a selection");
    assert_eq!(shown(&found), ["a 1", "b 2"]);
    assert_eq!(found[1].source, Source::Directory { path: dir.path().join("libs/b"), editable: true });
}
