//! What a whole folder of `files` brings into the image that nobody may have thought of.

use std::collections::BTreeSet;
use std::path::Path;

use crate::event::few;
use crate::layer::{Content, Entry, EntryKind};
use crate::python::{is_secret_member, is_tagged_cache};
use crate::read;
use crate::territory::is_version_control;

/// Sentences about secrets, repositories and caches among `entries`, which are the folder `from` of this machine,
/// called `name`.
pub(super) fn words(name: &str, from: &Path, entries: &[Entry]) -> Vec<String> {
    let (mut secrets, mut repositories, mut caches) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for entry in entries {
        let EntryKind::File(Content::File { path, .. }) = &entry.kind else { continue };
        let Ok(inside) = path.strip_prefix(from) else { continue };
        let is_repository = |folder: &&Path| {
            folder.file_name().is_some_and(|name| is_version_control(&name.to_string_lossy().to_lowercase()))
        };
        let shown = inside.to_string_lossy().replace('\\', "/");
        if let Some(repository) = inside.ancestors().filter(is_repository).last() {
            repositories.insert(repository.display().to_string());
        } else if is_secret_member(&shown, || read::file(path).ok()) {
            secrets.insert(shown);
        } else if inside.ends_with("CACHEDIR.TAG")
            && let Some(folder) = inside.parent().filter(|folder| is_tagged_cache(&from.join(folder)))
        {
            let is_whole = folder.as_os_str().is_empty();
            caches.insert(if is_whole { ".".to_owned() } else { folder.display().to_string() });
        }
    }
    let found = [("secrets", secrets), ("version control", repositories), ("caches", caches)];
    found.into_iter().filter_map(|(what, paths)| sentence(name, what, &paths)).collect()
}

fn sentence(name: &str, what: &str, paths: &BTreeSet<String>) -> Option<String> {
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let said = few(&format!("the folder {name} adds {what} to the image"), &paths)?;
    Some(format!("{said}; to leave them out, add `exclude` to its entry in `files`"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::layer::collect;
    use crate::oci::Owner;

    #[test]
    fn keys_repositories_and_caches_of_a_folder_are_named() {
        let folder = tempfile::tempdir().expect("folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        };
        let said = |exclude: &[&str]| {
            let exclude: Vec<String> = exclude.iter().map(|&glob| glob.to_owned()).collect();
            let entries = collect(folder.path(), "/srv", None, Owner::ROOT, &exclude).expect("collected");
            words("web", folder.path(), &entries)
        };
        write("index.html", "<h1>hello</h1>");
        write(".gitignore", "target\n");
        assert!(said(&[]).is_empty());
        write(".git/config", "[core]\n");
        write("vendor/.git/objects/aa/b", "x");
        write("target/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
        write("target/debug/x", "x");
        write("other/CACHEDIR.TAG", "no signature");
        for n in 0..5 {
            write(&format!("keys/{n}/id_rsa"), "x");
        }
        let end = "; to leave them out, add `exclude` to its entry in `files`";
        assert_eq!(
            said(&[]),
            [
                format!(
                    "the folder web adds secrets to the image: keys/0/id_rsa, keys/1/id_rsa, keys/2/id_rsa, keys/3/id_rsa and 1 more (listed with -v){end}"
                ),
                format!("the folder web adds version control to the image: .git, vendor/.git{end}"),
                format!("the folder web adds caches to the image: target{end}"),
            ]
        );
        assert!(said(&[".git", "target", "id_rsa"]).is_empty());
    }
}
