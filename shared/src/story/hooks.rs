//! Commands of the user's: hooks around the build, and layers that a command makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use super::outcome::Delivered;
use crate::config::{Command, Hooks};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::interrupt;
use crate::process::Program;

/// Commands, and the folder that they run in.
pub(super) type Set = (PathBuf, Hooks);

/// All commands around a build.
pub(super) type Planned = Vec<Set>;

/// Whether there are any that come before the build.
pub(super) fn are_before(planned: &Planned) -> bool {
    planned.iter().any(|(_, hooks)| !hooks.pre.is_empty())
}

/// Runs the hooks that come before the build.
///
/// # Errors
/// When one fails.
pub(super) fn before(planned: &Planned, events: &Events) -> Result<()> {
    planned.iter().try_for_each(|(dir, hooks)| run(&hooks.pre, dir, &variables(&[]), events))
}

/// Runs the hooks that come after the delivery; `concerns` says which are told of an image.
///
/// # Errors
/// When one fails.
pub(super) fn after(
    planned: &Planned,
    delivered: &[Delivered],
    concerns: impl Fn(&Set, &str) -> bool,
    events: &Events,
) -> Result<()> {
    planned.iter().try_for_each(|set| {
        let own: Vec<&Delivered> = delivered.iter().filter(|image| concerns(set, &image.name)).collect();
        run(&set.1.post, &set.0, &variables(&own), events)
    })
}

/// Runs commands one after the other in the project's folder. A line is run by the shell, a
/// list of words directly. Their standard output goes to standard error: standard output is
/// for results.
///
/// # Errors
/// When a command cannot be run, or fails.
pub(super) fn run(
    commands: &[Command],
    dir: &Path,
    variables: &BTreeMap<&str, String>,
    events: &Events,
) -> Result<()> {
    for command in commands {
        let shown = show(command);
        events.step("Running", shown.clone());
        let failed = |why: String| {
            Error::build(format!("the command `{shown}` failed")).because(why).hint("see its output above")
        };
        let mut process =
            process(command).ok_or_else(|| Error::usage("a command in hooks or layers is empty"))?;
        process.current_dir(dir).envs(variables).stdout(std::io::stderr());
        let status = Program::trusted(process).may_ask().status().map_err(|e| failed(e.to_string()))?;
        interrupt::check()?;
        if !status.success() {
            return Err(failed(format!("it failed with {status}")));
        }
    }
    Ok(())
}

/// What the commands may want to know: nothing yet before the build, then the images.
fn variables(delivered: &[&Delivered]) -> BTreeMap<&'static str, String> {
    let lines = |of: &dyn Fn(&Delivered) -> Vec<String>| {
        delivered.iter().flat_map(|image| of(image)).collect::<Vec<_>>().join("\n")
    };
    [
        ("CONTAINERIZE_NAME", lines(&|image| vec![image.name.clone()])),
        ("CONTAINERIZE_DIGEST", lines(&|image| vec![image.digest.to_string()])),
        (
            "CONTAINERIZE_REFERENCES",
            lines(&|image| image.references.iter().map(ToString::to_string).collect()),
        ),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .collect()
}

/// The command in one line, for people.
fn show(command: &Command) -> String {
    match command {
        Command::Line(line) => line.clone(),
        Command::Words(words) => words.join(" "),
    }
}

fn process(command: &Command) -> Option<Process> {
    match command {
        Command::Line(line) => Some(shell(line)),
        Command::Words(words) => {
            let (program, arguments) = words.split_first()?;
            let mut process = Process::new(program);
            process.args(arguments);
            Some(process)
        }
    }
}

#[cfg(not(windows))]
fn shell(line: &str) -> Process {
    let mut process = Process::new("sh");
    process.args(["-c", line]);
    process
}

/// `cmd` takes the line as it stands between two quotes, and reads no commands of the registry before it. As an
/// ordinary argument its own quotes would be escaped in a way that it does not know.
#[cfg(windows)]
fn shell(line: &str) -> Process {
    use std::os::windows::process::CommandExt;
    let mut process = Process::new("cmd");
    process.args(["/D", "/S", "/C"]).raw_arg(format!("\"{line}\""));
    process
}

#[cfg(all(test, windows))]
mod windows_tests {
    use super::*;

    #[test]
    fn quotes_of_a_line_stay_as_they_are() {
        let folder = tempfile::tempdir().expect("folder");
        let line = Command::Line("echo \"a b\"> \"o u t\" && echo %CONTAINERIZE_NAME%>> \"o u t\"".into());
        let variables = [("CONTAINERIZE_NAME", "web".to_owned())].into();
        run(&[line], folder.path(), &variables, &Events::silent()).expect("run");
        let said = std::fs::read_to_string(folder.path().join("o u t")).expect("written");
        assert_eq!(said.replace("\r\n", "\n").replace(" \n", "\n"), "\"a b\"\nweb\n");
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn try_run(command: Command) -> Result<String> {
        let folder = tempfile::tempdir().expect("folder");
        let variables = [("CONTAINERIZE_NAME", "web".to_owned())].into();
        run(&[command], folder.path(), &variables, &Events::silent())?;
        Ok(std::fs::read_to_string(folder.path().join("out")).unwrap_or_default())
    }

    #[test]
    fn a_line_is_run_by_the_shell_in_the_projects_folder() {
        let line = Command::Line("echo $CONTAINERIZE_NAME > out && true".into());
        assert_eq!(try_run(line).expect("run"), "web\n");
    }

    #[test]
    fn words_are_run_as_they_are() {
        let words = ["touch", "out", "$HOME"].map(str::to_owned).into();
        assert_eq!(try_run(Command::Words(words)).expect("run"), "");
    }

    #[test]
    fn a_failing_hook_names_itself() {
        let error = try_run(Command::Line("exit 7".into())).expect_err("failed");
        assert_eq!(error.to_string(), "the command `exit 7` failed");
        assert!(error.causes()[0].contains('7'), "{error:?}");
        assert!(try_run(Command::Words(vec!["/no/such/program".into()])).is_err());
        assert!(try_run(Command::Words(vec![])).is_err());
    }
}
