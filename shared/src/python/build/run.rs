//! Calling a tool: its output goes to a log, and the end of it into the error when it fails.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::advice;
use crate::error::{Context, Error, Kind, Result};
use crate::interrupt;
use crate::process::Program;
use crate::read;
use crate::redact;
use crate::system::System;
use crate::words;

/// How many lines of a tool's output an error shows.
const LINES: usize = 30;

/// How many lines with errors are put in front of them.
const ERRORS: usize = 8;

/// One call of a tool.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// The whole environment.
    pub(super) variables: Vec<(String, String)>,
    /// The folder that it is called in.
    pub(super) folder: PathBuf,
}

impl Call {
    /// Runs it to its end. What it prints is appended to `log`. Dropping the future ends it.
    ///
    /// # Errors
    /// When it cannot be run or fails: `what` is the sentence, and the end of its output the cause.
    pub(super) async fn run(&self, log: &Path, what: impl Fn() -> String) -> Result<()> {
        tracing::debug!(program = %self.program.display(), arguments = %redact::clean(&format!("{:?}", self.arguments)), "calling");
        let output = File::options().create(true).append(true).open(log).context(&what)?;
        let start = output.metadata().context(&what)?.len();
        let mut command = self.command();
        command.stdout(output.try_clone().context(&what)?).stderr(output);
        let running = Program::new(command)
            .start()
            .map_err(|error| Error::build(format!("cannot run {}", self.program.display())).because(error))
            .context(&what)?;
        let status = running.wait().await.context(&what)?;
        interrupt::check()?;
        if status.success() {
            return Ok(());
        }
        let said = read::end(log, start, read::DOCUMENT).context(&what)?;
        let said = self.without_secrets(&String::from_utf8_lossy(&said));
        // The log is kept, and people pass logs on.
        rewrite(log, start, &said).context(&what)?;
        Err(failure(what(), &said, log, &status.to_string()))
    }

    /// What it said, without the secrets that it was given.
    fn without_secrets(&self, said: &str) -> String {
        let secret = |(name, _): &&(String, String)| redact::is_secret_variable(name);
        let values = self.variables.iter().filter(secret).map(|(_, value)| value.as_str());
        redact::clean(&redact::without(said, values)).into_owned()
    }

    #[cfg(unix)]
    fn command(&self) -> Command {
        // The user's mask must not show in the modes of files in wheels.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"umask 022; exec "$0" "$@""#]).arg(&self.program);
        self.finish(command)
    }

    #[cfg(not(unix))]
    fn command(&self) -> Command {
        self.finish(Command::new(&self.program))
    }

    fn finish(&self, mut command: Command) -> Command {
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        command.args(&self.arguments).env_clear().envs(variables).current_dir(&self.folder);
        command
    }
}

/// Puts `text` in place of what the log holds from the byte `start` on.
fn rewrite(log: &Path, start: u64, text: &str) -> std::io::Result<()> {
    let mut file = File::options().write(true).open(log)?;
    file.set_len(start)?;
    file.seek(SeekFrom::Start(start))?;
    file.write_all(text.as_bytes())
}

fn failure(what: String, said: &str, log: &Path, status: &str) -> Error {
    let tail = excerpt(said);
    let kind = if advice::is_network(said) { Kind::Network } else { Kind::Build };
    let error = Error::new(kind, what);
    let error = error.because(if tail.is_empty() { format!("it failed with {status}") } else { tail });
    let whole = format!("its full output is in {}", log.display());
    error.hint(match advice::on(said, System::HERE) {
        Some(advice) => words!("{advice}; {whole}"),
        None => whole.into(),
    })
}

/// The end of what a tool said; where compilers have named errors before that, these lines first.
fn excerpt(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let (before, end) = lines.split_at(lines.len().saturating_sub(LINES));
    let mut shown: Vec<&str> = Vec::new();
    for line in before.iter().filter(|line| names_error(line)) {
        if shown.len() < ERRORS && !shown.contains(line) && !end.contains(line) {
            shown.push(line);
        }
    }
    if shown.is_empty() {
        return end.join("\n");
    }
    shown.push("...");
    shown.extend(&end[(shown.len()).min(end.len())..]);
    shown.join("\n")
}

/// `file.c:3:1: error: ...`, `fatal error: ...`, `error[E0425]: ...`.
fn names_error(line: &str) -> bool {
    line.starts_with("error[")
        || line.split("error: ").next().is_some_and(|before| {
            before.len() < line.len() && (before.is_empty() || before.ends_with([' ', ':']))
        })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::fs;

    fn call(script: &str, folder: &Path) -> Call {
        Call {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            variables: vec![("PATH".into(), "/usr/bin:/bin".into()), ("GIVEN".into(), "yes".into())],
            folder: folder.to_owned(),
        }
    }

    #[test]
    fn errors_of_compilers_are_shown_though_warnings_follow() {
        let warnings: String = (0..100).map(|i| format!("a.c:{i}:1: warning: unused\n")).collect();
        let said =
            format!("cc a.c\na.c:7:2: error: lvalue required\n{warnings}error: command 'gcc' failed\n");
        let shown = excerpt(&said);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!((lines[0], lines[1]), ("a.c:7:2: error: lvalue required", "..."));
        assert_eq!((lines.len(), lines[lines.len() - 1]), (LINES, "error: command 'gcc' failed"));
        assert_eq!(excerpt("one\n\ntwo\n"), "one\ntwo");
        assert!(!names_error("no_error: 3") && names_error("x.h:1: fatal error: no such file"));
    }

    #[tokio::test]
    async fn it_gets_exactly_the_environment_the_folder_and_a_plain_mask() {
        let folder = tempfile::tempdir().expect("folder");
        let log = folder.path().join("log");
        let script = "umask; pwd; echo $GIVEN $HOME; echo loud >&2";
        call(script, folder.path()).run(&log, || "x".into()).await.expect("it works");
        let place = folder.path().canonicalize().expect("folder");
        let said = fs::read_to_string(&log).expect("log");
        assert_eq!(said, format!("0022\n{}\nyes\nloud\n", place.display()));
    }

    #[tokio::test]
    async fn the_end_of_its_words_is_the_cause_of_a_failure() {
        let folder = tempfile::tempdir().expect("folder");
        let log = folder.path().join("log");
        fs::write(&log, "from before\n").expect("log");
        let script = "for n in $(seq 40); do echo line $n; done; exit 3";
        let error =
            call(script, folder.path()).run(&log, || "cannot build a".into()).await.expect_err("fails");
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Build, "cannot build a"));
        let cause = error.causes().remove(0);
        assert_eq!(cause.lines().count(), LINES);
        assert!(cause.starts_with("line 11\n") && cause.ends_with("line 40"), "{cause}");
        assert!(error.hint_text().is_some_and(|hint| hint.ends_with(&log.display().to_string())));
    }

    #[tokio::test]
    async fn what_it_was_given_is_neither_in_the_error_nor_in_the_log() {
        let folder = tempfile::tempdir().expect("folder");
        let log = folder.path().join("log");
        fs::write(&log, "before\n").expect("log");
        let script = "echo $A_TOKEN; echo got https://u:pw@h.example/simple; exit 1";
        let mut call = call(script, folder.path());
        call.variables.push(("A_TOKEN".into(), "0123456789".into()));
        let error = call.run(&log, || "x".into()).await.expect_err("fails");
        let said = fs::read_to_string(&log).expect("log");
        assert_eq!(said, "before\n****\ngot https://h.example/simple\n");
        assert_eq!(error.causes(), ["****\ngot https://h.example/simple"]);
    }

    #[tokio::test]
    async fn a_silent_failure_tells_its_status_and_a_missing_program_its_name() {
        let folder = tempfile::tempdir().expect("folder");
        let log = folder.path().join("log");
        let error = call("exit 3", folder.path()).run(&log, || "x".into()).await.expect_err("fails");
        assert_eq!(error.causes(), ["it failed with exit status: 3"]);
        let missing = Call { program: "/no/such".into(), ..call("", folder.path()) };
        let error = missing.run(&log, || "x".into()).await.expect_err("fails");
        assert!(error.causes().concat().contains("/no/such"), "{error:?}");
    }
}
