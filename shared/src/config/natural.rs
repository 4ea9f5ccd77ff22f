//! Numbers and truth values where people write them naturally, for keys whose values are texts: `user = 1000`,
//! `env = { PORT = 8080 }`.

use serde_json::{Map, Value, json};

/// Keys with one text, which may be written as an integer.
const TEXTS: [&str; 3] = ["user", "stop-signal", "version"];

/// Keys with texts by name, which may be written as integers or truth values.
const TABLES: [&str; 2] = ["env", "build-env"];

/// Turns the values of these keys into texts. What would lose something stays as it is, and is refused later: `1.50`
/// arrives as 1.5.
pub(super) fn to_texts(table: &Value) -> Value {
    let Value::Object(table) = table else { return table.clone() };
    let converted = table.iter().map(|(key, value)| {
        let value = match (key.as_str(), value) {
            (key, value) if TEXTS.contains(&key) => text(value, false),
            (key, Value::Object(entries)) if TABLES.contains(&key) => {
                Value::Object(entries.iter().map(|(name, value)| (name.clone(), text(value, true))).collect())
            }
            ("image", Value::Object(images)) => {
                Value::Object(images.iter().map(|(name, image)| (name.clone(), to_texts(image))).collect())
            }
            _ => value.clone(),
        };
        (key.clone(), value)
    });
    Value::Object(converted.collect())
}

fn text(value: &Value, may_be_true: bool) -> Value {
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => Value::String(number.to_string()),
        Value::Bool(truth) if may_be_true => Value::String(truth.to_string()),
        other => other.clone(),
    }
}

/// Says so in the schema.
pub(super) fn describe(schema: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for key in TEXTS {
        if let Some(Value::Object(property)) = properties.get_mut(key) {
            property.insert("type".into(), json!(["string", "integer", "null"]));
        }
    }
    for key in TABLES {
        if let Some(Value::Object(property)) = properties.get_mut(key) {
            property
                .insert("additionalProperties".into(), json!({ "type": ["string", "integer", "boolean"] }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, from_toml, schema};

    #[test]
    fn integers_and_truth_values_are_texts_where_they_are_natural() {
        let text = "user = 1000\nstop-signal = 9\nenv = { PORT = 8080, DEBUG = true }\nbuild-env = { N = -1 }\n\
                    image.x.user = 5";
        let found = from_toml(text, &Origin::Flag).expect("valid");
        assert_eq!((found.user.as_deref(), found.stop_signal.as_deref()), (Some("1000"), Some("9")));
        let env = found.env.expect("env");
        assert_eq!((env["PORT"].as_str(), env["DEBUG"].as_str()), ("8080", "true"));
        assert_eq!(found.build_env.expect("build-env")["N"], "-1");
        assert_eq!(found.image["x"].user.as_deref(), Some("5"));
    }

    #[test]
    fn what_would_lose_something_is_refused() {
        for text in ["env = { V = 1.50 }", "user = true", "user = 1.5"] {
            assert!(from_toml(text, &Origin::Flag).is_err(), "{text}");
        }
    }

    #[test]
    fn the_schema_says_so() {
        let schema = schema();
        let types = |value: &Value| value["type"].as_array().map_or(0, Vec::len);
        assert_eq!(types(&schema["properties"]["user"]), 3);
        assert_eq!(types(&schema["properties"]["env"]["additionalProperties"]), 3);
    }
}
