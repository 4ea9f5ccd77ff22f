//! Labels: the standard ones from the project, and placeholders in those that users write.

use std::collections::BTreeMap;

use crate::config::{LabelValue, Labels};
use crate::oci::Platform;
use crate::redact::clean;

/// What a project says about itself, in any language.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// Its name, which the title becomes.
    pub name: String,
    /// Its version, as labels and tags have it.
    pub version: String,
    /// One line about it.
    pub description: Option<String>,
    /// An SPDX expression.
    pub licenses: Option<String>,
    /// Its home page.
    pub homepage: Option<String>,
    /// Where its source is.
    pub repository: Option<String>,
    /// Where its documentation is.
    pub documentation: Option<String>,
    /// Who wrote it.
    pub authors: Vec<String>,
}

/// The standard labels (image-spec `annotations.md`, "Pre-Defined Annotation Keys") that the
/// project itself gives; `revision` and `created` as placeholders.
pub fn standard_labels(about: &About, with_revision: bool) -> Labels {
    let authors = (!about.authors.is_empty()).then(|| about.authors.join(", "));
    let vendor = about.repository.as_deref().and_then(repository_owner);
    let values = [
        ("title", Some(about.name.clone())),
        ("version", Some("{version}".into())),
        ("description", about.description.clone()),
        ("licenses", about.licenses.clone()),
        ("url", about.homepage.clone().or_else(|| about.repository.clone())),
        ("source", about.repository.clone()),
        ("documentation", about.documentation.clone()),
        ("authors", authors),
        ("vendor", vendor),
        ("created", Some("{created}".into())),
        ("revision", with_revision.then(|| "{revision}".into())),
    ];
    values
        .into_iter()
        .filter_map(|(name, value)| {
            // Text from a manifest may be folded over several lines.
            let value = value?.split_whitespace().collect::<Vec<_>>().join(" ");
            Some((format!("{PREFIX}.{name}"), LabelValue::Text(value)))
                .filter(|(_, v)| *v != LabelValue::Text(String::new()))
        })
        .collect()
}

/// The common beginning of the standard labels.
pub const PREFIX: &str = "org.opencontainers.image";

/// The owner in `https://host/owner/name`: on the usual forges that is who publishes it.
fn repository_owner(url: &str) -> Option<String> {
    let path = url.split_once("://")?.1.split_once('/')?.1;
    let (owner, name) = path.split_once('/')?;
    (!owner.is_empty() && !name.is_empty()).then(|| owner.to_owned())
}

/// What placeholders may stand for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The project's version.
    pub version: String,
    /// The commit, with `-dirty` where the tree has uncommitted changes.
    pub revision: Option<String>,
    /// RFC 3339.
    pub created: String,
}

/// Expands `{version}`, `{revision}`, `{created}` and `{platform}` in the values; all other
/// braces stay. Logins in URLs do not: whoever has the image reads its labels. Returns the names of
/// labels that were left out, because they ask for a revision where there is none.
pub fn expand(
    labels: BTreeMap<String, String>,
    facts: &Facts,
    platform: &Platform,
) -> (BTreeMap<String, String>, Vec<String>) {
    let mut expanded = BTreeMap::new();
    let mut left_out = Vec::new();
    for (name, value) in labels {
        if value.contains("{revision}") && facts.revision.is_none() {
            left_out.push(name);
            continue;
        }
        let value = value
            .replace("{version}", &facts.version)
            .replace("{revision}", facts.revision.as_deref().unwrap_or_default())
            .replace("{created}", &facts.created)
            .replace("{platform}", &platform.to_string());
        expanded.insert(name, clean(&value).into_owned());
    }
    (expanded, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_labels_hold_what_the_project_says_and_nothing_empty() {
        let about = About {
            name: "web".into(),
            version: "1.0".into(),
            description: Some("A line\n  and another".into()),
            repository: Some("https://example.org/acme/web".into()),
            ..About::default()
        };
        let labels = standard_labels(&about, false);
        let text = |name: &str| match labels.get(&format!("{PREFIX}.{name}")) {
            Some(LabelValue::Text(text)) => text.as_str(),
            _ => "",
        };
        assert_eq!(text("description"), "A line and another");
        assert_eq!((text("vendor"), text("url")), ("acme", "https://example.org/acme/web"));
        assert!(!labels.keys().any(|k| k.ends_with("authors") || k.ends_with("revision")));
    }

    #[test]
    fn known_placeholders_are_expanded_and_others_stay() {
        let facts = Facts { version: "1.0".into(), revision: None, created: "1970".into() };
        let labels = [("a", "{version}-{platform}"), ("b", "{\"json\":{x}}"), ("c", "at {revision}")];
        let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let (expanded, left_out) = expand(labels, &facts, &Platform::linux("arm64"));
        assert_eq!(expanded["a"], "1.0-linux/arm64");
        assert_eq!(expanded["b"], "{\"json\":{x}}");
        assert_eq!(left_out, ["c"]);
    }

    #[test]
    fn labels_hold_no_logins() {
        let labels = [("source".to_owned(), "https://x:token@example.org/a/{version}".to_owned())];
        let facts = Facts { version: "1.0".into(), ..Facts::default() };
        let (expanded, _) = expand(labels.into(), &facts, &Platform::linux("amd64"));
        assert_eq!(expanded["source"], "https://example.org/a/1.0");
    }
}
