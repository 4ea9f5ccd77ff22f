//! The interpreter of a base as a program of this machine, for compiling what an image on that base will run.
//!
//! Only its parts are copied out of the base's layers: the program, its loader and libraries, and the standard
//! library. The cache keeps them as one blob; a folder with them lives as long as they are used. Its own loader
//! starts it, so that nothing of this machine but the kernel takes part, which is verified.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::base::BaseImage;
use crate::check::{self, Loads};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::facts::tree::{NodeKind, Tree};
use crate::facts::{self, Contents};
use crate::layer::{self, EntryKind, Head, Layer, Press, Spec};
use crate::oci::media_type::{Compression, Format};
use crate::oci::{Mode, Owner};
use crate::process::Program;
use crate::python::PythonVersion;
use crate::store::scratch;
use crate::story::preflight::file_system;
use crate::story::workshop::{Workshop, fetch_unknown};

/// Bytes of all parts of an interpreter. The largest have a tenth of it.
const MOST: u64 = 512 << 20;

/// How long it may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Parts of the standard library that no compiler needs.
const UNNEEDED: [&str; 12] = [
    "__pycache__",
    "dist-packages",
    "distutils",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
];

/// Which version it is, and what is loaded as code.
const QUESTION: &str = "\
import sys
print(sys.implementation.name, *sys.version_info[:3])
with open('/proc/self/maps', errors='surrogateescape') as maps:
    for line in maps:
        fields = line.split(None, 5)
        if 'x' in fields[1] and len(fields) > 5 and fields[5].startswith('/'):
            print(fields[5].rstrip())";

/// Where the parts are in the folder.
const LOADER: &str = "ld";
const LIBRARIES: &str = "libs";
const ROOT: &str = "root";

/// An interpreter of a base.
pub(super) struct Lent {
    folder: PathBuf,
    /// The folder goes with it.
    _kept: TempDir,
    /// Relative to the base's root.
    program: String,
    musl: bool,
}

/// The base that lends it.
pub(super) struct Lender<'a> {
    pub(super) workshop: Workshop<'a>,
    pub(super) runtime: &'a Handle,
    pub(super) image: &'a BaseImage,
    pub(super) contents: &'a Contents,
    /// Where its interpreter is, with links followed.
    pub(super) path: &'a str,
    pub(super) version: PythonVersion,
}

impl Lender<'_> {
    /// Makes the interpreter ready. It was started once, and is what it should be.
    ///
    /// # Errors
    /// When it cannot be copied, or this machine cannot run it.
    pub(super) fn lend(&self) -> Result<Lent> {
        let layer = self.parts()?;
        let store = &self.workshop.store.alone();
        let parts = facts::layer_facts(&layer.blob, &layer.diff_id, store)?.entries;
        let files = parts.into_iter().filter(|(_, node)| node.kind == NodeKind::File);
        let files: BTreeMap<String, String> = files.map(|(path, _)| (path.clone(), path)).collect();
        let own = scratch::folder()?;
        let folder = own.path().canonicalize().map_err(scratch::refused)?;
        facts::extract(std::slice::from_ref(&layer.blob), &files, &folder, MOST)?;
        let musl = files.keys().any(|path| path.starts_with("libs/ld-musl-"));
        let lent = Lent { folder, _kept: own, program: self.path.trim_start_matches('/').to_owned(), musl };
        lent.check(self.version)?;
        Ok(lent)
    }

    /// Its parts, as a blob of the cache.
    fn parts(&self) -> Result<Layer> {
        let identity = self.image.config.rootfs.identity();
        let head = Head {
            key: format!("interpreter 1 {identity} {}", self.path),
            title: format!("CPython {}", self.version),
            compression: Compression::Zstd,
            format: Format::Oci,
        };
        // Lives as long as the blob is made from it.
        let folder = scratch::folder()?;
        let spec = || {
            self.copy(folder.path())?;
            let mut entries = layer::collect(folder.path(), "/", Some(Mode(0o755)), Owner::ROOT, &[])?;
            entries.retain(|entry| matches!(entry.kind, EntryKind::File(_)));
            Ok(Spec {
                title: head.title.clone(),
                entries,
                owner: Owner::ROOT,
                compression: head.compression,
                format: head.format,
            })
        };
        // It is no layer of an image, so nobody hears of it.
        let (empty, silent) = (Tree::default(), Events::silent());
        // It is run on this machine.
        let store = self.workshop.store.alone();
        Press { events: &silent, store: &store, ..self.workshop.press() }.write_keyed(&head, spec, &empty)
    }

    /// Copies its parts out of the base's layers.
    fn copy(&self, to: &Path) -> Result<()> {
        let Workshop { client, store, .. } = self.workshop;
        let store = &store.alone();
        let mut layers = self.image.layers.clone();
        self.runtime.block_on(fetch_unknown(&mut layers, client, store, |_, _| false))?;
        let fs = file_system(&layers, &self.image.config, store, self.workshop.jobs(), false)?;
        let loads = check::loads(&fs, &self.image.config, self.path);
        let loads =
            loads.ok_or_else(|| Error::build(format!("{} has no loader, or lacks a library", self.path)))?;
        let wanted = self.wanted(&loads)?;
        let sources: BTreeMap<String, String> =
            wanted.iter().map(|(path, places)| (path.clone(), places[0].clone())).collect();
        facts::extract(&layers, &sources, to, MOST)?;
        for places in wanted.values() {
            for place in places.iter().skip(1) {
                let place = to.join(place);
                place.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(scratch::refused)?;
                std::fs::copy(to.join(&places[0]), place).map_err(scratch::refused)?;
            }
        }
        Ok(())
    }

    /// The paths of its parts, and where each goes.
    fn wanted(&self, loads: &Loads) -> Result<BTreeMap<String, Vec<String>>> {
        let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut want = |path: &str, place: String| wanted.entry(path.to_owned()).or_default().push(place);
        want(&loads.loader, LOADER.to_owned());
        if loads.musl {
            let name = loads.loader.rsplit('/').next().unwrap_or_default();
            want(&loads.loader, format!("{LIBRARIES}/{name}"));
        }
        for (name, path) in &loads.libraries {
            want(path, format!("{LIBRARIES}/{name}"));
        }
        let program = self.path.trim_start_matches('/');
        want(program, format!("{ROOT}/{program}"));
        let modules = self.standard_library();
        if modules.is_empty() {
            return Err(Error::build(format!("{} has no standard library beside it", self.path)));
        }
        for (path, place) in modules {
            want(&path, format!("{ROOT}/{place}"));
        }
        Ok(wanted)
    }

    /// Its modules: where they really are, and where they are for the interpreter.
    fn standard_library(&self) -> BTreeSet<(String, String)> {
        let program = self.path.trim_start_matches('/');
        let prefix = program.rsplit_once("bin/").map_or("", |(prefix, _)| prefix);
        let tree = &self.contents.tree;
        let mut found = BTreeSet::new();
        for library in ["lib", "lib64"] {
            let seen = format!("{prefix}{library}/python{}", self.version.short());
            let Some(real) = self.contents.follow(&seen) else { continue };
            let start = format!("{real}/");
            for (path, _) in tree.iter().filter(|(_, node)| node.kind == NodeKind::File) {
                let Some(rest) = path.strip_prefix(&start) else { continue };
                let is_needed = !rest.split('/').any(|part| UNNEEDED.contains(&part));
                let is_module =
                    rest.ends_with(".py") || (rest.ends_with(".so") && rest.contains("lib-dynload/"));
                if is_needed && is_module {
                    found.insert((path.to_owned(), format!("{seen}/{rest}")));
                }
            }
        }
        found
    }
}

impl Lent {
    /// Starts it with an environment of its own, in which nothing of ours is.
    pub(super) fn command(&self) -> Command {
        let root = self.folder.join(ROOT);
        let program = root.join(&self.program);
        let home = program.parent().and_then(Path::parent).unwrap_or(&root);
        let mut command = Command::new(self.folder.join(LOADER));
        if !self.musl {
            // Paths within its files are those of the base, and mean other files here.
            command.args(["--inhibit-rpath", ""]);
        }
        command.arg("--library-path").arg(self.folder.join(LIBRARIES)).arg(&program);
        command.env_clear().env("PYTHONHOME", home).env("PYTHONUTF8", "1");
        command
    }

    /// Whether it runs here, is what it should be, and runs code of the base only.
    fn check(&self, version: PythonVersion) -> Result<()> {
        let failed = || Error::build("the base's interpreter does not run on this machine");
        let mut command = self.command();
        command.args(["-s", "-S", "-B", "-c", QUESTION]).current_dir(&self.folder);
        let answer = Program::new(command).answer(PATIENCE).map_err(|why| failed().because(why))?;
        let mut lines = answer.lines();
        let PythonVersion { major, minor, micro } = version;
        let said = lines.next().unwrap_or_default();
        if said != format!("cpython {major} {minor} {micro}") {
            return Err(failed().because(format!("it claims to be {said:?}, not CPython {version}")));
        }
        match lines.find(|path| !Path::new(path).starts_with(&self.folder)) {
            Some(path) => Err(failed().because(format!("it loads {path} from this machine"))),
            None => Ok(()),
        }
    }
}
