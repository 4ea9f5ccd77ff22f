//! Signals: the first one ends the work, the next one the program.
//!
//! They are waited for on a thread of their own: all others may be busy. After the first one the work
//! unwinds, which removes what is temporary, and whatever was started is ended. Work that cannot be
//! interrupted (a disk that does not answer) is not waited for long.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use containerize_core::{interrupt, process};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long the work may take to unwind.
const PATIENCE: Duration = Duration::from_secs(5);

/// The number of the first signal; none is 0.
static FIRST: AtomicU8 = AtomicU8::new(0);
/// Ends the programs that run.
static ENDING: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);
static SAID: AtomicBool = AtomicBool::new(false);

/// A signal that asks the program to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal {
    number: u8,
    name: &'static str,
}

const ALL: [Signal; 4] = [
    Signal { number: 1, name: "SIGHUP" },
    Signal { number: 2, name: "SIGINT" },
    Signal { number: 3, name: "SIGQUIT" },
    Signal { number: 15, name: "SIGTERM" },
];

impl Signal {
    /// The exit code, as shells give it for a program that a signal has ended.
    pub(crate) fn exit_code(self) -> u8 {
        128 + self.number
    }

    /// Its name, such as `SIGINT`.
    pub(crate) fn name(self) -> &'static str {
        self.name
    }
}

/// Begins to listen. What was made to ignore a signal (by `nohup`, for example) goes on ignoring it.
///
/// # Errors
/// When the system refuses.
pub(crate) fn watch() -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build().context("cannot wait for signals")?;
    let (sender, receiver) = unbounded_channel();
    listen(&runtime, &sender).context("cannot wait for signals")?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(obey(receiver)))
        .context("cannot wait for signals")?;
    Ok(())
}

#[cfg(unix)]
fn listen(runtime: &Runtime, sender: &UnboundedSender<Signal>) -> std::io::Result<()> {
    use tokio::signal::unix;
    let _here = runtime.enter();
    let ignored = ignored();
    for signal in ALL {
        if ignored & (1 << (signal.number - 1)) != 0 {
            continue;
        }
        let mut stream = unix::signal(unix::SignalKind::from_raw(signal.number.into()))?;
        let sender = sender.clone();
        runtime.spawn(async move { while stream.recv().await.is_some() && sender.send(signal).is_ok() {} });
    }
    Ok(())
}

/// A console tells of keys, of its window that is closed, and of the end of the session; the system waits some seconds
/// for an answer to the last three.
#[cfg(windows)]
fn listen(runtime: &Runtime, sender: &UnboundedSender<Signal>) -> std::io::Result<()> {
    use tokio::signal::windows;
    let _here = runtime.enter();
    macro_rules! pass_on {
        ($event:ident, $signal:expr) => {
            let (mut stream, sender) = (windows::$event()?, sender.clone());
            runtime
                .spawn(async move { while stream.recv().await.is_some() && sender.send($signal).is_ok() {} });
        };
    }
    pass_on!(ctrl_c, ALL[1]);
    pass_on!(ctrl_break, ALL[1]);
    pass_on!(ctrl_close, ALL[0]);
    pass_on!(ctrl_logoff, ALL[3]);
    pass_on!(ctrl_shutdown, ALL[3]);
    Ok(())
}

/// The signals that are ignored, a bit for each; where the system does not tell, none.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

async fn obey(mut signals: UnboundedReceiver<Signal>) {
    let Some(first) = signals.recv().await else { return };
    FIRST.store(first.number, Ordering::SeqCst);
    interrupt::raise();
    *ending() = Some(std::thread::spawn(process::end_all));
    let second = tokio::time::timeout(PATIENCE, signals.recv()).await.ok().flatten();
    process::kill_all();
    say(first);
    std::process::exit(second.unwrap_or(first).exit_code().into());
}

/// The signal that came, when all programs that were started have ended.
pub(crate) fn received() -> Option<Signal> {
    let number = FIRST.load(Ordering::SeqCst);
    let signal = ALL.into_iter().find(|signal| signal.number == number)?;
    // Lives as long as the lock: whoever is late must not start to wait for nobody.
    let thread = ending().take();
    if thread.is_some_and(|thread| thread.join().is_err()) {
        process::kill_all();
    }
    Some(signal)
}

/// Says that the program was interrupted, once, on a line of its own.
pub(crate) fn say(signal: Signal) {
    const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
    if SAID.swap(true, Ordering::SeqCst) {
        return;
    }
    // Over what a program that was ended has left half-written.
    let clear = if std::io::stderr().is_terminal() { "\r\x1b[J" } else { "" };
    // A closed standard error is nobody's loss.
    let _ = write!(std::io::stderr(), "{clear}");
    let _ = writeln!(anstream::stderr(), "{YELLOW}{:>12}{YELLOW:#} by {}", "Interrupted", signal.name);
}

fn ending() -> std::sync::MutexGuard<'static, Option<JoinHandle<()>>> {
    ENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_shells() {
        let codes = ALL.map(|signal| (signal.name(), signal.exit_code()));
        assert_eq!(codes, [("SIGHUP", 129), ("SIGINT", 130), ("SIGQUIT", 131), ("SIGTERM", 143)]);
    }
}
