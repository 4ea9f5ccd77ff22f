//! What a project says about itself, and when its image was made.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::request::Request;
use crate::config::{Origin, Partial, Place, Settings};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::plan::{About, Names, Naming, names, standard_labels};
use crate::sink::Output;
use crate::vcs::{self, Revision};
use crate::words;
use crate::words::flag;

/// What the project itself says, in the place below all that users configure. `told_by` says
/// where the time of creation is from.
pub(super) fn detected(
    about: &About,
    manifest: &'static str,
    with_revision: bool,
    told_by: Origin,
) -> Vec<Place> {
    let mut places = [Origin::Detected(manifest), Origin::Detected("git"), told_by]
        .map(|origin| Place { origin, values: Partial::default() });
    for (name, value) in standard_labels(about, with_revision) {
        let which = match name.rsplit('.').next() {
            Some("revision") => 1,
            Some("created") => 2,
            _ => 0,
        };
        places[which].values.labels.get_or_insert_default().insert(name, value);
    }
    places.into()
}

/// Variables in which CI systems name the branch, for checkouts of a commit alone.
const BRANCH_VARIABLES: [&str; 5] =
    ["GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BRANCH_NAME", "BUILDKITE_BRANCH"];

/// The branch, if a tag asks for it: the one that is checked out in `dir`, else what a CI system says.
pub(super) fn branch(settings: &Settings, request: &Request, dir: &Path) -> Option<String> {
    let asks = settings.tags.iter().flatten().any(|tag| tag.contains("{branch}"));
    if asks { vcs::branch(dir).or_else(|| told_branch(&request.variables)) } else { None }
}

/// The branch that a CI system says. Those that do not mean this call are there and empty.
fn told_branch(variables: &BTreeMap<String, String>) -> Option<String> {
    let set = BRANCH_VARIABLES.iter().filter_map(|name| variables.get(*name));
    set.map(|text| text.trim()).find(|text| !text.is_empty()).map(str::to_owned)
}

/// The names of an image, and what the user should know of them.
///
/// # Errors
/// Usage: a name that cannot be, or a push that knows no name for the image.
pub(super) fn image_names(
    request: &Request,
    settings: &Settings,
    naming: &Naming<'_>,
    events: &Events,
) -> Result<Names> {
    let names = names(settings, naming)?;
    let image = naming.name;
    if request.push && names.references.is_empty() {
        let tag = names.tags.first().map_or("1.0", String::as_str);
        return Err(Error::usage(words!(
            "{push} needs a destination for the image {image}",
            push = flag("push")
        ))
        .hint(words!(
            "use {} or {}",
            flag("repository").of(format!("ghcr.io/you/{image}")),
            flag("tag").of(format!("ghcr.io/you/{image}:{tag}"))
        )));
    }
    check_targets(request, settings, &names)?;
    let named =
        settings.repository.as_deref().filter(|_| settings.origins.of("repository") == Some(&Origin::Flag));
    if let Some(repository) = named {
        let keeps_names = !request.load.is_empty()
            || request.outputs.iter().any(|output| matches!(output, Output::DockerArchive { .. }));
        if !request.push && !keeps_names {
            events.note(words!(
                "{} has no effect without {}: nothing is pushed",
                flag("repository"),
                flag("push")
            ));
        }
        if request.push
            && naming.shares_repository
            && !naming.is_one_of_several
            && !repository.contains("{name}")
        {
            let exact = flag("tag").of(repository);
            events.note(words!(
                "{image} goes below {repository}, since the project has several images; use `{exact}` for an exact name"
            ));
        }
    }
    Ok(names)
}

/// Refuses tags that nothing would get.
fn check_targets(request: &Request, settings: &Settings, names: &Names) -> Result<()> {
    let is_pushed = |tag: &&String| names.references.iter().any(|name| name.tag.as_ref() == Some(tag));
    if request.push
        && let Some(tag) = names.tags.iter().find(|tag| !is_pushed(tag))
    {
        let beside = names.references.first().map_or_else(String::new, |name| name.repository.to_string());
        return Err(Error::usage(words!(
            "{push} needs a destination for the tag {tag}",
            push = flag("push")
        ))
        .hint(words!(
            "write it in full as {}, or give {} and bare tags",
            flag("tag").of(format!("{beside}:{tag}")),
            flag("repository").of(beside.clone())
        )));
    }
    let own_name = |output: &Output| {
        matches!(output, Output::Layout { name: Some(_), .. } | Output::DockerArchive { name: Some(_), .. })
    };
    let is_kept = request.push || !request.load.is_empty() || !request.outputs.iter().all(own_name);
    match request.outputs.first() {
        Some(output) if !is_kept && settings.origins.of("tags") == Some(&Origin::Flag) => {
            let tags = settings.tags.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
            Err(Error::usage(words!(
                "{} has no effect: {} already names the image",
                flag("tag").of(tags),
                flag("output").of(output.to_string())
            ))
            .hint("remove one of the two names"))
        }
        _ => Ok(()),
    }
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
                Error::usage(format!("invalid SOURCE_DATE_EPOCH {text:?}"))
                    .hint("set it to a number of seconds since 1970, or unset it")
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
    fn a_variable_that_is_empty_names_no_branch() {
        let variables = [("GITHUB_HEAD_REF", ""), ("GITHUB_REF_NAME", "main"), ("BRANCH_NAME", "other")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(told_branch(&variables).as_deref(), Some("main"));
    }

    #[test]
    fn an_unclean_tree_says_so_in_its_revision() {
        assert_eq!(revision_text(&revision(false)), "c0ffee");
        assert_eq!(revision_text(&revision(true)), "c0ffee-dirty");
    }
}
