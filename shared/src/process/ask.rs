//! Asking another program of this machine a question whose answer is short.

use std::fmt;
use std::io::{Read, Write};
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::Program;

/// No answer is longer, in bytes; what comes behind is not read.
const MOST: u64 = 64 * 1024;

/// How a program that was asked something ended, and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// On standard output, at most 64 KiB.
    pub(crate) stdout: Vec<u8>,
    /// On standard error, at most 64 KiB.
    pub(crate) stderr: Vec<u8>,
}

/// Why a program that was asked something said nothing.
#[derive(Debug)]
pub(crate) enum Silence {
    /// There is no such program.
    Missing,
    /// In words: it cannot be run, or takes too long.
    Because(String),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such program"),
            Self::Because(why) => f.write_str(why),
        }
    }
}

impl Program {
    /// What it says on standard output. Its errors are not shown, and it is ended when it takes longer
    /// than `limit`.
    ///
    /// # Errors
    /// In words: it cannot be run, takes too long, fails, or says what is no text.
    pub(crate) fn answer(self, limit: Duration) -> Result<String, String> {
        let said = self.exchange(&[], limit).map_err(|silence| silence.to_string())?;
        if !said.status.success() {
            return Err(format!("it failed with {}", said.status));
        }
        String::from_utf8(said.stdout).map_err(|_| "its output is not text".to_owned())
    }

    /// Gives it `question` on standard input, which is short, and collects what it says. It is ended when
    /// it takes longer than `limit`. One that ends without hearing the question has said what it wanted.
    ///
    /// # Errors
    /// When it cannot be run, or takes too long.
    pub(crate) fn exchange(mut self, question: &[u8], limit: Duration) -> Result<Said, Silence> {
        let end = Instant::now() + limit;
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if !question.is_empty() {
            self.command.stdin(Stdio::piped());
        }
        let mut running = self.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Silence::Missing,
            _ => Silence::Because(error.to_string()),
        })?;
        let stdout = listen(running.child.stdout.take());
        let stderr = listen(running.child.stderr.take());
        if let Some(mut stdin) = running.child.stdin.take()
            && let Err(error) = stdin.write_all(question)
        {
            tracing::debug!(%error, "the program did not hear the question");
        }
        let heard =
            |said: mpsc::Receiver<Vec<u8>>| said.recv_timeout(end.saturating_duration_since(Instant::now()));
        let (Ok(stdout), Ok(stderr)) = (heard(stdout), heard(stderr)) else {
            running.end();
            return Err(Silence::Because(format!("it took longer than {} s", limit.as_secs())));
        };
        let status = running.wait().map_err(|error| Silence::Because(error.to_string()))?;
        Ok(Said { status, stdout, stderr })
    }
}

/// Reads to the end in a thread of its own, so that two streams cannot wait for each other, and so that
/// the wait can have an end.
fn listen<R: Read + Send + 'static>(stream: Option<R>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, said) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stream.map(|stream| stream.take(MOST).read_to_end(&mut bytes));
        if let Some(Err(error)) = read {
            tracing::debug!(%error, "an answer broke off");
        }
        // Nobody listens any more when the time is over.
        let _ = sender.send(bytes);
    });
    said
}
