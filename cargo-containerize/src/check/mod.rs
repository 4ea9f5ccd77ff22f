//! `containerize check`: whether an image will start.

mod github;
mod sarif;
mod text;

use containerize_core::Result;
use containerize_core::check::Finding;
use containerize_core::event::Events;
use containerize_core::story::{Checked, Examiner};
use serde_json::json;

use crate::cli::{CheckArgs, CheckFormat};
use crate::front_end::Speech;
use crate::request;
use crate::verify::Verdict;

/// Examines the image that the call names; an image with errors is no good one.
///
/// # Errors
/// When it cannot be had.
pub(crate) async fn run(arguments: &CheckArgs, speech: &Speech, events: &Events) -> Result<Verdict> {
    let (client, store) = request::for_check(arguments, events)?;
    let dir = request::here()?;
    let jobs = arguments.transfer.workers();
    let examiner = Examiner { store: &store, client: &client, dir: &dir, jobs, events };
    let mut found = examiner.examine(&arguments.image, &arguments.platforms).await?;
    for finding in found.iter_mut().flat_map(|checked| &mut checked.report.findings) {
        finding.fix = finding.fix.take().map(|fix| fix.said(speech).into());
    }
    store.evict(request::cache_size()?);
    let image = arguments.image.to_string();
    let text = match arguments.format {
        CheckFormat::Json => format!("{:#}\n", json!({ "image": image, "platforms": found })),
        CheckFormat::Sarif => format!("{:#}\n", sarif::document(&image, &found)),
        CheckFormat::Github => github::commands(&image, &found),
        CheckFormat::Text => text::text(&image, &found, arguments.show.verbose > 0),
    };
    Ok(Verdict { text, is_good: found.iter().all(|checked| checked.report.errors() == 0) })
}

/// What is wrong, how it is reached and what helps, in a line each.
fn whole(finding: &Finding) -> String {
    let way = (finding.through.len() > 1).then(|| format!("through {}", finding.through.join(" -> ")));
    let fix = finding.fix.as_ref().map(|fix| format!("fix: {}", &**fix));
    [Some(finding.message.clone()), way, fix].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// All findings, each with what the image runs on.
fn each(found: &[Checked]) -> impl Iterator<Item = (&Checked, &Finding)> {
    found.iter().flat_map(|checked| checked.report.findings.iter().map(move |finding| (checked, finding)))
}

#[cfg(test)]
fn example() -> Vec<Checked> {
    use containerize_core::check::{Kind, Report, Severity};
    let finding = Finding {
        severity: Severity::Error,
        kind: Kind::MissingLibrary,
        message: "/a b/run needs libx.so, which is 100% not there".into(),
        library: Some("libx.so".into()),
        through: vec!["/start".into(), "/a b/run".into()],
        fix: Some("add it".into()),
    };
    let warning = Finding {
        severity: Severity::Warning,
        kind: Kind::TooManyLayers,
        through: Vec::new(),
        fix: None,
        ..finding.clone()
    };
    let report = Report { not_checked: vec!["what the shell does".into()], ..Report::default() };
    let platform = |name: &str| name.parse().expect("a platform");
    vec![
        Checked {
            platform: platform("linux/amd64"),
            report: Report { findings: vec![finding.clone(), warning], ..report.clone() },
        },
        Checked { platform: platform("linux/arm64"), report: Report { findings: vec![finding], ..report } },
    ]
}
