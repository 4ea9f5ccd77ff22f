//! What a bill of materials lists, whoever wrote it: SPDX 2 or CycloneDX as JSON.

use serde_json::Value;

use super::Licence;
use super::build_time::build_time;

/// Python's, in package URLs.
const PYTHON: &str = "pypi";

/// No component of CycloneDX is nested more deeply.
const DEEPEST: usize = 32;

/// A package that a bill lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// In the bill's words: of its ecosystem, or of its maker.
    pub name: String,
    /// Whose it is, in ecosystems whose names alone are not unique: `org.example`, `@scope`.
    pub group: Option<String>,
    /// Its version, where it has one.
    pub version: Option<String>,
    /// What is known of its licence.
    pub licence: Licence,
    /// Whether its package URL says that it is a distribution of Python, which has many spellings.
    pub is_python: bool,
}

impl Listed {
    /// Its name and version.
    pub fn shown(&self) -> String {
        let group = self.group.iter().map(|group| format!("{group}/")).collect::<String>();
        let version = self.version.iter().map(|version| format!(" {version}")).collect::<String>();
        format!("{group}{}{version}", self.name)
    }
}

/// The packages of a document but for those that it was only built with; `None` where it is in neither format, or
/// nested too deeply to be read.
pub fn listed(document: &Value) -> Option<Vec<Listed>> {
    Some(listed_with_ecosystems(document)?.into_iter().map(|(listed, _)| listed).collect())
}

/// The same, with the ecosystem that the package URL of each tells, such as `deb` or `cargo`.
pub fn listed_with_ecosystems(document: &Value) -> Option<Vec<(Listed, Option<String>)>> {
    match (document.get("packages"), document.get("components")) {
        (Some(Value::Array(packages)), _) if document.get("spdxVersion").is_some() => {
            let tools = build_time(document);
            let is_tool = |package: &Value| package["SPDXID"].as_str().is_some_and(|id| tools.contains(id));
            Some(packages.iter().filter(|package| !is_tool(package)).filter_map(of_spdx).collect())
        }
        (_, components) if document.get("bomFormat").is_some() => {
            let (mut found, own) = (Vec::new(), &document["metadata"]["component"]["components"]);
            for component in [components, Some(own)].into_iter().flatten() {
                add_cyclonedx(component, &mut found, 0)?;
            }
            Some(found)
        }
        _ => None,
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The ecosystem of a package URL.
fn ecosystem(purl: &str) -> Option<String> {
    Some(purl.to_ascii_lowercase().strip_prefix("pkg:")?.split_once('/')?.0.to_owned())
}

fn of_spdx(package: &Value) -> Option<(Listed, Option<String>)> {
    let told = ["licenseConcluded", "licenseDeclared"].iter().filter_map(|key| text(package, key));
    let told = told.filter(|licence| !matches!(licence.as_str(), "NOASSERTION" | "NONE"));
    let mut told = told.map(|licence| Licence::read(&licence)).filter(|licence| *licence != Licence::Unknown);
    let licence = told.next().unwrap_or(Licence::Unknown);
    let external = package.get("externalRefs").and_then(Value::as_array).into_iter().flatten();
    let purls = external.filter(|one| one["referenceType"] == "purl");
    let ecosystems: Vec<String> =
        purls.filter_map(|one| ecosystem(&text(one, "referenceLocator")?)).collect();
    let is_python = ecosystems.iter().any(|one| one == PYTHON);
    let (name, version) = (text(package, "name")?, text(package, "versionInfo"));
    Some((Listed { name, group: None, version, licence, is_python }, ecosystems.into_iter().next()))
}

/// Adds components with all that is in them, but for those that are not in what the bill describes.
fn add_cyclonedx(components: &Value, found: &mut Vec<(Listed, Option<String>)>, depth: usize) -> Option<()> {
    for component in components.as_array().into_iter().flatten() {
        if depth >= DEEPEST {
            return None;
        }
        if component["scope"] == "excluded" {
            continue;
        }
        found.extend(of_cyclonedx(component));
        add_cyclonedx(&component["components"], found, depth + 1)?;
    }
    Some(())
}

fn of_cyclonedx(component: &Value) -> Option<(Listed, Option<String>)> {
    let licences = component.get("licenses").and_then(Value::as_array).into_iter().flatten();
    let told = licences.filter_map(|one| text(one, "expression").or_else(|| text(one.get("license")?, "id")));
    // What cannot be read hides none of those beside it.
    let told = told.filter_map(|licence| Licence::read(&licence).expression().map(str::to_owned));
    let told: Vec<String> = told.collect();
    let licence = match &told[..] {
        [] => Licence::Unknown,
        [one] => Licence::read(one),
        // Several that are listed without a word between them all apply.
        several => Licence::read(&format!("({})", several.join(") AND ("))),
    };
    let (name, group) = (text(component, "name")?, text(component, "group"));
    let ecosystem = text(component, "purl").and_then(|purl| ecosystem(&purl));
    let is_python = ecosystem.as_deref() == Some(PYTHON);
    Some((Listed { name, group, version: text(component, "version"), licence, is_python }, ecosystem))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(name: &str, version: Option<&str>, licence: &str) -> Listed {
        let version = version.map(str::to_owned);
        Listed { name: name.into(), group: None, version, licence: Licence::read(licence), is_python: false }
    }

    #[test]
    fn both_formats_are_read_and_nothing_else_is() {
        let spdx = json!({"spdxVersion": "SPDX-2.3", "packages": [
            {"name": "a", "versionInfo": "1", "licenseConcluded": "see LICENSE", "licenseDeclared": "MIT"},
            {"name": "b", "licenseDeclared": "NOASSERTION"},
            {"name": "tool", "SPDXID": "SPDXRef-tool"}], "relationships": [
            {"spdxElementId": "SPDXRef-tool", "relationshipType": "BUILD_DEPENDENCY_OF", "relatedSpdxElement": "x"}]});
        let cyclonedx = json!({"bomFormat": "CycloneDX", "components": [
            {"name": "a", "version": "1", "licenses": [{"license": {"id": "MIT"}}]},
            {"name": "b", "licenses": [{"license": {"name": "own words"}}]},
            {"name": "tool", "scope": "excluded", "components": [{"name": "hammer"}]},
            {"name": "c", "licenses": [{"expression": "MIT OR X"}, {"expression": "own words"}, {"license": {"id": "Y"}}]}]});
        let first = [one("a", Some("1"), "MIT"), one("b", None, "")];
        assert_eq!(listed(&spdx).expect("SPDX"), first);
        let all = listed(&cyclonedx).expect("CycloneDX");
        assert_eq!((&all[..2], &all[2..]), (&first[..], &[one("c", None, "(MIT OR X) AND (Y)")][..]));
        assert_eq!(listed(&json!({"packages": []})), None);
    }

    #[test]
    fn what_is_in_a_component_is_in_the_image() {
        let mut deep = json!({"name": "leaf", "group": "org.example", "version": "2"});
        for depth in 0..DEEPEST {
            let bill = json!({"bomFormat": "CycloneDX", "components": [deep]});
            let found = listed(&bill).expect("read");
            assert_eq!(found.last().map(Listed::shown).as_deref(), Some("org.example/leaf 2"), "{depth}");
            deep = json!({"name": "holder", "components": [deep]});
        }
        assert_eq!(listed(&json!({"bomFormat": "CycloneDX", "components": [deep]})), None);
        let own = json!({"bomFormat": "CycloneDX", "metadata": {"component": {"name": "app", "components": [
            {"name": "part"}]}}});
        assert_eq!(listed(&own), Some(vec![one("part", None, "")]));
    }

    #[test]
    fn distributions_of_python_are_told_by_their_package_url() {
        let spdx = json!({"spdxVersion": "SPDX-2.3", "packages": [
            {"name": "a", "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:pypi/a@1"}]},
            {"name": "b", "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:npm/b@1"}]}]});
        let cyclonedx = json!({"bomFormat": "CycloneDX", "components": [
            {"name": "a", "purl": "pkg:pypi/a@1"}, {"name": "b", "purl": "pkg:npm/pkg:pypi/b"}]});
        for bill in [spdx, cyclonedx] {
            let found = listed(&bill).expect("read");
            assert_eq!(found.iter().map(|one| one.is_python).collect::<Vec<_>>(), [true, false]);
        }
    }
}
