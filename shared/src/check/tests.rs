mod imports;

use std::collections::BTreeSet;

use super::*;
use crate::elf::ElfFacts;
use crate::facts::LayerFacts;
use crate::facts::details::{LayerDetails, Metadata, Module, Opened};
use crate::facts::tree::{Node, NodeKind};

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
const SITE: &str = "usr/local/lib/python3.13/site-packages";

/// A layer in the making.
#[derive(Default, Clone)]
struct Files {
    facts: LayerFacts,
    details: LayerDetails,
}

impl Files {
    fn node(mut self, path: &str, kind: NodeKind, mode: u32) -> Self {
        self.facts.entries.push((path.to_owned(), Node { kind, mode, uid: 0, gid: 0 }));
        self
    }

    fn link(self, path: &str, to: &str) -> Self {
        self.node(path, NodeKind::Symlink(to.into()), 0o777)
    }

    fn file(mut self, path: &str, mode: u32, detail: Detail) -> Self {
        self.details.insert(path.to_owned(), detail);
        self.node(path, NodeKind::File, mode)
    }

    fn text(self, path: &str, text: &str) -> Self {
        let detail =
            if text.starts_with("#!") { Detail::Script(text.into()) } else { Detail::Text(text.into()) };
        self.file(path, 0o755, detail)
    }

    fn elf(self, path: &str, facts: ElfFacts) -> Self {
        self.file(path, 0o755, Detail::Elf(Box::new(facts)))
    }

    /// A program with a loader that needs these libraries.
    fn program(self, path: &str, needed: &[&str]) -> Self {
        self.elf(path, ElfFacts { interpreter: Some(LOADER.into()), ..library(needed) })
    }
}

fn library(needed: &[&str]) -> ElfFacts {
    let needed = needed.iter().map(|&name| name.into()).collect();
    ElfFacts { machine: "amd64".into(), runs: true, needed, ..ElfFacts::default() }
}

/// A base with glibc.
fn glibc() -> Files {
    let libc = ElfFacts { has: vec!["GLIBC_2.2.5".into(), "GLIBC_2.36".into()], ..library(&[]) };
    Files::default()
        .elf(&LOADER[1..], library(&[]))
        .elf("lib/x86_64-linux-gnu/libc.so.6", libc)
        .text("etc/passwd", "root:x:0:0:::\nweb:x:33:33:::\n")
}

/// A base with a CPython.
fn python() -> Files {
    glibc().program("usr/local/bin/python3.13", &["libc.so.6"]).text("usr/local/lib/python3.13/os.py", "")
}

fn config(words: &[&str]) -> ImageConfig {
    let mut config = ImageConfig { architecture: "amd64".into(), ..ImageConfig::default() };
    config.config.entrypoint = Some(words.iter().map(|&word| word.into()).collect());
    config
}

#[test]
fn a_program_is_loaded_with_its_libraries_under_all_their_names() {
    let path = "/usr/local/bin/python3.13";
    let found = |files: Files| {
        let mut fs = FileSystem::default();
        fs.apply(files.facts, files.details, false);
        loads(&fs, &config(&[]), path)
    };
    let named = ElfFacts { soname: Some("libx.so.1".into()), ..library(&["libc.so.6"]) };
    let files = python().program(&path[1..], &["libx.so", "libc.so.6"]).elf("usr/lib/libx.so.1.2", named);
    let files = files.link("usr/lib/libx.so", "libx.so.1.2");
    let loads = found(files).expect("all is there");
    assert_eq!((loads.loader.as_str(), loads.musl), (&LOADER[1..], false));
    let x = "usr/lib/libx.so.1.2";
    let expected = [("libc.so.6", "lib/x86_64-linux-gnu/libc.so.6"), ("libx.so", x), ("libx.so.1", x)];
    assert_eq!(loads.libraries, expected.map(|(name, path)| (name.to_owned(), path.to_owned())).into());
    assert_eq!(found(python().program(&path[1..], &["libgone.so"])), None);
}

fn examined(base: Files, own: Files, config: &ImageConfig) -> Report {
    let mut fs = FileSystem::default();
    fs.apply(base.facts, base.details, false);
    fs.apply(own.facts, own.details, true);
    examine(&fs, config)
}

fn found(base: Files, own: Files, words: &[&str]) -> Vec<(Severity, Kind)> {
    let report = examined(base, own, &config(words));
    report.findings.iter().map(|finding| (finding.severity, finding.kind)).collect()
}

fn message(base: Files, own: Files, words: &[&str]) -> String {
    let report = examined(base, own, &config(words));
    assert_eq!(report.findings.len(), 1, "{report:?}");
    report.findings[0].message.clone()
}

#[test]
fn a_program_whose_libraries_are_there_is_sound() {
    let own = Files::default().program("app", &["libc.so.6"]).link("bin/web", "../app");
    let report = examined(glibc(), own, &config(&["/bin/web"]));
    assert_eq!(report.findings, []);
    assert_eq!(report.checked, ["the program that is started: /bin/web"]);
}

/// The metadata of a distribution in the environment of the image.
fn described(files: Files, site: &str, text: &str) -> Files {
    let mut words = text.split(' ');
    let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let requires = words.map(|word| word.replace('|', " ; ")).collect();
    let metadata = Metadata { name: name.into(), version: version.into(), requires };
    let files = files.node(site, NodeKind::Directory, 0o755);
    files.file(&format!("{site}/{name}-{version}.dist-info/METADATA"), 0o644, Detail::Metadata(metadata))
}

#[test]
fn distributions_have_what_they_need() {
    let own =
        |texts: &[&str]| texts.iter().fold(Files::default(), |files, text| described(files, SITE, text));
    let needs = "Flask 3.1.2 werkzeug>=3.1 x|python_version<'3.13' y|extra=='dotenv'";
    let started = ["/usr/local/bin/python3.13"];
    assert_eq!(found(python(), own(&[needs, "Werkzeug 3.1.9"]), &started), []);
    let words = message(python(), own(&[needs]), &started);
    assert_eq!(words, "flask 3.1.2 needs werkzeug>=3.1, which is not in the image");
    let words = message(python(), own(&[needs, "werkzeug 3.0"]), &started);
    assert_eq!(words, "flask 3.1.2 needs werkzeug>=3.1, but the image has werkzeug 3.0");
    let words = message(python(), own(&[needs, "werkzeug 3.1", "a 1 flask[dotenv]"]), &started);
    assert_eq!(words, "flask 3.1.2 needs y, which is not in the image");
    assert_eq!(
        found(python(), own(&[needs]), &started),
        [(Severity::Warning, Kind::MissingDistribution)],
        "it may be a part that is never used"
    );
    let base = described(python(), SITE, "werkzeug 3.1");
    assert_eq!(found(base, own(&[needs]), &started), [], "the base has it");
    let base = described(python(), SITE, needs);
    assert_eq!(found(base, own(&["a 1"]), &started), [], "the base's own are its maker's matter");
    let elsewhere = described(Files::default(), "opt/tools/lib", needs);
    assert_eq!(found(python(), elsewhere, &started), [], "nothing looks there");
}

#[test]
fn the_way_to_a_missing_library_is_told() {
    let own = Files::default()
        .text("run", "#!/usr/bin/env -S web --fast\n")
        .program("usr/bin/env", &[])
        .program("bin/web", &["liba.so"])
        .elf("usr/lib/liba.so", library(&["libpq.so.5"]));
    let report = examined(glibc(), own, &config(&["/run"]));
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    assert_eq!(finding.message, "/usr/lib/liba.so needs libpq.so.5, which is not in the image");
    assert_eq!(finding.through, ["/run", "/bin/web", "/usr/lib/liba.so"]);
    assert!(finding.fix.as_ref().is_some_and(|fix| fix.contains("libpq5")), "{finding:?}");
}

#[test]
fn libraries_are_found_by_the_loaders_rules_alone() {
    let with = |facts: ElfFacts, at: &str, more: Files| {
        let facts = ElfFacts { interpreter: Some(LOADER.into()), ..facts };
        found(glibc(), more.elf("app/run", facts).elf(at, library(&[])), &["/app/run"])
    };
    let needs = library(&["libx.so"]);
    let (rpath, runpath) = (Some("$ORIGIN/lib".to_owned()), Some("/opt:${ORIGIN}/lib".to_owned()));
    let missing = [(Severity::Error, Kind::MissingLibrary)];
    let none = Files::default;
    assert_eq!(with(needs.clone(), "app/lib/libx.so", none()), missing);
    assert_eq!(with(ElfFacts { rpath, ..needs.clone() }, "app/lib/libx.so", none()), []);
    assert_eq!(with(ElfFacts { runpath, ..needs.clone() }, "app/lib/libx.so", none()), []);
    assert_eq!(with(needs.clone(), "usr/local/lib/libx.so", none()), missing);
    let cache = Detail::LoaderCache(vec![("libx.so".into(), "/usr/local/lib/libx.so".into())]);
    let cached = none().file("etc/ld.so.cache", 0o644, cache);
    assert_eq!(with(needs.clone(), "usr/local/lib/libx.so", cached), []);
    let conf = none().text("etc/ld.so.conf", "/usr/local/lib\n");
    assert_eq!(with(needs, "usr/local/lib/libx.so", conf), missing, "only ldconfig reads it");
}

#[test]
fn a_runpath_does_not_count_for_the_librarys_own_libraries() {
    let facts = |rpath: Option<&str>, runpath: Option<&str>| ElfFacts {
        interpreter: Some(LOADER.into()),
        rpath: rpath.map(str::to_owned),
        runpath: runpath.map(str::to_owned),
        ..library(&["libx.so"])
    };
    let own =
        Files::default().elf("lib/own/libx.so", library(&["liby.so"])).elf("lib/own/liby.so", library(&[]));
    let with = |facts| found(glibc(), own.clone().elf("run", facts), &["/run"]);
    assert_eq!(with(facts(Some("/lib/own"), None)), []);
    assert_eq!(with(facts(None, Some("/lib/own"))), [(Severity::Error, Kind::MissingLibrary)]);
    let both = facts(Some("/lib/own"), Some("/lib/own"));
    assert_eq!(with(both), [(Severity::Error, Kind::MissingLibrary)], "RUNPATH makes RPATH void");
}

#[test]
fn libraries_for_other_machines_are_passed_over() {
    let other = ElfFacts { machine: "arm64".into(), ..library(&[]) };
    let own =
        Files::default().program("run", &["libx.so"]).elf("usr/lib/x86_64-linux-gnu/libx.so", other.clone());
    assert_eq!(found(glibc(), own.clone(), &["/run"])[0], (Severity::Error, Kind::MissingLibrary));
    let own = own.elf("lib/libx.so", library(&[]));
    assert_eq!(found(glibc(), own, &["/run"]), [(Severity::Warning, Kind::WrongMachine)]);
    let own = Files::default().elf("run", other);
    assert_eq!(found(glibc(), own, &["/run"])[0], (Severity::Error, Kind::WrongMachine));
}

#[test]
fn versions_must_be_where_they_are_wanted() {
    let wanting = |version: &str| {
        let wants = vec![("libc.so.6".to_owned(), vec![version.to_owned()])];
        let facts = ElfFacts { interpreter: Some(LOADER.into()), wants, ..library(&["libc.so.6"]) };
        Files::default().elf("run", facts)
    };
    assert_eq!(found(glibc(), wanting("GLIBC_2.36"), &["/run"]), []);
    assert_eq!(
        message(glibc(), wanting("GLIBC_2.38"), &["/run"]),
        "/run needs GLIBC_2.38 of /lib/x86_64-linux-gnu/libc.so.6, which has up to GLIBC_2.36"
    );
    let plain = glibc().elf("lib/x86_64-linux-gnu/libc.so.6", library(&[]));
    assert_eq!(found(plain, wanting("GLIBC_2.38"), &["/run"]), [], "a library without versions has all");
}

#[test]
fn musl_takes_its_own_names_and_no_version_for_what_it_is() {
    let loader = "/lib/ld-musl-x86_64.so.1";
    let base = Files::default().elf(&loader[1..], library(&[])).elf("usr/local/lib/libz.so.1", library(&[]));
    let program = |needed: &[&str]| {
        let wants = vec![("libz.so.1".to_owned(), vec!["ZLIB_9".to_owned()])];
        let facts = ElfFacts { interpreter: Some(loader.into()), wants, ..library(needed) };
        Files::default().elf("run", facts)
    };
    assert_eq!(
        found(base.clone(), program(&["libc.musl-x86_64.so.1", "libpthread.so.0", "libz.so.1"]), &["/run"]),
        []
    );
    assert_eq!(found(base.clone(), program(&["libc.so.6"]), &["/run"]), [(Severity::Error, Kind::WrongLibc)]);
    let path = base.text("etc/ld-musl-x86_64.path", "/opt/lib\n");
    assert_eq!(found(path, program(&["libz.so.1"]), &["/run"]), [(Severity::Error, Kind::MissingLibrary)]);
}

#[test]
fn what_is_started_must_be_there_and_be_a_program() {
    let own = || {
        Files::default()
            .text("script", "#!/bin/bash\n")
            .text("windows", "#!/bin/sh\r\n")
            .node("data", NodeKind::File, 0o755)
            .node("dir", NodeKind::Directory, 0o755)
            .file("closed", 0o644, Detail::Elf(Box::default()))
            .elf("bare", ElfFacts { interpreter: Some("/lib/none".into()), ..library(&[]) })
            .text("loop", "#!/loop\n")
    };
    for (word, kind) in [
        ("/nope", Kind::NoProgram),
        ("nope", Kind::NoProgram),
        ("/dir", Kind::NoProgram),
        ("/script", Kind::NoInterpreter),
        ("/windows", Kind::NoInterpreter),
        ("/bare", Kind::NoInterpreter),
        ("/loop", Kind::NoInterpreter),
        ("/data", Kind::NotExecutable),
        ("/closed", Kind::NotAllowed),
    ] {
        assert_eq!(found(glibc(), own(), &[word])[0], (Severity::Error, kind), "{word}");
    }
    assert_eq!(found(glibc(), own(), &[]).first(), None, "nothing is started");
}

#[test]
fn the_user_must_be_known_and_may_be_stopped_by_a_folder() {
    let own = Files::default().node("srv", NodeKind::Directory, 0o700).program("srv/run", &[]);
    let with = |user: &str| {
        let mut config = config(&["/srv/run"]);
        config.config.user = Some(user.into());
        examined(glibc(), own.clone(), &config).findings
    };
    assert_eq!(with("0"), []);
    let stopped = with("web");
    assert_eq!(stopped[0].message, "the image starts /srv/run, but user 33 may not execute /srv");
    assert_eq!(with("nobody")[0].kind, Kind::NoUser);
}

#[test]
fn a_health_check_that_fails_is_a_warning() {
    let mut config = config(&["/run"]);
    let test = vec!["CMD".to_owned(), "/nope".into()];
    config.config.healthcheck = Some(crate::oci::Healthcheck { test, ..Default::default() });
    let report = examined(glibc(), Files::default().program("run", &[]), &config);
    assert_eq!((report.errors(), report.findings.len()), (0, 1));
    assert_eq!(report.findings[0].through, ["HEALTHCHECK"]);
}

/// A distribution in site-packages: its modules, those of them that need a library, and a tag.
fn distribution(all: &[&str], broken: &[&str], needed: &str, tag: &str) -> Files {
    let mut files = Files::default();
    for name in all {
        let facts = if broken.contains(name) { library(&[needed]) } else { library(&["libc.so.6"]) };
        files = files.elf(&format!("{SITE}/{name}"), facts);
    }
    let record = all.iter().map(|&name| name.into()).collect();
    files
        .file(&format!("{SITE}/x-1.dist-info/RECORD"), 0o644, Detail::Record(record))
        .text(&format!("{SITE}/x-1.dist-info/WHEEL"), &format!("Wheel-Version: 1.0\nTag: {tag}\n"))
}

#[test]
fn a_module_of_a_portable_wheel_may_be_optional() {
    let portable = "cp313-cp313-manylinux_2_28_x86_64";
    let (a, b) = ("x/a.cpython-313-x86_64-linux-gnu.so", "x/b.abi3.so");
    let with = |broken: &[&str], tag| {
        found(python(), distribution(&[a, b], broken, "libtbb.so.12", tag), &["python3.13"])
    };
    assert_eq!(with(&[], portable), []);
    assert_eq!(with(&[a], portable), [(Severity::Warning, Kind::MissingLibrary)]);
    assert_eq!(with(&[a, b], portable), [(Severity::Error, Kind::MissingLibrary)]);
    assert_eq!(with(&[a], "cp313-cp313-linux_x86_64"), [(Severity::Error, Kind::MissingLibrary)]);
}

#[test]
fn what_python_code_may_have_loaded_before_is_no_finding() {
    let module = ["torch.abi3.so"];
    let own = distribution(&module, &module, "libcublas.so.12", "any")
        .elf(&format!("{SITE}/nvidia/lib/libcublas.so.12"), library(&["libcuda.so.1"]));
    let report = examined(python(), own, &config(&["python3.13"]));
    assert_eq!(report.findings, []);
    assert!(report.not_checked.iter().any(|words| words.contains("loads before")), "{report:?}");
    let driver = distribution(&module, &module, "libcuda.so.1", "any");
    let report = examined(python(), driver, &config(&["python3.13"]));
    assert_eq!(report.findings, []);
    assert!(report.not_checked.iter().any(|words| words.contains("libcuda.so.1")), "{report:?}");
}

#[test]
fn a_library_that_the_interpreter_has_loaded_is_there_for_modules() {
    let base = python()
        .elf(
            "usr/local/bin/python3.13",
            ElfFacts {
                interpreter: Some(LOADER.into()),
                rpath: Some("$ORIGIN/../lib".into()),
                ..library(&["libpython3.13.so.1.0"])
            },
        )
        .elf("usr/local/lib/libpython3.13.so.1.0", library(&[]));
    let module = ["m.abi3.so"];
    assert_eq!(
        found(base, distribution(&module, &module, "libpython3.13.so.1.0", "any"), &["python3.13"]),
        []
    );
}

#[test]
fn a_module_for_another_interpreter_is_one_unless_a_sibling_fits() {
    let old = "m.cpython-312-x86_64-linux-gnu.so";
    let with = |all: &[&str]| found(python(), distribution(all, &[], "", "any"), &["python3.13"]);
    assert_eq!(with(&[old]), [(Severity::Error, Kind::WrongPython)]);
    assert_eq!(with(&[old, "m.cpython-313-x86_64-linux-gnu.so"]), []);
    assert_eq!(with(&["m.cpython-313-aarch64-linux-gnu.so"]), [(Severity::Error, Kind::WrongPython)]);
    assert_eq!(with(&["m.so", "m.abi3.so"]), []);
}

#[test]
fn debians_modules_are_for_debians_python() {
    let module = |tag: &str, needed: &[&str]| {
        let path = format!("usr/lib/python3/dist-packages/m.cpython-{tag}-x86_64-linux-gnu.so");
        Files::default().elf(&path, library(needed))
    };
    let alone = examined(python(), module("311", &[]), &config(&["python3.13"]));
    assert_eq!(alone.findings, []);
    assert!(alone.not_checked.iter().any(|words| words.contains("Debian's own Python")), "{alone:?}");
    let debians = || {
        python()
            .program("usr/bin/python3.11", &["libc.so.6"])
            .link("usr/bin/python3", "python3.11")
            .text("usr/lib/python3.11/os.py", "")
    };
    let found = |module| found(debians(), module, &["python3.13"]);
    assert_eq!(found(module("311", &[])), []);
    assert_eq!(found(module("312", &[])), [(Severity::Warning, Kind::WrongPython)]);
    assert_eq!(found(module("311", &["libnone.so.1"])), [(Severity::Warning, Kind::MissingLibrary)]);
}

#[test]
fn the_first_import_must_lead_to_a_file() {
    let script = "#!/usr/local/bin/python3.13\nimport sys\nfrom web.cli import main\nsys.exit(main())\n";
    let own = || Files::default().text("usr/local/bin/web", script);
    let missing = "/usr/local/bin/web imports web.cli, which is not where Python 3.13 looks for it";
    assert_eq!(message(python(), own(), &["web"]), missing);
    let module = own().node(SITE, NodeKind::Directory, 0o755);
    assert_eq!(message(python(), module.clone(), &["web"]), missing);
    let folder = module.clone().node(&format!("{SITE}/web"), NodeKind::Directory, 0o755);
    let whole = folder.clone().text(&format!("{SITE}/web/cli.py"), "");
    assert_eq!(found(python(), whole, &["web"]), []);
    let hook = module.text(&format!("{SITE}/x.pth"), "import x; x.install()\n");
    let report = examined(python(), hook, &config(&["web"]));
    assert_eq!(report.findings, []);
    assert!(report.not_checked.iter().any(|words| words.contains(".pth")), "{report:?}");
    assert_eq!(
        message(python(), folder, &["python3.13", "-m", "web"]),
        "python -m web needs web.__main__, which is not in the image"
    );
}

#[test]
fn the_application_of_a_server_must_be_there() {
    let server = "#!/usr/local/bin/python3.13\nimport sys\nsys.exit(1)\n";
    let own =
        || Files::default().text("usr/local/bin/uvicorn", server).node("srv", NodeKind::Directory, 0o755);
    let with = |own: Files, words: &[&str]| {
        let mut config = config(words);
        config.config.working_dir = Some("/srv".into());
        examined(python(), own, &config).findings.len()
    };
    assert_eq!(with(own(), &["uvicorn", "main:app", "--port", "80"]), 1);
    assert_eq!(with(own().text("srv/main.py", ""), &["uvicorn", "main:app"]), 0);
    assert_eq!(with(own(), &["uvicorn", "--app-dir", "x", "main:app"]), 0, "it looks elsewhere");
}

#[test]
fn a_file_is_run_by_the_python_that_has_the_packages() {
    let environment = || {
        Files::default()
            .text("app/.venv/pyvenv.cfg", "home = /usr/local/bin\ninclude-system-site-packages = false\n")
            .link("app/.venv/bin/python", "/usr/local/bin/python3.13")
            .text("app/.venv/lib/python3.13/site-packages/x-1.dist-info/WHEEL", "Tag: any\n")
            .text("app/main.py", "import x")
    };
    let with = |words: &[&str], own: Files| {
        let mut config = config(words);
        config.config.env.push("VIRTUAL_ENV=/app/.venv".into());
        let findings = examined(python(), own, &config).findings;
        findings.into_iter().map(|finding| finding.message).collect::<Vec<_>>()
    };
    assert_eq!(with(&["/app/.venv/bin/python", "/app/main.py"], environment()), [""; 0]);
    assert_eq!(
        with(&["/usr/local/bin/python3.13", "/app/main.py"], environment()),
        [
            "/app/main.py is run by /usr/local/bin/python3.13, which is not the Python of the environment in /app/.venv, so it finds none of its packages"
        ]
    );
    let empty = Files::default().text("app/main.py", "import x");
    assert_eq!(with(&["/usr/local/bin/python3.13", "/app/main.py"], empty), [""; 0]);
}

#[test]
fn history_tells_what_is_ours() {
    let line = |words: &str, empty| crate::oci::History {
        created_by: Some(words.into()),
        empty_layer: empty,
        ..Default::default()
    };
    let mut config = config(&[]);
    config.rootfs.diff_ids = vec![crate::oci::Digest::of(b"x"); 5];
    config.history = vec![
        line("containerize: base static", None),
        line("containerize: base deb:trixie", None),
        line("ENV x", Some(true)),
        line("COPY . .", None),
        line("containerize: wheels", None),
    ];
    assert_eq!(own_layers(&config), [false, false, false, true, false], "and of the last nobody knows");
    let mut counted = |layers: usize| {
        config.rootfs.diff_ids = vec![crate::oci::Digest::of(b"x"); layers];
        let mut report = Report::default();
        count_layers(&config, &mut report);
        report.findings.pop().map(|finding| (finding.kind, finding.message))
    };
    assert_eq!(counted(125), None);
    let words = "the image has 126 layers, but Docker accepts at most 125";
    assert_eq!(counted(126), Some((Kind::TooManyLayers, words.to_owned())));
}

/// An image with these distributions, each as its folder is called.
fn with_distributions(names: &[&str]) -> Files {
    names.iter().fold(Files::default(), |files, name| {
        files.file(&format!("{SITE}/{name}.dist-info/RECORD"), 0o644, Detail::Record(Vec::new()))
    })
}

fn opened_by_name(base: Files, own: Files) -> Vec<(String, String)> {
    let mut config = config(&["/usr/local/bin/python3.13"]);
    config.config.env = vec!["PATH=/usr/local/bin:/usr/bin".into()];
    let found = examined(base, own, &config).findings.into_iter();
    let found = found.filter(|finding| finding.kind == Kind::OpenedByName);
    found.map(|finding| (finding.message, finding.fix.unwrap_or_default().to_string())).collect()
}

#[test]
fn what_is_opened_by_name_and_is_not_there_is_a_warning() {
    let with_list = || python().program("usr/sbin/ldconfig", &[]);
    let lib = |files: Files, name: &str| files.elf(&format!("usr/lib/x86_64-linux-gnu/{name}"), library(&[]));
    let magic = || with_distributions(&["python_magic-0.4.27"]);
    let (message, fix) = opened_by_name(with_list(), magic()).remove(0);
    assert_eq!(message, "python-magic opens libmagic.so.1, which is not in the image");
    assert!(fix.contains("debian = [\"libmagic1\"]"), "{fix}");
    assert_eq!(opened_by_name(lib(python(), "libmagic.so.1"), magic()), []);

    // Where `find_library` is asked, the library alone does not help.
    let psycopg = || with_distributions(&["psycopg-3.2.3"]);
    assert_eq!(opened_by_name(lib(with_list(), "libpq.so.5"), psycopg()), []);
    let (message, fix) = opened_by_name(lib(python(), "libpq.so.5"), psycopg()).remove(0);
    assert!(message.contains("with ldconfig"), "{message}");
    assert!(fix.contains("\"libpq5\", \"libc-bin\""), "{fix}");

    // Another distribution brings it along, or the wheel itself does.
    assert_eq!(opened_by_name(python(), with_distributions(&["psycopg-3.2.3", "psycopg_binary-3.2.3"])), []);
    let bundled = with_distributions(&["soundfile-0.13.1"])
        .elf(&format!("{SITE}/_soundfile_data/libsndfile_x86_64.so"), library(&[]));
    assert_eq!(opened_by_name(python(), bundled), []);
    assert_eq!(opened_by_name(python(), with_distributions(&["soundfile-0.13.1"])).len(), 1);
}

#[test]
fn what_the_code_of_modules_opens_by_name_is_looked_for() {
    let module = |path: &str, name: &str, searched: bool| {
        let opened = vec![Opened { name: name.into(), searched }];
        Files::default().file(
            &format!("{SITE}/{path}"),
            0o644,
            Detail::Module(Box::new(Module { opened, ..Module::default() })),
        )
    };
    let usb = || module("hid/__init__.py", "libhidapi-hidraw.so.0", false);
    let (message, fix) = opened_by_name(python(), usb()).remove(0);
    assert_eq!(message, "hid opens libhidapi-hidraw.so.0, which is not in the image");
    assert!(fix.contains("debian = [\"libhidapi-hidraw0\"]"), "{fix}");
    let lib = |name: &str| python().elf(&format!("usr/lib/{name}"), library(&[]));
    assert_eq!(opened_by_name(lib("libhidapi-hidraw.so.0"), usb()), []);
    assert_eq!(opened_by_name(lib("libhidapi-hidraw.so.0.13"), usb()).len(), 1, "it is another name");
    // What is looked for is found under any number.
    let found = || module("sound.py", "openal", true);
    assert_eq!(
        opened_by_name(python(), found())[0].0,
        "sound opens libopenal.so.1, which is not in the image"
    );
    assert_eq!(opened_by_name(lib("libopenal.so.1.23"), found()), []);
    let carried = found().elf(&format!("{SITE}/sound.libs/libopenal-0f3.so.1"), library(&[]));
    assert_eq!(opened_by_name(python(), carried), []);
    // Nobody knows what else is called so, and what the base brings is its own matter.
    assert_eq!(opened_by_name(python(), module("own.py", "libown.so.1", false)), []);
    assert_eq!(opened_by_name(usb(), python()), []);
    // Of a distribution that is known it is said once.
    let both = module("magic/loader.py", "magic", true).file(
        &format!("{SITE}/python_magic-0.4.27.dist-info/RECORD"),
        0o644,
        Detail::Record(Vec::new()),
    );
    assert_eq!(opened_by_name(python(), both).len(), 1);
}

#[test]
fn the_package_is_that_of_the_images_debian() {
    let wand = |release: &str| {
        let mut base = python();
        let text = format!("ID=debian\nVERSION_ID=\"{release}\"\n");
        base.facts.notes.insert("etc/os-release".into(), crate::facts::notes::Note::Text(text));
        opened_by_name(base.text("etc/os-release", "ID=debian"), with_distributions(&["wand-0.7.2"]))
            .remove(0)
            .1
    };
    assert!(wand("12").contains("libmagickwand-6.q16-6"), "{}", wand("12"));
    assert!(wand("13").contains("libmagickwand-7.q16-10"), "{}", wand("13"));
}

#[test]
fn programs_that_distributions_run_are_looked_for_on_the_path() {
    let git = || with_distributions(&["GitPython-3.1.44"]);
    let (message, fix) = opened_by_name(python(), git()).remove(0);
    assert_eq!(message, "gitpython runs git, which is not in the image");
    assert!(fix.contains("debian = [\"git\"]"), "{fix}");
    assert_eq!(opened_by_name(python().program("usr/bin/git", &[]), git()), []);
    assert_eq!(opened_by_name(python().program("opt/bin/git", &[]), git()).len(), 1);
}

#[test]
fn a_program_whose_libraries_nothing_loads_is_an_error() {
    let broken = Files::default().elf("usr/bin/app", library(&["libsqlite3.so.0"]));
    assert_eq!(found(glibc(), broken, &["/usr/bin/app"]), [(Severity::Error, Kind::NoInterpreter)]);
    assert_eq!(found(glibc(), Files::default().elf("usr/bin/app", library(&[])), &["/usr/bin/app"]), []);
}

#[test]
fn every_kind_is_named_as_in_results_and_in_the_table_of_the_docs() {
    let docs =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/checks.md")).expect("docs");
    let rows: BTreeSet<&str> = docs
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|row| row.0)
        .collect();
    let named: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(named, rows, "all that the docs explain, and nothing else");
    for kind in Kind::ALL {
        assert_eq!(serde_json::json!(kind), kind.as_str());
        assert!(kind.explained().ends_with('.'), "{kind:?}");
    }
}
