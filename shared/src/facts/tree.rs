//! The file system of a base, as a list of facts: what is where, and whose it is.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeKind {
    /// A directory; what is in it has nodes of its own.
    Directory,
    /// A regular file (or a hard link to one).
    File,
    /// A symbolic link and its target, as written.
    Symlink(String),
    /// A device, FIFO or the like.
    Other,
}

/// One path of a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Whether it is a directory, a file, a link or something else.
    pub kind: NodeKind,
    /// Permission bits, 0o7777 at most.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
}

/// What a tree has at a path: a [`Node`], or more than that.
pub trait AsNode {
    /// What it is.
    fn node(&self) -> &Node;
}

impl AsNode for Node {
    fn node(&self) -> &Node {
        self
    }
}

/// The merged file system of a base. Paths have no leading slash; the root is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree<T = Node> {
    nodes: BTreeMap<String, T>,
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { nodes: BTreeMap::new() }
    }
}

/// As many symbolic links as Linux follows in one path (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

impl<T> Tree<T> {
    /// Puts a node at `path`; what was there comes back.
    pub fn insert(&mut self, path: impl Into<String>, node: T) -> Option<T> {
        self.nodes.insert(path.into(), node)
    }

    /// What is at `path`, without following a link at its end.
    pub fn get(&self, path: &str) -> Option<&T> {
        self.nodes.get(path)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut T> {
        self.nodes.get_mut(path)
    }

    /// Removes `path` and everything below it; all that was there goes to `gone`.
    pub fn remove(&mut self, path: &str, gone: &mut impl FnMut(String, T)) {
        if let Some((path, node)) = self.nodes.remove_entry(path) {
            gone(path, node);
        }
        self.remove_below(path, gone);
    }

    /// Removes everything below `path`, not the path itself.
    pub fn remove_below(&mut self, path: &str, gone: &mut impl FnMut(String, T)) {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        // A layer may hide a million paths; each must cost no walk over the whole tree.
        let from = self.nodes.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        let below: Vec<_> = from.map(|(p, _)| p).take_while(|p| p.starts_with(&prefix)).cloned().collect();
        for path in below {
            if let Some((path, node)) = self.nodes.remove_entry(&path) {
                gone(path, node);
            }
        }
    }

    /// All nodes in the order of their paths' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// All nodes, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.nodes.values_mut()
    }

    /// Whether there is something below `path`.
    pub fn has_below(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        let mut from = self.nodes.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        from.next().is_some_and(|(path, _)| path.starts_with(&prefix))
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

impl<T: AsNode> Tree<T> {
    /// What is at `path`, as a node.
    fn node(&self, path: &str) -> Option<&Node> {
        self.get(path).map(AsNode::node)
    }

    /// `path` with every link in its *parents* followed, as a write to it would go. A path
    /// that leaves the tree through `..` stays at the root, as in a container. `None` when the
    /// links go round in circles.
    pub fn real_path(&self, path: &str) -> Option<String> {
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(part),
            }
            let last = todo.iter().all(|p| p.is_empty() || p == ".");
            if last {
                continue;
            }
            if let Some(Node { kind: NodeKind::Symlink(target), .. }) = self.node(&done.join("/")) {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                todo.extend(target.split('/').rev().map(str::to_owned));
            }
        }
        Some(done.join("/"))
    }

    /// `path` with a link at its end followed too, as a directory that is made there would go, whether or not something
    /// is there already. `None` when the links go round in circles.
    pub fn real_folder(&self, path: &str) -> Option<String> {
        let mut path = self.real_path(path)?;
        for _ in 0..MAX_LINKS {
            let Some(Node { kind: NodeKind::Symlink(target), .. }) = self.node(&path) else {
                return Some(path);
            };
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            let next = if target.starts_with('/') { target.clone() } else { format!("{parent}/{target}") };
            path = self.real_path(&next)?;
        }
        (!matches!(self.node(&path), Some(Node { kind: NodeKind::Symlink(_), .. }))).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(entries: &[(&str, NodeKind)]) -> Tree {
        let mut tree = Tree::default();
        for (path, kind) in entries {
            tree.insert(*path, Node { kind: kind.clone(), mode: 0o755, uid: 0, gid: 0 });
        }
        tree
    }

    fn link(to: &str) -> NodeKind {
        NodeKind::Symlink(to.into())
    }

    #[test]
    fn merged_usr_is_followed() {
        let tree = tree(&[("lib", link("usr/lib")), ("a", link("/lib/x")), ("bin", link("usr/bin"))]);
        assert_eq!(tree.real_path("lib/libx.so").as_deref(), Some("usr/lib/libx.so"));
        assert_eq!(tree.real_path("a/b/c").as_deref(), Some("usr/lib/x/b/c"));
        assert_eq!(tree.real_path("bin").as_deref(), Some("bin"), "the last part is not followed");
    }

    #[test]
    fn nothing_leaves_the_root_and_circles_end() {
        let tree = tree(&[("up", link("../../..")), ("loop", link("loop"))]);
        assert_eq!(tree.real_path("up/etc/x").as_deref(), Some("etc/x"));
        assert_eq!(tree.real_path("loop/x"), None);
    }

    #[test]
    fn removing_below_keeps_siblings_with_the_same_beginning() {
        let mut tree = tree(&[("a", NodeKind::Directory), ("a/b", NodeKind::File), ("ab", NodeKind::File)]);
        tree.remove("a", &mut |_, _| {});
        assert_eq!(tree.iter().map(|(p, _)| p).collect::<Vec<_>>(), ["ab"]);
    }
}
