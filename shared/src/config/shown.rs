//! Values of the configuration as they are shown: each key that is set, element by element, with its origin.

use serde::Serialize;
use serde_json::Value;

use super::origin::Origins;
use crate::redact;

/// What stands for a value that nobody may see.
const HIDDEN: &str = "***";

/// One value that is set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// The key, in kebab case.
    pub key: &'static str,
    /// The value's own name, where the key holds values by name, as `env` does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The value; of a list that several places add to, one element.
    pub value: Value,
    /// Where it came from, in words.
    pub origin: String,
    /// Whether it is one element of a list that several places add to.
    #[serde(skip)]
    pub is_element: bool,
}

/// The rows of one key. Values and elements that places add each have their own origin.
pub(super) fn rows(key: &'static str, value: &impl Serialize, origins: &Origins) -> Vec<Shown> {
    let row = |name: Option<String>, value: Value, origin: String| {
        let value = redacted(key, name.as_deref(), value);
        Shown { key, name, value, origin, is_element: false }
    };
    let each = |name: Option<String>, path: &str, value: Value| match value {
        Value::Array(elements) if origins.has_parts(path) => {
            let rows = elements.into_iter().enumerate().map(|(index, element)| {
                let row = row(name.clone(), element, origins.describe(&format!("{path}.{index}")));
                Shown { is_element: true, ..row }
            });
            rows.collect()
        }
        value => vec![row(name, value, origins.describe(path))],
    };
    match serde_json::to_value(value).unwrap_or_default() {
        Value::Object(values) if origins.has_parts(key) => {
            let parts = values.into_iter().flat_map(|(name, value)| {
                let path = format!("{key}.{name}");
                each(Some(name), &path, value)
            });
            parts.collect()
        }
        value => each(None, key, value),
    }
}

/// The value without what no message may show: variables by their names, logins wherever they are.
fn redacted(key: &str, name: Option<&str>, value: Value) -> Value {
    match (key, value) {
        // They may be tokens, and do not get into the image.
        ("build-env", _) => Value::from(HIDDEN),
        ("env", Value::String(text)) => {
            Value::from(redact::shown_variable(name.unwrap_or_default(), &text).into_owned())
        }
        (_, Value::String(text)) => Value::from(redact::clean(&text).into_owned()),
        (key, Value::Array(elements)) => {
            elements.into_iter().map(|value| redacted(key, None, value)).collect()
        }
        (key, Value::Object(values)) => {
            values.into_iter().map(|(name, value)| (name, redacted(key, None, value))).collect()
        }
        (_, value) => value,
    }
}
