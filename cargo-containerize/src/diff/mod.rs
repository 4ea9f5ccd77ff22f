//! `containerize diff`: what two images differ in, as text, JSON, Markdown or a page.

mod markdown;
mod page;
mod project;
mod text;
mod words;

use containerize_core::Result;
use containerize_core::base::spec::BaseSpec;
use containerize_core::event::Events;
use containerize_core::inspect::{Diff, Growth, Sides};
use containerize_core::story::{Examiner, Login};
use serde_json::json;

use crate::cli::{DiffArgs, DiffFormat, Limit};
use crate::front_end::FrontEnd;
use crate::inspect;
use crate::request;
use crate::verify::Verdict;
use project::Built;

/// Compares the images that the call names; what is to be printed, and whether no image has grown too much.
///
/// # Errors
/// When one cannot be read, or the project cannot be built.
pub(crate) async fn run(arguments: &DiffArgs, front_end: &FrontEnd, events: &Events) -> Result<Verdict> {
    let dir = request::here()?;
    inspect::check_place(&dir, arguments.html.as_deref())?;
    let images = Pair::of(arguments, front_end, events).await?;
    let specs = images.specs();
    let (from, to, login) = (specs.from, specs.to, images.login.clone());
    let (client, store) = request::for_two(&arguments.transfer, &[from, to], login, events)?;
    let jobs = arguments.transfer.workers();
    let examiner = Examiner { store: &store, client: &client, dir: &dir, jobs, events };
    let found = examiner.diff(specs, images.names(), &arguments.platforms).await?;
    store.evict(request::cache_size()?);
    let judged = arguments.fail_on_growth.as_ref().map(|limit| Judged::of(&found, limit));
    if let Some(file) = &arguments.html {
        inspect::write_page(&dir, file, &page::page(&found, judged.as_ref()), events)?;
    }
    let text = match arguments.format {
        DiffFormat::Json => json_text(&found, judged.as_ref()),
        DiffFormat::Text => text::text(&found, judged.as_ref(), arguments.show.verbose > 0),
        DiffFormat::Markdown => markdown::page(&found, judged.as_ref()),
    };
    Ok(Verdict { text, is_good: judged.is_none_or(|judged| judged.exceeded.is_empty()) })
}

/// Both images, one of which may be built for it.
struct Pair {
    from: BaseSpec,
    to: To,
    /// The login of the call for reading them.
    login: Option<Login>,
}

enum To {
    Given(BaseSpec),
    Built(Built),
}

impl Pair {
    async fn of(arguments: &DiffArgs, front_end: &FrontEnd, events: &Events) -> Result<Self> {
        let transfer = &arguments.transfer;
        if let (Some(from), Some(to)) = (&arguments.from, &arguments.to) {
            let uses_a_registry = [from, to].iter().any(|image| request::registry_of(image).is_some());
            let login = if uses_a_registry { request::login_of(transfer)? } else { None };
            return Ok(Self { from: from.clone(), to: To::Given(to.clone()), login });
        }
        // Read once, and before the build: standard input has no more of it.
        let login = request::login_of(transfer)?;
        let request = project::request(arguments, login.clone(), front_end)?;
        let from = match &arguments.from {
            Some(from) => from.clone(),
            None => BaseSpec::Registry(project::pushed(&request).await?),
        };
        Ok(Self { from, to: To::Built(project::built(request, events).await?), login })
    }

    const fn specs(&self) -> Sides<&BaseSpec> {
        let to = match &self.to {
            To::Given(to) => to,
            To::Built(built) => &built.image,
        };
        Sides { from: &self.from, to }
    }

    fn names(&self) -> Sides<String> {
        let to = match &self.to {
            To::Given(to) => to.to_string(),
            To::Built(built) => built.name.clone(),
        };
        Sides { from: self.from.to_string(), to }
    }
}

/// Whether images have grown by more than they may.
struct Judged<'d> {
    limit: &'d Limit,
    /// The platforms for which they have, and by how much.
    exceeded: Vec<(String, &'d Growth)>,
}

impl<'d> Judged<'d> {
    fn of(found: &'d Diff, limit: &'d Limit) -> Self {
        let grown = found.platforms.iter().filter_map(|one| {
            let growth = &one.changes.as_ref()?.growth;
            limit.limit.is_exceeded(growth).then(|| (one.platform.to_string(), growth))
        });
        Self { limit, exceeded: grown.collect() }
    }

    /// One sentence for each platform that is too large, or one for all; `shown` makes a part of a sentence of what others
    /// wrote.
    fn sentences(&self, shown: impl Fn(&str) -> String) -> Vec<String> {
        let limit = shown(&self.limit.text);
        if self.exceeded.is_empty() {
            return vec![format!("within the limit: no platform has grown by more than {limit}")];
        }
        let grown = self.exceeded.iter().map(|(platform, growth)| {
            let (platform, by) = (shown(platform), words::grown(growth, self.limit.limit));
            format!("too large: {platform} has grown by {by}, but the limit is {limit}")
        });
        grown.collect()
    }
}

fn json_text(found: &Diff, judged: Option<&Judged<'_>>) -> String {
    let mut value = json!(found);
    if let Some(Judged { limit, exceeded }) = judged {
        let platforms: Vec<&str> = exceeded.iter().map(|(platform, _)| platform.as_str()).collect();
        value["growth-limit"] = json!({ "limit": limit.text, "exceeded": platforms });
    }
    format!("{value:#}\n")
}
