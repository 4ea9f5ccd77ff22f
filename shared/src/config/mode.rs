//! Permission bits, as people write them in settings.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::oci::Mode;

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => text.parse().map_err(D::Error::custom),
            Value::Number(number) => match number.as_u64().and_then(|n| u32::try_from(n).ok()) {
                // A bare 755 is decimal in TOML and surely not what was meant.
                Some(n) if n <= 0o7777 && !looks_octal(n) => Ok(Self(n)),
                _ => Err(D::Error::custom(format!("{number} is not a mode: write \"0755\" or 0o755"))),
            },
            _ => Err(D::Error::custom("expected a mode: write \"0755\" or 0o755")),
        }
    }
}

/// Whether a decimal number reads like a usual mode (`755`, `1777`).
fn looks_octal(number: u32) -> bool {
    let text = number.to_string();
    text.len() >= 3
        && text.bytes().all(|digit| digit <= b'7')
        && matches!(text.as_bytes(), [.., b'4'..=b'7', _, _])
}

impl JsonSchema for Mode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Permission bits: \"0755\", or 0o755 in TOML.",
            "type": ["string", "integer"],
            "pattern": "^(0o)?[0-7]{1,5}$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_strings_and_toml_octals_are_read() {
        assert_eq!(serde_json::from_str::<Mode>("\"0755\"").expect("mode"), Mode(0o755));
        assert_eq!(serde_json::from_str::<Mode>("\"1777\"").expect("mode").to_string(), "1777");
        // 0o755 arrives as 493.
        assert_eq!(serde_json::from_str::<Mode>("493").expect("mode"), Mode(0o755));
    }

    #[test]
    fn a_decimal_that_looks_octal_is_refused() {
        for text in ["755", "\"0999\"", "\"\"", "\"10000\"", "644", "true"] {
            assert!(serde_json::from_str::<Mode>(text).is_err(), "{text}");
        }
    }
}
