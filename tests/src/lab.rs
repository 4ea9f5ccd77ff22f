//! Scripts that start real registries: those of `CONTAINERIZE_LAB` or beside the repository, else those in
//! `tests/lab`.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The script that starts a registry.
fn script() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = || here.join("../../shared/lab");
    let lab = std::env::var_os("CONTAINERIZE_LAB").map_or_else(beside, PathBuf::from);
    [lab.join("registry.sh"), here.join("lab/registry.py")]
        .into_iter()
        .find(|script| script.is_file())
        .unwrap_or_default()
}

/// A real registry, stopped when dropped.
pub struct LabRegistry {
    script: PathBuf,
    port: u16,
    data: PathBuf,
}

impl LabRegistry {
    /// Starts a registry on a free port with its data in `data`; the options are the script's.
    ///
    /// # Errors
    /// Why there is none: a reason to skip the test.
    pub fn start(data: &Path, options: &[&str]) -> Result<Self, String> {
        let script = script();
        let port = free_port().ok_or("there is no free port")?;
        let started = Command::new(&script)
            .arg("start")
            .arg(port.to_string())
            .arg(data)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| format!("{} cannot be run: {error}", script.display()))?;
        if !started.success() {
            return Err(format!("{} start {port} failed: {started}", script.display()));
        }
        let registry = Self { script, port, data: data.to_owned() };
        // The script waits for the registry and not for its token service.
        if options.contains(&"--token") && !listens(port + 1) {
            return Err(format!("the token service does not listen on port {}", port + 1));
        }
        Ok(registry)
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// A port that is free, as is the one after it, which is the token service's.
fn free_port() -> Option<u16> {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
    (0..50).find_map(|_| {
        let first = free(0)?;
        let port = first.local_addr().ok()?.port();
        free(port.checked_add(1)?).map(|_| port)
    })
}

/// Whether something listens on the port within ten seconds.
fn listens(port: u16) -> bool {
    (0..200).any(|_| {
        let there = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        if !there {
            std::thread::sleep(Duration::from_millis(50));
        }
        there
    })
}

impl Drop for LabRegistry {
    fn drop(&mut self) {
        let stop = Command::new(&self.script).arg("stop").arg(self.port.to_string()).arg(&self.data).status();
        debug_assert!(stop.is_ok(), "the registry's stop: {stop:?}");
    }
}
