//! What layers rely on in the file system of their base: a build repeats its directories, follows its links, and
//! replaces what is in the place of a file.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Broken, Case, Fact, Found};
use crate::facts::tree::{Node, NodeKind, Tree};
use crate::oci::{Mode, Owner};

/// What the layer with the user's name holds.
const LISTS: [&str; 2] = ["etc/passwd", "etc/group"];

/// The facts about paths that are broken, for each path the first one.
pub(super) fn broken(case: &Case<'_>, found: &mut Found) {
    let (mut told, mut folders): (BTreeSet<&str>, BTreeMap<&str, &str>) = Default::default();
    let (old, new) = (&case.old.base.contents, &case.new.base.contents);
    for (at, layer) in case.ours.iter().enumerate() {
        // What was made anew was made of the new base's lists: these it may hide.
        let is_anew = |path: &str| case.remade.user == Some(at) && LISTS.contains(&path);
        for (path, node) in &layer.facts.entries {
            let (then, now) = (old.tree.get(path), new.tree.get(path));
            let broken = match node.kind {
                NodeKind::Directory => {
                    folders.entry(path).or_insert(&layer.title);
                    of_directory(path, node, (then, now), case.choices.owner)
                }
                _ => of_file(path, (then, now), is_anew(path)),
            };
            if let Some(broken) = broken.filter(|_| told.insert(path)) {
                let through = vec![format!("layer {}", layer.title), format!("/{path}")];
                found.extend([Broken { through, ..broken }]);
            }
        }
    }
    if let Some(first) = case.ours.first() {
        // Whatever a layer adds is in the root, which no layer names.
        folders.insert("", &first.title);
    }
    found.extend(links(&old.tree, &new.tree, folders));
}

/// A directory of ours: one that is only implied has mode and owner of the base's.
fn of_directory(
    path: &str,
    entry: &Node,
    (then, now): (Option<&Node>, Option<&Node>),
    owner: Owner,
) -> Option<Broken> {
    let shape = |node: &Node| (node.mode, node.uid, node.gid);
    let of_our_own = |owner: Owner| (0o755, owner.uid, owner.gid);
    let may_be_implied = match then {
        Some(node) if node.kind == NodeKind::Directory => shape(node) == shape(entry),
        // Layers that count as the base's belong to the administrator.
        _ => [owner, Owner::ROOT].map(of_our_own).contains(&shape(entry)),
    };
    match now {
        Some(node) if node.kind != NodeKind::Directory => Some(Broken::new(
            Fact::Place,
            format!("/{path} is a directory in the image, but {} in the new base", kind(node)),
        )),
        Some(node) if may_be_implied && shape(node) != shape(entry) => Some(Broken::new(
            Fact::Directory,
            format!(
                "/{path} is {} in the old base, which the image repeats, but {} in the new one",
                shown(entry),
                shown(node)
            ),
        )),
        // A build would make it anew.
        None if then.is_some() && may_be_implied && shape(entry) != of_our_own(owner) => Some(Broken::new(
            Fact::Directory,
            format!("/{path} is {} in the old base, but missing in the new one", shown(entry)),
        )),
        _ => None,
    }
}

/// A file or link of ours takes the place of a file or link, but of no directory; one that `is_anew` also of a file that
/// only the new base has.
fn of_file(path: &str, (then, now): (Option<&Node>, Option<&Node>), is_anew: bool) -> Option<Broken> {
    match (then, now?) {
        (_, Node { kind: NodeKind::Directory, .. }) => Some(Broken::new(
            Fact::Place,
            format!("/{path} is a file in the image, but a directory in the new base"),
        )),
        (None, now) if !is_anew => Some(Broken::new(
            Fact::Place,
            format!(
                "/{path} of the image would hide {} of the new base, which the old one does not have",
                kind(now)
            ),
        )),
        _ => None,
    }
}

/// Links of the old base that lead to our folders: what is in these may have been named through them.
fn links(old: &Tree, new: &Tree, folders: BTreeMap<&str, &str>) -> Vec<Broken> {
    let links = old.iter().filter(|(_, node)| matches!(node.kind, NodeKind::Symlink(_)));
    // A build makes the folder that a link leads to where the base has none.
    let leads: Vec<(&str, String)> =
        links.filter_map(|(link, _)| Some((link, old.real_folder(link)?))).collect();
    let mut named: BTreeMap<String, &str> =
        folders.into_iter().map(|(path, title)| (path.to_owned(), title)).collect();
    loop {
        let before = named.len();
        // A path may go through one link to the next, which is in no folder of ours.
        for (link, to) in &leads {
            let Some(title) = named.get(to).copied() else { continue };
            for (end, _) in link.match_indices('/') {
                named.entry(link[..end].to_owned()).or_insert(title);
            }
        }
        if named.len() == before {
            break;
        }
    }
    let broken = leads.iter().filter_map(|(link, to)| {
        let title = named.get(to)?;
        let now = new.real_folder(link);
        (now.as_ref() != Some(to)).then(|| Broken {
            fact: Fact::Link,
            message: format!("/{link} leads to /{to} in the old base, but {}", leads_now(link, now, new)),
            through: vec![format!("layer {title}"), format!("/{to}")],
        })
    });
    broken.collect()
}

/// Where a link of the old base leads in the new one.
fn leads_now(link: &str, now: Option<String>, new: &Tree) -> String {
    match (now, new.get(link)) {
        (None, _) => "is part of a loop of links in the new one".into(),
        (Some(now), _) if now != link => format!("to /{now} in the new one"),
        (Some(_), None) => "is missing in the new one".into(),
        (Some(_), Some(node)) => format!("is {} in the new one", kind(node)),
    }
}

fn kind(node: &Node) -> String {
    match &node.kind {
        NodeKind::Directory => "a directory".into(),
        NodeKind::File => "a file".into(),
        NodeKind::Symlink(target) => format!("a link to {target}"),
        NodeKind::Other => "a device or pipe".into(),
    }
}

/// Mode and owner, as people write them.
fn shown(Node { mode, uid, gid, .. }: &Node) -> String {
    format!("{} {}", Mode(*mode), Owner { uid: *uid, gid: *gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Owner = Owner { uid: 5, gid: 5 };

    fn directory(mode: u32, owner: Owner) -> Node {
        Node { kind: NodeKind::Directory, mode, uid: owner.uid, gid: owner.gid }
    }

    fn fact(entry: &Node, then: Option<Node>, now: Option<Node>) -> Option<Fact> {
        of_directory("a", entry, (then.as_ref(), now.as_ref()), OURS).map(|broken| broken.fact)
    }

    #[test]
    fn a_directory_that_may_be_implied_must_be_repeated_alike() {
        let (root, ours) = (directory(0o750, Owner::ROOT), directory(0o755, OURS));
        assert_eq!(fact(&root, Some(root.clone()), Some(root.clone())), None);
        assert_eq!(
            fact(&root, Some(root.clone()), Some(directory(0o700, Owner::ROOT))),
            Some(Fact::Directory)
        );
        assert_eq!(fact(&root, Some(root.clone()), Some(directory(0o750, OURS))), Some(Fact::Directory));
        assert_eq!(fact(&root, Some(root.clone()), None), Some(Fact::Directory), "it would be made as ours");
        assert_eq!(fact(&ours, Some(ours.clone()), None), None, "as it would be made");
        assert_eq!(fact(&ours, None, None), None);
        assert_eq!(fact(&ours, None, Some(root.clone())), Some(Fact::Directory), "it would be repeated");
        let implied = directory(0o755, Owner::ROOT);
        assert_eq!(
            fact(&implied, None, Some(root)),
            Some(Fact::Directory),
            "of a layer that counts as the base's"
        );
    }

    #[test]
    fn a_directory_that_was_declared_stays_whatever_the_base_has() {
        let declared = directory(0o700, OURS);
        let others = [None, Some(directory(0o755, Owner::ROOT)), Some(directory(0o711, OURS))];
        for then in &others {
            for now in &others {
                assert_eq!(fact(&declared, then.clone(), now.clone()), None, "{then:?} {now:?}");
            }
        }
        let file = Node { kind: NodeKind::File, ..declared.clone() };
        assert_eq!(fact(&declared, None, Some(file)), Some(Fact::Place));
    }

    fn tree(links: &[(&str, &str)], folders: &[&str]) -> Tree {
        let mut tree = Tree::default();
        let node = |kind| Node { kind, mode: 0o755, uid: 0, gid: 0 };
        links.iter().for_each(|(at, to)| _ = tree.insert(*at, node(NodeKind::Symlink((*to).into()))));
        folders.iter().for_each(|at| _ = tree.insert(*at, node(NodeKind::Directory)));
        tree
    }

    #[test]
    fn a_write_through_links_must_go_where_it_went() {
        let said = |old: &Tree, new: &Tree| -> Vec<String> {
            let folders = [("", "files"), ("mnt", "files"), ("mnt/data", "files")].into();
            links(old, new, folders).into_iter().map(|broken| broken.message).collect()
        };
        let dangling = tree(&[("data", "/mnt/data")], &["mnt"]);
        assert_eq!(said(&dangling, &dangling), [""; 0]);
        assert_eq!(said(&dangling, &tree(&[("data", "/mnt/data")], &["mnt", "mnt/data"])), [""; 0]);
        for (new, words) in [
            (tree(&[], &["mnt"]), "but is missing"),
            (tree(&[], &["data"]), "but is a directory"),
            (tree(&[("data", "srv")], &[]), "but to /srv"),
            (tree(&[("data", "mnt/data"), ("mnt", "srv")], &[]), "but to /srv/data"),
            (tree(&[("data", "data")], &[]), "but is part of a loop"),
        ] {
            let found = said(&dangling, &new);
            assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
        }
        let root = tree(&[("all", "/")], &["mnt"]);
        assert_eq!(said(&root, &tree(&[], &["all"])).len(), 1, "what is written there is in the root");
        // From one link to the next.
        let chain = tree(&[("a", "/x"), ("x/c", "/mnt/data")], &["x"]);
        let other = tree(&[("a", "/y"), ("x/c", "/mnt/data")], &["x", "y"]);
        assert_eq!(said(&chain, &other), ["/a leads to /x in the old base, but to /y in the new one"]);
        assert_eq!(said(&tree(&[("b", "/opt")], &["opt"]), &tree(&[], &[])), [""; 0], "of no folder of ours");
    }

    #[test]
    fn a_file_replaces_what_it_replaced_and_nothing_else() {
        let node = |kind| Node { kind, mode: 0o644, uid: 0, gid: 0 };
        let (file, link, folder) =
            (node(NodeKind::File), node(NodeKind::Symlink("x".into())), node(NodeKind::Directory));
        let fact = |then, now| of_file("a", (then, now), false).map(|broken| broken.fact);
        assert_eq!(fact(None, None), None);
        assert_eq!(fact(Some(&file), None), None);
        assert_eq!(fact(Some(&file), Some(&link)), None);
        assert_eq!(fact(None, Some(&file)), Some(Fact::Place));
        assert_eq!(fact(Some(&file), Some(&folder)), Some(Fact::Place));
        let anew = |now| of_file("a", (None, Some(now)), true).map(|broken| broken.fact);
        assert_eq!((anew(&file), anew(&folder)), (None, Some(Fact::Place)), "made of what it hides");
    }
}
