//! `containerize inspect`: what an image is made of, as text, JSON or a page.

pub(crate) mod page;
mod text;

use std::path::Path;

use containerize_core::event::Events;
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
    check_place(&dir, arguments.html.as_deref())?;
    let jobs = arguments.transfer.workers();
    let examiner = Examiner { store: &store, client: &client, dir: &dir, jobs, events };
    let found = examiner.inspect(&arguments.image, &arguments.platforms).await?;
    store.evict(request::cache_size()?);
    if let Some(file) = &arguments.html {
        write_page(&dir, file, &page::page(&found), events)?;
    }
    Ok(match arguments.say.format {
        PrintFormat::Json => format!("{:#}\n", json!(found)),
        PrintFormat::Text => text::text(&found, arguments.say.show.verbose > 0, speech),
    })
}

/// Refuses a place where no page can be.
///
/// # Errors
/// Usage: it is a folder, or standard output.
pub(crate) fn check_place(dir: &Path, file: Option<&Path>) -> Result<()> {
    match file.filter(|file| file.as_os_str() == "-" || dir.join(file).is_dir()) {
        None => Ok(()),
        Some(file) => Err(Error::usage(words!("{} cannot be {}", flag("html"), file.display()))
            .hint(words!("give the name of a file, for example {}", flag("html").of("image.html")))),
    }
}

/// Writes a page: whole, or all is as it was.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn write_page(dir: &Path, file: &Path, page: &str, events: &Events) -> Result<()> {
    sink::write_file(&dir.join(file), |to| {
        to.write_all(page.as_bytes()).map_err(|error| Error::build("the disk refused").because(error))
    })?;
    events.step("Written", file.display().to_string());
    Ok(())
}
