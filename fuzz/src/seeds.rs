//! Sound inputs of each reader.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use containerize_core::cargo::audit;
use containerize_core::debian::list_of;
use containerize_core::oci::Digest;
use containerize_core::python::lock::LockKind;
use containerize_core::sbom::{self, Bill, Component, Kind, Purl};
use containerize_tests::python::{Base, Wheel};

/// The media type of OCI manifests.
pub const MANIFEST: &str = containerize_tests::image::MANIFEST;
/// The media type of OCI indexes.
pub const INDEX: &str = containerize_tests::image::INDEX;

/// The root of [`attestations`].
pub const ATTESTED_ROOT: &str = include_str!("../../tests/fixtures/trust/attested/root.json");

/// The root of [`bundles`].
pub const ROOT: &str = include_str!("../../tests/fixtures/trust/keyless/root.json");

/// The locks by the names of their files.
pub const LOCKS: [(&str, LockKind); 5] = [
    ("uv.lock", LockKind::Uv),
    ("poetry.lock", LockKind::Poetry),
    ("pdm.lock", LockKind::Pdm),
    ("pylock.toml", LockKind::Pylock),
    ("requirements.txt", LockKind::Requirements),
];

/// The largest file that is a seed: changes of few bytes get lost in larger ones.
const MOST: u64 = 256 << 10;

/// Wheels of the name that the reader expects.
pub fn wheels() -> Vec<Vec<u8>> {
    let plain = Wheel::new("demo", "1.0").requires("other>=2; extra == 'more'");
    let full =
        Wheel::new("demo", "1.0").script("demo", "demo:main").file("demo-1.0.data/scripts/x", "#!python\n");
    [plain, full].iter().map(|wheel| folder_of(|folder| drop(wheel.write(folder))).remove(0)).collect()
}

/// The same bill in both formats, and a program's list of its crates.
pub fn bills() -> Vec<Vec<u8>> {
    let digest = Digest::of(b"an image");
    let part = |kind, name: &str| Component {
        version: Some("1".into()),
        purl: Some(Purl::new("pypi", name).version("1")),
        ..Component::new(kind, name)
    };
    let image = Component { sha256: Some(digest), ..part(Kind::Image, "demo") };
    let mut bill = Bill::new(image, digest, "1980-01-01T00:00:00Z");
    let root = bill.root();
    bill.stand_on(part(Kind::Image, "base"));
    let wheel = bill.add(&root, part(Kind::Library, "wheel"));
    bill.add(&wheel, part(Kind::Library, "within"));
    bill.make_with(&wheel, part(Kind::Application, "tool"));
    let crates = audit::content(&[]).expect("made");
    vec![sbom::spdx(&bill).expect("written"), sbom::cyclonedx(&bill).expect("written"), crates]
}

/// A package as dpkg-deb makes it.
pub fn packages() -> Vec<Vec<u8>> {
    let control = tar(&[(
        "./control",
        "Package: demo\nVersion: 1\nArchitecture: all\nMaintainer: a\nDescription: b\n",
    )]);
    let data = tar(&[("./usr/share/demo/text", "demo"), ("./usr/bin/demo", "#!/bin/sh\n")]);
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in
        [("debian-binary", b"2.0\n".to_vec()), ("control.tar", control), ("data.tar", data)]
    {
        bytes.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes(),
        );
        bytes.extend(&content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    vec![bytes]
}

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        tar.append_data(&mut header, path, text.as_bytes()).expect("memory");
    }
    tar.into_inner().expect("memory")
}

/// The layers of bases, uncompressed.
pub fn layers() -> Vec<Vec<u8>> {
    let status = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nArchitecture: amd64\n\n";
    let base = Base::debian(3, 13, 5).file("var/lib/dpkg/status", status, 0o644);
    let base = base.file("etc/ld.so.cache", loader_caches().remove(0), 0o644).file("etc/.wh.gone", "", 0o644);
    [Base::alpine(3, 12, 1), base].iter().map(Base::layer).collect()
}

/// Programs and libraries of this machine, and of made-up bases.
pub fn programs() -> Vec<Vec<u8>> {
    let here = ["/bin/true", "/bin/cat", "/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"];
    let mut found: Vec<Vec<u8>> = here.iter().filter_map(|path| small(Path::new(path))).collect();
    found.push(containerize_tests::python::elf(62, Some("/lib64/ld-linux-x86-64.so.2"), b"\x003.13.5\0"));
    found
}

/// A list of three libraries, and that of this machine.
pub fn loader_caches() -> Vec<Vec<u8>> {
    let libraries =
        ["libc.so.6", "libm.so.6", "libz.so.1"].map(|name| (name.to_owned(), format!("/usr/lib/{name}")));
    let made = list_of(&libraries, "amd64").into_iter();
    made.chain(small(Path::new("/etc/ld.so.cache"))).collect()
}

/// The locks of the fixtures, each after the byte that chooses its reader.
pub fn locks() -> Vec<Vec<u8>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/locks");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(fixtures).expect("the fixtures").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let of = |(number, (name, _)): (usize, &(&str, LockKind))| {
        let texts = paths.iter().filter_map(|folder| small(&folder.join(name)));
        let tool = u8::try_from(number).expect("few locks");
        texts.map(|text| [vec![tool], text].concat()).collect::<Vec<_>>()
    };
    LOCKS.iter().enumerate().flat_map(of).collect()
}

/// Requirements, markers and names of wheels.
pub fn requirements() -> Vec<Vec<u8>> {
    texts(&[
        "requests[security,socks] >=2.8.1,==2.8.*,!=2.8.3 ; python_version < '3.13' and extra == 'x'",
        "pip @ https://files.example/pip-1.0-py3-none-any.whl#sha256=00 ; os_name == 'posix'",
        "(sys_platform == 'linux' or 'x' in platform_machine) and implementation_name != \"pypy\"",
        "numpy-2.1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "a ~= 1.4.2a1.post3.dev4+local.7",
    ])
}

/// Dockerfiles with what such files have: stages, variables, here-documents, both forms of commands.
pub fn dockerfiles() -> Vec<Vec<u8>> {
    texts(&[
        "# escape=`\nARG V=3\nFROM python:${V:-3}-slim AS b\nRUN a && `\n b\nFROM b\nCOPY --from=b --chown=1:1 /x y /z/\n",
        "FROM x\nRUN <<EOF\npip install 'a>1' -r x.txt\nEOF\nENV A=$B C='d e' D \"f\"\nEXPOSE 1-9/udp\nCMD exec a $PORT | b\n",
        "FROM scratch\nHEALTHCHECK --interval=1s CMD [\"a\"]\nENTRYPOINT [\"tini\", \"--\", \"sh\", \"x.sh\"]\nUSER 1\nLABEL a=${b:+c}\n",
    ])
}

/// Manifests, an index and a configuration, as a made-up base has them.
pub fn manifests() -> Vec<Vec<u8>> {
    let blobs = folder_of(|folder| {
        let layout = folder.join("layout");
        Base::debian(3, 13, 5).write(&layout);
        let blobs = std::fs::read_dir(layout.join("blobs/sha256")).expect("blobs").flatten();
        let json = blobs.filter(|blob| std::fs::read(blob.path()).is_ok_and(|bytes| bytes.starts_with(b"{")));
        json.enumerate().for_each(|(number, blob)| {
            std::fs::rename(blob.path(), folder.join(number.to_string())).expect("a blob");
        });
        std::fs::remove_dir_all(&layout).expect("the rest");
    });
    assert!(blobs.len() >= 5, "an index, and for two platforms a manifest and a configuration");
    blobs
}

/// Names of images, digests and platforms.
pub fn references() -> Vec<Vec<u8>> {
    texts(&[
        "localhost:5000/team/app-1.x:v1.2.3",
        "ghcr.io/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "[::1]:5000/app",
        "python:3.13-slim",
        "linux/arm/v7",
    ])
}

/// Headers of registries.
pub fn challenges() -> Vec<Vec<u8>> {
    texts(&[
        r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
        r#"Basic realm="a \"quoted\" one", Negotiate, Bearer realm=/token"#,
    ])
}

/// Signatures recorded by both versions of Rekor, their root, and a token.
pub fn bundles() -> Vec<Vec<u8>> {
    let first = include_bytes!("../../tests/fixtures/trust/keyless/rekor-v1.json");
    let second = include_bytes!("../../tests/fixtures/trust/keyless/rekor-v2.json");
    let token = b"e30.eyJpc3MiOiJpIiwic3ViIjoicyIsImF1ZCI6InNpZ3N0b3JlIiwiZXhwIjoxfQ.c2ln";
    vec![first.to_vec(), second.to_vec(), ROOT.as_bytes().to_vec(), token.to_vec()]
}

/// What an index shows about a wheel: good in several ways, and wrong in others.
pub fn attestations() -> Vec<Vec<u8>> {
    let cases = include_str!("../../tests/fixtures/trust/attested/cases.json");
    let cases: BTreeMap<String, serde_json::Value> = serde_json::from_str(cases).expect("recorded");
    cases.into_values().map(|answer| answer.to_string().into_bytes()).collect()
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn small(path: &Path) -> Option<Vec<u8>> {
    let is_small = path.metadata().ok()?.len() <= MOST;
    is_small.then(|| std::fs::read(path).ok()).flatten()
}

/// The files that `write` puts into a folder, by their names.
fn folder_of(write: impl FnOnce(&Path)) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path());
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).expect("it").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

/// Writes the seeds of each reader into folders, where `cargo fuzz` looks for them.
///
/// # Errors
/// When they cannot be written.
pub fn write(corpus: &Path) -> std::io::Result<()> {
    for reader in &super::READERS {
        let folder = corpus.join(reader.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in (reader.seeds)().iter().enumerate() {
            std::fs::File::create(folder.join(format!("seed-{number}")))?.write_all(seed)?;
        }
    }
    Ok(())
}
