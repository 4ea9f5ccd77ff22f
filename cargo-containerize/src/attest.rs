//! `containerize attest`: a signed statement of where files were built.

use containerize_core::Result;
use containerize_core::event::Events;
use containerize_core::story;
use serde_json::json;

use crate::cli::{AttestArgs, PrintFormat};
use crate::request;

/// Makes the statement that the call asks for; what is to be printed.
///
/// # Errors
/// Those of making it.
pub(crate) async fn run(arguments: &AttestArgs, events: &Events) -> Result<String> {
    let request = request::for_attest(arguments)?;
    let attested = story::attest(&request, &arguments.files, &arguments.output, events).await?;
    Ok(match arguments.say.format {
        PrintFormat::Json => format!("{:#}\n", json!(attested)),
        PrintFormat::Text => format!("{}\n", attested.bundle),
    })
}
