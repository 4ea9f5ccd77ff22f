//! From wished entries to the exact list that is written: parents stated, links of the base
//! followed, order fixed, contradictions refused.

use std::collections::BTreeMap;

use super::{Entry, EntryKind, Spec};
use crate::error::{Error, Result};
use crate::facts::tree::{Node, NodeKind, Tree};
use crate::oci::{Mode, Owner};

/// The entries as they are written, in the order of their paths' bytes.
pub(super) fn resolve(spec: &Spec, base: &Tree) -> Result<Vec<Entry>> {
    let mut resolved: BTreeMap<String, Entry> = BTreeMap::new();
    for entry in &spec.entries {
        let entry = place(entry, base)?;
        match resolved.get(&entry.path) {
            None => drop(resolved.insert(entry.path.clone(), entry)),
            Some(other) => {
                if let Some(winner) = agree(other, &entry)? {
                    resolved.insert(winner.path.clone(), winner);
                }
            }
        }
    }
    let paths: Vec<String> = resolved.keys().cloned().collect();
    for path in &paths {
        add_parents(path, spec.owner, base, &mut resolved)?;
    }
    check_links(&resolved)?;
    let written = resolved.into_values().map(|entry| settle(entry, base)).collect();
    Ok(written)
}

/// The file system after the layer; `tree` is that before it.
///
/// # Errors
/// Whatever would stop the layer from being written.
pub fn tree_after(mut tree: Tree, spec: &Spec) -> Result<Tree> {
    for entry in resolve(spec, &tree)? {
        let kind = match &entry.kind {
            EntryKind::Directory | EntryKind::ImpliedDirectory => NodeKind::Directory,
            EntryKind::File(_) | EntryKind::Hardlink(_) => NodeKind::File,
            EntryKind::Symlink(target) => NodeKind::Symlink(target.clone()),
        };
        if kind != NodeKind::Directory {
            tree.remove(&entry.path, &mut |_, _| {});
        }
        tree.insert(
            entry.path,
            Node { kind, mode: entry.mode.0, uid: entry.owner.uid, gid: entry.owner.gid },
        );
    }
    Ok(tree)
}

/// The entry at the path where a write to it would go.
fn place(entry: &Entry, base: &Tree) -> Result<Entry> {
    let bad = entry.path.split('/').any(|part| matches!(part, "" | "." | ".."));
    if bad || entry.path.contains('\0') {
        return Err(Error::bug(format!("{:?} is not a valid path in a layer", entry.path)));
    }
    // In a layer such a name would remove files of the base (image-spec layer.md, "Whiteouts").
    if entry.path.split('/').any(|part| part.starts_with(".wh.")) {
        return Err(Error::usage(format!("/{} has a name that marks a deletion in images", entry.path))
            .hint("rename it, or leave it out with exclude"));
    }
    let circle = || Error::build(format!("/{} leads through a loop of links in the base", entry.path));
    let mut path = base.real_path(&entry.path).ok_or_else(circle)?;
    if entry.is_directory() {
        // A directory is made where the link leads, as `/var/run` on Debian.
        path = base.real_folder(&path).ok_or_else(circle)?;
    } else if matches!(base.get(&path), Some(Node { kind: NodeKind::Directory, .. })) {
        // It would take the place of the directory and of all that is in it.
        return Err(Error::usage(format!("/{path} is a directory in the base, where a file should go"))
            .hint(format!("write /{path}/ to put the file into it")));
    }
    Ok(Entry { path, ..entry.clone() })
}

/// Two entries for one path: which one stays, `None` for the first.
fn agree(first: &Entry, second: &Entry) -> Result<Option<Entry>> {
    match (&first.kind, &second.kind) {
        (_, EntryKind::ImpliedDirectory) if first.is_directory() => Ok(None),
        (EntryKind::ImpliedDirectory, EntryKind::Directory) => Ok(Some(second.clone())),
        _ if first == second => Ok(None),
        _ => Err(Error::usage(format!("two entries go to /{} in the image", first.path))
            .hint("give one of them another place")),
    }
}

fn add_parents(path: &str, owner: Owner, base: &Tree, resolved: &mut BTreeMap<String, Entry>) -> Result<()> {
    for (at, _) in path.match_indices('/') {
        let parent = &path[..at];
        if let Some(entry) = resolved.get(parent) {
            if entry.is_directory() {
                continue;
            }
            return Err(Error::usage(format!("/{path} goes below /{parent}, which is not a directory"))
                .hint("give one of them another place"));
        }
        if base.get(parent).is_some_and(|node| node.kind != NodeKind::Directory) {
            return Err(Error::usage(format!("/{path} goes below /{parent}, which is a file in the base"))
                .hint("give it another place"));
        }
        let implied =
            Entry { kind: EntryKind::ImpliedDirectory, ..Entry::directory(parent, Mode(0o755), owner) };
        resolved.insert(parent.to_owned(), implied);
    }
    Ok(())
}

/// A hard link's target must have been written when the link is.
fn check_links(resolved: &BTreeMap<String, Entry>) -> Result<()> {
    for (path, entry) in resolved {
        if let EntryKind::Hardlink(target) = &entry.kind {
            let before = target < path;
            let file = resolved.get(target).is_some_and(|other| matches!(other.kind, EntryKind::File(_)));
            if !before || !file {
                return Err(Error::bug(format!(
                    "the hard link {path} leads to {target}, which is not there yet"
                )));
            }
        }
    }
    Ok(())
}

/// A directory that is only implied repeats what the base says of it.
fn settle(entry: Entry, base: &Tree) -> Entry {
    if entry.kind != EntryKind::ImpliedDirectory {
        return entry;
    }
    let kind = EntryKind::Directory;
    match base.get(&entry.path) {
        Some(Node { kind: NodeKind::Directory, mode, uid, gid }) => {
            Entry { kind, mode: Mode(*mode), owner: Owner { uid: *uid, gid: *gid }, ..entry }
        }
        _ => Entry { kind, ..entry },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Content;
    use super::*;
    use crate::oci::media_type::{Compression, Format};

    fn base() -> Tree {
        let mut tree = Tree::default();
        let dir = |mode, uid| Node { kind: NodeKind::Directory, mode, uid, gid: uid };
        tree.insert("tmp", dir(0o1777, 0));
        tree.insert("usr", dir(0o755, 0));
        tree.insert("usr/lib", dir(0o750, 7));
        tree.insert("run", dir(0o755, 0));
        tree.insert("lib", Node { kind: NodeKind::Symlink("usr/lib".into()), mode: 0o777, uid: 0, gid: 0 });
        tree.insert("varrun", Node { kind: NodeKind::Symlink("/run".into()), mode: 0o777, uid: 0, gid: 0 });
        tree.insert("etc", Node { kind: NodeKind::File, mode: 0o644, uid: 0, gid: 0 });
        tree
    }

    fn file(path: &str) -> Entry {
        Entry::file(path, Content::Bytes("x".into()), Mode(0o644), Owner { uid: 5, gid: 5 })
    }

    fn implied(path: &str) -> Entry {
        Entry {
            kind: EntryKind::ImpliedDirectory,
            ..Entry::directory(path, Mode(0o755), Owner { uid: 5, gid: 5 })
        }
    }

    fn resolved(entries: Vec<Entry>) -> Result<Vec<String>> {
        let spec = Spec {
            title: "t".into(),
            entries,
            owner: Owner { uid: 9, gid: 9 },
            compression: Compression::Gzip,
            format: Format::Oci,
        };
        let entries = resolve(&spec, &base())?;
        Ok(entries.iter().map(|e| format!("{} {:o} {}", e.path, e.mode.0, e.owner)).collect())
    }

    #[test]
    fn parents_are_stated_once_and_the_bases_keep_mode_and_owner() {
        let found = resolved(vec![file("tmp/b/x"), file("tmp/a"), file("new/y")]).expect("resolved");
        assert_eq!(
            found,
            [
                "new 755 9:9",
                "new/y 644 5:5",
                "tmp 1777 0:0",
                "tmp/a 644 5:5",
                "tmp/b 755 9:9",
                "tmp/b/x 644 5:5"
            ]
        );
    }

    #[test]
    fn links_of_the_base_are_followed_and_never_replaced() {
        let found = resolved(vec![file("lib/libx.so")]).expect("resolved");
        assert_eq!(found, ["usr 755 0:0", "usr/lib 750 7:7", "usr/lib/libx.so 644 5:5"]);
        let found = resolved(vec![Entry::directory("varrun", Mode(0o700), Owner { uid: 5, gid: 5 })])
            .expect("resolved");
        assert_eq!(found, ["run 700 5:5"]);
    }

    #[test]
    fn a_collected_directory_leaves_the_bases_alone_and_a_declared_one_does_not() {
        assert_eq!(resolved(vec![implied("tmp")]).expect("resolved"), ["tmp 1777 0:0"]);
        assert_eq!(
            resolved(vec![Entry::directory("tmp", Mode(0o755), Owner { uid: 1, gid: 1 })]).expect("resolved"),
            ["tmp 755 1:1"]
        );
        let both = vec![Entry::directory("tmp", Mode(0o755), Owner { uid: 1, gid: 1 }), implied("tmp")];
        assert_eq!(resolved(both).expect("resolved"), ["tmp 755 1:1"]);
    }

    #[test]
    fn contradictions_are_refused() {
        let twice = vec![file("a"), Entry { mode: Mode(0o600), ..file("a") }];
        assert!(resolved(twice).is_err(), "two files");
        assert!(resolved(vec![file("a"), file("a/b")]).is_err(), "below a file");
        assert!(resolved(vec![file("etc/x")]).is_err(), "below a file of the base");
        assert!(resolved(vec![file("a/.wh.b")]).is_err(), "a whiteout");
        let error = resolved(vec![file("tmp")]).expect_err("a directory of the base");
        assert_eq!(error.hint_text(), Some("write /tmp/ to put the file into it"));
        for path in ["", "/a", "a/", "a//b", "../a", "a/./b", "a\0"] {
            assert!(resolved(vec![file(path)]).is_err(), "{path:?}");
        }
        let link = Entry { kind: EntryKind::Hardlink("z".into()), ..file("a") };
        assert!(resolved(vec![link, file("z")]).is_err(), "a link before its file");
    }

    #[test]
    fn the_order_of_the_wishes_does_not_matter() {
        let one = resolved(vec![file("b"), file("a-b"), file("a/b")]).expect("resolved");
        let other = resolved(vec![file("a/b"), file("b"), file("a-b")]).expect("resolved");
        assert_eq!(one, other);
        assert_eq!(one[0], "a 755 9:9");
        assert_eq!(one[1], "a-b 644 5:5", "the order is that of bytes");
    }

    #[test]
    fn the_tree_after_a_layer_holds_it() {
        let spec = Spec {
            title: "t".into(),
            entries: vec![file("varrun"), file("n/m")],
            owner: Owner::ROOT,
            compression: Compression::Gzip,
            format: Format::Oci,
        };
        let tree = tree_after(base(), &spec).expect("tree");
        assert_eq!(tree.get("varrun").map(|n| n.kind.clone()), Some(NodeKind::File), "a link is replaced");
        assert!(tree.get("usr/lib").is_some());
        assert!(tree.get("n").is_some() && tree.get("n/m").is_some());
    }
}
