//! Delivery to a local Docker or Podman, through its own program.

use std::io::{BufWriter, Read, Write};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;

use super::archive::docker_archive;
use crate::error::{Context, Error, Result};
use crate::image::ImageSet;
use crate::oci::Reference;

/// A local container engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// `docker load`; `DOCKER_HOST` and contexts are the program's own matter.
    Docker,
    /// `podman load`.
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
            _ => Err(Error::usage(format!("{text:?} is no container engine")).hint("write docker or podman")),
        }
    }
}

/// Sends the images to the engine, as a stream: no archive is kept on disk. Each set must hold
/// one image; `names` are those of each set.
///
/// # Errors
/// When the program is missing or refuses; its own words are the cause.
pub fn load(daemon: Daemon, names: &[Vec<Reference>], sets: &[ImageSet]) -> Result<()> {
    let program = daemon.program();
    let mut child = Command::new(program)
        .arg("load")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| {
            Error::build(format!("cannot run {program} load"))
                .because(e)
                .hint(format!("install {program}, or write a file with -o docker-archive:image.tar"))
        })?;
    let sent = send(&mut child, names, sets);
    let mut words = String::new();
    if let Some(stderr) = &mut child.stderr {
        // Unreadable words only make the error poorer.
        let _ = stderr.read_to_string(&mut words);
    }
    let status = child.wait().context(|| format!("{program} load did not end"))?;
    if status.success() {
        return sent;
    }
    let words = words.trim();
    // An engine that stops reading makes our writing fail too; its words say why.
    let cause = if words.is_empty() { format!("it ended with {status}") } else { words.to_owned() };
    Err(Error::build(format!("{program} load failed"))
        .because(cause)
        .hint(format!("see that `{program} info` works")))
}

fn send(child: &mut Child, names: &[Vec<Reference>], sets: &[ImageSet]) -> Result<()> {
    let stdin = child.stdin.take().ok_or_else(|| Error::bug("the engine has no input"))?;
    let mut to = BufWriter::with_capacity(1 << 20, stdin);
    docker_archive(&mut to, names, sets)?;
    to.flush().context(|| "cannot send the image".into())
}
