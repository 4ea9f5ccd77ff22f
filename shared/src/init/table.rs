//! Settings as a table of TOML, in the order of the documentation.

use serde_json::Value;

use crate::config::{KEYS, Partial};

/// Longer lines are divided, in characters.
const WIDTH: usize = 100;

/// The table under its header, each key on a line; `note` is a comment for a table that would be empty.
pub(super) fn table(header: &str, settings: &Partial, note: &str) -> String {
    let value = serde_json::to_value(settings).unwrap_or_default();
    let mut text = format!("[{header}]\n");
    let mut tables = String::new();
    for key in KEYS {
        let Some(value) = value.get(key.name) else { continue };
        let value = &short(key.name, value);
        let line = format!("{} = {}\n", key.name, inline(value));
        match value {
            Value::Object(entries) if line.len() > WIDTH => {
                tables.push_str(&format!("\n[{header}.{}]\n", key.name));
                for (name, value) in entries {
                    tables.push_str(&format!("{} = {}\n", bare(name), inline(value)));
                }
            }
            Value::Array(items) if line.len() > WIDTH && items.len() > 1 => {
                text.push_str(&format!("{} = [\n", key.name));
                for item in items {
                    text.push_str(&format!("    {},\n", inline(item)));
                }
                text.push_str("]\n");
            }
            _ => text.push_str(&line),
        }
    }
    if !text.contains('=') && tables.is_empty() {
        text.push_str(note);
    }
    text + &tables
}

/// The shortest way to write the value of a key.
fn short(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("bin", Value::Array(items)) if items.len() == 1 => items[0].clone(),
        ("debian", Value::Object(entries)) if entries.len() == 1 => {
            entries.get("packages").unwrap_or(value).clone()
        }
        ("ports", Value::Array(ports)) => ports.iter().map(port).collect(),
        _ => value.clone(),
    }
}

/// A port of TCP by its number.
fn port(value: &Value) -> Value {
    let number = value.as_str().and_then(|text| text.strip_suffix("/tcp")?.parse::<u16>().ok());
    number.map_or_else(|| value.clone(), Value::from)
}

/// What stands first in a table.
const FIRST: &[&str] = &["path", "from", "to", "command"];

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries
                .sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
            let pairs = entries.iter().map(|(name, value)| format!("{} = {}", bare(name), inline(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn bare(name: &str) -> String {
    let is_bare =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if is_bare { name.to_owned() } else { toml::Value::String(name.to_owned()).to_string() }
}
