//! What a bill of materials lists, whoever wrote it: SPDX 2 or CycloneDX as JSON.

use serde_json::Value;

/// A package that a bill lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// In the bill's words: of its ecosystem, or of its maker.
    pub name: String,
    /// Its version, where it has one.
    pub version: Option<String>,
    /// Its licence in SPDX's words, where it is told.
    pub licence: Option<String>,
}

impl Listed {
    /// Its name and version.
    pub fn shown(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.clone(),
        }
    }
}

/// The packages of a document; `None` where it is in neither format.
pub fn listed(document: &Value) -> Option<Vec<Listed>> {
    match (document.get("packages"), document.get("components")) {
        (Some(Value::Array(packages)), _) if document.get("spdxVersion").is_some() => {
            Some(packages.iter().filter_map(of_spdx).collect())
        }
        (_, Some(Value::Array(components))) if document.get("bomFormat").is_some() => {
            Some(components.iter().filter_map(of_cyclonedx).collect())
        }
        _ => None,
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn of_spdx(package: &Value) -> Option<Listed> {
    let is_told = |licence: &String| !matches!(licence.as_str(), "NOASSERTION" | "NONE");
    let licence =
        ["licenseConcluded", "licenseDeclared"].iter().find_map(|key| text(package, key).filter(is_told));
    Some(Listed { name: text(package, "name")?, version: text(package, "versionInfo"), licence })
}

fn of_cyclonedx(component: &Value) -> Option<Listed> {
    let licences = component.get("licenses").and_then(Value::as_array).into_iter().flatten();
    let told = licences.filter_map(|one| text(one, "expression").or_else(|| text(one.get("license")?, "id")));
    // Several that are listed without a word between them all apply.
    let told: Vec<String> = told.map(|licence| format!("({licence})")).collect();
    let licence = match &told[..] {
        [] => None,
        [one] => Some(one[1..one.len() - 1].to_owned()),
        several => Some(several.join(" AND ")),
    };
    Some(Listed { name: text(component, "name")?, version: text(component, "version"), licence })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_formats_are_read_and_nothing_else_is() {
        let spdx = json!({"spdxVersion": "SPDX-2.3", "packages": [
            {"name": "a", "versionInfo": "1", "licenseConcluded": "NOASSERTION", "licenseDeclared": "MIT"},
            {"name": "b", "licenseDeclared": "NOASSERTION"}]});
        let cyclonedx = json!({"bomFormat": "CycloneDX", "components": [
            {"name": "a", "version": "1", "licenses": [{"license": {"id": "MIT"}}]},
            {"name": "b", "licenses": [{"license": {"name": "own words"}}]},
            {"name": "c", "licenses": [{"expression": "MIT OR X"}, {"license": {"id": "Y"}}]}]});
        let one = |name: &str, version: Option<&str>, licence: Option<&str>| Listed {
            name: name.into(),
            version: version.map(str::to_owned),
            licence: licence.map(str::to_owned),
        };
        let first = [one("a", Some("1"), Some("MIT")), one("b", None, None)];
        assert_eq!(listed(&spdx).expect("SPDX"), first);
        let all = listed(&cyclonedx).expect("CycloneDX");
        assert_eq!((&all[..2], all[2].licence.as_deref()), (&first[..], Some("(MIT OR X) AND (Y)")));
        assert_eq!(listed(&json!({"packages": []})), None);
    }
}
