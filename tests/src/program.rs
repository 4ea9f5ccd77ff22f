//! The program, as a user calls it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::fixture;

/// The built program. It is built when first asked for, so a test never meets an old one, unless
/// the variable `CONTAINERIZE_BIN` names one.
///
/// # Panics
/// When it cannot be built.
pub fn executable() -> &'static Path {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    EXECUTABLE.get_or_init(|| match std::env::var_os("CONTAINERIZE_BIN") {
        Some(program) => program.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    // A test runs as TARGET/PROFILE/deps/NAME.
    let this = std::env::current_exe().expect("the test's own path");
    let profile = this.ancestors().nth(2).expect("the profile's folder");
    let target = profile.parent().expect("the target folder");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "cargo-containerize", "--bin", "containerize"]);
    cargo.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    cargo.arg("--target-dir").arg(target);
    // What cargo tells tests about their package, build scripts of dependencies take for a change:
    // they and all that follows would be compiled again, now and when the tests are built next.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            cargo.env_remove(name);
        }
    }
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo").success(), "the program cannot be built");
    profile.join(format!("containerize{}", std::env::consts::EXE_SUFFIX))
}

/// Whether programs can be built for this machine's architecture in the standard way; says so if not.
pub fn can_build() -> bool {
    has_std(&fixture::musl())
}

/// Whether std for a target is here; says so if not.
pub fn has_std(triple: &str) -> bool {
    let asked = Command::new("rustc").args(["--print", "target-libdir", "--target", triple]).output();
    let there = asked.is_ok_and(|output| {
        let dir = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        std::fs::read_dir(dir).is_ok_and(|mut files| {
            files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libstd-")))
        })
    });
    if !there {
        crate::skip(&format!("Rust's standard library for {triple} is not installed"));
    }
    there
}

/// A project in a temporary folder, with a cache of its own, and calls of the program on it.
pub struct Project {
    folder: TempDir,
    cache: TempDir,
}

impl Project {
    /// A project of these files.
    pub fn new(files: &[(&str, &str)]) -> Self {
        Self { folder: fixture::folder(files), cache: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A package `app` 1.0.0 of one binary without dependencies; `rest` is added to its Cargo.toml.
    pub fn app(rest: &str) -> Self {
        let project = Self::new(&[
            ("Cargo.toml", &fixture::manifest("app", rest)),
            ("src/main.rs", "fn main() { println!(\"hello\") }"),
        ]);
        project.lock();
        project
    }

    /// Writes Cargo.lock, so that cargo has nothing to say about it later.
    pub fn lock(&self) {
        let mut cargo = Command::new("cargo");
        cargo.args(["generate-lockfile", "--quiet", "--offline"]).current_dir(self.path());
        assert!(cargo.status().expect("cargo").success(), "no Cargo.lock");
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file or folder in it.
    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// The cache of a machine; without a name, the one that calls are made on.
    pub fn cache(&self, machine: &str) -> PathBuf {
        self.cache.path().join(machine)
    }

    /// Writes more files.
    pub fn write(&self, files: &[(&str, &str)]) -> &Self {
        fixture::write(self.path(), files);
        self
    }

    /// A call of the program in the project's folder.
    pub fn call<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Call {
        self.call_on("", arguments)
    }

    /// A call on another machine, which has a cache of its own.
    pub fn call_on<S: AsRef<OsStr>>(&self, machine: &str, arguments: impl IntoIterator<Item = S>) -> Call {
        self.call_with(&self.cache(machine), arguments)
    }

    /// A call with the cache in this folder, which other projects may use too.
    pub fn call_with<S: AsRef<OsStr>>(&self, cache: &Path, arguments: impl IntoIterator<Item = S>) -> Call {
        let mut command = Command::new(executable());
        command.current_dir(self.path()).args(arguments).arg("--cache-dir").arg(cache);
        clean(&mut command, self.cache.path());
        let places = vec![(self.path().to_owned(), "<PROJECT>"), (self.cache.path().to_owned(), "<CACHE>")];
        Call { command, input: Vec::new(), places }
    }
}

/// Takes away what the machine's owner has set for this program, cargo, registries and indexes.
fn clean(command: &mut Command, home: &Path) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let build = name.starts_with("CARGO_BUILD_") || name.starts_with("CARGO_PROFILE_");
        let flags = name.ends_with("RUSTFLAGS") || name == "CARGO_TARGET_DIR" || name == "SOURCE_DATE_EPOCH";
        // Code that is compiled in parts depends on the folder.
        let parts = name == "CARGO_INCREMENTAL";
        let proxy = name.to_ascii_lowercase().ends_with("_proxy");
        let ours = name.starts_with("CONTAINERIZE_") || name.starts_with("CARGO_PKG_");
        // A build on a CI system keeps what it finds out.
        let indexes = name.starts_with("PIP_") || name.starts_with("UV_") || name == "CI";
        if ours || indexes || build || flags || parts || proxy {
            command.env_remove(&*name);
        }
    }
    command.env("DOCKER_CONFIG", home.join("no-docker")).env("REGISTRY_AUTH_FILE", home.join("no-auth.json"));
    command.env("NO_COLOR", "1").env("CARGO_TERM_COLOR", "never").env("LC_ALL", "C");
}

/// A call that is not made yet.
pub struct Call {
    command: Command,
    input: Vec<u8>,
    places: Vec<(PathBuf, &'static str)>,
}

impl Call {
    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it standard input.
    #[must_use]
    pub fn input(mut self, text: &str) -> Self {
        self.input = text.into();
        self
    }

    /// Runs the same call by a shell that sets its umask before.
    #[must_use]
    pub fn umask(self, umask: &str) -> Self {
        self.after(&format!("umask {umask}"))
    }

    /// Runs the same call with no more memory than so many mebibytes, of which the program's own text and the stacks of
    /// its threads take some. Only Linux counts them so.
    #[must_use]
    pub fn limited(self, mebibytes: usize) -> Self {
        if !cfg!(target_os = "linux") {
            return self;
        }
        // The limit counts addresses, of which glibc sets 64 MiB aside for each of many arenas.
        self.env("MALLOC_ARENA_MAX", "2").after(&format!("ulimit -v {}", mebibytes << 10))
    }

    /// Runs the same call by a shell that runs this command before.
    fn after(mut self, command: &str) -> Self {
        if cfg!(windows) {
            return self;
        }
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{command}; exec \"$0\" \"$@\""));
        shell.arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.current_dir(self.command.get_current_dir().expect("the project's folder"));
        self.command = shell;
        self
    }

    /// Makes the call.
    ///
    /// # Panics
    /// When the program does not start.
    pub fn run(mut self) -> Done {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the program starts");
        // A program that does not read its input may have closed it.
        let _ = child.stdin.take().expect("a pipe").write_all(&self.input);
        let output = child.wait_with_output().expect("the program ends");
        Done { output, places: self.places }
    }

    /// Makes a call that must succeed.
    ///
    /// # Panics
    /// When it fails.
    pub fn succeed(self) -> Done {
        let done = self.run();
        assert_eq!(done.code(), 0, "{}", done.shown());
        done
    }

    /// Makes a call that must fail, without a trace of a bug.
    ///
    /// # Panics
    /// When it succeeds, or fails by a bug.
    pub fn fail(self) -> Done {
        let done = self.run();
        let stderr = done.stderr().to_lowercase();
        assert!(matches!(done.code(), 1..=4), "{}", done.shown());
        assert!(!stderr.contains("panicked") && !stderr.contains(" bug"), "{}", done.shown());
        done
    }
}

/// A call that was made.
pub struct Done {
    output: Output,
    places: Vec<(PathBuf, &'static str)>,
}

impl Done {
    /// The exit code; -1 after a signal.
    pub fn code(&self) -> i32 {
        self.output.status.code().unwrap_or(-1)
    }

    /// Standard output.
    ///
    /// # Panics
    /// When it is no text.
    pub fn stdout(&self) -> &str {
        std::str::from_utf8(&self.output.stdout).expect("text on standard output")
    }

    /// Standard output that is no text.
    pub fn bytes(&self) -> &[u8] {
        &self.output.stdout
    }

    /// Standard error, with names for the folders that change with each run, and as on Linux: without the note that
    /// Windows compiles a program to other bytes.
    pub fn stderr(&self) -> String {
        let text = String::from_utf8_lossy(&self.output.stderr);
        let is_of_all = |line: &&str| !(cfg!(windows) && line.contains("that is compiled on Windows"));
        self.named(&text.split_inclusive('\n').filter(is_of_all).collect::<String>())
    }

    /// The exit code and both streams, for snapshots.
    pub fn shown(&self) -> String {
        let stdout = self.named(self.stdout());
        let stdout = if stdout.is_empty() { stdout } else { format!("--- stdout\n{stdout}") };
        format!("exit code {}\n{stdout}--- stderr\n{}", self.code(), self.stderr())
    }

    /// The digest that is all of standard output.
    ///
    /// # Panics
    /// When there is something else.
    pub fn digest(&self) -> String {
        let digest = self.stdout().strip_suffix('\n').expect("one line");
        let hex = digest.strip_prefix("sha256:").expect("a digest");
        assert!(hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
        digest.to_owned()
    }

    fn named(&self, text: &str) -> String {
        self.places
            .iter()
            .fold(text.to_owned(), |text, (place, name)| text.replace(&place.display().to_string(), name))
    }
}

/// A call of the program in `dir`, with a cache and a home of its own in `home`, and without
/// what the environment says about it otherwise.
pub fn call(dir: &Path, home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(executable());
    command.args(arguments).current_dir(dir);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CONTAINERIZE_") || name == "CI" {
            command.env_remove(name);
        }
    }
    command.env("CONTAINERIZE_CACHE_DIR", home.join("cache")).env("DOCKER_CONFIG", home.join("docker"));
    command
}

/// Signals that ask a program to end, with its exit codes then; without those that this process ignores, and
/// so what it starts, as in the background of a script.
pub fn signals() -> Vec<(&'static str, i32)> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let all = [("TERM", 143), ("INT", 130), ("HUP", 129), ("QUIT", 131)];
    all.into_iter().filter(|(_, code)| ignored & (1 << (code - 129)) == 0).collect()
}

/// What the program printed; it must have succeeded.
///
/// # Panics
/// When it failed.
pub fn succeeds(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    assert!(status.success(), "{command:?}: {status}\n{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text").trim().to_owned()
}

/// The exit code and the words of a call that must fail.
///
/// # Panics
/// When it succeeded.
pub fn fails(mut command: Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().expect("it runs");
    assert!(!status.success(), "{command:?} succeeded");
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&stderr).into_owned())
}
