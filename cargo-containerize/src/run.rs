//! `run`: what was built and loaded into an engine is run by it, in the place of this program.

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal as _, Write as _};
use std::process::{Command, ExitCode};

use containerize_core::oci::Platform;
use containerize_core::sink::{Daemon, Local};
use containerize_core::story::{Loaded, Outcome, Request};
use containerize_core::{Error, Result};

use crate::cli::{BuildArgs, PrintFormat, RunArgs};
use crate::front_end::FrontEnd;
use crate::{handover, render, request};

/// The request of the build, whose image goes into one engine.
///
/// # Errors
/// Usage: no engine is there, or several are named; the call wants standard output for itself; a file of variables is missing.
/// Others as for a build.
pub(crate) fn request(arguments: &RunArgs, front_end: &FrontEnd) -> Result<Request> {
    let BuildArgs { target, say, dry_run, .. } = &arguments.build;
    if say.format == PrintFormat::Json && !dry_run || target.output.iter().any(|output| output.is_stream()) {
        return Err(Error::usage("standard output is the program's when it is run")
            .hint("build first, and then run it"));
    }
    let mut request = request::from_arguments(&arguments.build, front_end)?;
    request.load = match request.load.as_slice() {
        [] => vec![Local::Engine(engine(|program| handover::find(program).is_some())?)],
        [Local::Engine(_)] => request.load,
        [cluster @ Local::Cluster(_)] => {
            return Err(Error::usage(format!(
                "{cluster} is a cluster; only an engine runs a single container"
            ))
            .hint("give docker or podman to --load"));
        }
        _ => return Err(Error::usage("only one engine can run it").hint("give --load once")),
    };
    if let Some(missing) = arguments.env_file.iter().find(|file| !file.exists()) {
        return Err(Error::usage(format!("{} is not there", missing.display()))
            .hint("give a file with lines of NAME=VALUE to --env-file"));
    }
    request.runs = true;
    if !request.push && request.outputs.is_empty() {
        // Others would be built for nobody.
        let here =
            Platform::from_rust_arch(std::env::consts::ARCH).map(|platform| vec![platform.to_string()]);
        request.flags.platforms = request.flags.platforms.or(here);
    }
    Ok(request)
}

/// The engine that is there.
fn engine(is_there: impl Fn(&str) -> bool) -> Result<Daemon> {
    let found = [Daemon::Docker, Daemon::Podman].into_iter().find(|daemon| is_there(daemon.program()));
    found.ok_or_else(|| {
        Error::usage("neither docker nor podman is on PATH, and an engine must run the image")
            .hint("install Podman or Docker")
    })
}

/// What of a build's outcome can be run. What was pushed is said on standard error: standard output is the program's.
///
/// # Errors
/// Usage: the image has no name.
pub(crate) fn loaded(outcome: &Outcome) -> Result<&Loaded> {
    let Outcome::Built(delivered) = outcome else { return Err(Error::bug("nothing was built")) };
    if delivered.iter().any(|image| !image.references.is_empty()) {
        let _ = write!(anstream::stderr(), "{}", render::text(outcome));
    }
    delivered.iter().find_map(|image| image.loaded.as_ref()).ok_or_else(|| {
        Error::usage("the image has no name by which the engine could run it").hint("give it one with --tag")
    })
}

/// Runs an image. On Unix the engine takes the place of this program, so that its signals, its terminal and its exit code
/// are the container's.
///
/// # Errors
/// When the engine cannot be started.
pub(crate) fn start(loaded: &Loaded, arguments: &RunArgs) -> Result<ExitCode> {
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let program = loaded.place.program();
    let mut command = Command::new(program);
    command.args(words(loaded, arguments, is_terminal));
    handover::to(&mut command)
        .map_err(|error| Error::usage(format!("{program} cannot be started")).because(error))
}

/// The words of the engine's `run`.
fn words(loaded: &Loaded, arguments: &RunArgs, is_terminal: bool) -> Vec<OsString> {
    // A name may have moved since; what it means elsewhere is never run.
    let mut words: Vec<OsString> = ["run", "--rm", "--interactive", "--pull=never"].map(Into::into).into();
    if is_terminal {
        words.push("--tty".into());
    }
    let published: Vec<Ports<'_>> =
        arguments.publish.iter().map(|given| Ports::of_container(given)).collect();
    let is_own =
        |port: &&String| !published.iter().any(|published| published.meet(Ports::of_container(port)));
    let is_left = !arguments.engine_arg.iter().any(|word| decides_ports(word));
    for port in loaded.ports.iter().filter(is_own).filter(|_| is_left) {
        let numbers = port.split('/').next().unwrap_or_default();
        words.push(format!("--publish=127.0.0.1:{numbers}:{port}").into());
    }
    words.extend(arguments.publish.iter().map(|given| OsString::from(format!("--publish={given}"))));
    words.extend(arguments.env_file.iter().map(|file| with("--env-file=", file.as_os_str())));
    if arguments.read_only {
        words.push("--read-only".into());
        if loaded.place == Local::Engine(Daemon::Podman) {
            // Otherwise it lays writable folders over some that production does not have.
            words.push("--read-only-tmpfs=false".into());
        }
    }
    words.extend(arguments.engine_arg.iter().cloned());
    words.push(loaded.name.to_string().into());
    words.extend(arguments.arguments.iter().cloned());
    words
}

/// Ports of a container: the first and the last, and the protocol.
#[derive(Clone, Copy)]
struct Ports<'a>(u16, u16, &'a str);

impl<'a> Ports<'a> {
    /// Those of the container in what is published or declared: `8080`, `127.0.0.1:80:8080`, `8000-8010/udp`.
    fn of_container(given: &'a str) -> Self {
        let port = given.rsplit(':').next().unwrap_or_default();
        let (numbers, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        Self(first.parse().unwrap_or_default(), last.parse().unwrap_or_default(), protocol)
    }

    fn meet(self, other: Self) -> bool {
        self.2 == other.2 && self.0 <= other.1 && other.0 <= self.1
    }
}

/// Whether a flag for the engine says itself how ports are reached.
fn decides_ports(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    let is_short = word.starts_with("-p") || word.starts_with("-P");
    is_short || ["--publish", "--net"].iter().any(|flag| word.starts_with(flag))
}

fn with(flag: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(flag);
    word.push(value);
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Verb};

    fn said(engine: Daemon, ports: &[&str], flags: &[&str]) -> String {
        let typed = ["containerize", "run"].iter().chain(flags).map(Into::into);
        let cli = Cli::read(typed, FrontEnd::default()).expect("flags");
        let Some(Verb::Run(arguments)) = cli.verb else { panic!("not run") };
        let ports = ports.iter().map(|&port| port.to_owned()).collect();
        let loaded = Loaded { place: Local::Engine(engine), name: "app:1".parse().expect("a name"), ports };
        let words = words(&loaded, &arguments, false);
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn declared_ports_are_published_on_this_machine_alone() {
        let plain = said(Daemon::Docker, &["8080/tcp", "53/udp"], &[]);
        let ports = "--publish=127.0.0.1:8080:8080/tcp --publish=127.0.0.1:53:53/udp";
        assert!(plain.starts_with(&format!("run --rm --interactive --pull=never {ports} ")), "{plain}");
        assert!(plain.ends_with("app:1"), "{plain}");
        let other =
            said(Daemon::Docker, &["8080/tcp"], &["--publish", "0.0.0.0:80:8080", "--publish", "9:9/udp"]);
        assert!(!other.contains("127.0.0.1"), "{other}");
        assert!(other.contains("--publish=0.0.0.0:80:8080 --publish=9:9/udp"), "{other}");
        let ranges = said(
            Daemon::Docker,
            &["8081/tcp", "8081/udp", "9000-9002/tcp"],
            &["--publish", "8080-8090:8080-8090"],
        );
        assert!(!ranges.contains("8081/tcp"), "{ranges}");
        assert!(ranges.contains("127.0.0.1:8081:8081/udp"), "{ranges}");
        assert!(ranges.contains("127.0.0.1:9000-9002:9000-9002/tcp"), "{ranges}");
        for own in ["--network=host", "-p=1:2", "-P", "--publish-all"] {
            let flag = format!("--engine-arg={own}");
            assert!(!said(Daemon::Docker, &["8080/tcp"], &[&flag]).contains("127.0.0.1"), "{own}");
        }
    }

    #[test]
    fn what_follows_the_dashes_is_the_programs_and_the_engine_gets_its_own() {
        let flags =
            ["--read-only", "--env-file", "my.env", "--engine-arg=--network=host", "--", "-x", "--load"];
        let docker = said(Daemon::Docker, &[], &flags);
        assert!(docker.contains("--env-file=my.env --read-only --network=host "), "{docker}");
        assert!(docker.ends_with("app:1 -x --load"), "{docker}");
        let podman = said(Daemon::Podman, &[], &flags);
        assert!(podman.contains("--read-only --read-only-tmpfs=false "), "{podman}");
    }

    #[test]
    fn the_first_engine_that_is_there_runs_it() {
        assert_eq!(engine(|_| true).expect("an engine"), Daemon::Docker);
        assert_eq!(engine(|program| program == "podman").expect("an engine"), Daemon::Podman);
        assert!(engine(|_| false).is_err());
    }
}
