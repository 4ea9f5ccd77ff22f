use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::project::{Kind, Project, PythonProject, RustProject};
use super::remark::Remark;
use super::table::table;
use super::taken::{Taken, taken};
use super::{Draft, Wishes, Workflow, named};
use crate::cargo::{Cargo, Variables};
use crate::config::{Language, Origin, Partial, from_toml};
use crate::dockerfile::Dockerfile;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    folder
}

/// A Python project of these files.
fn python(files: &[(&str, &str)]) -> (TempDir, Project) {
    let folder = folder(files);
    let cargo = Cargo::new(folder.path(), Variables::default());
    let project = Project::look(folder.path(), Language::Python, &cargo).expect("a project");
    (folder, project)
}

/// A Rust project of these files, with binaries by package.
fn rust(files: &[(&str, &str)], bins: &[(&str, &[&str])]) -> (TempDir, Project) {
    let folder = folder(files);
    let bins: BTreeMap<_, _> = bins
        .iter()
        .map(|(name, bins)| ((*name).to_owned(), bins.iter().map(|bin| (*bin).to_owned()).collect()))
        .collect();
    let kind = Kind::Rust(RustProject { bins, ..RustProject::default() });
    let project = Project { dir: folder.path().to_owned(), within: String::new(), kind };
    (folder, project)
}

fn from(text: &str, project: &Project) -> Taken {
    taken(&Dockerfile::read(text).expect("a Dockerfile"), project)
}

/// The keys of the table, a line each.
fn keys(taken: &Taken) -> Vec<String> {
    let text = table("t", &taken.settings, "");
    let read = from_toml(text.strip_prefix("[t]\n").expect("a header"), &Origin::Flag);
    assert!(read.is_ok() || text.contains("[t."), "{text}\n{read:?}");
    text.lines().skip(1).map(str::to_owned).collect()
}

fn lines(remarks: &[Remark]) -> Vec<(usize, bool)> {
    remarks.iter().map(|remark| (remark.line, remark.instead.is_some())).collect()
}

const FASTAPI: &[(&str, &str)] =
    &[("requirements.txt", "fastapi==0.115.0\n"), ("app/main.py", "app = 1\n"), ("start.sh", "#!/bin/sh\n")];

#[test]
fn a_usual_service_needs_few_keys() {
    let (_folder, project) = python(FASTAPI);
    let found = from(
        "FROM python:3.13-slim\nENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 LOG_LEVEL=info\nWORKDIR /code\n\
         COPY requirements.txt .\nRUN pip install -U pip && pip install --no-cache-dir -r requirements.txt\nCOPY . .\n\
         USER 1000\nEXPOSE 8000\nCMD [\"uvicorn\", \"app.main:app\", \"--host\", \"0.0.0.0\"]",
        &project,
    );
    assert_eq!(
        keys(&found),
        [
            "base = \"python:3.13-slim\"",
            "env = { LOG_LEVEL = \"info\" }",
            "ports = [8000]",
            "user = \"1000:1000\"",
            "entrypoint = [\"uvicorn\", \"app.main:app\", \"--host\", \"0.0.0.0\"]",
        ]
    );
    assert_eq!(found.remarks, []);
    assert_eq!(found.requirements, None);
}

#[test]
fn places_have_the_names_of_this_image() {
    let (_folder, project) = python(FASTAPI);
    let found = from(
        "FROM python:3.13-slim\nWORKDIR /code\nCOPY ./requirements.txt /code/requirements.txt\n\
         RUN pip install -r /code/requirements.txt\nCOPY ./app /code/app\nCOPY start.sh /start.sh\nRUN chmod +x /start.sh\n\
         ENV PYTHONPATH=/code/lib URL=https://x/code/ DB=sqlite:////code/db\nUSER nobody\n\
         ENTRYPOINT [\"/start.sh\"]\nCMD [\"python\", \"/code/app/main.py\", \"--x=/code/y\"]",
        &project,
    );
    let keys = keys(&found);
    let env = "env = { DB = \"sqlite:////code/db\", PYTHONPATH = \"/app/lib\", URL = \"https://x/code/\" }";
    for key in [
        env,
        "files = [{ from = \"start.sh\", to = \"/start.sh\" }]",
        "entrypoint = [\"/start.sh\"]",
        "cmd = [\"python\", \"/app/app/main.py\", \"--x=/app/y\"]",
        "executable = [\"start.sh\"]",
        "user = \"65534:65534\"",
    ] {
        assert!(keys.contains(&key.to_owned()), "{key}\n{keys:#?}");
    }
}

#[test]
fn a_part_of_the_project_is_where_it_is_in_the_project() {
    let (_folder, project) = python(&[("requirements.txt", ""), ("src/main.py", ""), ("conf/a.ini", "")]);
    let found = from(
        "FROM python:3.13-slim\nWORKDIR /srv\nCOPY src /srv\nCOPY conf /srv/conf\nUSER 1:1\nCMD python main.py",
        &project,
    );
    let keys = keys(&found);
    assert!(keys.contains(&"workdir = \"/app/src\"".to_owned()), "{keys:#?}");
    assert!(keys.contains(&"files = [{ from = \"conf\", to = \"/app/src/conf\" }]".to_owned()), "{keys:#?}");
}

#[test]
fn a_line_for_the_shell_keeps_its_shell_only_where_it_needs_one() {
    let (_folder, project) = python(FASTAPI);
    let start = |command: &str| {
        let text = format!("FROM python:3.13-slim\nWORKDIR /a\nCOPY . .\nUSER 1:1\nEXPOSE 8080\n{command}");
        let found = from(&text, &project);
        (keys(&found).into_iter().skip(3).collect::<Vec<_>>().join("; "), lines(&found.remarks))
    };
    let entry = |words: &str| format!("entrypoint = [{words}]");
    assert_eq!(start("CMD exec gunicorn app:app"), (entry("\"gunicorn\", \"app:app\""), vec![]));
    assert_eq!(start("CMD poetry run uvicorn x:y").0, entry("\"uvicorn\", \"x:y\""));
    assert_eq!(
        start("CMD [\"uv\", \"run\", \"--no-sync\", \"python\", \"-m\", \"x\"]").0,
        entry("\"python\", \"-m\", \"x\"")
    );
    assert_eq!(start("CMD uv run --frozen x.py").0, entry("\"python\", \"x.py\""));
    assert_eq!(start("ENTRYPOINT [\"uv\"]\nCMD [\"run\", \"x\"]").0, entry("\"x\""));
    assert_eq!(start("CMD [\"/opt/venv/bin/python\", \"x.py\"]").0, entry("\"python\", \"x.py\""));
    assert_eq!(
        start("ENTRYPOINT [\"tini\", \"--\"]\nCMD [\"x\"]").0,
        format!("{}; init = true", entry("\"x\""))
    );
    assert_eq!(start("CMD python a.py && exec b").0, entry("\"sh\", \"-c\", \"python a.py && exec b\""));
    assert_eq!(
        start("CMD poetry run a && uv run --frozen b c").0,
        entry("\"sh\", \"-c\", \"a && exec b c\"")
    );
    let (keys, remarks) = start("CMD gunicorn -b :$PORT app:app");
    assert_eq!(keys, "user = \"1:1\"; entrypoint = [\"sh\", \"-c\", \"exec gunicorn -b :$PORT app:app\"]");
    assert_eq!(remarks, [(6, false)], "the platform's port has a value");
    assert!(start("CMD gunicorn -b :${PORT:-80} app:app").1.is_empty());
}

#[test]
fn packages_that_only_build_stay_out() {
    let (_folder, project) = python(FASTAPI);
    let found = from(
        "FROM python:3.13-slim AS build\nRUN apt-get install -y cmake ffmpeg\nFROM python:3.13-slim\n\
         RUN apt-get update && apt-get install -y --no-install-recommends -o x=y gcc libpq-dev curl=7.88 python3-lxml \\\n \
         libxml2-dev && rm -rf /var/lib/apt/lists/*\nUSER 1:1\n\
         HEALTHCHECK --interval=5s --retries=3 CMD curl -f x || exit 1",
        &project,
    );
    let keys = keys(&found);
    assert_eq!(keys[1], "debian = [\"libpq5\", \"curl\", \"libxml2\"]");
    assert_eq!(
        keys[3],
        "healthcheck = { command = [\"CMD-SHELL\", \"curl -f x || exit 1\"], interval = \"5s\", retries = 3 }"
    );
    assert_eq!(lines(&found.remarks), [(4, false), (4, true), (4, false)]);
    let without = from("FROM python:3.13-slim\nUSER 1:1\nHEALTHCHECK CMD [\"curl\", \"x\"]", &project);
    assert_eq!(lines(&without.remarks), [(3, true)], "there is no curl");
}

#[test]
fn what_is_installed_beside_the_requirements_becomes_a_file_to_lock() {
    let (_folder, project) = python(FASTAPI);
    let text = |run: &str| {
        from(&format!("FROM python:3.13-slim\nUSER 1:1\nCOPY . /app\n{run}"), &project).requirements
    };
    assert_eq!(text("RUN pip install --no-cache-dir -r /app/requirements.txt fastapi"), None);
    let head = "# The requirements that the Dockerfile installs.\n";
    assert_eq!(
        text("RUN pip install gunicorn 'uvicorn[standard]>=0.20'"),
        Some(format!("{head}-r requirements.txt\ngunicorn\nuvicorn[standard]>=0.20\n"))
    );
    let (_folder, project) = python(&[
        ("pyproject.toml", "[project]\nname = 'x'\nversion = '1'\ndependencies = []"),
        (
            "uv.lock",
            "version = 1\nrequires-python = '>=3.12'\n[[package]]\nname = 'x'\nversion = '1'\nsource = { virtual = '.' }",
        ),
    ]);
    let found = from(
        "FROM ghcr.io/astral-sh/uv:python3.12-bookworm-slim\nUSER 1:1\nRUN uv sync --frozen --extra web --group=prod\nRUN pip install extra-tool",
        &project,
    );
    let keys = keys(&found);
    assert_eq!(keys[0], "base = \"python:3.12-slim-bookworm\"");
    assert!(
        keys.contains(&"groups = [\"prod\"]".to_owned()) && keys.contains(&"extras = [\"web\"]".to_owned())
    );
    assert_eq!(lines(&found.remarks), [(1, false), (4, true)]);
}

#[test]
fn users_and_folders_are_those_of_the_commands() {
    let (_folder, project) = python(FASTAPI);
    let found = from(
        "FROM python:3.13-slim\nWORKDIR /app\nRUN groupadd -g 2000 g && useradd -u 1500 -g g -m app\nCOPY . .\n\
         RUN mkdir -p /app/logs /data/{a,b} /app && chown -R app:g /app\nVOLUME /data/b\nUSER app\nSTOPSIGNAL SIGINT",
        &project,
    );
    let dir = |path: &str| format!("{{ path = \"{path}\", owner = \"1500:2000\" }}");
    let keys = keys(&found);
    for key in [
        "volumes = [\"/data/b\"]".to_owned(),
        "owner = \"1500:2000\"".to_owned(),
        "user = \"1500:2000\"".to_owned(),
        "stop-signal = \"SIGINT\"".to_owned(),
        format!("dirs = [{}, {}]", dir("/app/logs"), dir("/data/a")),
    ] {
        assert!(keys.contains(&key), "{key}\n{keys:#?}");
    }
    let unnumbered = from("FROM python:3.13-slim\nRUN adduser --system app\nUSER app", &project);
    assert_eq!((unnumbered.settings.user, lines(&unnumbered.remarks)), (None, vec![(3, false)]));
}

#[test]
fn a_program_of_root_that_writes_to_its_folder_gets_it() {
    let owner = |source: &str, user: &str| {
        let (_folder, project) = python(&[("requirements.txt", ""), ("main.py", source)]);
        let text = format!("FROM python:3.13-slim\nCOPY . /app\n{user}\nCMD [\"python\", \"/app/main.py\"]");
        from(&text, &project).settings.owner.map(|owner| owner.to_string())
    };
    assert_eq!(owner("connect('sqlite:///x.db')", ""), Some("65532:65532".into()));
    assert_eq!(owner("print()", ""), None);
    assert_eq!(
        owner("connect('sqlite:///x.db')", "USER 1000"),
        None,
        "the Dockerfile does not give it either"
    );
    let lock = ("Cargo.lock", "[[package]]\nname = \"libsqlite3-sys\"\nversion = \"1\"\n");
    let (_folder, project) = rust(&[lock], &[("web", &["web"])]);
    let found = from(
        "FROM rust AS b\nFROM debian\nWORKDIR /srv\nCOPY --from=b /t/target/release/web /bin/\nCMD [\"web\"]",
        &project,
    );
    assert!(keys(&found).contains(&"dirs = [{ path = \"/srv\", owner = \"65532:65532\" }]".to_owned()));
}

#[test]
fn scripts_that_speak_of_other_places_are_led_there() {
    let script = "#!/bin/sh\ncd /code && uv run alembic upgrade head\nexec \"$@\"\n";
    let (_folder, project) = python(&[("requirements.txt", ""), ("run.sh", script)]);
    let found = from(
        "FROM python:3.13-slim\nWORKDIR /code\nCOPY . .\nUSER 1:1\nENTRYPOINT [\"./run.sh\"]\nCMD [\"x\"]",
        &project,
    );
    let keys = keys(&found);
    assert!(
        keys.contains(&"layers = [{ command = \"ln -s /app $CONTAINERIZE_LAYER/code\" }]".to_owned()),
        "{keys:#?}"
    );
    assert_eq!(lines(&found.remarks), [(5, true)], "uv is not in the image");
}

#[test]
fn a_static_program_needs_no_base() {
    let (_folder, project) = rust(&[("static/x.css", ""), ("src/main.rs", "")], &[("web", &["web"])]);
    let found = from(
        "FROM rust:1.90 AS build\nWORKDIR /src\nCOPY . .\nRUN cargo build --release --features a,b\n\
         FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y ca-certificates libssl-dev\nWORKDIR /srv\n\
         COPY --from=build /src/target/release/web /usr/bin/web\nCOPY --from=build /src/static ./static\n\
         COPY --from=build /src/config ./config\nUSER 1000:1000\nEXPOSE 53/udp 8000-8001\nCMD [\"web\", \"--port\", \"80\"]",
        &project,
    );
    assert_eq!(
        keys(&found),
        [
            "ports = [\"53/udp\", 8000, 8001]",
            "files = [{ from = \"static\", to = \"/srv/static\" }]",
            "user = \"1000:1000\"",
            "workdir = \"/srv\"",
            "cmd = [\"--port\", \"80\"]",
            "features = [\"a\", \"b\"]",
        ]
    );
    let whys: Vec<&str> = found
        .remarks
        .iter()
        .filter_map(|remark| remark.instead.is_some().then_some(remark.why.as_str()))
        .collect();
    assert_eq!(whys, ["the project has no config"]);
}

#[test]
fn programs_are_known_wherever_they_are_copied() {
    let (_folder, project) = rust(&[], &[("a", &["server", "tool"])]);
    let bin = |text: &str| from(text, &project).settings.bin.map(|bins| bins.0);
    let server = Some(vec!["server".to_owned()]);
    let build = "FROM rust AS b\nWORKDIR /w\nCOPY . .\nRUN cargo build --release && cp target/release/server /bin/renamed\nFROM scratch\n";
    assert_eq!(bin(&format!("{build}COPY --from=b /w/target/release/server /app\nCMD [\"/app\"]")), server);
    assert_eq!(
        bin(&format!(
            "{build}COPY --from=b /w/target/x86_64-unknown-linux-musl/release/server .\nENTRYPOINT [\"./server\"]"
        )),
        server
    );
    assert_eq!(bin(&format!("{build}COPY --from=b /bin/renamed /bin/\nCMD [\"renamed\"]")), server);
    assert_eq!(bin(&format!("{build}COPY --from=b /w/target/release/ /opt/\nCMD /opt/server")), server);
    assert_eq!(bin("FROM rust\nCOPY . .\nRUN cargo install --path .\nCMD [\"server\"]"), server);
    assert_eq!(
        bin("FROM rust\nCOPY . .\nCMD [\"cargo\", \"run\", \"--bin\", \"server\", \"--\", \"-v\"]"),
        server
    );
    assert_eq!(bin(&format!("{build}COPY --from=b /usr/local/cargo/bin/server /x\n")), server);
}

#[test]
fn bases_without_a_shell_get_values_in_place_of_variables() {
    let (_folder, project) = rust(&[], &[("web", &["web"])]);
    let found = from(
        "FROM rust AS b\nFROM gcr.io/distroless/cc-debian12:nonroot\nENV P=80 PO=81\nCOPY --from=b /t/target/release/web /\nCMD /web --port $P --other ${PO:-1}",
        &project,
    );
    assert_eq!(keys(&found)[2], "cmd = [\"--port\", \"80\", \"--other\", \"81\"]");
    let found = from(
        "FROM rust AS b\nFROM gcr.io/distroless/cc-debian12:nonroot\nCOPY --from=b /t/target/release/web /\nCMD /web | tee x",
        &project,
    );
    assert_eq!(lines(&found.remarks), [(4, true)]);
}

#[test]
fn a_base_that_hangs_on_the_call_is_listed_and_the_rest_holds() {
    let (_folder, project) = python(FASTAPI);
    let found = from("ARG V\nFROM python:$V\nUSER 1:1\nCMD [\"x\"]", &project);
    assert_eq!(keys(&found), ["user = \"1:1\"", "entrypoint = [\"x\"]"]);
    assert_eq!(lines(&found.remarks), [(2, true)]);
}

#[test]
fn what_has_no_place_is_listed_with_its_line() {
    let (_folder, project) = python(FASTAPI);
    let found = from(
        "FROM node AS ui\nRUN npm ci\nFROM python:3.13-slim\nARG TOKEN\nUSER 1:1\nCOPY --from=ui /ui/build /app/ui\nADD https://x.org/y /y\n\
         COPY <<EOF /etc/x\nz\nEOF\nRUN playwright install\nRUN curl -LsSf https://astral.sh/uv/install.sh | sh\nLABEL t=$TOKEN\nONBUILD RUN x\nEXPOSE x",
        &project,
    );
    assert_eq!(lines(&found.remarks), [6, 7, 8, 11, 13, 14, 15].map(|line| (line, true)));
}

#[test]
fn a_project_below_the_dockerfile_has_paths_of_its_own() {
    let folder = folder(&[("api/requirements.txt", ""), ("api/main.py", ""), ("shared/x.ini", "")]);
    let kind = Kind::Python(PythonProject::default());
    let project = Project { dir: folder.path().join("api"), within: "api".into(), kind };
    let found = from(
        "FROM python:3.13-slim\nWORKDIR /srv\nCOPY api/requirements.txt .\nRUN pip install -r requirements.txt\nCOPY api .\nCOPY shared /etc/shared\n\
         USER 1:1\nCMD [\"python\", \"/srv/main.py\"]",
        &project,
    );
    let keys = keys(&found);
    assert!(keys.contains(&"entrypoint = [\"python\", \"/app/main.py\"]".to_owned()), "{keys:#?}");
    assert!(
        keys.contains(&"files = [{ from = \"../shared\", to = \"/etc/shared\" }]".to_owned()),
        "{keys:#?}"
    );
    assert_eq!((found.requirements, found.remarks), (None, vec![]));
}

#[test]
fn copies_of_copies_end() {
    let (_folder, project) = rust(&[("a", "")], &[("web", &["web"])]);
    let mut text = String::from("FROM rust AS s0\nCOPY a /x/a\nCOPY a /x/b\n");
    for stage in 1..60 {
        let below = stage - 1;
        text +=
            &format!("FROM rust AS s{stage}\nCOPY --from=s{below} /x /x/l\nCOPY --from=s{below} /x /x/r\n");
    }
    assert!(from(&text, &project).settings.files.is_none_or(|files| files.len() <= 20_000));
}

fn written(
    name: &str,
    text: &str,
    project: &Project,
    settings: &Partial,
    wishes: &Wishes,
) -> Result<String, String> {
    let path = project.dir.join(name);
    if !text.is_empty() {
        fs::write(&path, text).expect("written");
    }
    let draft = Draft::new(project, settings, wishes).map_err(|error| error.to_string())?;
    draft.write(project).map_err(|error| error.to_string())?;
    Ok(fs::read_to_string(path).expect("text"))
}

#[test]
fn the_rest_of_a_manifest_stays_byte_for_byte() {
    let (folder, project) = rust(&[], &[("web", &["web"])]);
    let settings = Partial { repository: Some("ghcr.io/you/web".into()), ..Partial::default() };
    let once = Wishes::default();
    let manifest = "# mine\r\n[package]\r\nname   = 'x' # odd\r\n";
    let expected =
        format!("{manifest}\r\n[package.metadata.containerize]\r\nrepository = \"ghcr.io/you/web\"\r\n");
    assert_eq!(written("Cargo.toml", manifest, &project, &settings, &once), Ok(expected.clone()));
    let again = written("Cargo.toml", "", &project, &Partial::default(), &once);
    assert_eq!(again, Err("Cargo.toml already has [package.metadata.containerize]".into()));
    assert_eq!(
        fs::read_to_string(folder.path().join("Cargo.toml")).expect("text"),
        expected,
        "nothing was touched"
    );
    let force = Wishes { force: true, ..Wishes::default() };
    let text = "[package]\nname = 'x'\n[package.metadata.containerize]\nports = [1]\n[package.metadata.containerize.env]\nA = 'b'\n[dependencies]\nx = '1'\n";
    let replaced = "[package]\nname = 'x'\n[dependencies]\nx = '1'\n\n[package.metadata.containerize]\nrepository = \"ghcr.io/you/web\"\n";
    assert_eq!(written("Cargo.toml", text, &project, &settings, &force), Ok(replaced.into()));
    let inline = "[package]\nname = 'x'\nmetadata = { docs = true }\n";
    let refused = written("Cargo.toml", inline, &project, &settings, &once);
    assert_eq!(
        refused,
        Err("Cargo.toml has [package.metadata] in a form that no table can be added to".into())
    );
    let unended =
        written("Cargo.toml", "[package]\nname = 'x'", &project, &settings, &once).expect("written");
    assert!(unended.starts_with("[package]\nname = 'x'\n\n[package.metadata"), "{unended}");
}

#[test]
fn a_project_of_requirements_gets_a_pyproject_and_nothing_is_replaced() {
    let (folder, project) = python(FASTAPI);
    let wishes = Wishes {
        requirements: Some("flask\n"),
        workflow: Some(Workflow::Github),
        version: "1.2.3",
        ..Wishes::default()
    };
    let text = written("pyproject.toml", "", &project, &Partial::default(), &wishes);
    assert_eq!(
        text,
        Ok("[tool.containerize]\n# Nothing has to be set: the defaults fit this project.\n".into())
    );
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("text");
    assert_eq!(read("requirements.in"), "flask\n");
    assert!(read(".github/workflows/image.yml").contains("containerize/containerize@v1.2.3"));
    fs::write(folder.path().join("requirements.in"), "other\n").expect("written");
    let again = written("pyproject.toml", "[tool.x]\n", &project, &Partial::default(), &wishes);
    assert_eq!(again, Err("requirements.in is already there".into()));
    fs::write(folder.path().join(".gitlab-ci.yml"), "other: {}\n").expect("written");
    let gitlab = Wishes { force: true, workflow: Some(Workflow::Gitlab), ..Wishes::default() };
    let refused = written("pyproject.toml", "[tool.x]\n", &project, &Partial::default(), &gitlab);
    assert_eq!(refused, Err(".gitlab-ci.yml is already there".into()), "it may hold other jobs");
}

#[test]
fn large_folders_without_programs_stay_out() {
    let (folder, project) = python(FASTAPI);
    let large = |name: &str| {
        fs::create_dir_all(folder.path().join(name)).expect("a folder");
        let file = fs::File::create(folder.path().join(name).join("x.bin")).expect("a file");
        file.set_len(30 << 20).expect("a size");
    };
    large("models");
    large("app");
    written("pyproject.toml", "", &project, &Partial::default(), &Wishes::default()).expect("written");
    let text = fs::read_to_string(Path::new(&project.dir).join(".containerignore")).expect("text");
    assert!(text.ends_with("\n# 30 MiB\nmodels\n"), "{text}");
}

/// The remarks as pairs of what is shown and why.
fn whys(found: &Taken) -> Vec<(usize, &str, &str)> {
    found.remarks.iter().map(|remark| (remark.line, remark.text.as_str(), remark.why.as_str())).collect()
}

#[test]
fn secrets_stay_out_of_what_is_written() {
    let (_folder, project) = python(FASTAPI);
    let found = from(
        "FROM python:3.13-slim\nARG DB_PASSWORD=hunter1\nWORKDIR /a\nCOPY . .\nUSER 1:1\nENV A=b API_TOKEN=hunter2\nENV URL=postgres://u:hunter3@h/d B=$DB_PASSWORD\n\
         RUN pip install git+https://tok:hunter4hunter4@github.com/y/z\nENV EMPTY_TOKEN=\"\"\nCMD DEPLOY_KEY=a API_KEY=hunter5 python app/main.py",
        &project,
    );
    let keys = keys(&found).join("\n") + found.requirements.as_deref().unwrap_or_default();
    assert!(!keys.contains("hunter"), "{keys}");
    assert!(keys.contains("env = { A = \"b\", DEPLOY_KEY = \"a\", EMPTY_TOKEN = \"\" }"), "{keys}");
    let shown = format!("{:?}", found.remarks);
    assert!(!shown.contains("hunter"), "{shown}");
    let secret = "the value is a secret, which everybody could read in the image";
    let expected = [
        (6, "env API_TOKEN", secret),
        (7, "env B", secret),
        (7, "env URL", secret),
        (8, "pip install git+https://github.com/y/z", "it holds a login, which stays out of files"),
        (10, "env API_KEY", secret),
    ];
    assert_eq!(whys(&found), expected);
}

#[test]
fn values_that_a_build_would_refuse_are_listed() {
    let (_folder, project) = python(FASTAPI);
    let found = from(
        "FROM python:3.13-slim\nWORKDIR /a\nCOPY . .\nENV \"A B\"=c GOOD=1\nSTOPSIGNAL bogus\nUSER 99999999999\n\
         HEALTHCHECK --interval=abc CMD true\nRUN apt-get install -y curl Wrong_Name\n\
         RUN [\"pip\", \"install\", \"x\\n--index-url http://evil/\"]\nCMD [\"a\"]",
        &project,
    );
    assert_eq!(
        keys(&found),
        [
            "base = \"python:3.13-slim\"",
            "debian = [\"curl\"]",
            "env = { GOOD = \"1\" }",
            "entrypoint = [\"a\"]"
        ]
    );
    assert_eq!(lines(&found.remarks), [4, 5, 6, 7, 8, 9].map(|line| (line, true)), "{:#?}", found.remarks);
    assert_eq!(found.remarks[2].why, "\"99999999999\" is neither an id nor a name");
    assert_eq!(found.requirements, None);
}

#[test]
fn a_folder_that_a_shell_would_read_gets_no_link() {
    let (_folder, project) = python(&[("requirements.txt", ""), ("run.sh", "cd /code;touch x;y\n")]);
    let found = from(
        "FROM python:3.13-slim\nWORKDIR \"/code;touch x;y\"\nCOPY . .\nUSER 1:1\nENTRYPOINT [\"./run.sh\"]",
        &project,
    );
    assert_eq!(found.settings.layers, None);
    assert_eq!(lines(&found.remarks), [(5, true)]);
}

#[test]
fn a_repository_is_checked_and_may_have_a_placeholder() {
    assert_eq!(named("ghcr.io/you/{name}").expect("right"), "ghcr.io/you/{name}");
    for wrong in ["ghcr.io/You/App", "ghcr.io/you/app:tag", "ghcr.io/you/_site", ""] {
        assert!(named(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_surrounds_a_replaced_table_stays() {
    let (_folder, project) = rust(&[], &[("web", &["web"])]);
    let force = Wishes { force: true, ..Wishes::default() };
    let text = "[package]\r\nname = 'x'\r\n\r\n[package.metadata.containerize]\r\n# gone\r\nports = [1]\r\n\r\n# Of the lints.\r\n[lints]\r\n";
    let expected = "[package]\r\nname = 'x'\r\n\r\n# Of the lints.\r\n[lints]\r\n\r\n[package.metadata.containerize]\r\n";
    let after = written("Cargo.toml", text, &project, &Partial::default(), &force).expect("written");
    assert!(after.starts_with(expected), "{after:?}");
    let repository = "[package]\nname = 'x'\n[package.metadata.containerize]\nrepository = 'ghcr.io/a/b'\n";
    fs::write(project.dir.join("Cargo.toml"), repository).expect("written");
    assert_eq!(super::written(&project).as_deref(), Some("ghcr.io/a/b"));
}

#[test]
fn a_second_call_meets_what_the_first_one_wrote() {
    let (folder, project) = python(&[("requirements.txt", "")]);
    let text = "FROM python:3.13-slim\nWORKDIR /a\nCOPY . .\nRUN pip install flask\nUSER 1:1\nCMD [\"x\"]";
    let first = from(text, &project);
    fs::write(folder.path().join("requirements.in"), first.requirements.as_deref().expect("a text"))
        .expect("written");
    let second = from(text, &project);
    assert_eq!((&second.requirements, &second.remarks), (&first.requirements, &first.remarks));
    let wishes = Wishes { requirements: second.requirements.as_deref(), ..Wishes::default() };
    assert!(written("pyproject.toml", "", &project, &Partial::default(), &wishes).is_ok());
}

#[cfg(unix)]
#[test]
fn links_lead_nothing_out_of_the_project() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().expect("a folder");
    let (folder, project) = python(FASTAPI);
    symlink(outside.path().join("missing"), folder.path().join("requirements.in")).expect("a link");
    let wishes = Wishes { requirements: Some("flask\n"), ..Wishes::default() };
    let refused = written("pyproject.toml", "", &project, &Partial::default(), &wishes);
    assert_eq!(refused, Err("requirements.in is already there".into()), "a link that leads nowhere is there");
    symlink(outside.path(), folder.path().join(".github")).expect("a link");
    fs::remove_file(folder.path().join("requirements.in")).expect("removed");
    let wishes = Wishes { workflow: Some(Workflow::Github), ..wishes };
    let refused = written("pyproject.toml", "", &project, &Partial::default(), &wishes);
    let sentence = ".github/workflows/image.yml is behind a link that leads out of the project";
    assert_eq!(refused, Err(sentence.into()));
    assert!(fs::read_dir(outside.path()).expect("a folder").next().is_none());
    assert!(!folder.path().join("requirements.in").exists(), "nothing was written before");
}

#[test]
fn many_names_take_no_square() {
    let (_folder, project) = python(FASTAPI);
    let begun = std::time::Instant::now();
    let names = |text: &str| (0..50_000).map(|at| format!(" {text}{at}")).collect::<String>();
    let copies: String = (0..2_000).map(|at| format!("cp app /z{at}/;")).collect();
    let found = from(
        &format!(
            "FROM python:3.13-slim\nCOPY app /app\nRUN mkdir{}\nRUN apt-get install{}\nRUN {copies}\nUSER 1:1",
            names("/x/y"),
            names("p")
        ),
        &project,
    );
    assert_eq!(found.settings.debian.map(|debian| debian.packages.len()), Some(50_000));
    assert_eq!(found.settings.dirs.map(|dirs| dirs.len()), Some(10_000));
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[test]
fn a_folder_of_the_system_is_not_the_project_s() {
    let (_folder, project) = python(&[("requirements.txt", ""), ("app.conf", ""), ("x.tar.gz", "")]);
    let found = from(
        "FROM python:3.13-slim\nWORKDIR /srv\nCOPY app.conf /etc/app.conf\nADD x.tar.gz /opt/x\nUSER 1:1\nCMD [\"x\"]",
        &project,
    );
    let files = "files = [{ from = \"app.conf\", to = \"/etc/app.conf\" }]";
    assert!(keys(&found).contains(&files.to_owned()), "{:#?}", keys(&found));
    assert_eq!(lines(&found.remarks), [(4, true)], "the archive would be unpacked");
}

#[test]
fn a_name_that_ends_in_rust_s_is_no_toolchain() {
    let (_folder, project) = rust(&[], &[("web", &["web"])]);
    let base = |image: &str| from(&format!("FROM {image}\nUSER 1:1\nCMD [\"web\"]"), &project).settings.base;
    assert!(base("reg.example/trusted/base:1").is_some());
    for image in [
        "rust:1.90",
        "lukemathwalker/cargo-chef:latest",
        "clux/muslrust",
        "docker.io/messense/rust-musl-cross",
    ] {
        assert_eq!(base(image), None, "{image}");
    }
}
