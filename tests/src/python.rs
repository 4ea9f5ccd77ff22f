//! Made-up wheels, and bases with a Python: the program reads a base and never runs it, so a few
//! files are enough for one.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;

/// A pure wheel.
pub struct Wheel {
    name: String,
    version: String,
    metadata: String,
    files: Vec<(String, Vec<u8>)>,
}

impl Wheel {
    /// A wheel of one package, named like it and empty.
    pub fn new(name: &str, version: &str) -> Self {
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        let module = (format!("{name}/__init__.py"), Vec::new());
        Self { name: name.into(), version: version.into(), metadata, files: vec![module] }
    }

    /// With one more line `Requires-Dist`.
    #[must_use]
    pub fn requires(mut self, requirement: &str) -> Self {
        self.metadata.push_str(&format!("Requires-Dist: {requirement}\n"));
        self
    }

    /// With one more file, or another text for one.
    #[must_use]
    pub fn file(mut self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self = self.without(path);
        self.files.push((path.into(), text.as_ref().to_vec()));
        self
    }

    /// Without a file.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        self.files.retain(|(name, _)| name != path);
        self
    }

    /// With a script for the console.
    #[must_use]
    pub fn script(self, name: &str, target: &str) -> Self {
        let path = format!("{}/entry_points.txt", self.information());
        self.file(&path, format!("[console_scripts]\n{name} = {target}\n"))
    }

    fn information(&self) -> String {
        format!("{}-{}.dist-info", self.name, self.version)
    }

    /// Writes it into a folder; its SHA-256 in hexadecimal digits.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> String {
        let information = self.information();
        let wheel = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
        let mut files = self.files.clone();
        files.push((format!("{information}/METADATA"), self.metadata.clone().into_bytes()));
        files.push((format!("{information}/WHEEL"), wheel.into()));
        let mut record: String = files.iter().map(|(path, bytes)| line_of_record(path, bytes)).collect();
        record.push_str(&format!("{information}/RECORD,,\n"));
        files.push((format!("{information}/RECORD"), record.into_bytes()));

        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (path, bytes) in &files {
            archive.start_file(path, SimpleFileOptions::default()).expect("memory");
            archive.write_all(bytes).expect("memory");
        }
        let bytes = archive.finish().expect("memory").into_inner();
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join(format!("{}-{}-py3-none-any.whl", self.name, self.version)), &bytes)
            .expect("a wheel");
        hex(&bytes)
    }
}

fn line_of_record(path: &str, bytes: &[u8]) -> String {
    format!("{path},sha256={},{}\n", URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)), bytes.len())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A base of Debian 12 with a Python in `/usr/local`, as Docker's `python` images are.
pub struct Base {
    python: Option<(u32, u32, u32)>,
    libc: Libc,
    files: Vec<(String, Vec<u8>, u32)>,
    folders: Vec<(String, u32)>,
    links: Vec<(String, String)>,
    config: Value,
    created: Option<String>,
}

enum Libc {
    Glibc,
    Musl,
}

impl Libc {
    /// The words in its file by which its version is known.
    fn version(&self) -> &'static [u8] {
        match self {
            Self::Glibc => b"GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.\n",
            Self::Musl => b"\x001.2.5\0",
        }
    }

    fn release(&self) -> &'static [u8] {
        match self {
            Self::Glibc => b"ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n",
            Self::Musl => b"ID=alpine\nVERSION_ID=3.20.0\n",
        }
    }
}

/// What differs between machines: the name in images, the number in ELF files, and the loaders.
struct Machine {
    architecture: &'static str,
    number: u8,
    glibc: &'static str,
    musl: &'static str,
}

const MACHINES: [Machine; 2] = [
    Machine {
        architecture: "amd64",
        number: 62,
        glibc: "lib64/ld-linux-x86-64.so.2",
        musl: "lib/ld-musl-x86_64.so.1",
    },
    Machine {
        architecture: "arm64",
        number: 183,
        glibc: "lib/ld-linux-aarch64.so.1",
        musl: "lib/ld-musl-aarch64.so.1",
    },
];

impl Base {
    /// CPython of this version, with glibc 2.36.
    pub fn debian(major: u32, minor: u32, patch: u32) -> Self {
        Self { python: Some((major, minor, patch)), ..Self::bare() }
    }

    /// CPython of this version, with musl 1.2.
    pub fn alpine(major: u32, minor: u32, patch: u32) -> Self {
        Self { libc: Libc::Musl, ..Self::debian(major, minor, patch) }
    }

    /// Debian with no Python.
    pub fn bare() -> Self {
        Self {
            python: None,
            libc: Libc::Glibc,
            files: Vec::new(),
            folders: Vec::new(),
            links: Vec::new(),
            config: json!({"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["sh"]}),
            created: None,
        }
    }

    /// With one more file.
    #[must_use]
    pub fn file(mut self, path: &str, text: impl AsRef<[u8]>, mode: u32) -> Self {
        self.files.push((path.into(), text.as_ref().to_vec(), mode));
        self
    }

    /// With a folder of this mode.
    #[must_use]
    pub fn folder(mut self, path: &str, mode: u32) -> Self {
        self.folders.push((path.into(), mode));
        self
    }

    /// With a symbolic link.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.links.push((path.into(), target.into()));
        self
    }

    /// With another value for a key of what its configuration says of running.
    #[must_use]
    pub fn config(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    /// Made at this time.
    #[must_use]
    pub fn created(self, time: &str) -> Self {
        Self { created: Some(time.into()), ..self }
    }

    /// Writes it as a layout with the tag `py`, for `linux/amd64` and `linux/arm64`.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, layout: &Path) {
        fs::create_dir_all(layout.join("blobs/sha256")).expect("a folder");
        let manifests: Vec<Value> = MACHINES.iter().map(|machine| self.manifest(layout, machine)).collect();
        let index = json!({"schemaVersion": 2, "mediaType": crate::image::INDEX, "manifests": manifests});
        let mut entry = blob(layout, crate::image::INDEX, index.to_string().as_bytes());
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": "py"});
        let root = json!({"schemaVersion": 2, "manifests": [entry]});
        fs::write(layout.join("index.json"), root.to_string()).expect("an index");
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a mark");
    }

    /// The tar of its layer, for `linux/amd64`.
    pub fn layer(&self) -> Vec<u8> {
        self.layer_for(&MACHINES[0])
    }

    fn manifest(&self, layout: &Path, machine: &Machine) -> Value {
        let tar = self.layer_for(machine);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar).expect("memory");
        let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
        let layer = blob(layout, layer, &gzip.finish().expect("memory"));
        let mut config = json!({
            "architecture": machine.architecture, "os": "linux",
            "config": self.config,
            "history": [{"created_by": "a made-up Debian"}],
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&tar))]},
        });
        if let Some(time) = &self.created {
            config["created"] = json!(time);
        }
        let config = blob(layout, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": crate::image::MANIFEST, "config": config, "layers": [layer],
        });
        let mut manifest = blob(layout, crate::image::MANIFEST, manifest.to_string().as_bytes());
        manifest["platform"] = json!({"architecture": machine.architecture, "os": "linux"});
        manifest
    }

    fn layer_for(&self, machine: &Machine) -> Vec<u8> {
        let (loader, libc) = match self.libc {
            Libc::Glibc => (machine.glibc, "lib/libc.so.6"),
            Libc::Musl => (machine.musl, machine.musl),
        };
        let mut tree = Tree::default();
        tree.file(libc, elf(machine.number, None, self.libc.version()), 0o755);
        if loader != libc {
            tree.file(loader, elf(machine.number, None, b""), 0o755);
        }
        tree.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n".into(), 0o644);
        tree.file("etc/os-release", self.libc.release().into(), 0o644);
        if let Some((major, minor, patch)) = self.python {
            let name = format!("python{major}.{minor}");
            let version = format!("\0{major}.{minor}.{patch}\0");
            let program = elf(machine.number, Some(&format!("/{loader}")), version.as_bytes());
            tree.file(&format!("usr/local/bin/{name}"), program, 0o755);
            tree.file(&format!("usr/local/lib/{name}/os.py"), Vec::new(), 0o644);
            tree.0.insert("usr/local/bin/python3".into(), Node::Link(name));
        }
        for (path, bytes, mode) in &self.files {
            tree.file(path, bytes.clone(), *mode);
        }
        for (path, mode) in &self.folders {
            tree.put(path, Node::Folder(*mode));
        }
        for (path, target) in &self.links {
            tree.put(path, Node::Link(target.clone()));
        }
        tree.tar()
    }
}

/// The files, links and folders of a layer.
#[derive(Default)]
struct Tree(BTreeMap<String, Node>);

enum Node {
    File(Vec<u8>, u32),
    Folder(u32),
    Link(String),
}

impl Tree {
    fn file(&mut self, path: &str, bytes: Vec<u8>, mode: u32) {
        self.put(path, Node::File(bytes, mode));
    }

    fn put(&mut self, path: &str, node: Node) {
        for (slash, _) in path.match_indices('/') {
            self.0.entry(path[..slash].into()).or_insert(Node::Folder(0o755));
        }
        self.0.insert(path.into(), node);
    }

    fn tar(self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, node) in self.0 {
            let (kind, mode) = match &node {
                Node::File(_, mode) => (tar::EntryType::Regular, *mode),
                Node::Folder(mode) => (tar::EntryType::Directory, *mode),
                Node::Link(_) => (tar::EntryType::Symlink, 0o777),
            };
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(crate::layout::MTIME);
            header.set_size(if let Node::File(bytes, _) = &node { bytes.len() as u64 } else { 0 });
            match node {
                Node::File(bytes, _) => tar.append_data(&mut header, path, &bytes[..]),
                Node::Folder(_) => tar.append_data(&mut header, format!("{path}/"), &[][..]),
                Node::Link(target) => tar.append_link(&mut header, path, target),
            }
            .expect("memory");
        }
        tar.into_inner().expect("memory")
    }
}

fn blob(layout: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let digest = hex(bytes);
    fs::write(layout.join("blobs/sha256").join(&digest), bytes).expect("a blob");
    json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
}

/// The least that is an ELF file of 64 bits: its header, a segment that names the loader where there is
/// one, and other bytes behind. `machine` is the number of its processor (`e_machine`).
pub fn elf(machine: u8, loader: Option<&str>, content: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend([3, 0, machine, 0, 1, 0, 0, 0]);
    for number in [0, 64, 0] {
        bytes.extend(u64::to_le_bytes(number));
    }
    bytes.extend([0, 0, 0, 0, 64, 0, 56, 0, u8::from(loader.is_some()), 0, 64, 0, 0, 0, 0, 0]);
    if let Some(loader) = loader {
        let length = loader.len() as u64 + 1;
        bytes.extend([3, 0, 0, 0, 4, 0, 0, 0]);
        for number in [120, 120, 120, length, length, 1] {
            bytes.extend(u64::to_le_bytes(number));
        }
        bytes.extend(format!("{loader}\0").as_bytes());
    }
    bytes.extend(content);
    bytes
}
