//! Who runs in the image, and what they may do.

use std::collections::BTreeSet;

use super::{Finding, Kind, Report, Severity};
use crate::facts::details::FileSystem;
use crate::facts::tree::{Node, NodeKind};
use crate::oci::ImageConfig;

/// Bits of one class in a mode.
pub(super) const READ: u32 = 4;
pub(super) const EXECUTE: u32 = 1;

/// Whom the program runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    uid: u64,
    groups: BTreeSet<u64>,
}

impl User {
    /// Whom `USER` means; `None`, with a finding, where nobody can tell.
    pub(super) fn of(config: &ImageConfig, fs: &FileSystem, report: &mut Report) -> Option<Self> {
        let text = config.config.user.as_deref().unwrap_or_default();
        let (name, group) = text.split_once(':').map_or((text, None), |(name, group)| (name, Some(group)));
        let database = |path| fs.text(path).unwrap_or_default();
        let found = find(name, group, database("/etc/passwd"), database("/etc/group"));
        match found {
            Ok(user) => Some(user),
            Err(unknown) => {
                report.add(Finding {
                    severity: Severity::Error,
                    kind: Kind::NoUser,
                    message: format!("the image runs as {text:?}, but {unknown} has no such name"),
                    library: None,
                    through: Vec::new(),
                    fix: Some(
                        "use a number, for example user = \"65532:65532\", or a base that has the name"
                            .into(),
                    ),
                });
                None
            }
        }
    }

    /// Whether the node may be used in this way.
    pub(super) fn may(&self, node: &Node, bit: u32) -> bool {
        if self.uid == 0 {
            // Root searches and reads everything, and executes what anybody may.
            return bit != EXECUTE || node.kind == NodeKind::Directory || node.mode & 0o111 != 0;
        }
        let shift = if node.uid == self.uid {
            6
        } else if self.groups.contains(&node.gid) {
            3
        } else {
            0
        };
        (node.mode >> shift) & bit != 0
    }

    /// The first thing on the way to `path`, itself included, that may not be used: folders must
    /// be searched, the file must be used as `bit` says.
    pub(super) fn stopped_at(&self, fs: &FileSystem, path: &str, bit: u32) -> Option<String> {
        let real = fs.contents.follow(path)?;
        let tree = &fs.contents.tree;
        let folders = real.match_indices('/').filter_map(|(at, _)| real.get(..at));
        let closed = |dir: &&str| tree.get(dir).is_some_and(|node| !self.may(node, EXECUTE));
        if let Some(dir) = folders.into_iter().find(closed) {
            return Some(format!("/{dir}"));
        }
        tree.get(&real).is_some_and(|node| !self.may(node, bit)).then(|| format!("/{real}"))
    }

    /// As an error message names them.
    pub(super) fn shown(&self) -> String {
        format!("user {}", self.uid)
    }
}

/// Looks a user up as the container engines do. The error is the file that lacks the name.
fn find(name: &str, group: Option<&str>, passwd: &str, groups: &str) -> Result<User, &'static str> {
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let number = |field: Option<&String>| field.and_then(|text| text.parse::<u64>().ok());
    let name = if name.is_empty() { "0" } else { name };
    let known = passwd.lines().map(fields).find(|user| {
        user.first().is_some_and(|first| first == name) || user.get(2).is_some_and(|uid| uid == name)
    });
    let uid = number(known.as_ref().and_then(|user| user.get(2))).or_else(|| name.parse().ok());
    let uid = uid.ok_or("/etc/passwd")?;
    let mut found = BTreeSet::new();
    match group {
        Some(group) => {
            let known = groups.lines().map(fields).find(|line| line.first().is_some_and(|n| n == group));
            let gid = number(known.as_ref().and_then(|line| line.get(2))).or_else(|| group.parse().ok());
            found.insert(gid.ok_or("/etc/group")?);
        }
        None => {
            found.insert(number(known.as_ref().and_then(|user| user.get(3))).unwrap_or(0));
            let name = known.as_ref().and_then(|user| user.first()).map_or(name, String::as_str);
            let member = |line: &Vec<String>| {
                line.get(3).is_some_and(|members| members.split(',').any(|member| member == name))
            };
            found.extend(groups.lines().map(fields).filter(member).filter_map(|line| number(line.get(2))));
        }
    }
    Ok(User { uid, groups: found })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:::\n";
    const GROUPS: &str = "root:x:0:\nwww:x:34:\nextra:x:50:web,other\n";

    fn user(uid: u64, groups: &[u64]) -> Result<User, &'static str> {
        Ok(User { uid, groups: groups.iter().copied().collect() })
    }

    #[test]
    fn users_are_looked_up_as_engines_do() {
        let find = |name, group| find(name, group, PASSWD, GROUPS);
        assert_eq!(find("", None), user(0, &[0]));
        assert_eq!(find("web", None), user(33, &[34, 50]));
        assert_eq!(find("33", None), user(33, &[34, 50]));
        assert_eq!(find("web", Some("extra")), user(33, &[50]));
        assert_eq!(find("65532", None), user(65532, &[0]), "unknown numbers are in root's group");
        assert_eq!(find("65532", Some("65532")), user(65532, &[65532]));
        assert_eq!(find("nobody", None), Err("/etc/passwd"));
        assert_eq!(find("web", Some("staff")), Err("/etc/group"));
    }

    #[test]
    fn the_class_that_fits_first_decides() {
        let may = |mode, uid, gid, bit| {
            let node = Node { kind: NodeKind::File, mode, uid, gid };
            User { uid: 5, groups: [6].into() }.may(&node, bit)
        };
        assert!(may(0o700, 5, 0, EXECUTE) && !may(0o077, 5, 6, EXECUTE));
        assert!(may(0o010, 0, 6, EXECUTE) && !may(0o707, 0, 6, EXECUTE));
        assert!(may(0o001, 0, 0, EXECUTE) && !may(0o770, 0, 0, EXECUTE));
        assert!(may(0o004, 0, 0, READ));
        let root = User { uid: 0, groups: [0].into() };
        let file = |mode| Node { kind: NodeKind::File, mode, uid: 9, gid: 9 };
        assert!(
            root.may(&file(0o001), EXECUTE) && !root.may(&file(0o666), EXECUTE) && root.may(&file(0), READ)
        );
    }
}
