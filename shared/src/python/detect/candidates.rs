//! Applications of known frameworks in the source.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Question;
use super::candidate::{Candidate, Form};
use super::django;
use super::files::{Source, sources};
use super::frameworks::{ASGI, FRAMEWORKS, Framework, Serves, WSGI};
use super::making::{Made, Makers};
use super::ports::literal_port;
use super::servers::{self, Interface};
use super::shelf::{Module, Shelf};
use super::wrap::{App, Apps, wrap};
use crate::python::syntax::{Call, Outline, Value};

/// What was found in the source.
#[derive(Debug, Default)]
pub(super) struct Findings<'a> {
    /// All applications, except those mounted in others or served by what is put around them.
    pub(super) candidates: Vec<Candidate<'a>>,
    /// Django's `WSGI_APPLICATION` and `ASGI_APPLICATION`: `package.module.name`.
    pub(super) settings: Vec<String>,
}

/// Reads the files that name what makes an application of a framework that is installed.
pub(super) fn find<'a>(question: &Question<'a>) -> Findings<'a> {
    let known: Vec<&'static Framework> =
        FRAMEWORKS.iter().filter(|framework| question.has(framework.distribution)).collect();
    let needles = needles(question, &known);
    if needles.is_empty() {
        return Findings::default();
    }
    let mut makers = Makers::of(&known);
    let mut shelf = Shelf::new(sources(question));
    let has_django = question.has("django");
    let entry = |source: &Source| has_django && django::is_entry(source.path).is_some();
    let mut modules = shelf.take(needles.iter().copied(), entry);
    // What makes an application here may be called in a file that names no framework.
    for _ in 0..4 {
        let learned = makers.learn(&modules);
        let found = shelf.take(learned.iter().map(String::as_str), |_| false);
        if found.is_empty() {
            break;
        }
        modules.extend(found);
    }
    // What is put around an application may be in a file of its own, if that is named for it.
    let held = modules.iter().enumerate().flat_map(|(at, module)| instances(at, module, &makers));
    let names: BTreeSet<String> = held.map(|app| app.name).collect();
    shelf.retain(|source| source.is_usual());
    modules.extend(shelf.take(names.iter().map(String::as_str), |_| false));
    collect(question, modules, &makers, &known)
}

/// What the text of a file has to hold that is worth to be parsed.
fn needles(question: &Question, known: &[&'static Framework]) -> BTreeSet<&'static str> {
    // A short name is in every file; the framework's is not.
    let of_maker = |maker: &&'static str| match maker.rsplit('.').next() {
        Some(name) if name.len() > 4 && name != "Application" => name,
        _ => maker.split('.').next().unwrap_or(maker),
    };
    let mut needles: BTreeSet<&'static str> =
        known.iter().flat_map(|known| known.makers).map(of_maker).collect();
    needles.extend(known.iter().filter(|known| known.makers.is_empty()).map(|known| known.distribution));
    if !known.is_empty() {
        needles.extend([".mount(", "Mount(", "add_subapp("]);
    }
    if question.has("django") {
        needles.extend(["WSGI_APPLICATION", "ASGI_APPLICATION"]);
    }
    if servers::speaks(question, Interface::Wsgi) {
        needles.insert("start_response");
    }
    if servers::speaks(question, Interface::Asgi) {
        needles.insert("receive, send");
    }
    needles
}

/// All candidates in the modules.
fn collect<'a>(
    question: &Question,
    modules: Vec<Module<'a>>,
    makers: &Makers,
    known: &[&'static Framework],
) -> Findings<'a> {
    let mounted: BTreeSet<String> =
        modules.iter().flat_map(|module| module.outline.mounted.iter().cloned()).collect();
    let mut apps: Apps = BTreeMap::new();
    for (at, module) in modules.iter().enumerate() {
        for app in instances(at, module, makers) {
            let path = path_of(module, &app.name);
            // Folders that are no packages may hold modules of one name.
            let path =
                if apps.contains_key(&path) { format!("{}/{path}", module.source.folder()) } else { path };
            apps.insert(path, app);
        }
    }
    let inner = wrap(&modules, makers, &mut apps, &mounted);
    if question.has("django") {
        django::by_convention(&modules, &mut apps);
    }
    apps.retain(|path, app| {
        let spoken = match app.made.framework.distribution {
            "" if app.made.framework.title == WSGI.title => servers::speaks(question, Interface::Wsgi),
            "" if app.made.framework.title == ASGI.title => servers::speaks(question, Interface::Asgi),
            _ => true,
        };
        spoken && !mounted.contains(path) && !inner.contains(path)
    });
    let mut findings = Findings::default();
    for (at, module) in modules.iter().enumerate() {
        findings.settings.extend(django::settings_of(&module.outline));
        let own: Vec<&App> = apps.values().filter(|app| app.module == at).collect();
        findings.candidates.extend(of_module(module, &own, &mounted, makers, known));
    }
    findings
}

fn path_of(module: &Module, name: &str) -> String {
    format!("{}.{name}", module.source.module)
}

/// The candidates of one module, whose applications are `apps`.
fn of_module<'a>(
    module: &Module<'a>,
    apps: &[&App],
    mounted: &BTreeSet<String>,
    makers: &Makers,
    known: &[&'static Framework],
) -> Vec<Candidate<'a>> {
    let Module { source, outline } = module;
    let imports = outline.imports.values().filter_map(|path| path.split('.').next()).map(str::to_owned);
    let imports: BTreeSet<String> = imports.collect();
    let (own_start, own_port) = (own_start(outline), literal_port(outline, None));
    let candidate = |made: Made, name: &str, form| Candidate {
        framework: made.framework,
        serves: made.serves,
        source: source.clone(),
        name: name.to_owned(),
        form,
        imports: imports.clone(),
        own_start,
        own_port,
    };
    let mut found: Vec<Candidate> =
        apps.iter().map(|app| candidate(app.made, &app.name, Form::Instance)).collect();
    for function in outline.functions.iter().filter(|function| function.callable()) {
        let aio = |made: &Made| !function.is_async || made.serves == Serves::AioHttp;
        let public = !function.name.starts_with('_') && !function.name.starts_with("test");
        if public
            && !mounted.contains(&path_of(module, &function.name))
            && let Some(made) = makers.made_by(function, &source.module).filter(aio)
        {
            found.push(candidate(made, &function.name, Form::Factory { is_async: function.is_async }));
        }
    }
    let script = known.iter().find(|known| is_script(known, outline));
    let made = |framework: &&'static Framework| Made { framework, serves: framework.serves };
    found.extend(script.map(made).map(|made| candidate(made, "", Form::Script)));
    found
}

/// The names of a module that hold applications, each once.
fn instances(at: usize, module: &Module, makers: &Makers) -> Vec<App> {
    let body = &module.outline.body;
    let mut found: BTreeMap<String, Made> = BTreeMap::new();
    for binding in &body.bindings {
        // `api = app` is no second application.
        let alias = matches!(&binding.value, Value::Path(path) if body.last(path).is_some());
        let made = makers.bound(binding, body, &module.source.module).filter(|_| !alias);
        found.extend(made.map(|made| (binding.name.clone(), made)));
    }
    // Dash is no WSGI application itself, but has one.
    let dashes: Vec<String> = found
        .iter()
        .filter(|(_, made)| made.framework.title == "Dash")
        .map(|(name, _)| name.clone())
        .collect();
    let mut servers: BTreeMap<&str, &str> = BTreeMap::new();
    for binding in body.bindings.iter().rev() {
        if let Value::Path(path) = &binding.value {
            servers.insert(path, &binding.name);
        }
    }
    for dash in dashes {
        let Some(made) = found.remove(&dash) else { continue };
        let server = format!("{dash}.server");
        let within = match body.last(&dash).map(|binding| &binding.value) {
            Some(Value::Call(call)) => call
                .keywords
                .iter()
                .any(|(key, value)| key == "server" && matches!(value, Value::Path(_) | Value::Call(_))),
            _ => false,
        };
        match servers.get(server.as_str()) {
            Some(name) => drop(found.insert((*name).to_owned(), made)),
            // Served by the application it was given.
            None if within => {}
            None => drop(found.insert(server, made)),
        }
    }
    found.into_iter().map(|(name, made)| App { module: at, name, made }).collect()
}

fn is_script(framework: &Framework, outline: &Outline) -> bool {
    let runs = || outline.body.calls.iter().chain(outline.main.iter().flat_map(|main| &main.calls));
    match framework.serves {
        Serves::Streamlit => {
            let shows = |call: &Rc<Call>| call.callee.starts_with("streamlit.");
            runs().any(shows) || outline.called_by(runs()).any(|own| own.body.calls.iter().any(shows))
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
    let functions = outline.called_by(main.calls.iter());
    let mut calls = main.calls.iter().chain(functions.flat_map(|own| &own.body.calls));
    let run = calls.find(|call| call.callee == "aiohttp.web.run_app")?;
    let port = run.keywords.iter().find(|(key, _)| key == "port");
    match port {
        Some((_, Value::Int(port))) => u16::try_from(*port).ok(),
        _ => Some(8080),
    }
}
