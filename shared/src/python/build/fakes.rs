//! A machine for tests: a project, and programs on a search path of their own that note how they
//! are called.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(in crate::python) struct Machine {
    folder: tempfile::TempDir,
    project: PathBuf,
}

impl Machine {
    pub(in crate::python) fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let project = folder.path().join("project");
        for name in ["project", "bin", "home", "store"] {
            fs::create_dir(folder.path().join(name)).expect("folder");
        }
        Self { folder, project }
    }

    pub(in crate::python) fn project(&self) -> &Path {
        &self.project
    }

    pub(in crate::python) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(in crate::python) fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    pub(in crate::python) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(in crate::python) fn variables(&self) -> BTreeMap<String, String> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        BTreeMap::from([("PATH".to_owned(), text(self.bin())), ("HOME".to_owned(), text(self.home()))])
    }

    /// A file of the project.
    pub(in crate::python) fn file(&self, name: &str, text: &str) {
        let path = self.project.join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, text).expect("file");
    }

    /// A program on the search path that does what `script` says.
    pub(in crate::python) fn program(&self, name: &str, script: &str) {
        self.program_at(&self.bin(), name, script);
    }

    /// An interpreter on the search path that does nothing but say what it is.
    pub(in crate::python) fn python(&self, name: &str, version: &str, platform: &str) {
        self.python_at(&self.bin(), name, version, platform);
    }

    pub(in crate::python) fn python_at(&self, folder: &Path, name: &str, version: &str, platform: &str) {
        self.program_at(folder, name, &interpreter(version, platform, "exit 1", "null"));
    }

    /// An interpreter with a pip that does what `script` says.
    pub(in crate::python) fn python_with(
        &self,
        name: &str,
        version: &str,
        platform: &str,
        script: &str,
        pip: &str,
    ) {
        self.program(name, &interpreter(version, platform, script, &format!("\"{pip}\"")));
    }

    /// The calls so far: the program's name and its arguments, of code only the flag.
    pub(in crate::python) fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// Another process writes it: a file that some fork of ours has open cannot be run.
    fn program_at(&self, folder: &Path, name: &str, script: &str) {
        fs::create_dir_all(folder).expect("folder");
        let calls = self.folder.path().join("calls");
        // The programs find those of the system in spite of their own search path.
        let script = format!(
            "#!/bin/sh\nPATH=/usr/bin:/bin\nif [ \"$2\" = -c ]; then echo {name} $1 $2; else echo {name} \"$@\"; fi >> \
             {}\n{script}\n",
            calls.display()
        );
        let mut writer = Command::new("sh")
            .args(["-c", r#"cat > "$0" && chmod 755 "$0""#])
            .arg(folder.join(name))
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh");
        writer.stdin.take().expect("pipe").write_all(script.as_bytes()).expect("script");
        assert!(writer.wait().expect("sh").success());
    }
}

fn interpreter(version: &str, platform: &str, script: &str, pip: &str) -> String {
    let version = version.replace('.', ", ");
    format!(
        "if [ \"$2\" = -c ]; then echo '{{\"implementation\": \"cpython\", \"version\": [{version}], \"platform\": \
         \"{platform}\", \"libc\": [\"glibc\", \"2.36\"], \"pip\": {pip}, \"build\": null}}'; exit 0; fi\n{script}"
    )
}
