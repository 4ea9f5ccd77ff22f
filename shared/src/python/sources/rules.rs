//! What never goes into an image by itself, whatever ignore files say: secrets, environments,
//! caches, repositories, earlier outputs.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::{Reason, content, names};
use crate::read;
use crate::system::leavings;
use crate::territory::is_version_control;

/// Folders that tools make for themselves.
const CACHES: &[&str] = &[
    "__pycache__",
    "__pypackages__",
    ".cache",
    ".direnv",
    ".eggs",
    ".hypothesis",
    ".idea",
    ".ipynb_checkpoints",
    ".ipython",
    ".jupyter",
    ".mypy_cache",
    ".nox",
    ".pdm-build",
    ".pixi",
    ".pytest_cache",
    ".pytype",
    ".ruff_cache",
    ".terraform",
    ".tox",
    ".vscode",
    "node_modules",
];

/// What says which distributions and bases an image is built from. Nothing reads it there, and it is often larger than
/// all of the source that it would be sent with again.
const LOCKS: &[&str] = &["containerize.lock", "pdm.lock", "poetry.lock", "pylock.toml", "uv.lock"];

/// Whether the file at this place, relative to the project, is a lock file of it.
pub(super) fn is_lock(to: &str) -> bool {
    let named = to.strip_prefix("pylock.").and_then(|rest| rest.strip_suffix(".toml"));
    LOCKS.contains(&to) || named.is_some_and(|name| !name.contains(['.', '/']))
}

/// Why an entry is left out, if it is. `name` is its own name, `path` where it is.
pub(super) fn judge(name: &str, path: &Path, is_dir: bool, at_root: bool) -> Option<Reason> {
    let lower = name.to_ascii_lowercase();
    if is_version_control(&lower) {
        return Some(Reason::Repository);
    }
    let own = if is_dir { folder(&lower, path, at_root) } else { file(&lower, path) };
    own.or_else(|| leavings::is_leaving(name).then_some(Reason::Leaving))
}

fn folder(name: &str, path: &Path, at_root: bool) -> Option<Reason> {
    let has = |inside: &str| path.join(inside).exists();
    if names::is_secret_folder(name) {
        Some(Reason::Secret)
    } else if has("pyvenv.cfg") || has("conda-meta") {
        Some(Reason::Environment)
    } else if CACHES.contains(&name) || name.ends_with(".egg-info") || is_tagged_cache(path) {
        Some(Reason::Cache)
    } else if has("oci-layout") && has("index.json") || at_root && is_output(name, path) {
        Some(Reason::Output)
    } else {
        None
    }
}

/// A folder marked as a cache: <https://bford.info/cachedir/>.
pub(crate) fn is_tagged_cache(path: &Path) -> bool {
    const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
    let mut start = vec![0; SIGNATURE.len()];
    let tag = read::file(&path.join("CACHEDIR.TAG"));
    tag.is_ok_and(|mut file| file.read_exact(&mut start).is_ok() && start == SIGNATURE)
}

/// `dist` and `build` at the top, where a build backend has left its results in them.
fn is_output(name: &str, path: &Path) -> bool {
    let any = |is: &dyn Fn(&str) -> bool| {
        let Ok(entries) = std::fs::read_dir(path) else { return false };
        entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is))
    };
    match name {
        "dist" => {
            path.join("image/oci-layout").exists() || any(&|f| f.ends_with(".whl") || f.ends_with(".tar.gz"))
        }
        "build" => any(&|f| f == "lib" || f.starts_with("lib.") || f.starts_with("bdist.")),
        _ => false,
    }
}

fn file(name: &str, path: &Path) -> Option<Reason> {
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let folder = folder.to_string_lossy().to_ascii_lowercase();
    if names::is_secret_file(name, &folder) || content::holds_secret(name, || read::file(path).ok()) {
        return Some(Reason::Secret);
    }
    if ends(&[".pyc", ".pyo", ".egg-link"]) || name == ".coverage" {
        return Some(Reason::Cache);
    }
    (name.ends_with(".tar") && holds_image(path)).then_some(Reason::Output)
}

/// Whether what a backend packed at `path`, relative and with `/`, is a secret by its name or content, or
/// that of a version control system.
pub(crate) fn is_secret_member<R: Read>(path: &str, open: impl FnOnce() -> Option<R>) -> bool {
    let lower = path.to_ascii_lowercase();
    let (folders, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let within = |is: fn(&str) -> bool| folders.split('/').any(is);
    within(is_version_control)
        || within(names::is_secret_folder)
        || names::is_secret_file(name, folders.rsplit('/').next().unwrap_or_default())
        || content::holds_secret(name, open)
}

/// Whether a tar is what builds of images write: an OCI layout, or what `docker save` makes of one.
fn holds_image(path: &Path) -> bool {
    // Images of more files than this are not made.
    const SEARCHED: usize = 4096;
    let Ok(mut file) = read::file(path) else { return false };
    let (mut list, mut content) = (false, false);
    for _ in 0..SEARCHED {
        // Headers alone are read: what stands between them may claim any size.
        let mut header = tar::Header::new_old();
        if file.read_exact(header.as_mut_bytes()).is_err() {
            break;
        }
        let Ok(size) = header.entry_size() else { break };
        let name = header.path_bytes();
        match name.strip_prefix(b"./").unwrap_or(&name) {
            b"oci-layout" => return true,
            b"manifest.json" => list = true,
            other => content |= is_image_content(other),
        }
        let next = size.checked_next_multiple_of(512).and_then(|size| i64::try_from(size).ok());
        if next.is_none_or(|next| file.seek(SeekFrom::Current(next)).is_err()) {
            break;
        }
    }
    list && content
}

/// A layer or a configuration under its digest, as the versions of `docker save` have named them.
fn is_image_content(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"blobs/sha256/").unwrap_or(name);
    let Some((digest, rest)) = name.split_at_checked(64) else { return false };
    let ends = matches!(rest, b"" | b".json" | b".tar") || rest.starts_with(b"/");
    ends && digest.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_content_where_a_name_does_not_tell() {
        let folder = tempfile::tempdir().expect("folder");
        let judged = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            judge(name, &path, false, true)
        };
        // Put together so that no scanner takes this file for a key.
        let key = ["-----BEGIN", "PRIVATE", "KEY-----"].join(" ");
        let account = "{\"type\": \"service_account\", \"private_key\": \"x\"}";
        assert_eq!(judged("both.pem", &format!("cert\n{key}\n")), Some(Reason::Secret));
        assert_eq!(judged("service-account.json", account), Some(Reason::Secret));
        assert_eq!(judged("ca.pem", "-----BEGIN CERTIFICATE-----"), None);
        assert_eq!(judged("keys.json", "{}"), None);
        assert_eq!(judged("data.txt", &key), None, "documentation may show one");
    }

    #[test]
    fn members_of_archives_are_judged_by_their_whole_paths() {
        let secret = |path: &str| is_secret_member(path, || Some(&b"x"[..]));
        for path in ["p/.env", "p/.ssh/config", "p/.git/config", ".docker/config.json", "p/ID_RSA"] {
            assert!(secret(path), "{path}");
        }
        for path in ["p/__init__.py", "p/config.json", "p-1.dist-info/METADATA", "p/.env.example"] {
            assert!(!secret(path), "{path}");
        }
    }

    #[test]
    fn archives_are_known_by_what_they_hold() {
        let folder = tempfile::tempdir().expect("folder");
        let digest = "0f".repeat(32);
        let judged = |name: &str, members: &[&str]| {
            let path = folder.path().join(name);
            let mut archive = tar::Builder::new(std::fs::File::create(&path).expect("file"));
            for member in members {
                let mut header = tar::Header::new_gnu();
                header.set_size(1);
                archive.append_data(&mut header, member, &b"x"[..]).expect("member");
            }
            archive.finish().expect("archive");
            judge(name, &path, false, false)
        };
        for image in [
            &["blobs/sha256/x", "index.json", "./oci-layout"][..],
            &[&format!("blobs/sha256/{digest}"), "manifest.json"],
            &[&format!("{digest}/layer.tar"), &format!("{digest}.json"), "manifest.json"],
        ] {
            assert_eq!(judged("image.tar", image), Some(Reason::Output), "{image:?}");
        }
        for data in [&["manifest.json", &format!("{digest}.png")][..], &[&digest], &["data/oci-layout"], &[]]
        {
            assert_eq!(judged("data.tar", data), None, "{data:?}");
        }
        assert_eq!(judged("image.bin", &["oci-layout"]), None, "only what is named so is opened");

        let claims = folder.path().join("claims.tar");
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(u64::MAX / 2);
        header.set_cksum();
        std::fs::write(&claims, header.as_bytes()).expect("written");
        assert_eq!(judge("claims.tar", &claims, false, false), None, "what it claims is not read");
    }

    #[test]
    #[cfg(unix)]
    fn nobody_waits_for_a_pipe() {
        let folder = tempfile::tempdir().expect("folder");
        let pipe = folder.path().join("pipe.tar");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        for name in ["pipe.tar", "pipe.pem"] {
            assert_eq!(judge(name, &pipe, false, false), None);
        }
    }

    #[test]
    fn folders_are_known_by_what_they_hold() {
        const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n";
        let folder = tempfile::tempdir().expect("folder");
        let judged = |name: &str, file: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.join(file).parent().expect("a parent")).expect("made");
            std::fs::write(path.join(file), text).expect("written");
            judge(name, &path, true, true)
        };
        assert_eq!(judged("anything", "pyvenv.cfg", ""), Some(Reason::Environment));
        assert_eq!(judged("target", "CACHEDIR.TAG", TAG), Some(Reason::Cache));
        assert_eq!(judged("fake", "CACHEDIR.TAG", "no"), None);
        assert_eq!(judged("dist", "a-1-py3-none-any.whl", ""), Some(Reason::Output));
        assert_eq!(judged("build", "lib/a.py", ""), Some(Reason::Output));
        assert_eq!(judged("build.d", "lib/a.py", ""), None);
        assert_eq!(judge("build", &folder.path().join("build"), true, false), None, "only at the top");
        assert_eq!(judged("thing.egg-info", "PKG-INFO", ""), Some(Reason::Cache));
        assert_eq!(judged("app", "__init__.py", ""), None);
    }
}
