//! Building through cargo: one call for all target triples that can share one, its messages read
//! as JSON, so that the right executable is found whatever the profile, target folder or
//! workspace.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::crates::Compiled;
use super::inputs::Reads;
use super::messages::{Artifact, Messages};
use super::project::not_runnable;
use super::remap::Remap;
use super::rustc::Facts;
use super::settings::Settings;
use super::target::{self, Linking};
use super::{Binary, Cargo, Locking, Project, local, lockfile, rustflags, trouble};
use crate::error::{Context, Error, Result};
use crate::event::Events;
use crate::interrupt;
use crate::process::{Program, relay};
use crate::redact;
use crate::store::Store;

/// So long cargo's last words are waited for when it is done.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What to build, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The binaries, at least one.
    pub binaries: Vec<Binary>,
    /// The target triple, maybe with a version of glibc behind it ([`target::bare`]).
    pub triple: String,
    /// Cargo's profile: `release`, `dev`, or one of the project's own.
    pub profile: String,
    /// The features that are switched on in all of them.
    pub features: Features,
    /// Whether Cargo.lock may change, and whether the network may be used.
    pub locking: Locking,
    /// How many jobs at once, if not cargo's own number.
    pub jobs: Option<u32>,
    /// Another target folder, relative to cargo's folder.
    pub target_dir: Option<PathBuf>,
    /// The profile's `strip`; `None` leaves it as the project has it.
    pub strip: Option<String>,
    /// Whether the libc is linked in. Musl targets mostly do that anyway.
    pub crt_static: bool,
    /// Whether cargo is told to be quiet.
    pub quiet: bool,
    /// Whether it is asked afterwards what was read.
    pub is_traced: bool,
}

impl Request {
    /// A static, stripped release build of `binaries` for `triple`.
    pub fn new(binaries: Vec<Binary>, triple: impl Into<String>) -> Self {
        Self {
            binaries,
            triple: triple.into(),
            profile: "release".into(),
            features: Features::default(),
            locking: Locking::default(),
            jobs: None,
            target_dir: None,
            strip: Some("symbols".into()),
            crt_static: true,
            quiet: false,
            is_traced: false,
        }
    }
}

impl Request {
    /// The target folder, absolute.
    pub fn target_dir(&self, cargo: &Cargo, project: &Project) -> PathBuf {
        let given = self.target_dir.as_ref();
        given.map_or_else(|| project.target_directory.clone(), |dir| cargo.dir().join(dir))
    }
}

/// Which features to build with, in cargo's flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    /// `--features`
    pub features: Vec<String>,
    /// `--all-features`
    pub all: bool,
    /// `--no-default-features`
    pub no_default: bool,
}

impl Features {
    /// Those of them that are for the package `id`, when the packages `selected` are built one by one.
    /// What is for none of them is kept for all, so that cargo says it.
    #[must_use]
    pub fn of(&self, id: &str, selected: &[&str], project: &Project) -> Self {
        let package = |id: &str| project.metadata.packages.iter().find(|package| package.id.repr == id);
        let Some(own) = package(id) else { return self.clone() };
        let others: Vec<_> =
            selected.iter().filter(|other| **other != id).filter_map(|other| package(other)).collect();
        let words =
            self.features.iter().flat_map(|text| text.split([',', ' '])).filter(|word| !word.is_empty());
        let is_own = |word: &&str| takes(own, word) || !others.iter().any(|other| takes(other, word));
        Self { features: words.filter(is_own).map(str::to_owned).collect(), ..self.clone() }
    }
}

/// Whether cargo takes the feature for this package: `name`, `dependency/name` or `package/name`.
fn takes(package: &cargo_metadata::Package, feature: &str) -> bool {
    let depends =
        |name: &str| package.dependencies.iter().find(|d| d.rename.as_deref().unwrap_or(&d.name) == name);
    match feature.split_once('/') {
        Some((of, _)) if of == package.name.as_str() => true,
        Some((of, _)) => depends(of.trim_end_matches('?')).is_some(),
        None => package.features.contains_key(feature) || depends(feature).is_some_and(|d| d.optional),
    }
}

/// A program that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executable {
    /// Which of the requests it was built for, by its place.
    pub request: usize,
    /// The target triple that it was built for.
    pub triple: String,
    /// The name of its package.
    pub package: String,
    /// The name of the binary.
    pub bin: String,
    /// The file, absolute.
    pub path: PathBuf,
    /// What was compiled for it.
    pub compiled: Compiled,
    /// What compiled it.
    pub compiler: Compiler,
    /// What was read for it, where that is asked and known.
    pub reads: Option<Reads>,
}

/// A compiler, by what it reports of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiler {
    /// Its release, such as `1.95.0`.
    pub release: String,
    /// The commit that it was built from.
    pub commit: Option<String>,
}

/// A call of cargo, ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// All that follows the program's name, the verb first.
    pub arguments: Vec<OsString>,
    /// What it gets in its environment beside the user's own.
    pub variables: Vec<(String, OsString)>,
    /// What to try if it fails, judged by what this machine lacks.
    pub advice: Option<String>,
    /// What compiles.
    pub compiler: Compiler,
}

/// Finds out how cargo has to be called for `request`, without building. The compiler's answers
/// are remembered in `store`.
///
/// # Errors
/// When the target is unknown, its standard library is missing, or nothing can link for it.
pub fn prepare(
    cargo: &Cargo,
    project: &Project,
    request: &Request,
    store: Option<&Store>,
) -> Result<Invocation> {
    let triple = target::bare(&request.triple);
    let settings = Settings::read(cargo);
    let facts = Facts::read(cargo, &settings, triple, store)?;
    target::require_std(cargo, &settings, &facts, triple)?;
    let linking = target::linking(cargo, &settings, &facts, &request.triple)?;

    let remap = Remap::new(cargo, project, &settings, &request.target_dir(cargo, project), &facts);
    let mut flags = rustflags::in_force(cargo, &settings, &facts, triple);
    flags.extend(remap.rustflags());
    if request.crt_static {
        flags.extend(["-C".to_owned(), "target-feature=+crt-static".to_owned()]);
    }
    let cc = if remap.is_odd() { lockfile::oldest(project, "cc") } else { None };
    let mut variables = remap.c_variables(cargo.environment(), &facts, triple, cc.as_ref());
    variables.push(("CARGO_ENCODED_RUSTFLAGS".into(), rustflags::encode(&flags).into()));
    if let Linking::With(linker) = &linking {
        variables.push((target::variable(triple, "LINKER"), linker.into()));
    }
    let command = if linking == Linking::Zigbuild { "zigbuild" } else { "build" };
    Ok(Invocation {
        arguments: arguments(cargo, project, request, &[&request.triple], command),
        variables,
        advice: target::advice(cargo, &settings, &facts, triple),
        compiler: Compiler { release: facts.release, commit: facts.commit },
    })
}

fn arguments(
    cargo: &Cargo,
    project: &Project,
    request: &Request,
    triples: &[&str],
    command: &str,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        vec![command.into(), "--message-format=json-render-diagnostics".into()];
    let mut add = |flag: &str, value: OsString| arguments.extend([flag.into(), value]);
    add("--manifest-path", project.root_manifest().into());
    for triple in triples {
        add("--target", triple.into());
    }
    add("--profile", request.profile.clone().into());
    let mut packages: Vec<&Binary> = request.binaries.iter().collect();
    packages.dedup_by_key(|binary| &binary.package_id);
    for binary in packages {
        // Cargo before 1.77 has ids that it does not take back.
        let id = Some(&binary.package_id).filter(|id| id.starts_with("path+")).unwrap_or(&binary.package);
        add("--package", id.into());
    }
    for binary in &request.binaries {
        add("--bin", binary.name.clone().into());
    }
    if !request.features.features.is_empty() {
        add("--features", request.features.features.join(",").into());
    }
    if let Some(jobs) = request.jobs {
        add("--jobs", jobs.to_string().into());
    }
    if let Some(dir) = &request.target_dir {
        add("--target-dir", cargo.dir().join(dir).into());
    }
    for text in cargo.overrides() {
        add("--config", text.into());
    }
    for text in cargo.unstable() {
        add("-Z", text.into());
    }
    if let Some(strip) = &request.strip {
        add(
            "--config",
            format!("profile.{}.strip={}", request.profile, toml::Value::from(strip.as_str())).into(),
        );
    }
    let features =
        [(request.features.all, "--all-features"), (request.features.no_default, "--no-default-features")];
    let switches = features.into_iter().chain([(request.quiet, "--quiet")]);
    arguments.extend(switches.filter(|(asked, _)| *asked).map(|(_, flag)| flag.into()));
    arguments.extend(request.locking.flags().map(OsString::from));
    arguments.extend(cargo.build_flags().iter().map(OsString::from));
    arguments
}

/// Several requests that one call of cargo serves: they differ in their target triples only.
struct Call<'a> {
    requests: Vec<&'a Request>,
    /// Their places among all requests.
    places: Vec<usize>,
    invocation: Invocation,
}

impl<'a> Call<'a> {
    /// Puts the requests that can share a call together, so that cargo builds for several
    /// platforms at the same time.
    fn plan(
        cargo: &Cargo,
        project: &Project,
        requests: &'a [Request],
        store: Option<&Store>,
    ) -> Result<Vec<Self>> {
        let mut calls: Vec<Self> = Vec::new();
        for (place, request) in requests.iter().enumerate() {
            let invocation = prepare(cargo, project, request, store)?;
            match calls.iter_mut().find(|call| call.serves(request, &invocation)) {
                Some(call) => {
                    call.places.push(place);
                    call.add(cargo, project, request, invocation);
                }
                None => calls.push(Self { requests: vec![request], places: vec![place], invocation }),
            }
        }
        Ok(calls)
    }

    fn serves(&self, request: &Request, invocation: &Invocation) -> bool {
        // A custom target's file does not name its folder in the target directory.
        let custom = |request: &Request| request.triple.ends_with(".json");
        let own = &self.invocation.variables;
        let contradicts =
            |(name, value): &(String, OsString)| own.iter().any(|(own, v)| own == name && v != value);
        let first = self.requests[0];
        let same = Request { triple: first.triple.clone(), ..request.clone() };
        same == *first
            && !custom(request)
            && !custom(first)
            && self.invocation.arguments.first() == invocation.arguments.first()
            && !invocation.variables.iter().any(contradicts)
    }

    fn add(&mut self, cargo: &Cargo, project: &Project, request: &'a Request, other: Invocation) {
        self.requests.push(request);
        let triples: Vec<&str> = self.requests.iter().map(|request| request.triple.as_str()).collect();
        let command = self.invocation.arguments[0].to_string_lossy().into_owned();
        self.invocation.arguments = arguments(cargo, project, request, &triples, &command);
        self.invocation.variables.extend(other.variables);
        self.invocation.advice = self.invocation.advice.take().or(other.advice);
    }

    /// What is built, for people.
    fn what(&self) -> String {
        let names: Vec<&str> = self.requests[0].binaries.iter().map(|binary| binary.name.as_str()).collect();
        let triples: Vec<&str> = self.requests.iter().map(|request| request.triple.as_str()).collect();
        format!("{} for {}", names.join(", "), triples.join(", "))
    }

    async fn run(&self, cargo: &Cargo, project: &Project, events: &Events) -> Result<Vec<Executable>> {
        events.step("Building", self.what());
        let Invocation { arguments, variables, advice, compiler } = &self.invocation;
        let shown = redact::clean(&format!("{arguments:?} with {variables:?}")).into_owned();
        tracing::debug!(program = %cargo.program().display(), "calling cargo: {shown}");
        let mut command = cargo.command(cargo.program());
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped());
        if local::names_logins(project) {
            let color = if std::io::stderr().is_terminal() { "always" } else { "auto" };
            if cargo.environment().get("CARGO_TERM_COLOR").is_none() {
                command.env("CARGO_TERM_COLOR", color);
            }
            command.stderr(Stdio::piped());
        }
        // Git may ask for the password of a dependency's repository.
        let program = Program::new(command).may_ask();
        let mut running = program.start().map_err(|e| not_runnable(cargo, e))?;
        let stderr = running.child.stderr.take();
        let said = stderr.map(|stderr| tokio::spawn(relay(stderr, std::io::stderr())));
        // Left with the program, whose end comes before that of its stream: cargo must not find it broken and say so.
        let stdout =
            running.child.stdout.as_mut().ok_or_else(|| Error::bug("cargo has no standard output"))?;
        let messages = Messages::read(stdout).await.context(|| "cannot read the output of cargo".into())?;
        if let Some(said) = said {
            // A daemon that cargo has started, as caches of compilers are, may keep the stream open.
            let _ = tokio::time::timeout(LAST_WORDS, said).await;
        }
        let status = running.wait().await.context(|| "cannot wait for cargo".into())?;
        interrupt::check()?;
        if !status.success() {
            let error = Error::build(format!("cargo could not build {}", self.what()));
            let triple = target::bare(&self.requests[0].triple);
            let known = trouble::advice(cargo, &messages, triple).or_else(|| advice.clone());
            return Err(match known.or_else(|| trouble::cpp(cargo, &messages, triple)) {
                Some(advice) => error.hint(advice),
                None => error,
            });
        }
        let alone = self.requests.len() == 1;
        let mut found = Vec::new();
        let targets: Vec<String> = self.requests.iter().map(|request| folder_of(&request.triple)).collect();
        for (place, request) in self.places.iter().zip(&self.requests) {
            let target_dir = request.target_dir(cargo, project);
            let folders = [target_dir.as_path(), project.build_directory.as_path()];
            for binary in &request.binaries {
                let folder = target_dir.join(target::bare(&request.triple));
                let path = executable(binary, (!alone).then_some(&folder), &messages.programs)?;
                let (package, bin) = (binary.package.clone(), binary.name.clone());
                let compiled = Compiled::of(&messages.units, &folders, &targets, &folder_of(&request.triple));
                let (triple, compiler) = (request.triple.clone(), compiler.clone());
                let reads = request.is_traced.then(|| Reads::of(&path, &folders, &messages)).flatten();
                let request = *place;
                found.push(Executable { request, triple, package, bin, path, compiled, compiler, reads });
            }
        }
        Ok(found)
    }
}

/// The name of the folder with the results for a target: a custom one is named by its file.
fn folder_of(triple: &str) -> String {
    let target = Path::new(target::bare(triple));
    let stem = if target.extension().is_some_and(|end| end == "json") { target.file_stem() } else { None };
    stem.unwrap_or(target.as_os_str()).to_string_lossy().into_owned()
}

/// Builds the binaries of all `requests`. Cargo's own progress and diagnostics go to standard
/// error. Dropping the future ends cargo.
///
/// # Errors
/// As [`prepare`], and when the build fails.
pub async fn build(
    cargo: &Cargo,
    project: &Project,
    requests: &[Request],
    store: Option<&Store>,
    events: &Events,
) -> Result<Vec<Executable>> {
    let mut found = Vec::new();
    // One after the other: cargo's lock on the target folder allows no more.
    for call in Call::plan(cargo, project, requests, store)? {
        found.extend(call.run(cargo, project, events).await?);
    }
    Ok(found)
}

/// The path of a binary that was built; below `folder`, the one of its triple, where the call was for
/// several.
fn executable(binary: &Binary, folder: Option<&PathBuf>, artifacts: &[Artifact]) -> Result<PathBuf> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let named = |path: &Path| {
        folder.is_none_or(|folder| path.starts_with(folder) || real(path).starts_with(real(folder)))
    };
    artifacts
        .iter()
        .filter(|artifact| artifact.package_id == binary.package_id && artifact.target.name == binary.name)
        .filter_map(|artifact| artifact.executable.as_deref())
        .find(|path| named(path))
        .map(Path::to_owned)
        .ok_or_else(|| {
            Error::build(format!("cargo finished, but reported no program {}", binary.name))
                .hint("run `cargo build` yourself to see what it makes")
        })
}

#[cfg(test)]
mod tests {
    use super::super::messages::tests::artifact;
    use super::*;
    use crate::system::System;

    fn binary(package: &str, name: &str) -> Binary {
        Binary {
            package_id: format!("path+file:///w/{package}#1.0.0"),
            package: package.into(),
            name: name.into(),
        }
    }

    #[tokio::test]
    async fn executables_are_found_by_package_and_name_among_other_lines() {
        let messages = [
            "a macro says hello\n".to_owned(),
            artifact("a", "app", "lib", "null"),
            artifact("other", "app", "bin", "\"/other\""),
            artifact("a", "app", "example", "\"/example\""),
            artifact("a", "app", "bin", "\"/t/app\""),
            artifact("a", "app", "bin", "\"/arm/t/x86/release/app\""),
            artifact("a", "app", "bin", "\"/arm/t/arm/release/app\""),
            "{\"reason\":\"build-finished\",\"success\":true}\n".to_owned(),
        ]
        .concat();
        let artifacts = Messages::read(messages.as_bytes()).await.expect("messages").programs;
        let found = executable(&binary("a", "app"), None, &artifacts).expect("the program");
        assert_eq!(found, Path::new("/t/app"));
        let folder = PathBuf::from("/arm/t/arm");
        let arm = executable(&binary("a", "app"), Some(&folder), &artifacts).expect("the program");
        assert_eq!(arm, Path::new("/arm/t/arm/release/app"), "below the target folder");
        let error = executable(&binary("a", "none"), None, &artifacts).expect_err("not there");
        assert!(error.to_string().contains("none"), "{error}");
    }

    #[test]
    fn every_wish_becomes_a_flag_of_cargo() {
        let metadata = serde_json::json!({"workspace_members": [], "workspace_default_members": [], "packages": [],
            "target_directory": "/w/target", "version": 1, "workspace_root": "/w"});
        let metadata = cargo_metadata::MetadataCommand::parse(metadata.to_string()).expect("metadata");
        let project = Project::from_metadata(metadata);
        let cargo = Cargo::new("/w/sub", Default::default()).with_config(vec!["a.b=1".into()]);
        let mut request = Request::new(vec![binary("a", "x"), binary("a", "y")], "t");
        request.features = Features { features: vec!["f".into(), "g".into()], all: true, no_default: true };
        request.locking = Locking { locked: true, offline: false, frozen: false };
        request.jobs = Some(2);
        request.target_dir = Some("out".into());
        request.quiet = true;
        let line = arguments(&cargo, &project, &request, &["t"], "build").join(" ".as_ref());
        assert_eq!(
            line.to_str().map(|line| System::HERE.slashes(line)).as_deref(),
            Some(
                "build --message-format=json-render-diagnostics --manifest-path /w/Cargo.toml --target t --profile \
                 release --package path+file:///w/a#1.0.0 --bin x --bin y --features f,g --jobs 2 --target-dir \
                 /w/sub/out --config a.b=1 --config profile.release.strip=\"symbols\" --all-features \
                 --no-default-features --quiet --locked"
            )
        );
        request.strip = None;
        let kept = arguments(&cargo, &project, &request, &["t"], "build").join(" ".as_ref());
        assert!(!kept.display().to_string().contains("strip"));
    }
    #[test]
    fn each_package_gets_the_features_that_are_for_it() {
        let package = |name: &str, features: serde_json::Value, dependency: &str| {
            serde_json::json!({"name": name, "version": "1.0.0", "id": name, "targets": [], "features": features,
                "manifest_path": "/w/Cargo.toml", "dependencies": [{"name": dependency, "req": "*", "kind": null,
                "optional": true, "uses_default_features": true, "features": []}]})
        };
        let packages = [
            package("a", serde_json::json!({"tls": [], "both": []}), "x"),
            package("b", serde_json::json!({"both": []}), "y"),
        ];
        let metadata = serde_json::json!({"workspace_members": ["a", "b"], "workspace_default_members": ["a", "b"],
            "packages": packages, "target_directory": "/w/target", "version": 1, "workspace_root": "/w"});
        let metadata = cargo_metadata::MetadataCommand::parse(metadata.to_string()).expect("metadata");
        let project = Project::from_metadata(metadata);
        let asked = ["tls,both", "b/both y/z", "typo", "x"].map(str::to_owned).to_vec();
        let features = Features { features: asked, ..Features::default() };
        let of = |id: &str| features.of(id, &["a", "b"], &project).features.join(" ");
        assert_eq!(of("a"), "tls both typo x");
        assert_eq!(of("b"), "both b/both y/z typo");
        assert_eq!(features.of("a", &["a"], &project).features.len(), 6, "alone, all are cargo's to judge");
    }
}
