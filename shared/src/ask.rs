//! Asking another program of this machine a question whose answer is short.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// No answer is longer, in bytes; what comes behind is not read.
const MOST: u64 = 64 * 1024;

/// What the program says on standard output. It gets no input, its errors are not shown, and it is
/// ended when it takes longer than `limit`.
///
/// # Errors
/// In words: it cannot be run, takes too long, fails, or says what is no text.
pub(crate) fn ask(command: &mut Command, limit: Duration) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let stdout = child.stdout.take().ok_or("it has no output")?;
    let (sender, said) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.take(MOST).read_to_string(&mut text).map(|_| text);
        // Nobody listens any more when the time is over.
        let _ = sender.send(read);
    });
    let Ok(text) = said.recv_timeout(limit) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("it took longer than {} s", limit.as_secs()));
    };
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("it ended with {status}"));
    }
    text.map_err(|error| error.to_string())
}
