//! Where an image goes: repository, tags and full references.

use std::collections::BTreeSet;

use super::labels::Facts;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::oci::{Reference, Repository, is_tag, tag_from_version};

/// The names of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Its full references; empty where neither a repository nor a full reference is known.
    pub references: Vec<Reference>,
    /// The tags for outputs that know no repositories, each once; at least one.
    pub tags: Vec<String>,
    /// Whether the project has other images, so that a layout knows this one by its name too.
    pub has_siblings: bool,
}

/// What an image is named by.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'a> {
    /// The image's own name.
    pub name: &'a str,
    /// What placeholders stand for.
    pub facts: &'a Facts,
    /// The branch, where a tag asks for it and there is one.
    pub branch: Option<&'a str>,
    /// Whether other images of the project go to the configured repository too: then each goes below it, or
    /// where `{name}` stands. That does not depend on how many of them one call makes.
    pub shares_repository: bool,
    /// Whether the project has other images.
    pub has_siblings: bool,
    /// Whether the call makes other images, which a full reference would name too.
    pub is_one_of_several: bool,
}

/// The names of an image.
///
/// # Errors
/// Usage: something is no reference or tag, a placeholder stands for nothing, or several images would get one
/// reference.
pub fn names(settings: &Settings, naming: &Naming<'_>) -> Result<Names> {
    let default_tag = tag_from_version(&naming.facts.version);
    let repository = repository(settings, naming)?;
    let tags = settings.tags.clone().unwrap_or_else(|| vec![default_tag.clone()]);
    let mut references: Vec<Reference> = Vec::new();
    let mut bare = Vec::new();
    for text in &tags {
        let filled = fill(settings, text, naming)?;
        if is_tag(&filled) {
            references.extend(repository.as_ref().map(|r| r.with_tag(&filled)));
            bare.push(filled);
            continue;
        }
        if !filled.contains(['/', ':', '@']) {
            let place = settings.origins.describe("tags");
            let shown = crate::redact::excerpt(&filled, 40);
            return Err(Error::usage(format!("tags ({place}): {shown:?} is not a valid tag")).hint(
                "a tag has at most 128 letters, digits, _, . and -, and does not start with . or -; a full reference has a / or a :",
            ));
        }
        if naming.is_one_of_several && !text.contains("{name}") {
            return Err(Error::usage(format!("the reference {text:?} cannot name several images")).hint(
                "put {name} into it, or give --repository and bare tags, or choose one binary with --bin",
            ));
        }
        references
            .push(full_reference(&filled, &default_tag).map_err(|e| explain(settings, "tags", text, e))?);
    }
    let mut tags: Vec<String> = Vec::new();
    for tag in bare.into_iter().chain(references.iter().filter_map(|r| r.tag.clone())) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.is_empty() {
        tags.push(default_tag);
    }
    let mut seen = BTreeSet::new();
    references.retain(|reference| seen.insert(reference.to_string()));
    Ok(Names { references, tags, has_siblings: naming.has_siblings })
}

/// The repository of this image.
fn repository(settings: &Settings, naming: &Naming<'_>) -> Result<Option<Repository>> {
    let Some(text) = settings.repository.as_deref() else { return Ok(None) };
    let spread = naming.shares_repository && !text.contains("{name}");
    let text = if spread { format!("{}/{{name}}", text.trim_end_matches('/')) } else { text.to_owned() };
    let filled = text.replace("{name}", &naming.name.to_lowercase());
    filled.parse().map(Some).map_err(|e| explain(settings, "repository", &text, e))
}

/// A tag or reference with its placeholders filled in, each made legal for a tag.
fn fill(settings: &Settings, text: &str, naming: &Naming<'_>) -> Result<String> {
    let wrong =
        |why: &str| Error::usage(format!("tags ({}): {text:?} {why}", settings.origins.describe("tags")));
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (placeholder, after) = after.split_once('}').ok_or_else(|| {
            wrong("has a { without its }").hint("tags may contain {version}, {revision}, {branch} and {name}")
        })?;
        let value = match placeholder {
            "version" => naming.facts.version.clone(),
            "name" => naming.name.to_lowercase(),
            "revision" => naming.facts.revision.clone().ok_or_else(|| {
                wrong("uses the revision, but there is no git commit here")
                    .hint("commit the project to git, or leave {revision} out of the tag")
            })?,
            "branch" => naming.branch.map(str::to_owned).ok_or_else(|| {
                wrong("uses the branch, but no branch is checked out").hint(
                    "check one out, set GITHUB_REF_NAME or CI_COMMIT_REF_NAME to it, or leave {branch} out",
                )
            })?,
            _ => {
                return Err(wrong("has an unknown placeholder")
                    .hint("tags may contain {version}, {revision}, {branch} and {name}"));
            }
        };
        filled.push_str(before);
        filled.push_str(&tag_from_version(&value));
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn full_reference(text: &str, default_tag: &str) -> Result<Reference> {
    let mut reference: Reference = text.parse()?;
    if reference.digest.is_some() {
        return Err(Error::usage("an image cannot be pushed under a digest chosen beforehand"));
    }
    reference.tag.get_or_insert_with(|| default_tag.to_owned());
    Ok(reference)
}

fn explain(settings: &Settings, key: &str, text: &str, error: Error) -> Error {
    let hint = error.hint_text().unwrap_or("use host/name:tag").to_owned();
    Error::usage(format!("{key} ({}): {text:?} cannot be used", settings.origins.describe(key)))
        .because(error)
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, Place, fold, from_toml};

    fn facts() -> Facts {
        Facts { version: "1.0.0+x".into(), revision: None, created: String::new() }
    }

    fn alone(facts: &Facts) -> Naming<'_> {
        Naming {
            name: "Web",
            facts,
            branch: None,
            shares_repository: false,
            has_siblings: false,
            is_one_of_several: false,
        }
    }

    fn named(text: &str, naming: &Naming<'_>) -> Result<Vec<String>> {
        let text = format!("platforms = ['linux/amd64']\n{text}");
        let place = Place { values: from_toml(&text, &Origin::Flag)?, origin: Origin::Flag };
        let settings = Settings::new(fold(&[place], ""))?;
        let names = names(&settings, naming)?;
        Ok(names.references.iter().map(ToString::to_string).chain(names.tags).collect())
    }

    fn try_names(text: &str) -> Result<Vec<String>> {
        named(text, &alone(&facts()))
    }

    #[test]
    fn the_version_is_the_default_tag() {
        assert_eq!(
            try_names("repository = 'ghcr.io/a/b'").expect("names"),
            ["ghcr.io/a/b:1.0.0-x", "1.0.0-x"]
        );
        assert_eq!(try_names("tags = ['ghcr.io/a/b']").expect("names"), ["ghcr.io/a/b:1.0.0-x", "1.0.0-x"]);
        assert_eq!(try_names("").expect("names"), ["1.0.0-x"]);
    }

    #[test]
    fn bare_tags_and_full_references_mix() {
        let text = "repository = 'ghcr.io/a/b'\ntags = ['latest', 'quay.io/c/d:2']";
        let found = ["ghcr.io/a/b:latest", "quay.io/c/d:2", "latest", "2"];
        assert_eq!(try_names(text).expect("names"), found);
    }

    #[test]
    fn images_that_share_a_repository_go_below_it() {
        let facts = facts();
        let one = Naming { shares_repository: true, has_siblings: true, ..alone(&facts) };
        let first = |text: &str| named(text, &one).expect(text).remove(0);
        assert_eq!(first("repository = 'ghcr.io/a'"), "ghcr.io/a/web:1.0.0-x");
        assert_eq!(first("repository = 'ghcr.io/x-{name}'"), "ghcr.io/x-web:1.0.0-x");
        // Exactly what is written, as long as it is for one image.
        assert_eq!(first("tags = ['ghcr.io/a/b:1']"), "ghcr.io/a/b:1");
        let several = Naming { is_one_of_several: true, ..one };
        assert!(named("tags = ['ghcr.io/a/b:1']", &several).is_err());
        assert_eq!(named("tags = ['ghcr.io/{name}:1']", &several).expect("names")[0], "ghcr.io/web:1");
    }

    #[test]
    fn placeholders_in_tags_are_filled_in_and_made_legal() {
        let facts = Facts { revision: Some("c0ffee-dirty".into()), ..facts() };
        let naming = Naming { branch: Some("feature/#12 x"), ..alone(&facts) };
        let text = "repository = 'h.io/r'\ntags = ['{version}', 'v{version}-{revision}', '{branch}', 'h.io/{name}:{name}']";
        assert_eq!(
            named(text, &naming).expect("names"),
            [
                "h.io/r:1.0.0-x",
                "h.io/r:v1.0.0-x-c0ffee-dirty",
                "h.io/r:feature--12-x",
                "h.io/web:web",
                "1.0.0-x",
                "v1.0.0-x-c0ffee-dirty",
                "feature--12-x",
                "web"
            ]
        );
    }

    #[test]
    fn a_placeholder_that_stands_for_nothing_is_refused() {
        for (text, why) in [("{revision}", "git commit"), ("{branch}", "no branch"), ("{sha}", "unknown")] {
            let error = try_names(&format!("tags = ['{text}']")).expect_err(text);
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.hint_text().is_some_and(|hint| hint.contains('{')), "{error:?}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_with_its_origin() {
        let error = try_names("repository = 'ghcr.io/A'").expect_err("upper case");
        assert_eq!(error.to_string(), "repository (--repository): \"ghcr.io/A\" cannot be used");
        assert!(try_names("repository = 'ghcr.io/a:1'").is_err());
        assert!(try_names("tags = ['a b']").is_err());
        for text in ["x".repeat(129), "-x".into(), String::new()] {
            let error = try_names(&format!("tags = ['{text}']")).expect_err("no tag");
            assert!(error.to_string().ends_with(" is not a valid tag"), "{error}");
        }
    }
}
