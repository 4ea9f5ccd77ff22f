//! Delivery to the nodes of a cluster on this machine, which keep images of their own: through the program that made the
//! cluster, or through containerd's.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

use super::archive::docker_archive;
use super::daemon::{Counted, Daemon, Loader};
use super::registry::localize_but;
use crate::base::engine;
use crate::error::{Context, Error, Result};
use crate::event::{Motion, Outcome};
use crate::image::ImageSet;
use crate::interrupt;
use crate::oci::Reference;
use crate::process::Program;
use crate::redact;
use crate::store::scratch;

/// So much of what a program says is told, in bytes.
const TOLD: usize = 2000;

/// What an image is loaded into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// An engine of this machine.
    Engine(Daemon),
    /// A cluster of this machine.
    Cluster(Cluster),
}

impl Local {
    /// The name of its program.
    pub const fn program(&self) -> &'static str {
        match self {
            Self::Engine(daemon) => daemon.program(),
            Self::Cluster(cluster) => cluster.tool.program(),
        }
    }

    /// Says that its program is missing.
    pub(crate) fn not_there(&self) -> Error {
        match self {
            Self::Engine(daemon) => engine::not_there(*daemon),
            Self::Cluster(cluster) => {
                let program = cluster.tool.program();
                not_there(program).because(format!("{program} is not on the search path"))
            }
        }
    }
}

impl FromStr for Local {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (kind, name) = text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name)));
        let tool = match kind {
            "kind" => Tool::Kind,
            "k3d" => Tool::K3d,
            "minikube" => Tool::Minikube,
            "ctr" => Tool::Ctr,
            _ if name.is_none() => return text.parse().map(Self::Engine),
            _ => return Err(unknown(text)),
        };
        let is_plain = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_alphanumeric())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        match name {
            Some(name) if !is_plain(name) => Err(unknown(text)),
            name => Ok(Self::Cluster(Cluster { tool, name: name.map(str::to_owned) })),
        }
    }
}

fn unknown(text: &str) -> Error {
    Error::usage(format!("{text:?} is not an engine or cluster"))
        .hint("use docker, podman, kind:CLUSTER, k3d:CLUSTER, minikube:PROFILE or ctr:NAMESPACE")
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(daemon) => daemon.fmt(f),
            Self::Cluster(cluster) => cluster.fmt(f),
        }
    }
}

/// A cluster of this machine, or a namespace of its containerd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    tool: Tool,
    /// The tool's own default where there is none.
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Kind,
    K3d,
    Minikube,
    Ctr,
}

impl Tool {
    const fn program(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::K3d => "k3d",
            Self::Minikube => "minikube",
            Self::Ctr => "ctr",
        }
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}:{name}", self.tool.program()),
            None => f.write_str(self.tool.program()),
        }
    }
}

impl Cluster {
    /// The words that have an archive loaded.
    fn call(&self, archive: &Path) -> Vec<OsString> {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let archive = archive.as_os_str().to_owned();
        let named =
            |flag: &str| self.name.iter().map(|name| format!("{flag}={name}").into()).collect::<Vec<_>>();
        match self.tool {
            Tool::Kind => [words(&["load", "image-archive"]), vec![archive], named("--name")].concat(),
            Tool::K3d => [words(&["image", "import"]), vec![archive], named("--cluster")].concat(),
            Tool::Minikube => [words(&["image", "load"]), vec![archive], named("--profile")].concat(),
            Tool::Ctr => [named("--namespace"), words(&["images", "import"]), vec![archive]].concat(),
        }
    }
}

impl Loader<'_> {
    /// Brings the set, which must hold one image, to the nodes of a cluster under all the names. Whole, as its program
    /// does not tell what they have.
    ///
    /// # Errors
    /// When the program is missing or refuses, with its own words as the cause; when a layer cannot be fetched, or there is
    /// no room for an archive.
    pub async fn load_into_cluster(
        self,
        cluster: &Cluster,
        names: &[Reference],
        set: &ImageSet,
    ) -> Result<()> {
        let mut sets = [set.clone()];
        localize_but(self.client, &mut sets, self.store, &BTreeSet::new()).await?;
        let total = sets[0].blobs().into_iter().map(|(blob, _)| blob.descriptor.size).sum();
        let task = self.events.start(Motion::Upload, format!("{} to {cluster}", set.name), Some(total));
        tokio::task::block_in_place(|| {
            let folder = scratch::folder()?;
            let archive = folder.path().join("image.tar");
            let file = File::create_new(&archive).map_err(scratch::refused)?;
            let mut to = BufWriter::with_capacity(1 << 20, file);
            docker_archive(
                &mut Counted { to: &mut to, task: &task },
                &[names.to_vec()],
                &sets,
                &BTreeSet::new(),
            )?;
            to.flush().map_err(scratch::refused)?;
            drop(to);
            run(cluster, &archive)
        })?;
        task.end(Outcome::Done);
        Ok(())
    }
}

fn not_there(program: &str) -> Error {
    Error::build(format!("cannot run {program}"))
        .hint(format!("install {program}, or push the image to a registry that the cluster reads"))
}

fn run(cluster: &Cluster, archive: &Path) -> Result<()> {
    let program = cluster.tool.program();
    let mut command = Command::new(program);
    command.args(cluster.call(archive)).stdout(Stdio::null()).stderr(Stdio::piped());
    let running = Program::trusted(command).stdin(Stdio::null()).spawn();
    let running = running.map_err(|error| not_there(program).because(error))?;
    let done = running.wait_with_output().context(|| format!("cannot read the output of {program}"))?;
    interrupt::check()?;
    if done.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&done.stderr);
    let cause = match words.trim() {
        "" => format!("it failed with {}", done.status),
        words => redact::excerpt(words, TOLD),
    };
    Err(Error::build(format!("{program} did not take the image into {cluster}"))
        .because(cause)
        .hint(format!("check that the cluster runs, and that {program} reaches it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(place: &str) -> String {
        let Local::Cluster(cluster) = place.parse().expect(place) else { panic!("{place} is an engine") };
        assert_eq!(cluster.to_string(), place);
        let words = cluster.call(Path::new("a.tar"));
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_program_is_told_in_its_own_words() {
        assert_eq!(said("kind:dev"), "load image-archive a.tar --name=dev");
        assert_eq!(said("kind"), "load image-archive a.tar");
        assert_eq!(said("k3d:dev"), "image import a.tar --cluster=dev");
        assert_eq!(said("minikube:p-1"), "image load a.tar --profile=p-1");
        assert_eq!(said("ctr:k8s.io"), "--namespace=k8s.io images import a.tar");
        assert_eq!("podman".parse::<Local>().expect("one"), Local::Engine(Daemon::Podman));
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for wrong in ["kind:", "kind:--name", "k3d:a b", "ctr:../x", "docker:x", "swarm:x", "nerdctl", ""] {
            let refused = wrong.parse::<Local>().expect_err(wrong);
            assert!(refused.hint_text().is_some(), "{wrong}");
        }
    }
}
