//! What the tools' variables and files come to.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;

/// A machine with files, and a project on it.
struct Machine {
    folder: tempfile::TempDir,
    host: System,
    variables: BTreeMap<String, String>,
    requirements: Option<Requirements>,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let home = folder.path().join("home").display().to_string();
        fs::create_dir_all(folder.path().join("home")).expect("home");
        fs::create_dir_all(folder.path().join("project")).expect("project");
        let variables = [("HOME".to_owned(), home)].into();
        Self { folder, host: System::Linux, variables, requirements: None }
    }

    /// One of another system, with the variables that it sets.
    fn of(host: System) -> Self {
        let mut machine = Self { host, ..Self::new() };
        if host.is_windows() {
            machine.variables.clear();
            for (name, place) in [
                ("USERPROFILE", "home"),
                ("APPDATA", "home/AppData/Roaming"),
                ("LOCALAPPDATA", "home/AppData/Local"),
                ("PROGRAMDATA", "ProgramData"),
            ] {
                let place = machine.folder.path().join(place).display().to_string();
                machine.variables.insert(name.into(), place);
            }
        }
        machine
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("folders");
        fs::write(path, text).expect("file");
        self
    }

    fn read(&self) -> Result<Options> {
        let project = self.folder.path().join("project");
        Options::read(&Surroundings {
            variables: &self.variables,
            host: self.host,
            system: self.folder.path(),
            project: &project,
            requirements: self.requirements.as_ref(),
        })
    }

    fn options(&self) -> Options {
        self.read().expect("options")
    }

    /// The indexes as role and URL.
    fn indexes(&self) -> Vec<String> {
        let root = crate::http::Url::from_file_path(self.folder.path()).expect("absolute").path().to_owned();
        let show =
            |index: &Index| format!("{:?} {:?} {}", index.role, index.kind, index.url).replace(&root, "");
        self.options().indexes.iter().map(show).collect()
    }

    fn user_of(&self, url: &str) -> Option<String> {
        let login = self.options().credentials.find(&url.parse().expect("url"))?;
        Some(format!(
            "{}:{}",
            login.username,
            login.password.as_ref().map_or("", |password| password.expose())
        ))
    }
}

#[test]
fn nothing_said_is_pypi() {
    let options = Machine::new().options();
    assert!(options.indexes.is_empty() && !options.replaces_pypi() && !options.no_index);
    let home = Path::new("home");
    assert!(options.caches.pip.is_some_and(|path| path.ends_with(home.join(".cache/pip"))));
}

#[test]
fn pip_variables_win_over_its_files_and_later_files_over_earlier_ones() {
    let machine = Machine::new()
        .file("etc/pip.conf", "[global]\nindex-url = https://system.example/simple\ncert = /system.pem\nno-index = true\n")
        .file("home/.config/pip/pip.conf", "[global]\nindex-url = https://user.example/simple\nextra-index-url =\n  https://a.example/simple\n  https://b.example/simple\n[install]\nno-index = false\n");
    assert_eq!(
        machine.indexes(),
        [
            "Extra Simple https://a.example/simple/",
            "Extra Simple https://b.example/simple/",
            "Default Simple https://user.example/simple/",
        ]
    );
    assert_eq!(machine.options().certificates, [Path::new("/system.pem")]);
    assert!(!machine.options().no_index);
    let machine = machine
        .with("PIP_INDEX_URL", "https://variable.example/simple")
        .with("PIP_EXTRA_INDEX_URL", "")
        .with("PIP_FIND_LINKS", "wheels https://links.example/page.html")
        .with("PIP_TRUSTED_HOST", "plain.example:8080 other.example");
    assert_eq!(
        machine.indexes(),
        [
            "Extra Links file:///project/wheels",
            "Extra Links https://links.example/page.html",
            "Extra Simple https://a.example/simple/",
            "Extra Simple https://b.example/simple/",
            "Default Simple https://variable.example/simple/",
        ]
    );
    assert_eq!(machine.options().trusted_hosts, ["plain.example:8080", "other.example"]);
}

#[test]
fn a_named_pip_file_hides_the_users() {
    let machine = Machine::new().file("home/.pip/pip.conf", "[global]\nindex-url = https://user.example/\n");
    assert_eq!(machine.indexes(), ["Default Simple https://user.example/"]);
    let path = machine.folder.path().join("own.conf").display().to_string();
    let machine = machine.file("own.conf", "[global]\nextra-index-url: https://own.example/\n");
    let machine = machine.with("PIP_CONFIG_FILE", &path);
    assert_eq!(machine.indexes(), ["Extra Simple https://own.example/"]);
    assert!(machine.with("PIP_CONFIG_FILE", "/dev/null").indexes().is_empty());
}

#[test]
fn uv_indexes_have_names_roles_and_formats() {
    let machine = Machine::new().file(
        "project/pyproject.toml",
        "[tool.uv]\nfind-links = ['w']\nextra-index-url = ['https://e.example/simple']\n[[tool.uv.index]]\nname = 'py-torch'\nurl = 'https://t.example/whl'\nexplicit = true\n[[tool.uv.index]]\nname = 'flat'\nurl = 'https://f.example/page'\nformat = 'flat'\n[[tool.uv.index]]\nurl = 'https://d.example/simple'\ndefault = true\n",
    );
    let expected = [
        "Extra Links file:///project/w",
        "Explicit Simple https://t.example/whl/",
        "Extra Links https://f.example/page",
        "Default Simple https://d.example/simple/",
        "Extra Simple https://e.example/simple/",
    ];
    assert_eq!(machine.indexes(), expected);
    let machine = machine.with("UV_INDEX_PY_TORCH_USERNAME", "me").with("UV_INDEX_PY_TORCH_PASSWORD", "pw");
    assert_eq!(machine.user_of("https://t.example/whl/x.whl").as_deref(), Some("me:pw"));
    assert_eq!(machine.user_of("https://d.example/simple/"), None);
    let machine = machine.with("UV_NO_CONFIG", "1");
    assert!(machine.indexes().is_empty());
}

#[test]
fn uv_toml_hides_pyproject_and_variables_win_over_both() {
    let machine = Machine::new()
        .file("project/pyproject.toml", "[tool.uv]\nindex-url = 'https://hidden.example/'\n")
        .file("project/uv.toml", "index-url = 'https://project.example/'\n")
        .file(
            "home/.config/uv/uv.toml",
            "index-url = 'https://user.example/'\nextra-index-url = ['https://x.example/']\n",
        );
    assert_eq!(
        machine.indexes(),
        ["Default Simple https://project.example/", "Extra Simple https://x.example/"]
    );
    let machine = machine
        .with("UV_DEFAULT_INDEX", "main=https://me:pw@variable.example/simple")
        .with("UV_INDEX", "one=https://one.example/ https://two.example/?a=b")
        .with("PIP_INDEX_URL", "https://late.example/");
    assert_eq!(
        machine.indexes(),
        [
            "Extra Simple https://one.example/",
            "Extra Simple https://two.example/?a=b",
            "Default Simple https://variable.example/simple/",
            "Extra Simple https://x.example/",
        ]
    );
    assert_eq!(machine.user_of("https://variable.example/files/x").as_deref(), Some("me:pw"));
}

#[test]
fn poetry_sources_have_logins_of_their_own() {
    let machine = Machine::new()
        .file("project/pyproject.toml", "[[tool.poetry.source]]\nname = 'PyPI'\n[[tool.poetry.source]]\nname = 'in-house'\nurl = 'https://p.example/simple/'\npriority = 'explicit'\n[[tool.poetry.source]]\nname = 'more'\nurl = 'https://m.example/simple'\n")
        .file("home/.config/pypoetry/auth.toml", "[http-basic.in-house]\nusername = 'file'\npassword = 'a'\n[http-basic.more]\nusername = 'more'\npassword = 'b'\n[pypi-token]\nx = 'y'\n");
    assert_eq!(
        machine.indexes(),
        ["Explicit Simple https://p.example/simple/", "Extra Simple https://m.example/simple/"]
    );
    assert_eq!(machine.user_of("https://p.example/simple/x/").as_deref(), Some("file:a"));
    assert_eq!(machine.user_of("https://m.example/files/x").as_deref(), Some("more:b"));
    let machine = machine
        .with("POETRY_HTTP_BASIC_IN_HOUSE_USERNAME", "variable")
        .with("POETRY_HTTP_BASIC_IN_HOUSE_PASSWORD", "c");
    assert_eq!(machine.user_of("https://p.example/simple/x/").as_deref(), Some("variable:c"));
}

#[test]
fn a_requirements_file_has_the_last_word_and_may_name_variables() {
    let mut machine = Machine::new().with("PIP_INDEX_URL", "https://pip.example/").with("TOKEN", "pw");
    let folder = machine.folder.path().join("deep");
    machine.requirements = Some(Requirements {
        index_url: Some("https://me:${TOKEN}@r.example/${UNKNOWN}/".into()),
        find_links: vec!["w".into()],
        folder,
        ..Requirements::default()
    });
    assert_eq!(
        machine.indexes(),
        ["Extra Links file:///deep/w", "Default Simple https://r.example/$%7BUNKNOWN%7D/"]
    );
    assert_eq!(machine.user_of("https://r.example/x").as_deref(), Some("me:pw"));
}

#[test]
fn netrc_and_keyring_are_set_up_from_the_environment() {
    let machine = Machine::new().file("home/.netrc", "machine i.example login me password pw");
    assert_eq!(machine.user_of("https://i.example/").as_deref(), Some("me:pw"));
    assert_eq!(machine.options().credentials.keyring_path, None);
    let other = machine.folder.path().join("other").display().to_string();
    let machine =
        machine.with("NETRC", &other).with("PATH", "/bin").with("UV_KEYRING_PROVIDER", "subprocess");
    assert_eq!(machine.user_of("https://i.example/"), None);
    assert_eq!(machine.options().credentials.keyring_path.as_deref(), Some("/bin"));
}

#[test]
fn what_is_broken_is_named_and_not_quoted() {
    for (path, text) in [
        ("project/uv.toml", "index-url = ['https://me:hunter2@x/'"),
        ("project/uv.toml", "index = 'https://me:hunter2@x/'"),
        ("project/uv.toml", "index-url = 'ftp://me:hunter2@x/'"),
        ("project/pyproject.toml", "[[tool.poetry.source]]\nname = 'x'\nurl = 'ftp://me:hunter2@x/'"),
        ("etc/pip.conf", "[global]\nindex-url = ftp://me:hunter2@x/"),
    ] {
        let error = Machine::new().file(path, text).read().expect_err(text);
        let words = format!("{error:?}").replace('\\', "/");
        assert!(words.contains(path) && !words.contains("hunter2"), "{words}");
        assert_eq!(error.kind(), crate::Kind::Usage);
    }
    let error = Machine::new().with("PIP_INDEX_URL", "ssh://me:hunter2@x/").read().expect_err("wrong");
    let words = format!("{error:?}");
    assert!(words.contains("PIP_INDEX_URL") && !words.contains("hunter2"), "{words}");
}

/// An index that is not read is asked nothing, and PyPI instead: whoever puts a name there that is a company's own
/// has their file taken.
#[test]
fn each_systems_own_places_of_settings_are_read() {
    let pip = "[global]\nindex-url = https://company.example/simple\n";
    let uv = "index-url = 'https://company.example/simple'\n";
    for (host, path, text) in [
        (System::Windows, "home/AppData/Roaming/pip/pip.ini", pip),
        (System::Windows, "home/pip/pip.ini", pip),
        (System::Windows, "ProgramData/pip/pip.ini", pip),
        (System::Windows, "home/AppData/Roaming/uv/uv.toml", uv),
        (System::Windows, "ProgramData/uv/uv.toml", uv),
        (System::Mac, "home/Library/Application Support/pip/pip.conf", pip),
        (System::Mac, "Library/Application Support/pip/pip.conf", pip),
        (System::Mac, "home/.config/pip/pip.conf", pip),
        (System::Mac, "home/.pip/pip.conf", pip),
        (System::Mac, "home/.config/uv/uv.toml", uv),
        (System::Mac, "etc/uv/uv.toml", uv),
        (System::Linux, "home/.config/uv/uv.toml", uv),
        (System::Linux, "etc/xdg/pip/pip.conf", pip),
        (System::Linux, "etc/xdg/uv/uv.toml", uv),
        (System::Linux, "etc/uv/uv.toml", uv),
    ] {
        let machine = Machine::of(host).file(path, text);
        assert_eq!(machine.indexes(), ["Default Simple https://company.example/simple/"], "{host:?} {path}");
    }
    let environment = Machine::of(System::Windows).file("venv/pip.ini", pip);
    let venv = environment.folder.path().join("venv").display().to_string();
    assert_eq!(environment.with("VIRTUAL_ENV", &venv).indexes().len(), 1);
}

#[test]
fn another_systems_places_are_not_read() {
    let pip = "[global]\nindex-url = https://other.example/simple\n";
    for (host, path) in [
        (System::Windows, "home/.config/pip/pip.conf"),
        (System::Windows, "home/.pip/pip.conf"),
        (System::Windows, "etc/pip.conf"),
        (System::Mac, "home/pip/pip.ini"),
        (System::Mac, "etc/pip.conf"),
        (System::Linux, "home/Library/Application Support/pip/pip.conf"),
    ] {
        assert!(Machine::of(host).file(path, pip).indexes().is_empty(), "{host:?} {path}");
    }
    let both = Machine::of(System::Mac)
        .file("home/Library/Application Support/pip/pip.conf", "")
        .file("home/.config/pip/pip.conf", pip);
    assert!(both.indexes().is_empty(), "pip looks at one of the two");
}

#[test]
fn the_strongest_of_windows_files_wins_and_nul_is_none() {
    let index = |name: &str| format!("[global]\nindex-url = https://{name}.example/\n");
    let machine = Machine::of(System::Windows)
        .file("ProgramData/pip/pip.ini", &index("all"))
        .file("home/pip/pip.ini", &index("old"))
        .file("home/AppData/Roaming/pip/pip.ini", &index("user"));
    assert_eq!(machine.indexes(), ["Default Simple https://user.example/"]);
    let machine = machine.with("PIP_CONFIG_FILE", "nul");
    assert!(machine.indexes().is_empty());
}

#[test]
fn logins_and_caches_are_where_each_system_has_them() {
    let caches = |host| {
        let machine = Machine::of(host);
        let Caches { pip, poetry } = machine.options().caches;
        let relative = |path: Option<PathBuf>| {
            let path = path.expect("a cache");
            let path = path.strip_prefix(machine.folder.path()).expect("below").to_owned();
            path.display().to_string().replace('\\', "/")
        };
        [relative(pip), relative(poetry)]
    };
    let local = "home/AppData/Local";
    assert_eq!(caches(System::Windows), [format!("{local}/pip/Cache"), format!("{local}/pypoetry/Cache")]);
    let library = "home/Library/Caches";
    assert_eq!(caches(System::Mac), [format!("{library}/pip"), format!("{library}/pypoetry")]);
    for (host, folder) in [
        (System::Windows, "home/AppData/Roaming/pypoetry"),
        (System::Mac, "home/Library/Application Support/pypoetry"),
        (System::Linux, "home/.config/pypoetry"),
    ] {
        let machine = Machine::of(host)
            .file(
                "project/pyproject.toml",
                "[[tool.poetry.source]]\nname = 'mine'\nurl = 'https://m.example/'\n",
            )
            .file(&format!("{folder}/auth.toml"), "[http-basic.mine]\nusername = 'me'\npassword = 'pw'\n");
        assert_eq!(machine.user_of("https://m.example/x").as_deref(), Some("me:pw"), "{host:?}");
    }
}
