//! The plan of a Python image: a virtual environment on a base that has an interpreter.

use std::collections::BTreeMap;

use serde::Serialize;

use super::labels::Facts;
use super::shared::{file_items, format_notes, image_plan, outside_layers, runtime, within_limit};
use super::{ImagePlan, Item, LayerPlan, Names, PlatformPlan, ProjectPlan, TargetPlan};
use crate::config::{Install, Settings};
use crate::error::Result;
use crate::oci::{DEFAULT_PATH, Platform};
use crate::python::{Interpreter, Name};

/// Where the application is in the image.
pub const APP: &str = "/app";
/// Where its virtual environment is.
pub const PREFIX: &str = "/app/.venv";

/// Where an interpreter is that was bundled.
pub const PYTHON_PREFIX: &str = "/usr/local";

/// From this size in bytes on, a wheel has a layer of its own, which is the same in every image.
const LARGE: u64 = 1024 * 1024;

/// What is known of a Python image before it is planned.
#[derive(Debug, Clone)]
pub struct PythonImage<'a> {
    /// The image's name.
    pub name: String,
    /// What all places say about it, folded and checked.
    pub settings: &'a Settings,
    /// Where it goes.
    pub names: Names,
    /// What placeholders stand for.
    pub facts: Facts,
    /// What it runs.
    pub application: Application,
    /// What starts it, if that is known.
    pub start: Option<Start>,
    /// Each platform's environment.
    pub platforms: Vec<PythonPlatform>,
}

/// One platform of a Python image.
#[derive(Debug, Clone)]
pub struct PythonPlatform {
    /// What this image runs on.
    pub platform: Platform,
    /// The base, as it was named.
    pub base: String,
    /// Debian packages that are added to the base, with their versions.
    pub debian: Vec<String>,
    /// The base's `PATH`.
    pub path: Option<String>,
    /// What is installed.
    pub environment: EnvironmentPlan,
}

/// How an application is started, as its source shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables that the program reads.
    pub env: BTreeMap<String, String>,
    /// The port it listens on.
    pub port: Option<u16>,
    /// The signal that ends it, where that is not the usual one.
    pub stop_signal: Option<String>,
}

/// A Python application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Application {
    /// How the project itself gets in.
    pub install: Install,
    /// Why it is started as it is.
    pub reason: Option<String>,
    /// The lock file, relative to the project.
    pub lock: Option<String>,
    /// Dependency groups beside the main dependencies.
    pub groups: Vec<String>,
    /// Extras of the project.
    pub extras: Vec<String>,
    /// Whether bytecode is compiled.
    pub bytecode: bool,
}

/// What is installed for one platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnvironmentPlan {
    /// What runs it.
    pub interpreter: Interpreter,
    /// Where the interpreter is from, if not from the base.
    pub bundled: Option<BundledPlan>,
    /// What is in it, by name.
    pub distributions: Vec<Distribution>,
}

/// A distribution that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Distribution {
    /// Its normalised name (PEP 503).
    pub name: Name,
    /// Its version, where the lock says it.
    pub version: Option<String>,
    /// The wheel's file name; or what it is built from.
    pub file: String,
    /// Whether it has to be built.
    pub built: bool,
}

/// An interpreter of this machine that goes into an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundledPlan {
    /// The folder that it is installed in on this machine.
    pub prefix: String,
    /// Whether it loads a shared library of its own, which the loader has to find.
    pub library: bool,
}

/// Plans one image. Returns notes for the user beside the plan.
///
/// # Errors
/// Usage: too many layers, an owner that cannot be.
pub fn plan_python(image: PythonImage<'_>) -> Result<(ImagePlan, Vec<String>)> {
    let PythonImage { name, settings, names, facts, application, start, platforms } = image;
    let mut notes = Vec::new();
    format_notes(settings, &mut notes);
    let platforms = platforms
        .into_iter()
        .map(|platform| {
            plan_platform(platform, &name, settings, start.as_ref(), &application, &facts, &mut notes)
        })
        .collect::<Result<Vec<_>>>()?;
    notes.dedup();
    let project = ProjectPlan::Python(application);
    Ok((image_plan(name, settings, names, facts, project, platforms), notes))
}

fn plan_platform(
    image: PythonPlatform,
    name: &str,
    settings: &Settings,
    start: Option<&Start>,
    application: &Application,
    facts: &Facts,
    notes: &mut Vec<String>,
) -> Result<PlatformPlan> {
    let PythonPlatform { platform, base, debian, path, environment } = image;
    let command = start.map(|start| start.command.clone());
    let mut runtime = runtime(&platform, settings, command, facts, notes);
    // Whoever sets an entrypoint of his own knows what it reads.
    let start = start.filter(|_| settings.entrypoint.is_none());
    let mut env: BTreeMap<String, String> = [
        ("PATH", search_path(path.as_deref())),
        ("VIRTUAL_ENV", PREFIX.to_owned()),
        ("PYTHONUNBUFFERED", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if environment.bundled.as_ref().is_some_and(|bundled| bundled.library) {
        // The base's cache of libraries was made without it.
        env.insert("LD_LIBRARY_PATH".into(), format!("{PYTHON_PREFIX}/lib"));
    }
    if let Some(start) = start {
        env.extend(start.env.clone());
        runtime.stop_signal = runtime.stop_signal.or_else(|| start.stop_signal.clone());
        if runtime.ports.is_empty() {
            runtime.ports.extend(start.port.map(|port| format!("{port}/tcp")));
        }
    }
    env.retain(|name, _| !runtime.unset_env.contains(name));
    notes.extend(lead(&mut runtime.env));
    env.append(&mut runtime.env);
    runtime.env = env;
    let layers = layers(name, settings, &environment, application)?;
    Ok(PlatformPlan { platform, base, debian, target: TargetPlan::Python(environment), layers, runtime })
}

/// Where programs are looked for: in the environment, then where those of the base are, whose `PATH` this is.
pub fn search_path(base: Option<&str>) -> String {
    format!("{PREFIX}/bin:{}", base.unwrap_or(DEFAULT_PATH))
}

/// Keeps the environment's programs in front of a `PATH` that the settings name: behind it, or without it, a
/// Python that has none of the packages would be started. What was changed, in words.
fn lead(env: &mut BTreeMap<String, String>) -> Option<String> {
    let path = env.get_mut("PATH")?;
    let own = format!("{PREFIX}/bin");
    if path.split(':').any(|folder| folder.trim_end_matches('/') == own) {
        return None;
    }
    *path = if path.is_empty() { own.clone() } else { format!("{own}:{path}") };
    Some(format!("{own}, which has the packages, is added in front of the PATH that env sets"))
}

/// Our layers, from the most stable to the most volatile.
fn layers(
    name: &str,
    settings: &Settings,
    environment: &EnvironmentPlan,
    application: &Application,
) -> Result<Vec<LayerPlan>> {
    let layer = |title: &str, items| LayerPlan { title: title.to_owned(), items };
    let mut layers = outside_layers(settings);
    if environment.bundled.is_some() {
        layers.push(layer(&format!("CPython {}", environment.interpreter.version), vec![Item::Interpreter]));
    }
    if !environment.distributions.is_empty() {
        layers.push(layer("wheels", vec![Item::Wheels]));
        if application.bytecode {
            layers.push(layer("bytecode", vec![Item::Bytecode]));
        }
    }
    layers.push(layer("environment", vec![Item::Skeleton]));
    let items = file_items(settings)?;
    if !items.is_empty() {
        layers.push(layer("files", items));
    }
    layers.push(layer(name, vec![Item::Project]));
    if application.bytecode {
        layers.push(layer(&format!("bytecode of {name}"), vec![Item::ProjectBytecode]));
    }
    within_limit(layers.len(), settings)?;
    Ok(layers)
}

/// Spreads wheels of these `sizes` in bytes, which come in the order of their names, over at most
/// `budget` layers: large ones have a layer each, the largest first while the budget lasts; the
/// others share one, which comes last. Each layer is a list of indices.
pub fn share_out(sizes: &[u64], budget: usize) -> Vec<Vec<usize>> {
    let mut large: Vec<usize> = (0..sizes.len()).filter(|&i| is_large(sizes[i])).collect();
    let all_large = large.len() == sizes.len();
    let most = if all_large && large.len() <= budget { budget } else { budget.saturating_sub(1) };
    if large.len() > most {
        large.sort_by_key(|&i| (std::cmp::Reverse(sizes[i]), i));
        large.truncate(most);
        large.sort_unstable();
    }
    let rest: Vec<usize> = (0..sizes.len()).filter(|i| !large.contains(i)).collect();
    let mut layers: Vec<Vec<usize>> = large.into_iter().map(|i| vec![i]).collect();
    if !rest.is_empty() {
        layers.push(rest);
    }
    layers
}

/// Which wheels will have a layer of their own, once they turn out to be large: those of which the sizes that are still
/// unknown can change nothing. `sizes` in bytes, by name; `budget` as that of [`share_out`].
pub fn surely_alone(sizes: &[Option<u64>], budget: usize) -> Vec<bool> {
    let mut alone = vec![sizes.len() < budget; sizes.len()];
    if let Some(sizes) = sizes.iter().copied().collect::<Option<Vec<u64>>>() {
        let layers = share_out(&sizes, budget);
        layers.iter().filter(|layer| layer.len() == 1).for_each(|layer| alone[layer[0]] = true);
    }
    alone
}

/// Whether a wheel of so many bytes is one that has a layer of its own while the budget lasts.
pub fn is_large(size: u64) -> bool {
    size >= LARGE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, Place, fold, from_toml};
    use crate::python::{Libc, PythonVersion};

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn large_wheels_have_layers_of_their_own_while_the_budget_lasts() {
        let sizes = [10, 3 * MIB, 20, MIB, 2 * MIB];
        assert_eq!(share_out(&sizes, 10), [vec![1], vec![3], vec![4], vec![0, 2]]);
        assert_eq!(share_out(&sizes, 3), [vec![1], vec![4], vec![0, 2, 3]]);
        assert_eq!(share_out(&sizes, 1), [vec![0, 1, 2, 3, 4]]);
        assert_eq!(share_out(&[MIB, MIB], 2), [vec![0], vec![1]]);
        assert_eq!(share_out(&[MIB, MIB, MIB], 2), [vec![0], vec![1, 2]]);
        assert!(share_out(&[], 5).is_empty());
    }

    #[test]
    fn what_is_still_unknown_can_take_nobodys_layer() {
        let known = [10, 3 * MIB, 2 * MIB].map(Some);
        assert_eq!(surely_alone(&known, 4), [true; 3], "the sizes that locks name are hints");
        assert_eq!(surely_alone(&known, 2), [false, true, false]);
        let unknown = [None, Some(3 * MIB), Some(2 * MIB)];
        assert_eq!(surely_alone(&unknown, 4), [true; 3]);
        assert_eq!(surely_alone(&unknown, 3), [false; 3]);
        assert!(is_large(MIB) && !is_large(MIB - 1));
    }

    fn plan(text: &str, start: Option<Start>) -> PlatformPlan {
        plan_of(text, start, None)
    }

    fn plan_of(text: &str, start: Option<Start>, bundled: Option<BundledPlan>) -> PlatformPlan {
        let defaults = "platforms = ['linux/amd64']\nuser = '65532:65532'\nworkdir = '/app'";
        let layers = [(Origin::Default, defaults), (Origin::Flag, text)]
            .map(|(origin, text)| Place { values: from_toml(text, &origin).expect(text), origin });
        let settings = Settings::new(fold(&layers, "web")).expect("settings");
        let facts = Facts { version: "1.0".into(), revision: None, created: "1970-01-01T00:00:00Z".into() };
        let platform: Platform = "linux/amd64".parse().expect("a platform");
        let interpreter = Interpreter {
            path: "/usr/local/bin/python3.13".into(),
            version: PythonVersion { major: 3, minor: 13, micro: 5 },
            libc: Libc::Glibc { major: 2, minor: 36 },
            platform: platform.clone(),
        };
        let distribution = Distribution {
            name: "flask".parse().expect("a name"),
            version: Some("3.0".into()),
            file: "flask-3.0-py3-none-any.whl".into(),
            built: false,
        };
        let image = PythonImage {
            name: "web".into(),
            names: Names { references: Vec::new(), tags: vec!["1.0".into()], has_siblings: false },
            facts,
            application: Application {
                install: Install::Source,
                reason: None,
                lock: None,
                groups: vec![],
                extras: vec![],
                bytecode: settings.python.bytecode,
            },
            start,
            platforms: vec![PythonPlatform {
                platform,
                base: "python:3.13-slim".into(),
                debian: vec![],
                path: Some("/usr/local/bin:/usr/bin".into()),
                environment: EnvironmentPlan { interpreter, bundled, distributions: vec![distribution] },
            }],
            settings: &settings,
        };
        plan_python(image).expect("a plan").0.platforms.remove(0)
    }

    #[test]
    fn layers_go_from_stable_to_volatile() {
        let titles = |text: &str| -> Vec<String> {
            plan(text, None).layers.into_iter().map(|layer| layer.title).collect()
        };
        assert_eq!(titles(""), ["wheels", "environment", "web"]);
        assert_eq!(
            titles("bytecode = true\nvolumes = ['/data']\nlayers = ['x']"),
            ["layer 1", "wheels", "bytecode", "environment", "files", "web", "bytecode of web"]
        );
    }

    #[test]
    fn a_bundled_interpreter_lies_below_the_wheels_and_its_library_is_found() {
        let plan = plan_of("", None, Some(BundledPlan { prefix: "/opt/py".into(), library: true }));
        let titles: Vec<_> = plan.layers.iter().map(|layer| layer.title.as_str()).collect();
        assert_eq!(titles, ["CPython 3.13.5", "wheels", "environment", "web"]);
        assert_eq!(plan.runtime.env["LD_LIBRARY_PATH"], "/usr/local/lib");
        let plan = plan_of("", None, Some(BundledPlan { prefix: "/opt/py".into(), library: false }));
        assert!(!plan.runtime.env.contains_key("LD_LIBRARY_PATH"));
    }

    #[test]
    fn the_environment_comes_first_on_the_path_and_what_starts_it_can_be_replaced() {
        let start = Start {
            command: vec!["uvicorn".into(), "main:app".into()],
            env: [("UVICORN_PORT".to_owned(), "8000".to_owned())].into(),
            port: Some(8000),
            stop_signal: Some("SIGINT".into()),
        };
        let runtime = plan("env = { X = '1' }", Some(start.clone())).runtime;
        assert_eq!(runtime.env["PATH"], "/app/.venv/bin:/usr/local/bin:/usr/bin");
        for (set, path) in [
            ("/usr/bin:/bin", "/app/.venv/bin:/usr/bin:/bin"),
            ("/opt/tool/bin:/app/.venv/bin", "/opt/tool/bin:/app/.venv/bin"),
            ("", "/app/.venv/bin"),
        ] {
            let env = plan(&format!("env = {{ PATH = '{set}' }}"), None).runtime.env;
            assert_eq!(env["PATH"], path);
        }
        assert_eq!((runtime.env["UVICORN_PORT"].as_str(), runtime.env["X"].as_str()), ("8000", "1"));
        assert_eq!(runtime.ports, ["8000/tcp"]);
        assert_eq!(runtime.stop_signal.as_deref(), Some("SIGINT"));
        let set = plan("stop-signal = 'SIGQUIT'", Some(start.clone())).runtime;
        assert_eq!(set.stop_signal.as_deref(), Some("SIGQUIT"));
        assert_eq!(runtime.entrypoint, Some(start.command.clone()));
        let own =
            plan("entrypoint = 'python -m web'\nports = [80]\nunset-env = ['PYTHONUNBUFFERED']", Some(start));
        assert_eq!(own.runtime.ports, ["80/tcp"]);
        assert_eq!(own.runtime.stop_signal, None);
        assert!(!own.runtime.env.contains_key("UVICORN_PORT"));
        assert!(!own.runtime.env.contains_key("PYTHONUNBUFFERED"));
    }
}
