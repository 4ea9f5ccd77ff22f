//! What a project says about itself, and when its image was made.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Request;
use crate::config::{Layer, Origin, Partial};
use crate::error::{Error, Result};
use crate::plan::{About, Names, standard_labels};
use crate::vcs::Revision;

/// What the project itself says, in the place below all that users configure. `told_by` says
/// where the time of creation is from.
pub(super) fn detected(
    about: &About,
    manifest: &'static str,
    with_revision: bool,
    told_by: Origin,
) -> Vec<Layer> {
    let mut layers = [Origin::Detected(manifest), Origin::Detected("git"), told_by]
        .map(|origin| Layer { origin, values: Partial::default() });
    for (name, value) in standard_labels(about, with_revision) {
        let place = match name.rsplit('.').next() {
            Some("revision") => 1,
            Some("created") => 2,
            _ => 0,
        };
        layers[place].values.labels.get_or_insert_default().insert(name, value);
    }
    layers.into()
}

/// Refuses a push that knows no name for the image.
///
/// # Errors
/// Usage, with two ways to give one.
pub(super) fn check_push(request: &Request, image: &str, names: &Names) -> Result<()> {
    if !request.push || !names.references.is_empty() {
        return Ok(());
    }
    let tag = &names.tag;
    Err(Error::usage(format!("--push does not know where the image {image} goes")).hint(format!(
        "write --push --repository ghcr.io/you/{image} or --push --tag ghcr.io/you/{image}:{tag}"
    )))
}

/// A commit as labels name it.
pub(super) fn revision_text(revision: &Revision) -> String {
    format!("{}{}", revision.commit, if revision.dirty { "-dirty" } else { "" })
}

/// `SOURCE_DATE_EPOCH`, else the last commit's time when the tree is clean, else 1970; and which
/// of them it was.
pub(super) fn created(
    variables: &BTreeMap<String, String>,
    revision: Option<&Revision>,
) -> Result<(String, Origin)> {
    let (time, origin) = match variables.get("SOURCE_DATE_EPOCH").map(|text| text.trim()) {
        Some(text) if !text.is_empty() => {
            let time = text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            let time = time.ok_or_else(|| {
                Error::usage(format!("SOURCE_DATE_EPOCH is {text:?}"))
                    .hint("set it to seconds since 1970, or unset it")
            })?;
            (time, Origin::Detected("SOURCE_DATE_EPOCH"))
        }
        _ => match revision.filter(|revision| !revision.dirty) {
            Some(revision) => (revision.committed, Origin::Detected("git")),
            None => (Timestamp::UNIX_EPOCH, Origin::Default),
        },
    };
    Ok((time.to_string(), origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(dirty: bool) -> Revision {
        let committed = jiff::Timestamp::from_second(1_700_000_000).expect("a time");
        Revision { commit: "c0ffee".into(), committed, dirty }
    }

    #[test]
    fn the_time_is_told_by_the_environment_then_by_a_clean_tree() {
        let told = |epoch: Option<&str>, revision: Option<bool>| {
            let variables = epoch.map(|text| ("SOURCE_DATE_EPOCH".to_owned(), text.to_owned()));
            created(&variables.into_iter().collect(), revision.map(self::revision).as_ref())
                .map(|(time, origin)| format!("{time} {}", origin.describe("")))
        };
        let shown = |epoch, revision| told(epoch, revision).expect("a time");
        assert_eq!(shown(Some("86400"), Some(false)), "1970-01-02T00:00:00Z from SOURCE_DATE_EPOCH");
        assert_eq!(shown(None, Some(false)), "2023-11-14T22:13:20Z from git");
        assert_eq!(shown(None, Some(true)), "1970-01-01T00:00:00Z default");
        assert_eq!(shown(Some(" "), None), "1970-01-01T00:00:00Z default");
        for wrong in ["yesterday", "99999999999999999"] {
            assert_eq!(told(Some(wrong), None).expect_err("refused").kind(), crate::Kind::Usage);
        }
    }

    #[test]
    fn an_unclean_tree_says_so_in_its_revision() {
        assert_eq!(revision_text(&revision(false)), "c0ffee");
        assert_eq!(revision_text(&revision(true)), "c0ffee-dirty");
    }
}
