//! What the program starts: what it is told, and that it ends when the program must.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use containerize_tests::fixture::{folder, manifest, script};
use containerize_tests::program::{call, can_build, signals, succeeds};
use tempfile::TempDir;

/// How long something may take that needs a moment.
const PATIENCE: Duration = Duration::from_secs(120);

/// Notes its own number, and waits. `nest` makes that a grandchild, which does not hear when it is asked to end.
const WAIT: &str = "trap '' TERM INT HUP; echo $$ > \"$PLACE/new\"; mv \"$PLACE/new\" \"$PLACE/pid\"; \
    while sleep 1; do :; done";

struct Scene {
    project: TempDir,
    home: TempDir,
}

impl Scene {
    fn new(build_script: &str, settings: &str) -> Self {
        let manifest = manifest("app", settings);
        let files =
            [("Cargo.toml", manifest.as_str()), ("src/main.rs", "fn main() {}"), ("build.rs", build_script)];
        let files = if build_script.is_empty() { &files[..2] } else { &files[..] };
        Self { project: folder(files), home: tempfile::tempdir().expect("home") }
    }

    fn call(&self, arguments: &[&str]) -> Command {
        let mut command = call(self.project.path(), self.home.path(), arguments);
        command.env("PLACE", self.home.path());
        command
    }

    /// The number that [`WAIT`] noted.
    fn waiting(&self, program: &mut Child) -> u32 {
        let start = Instant::now();
        loop {
            if let Ok(text) = fs::read_to_string(self.home.path().join("pid")) {
                return text.trim().parse().expect("a number");
            }
            assert!(program.try_wait().expect("its state").is_none(), "it ended");
            assert!(start.elapsed() < PATIENCE, "nothing was started");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts a call, sends it a signal when [`WAIT`] runs, and gives its exit code and last line.
    fn interrupted(&self, arguments: &[&str], path: Option<&Path>, signal: &str) -> (Option<i32>, String) {
        let mut command = self.call(arguments);
        if let Some(path) = path {
            let usual = std::env::var("PATH").expect("PATH");
            command.env("PATH", format!("{}:{usual}", path.display()));
        }
        let mut program = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
        let waits = self.waiting(&mut program);
        send(program.id(), signal);
        let output = program.wait_with_output().expect("its end");
        assert!(is_soon_gone(waits), "{signal}: what was started is still there");
        fs::remove_file(self.home.path().join("pid")).expect("noted");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said.lines().last().unwrap_or_default().to_owned())
    }
}

fn send(id: u32, signal: &str) {
    assert!(Command::new("kill").args(["-s", signal, &id.to_string()]).status().expect("kill").success());
}

/// Who was killed may need a moment to go.
fn is_soon_gone(id: u32) -> bool {
    let start = Instant::now();
    let is_there = || {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    while is_there() && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    !is_there()
}

/// A build script that starts a shell, which starts another.
fn waiting_build_script() -> String {
    format!(
        "fn main() {{ std::process::Command::new(\"sh\").args([\"-c\", {:?}]).status().unwrap(); }}",
        format!("sh -c {} & wait", shlex(WAIT))
    )
}

fn shlex(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[test]
fn what_cargo_has_started_ends_with_every_signal() {
    if !can_build() {
        return;
    }
    let scene = Scene::new(&waiting_build_script(), "");
    for (signal, code) in signals() {
        let ended = scene.interrupted(&[], None, signal);
        assert_eq!(ended, (Some(code), format!(" Interrupted by SIG{signal}")));
        assert!(!scene.project.path().join("target/containerize/index.json").exists());
    }
}

#[test]
fn hooks_end_too_and_those_that_follow_do_not_begin() {
    let hooks =
        format!("[package.metadata.containerize]\nhooks = {{ pre = [{WAIT:?}, \"touch $PLACE/next\"] }}\n");
    let scene = Scene::new("", &hooks);
    let ended = scene.interrupted(&[], None, "TERM");
    assert_eq!(ended, (Some(143), " Interrupted by SIGTERM".to_owned()));
    assert!(!scene.home.path().join("next").exists());
}

#[test]
fn an_engine_that_loads_an_image_ends_before_its_input_does() {
    if !can_build() {
        return;
    }
    let scene = Scene::new("", "");
    let bin = scene.home.path().join("bin");
    fs::create_dir(&bin).expect("folder");
    // It names an image when its input has ended.
    let engine = format!(
        "#!/bin/sh\ncase \"$1\" in\nload) ({WAIT}) & cat > /dev/null; touch \"$PLACE/named\" ;;\n\
         info) echo '[[\"Backing Filesystem\",\"extfs\"]]' ;;\nesac\n"
    );
    script(&bin.join("docker"), &engine);
    let big: Vec<u8> = (0..4_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(scene.project.path().join("big"), big).expect("file");
    let ended = scene.interrupted(&["--load", "docker", "--file", "big:/big"], Some(&bin), "TERM");
    assert_eq!(ended, (Some(143), " Interrupted by SIGTERM".to_owned()));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let hooks = format!("[package.metadata.containerize]\nhooks = {{ pre = [{WAIT:?}] }}\n");
    let scene = Scene::new("", &hooks);
    let mut program = scene.call(&[]).stderr(Stdio::piped()).spawn().expect("it runs");
    let waits = scene.waiting(&mut program);
    send(program.id(), "TERM");
    send(program.id(), "HUP");
    let output = program.wait_with_output().expect("its end");
    assert!(matches!(output.status.code(), Some(129 | 143)), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.matches("Interrupted").count(), 1, "{said}");
    assert!(is_soon_gone(waits));
}

#[test]
fn an_interruption_is_told_as_json() {
    let hooks = format!("[package.metadata.containerize]\nhooks = {{ pre = [{WAIT:?}] }}\n");
    let scene = Scene::new("", &hooks);
    let mut command = scene.call(&["--format", "json"]);
    let mut program = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    scene.waiting(&mut program);
    send(program.id(), "TERM");
    let output = program.wait_with_output().expect("its end");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!((&told["error"]["kind"], output.status.code()), (&"interrupted".into(), Some(143)));
}

#[test]
fn what_was_told_to_ignore_a_signal_goes_on_ignoring_it() {
    let hooks =
        "[package.metadata.containerize]\nhooks = { pre = [\"kill -s HUP $PPID; sleep 0.3; exit 7\"] }\n";
    let scene = Scene::new("", hooks);
    let call = scene.call(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(call.get_program()).args(call.get_args());
    for (name, value) in call.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let status = shell.current_dir(scene.project.path()).stderr(Stdio::null()).status().expect("it runs");
    assert_eq!(status.code(), Some(1), "the hook fails, and nothing before");
}

#[test]
fn what_builds_gets_no_credentials_of_registries_and_hooks_get_them() {
    if !can_build() {
        return;
    }
    const SECRET: [&str; 5] = [
        "CONTAINERIZE_USERNAME",
        "CONTAINERIZE_PASSWORD",
        "CONTAINERIZE_AUTH_GHCR_IO",
        "DOCKER_AUTH_CONFIG",
        "GITHUB_TOKEN",
    ];
    let build_script = "fn main() { let all: String = std::env::vars().map(|(name, _)| name + \"\\n\").collect(); \
         std::fs::write(std::env::var(\"PLACE\").unwrap() + \"/build\", all).unwrap(); }";
    let hooks = "[package.metadata.containerize]\nhooks = { pre = [\"env > $PLACE/hook\"] }\n";
    let scene = Scene::new(build_script, hooks);
    // Git is started as well, where there is a repository: by its name, so that a script can stand for it.
    fs::create_dir(scene.project.path().join(".git")).expect("folder");
    let bin = scene.home.path().join("bin");
    fs::create_dir(&bin).expect("folder");
    script(
        &bin.join("git"),
        "#!/bin/sh\nenv > \"$PLACE/git\"\necho 'fatal: not a git repository' >&2\nexit 128\n",
    );
    let mut command = scene.call(&["--repository", "ghcr.io/you/app"]);
    for name in SECRET {
        command.env(name, if name == "DOCKER_AUTH_CONFIG" { "{}" } else { "you:secret" });
    }
    command.env("CARGO_REGISTRIES_MINE_TOKEN", "for-cargo");
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH")));
    command.stderr(Stdio::null());
    succeeds(command);
    let names = |file: &str| fs::read_to_string(scene.home.path().join(file)).expect(file);
    let (build, hook, git) = (names("build"), names("hook"), names("git"));
    for name in SECRET {
        assert!(!build.contains(name) && !git.contains(name), "{name} is seen");
        assert!(hook.contains(name), "{name} is the user's own");
    }
    assert!(build.contains("CARGO_REGISTRIES_MINE_TOKEN"));
}
