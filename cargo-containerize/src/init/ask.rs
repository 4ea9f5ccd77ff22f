//! Questions, on a terminal.

use std::io::{BufRead, IsTerminal, Write};

use containerize_core::config::Bins;
use containerize_core::{Error, Result};

/// Whether somebody is there to answer.
pub(super) fn may(yes: bool) -> bool {
    !yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// The repository: the one of the call, or the answer.
///
/// # Errors
/// When the terminal fails.
pub(super) fn repository(given: Option<&str>, guess: Option<&str>) -> Result<Option<String>> {
    if let Some(given) = given {
        return Ok(Some(given.to_owned()));
    }
    let shown = guess.map_or_else(|| "none".to_owned(), str::to_owned);
    let answer = answer(&format!("Repository to push to [{shown}]: "))?;
    Ok(Some(answer).filter(|answer| !answer.is_empty()).or_else(|| guess.map(str::to_owned)))
}

/// The binary, if there are several.
///
/// # Errors
/// Usage: the answer names no binary of the project.
pub(super) fn bin(bins: &[String]) -> Result<Option<Bins>> {
    if bins.len() < 2 {
        return Ok(None);
    }
    let answer = answer(&format!("Binary, one of {} [an image of each]: ", bins.join(", ")))?;
    match answer {
        answer if answer.is_empty() => Ok(Some(Bins(bins.to_vec()))),
        answer if bins.contains(&answer) => Ok(Some(Bins(vec![answer]))),
        answer => Err(Error::usage(format!("{answer:?} is not a binary of this project"))
            .hint(format!("choose one of {}", bins.join(", ")))),
    }
}

fn answer(question: &str) -> Result<String> {
    let failed = |error| Error::build("cannot ask on the terminal").because(error);
    let mut screen = std::io::stderr();
    screen.write_all(question.as_bytes()).and_then(|()| screen.flush()).map_err(failed)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(line.trim().to_owned())
}
