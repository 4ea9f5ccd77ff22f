//! Where an image goes: repository, tags and full references.

use crate::config::Settings;
use crate::error::{Error, Result};
use crate::oci::{Reference, Repository, is_tag, tag_from_version};

/// The names of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Its full references; empty where neither a repository nor a full reference is known.
    pub references: Vec<Reference>,
    /// The tag for outputs that keep one.
    pub tag: String,
}

/// The names of the image `name` at `version`. With `several` images in one call, each goes to
/// its own repository: below the configured one, or where `{name}` stands.
///
/// # Errors
/// Usage: something is no reference or tag, or several images would get one reference.
pub fn names(settings: &Settings, name: &str, version: &str, several: bool) -> Result<Names> {
    let default_tag = tag_from_version(version);
    let fill = |text: &str| text.replace("{name}", &name.to_lowercase());
    let repository = settings
        .repository
        .as_deref()
        .map(|text| {
            let spread = several && !text.contains("{name}");
            let text =
                if spread { format!("{}/{{name}}", text.trim_end_matches('/')) } else { text.to_owned() };
            fill(&text).parse::<Repository>().map_err(|e| explain(settings, "repository", &text, e))
        })
        .transpose()?;
    let tags = settings.tags.clone().unwrap_or_else(|| vec![default_tag.clone()]);
    let mut found = Names { references: Vec::new(), tag: default_tag.clone() };
    let mut bare = Vec::new();
    for text in &tags {
        if is_tag(text) {
            bare.push(text.clone());
            found.references.extend(repository.as_ref().map(|r| r.with_tag(text)));
            continue;
        }
        if several && !text.contains("{name}") {
            return Err(Error::usage(format!("the reference {text:?} cannot name several images")).hint(
                "put {name} into it, or give --repository and bare tags, or choose one binary with --bin",
            ));
        }
        found
            .references
            .push(full_reference(&fill(text), &default_tag).map_err(|e| explain(settings, "tags", text, e))?);
    }
    if let Some(tag) = bare.into_iter().chain(found.references.iter().filter_map(|r| r.tag.clone())).next() {
        found.tag = tag;
    }
    found.references.dedup();
    Ok(found)
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
    let hint = error.hint_text().unwrap_or("write host/name:tag").to_owned();
    Error::usage(format!("{key} ({}): {text:?} cannot be used", settings.origins.describe(key)))
        .because(error)
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layer, Origin, fold, from_toml};

    fn try_names(text: &str, several: bool) -> Result<Vec<String>> {
        let text = format!("platforms = ['linux/amd64']\n{text}");
        let layer = Layer { values: from_toml(&text, &Origin::Flag)?, origin: Origin::Flag };
        let settings = Settings::new(fold(&[layer], ""))?;
        let names = names(&settings, "web", "1.0.0+x", several)?;
        Ok(names.references.iter().map(ToString::to_string).chain([names.tag]).collect())
    }

    #[test]
    fn the_version_is_the_default_tag() {
        assert_eq!(
            try_names("repository = 'ghcr.io/a/b'", false).expect("names"),
            ["ghcr.io/a/b:1.0.0-x", "1.0.0-x"]
        );
        assert_eq!(
            try_names("tags = ['ghcr.io/a/b']", false).expect("names"),
            ["ghcr.io/a/b:1.0.0-x", "1.0.0-x"]
        );
        assert_eq!(try_names("", false).expect("names"), ["1.0.0-x"]);
    }

    #[test]
    fn bare_tags_and_full_references_mix() {
        let text = "repository = 'ghcr.io/a/b'\ntags = ['latest', 'quay.io/c/d:2']";
        assert_eq!(try_names(text, false).expect("names"), ["ghcr.io/a/b:latest", "quay.io/c/d:2", "latest"]);
    }

    #[test]
    fn several_images_get_a_repository_each() {
        assert_eq!(try_names("repository = 'ghcr.io/a'", true).expect("names")[0], "ghcr.io/a/web:1.0.0-x");
        assert_eq!(
            try_names("repository = 'ghcr.io/x-{name}'", true).expect("names")[0],
            "ghcr.io/x-web:1.0.0-x"
        );
        assert!(try_names("tags = ['ghcr.io/a/b:1']", true).is_err());
        assert_eq!(try_names("tags = ['ghcr.io/{name}:1']", true).expect("names")[0], "ghcr.io/web:1");
    }

    #[test]
    fn what_is_no_reference_is_refused_with_its_origin() {
        let error = try_names("repository = 'ghcr.io/A'", false).expect_err("upper case");
        assert_eq!(error.to_string(), "repository (--repository): \"ghcr.io/A\" cannot be used");
        assert!(try_names("repository = 'ghcr.io/a:1'", false).is_err());
        assert!(try_names("tags = ['a b']", false).is_err());
    }
}
