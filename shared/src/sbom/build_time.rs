//! Which packages of an SPDX document were only used to build what it describes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The identifiers of packages that something was built with, and that nothing else in the document leads to.
pub(super) fn build_time(document: &Value) -> BTreeSet<&str> {
    let (mut tools, mut edges) = (BTreeSet::new(), BTreeMap::<&str, Vec<&str>>::new());
    let relations = document.get("relationships").and_then(Value::as_array).into_iter().flatten();
    for relation in relations {
        let text = |key: &str| relation.get(key).and_then(Value::as_str).unwrap_or_default();
        let (one, word, other) =
            (text("spdxElementId"), text("relationshipType"), text("relatedSpdxElement"));
        if word == "BUILD_DEPENDENCY_OF" {
            tools.insert(one);
        } else if word.ends_with("_OF") || word.ends_with("_BY") {
            edges.entry(other).or_default().push(one);
        } else {
            edges.entry(one).or_default().push(other);
        }
    }
    let mut to_see: Vec<&str> = edges.keys().copied().filter(|id| !tools.contains(id)).collect();
    while let Some(seen) = to_see.pop() {
        for next in edges.remove(seen).unwrap_or_default() {
            tools.remove(next);
            to_see.push(next);
        }
    }
    tools
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_in_the_image_too_is_not_only_a_tool() {
        let relation = |one: &str, word: &str, other: &str| json!({"spdxElementId": one, "relationshipType": word, "relatedSpdxElement": other});
        let document = json!({"relationships": [
            relation("compiler", "BUILD_DEPENDENCY_OF", "root"),
            relation("macro", "BUILD_DEPENDENCY_OF", "app"),
            relation("macro", "DEPENDS_ON", "syntax"),
            relation("syntax", "BUILD_DEPENDENCY_OF", "app"),
            relation("cc", "BUILD_DEPENDENCY_OF", "app"),
            relation("log", "BUILD_DEPENDENCY_OF", "app"),
            relation("root", "CONTAINS", "app"),
            relation("app", "DEPENDS_ON", "cc"),
            relation("cc", "DEPENDS_ON", "app"),
            relation("log", "DEPENDENCY_OF", "app"),
        ]});
        assert_eq!(build_time(&document), BTreeSet::from(["compiler", "macro", "syntax"]));
        assert!(build_time(&json!({})).is_empty());
    }
}
