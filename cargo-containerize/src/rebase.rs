//! `containerize rebase`: an image is laid on another base, without being built.

use std::fmt::Write as _;

use containerize_core::Result;
use containerize_core::event::Events;
use containerize_core::story::{self, Judgement, Rebased, Rebaser};
use serde_json::json;

use crate::cli::{PrintFormat, RebaseArgs};
use crate::request;
use crate::verify::{Verdict, signatory};

/// Lays the image on the base that the call names, or only judges whether it may be; what is to be printed.
///
/// # Errors
/// Those of reading images and of pushing. Broken facts are a verdict.
pub(crate) async fn run(arguments: &RebaseArgs, events: &Events) -> Result<Verdict> {
    let RebaseArgs { image, base, tags, check, .. } = arguments;
    let is_signed = arguments.signatory.is_given();
    let signatory = if is_signed { Some(signatory(&arguments.signatory)?) } else { None };
    let request = request::for_rebase(arguments)?;
    let (request, signatory) = (&request, signatory.as_ref());
    let rebaser = Rebaser { request, signatory, only_judges: *check, events };
    let rebased = story::rebase(&rebaser, image, base, tags).await?;
    let text = match arguments.say.format {
        PrintFormat::Json => format!("{:#}\n", json!(rebased)),
        PrintFormat::Text => words(&rebased),
    };
    Ok(Verdict { text, is_good: rebased.result != Judgement::Refused })
}

fn words(rebased: &Rebased) -> String {
    let Rebased { image, digest, base, result, references, platforms, .. } = rebased;
    let named = image.split('@').next().unwrap_or(image);
    let new = rebased.rebased.as_deref().unwrap_or_default();
    let mut text = match result {
        Judgement::Unchanged => format!("{named}@{digest}: stands on {base} already\n"),
        Judgement::Possible => format!("{named}@{digest}: can be rebased onto {base}\n"),
        Judgement::Refused => format!("{named}@{digest}: cannot be rebased onto {base}\n"),
        Judgement::Rebased => String::new(),
    };
    for reference in references {
        let _ = match &reference.digest {
            Some(_) => writeln!(text, "{reference}"),
            None => writeln!(text, "{reference}@{new}"),
        };
    }
    for platform in platforms {
        for broken in &platform.broken {
            let _ = writeln!(text, "  {}: {}", platform.platform, broken.message);
            if broken.through.len() > 1 {
                let _ = writeln!(text, "    through {}", broken.through.join(" -> "));
            }
        }
    }
    text
}
