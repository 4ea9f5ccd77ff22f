//! The processes of this machine, as Linux tells of them.

use std::collections::BTreeSet;
use std::fs;

/// A process that still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: u32,
    pub(super) parent: u32,
    pub(super) group: u32,
}

/// All of them that can be seen. Who has ended and was not waited for is not among them.
pub(super) fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            entry.file_name().to_str()?.parse::<u32>().ok()?;
            read(&fs::read_to_string(entry.path().join("stat")).ok()?)
        })
        .collect()
}

/// A line such as `12 (name) S 1 12 ...`; the name may hold anything.
fn read(stat: &str) -> Option<Process> {
    let (id, rest) = stat.split_once(' ')?;
    let mut words = rest.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = words.next()?;
    let (parent, group) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (!matches!(state, "Z" | "X")).then_some(Process { id: id.parse().ok()?, parent, group })
}

/// Adds to `known` those of `all` that are in the group and whose parent is known.
pub(super) fn add_descendants(all: &[Process], group: u32, known: &mut BTreeSet<u32>) {
    let mut before = 0;
    while known.len() != before {
        before = known.len();
        let born = all.iter().filter(|process| process.group == group && known.contains(&process.parent));
        let born: Vec<u32> = born.map(|process| process.id).collect();
        known.extend(born);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whatever_the_name_holds() {
        let found = read("12 (a) S (b) S 3 4 5 0 -1").expect("a process");
        assert_eq!(found, Process { id: 12, parent: 3, group: 4 });
        assert_eq!(read("12 (x) Z 3 4 5"), None, "it has ended");
        assert_eq!(read(""), None);
        assert!(all().iter().any(|process| process.id == std::process::id()));
    }

    #[test]
    fn descendants_are_found_within_the_group() {
        let process = |id, parent, group| Process { id, parent, group };
        let all = [process(5, 4, 1), process(4, 3, 1), process(3, 1, 1), process(6, 3, 6), process(7, 1, 1)];
        let mut known = BTreeSet::from([3]);
        add_descendants(&all, 1, &mut known);
        assert_eq!(known, BTreeSet::from([3, 4, 5]), "not who left the group, nor others of it");
    }
}
