//! gunicorn's own configuration file, which it reads from the working folder.

use std::collections::BTreeMap;

use super::Question;
use crate::python::syntax::{Scope, Value, outline};
use crate::read;

/// The file that gunicorn looks for.
const FILE: &str = "gunicorn.conf.py";
/// Such files are written by hand.
const MOST_BYTES: u64 = 1024 * 1024;
/// So many names are followed to an address.
const HOPS: u8 = 4;

/// What a configuration says that matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// Where it listens.
    pub(super) bind: Bind,
    /// What it serves.
    pub(super) wsgi_app: Option<String>,
    /// Whether it says of which class its workers are.
    pub(super) has_worker: bool,
}

/// Where gunicorn listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bind {
    /// The configuration does not say it.
    None,
    /// On a port, which others can reach or not.
    Port {
        /// The port.
        number: u16,
        /// Whether all addresses have it.
        is_open: bool,
    },
    /// On a socket in the file system.
    Socket,
    /// It is computed.
    Unknown,
}

/// The configuration that gunicorn takes without being told, if gunicorn is installed.
pub(super) fn config(question: &Question) -> Option<Config> {
    question.has("gunicorn").then(|| of_file(question, FILE)).flatten()
}

/// The configuration in a file of the project.
pub(super) fn of_file(question: &Question, file: &str) -> Option<Config> {
    let (_, place) = question.files.iter().find(|(path, _)| path == file)?;
    let text = read::text(place, MOST_BYTES).ok()?;
    let body = outline(&text, "gunicorn_conf", false)?.body;
    Some(Config {
        bind: body.last("bind").map_or(Bind::None, |binding| bind(&binding.value, &body, HOPS)),
        wsgi_app: text_of(&body, "wsgi_app"),
        has_worker: body.last("worker_class").is_some(),
    })
}

fn text_of(body: &Scope, name: &str) -> Option<String> {
    match &body.last(name)?.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn bind(value: &Value, body: &Scope, hops: u8) -> Bind {
    let Some(hops) = hops.checked_sub(1) else { return Bind::Unknown };
    match value {
        Value::Path(name) => {
            body.last(name).map_or(Bind::Unknown, |binding| bind(&binding.value, body, hops))
        }
        Value::Text(text) => of_address(text),
        // What `os.getenv` gives unless the image sets it.
        Value::Call(call) if matches!(call.callee.as_str(), "os.getenv" | "os.environ.get") => {
            match call.args.get(1) {
                Some(Value::Text(text)) => of_address(text),
                _ => Bind::Unknown,
            }
        }
        Value::Several(values) => values.first().map_or(Bind::None, |value| bind(value, body, hops)),
        _ => Bind::Unknown,
    }
}

impl Bind {
    /// Has gunicorn listen on the port that is asked for, or its customary one, on all addresses: adds to the words
    /// and variables of its command what that takes, and gives the port; `None` for a socket.
    pub(super) fn open(
        self,
        asked: Option<u16>,
        words: &mut Vec<String>,
        env: &mut BTreeMap<String, String>,
    ) -> Option<u16> {
        let wanted = asked.unwrap_or(8000);
        match self {
            Self::Socket => return None,
            Self::Port { number, is_open: true } if asked.is_none_or(|port| port == number) => {
                return Some(number);
            }
            Self::Port { .. } => words.push(format!("--bind=0.0.0.0:{wanted}")),
            // With PORT and without --bind it binds to 0.0.0.0:$PORT.
            Self::Unknown | Self::None => _ = env.insert("PORT".to_owned(), wanted.to_string()),
        }
        Some(wanted)
    }
}

/// What an address that is written for gunicorn means.
pub(super) fn of_address(address: &str) -> Bind {
    if address.starts_with("unix:") || address.starts_with("fd://") {
        return Bind::Socket;
    }
    let address = address.rsplit("://").next().unwrap_or(address);
    let Some((host, port)) = address.rsplit_once(':') else { return Bind::Unknown };
    let is_open = !matches!(host, "127.0.0.1" | "localhost" | "[::1]");
    port.parse().map_or(Bind::Unknown, |number| Bind::Port { number, is_open })
}
