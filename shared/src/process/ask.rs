//! Asking another program of this machine a question whose answer is short.

use std::io::Read;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use super::Program;

/// No answer is longer, in bytes; what comes behind is not read.
const MOST: u64 = 64 * 1024;

impl Program {
    /// What it says on standard output. Its errors are not shown, and it is ended when it takes longer
    /// than `limit`.
    ///
    /// # Errors
    /// In words: it cannot be run, takes too long, fails, or says what is no text.
    pub(crate) fn answer(mut self, limit: Duration) -> Result<String, String> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = self.spawn().map_err(|error| error.to_string())?;
        let stdout = running.child.stdout.take().ok_or("it has no output")?;
        let (sender, said) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = stdout.take(MOST).read_to_string(&mut text).map(|_| text);
            // Nobody listens any more when the time is over.
            let _ = sender.send(read);
        });
        let Ok(text) = said.recv_timeout(limit) else {
            running.end();
            return Err(format!("it took longer than {} s", limit.as_secs()));
        };
        let status = running.wait().map_err(|error| error.to_string())?;
        if !status.success() {
            return Err(format!("it ended with {status}"));
        }
        text.map_err(|error| error.to_string())
    }
}
