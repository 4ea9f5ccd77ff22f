//! A container engine on this machine, spoken to through its own program.
//!
//! The program finds its engine itself: it inherits the environment of this process, so that
//! `DOCKER_HOST`, `DOCKER_CONTEXT` and `CONTAINER_HOST` mean what they mean elsewhere. An engine
//! may therefore be on another machine, and is handed streams and never paths.

use std::fmt;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::thread::JoinHandle;

use crate::error::{Context, Error, Kind, Result};
use crate::interrupt;
use crate::oci::{Digest, Reference};
use crate::process::{Program, Running};

/// The kinds of container engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// Docker, through the program `docker`.
    Docker,
    /// Podman, through the program `podman`.
    Podman,
}

impl Daemon {
    /// The name of its program.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

impl FromStr for Daemon {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "docker" => Ok(Self::Docker),
            "podman" => Ok(Self::Podman),
            _ => {
                Err(Error::usage(format!("{text:?} is not a container engine")).hint("use docker or podman"))
            }
        }
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program())
    }
}

/// A program that speaks to an engine.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    daemon: Daemon,
    program: PathBuf,
}

/// How a call of the program ended.
struct Answer {
    status: ExitStatus,
    out: String,
    words: String,
}

impl Engine {
    /// The engine that the program on the search path speaks to.
    pub(crate) fn of(daemon: Daemon) -> Self {
        Self { daemon, program: daemon.program().into() }
    }

    /// An engine whose program is at `program`.
    #[cfg(all(test, unix))]
    pub(crate) fn at(daemon: Daemon, program: PathBuf) -> Self {
        Self { daemon, program }
    }

    /// The kind of the engine.
    pub(crate) fn daemon(&self) -> Daemon {
        self.daemon
    }

    /// The id of the image `name`.
    ///
    /// # Errors
    /// Usage when the engine has no such image; build when it does not answer.
    pub(crate) fn image_id(&self, name: &str) -> Result<Digest> {
        let call = ["image", "inspect", "--format", "{{.Id}}", name];
        let answer = self.ask(&call)?;
        let words = answer.words.to_lowercase();
        if !answer.status.success() && ["no such image", "image not known"].iter().any(|w| words.contains(w))
        {
            return Err(Error::usage(format!("{} has no image {name}", self.daemon))
                .because(answer.words)
                .hint(format!("pull it: {} pull {name}", self.daemon)));
        }
        let answer = self.succeeded(answer, &call)?;
        // Podman leaves the algorithm out.
        let id = answer.trim();
        let id = if id.contains(':') { id.to_owned() } else { format!("sha256:{id}") };
        id.parse().context(|| format!("{} gave an invalid id for {name}", self.daemon))
    }

    /// The ids of all images that the engine has whole.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn images(&self) -> Result<Vec<Digest>> {
        // Not `inspect`, which with containerd's store finds images that lack layers too.
        let call = ["image", "ls", "--quiet", "--no-trunc"];
        let listed = self.succeeded(self.ask(&call)?, &call)?;
        let mut ids: Vec<Digest> = listed.lines().filter_map(|line| line.trim().parse().ok()).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The diff_ids of the layers of each of these images, the lowest first. An image that is
    /// gone meanwhile is left out.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub(crate) fn layers(&self, ids: &[Digest]) -> Result<Vec<Vec<Digest>>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut call = vec!["image", "inspect", "--format", "{{json .RootFS.Layers}}"];
        call.extend(ids.iter().map(String::as_str));
        let answer = self.ask(&call)?;
        Ok(answer.out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// How a Docker keeps its images: `Some(true)` for containerd's image store, `Some(false)`
    /// for its own, `None` where it does not say.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub(crate) fn has_containerd_store(&self) -> Result<Option<bool>> {
        let answer = self.ask(&["info", "--format", "{{json .DriverStatus}}"])?;
        let status: Option<Vec<(String, String)>> = serde_json::from_str(answer.out.trim()).ok();
        let of_containerd = |(name, value): &(String, String)| {
            name == "driver-type" && value.starts_with("io.containerd.snapshotter")
        };
        Ok(status.map(|pairs| pairs.iter().any(of_containerd)))
    }

    /// Gives an image, named by `image`, further names.
    ///
    /// # Errors
    /// When the engine refuses.
    pub(crate) fn tag(&self, image: &str, names: &[Reference]) -> Result<()> {
        for name in names {
            let name = name.to_string();
            let call = ["tag", image, &name];
            self.succeeded(self.ask(&call)?, &call)?;
        }
        Ok(())
    }

    /// Has the image saved as a tar, which `read` takes as a stream.
    ///
    /// # Errors
    /// When the engine refuses or `read` fails.
    pub(crate) fn save<T>(&self, id: &Digest, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        let id = id.to_string();
        let call = ["save", &id];
        let mut running = self.start(&call, Stdio::null(), Stdio::piped())?;
        let words = words_of(&mut running.child);
        let read = match running.child.stdout.take() {
            Some(mut stdout) => read(&mut stdout).and_then(|read| {
                // What follows a tar is of no interest, but must find a reader.
                io::copy(&mut stdout, &mut io::sink()).context(|| "cannot read the image".into())?;
                Ok(read)
            }),
            None => Err(Error::bug("the engine has no output")),
        };
        self.verdict(&call, read, running, words)
    }

    /// Has images loaded from the tar that `write` makes. The engine reads as fast as it likes:
    /// no archive is kept on disk.
    ///
    /// # Errors
    /// When the engine refuses or `write` fails.
    pub(crate) fn load(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let call = ["load", "--quiet"];
        let mut running = self.start(&call, Stdio::piped(), Stdio::null())?;
        let words = words_of(&mut running.child);
        let stdin = running.child.stdin.take().ok_or_else(|| Error::bug("the engine has no input"))?;
        let mut to = BufWriter::with_capacity(1 << 20, stdin);
        let written = write(&mut to).and_then(|()| to.flush().context(|| "cannot send the image".into()));
        if interrupt::is_raised() {
            // Before its input ends: it must not take what it has for all there is.
            running.end();
            return Err(interrupt::error());
        }
        drop(to);
        self.verdict(&call, written, running, words)
    }

    fn start(&self, call: &[&str], stdin: Stdio, stdout: Stdio) -> Result<Running<Child>> {
        let mut command = Command::new(&self.program);
        command.args(call).stdout(stdout).stderr(Stdio::piped());
        Program::trusted(command).stdin(stdin).spawn().map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => not_there(self.daemon.program()),
            _ => Error::build(format!("cannot run {}", self.daemon)).because(e).hint(INSTEAD),
        })
    }

    fn ask(&self, call: &[&str]) -> Result<Answer> {
        let running = self.start(call, Stdio::null(), Stdio::piped())?;
        let done =
            running.wait_with_output().context(|| format!("cannot read the output of {}", self.daemon))?;
        Ok(Answer {
            status: done.status,
            out: String::from_utf8_lossy(&done.stdout).into_owned(),
            words: spoken(&done.stderr),
        })
    }

    /// What a call printed that must have succeeded.
    fn succeeded(&self, answer: Answer, call: &[&str]) -> Result<String> {
        if answer.status.success() {
            return Ok(answer.out);
        }
        Err(self.refused(call, answer.status, answer.words))
    }

    /// The outcome of a call that was half ours: reading or writing its stream.
    fn verdict<T>(
        &self,
        call: &[&str],
        ours: Result<T>,
        running: Running<Child>,
        words: JoinHandle<String>,
    ) -> Result<T> {
        interrupt::check()?;
        let status = running.wait().context(|| format!("{} {} did not end", self.daemon, call[0]))?;
        let words = words.join().unwrap_or_default();
        match ours {
            _ if status.success() => ours,
            // A program that we stopped reading or feeding fails too: the reason is ours then.
            Err(error) if error.kind() == Kind::Integrity || words.is_empty() => Err(error),
            Err(error) if words.contains("broken pipe") => Err(error),
            _ => Err(self.refused(call, status, words)),
        }
    }

    fn refused(&self, call: &[&str], status: ExitStatus, words: String) -> Error {
        let verb: Vec<&str> =
            call.iter().copied().take_while(|word| !word.starts_with('-')).take(2).collect();
        let cause = if words.is_empty() { format!("it failed with {status}") } else { words };
        Error::build(format!("{} {} failed", self.daemon, verb.join(" ")))
            .because(cause)
            .hint(format!("check that `{} info` works", self.daemon))
    }
}

/// What to do without an engine.
const INSTEAD: &str = "use a file instead: docker-archive:image.tar";

/// Says that an engine's program is missing.
pub(crate) fn not_there(program: &str) -> Error {
    Error::build(format!("cannot run {program}"))
        .because(format!("{program} is not on the search path"))
        .hint(format!("install {program}, or {INSTEAD}"))
}

/// Collects what a program says about its failure while its streams are busy.
fn words_of(child: &mut Child) -> JoinHandle<String> {
    let stderr = child.stderr.take();
    std::thread::spawn(move || {
        let mut words = Vec::new();
        if let Some(mut stderr) = stderr {
            // Unreadable words only make the error poorer.
            let _ = stderr.read_to_end(&mut words);
        }
        spoken(&words)
    })
}

/// A program's words without the warnings that Podman logs.
fn spoken(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let logged = |line: &&str| line.starts_with("time=") && line.contains("level=warning");
    text.lines().filter(|line| !logged(line)).collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[cfg(all(test, unix))]
mod tests;
