//! A program that is to be started, and one that runs.

#![allow(clippy::disallowed_methods, reason = "this is where it is done")]

use std::io;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use super::group::Group;
use super::secrets;
use crate::interrupt;

/// A program that is to be started.
#[derive(Debug)]
pub(crate) struct Program {
    pub(super) command: Command,
    asks: bool,
}

impl Program {
    /// One that builds or examines something: it gets no credentials for registries.
    pub(crate) fn new(mut command: Command) -> Self {
        secrets::withhold(&mut command);
        Self::trusted(command)
    }

    /// One of the user's own, or one that delivers images or knows credentials: it gets all variables.
    pub(crate) fn trusted(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self { command, asks: false }
    }

    /// Gives it an input.
    pub(crate) fn stdin(mut self, stdin: Stdio) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// It, or what it starts, may ask somebody a question where there is a terminal.
    pub(crate) fn may_ask(mut self) -> Self {
        self.asks = true;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be run, or the work was interrupted.
    pub(crate) fn spawn(mut self) -> io::Result<Running<Child>> {
        let leads = self.prepare()?;
        let child = when_written(|| self.command.spawn())?;
        Ok(Running::of(child.id(), leads, child))
    }

    /// Starts it within the runtime, so that it can be waited for together with other things.
    ///
    /// # Errors
    /// When it cannot be run, or the work was interrupted.
    pub(crate) fn start(mut self) -> io::Result<Running<tokio::process::Child>> {
        let leads = self.prepare()?;
        let mut command = tokio::process::Command::from(self.command);
        let child = when_written(|| command.spawn())?;
        let id = child.id().ok_or_else(|| io::Error::other("it has no number"))?;
        Ok(Running::of(id, leads, child))
    }

    /// Runs it to its end and collects what it says.
    ///
    /// # Errors
    /// When it cannot be run, or the work was interrupted.
    pub(crate) fn output(mut self) -> io::Result<Output> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.spawn()?.wait_with_output()
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be run, or the work was interrupted.
    pub(crate) fn status(self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Whether it will lead a process group.
    fn prepare(&mut self) -> io::Result<bool> {
        interrupt::check_io()?;
        #[cfg(unix)]
        if !(self.asks && std::fs::File::open("/dev/tty").is_ok()) {
            use std::os::unix::process::CommandExt;
            self.command.process_group(0);
            return Ok(true);
        }
        Ok(false)
    }
}

/// How often a program is tried again that something still has open for writing, and how long each time is waited.
const TRIES: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(10);

/// Starts a program that may just have been written. What another thread starts meanwhile holds all open files for
/// a moment, and Linux runs no program that somebody could still write.
fn when_written<C>(mut start: impl FnMut() -> io::Result<C>) -> io::Result<C> {
    for _ in 0..TRIES {
        match start() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => std::thread::sleep(BETWEEN),
            started => return started,
        }
    }
    start()
}

/// A program that runs. Dropped before it has ended, it is ended with all that it started.
#[derive(Debug)]
pub(crate) struct Running<C> {
    // Before the child, so that it is ended before its streams are closed: a stream that breaks off must
    // not be taken for one that is complete.
    guard: Guard,
    /// The program, for its streams.
    pub(crate) child: C,
}

#[derive(Debug)]
struct Guard(Option<Group>);

impl Guard {
    fn release(&mut self) {
        if let Some(group) = self.0.take() {
            group.forget();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            group.end();
            group.forget();
        }
    }
}

impl<C> Running<C> {
    fn of(id: u32, leads: bool, child: C) -> Self {
        let group = Group::of(id, leads);
        if interrupt::is_raised() {
            // Whoever ends all that runs may have come before this one.
            group.end();
        }
        Self { guard: Guard(Some(group)), child }
    }
}

impl Running<Child> {
    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) fn wait(mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.guard.release();
        Ok(status)
    }

    /// Waits until it ends by itself, and collects what it says.
    ///
    /// # Errors
    /// When it cannot be waited for or read.
    pub(crate) fn wait_with_output(self) -> io::Result<Output> {
        let Self { mut guard, child } = self;
        let output = child.wait_with_output()?;
        guard.release();
        Ok(output)
    }

    /// Ends it with all that it started.
    pub(crate) fn end(self) {
        let Self { guard, mut child } = self;
        drop(guard);
        if let Err(error) = child.wait() {
            tracing::debug!(%error, "a program that was ended cannot be waited for");
        }
    }
}

impl Running<tokio::process::Child> {
    /// Waits until it ends by itself. Dropping the future ends it.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) async fn wait(mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.guard.release();
        Ok(status)
    }

    /// Waits until it ends by itself, and collects what it says. Dropping the future ends it.
    ///
    /// # Errors
    /// When it cannot be waited for or read.
    pub(crate) async fn wait_with_output(self) -> io::Result<Output> {
        let Self { mut guard, child } = self;
        let output = child.wait_with_output().await?;
        guard.release();
        Ok(output)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::time::Instant;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        command
    }

    fn is_there(id: u32) -> bool {
        super::super::table::all().iter().any(|process| process.id == id)
    }

    /// Waits for what the system needs a moment for.
    fn is_soon_gone(id: u32) -> bool {
        let begin = Instant::now();
        while is_there(id) && begin.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        !is_there(id)
    }

    /// Starts a program that has a child, which does not hear when it is asked to end; the child's number.
    fn with_grandchild(asks: bool) -> (Running<Child>, u32) {
        let mut program =
            Program::new(shell("(trap '' TERM; echo $(exec sh -c 'echo $PPID'); sleep 60; :) & wait"));
        program.asks = asks;
        let mut running = program.spawn().expect("started");
        let mut line = String::new();
        BufReader::new(running.child.stdout.take().expect("output")).read_line(&mut line).expect("a line");
        (running, line.trim().parse().expect("a number"))
    }

    #[test]
    fn descendants_end_with_a_program_that_is_dropped() {
        for asks in [false, true] {
            let (running, grandchild) = with_grandchild(asks);
            let child = running.child.id();
            assert!(is_there(child) && is_there(grandchild));
            running.end();
            assert!(!is_there(child) && is_soon_gone(grandchild), "asks: {asks}");
        }
    }

    #[test]
    fn what_a_program_leaves_behind_when_it_is_done_lives_on() {
        let left = Program::new(shell("sleep 60 >/dev/null 2>&1 & echo $!")).output().expect("done");
        let id: u32 = String::from_utf8_lossy(&left.stdout).trim().parse().expect("a number");
        assert!(is_there(id));
        Group::of(id, false).end();
        let mut kill = Command::new("kill");
        assert!(kill.arg(id.to_string()).status().expect("kill").success() || !is_there(id));
    }

    #[tokio::test]
    async fn a_future_that_is_dropped_ends_its_program() {
        let mut running = Program::new(shell("echo; sleep 60; :")).start().expect("started");
        let id = running.child.id().expect("a number");
        let mut byte = [0];
        let mut stdout = running.child.stdout.take().expect("output");
        tokio::io::AsyncReadExt::read_exact(&mut stdout, &mut byte).await.expect("it runs");
        let waited = tokio::time::timeout(Duration::from_millis(1), running.wait()).await;
        assert!(waited.is_err() && is_soon_gone(id));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_that_is_still_written_is_waited_for() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("sh");
        std::fs::copy("/bin/sh", &path).expect("a program");
        let file = std::fs::OpenOptions::new().append(true).open(&path).expect("open");
        let mut command = Command::new(&path);
        command.args(["-c", "exit 3"]);
        assert_eq!(command.spawn().expect_err("open").kind(), io::ErrorKind::ExecutableFileBusy);
        let closing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            drop(file);
        });
        assert_eq!(Program::new(command).status().expect("it runs").code(), Some(3));
        closing.join().expect("closed");
    }

    #[test]
    fn nobody_gets_an_input_by_accident() {
        let output = Program::new(shell("cat; echo done")).output().expect("done");
        assert_eq!(output.stdout, b"done\n");
        assert!(Program::new(Command::new("/no/such")).status().is_err());
    }
}
