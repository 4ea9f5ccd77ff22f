//! Finding, and what the real locks do not show.

use std::collections::BTreeSet;
use std::fs;

use tempfile::TempDir;
use toml::Table;

use super::fixture_tests::python;
use super::*;
use crate::system::System;

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
        project: ProjectFacts { dir, pyproject: pyproject.as_ref(), members: None },
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
    let near = System::HERE.absolute("/srv/near");
    let base = format!(
        "-c limits.txt\n-e .\n-e .[dev]\nnear @ {}\n./libs/own\n\
         git+https://u@h.example/r@{commit}#egg=from-git&subdirectory=py\n\
         https://h.example/by_name-1.0-py3-none-any.whl ; os_name == 'posix'\n\
         named[x] @ https://h.example/named-2.tar.gz#sha256={}\nlimited\n\
         windows==1; sys_platform == 'win32'\n",
        url::Url::from_file_path(&near).expect("a URL"),
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
    assert_eq!(found[5].source, Source::Directory { path: near, editable: false });
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
            project: ProjectFacts { dir: dir.path(), pyproject: None, members: None },
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

/// What is selected of a requirements file, with these variables.
fn of_requirements(text: &[u8], variables: &[(&str, &str)]) -> Result<Vec<Package>> {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("requirements.txt");
    fs::write(&path, text).expect("a file");
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let lock = read_with(&path, LockKind::Requirements, &variables)?;
    let project = ProjectFacts { dir: dir.path(), pyproject: None, members: None };
    let selection = Selection { groups: BTreeSet::new(), extras: BTreeSet::new(), project };
    select(&lock, &selection, &python("3.13.5"))
}

#[test]
fn a_name_may_be_pinned_on_one_line_and_have_its_extra_on_another() {
    for (text, expected) in [
        ("bleach[css]\nbleach==6.3.0\n", &["bleach 6.3.0"][..]),
        ("bleach>=6,<7\nbleach==6.3.0\n", &["bleach 6.3.0"]),
        ("bleach[css]\nbleach @ https://h.example/bleach-6.3.0-py3-none-any.whl\n", &["bleach -"]),
        ("a==1 ; os_name == 'nt'\na==2 ; os_name == 'posix'\na[x]\n", &["a 2"]),
    ] {
        assert_eq!(shown(&of_requirements(text.as_bytes(), &[]).expect(text)), expected, "{text}");
    }
    let error = of_requirements(b"bleach[css]>=7\nbleach==6.3.0\n", &[]).expect_err("too old");
    assert!(error.to_string().contains("bleach 6.3.0 is not what"), "{error}");
    let error = of_requirements(b"a[x]\na==1 ; os_name == 'nt'\n", &[]).expect_err("not pinned here");
    assert!(error.to_string().ends_with("a has no exact version here"), "{error}");
}

#[test]
fn variables_are_taken_from_the_environment_and_never_shown() {
    let text =
        b"-i https://u:${TOKEN}@i.example/simple\na==${V_1}\nb @ https://u:${TOKEN}@h.example/b-1.zip\n";
    let found = of_requirements(text, &[("TOKEN", "hunter22"), ("V_1", "1.5")]).expect("a selection");
    assert_eq!(shown(&found), ["a 1.5", "b -"]);
    let Source::Url { url, .. } = &found[1].source else { panic!("{:?}", found[1].source) };
    assert_eq!(url.expose(), "https://u:hunter22@h.example/b-1.zip");
    assert!(!format!("{found:?}").contains("hunter22"));
    let error = of_requirements(b"a==${TOKEN}\n", &[("TOKEN", "hunter22 x")]).expect_err("no version");
    assert!(!format!("{error:?}").contains("hunter22"), "{error:?}");
    assert_eq!(error.to_string(), "requirements.txt line 1 cannot be read: a==${TOKEN}");
}

#[test]
fn a_requirements_file_may_be_in_utf_16() {
    let text: Vec<u8> = "\u{feff}a==1\r\nb==2\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(shown(&of_requirements(&text, &[]).expect("a selection")), ["a 1", "b 2"]);
    let error = of_requirements(b"a==1 # \xe4\n", &[]).expect_err("no text");
    assert_eq!(error.hint_text(), Some("save it in UTF-8"));
}

#[test]
fn a_root_of_a_workspace_that_is_no_project_is_said_to_be_one() {
    let text = "version = 1\nrequires-python = '>=3.10'\n[manifest]\nmembers = ['app']\n\
                [[package]]\nname = 'app'\nversion = '1'\nsource = { editable = 'backend' }\n";
    let dir = folder(&[("pyproject.toml", "[tool.uv.workspace]\nmembers = ['backend']"), ("uv.lock", text)]);
    let pyproject: Table = "[tool.uv.workspace]\nmembers = ['backend']".parse().expect("a table");
    let lock = read(&dir.path().join("uv.lock"), LockKind::Uv).expect("a lock");
    let project = ProjectFacts { dir: dir.path(), pyproject: Some(&pyproject), members: None };
    let error = check_fresh(&lock, &project).expect_err("no project");
    assert!(error.to_string().ends_with("is the root of a workspace and has no [project]"), "{error}");
    assert_eq!(error.causes(), ["its only member is backend"]);
    assert_eq!(error.hint_text(), Some("give the folder of a member: -C backend"));
}

/// A lock of a project that leaves its version to the build and requires its own extras, as uv 0.13 makes
/// it: with the extras flattened.
#[test]
fn extras_that_require_each_other_are_compared_flat_where_the_version_is_dynamic() {
    let lock = "version = 1\nrevision = 3\nrequires-python = '>=3.10'\n\
                [[package]]\nname = 'hello'\nsource = { virtual = '.' }\n\
                [package.metadata]\nrequires-dist = [\n\
                { name = 'idna', marker = \"extra == 'a'\" },\n{ name = 'idna', marker = \"extra == 'all'\" },\n\
                { name = 'six', marker = \"extra == 'all'\" },\n{ name = 'six', marker = \"extra == 'b'\" },\n]\n\
                provides-extras = ['a', 'all', 'b']\n";
    let project = |all: &str| {
        format!(
            "[project]\nname = 'hello'\ndynamic = ['version']\nrequires-python = '>=3.10'\n\
             [project.optional-dependencies]\na = ['idna']\nb = ['six']\nall = [\"{all}\"]"
        )
    };
    let dir = folder(&[("uv.lock", lock)]);
    let lock = read(&dir.path().join("uv.lock"), LockKind::Uv).expect("a lock");
    let check = |all: &str| {
        let pyproject: Table = project(all).parse().expect("a table");
        check_fresh(&lock, &ProjectFacts { dir: dir.path(), pyproject: Some(&pyproject), members: None })
    };
    check("hello[a,b]").expect("fresh");
    check("hello[b,a] ; python_version >= '3'").expect("fresh");
    let error = check("hello[a]").expect_err("stale");
    assert!(error.to_string().contains("no longer matches"), "{error}");
}

/// A name with several sources: each counts where its marker holds, and the index elsewhere.
#[test]
fn sources_for_some_places_are_compared_where_they_hold() {
    let wheel = |arch: &str| format!("https://h.example/m-3.0.2-cp312-cp312-linux_{arch}.whl");
    let (arm, amd) = (wheel("aarch64"), wheel("x86_64"));
    let lock = format!(
        "version = 1\nrevision = 3\nrequires-python = '>=3.12'\n\
         [[package]]\nname = 'hello'\nversion = '1'\nsource = {{ virtual = '.' }}\n\
         [package.metadata]\nrequires-dist = [\n\
         {{ name = 'm', marker = \"platform_machine == 'aarch64' and extra == 'x'\", url = '{arm}' }},\n\
         {{ name = 'm', marker = \"platform_machine == 'x86_64' and extra == 'x'\", url = '{amd}' }},\n\
         {{ name = 'm', marker = \"platform_machine != 'aarch64' and platform_machine != 'x86_64' and extra == 'x'\", \
         specifier = '==3.0.2' }},\n]\nprovides-extras = ['x']\n"
    );
    let dir = folder(&[("uv.lock", &lock)]);
    let lock = read(&dir.path().join("uv.lock"), LockKind::Uv).expect("a lock");
    let check = |version: &str, amd: &str| {
        let text = format!(
            "[project]\nname = 'hello'\nversion = '1'\nrequires-python = '>=3.12'\n\
             [project.optional-dependencies]\nx = ['m=={version}']\n[tool.uv.sources]\nm = [\n\
             {{ url = '{arm}', marker = \"platform_machine == 'aarch64'\" }},\n\
             {{ url = '{amd}', marker = \"platform_machine == 'x86_64'\" }},\n]\n"
        );
        let pyproject: Table = text.parse().expect("a table");
        check_fresh(&lock, &ProjectFacts { dir: dir.path(), pyproject: Some(&pyproject), members: None })
    };
    check("3.0.2", &amd).expect("fresh");
    for (version, amd) in [("3.0.3", amd.as_str()), ("3.0.2", arm.as_str())] {
        check(version, amd).expect_err(version);
    }
}

#[test]
fn names_are_told_for_all_targets_and_publishers_as_they_are() {
    let identity = "[[packages.attestation-identities]]\nkind = 'GitHub'\nrepository = 'a/b'\nworkflow = 'x.yml'\nregion = ['x']\n";
    let wheel = |name: &str| {
        let hash = "ab".repeat(32);
        format!(
            "wheels = [{{ url = 'https://x.example/{name}-1-py3-none-any.whl', hashes = {{ sha256 = '{hash}' }} }}]\n"
        )
    };
    let text = format!(
        "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'A.b'\nversion = '1'\n{}{identity}\
         [[packages]]\nname = 'other'\nversion = '1'\nmarker = \"sys_platform == 'win32'\"\n{}",
        wheel("a_b"),
        wheel("other")
    );
    let dir = folder(&[("pylock.toml", &text)]);
    let packages = chosen(dir.path(), "pylock.toml", &[]).expect("read");
    let texts =
        |one: &BTreeMap<String, String>| one.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let said: Vec<Vec<String>> = packages[0].identities.iter().map(texts).collect();
    assert_eq!(
        (packages.len(), said),
        (
            1,
            vec![vec![
                "kind=GitHub".into(),
                "region=[\"x\"]".into(),
                "repository=a/b".into(),
                "workflow=x.yml".into()
            ]]
        )
    );
    let lock = read(&dir.path().join("pylock.toml"), LockKind::Pylock).expect("read");
    let names: Vec<String> = lock.names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a-b", "other"]);
    let requirements = folder(&[("requirements.txt", "X_y==1\nz @ https://x.example/z-1.tar.gz\n./local\n")]);
    let lock = read(&requirements.path().join("requirements.txt"), LockKind::Requirements).expect("read");
    assert_eq!(lock.names().iter().map(ToString::to_string).collect::<Vec<_>>(), ["x-y", "z"]);
}

#[test]
fn two_entries_of_a_distribution_have_the_same_publishers() {
    let entry = |file: &str, publisher: &str| {
        let hash = "ab".repeat(32);
        let identity = match publisher {
            "" => String::new(),
            name => format!("[[packages.attestation-identities]]\nkind = 'GitHub'\nrepository = '{name}'\n"),
        };
        format!(
            "[[packages]]\nname = 'a'\nversion = '1'\n\
             wheels = [{{ url = 'https://x.example/{file}', hashes = {{ sha256 = '{hash}' }} }}]\n{identity}"
        )
    };
    let read = |publishers: [&str; 2]| {
        let [first, second] = publishers;
        let (first, second) =
            (entry("a-1-py3-none-any.whl", first), entry("a-1-py2.py3-none-any.whl", second));
        let text = format!("lock-version = '1.0'\ncreated-by = 'x'\n{first}{second}");
        chosen(folder(&[("pylock.toml", &text)]).path(), "pylock.toml", &[])
    };
    let error = read(["x/y", "x/z"]).expect_err("either could have either's file").to_string();
    assert!(error.contains("other publishers"), "{error}");
    for publishers in [["x/y", "x/y"], ["x/y", ""], ["", "x/y"]] {
        let packages = read(publishers).expect("read");
        assert_eq!(packages.iter().map(|one| one.identities.len()).collect::<Vec<_>>(), [1]);
    }
}
