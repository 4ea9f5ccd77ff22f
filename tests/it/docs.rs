//! The reference says what is true: keys, variables and the schema.

use std::path::Path;

use containerize_core::config::{KEYS, schema};

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_key_has_a_row() {
    let text = page("configuration.md");
    for key in KEYS {
        assert!(
            text.contains(&format!("| `{}` |", key.name)),
            "docs/configuration.md has no row for {}",
            key.name
        );
    }
}

#[test]
fn the_schema_in_the_repository_is_the_programs() {
    let kept: serde_json::Value = serde_json::from_str(&page("containerize.schema.json")).expect("JSON");
    assert_eq!(kept, schema(), "update it: containerize schema > docs/containerize.schema.json");
}
