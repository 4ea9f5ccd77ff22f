//! `containerize inspect`: what an image is made of, as text, JSON or a page.

mod page;
mod text;

use std::path::Path;

use containerize_core::event::Events;
use containerize_core::inspect::Inspection;
use containerize_core::story::Examiner;
use containerize_core::words::flag;
use containerize_core::{Error, Result, sink, words};
use serde_json::json;

use crate::cli::{InspectArgs, PrintFormat};
use crate::front_end::Speech;
use crate::request;

/// Looks into the image that the call names; what is to be printed.
///
/// # Errors
/// When it cannot be read, or the page cannot be written.
pub(crate) async fn run(arguments: &InspectArgs, speech: &Speech, events: &Events) -> Result<String> {
    let (client, store) = request::for_stored(&arguments.transfer, &arguments.image, events)?;
    let dir = request::here()?;
    if let Some(file) =
        arguments.html.as_ref().filter(|file| file.as_os_str() == "-" || dir.join(file).is_dir())
    {
        return Err(Error::usage(words!("{} cannot be {}", flag("html"), file.display()))
            .hint(words!("give the name of a file, for example {}", flag("html").of("image.html"))));
    }
    let jobs = arguments.transfer.workers();
    let examiner = Examiner { store: &store, client: &client, dir: &dir, jobs, events };
    let found = examiner.inspect(&arguments.image, &arguments.platforms).await?;
    store.evict(request::cache_size()?);
    if let Some(file) = &arguments.html {
        write_page(&dir.join(file), &found)?;
        events.step("Written", file.display().to_string());
    }
    Ok(match arguments.say.format {
        PrintFormat::Json => format!("{:#}\n", json!(found)),
        PrintFormat::Text => text::text(&found, arguments.say.show.verbose > 0, speech),
    })
}

/// Whole, or as it was.
fn write_page(file: &Path, found: &Inspection) -> Result<()> {
    sink::write_file(file, |to| {
        to.write_all(page::page(found).as_bytes())
            .map_err(|error| Error::build("the disk refused").because(error))
    })
}
