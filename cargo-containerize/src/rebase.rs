//! `containerize rebase`: images are laid on another base, without being built.

use std::fmt::Write as _;

use containerize_core::Result;
use containerize_core::event::Events;
use containerize_core::story::{self, Fleet, FleetImage, Judgement, PlatformRebased, Rebased, Rebaser};
use serde_json::json;

use crate::cli::{PrintFormat, RebaseArgs, Which};
use crate::request;
use crate::verify::{Verdict, signatory};

/// Lays the images on the base that the call names, or only judges whether they may be; what is to be printed.
///
/// # Errors
/// Those of reading images and of pushing. Broken facts are a verdict.
pub(crate) async fn run(arguments: &RebaseArgs, events: &Events) -> Result<Verdict> {
    let RebaseArgs { tags, check, .. } = arguments;
    let is_signed = arguments.signatory.is_given();
    let signatory = if is_signed { Some(signatory(&arguments.signatory)?) } else { None };
    let request = request::for_rebase(arguments)?;
    let (request, signatory) = (&request, signatory.as_ref());
    let rebaser = Rebaser { request, signatory, only_judges: *check, events };
    let is_json = arguments.say.format == PrintFormat::Json;
    match arguments.which()? {
        Which::One(image, base) => {
            let rebased = story::rebase(&rebaser, image, base, tags).await?;
            let text = if is_json { format!("{:#}\n", json!(rebased)) } else { words(&rebased) };
            Ok(Verdict { text, is_good: rebased.result != Judgement::Refused })
        }
        Which::All(repository) => {
            let fleet = story::rebase_all(&rebaser, repository, arguments.base.as_ref()).await?;
            let text = if is_json { format!("{:#}\n", json!(fleet)) } else { words_of_all(&fleet) };
            let is_good = fleet.failed() + fleet.count(Judgement::Refused) == 0;
            Ok(Verdict { text, is_good })
        }
    }
}

fn words(rebased: &Rebased) -> String {
    let Rebased { image, digest, base, result, references, platforms, .. } = rebased;
    let named = image.split('@').next().unwrap_or(image);
    let new = rebased.rebased.as_deref().unwrap_or_default();
    let mut text = match result {
        Judgement::Unchanged => format!("{named}@{digest}: stands on {base} already\n"),
        Judgement::Possible => format!("{named}@{digest}: can be rebased onto {base}\n"),
        Judgement::Refused => format!("{named}@{digest}: cannot be rebased onto {base}\n"),
        Judgement::Rebased | Judgement::Overtaken => String::new(),
    };
    for reference in references {
        let _ = match &reference.digest {
            Some(_) => writeln!(text, "{reference}"),
            None => writeln!(text, "{reference}@{new}"),
        };
    }
    told(&mut text, platforms);
    text
}

/// A line for each image that did not stand on its newest base, and what came of all of them before.
fn words_of_all(fleet: &Fleet) -> String {
    let counts = [
        (fleet.count(Judgement::Rebased), "rebased"),
        (fleet.count(Judgement::Possible), "can be rebased"),
        (fleet.count(Judgement::Unchanged), "unchanged"),
        (fleet.count(Judgement::Overtaken), "overtaken"),
        (fleet.count(Judgement::Refused), "refused"),
        (fleet.failed(), "failed"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let counts: Vec<String> = counts.collect();
    let images = if fleet.images.len() == 1 { "image" } else { "images" };
    let mut text = format!("{}: {} {images}", fleet.repository, fleet.images.len());
    let _ = match counts.is_empty() {
        true => writeln!(text),
        false => writeln!(text, ", {}", counts.join(", ")),
    };
    for FleetImage { tags, digest, rebased, error } in &fleet.images {
        let tags = tags.join(", ");
        if let Some(error) = error {
            let _ = writeln!(text, "{tags}: {error}");
        }
        let (Some(one), Some(digest)) = (rebased, digest) else { continue };
        let new = one.rebased.as_deref().unwrap_or_default();
        let _ = match one.result {
            Judgement::Unchanged => Ok(()),
            Judgement::Rebased => writeln!(text, "{tags}: {digest} is {new} on {}", one.base),
            Judgement::Possible => writeln!(text, "{tags}: {digest} can be rebased onto {}", one.base),
            Judgement::Overtaken => {
                writeln!(text, "{tags}: left alone, since it leads to another image by now")
            }
            Judgement::Refused => writeln!(text, "{tags}: {digest} cannot be rebased onto {}", one.base),
        };
        told(&mut text, &one.platforms);
    }
    text
}

fn told(text: &mut String, platforms: &[PlatformRebased]) {
    for platform in platforms {
        for broken in &platform.broken {
            let _ = writeln!(text, "  {}: {}", platform.platform, broken.message);
            if broken.through.len() > 1 {
                let _ = writeln!(text, "    through {}", broken.through.join(" -> "));
            }
        }
    }
}
