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

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let pairs = entries.iter().map(|(name, value)| format!("{} = {}", bare(name), inline(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn bare(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if is_bare { name.to_owned() } else { toml::Value::String(name.to_owned()).to_string() }
}
