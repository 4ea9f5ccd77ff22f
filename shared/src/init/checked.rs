//! Values that the table must not hold: those that a build would refuse, and those that let somebody in.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::config::{Origin, Partial, Place, Settings, fold, from_table};
use crate::dockerfile::{Step, What};
use crate::error::Error;
use crate::redact;

use super::remark::Remark;
use super::shell;

/// Why a value stays out, and what to do.
struct Fault {
    why: String,
    instead: String,
}

/// The settings without what is wrong in them, each with a remark in the line of the steps that says it.
pub(super) fn checked(settings: Partial, steps: &[Step], remarks: &mut Vec<Remark>) -> Partial {
    let Ok(Value::Object(table)) = serde_json::to_value(&settings) else { return settings };
    let secrets = with_secrets(steps);
    let mut kept = Map::new();
    let mut is_whole = true;
    for (key, value) in table.into_iter().filter(|(_, value)| !value.is_null()) {
        let value = match key.as_str() {
            "debian" => value.get("packages").cloned().unwrap_or(value),
            _ => value,
        };
        let left = without_faults((&key, value), &secrets, |name, fault| {
            is_whole = false;
            let (line, text) = place(&key, name, steps);
            remarks.push(Remark::left(line, &text, fault.why, fault.instead));
        });
        kept.extend(left.map(|value| (key, value)));
    }
    if is_whole {
        return settings;
    }
    // Each part was read alone, so all together can be.
    from_table(&Value::Object(kept), &Origin::Default).unwrap_or_default()
}

/// A value without its parts that are wrong; nothing where none is left. `report` is told of each, by its name.
fn without_faults(
    (key, value): (&str, Value),
    secrets: &BTreeSet<&str>,
    mut report: impl FnMut(&str, Fault),
) -> Option<Value> {
    let mut is_good = |name: &str, part: &Value| match fault((key, part), name, secrets) {
        Some(fault) => {
            report(name, fault);
            false
        }
        None => true,
    };
    match value {
        Value::Array(items) if IN_PARTS.contains(&key) => {
            let items: Vec<Value> = items
                .into_iter()
                .filter(|item| is_good(item.as_str().unwrap_or_default(), &Value::Array(vec![item.clone()])))
                .collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(entries) if IN_PARTS.contains(&key) => {
            let entries: Map<String, Value> = entries
                .into_iter()
                .filter(|(name, value)| {
                    is_good(name, &Map::from_iter([(name.clone(), value.clone())]).into())
                })
                .collect();
            (!entries.is_empty()).then_some(Value::Object(entries))
        }
        whole => is_good("", &whole).then_some(whole),
    }
}

/// Keys of which the rest holds without a part.
const IN_PARTS: &[&str] =
    &["env", "labels", "debian", "ports", "volumes", "dirs", "files", "executable", "extras", "groups"];

/// What is wrong with a value of a key, or with its part of this name.
fn fault((key, value): (&str, &Value), name: &str, secrets: &BTreeSet<&str>) -> Option<Fault> {
    let is_secret = match key {
        "env" => {
            (redact::is_secret_variable(name) || secrets.contains(name))
                && value[name].as_str().is_some_and(|text| !text.is_empty())
        }
        _ => false,
    };
    if is_secret || holds_login(value) {
        return Some(Fault {
            why: "the value is a secret, which everybody could read in the image".into(),
            instead: "give it when the container starts".into(),
        });
    }
    if key == "env" && name.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\''))
    {
        return Some(Fault {
            why: "no program can read a variable of that name".into(),
            instead: "give it a name of letters, digits and _".into(),
        });
    }
    let error = refusal(key, value)?;
    // The settings name the key, which the line of the Dockerfile says better.
    let text = error.to_string();
    let why = text.split_once("): ").map_or(text.as_str(), |(_, why)| why).to_owned();
    let instead = error.hint_text().unwrap_or("set the key by hand").to_owned();
    Some(Fault { why, instead })
}

/// The variables that have the value of one whose name says that it is secret.
fn with_secrets(steps: &[Step]) -> BTreeSet<&str> {
    // More are not told apart: each would be looked for in the whole line.
    const FEW: usize = 100;
    let names_secret =
        |text: &str| shell::variables(text).iter().any(|name| redact::is_secret_variable(name));
    let mut found = BTreeSet::new();
    for step in steps.iter().filter(|step| names_secret(&step.text)) {
        let What::Env(pairs) = &step.what else { continue };
        let is_meant = |name: &str| {
            let value = step.text.split_once(&format!("{name}=")).map_or("", |(_, value)| value);
            pairs.len() > FEW || names_secret(value)
        };
        found.extend(pairs.iter().map(|(name, _)| name.as_str()).filter(|name| is_meant(name)));
    }
    found
}

fn holds_login(value: &Value) -> bool {
    match value {
        Value::String(text) => redact::holds_login(text),
        Value::Array(items) => items.iter().any(holds_login),
        Value::Object(entries) => {
            entries.iter().any(|(name, value)| redact::holds_login(name) || holds_login(value))
        }
        _ => false,
    }
}

/// What a build would say of the value.
fn refusal(key: &str, value: &Value) -> Option<Error> {
    let table = Map::from_iter([(key.to_owned(), value.clone())]);
    let platforms = Partial { platforms: Some(vec!["linux/amd64".into()]), ..Partial::default() };
    let values = match from_table(&Value::Object(table), &Origin::Flag) {
        Ok(values) => values,
        Err(error) => return Some(error),
    };
    let places =
        [Place { origin: Origin::Default, values: platforms }, Place { origin: Origin::Flag, values }];
    Settings::new(fold(&places, "x")).err()
}

/// The line of the instruction that a value of a key is from, and how it is shown: without the value, which may be a secret.
fn place(key: &str, name: &str, steps: &[Step]) -> (usize, String) {
    let says = |step: &&Step| match (&step.what, key) {
        (What::Env(pairs), "env") | (What::Label(pairs), "labels") => {
            pairs.iter().any(|(known, _)| known == name)
        }
        (What::User(_), "user")
        | (What::StopSignal(_), "stop-signal")
        | (What::Healthcheck(..), "healthcheck")
        | (What::Entrypoint(_), "entrypoint")
        | (What::Cmd(_), "entrypoint" | "cmd")
        | (What::Volume(_), "volumes")
        | (What::Copy(_), "files")
        | (What::Workdir, "workdir") => true,
        (What::Run(_), "dirs" | "executable" | "extras" | "groups") => true,
        (What::Run(_), "debian") => step.text.contains(name),
        _ => false,
    };
    // Variables may also stand before a command.
    let starts = |step: &&Step| matches!(step.what, What::Cmd(_) | What::Entrypoint(_)) && key == "env";
    let steps = || steps.iter().rev();
    let line = steps().find(says).or_else(|| steps().find(starts)).map_or(0, |step| step.line);
    let name = if name.is_empty() { String::new() } else { format!(" {}", redact::clean(name)) };
    (line, format!("{key}{name}"))
}
