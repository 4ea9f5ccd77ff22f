//! Another program in the place of this one: signals, the terminal and the exit code are its own.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use containerize_core::system::programs;

/// Where the program of this name is on the search path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    programs::find(program, programs::folders(&path))
}

/// Runs the program. On Unix it does not come back.
///
/// # Errors
/// When it cannot be started.
#[cfg(unix)]
pub(crate) fn to(command: &mut Command) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec())
}

/// Runs the program, and ends as it does.
///
/// # Errors
/// When it cannot be started.
#[cfg(not(unix))]
pub(crate) fn to(command: &mut Command) -> std::io::Result<ExitCode> {
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
