//! Applications of known frameworks in the source.

use std::collections::{BTreeMap, BTreeSet};

use super::Question;
use super::ast::{Binding, Call, Outline, Scope, Value, outline};
use super::files::{Source, sources};
use super::ports::literal_port;

/// What a framework's application needs to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    /// An ASGI server.
    Asgi,
    /// A WSGI server.
    Wsgi,
    /// Its own server.
    Sanic,
    /// Its own server, or gunicorn with its worker.
    AioHttp,
    /// Its own program, which takes the file.
    Streamlit,
    /// Nothing: the file is a program.
    Gradio,
    /// Its own worker.
    Celery,
}

/// A framework.
#[derive(Debug)]
pub(super) struct Framework {
    /// How it calls itself.
    pub(super) title: &'static str,
    /// The distribution that it is, which is also what its modules are named.
    pub(super) distribution: &'static str,
    /// What serves it.
    pub(super) serves: Serves,
    /// What makes its applications.
    makers: &'static [&'static str],
}

const fn framework(
    title: &'static str,
    distribution: &'static str,
    serves: Serves,
    makers: &'static [&'static str],
) -> Framework {
    Framework { title, distribution, serves, makers }
}

/// All frameworks that are known.
static FRAMEWORKS: [Framework; 19] = [
    framework("FastAPI", "fastapi", Serves::Asgi, &["fastapi.FastAPI", "fastapi.applications.FastAPI"]),
    framework("Starlette", "starlette", Serves::Asgi, &["starlette.applications.Starlette"]),
    framework("Litestar", "litestar", Serves::Asgi, &["litestar.Litestar", "litestar.app.Litestar"]),
    framework("Quart", "quart", Serves::Asgi, &["quart.Quart", "quart.app.Quart"]),
    framework(
        "BlackSheep",
        "blacksheep",
        Serves::Asgi,
        &["blacksheep.Application", "blacksheep.server.Application"],
    ),
    framework("Falcon", "falcon", Serves::Asgi, &["falcon.asgi.App"]),
    framework("Sanic", "sanic", Serves::Sanic, &["sanic.Sanic", "sanic.app.Sanic"]),
    framework(
        "Flask",
        "flask",
        Serves::Wsgi,
        &["flask.Flask", "flask.app.Flask", "werkzeug.middleware.dispatcher.DispatcherMiddleware"],
    ),
    framework("APIFlask", "apiflask", Serves::Wsgi, &["apiflask.APIFlask"]),
    framework("Django", "django", Serves::Wsgi, &["django.core.wsgi.get_wsgi_application"]),
    framework(
        "Django",
        "django",
        Serves::Asgi,
        &["django.core.asgi.get_asgi_application", "channels.routing.ProtocolTypeRouter"],
    ),
    framework("Dash", "dash", Serves::Wsgi, &["dash.Dash", "dash.dash.Dash"]),
    framework("Bottle", "bottle", Serves::Wsgi, &["bottle.Bottle", "bottle.default_app", "bottle.app"]),
    framework("Falcon", "falcon", Serves::Wsgi, &["falcon.App", "falcon.API"]),
    framework("Pyramid", "pyramid", Serves::Wsgi, &["pyramid.config.Configurator().make_wsgi_app"]),
    framework("aiohttp", "aiohttp", Serves::AioHttp, &["aiohttp.web.Application"]),
    framework("Streamlit", "streamlit", Serves::Streamlit, &[]),
    framework("Gradio", "gradio", Serves::Gradio, &[]),
    framework("Celery", "celery", Serves::Celery, &["celery.Celery", "celery.app.Celery"]),
];

/// What sort of object a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// An application.
    Instance,
    /// A function that makes one.
    Factory {
        /// Whether it is a coroutine.
        is_async: bool,
    },
    /// The whole file.
    Script,
}

/// Something that could be served.
#[derive(Debug, Clone)]
pub(super) struct Candidate<'a> {
    /// Of which framework.
    pub(super) framework: &'static Framework,
    /// Where it is.
    pub(super) source: Source<'a>,
    /// Its name in the module; empty for a script.
    pub(super) name: String,
    /// What it is.
    pub(super) form: Form,
    /// First names of its absolute imports.
    pub(super) imports: BTreeSet<String>,
    /// The port, if it starts itself and says so in a way that can be read; `None` if it does not
    /// start itself.
    pub(super) own_start: Option<u16>,
    /// The port that the file itself gives to what serves it.
    pub(super) own_port: Option<u16>,
}

impl Candidate<'_> {
    /// For the user: `FastAPI app \`app\` in src/web/main.py`.
    pub(super) fn describe(&self) -> String {
        let (title, path) = (self.framework.title, self.source.path);
        match self.form {
            Form::Instance => format!("{title} app `{}` in {path}", self.name),
            Form::Factory { .. } => format!("{title} factory `{}` in {path}", self.name),
            Form::Script => format!("{title} script {path}"),
        }
    }
}

/// What was found in the source.
#[derive(Debug, Default)]
pub(super) struct Findings<'a> {
    /// All applications, except those mounted in others.
    pub(super) candidates: Vec<Candidate<'a>>,
    /// Django's `WSGI_APPLICATION` and `ASGI_APPLICATION`: `package.module.name`.
    pub(super) settings: Vec<String>,
}

struct Module<'a> {
    source: Source<'a>,
    outline: Outline,
}

/// Makers by their full path; of a function whether it can be called without arguments.
type Makers = BTreeMap<String, &'static Framework>;

/// Reads the files that name a framework that is installed.
pub(super) fn find<'a>(question: &Question<'a>) -> Findings<'a> {
    let known: Vec<&'static Framework> =
        FRAMEWORKS.iter().filter(|framework| question.has(framework.distribution)).collect();
    if known.is_empty() {
        return Findings::default();
    }
    let mut needles: BTreeSet<String> = known.iter().map(|known| known.distribution.to_owned()).collect();
    if question.has("channels") {
        needles.insert("channels".to_owned());
    }
    let mut makers: Makers = known
        .iter()
        .flat_map(|known| known.makers.iter().map(|maker| ((*maker).to_owned(), *known)))
        .collect();
    let mut modules = Vec::new();
    let mut rest = sources(question);
    // What makes an application here may be called in a file that names no framework.
    for _ in 0..4 {
        let (found, others) = read(rest, &needles);
        rest = others;
        let done = found.is_empty();
        modules.extend(found);
        needles = learn(&modules, &mut makers);
        if done && needles.is_empty() {
            break;
        }
    }
    collect(modules, &makers, &known)
}

/// Parses those sources that hold a needle, and returns the others too.
fn read<'a>(sources: Vec<Source<'a>>, needles: &BTreeSet<String>) -> (Vec<Module<'a>>, Vec<Source<'a>>) {
    let (mut modules, mut others) = (Vec::new(), Vec::new());
    if needles.is_empty() {
        return (modules, sources);
    }
    for source in sources {
        let Some(text) = source.text() else { continue };
        if !needles.iter().any(|needle| text.contains(needle.as_str())) {
            others.push(source);
        } else if let Some(outline) = outline(&text, &source.module, source.is_package()) {
            modules.push(Module { source, outline });
        }
    }
    (modules, others)
}

/// Adds the project's own subclasses, factories and re-exports to the makers, and returns the
/// names of the new ones.
fn learn(modules: &[Module], makers: &mut Makers) -> BTreeSet<String> {
    let mut new = BTreeSet::new();
    loop {
        let before = makers.len();
        for Module { source, outline } in modules {
            let mut learned: Vec<(&str, &'static Framework)> = Vec::new();
            for (name, bases) in &outline.classes {
                let framework = bases.iter().find_map(|base| maker(base, &source.module, makers));
                learned.extend(framework.map(|framework| (name.as_str(), framework)));
            }
            for function in outline.functions.iter().filter(|function| function.callable) {
                learned.extend(made_by(function, source, makers).map(|made| (function.name.as_str(), made)));
            }
            for (name, full) in &outline.imports {
                // Frameworks' own makers need no second name.
                let own = !FRAMEWORKS.iter().any(|framework| framework.makers.contains(&full.as_str()));
                learned.extend(makers.get(full).filter(|_| own).map(|made| (name.as_str(), *made)));
            }
            for (name, framework) in learned {
                if makers.insert(format!("{}.{name}", source.module), framework).is_none() {
                    new.insert(name.to_owned());
                }
            }
        }
        if makers.len() == before {
            return new;
        }
    }
}

fn maker(path: &str, module: &str, makers: &Makers) -> Option<&'static Framework> {
    makers.get(path).or_else(|| makers.get(&format!("{module}.{path}"))).copied()
}

/// The framework whose application a function returns.
fn made_by(function: &super::ast::Function, source: &Source, makers: &Makers) -> Option<&'static Framework> {
    let annotated = function.returns.as_deref().and_then(|path| maker(path, &source.module, makers));
    annotated.or_else(|| {
        function.body.returned.iter().find_map(|value| made(value, None, &function.body, source, makers, 4))
    })
}

/// The framework of which `value` is an application.
fn made(
    value: &Value,
    annotation: Option<&str>,
    scope: &Scope,
    source: &Source,
    makers: &Makers,
    hops: u8,
) -> Option<&'static Framework> {
    let hops = hops.checked_sub(1)?;
    let by_value = match value {
        Value::Call(Call { callee, .. }) => {
            let chained = callee.strip_suffix(".make_wsgi_app").and_then(|receiver| {
                let binding = scope.bindings.iter().rev().find(|binding| binding.name == receiver)?;
                let Value::Call(call) = &binding.value else { return None };
                makers.get(&format!("{}().make_wsgi_app", call.callee)).copied()
            });
            chained.or_else(|| maker(callee, &source.module, makers))
        }
        Value::Path(name) => scope.bindings.iter().rev().find(|binding| binding.name == *name).and_then(
            |Binding { annotation, value, .. }| {
                made(value, annotation.as_deref(), scope, source, makers, hops)
            },
        ),
        _ => None,
    };
    let could_be = matches!(value, Value::Call(_) | Value::Path(_));
    by_value.or_else(|| maker(annotation.filter(|_| could_be)?, &source.module, makers))
}

/// All candidates in the modules.
fn collect<'a>(modules: Vec<Module<'a>>, makers: &Makers, known: &[&'static Framework]) -> Findings<'a> {
    let mut findings = Findings::default();
    let mounted: BTreeSet<String> =
        modules.iter().flat_map(|module| module.outline.mounted.iter().cloned()).collect();
    for Module { source, outline } in modules {
        let imports = outline.imports.values().filter_map(|path| path.split('.').next()).map(str::to_owned);
        let imports: BTreeSet<String> = imports.collect();
        let (own_start, own_port) = (own_start(&outline), literal_port(&outline, None));
        let candidate = |framework, name: &str, form| Candidate {
            framework,
            source: source.clone(),
            name: name.to_owned(),
            form,
            imports: imports.clone(),
            own_start,
            own_port,
        };
        let mut found = Vec::new();
        for (name, framework) in instances(&outline, &source, makers) {
            found.push(candidate(framework, &name, Form::Instance));
        }
        for function in outline.functions.iter().filter(|function| function.callable) {
            let aio = |framework: &&Framework| !function.is_async || framework.serves == Serves::AioHttp;
            let public = !function.name.starts_with('_') && !function.name.starts_with("test");
            if let Some(framework) = made_by(function, &source, makers).filter(aio).filter(|_| public) {
                found.push(candidate(
                    framework,
                    &function.name,
                    Form::Factory { is_async: function.is_async },
                ));
            }
        }
        found.retain(|candidate| !mounted.contains(&format!("{}.{}", source.module, candidate.name)));
        let script = known.iter().find(|known| is_script(known, &outline));
        found.extend(script.map(|framework| candidate(*framework, "", Form::Script)));
        findings.candidates.extend(found);
        findings.settings.extend(outline.body.bindings.into_iter().filter_map(|binding| {
            let setting = matches!(binding.name.as_str(), "WSGI_APPLICATION" | "ASGI_APPLICATION");
            match binding.value {
                Value::Text(path) if setting => Some(path),
                _ => None,
            }
        }));
    }
    findings
}

/// The names of a module that hold applications, each once.
fn instances(outline: &Outline, source: &Source, makers: &Makers) -> Vec<(String, &'static Framework)> {
    let body = &outline.body;
    let mut found: BTreeMap<String, &'static Framework> = BTreeMap::new();
    for Binding { name, annotation, value } in &body.bindings {
        // `api = app` is no second application.
        let alias =
            matches!(value, Value::Path(path) if body.bindings.iter().any(|other| other.name == *path));
        let framework = made(value, annotation.as_deref(), body, source, makers, 4).filter(|_| !alias);
        found.extend(framework.map(|framework| (name.clone(), framework)));
    }
    // Dash is no WSGI application itself, but has one.
    let dashes: Vec<String> =
        found.iter().filter(|(_, found)| found.title == "Dash").map(|(name, _)| name.clone()).collect();
    for dash in dashes {
        let Some(framework) = found.remove(&dash) else { continue };
        let server = format!("{dash}.server");
        let named = body.bindings.iter().find(|binding| binding.value == Value::Path(server.clone()));
        let within = body.bindings.iter().any(|binding| {
            let Value::Call(call) = &binding.value else { return false };
            binding.name == dash
                && call
                    .keywords
                    .iter()
                    .any(|(key, value)| key == "server" && matches!(value, Value::Path(_) | Value::Call(_)))
        });
        match named {
            Some(binding) => drop(found.insert(binding.name.clone(), framework)),
            // Served by the application it was given.
            None if within => {}
            None => drop(found.insert(server, framework)),
        }
    }
    found.into_iter().collect()
}

fn is_script(framework: &Framework, outline: &Outline) -> bool {
    let runs = || outline.body.calls.iter().chain(outline.main.iter().flat_map(|main| &main.calls));
    match framework.serves {
        Serves::Streamlit => {
            let shows = |call: &Call| call.callee.starts_with("streamlit.");
            let calls_own = runs().any(|call| outline.functions.iter().any(|own| own.name == call.callee));
            runs().any(shows)
                || (calls_own && outline.functions.iter().any(|own| own.body.calls.iter().any(shows)))
        }
        Serves::Gradio => {
            let imported = outline.imports.values().any(|full| full.split('.').next() == Some("gradio"));
            imported && runs().any(|call| call.callee.ends_with(".launch"))
        }
        _ => false,
    }
}

/// The port on which the module, run as a program, serves an aiohttp application.
fn own_start(outline: &Outline) -> Option<u16> {
    let main = outline.main.as_ref()?;
    let functions =
        outline.functions.iter().filter(|own| main.calls.iter().any(|call| call.callee == own.name));
    let mut calls = main.calls.iter().chain(functions.flat_map(|own| &own.body.calls));
    let run = calls.find(|call| call.callee == "aiohttp.web.run_app")?;
    let port = run.keywords.iter().find(|(key, _)| key == "port");
    match port {
        Some((_, Value::Int(port))) => u16::try_from(*port).ok(),
        _ => Some(8080),
    }
}
