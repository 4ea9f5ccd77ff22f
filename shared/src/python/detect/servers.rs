//! What serves an application, and how it is told to.
//!
//! Where a server reads its address and port from variables it gets them there, so that whoever
//! runs the image can set others; where it does not, in its arguments.

use std::collections::BTreeMap;

use super::candidate::{Candidate, Form};
use super::frameworks::Serves;
use super::gunicorn::{self, Bind};
use super::{Answer, INTERRUPT, Optional, Question};
use crate::error::{Error, Result};
use crate::words;
use crate::words::Words;

/// How a server and an application talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interface {
    /// PEP 3333.
    Wsgi,
    /// The asynchronous one.
    Asgi,
}

/// A production server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Its name, which is its program's too.
    pub(super) name: &'static str,
    /// Distributions that hold it; one is enough.
    distributions: &'static [&'static str],
    asgi: bool,
    wsgi: bool,
}

const fn server(
    name: &'static str,
    distributions: &'static [&'static str],
    asgi: bool,
    wsgi: bool,
) -> Server {
    Server { name, distributions, asgi, wsgi }
}

/// All servers; of those that fit, the first is taken.
static SERVERS: [Server; 9] = [
    server("uvicorn", &["uvicorn"], true, false),
    server("gunicorn", &["gunicorn"], true, true),
    server("granian", &["granian"], true, true),
    server("hypercorn", &["hypercorn"], true, false),
    server("waitress", &["waitress"], false, true),
    server("uwsgi", &["uwsgi", "pyuwsgi"], false, true),
    server("daphne", &["daphne"], true, false),
    server("fastapi", &["fastapi-cli"], true, false),
    server("sanic", &["sanic"], false, false),
];

impl Server {
    /// Where the lock has it, if only in a group or an extra that was not asked for.
    pub(super) fn optional<'q>(&self, question: &Question<'q>) -> Option<&'q Optional> {
        let is_it = |optional: &&Optional| self.distributions.contains(&optional.distribution.as_str());
        question.optional.iter().find(is_it)
    }

    /// Whether it is installed.
    pub(super) fn is_in(&self, question: &Question) -> bool {
        self.distributions.iter().any(|distribution| question.has(distribution))
    }

    fn speaks(&self, interface: Interface) -> bool {
        match interface {
            Interface::Asgi => self.asgi,
            Interface::Wsgi => self.wsgi,
        }
    }
}

/// The server that the user wants.
///
/// # Errors
/// Usage: it is none, or not installed.
pub(super) fn wanted(question: &Question) -> Result<Option<&'static Server>> {
    let Some(name) = question.server else { return Ok(None) };
    let Some(server) = SERVERS.iter().find(|server| server.name.eq_ignore_ascii_case(name)) else {
        let all: Vec<&str> = SERVERS.iter().map(|server| server.name).collect();
        return Err(Error::usage(format!("server = {name:?} is not a known server")).hint(format!(
            "use one of {}; others need an entrypoint under [tool.containerize]",
            all.join(", ")
        )));
    };
    if server.is_in(question) {
        return Ok(Some(server));
    }
    let distribution = server.distributions.first().unwrap_or(&server.name);
    Err(Error::usage(format!("server = {name:?}, but {distribution} is not among the locked dependencies"))
        .hint(match server.optional(question) {
            Some(optional) => optional.words(),
            None => format!("add {distribution} to the dependencies and lock again").into(),
        }))
}

/// The server whose program this is.
pub(super) fn of_program(program: &str) -> Option<&'static Server> {
    let program = if program == "waitress-serve" { "waitress" } else { program };
    SERVERS.iter().find(|server| server.name == program)
}

/// Whether a server that speaks this is installed.
pub(super) fn speaks(question: &Question, interface: Interface) -> bool {
    SERVERS.iter().any(|server| server.speaks(interface) && server.is_in(question))
}

/// The names under which servers are imported or started.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SERVERS.iter().map(|server| server.name)
}

/// The interface that a project with both is served by.
pub(super) fn preferred(question: &Question) -> Interface {
    let chosen = question.server.and_then(|name| SERVERS.iter().find(|s| s.name.eq_ignore_ascii_case(name)));
    if let Some(server) = chosen {
        return if server.wsgi { Interface::Wsgi } else { Interface::Asgi };
    }
    let has = |interface| {
        // Gunicorn alone cannot serve ASGI.
        let able = |server: &&Server| {
            server.speaks(interface) && (interface == Interface::Wsgi || server.name != "gunicorn")
        };
        SERVERS.iter().filter(able).any(|server| server.is_in(question))
    };
    let asynchronous = question.has("channels") || question.has("daphne");
    if has(Interface::Asgi) && (asynchronous || !has(Interface::Wsgi)) {
        Interface::Asgi
    } else {
        Interface::Wsgi
    }
}

/// The command that serves `candidate`; `None` if nothing that could is installed.
///
/// # Errors
/// Usage: the wanted server cannot serve it.
pub(super) fn serve(
    question: &Question,
    candidate: &Candidate,
    wanted: Option<&'static Server>,
) -> Result<Option<Answer>> {
    let is_sanic = wanted.is_none_or(|server| server.name == "sanic");
    let served = match candidate.serves {
        Serves::Asgi => by_server(question, candidate, wanted, Interface::Asgi),
        Serves::Wsgi => by_server(question, candidate, wanted, Interface::Wsgi),
        Serves::Sanic if is_sanic => Some(sanic(question, candidate)),
        Serves::Sanic => by_server(question, candidate, wanted, Interface::Asgi),
        Serves::AioHttp => aiohttp(question, candidate, wanted),
        Serves::Streamlit | Serves::Gradio | Serves::Celery if wanted.is_some() => None,
        Serves::Streamlit => Some(streamlit(question, candidate)),
        Serves::Gradio => Some(gradio(question, candidate)),
        Serves::Celery => Some(celery(candidate)),
    };
    match (served, wanted) {
        (None, Some(server)) => {
            let message = format!("{} cannot serve the {}", server.name, candidate.describe());
            Err(Error::usage(message).hint(format!("set another server, or none: {}", suggestion(candidate))))
        }
        (served, _) => Ok(served.map(|mut answer| {
            if let Some(folder) = &candidate.source.search {
                answer.env.insert("PYTHONPATH".to_owned(), folder.clone());
            }
            answer
        })),
    }
}

/// The servers for this kind of application, the likeliest first.
fn fitting(candidate: &Candidate) -> impl Iterator<Item = &'static Server> {
    let interface = match candidate.serves {
        Serves::Asgi => Some(Interface::Asgi),
        Serves::Wsgi => Some(Interface::Wsgi),
        _ => None,
    };
    let speaks = move |server: &&Server| match interface {
        // It needs another server's worker.
        Some(Interface::Asgi) => server.asgi && server.name != "gunicorn",
        Some(Interface::Wsgi) => server.wsgi,
        None => false,
    };
    SERVERS.iter().filter(speaks)
}

/// What has to be added for an application to be served, in words.
pub(super) fn missing(question: &Question, candidate: &Candidate) -> Words {
    match fitting(candidate).find_map(|server| server.optional(question)) {
        Some(optional) => optional.words(),
        None => suggestion(candidate).into(),
    }
}

/// The server and its arguments that would serve this, had the image one.
pub(super) fn wish(question: &Question, candidate: &Candidate) -> Vec<String> {
    let optional = fitting(candidate).find(|server| server.optional(question).is_some());
    let interface = if candidate.serves == Serves::Asgi { Interface::Asgi } else { Interface::Wsgi };
    let usual = SERVERS.iter().find(|server| server.speaks(interface));
    let Some(server) = optional.or(usual) else { return Vec::new() };
    command(server, question, candidate, interface)
        .map(|Command { words, env, port }| Answer { command: words, env, port, ..Answer::default() }.line())
        .unwrap_or_default()
}

/// Says which server to add.
pub(super) fn none_installed(question: &Question, candidate: &Candidate) -> Error {
    let add = missing(question, candidate);
    Error::usage(format!(
        "no production server for the {} is among the locked dependencies",
        candidate.describe()
    ))
    .hint(words!("{add}, or set entrypoint = [...] under [tool.containerize] in pyproject.toml"))
}

fn suggestion(candidate: &Candidate) -> String {
    let is_dash_without_server = candidate.name.contains('.');
    match candidate.serves {
        Serves::Wsgi if is_dash_without_server => {
            format!(
                "write `server = {}` in {} and add gunicorn to the dependencies",
                candidate.name, candidate.source.path
            )
        }
        Serves::Asgi => "add uvicorn to the dependencies".to_owned(),
        Serves::Wsgi | Serves::AioHttp => "add gunicorn to the dependencies".to_owned(),
        _ => format!("{} brings its own", candidate.framework.title),
    }
}

fn by_server(
    question: &Question,
    candidate: &Candidate,
    wanted: Option<&'static Server>,
    interface: Interface,
) -> Option<Answer> {
    let fits = |server: &&Server| match wanted {
        Some(wanted) => server.name == wanted.name,
        None => server.is_in(question),
    };
    // Gunicorn is the first choice for WSGI; for ASGI it needs what serves as well without it.
    let late = |server: &&Server| interface == Interface::Asgi && server.name == "gunicorn";
    // Unless the project configures it: then it is what the project wants.
    let configured = gunicorn::config(question).is_some();
    let late = |server: &&Server| late(server) && !configured;
    let able = || SERVERS.iter().filter(|server| server.speaks(interface)).filter(fits);
    let early = |server: &&Server| server.name == "gunicorn" && configured;
    let between = |server: &&Server| !late(server) && !early(server);
    let mut ordered = able().filter(early).chain(able().filter(between)).chain(able().filter(late));
    ordered.find_map(|server| {
        let Command { words, env, port } = command(server, question, candidate, interface)?;
        let reason = format!("{}, served by {}", candidate.describe(), server.name);
        let stop_signal = (server.name == "waitress").then_some(INTERRUPT);
        Some(Answer { command: words, env, port, stop_signal, reason, ..Answer::default() })
    })
}

/// A command and the variables it reads.
struct Command {
    words: Vec<String>,
    env: BTreeMap<String, String>,
    port: Option<u16>,
}

fn say(words: &[&str], env: &[(&str, &str)]) -> Command {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Command { words: words.iter().map(|word| (*word).to_owned()).collect(), env, port: None }
}

/// How gunicorn is told where to listen, which a configuration of its own may say.
fn gunicorn(question: &Question, words: &[&str]) -> Command {
    let mut command = say(words, &[]);
    let bind = gunicorn::config(question).map_or(Bind::None, |config| config.bind);
    command.port = bind.open(question.port, &mut command.words, &mut command.env);
    command
}

fn port(question: &Question, customary: u16) -> u16 {
    question.port.unwrap_or(customary)
}

/// `module:name`.
fn reference(candidate: &Candidate) -> String {
    format!("{}:{}", candidate.source.module, candidate.name)
}

/// `module:name`, or `module:name()` for what has to be called.
fn called(candidate: &Candidate) -> String {
    let call = if matches!(candidate.form, Form::Factory { .. }) { "()" } else { "" };
    format!("{}{call}", reference(candidate))
}

/// How one server is told; `None` if it cannot serve what this is.
fn command(
    server: &Server,
    question: &Question,
    candidate: &Candidate,
    interface: Interface,
) -> Option<Command> {
    let number = port(question, 8000);
    let port = number.to_string();
    let address = format!("0.0.0.0:{port}");
    let (app, called) = (&*reference(candidate), &*called(candidate));
    let factory = matches!(candidate.form, Form::Factory { .. });
    let flag: &[&str] = if factory { &["--factory"] } else { &[] };
    // Gunicorn and uWSGI look a name up, and know no attributes of it.
    let plain = !candidate.name.contains('.');
    let spoken = match server.name {
        "uvicorn" => say(
            &[&["uvicorn"], flag, &[app]].concat(),
            &[("UVICORN_HOST", "0.0.0.0"), ("UVICORN_PORT", &port)],
        ),
        "granian" => {
            let interface = if interface == Interface::Asgi { "asgi" } else { "wsgi" };
            let words = [&["granian", "--interface", interface], flag, &[app]].concat();
            say(&words, &[("GRANIAN_HOST", "0.0.0.0"), ("GRANIAN_PORT", &port)])
        }
        "hypercorn" => say(&["hypercorn", "--bind", &address, called], &[]),
        "gunicorn" if interface == Interface::Wsgi && plain => {
            return Some(gunicorn(question, &["gunicorn", called]));
        }
        "gunicorn"
            if interface == Interface::Asgi && gunicorn::config(question).is_some_and(|c| c.has_worker) =>
        {
            return Some(gunicorn(question, &["gunicorn", called]));
        }
        "gunicorn" if interface == Interface::Asgi => {
            let worker = if question.has("uvicorn-worker") {
                "uvicorn_worker.UvicornWorker"
            } else if question.has("uvicorn") {
                "uvicorn.workers.UvicornWorker"
            } else {
                return None;
            };
            return Some(gunicorn(question, &["gunicorn", "-k", worker, called]));
        }
        "waitress" => {
            let listen = format!("--listen={address}");
            let call: &[&str] = if factory { &["--call"] } else { &[] };
            say(&[&["waitress-serve", &*listen], call, &[app]].concat(), &[])
        }
        // It takes SIGTERM for a wish to start anew, unless told otherwise.
        "uwsgi" if plain => say(
            &["uwsgi", "--http", &address, "--master", "--die-on-term", "--need-app", "--module", called],
            &[],
        ),
        "daphne" if !factory => say(&["daphne", "-b", "0.0.0.0", "-p", &port, app], &[]),
        "fastapi" if !factory && candidate.framework.title == "FastAPI" => {
            let path = candidate.source.path;
            say(
                &["fastapi", "run", path, "--app", &candidate.name, "--host", "0.0.0.0", "--port", &port],
                &[],
            )
        }
        _ => return None,
    };
    Some(Command { port: Some(number), ..spoken })
}

fn answer(command: Command, port: Option<u16>, reason: String) -> Answer {
    Answer { command: command.words, env: command.env, port, reason, ..Answer::default() }
}

fn sanic(question: &Question, candidate: &Candidate) -> Answer {
    let port = port(question, 8000);
    let (app, number) = (reference(candidate), port.to_string());
    // The manager of several processes does not always end on SIGTERM.
    let mut words = vec!["sanic", &app, "--host", "0.0.0.0", "--port", &number, "--single-process"];
    if matches!(candidate.form, Form::Factory { .. }) {
        words.push("--factory");
    }
    answer(say(&words, &[]), Some(port), format!("{}, served by sanic", candidate.describe()))
}

fn aiohttp(question: &Question, candidate: &Candidate, wanted: Option<&'static Server>) -> Option<Answer> {
    let by_gunicorn = wanted.map_or(question.has("gunicorn"), |server| server.name == "gunicorn");
    if by_gunicorn {
        // The worker awaits coroutines itself.
        let awaited = candidate.form == Form::Factory { is_async: true };
        let app = if awaited { reference(candidate) } else { called(candidate) };
        let words = ["gunicorn", "-k", "aiohttp.GunicornWebWorker", &app];
        let reason = format!("{}, served by gunicorn", candidate.describe());
        let command = gunicorn(question, &words);
        let port = command.port;
        return Some(answer(command, port, reason));
    }
    let port = candidate.own_start.filter(|_| wanted.is_none())?;
    let words = ["python", "-m", &candidate.source.module];
    Some(answer(say(&words, &[]), Some(port), format!("{}, which serves itself", candidate.describe())))
}

fn streamlit(question: &Question, candidate: &Candidate) -> Answer {
    let port = port(question, 8501);
    let number = format!("--server.port={port}");
    let path = candidate.source.path;
    let words = [
        "streamlit",
        "run",
        path,
        "--server.address=0.0.0.0",
        &number,
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
    ];
    answer(say(&words, &[]), Some(port), candidate.describe())
}

fn gradio(question: &Question, candidate: &Candidate) -> Answer {
    // What the program says itself wins over the variable.
    let port = candidate.own_port.unwrap_or_else(|| port(question, 7860));
    let env = [("GRADIO_SERVER_NAME", "0.0.0.0"), ("GRADIO_SERVER_PORT", &*port.to_string())];
    let answer = answer(say(&["python", candidate.source.path], &env), Some(port), candidate.describe());
    Answer { stop_signal: Some(INTERRUPT), ..answer }
}

fn celery(candidate: &Candidate) -> Answer {
    let app = reference(candidate);
    answer(
        say(&["celery", "-A", &app, "worker"], &[]),
        None,
        format!("{}, run by a worker", candidate.describe()),
    )
}
