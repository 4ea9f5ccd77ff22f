//! The story of a build, on one screen: what the project says, what is planned, what is built,
//! packed, put together and delivered.

mod about;
mod brought;
mod debian;
mod deliver;
mod early;
mod hooks;
mod language;
mod layers;
mod lock;
mod merge;
mod native;
mod pack;
mod parallel;
mod places;
mod preflight;
mod python;
mod request;
mod revision;
mod rust;
mod upload;
mod user;
mod workshop;

pub use deliver::{Delivered, PlatformResult};
pub use language::Language;
pub use lock::lock;
pub use merge::merge;
pub use preflight::{Checked, Examiner};
pub use request::{GroupChanges, Login, Outcome, Request};

use crate::error::Result;
use crate::event::Events;

/// Plans, builds, packs and delivers the images that `request` means.
///
/// # Errors
/// With the kind that the program's exit code shows. Nothing is delivered by halves: names in
/// registries and layouts change only when all that they lead to is there.
pub async fn run(request: Request, events: &Events) -> Result<Outcome> {
    let language = language::of(&request)?;
    let outcome = match language {
        Language::Rust => rust::run(&request, events).await,
        Language::Python => python::run(&request, events).await,
    };
    outcome.map_err(|error| language::with_way_out(error, language, &request))
}
