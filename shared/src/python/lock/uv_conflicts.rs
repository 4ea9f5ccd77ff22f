//! What the settings of a workspace say that cannot be chosen together, and what `uv.lock` says.
//!
//! uv writes into the lock what follows from groups that include others: what excludes a group excludes all that
//! include it.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::selection::at;
use super::uv::Uv;
use super::uv_settings::Projects;
use crate::python::Name;

/// One of what cannot be chosen together: of which package, and which extra or group, or the package itself.
type Item = (Name, String, String);

/// What cannot be chosen together.
type Sets = BTreeSet<BTreeSet<Item>>;

/// As many sets may follow from one.
const MOST: usize = 4096;

/// Whether the sets of what excludes each other are other ones.
pub(super) fn conflicts(lock: &Uv, projects: &Projects) -> Option<String> {
    let mut now = BTreeSet::new();
    for (_, table) in projects {
        let own = at(table, "project.name").and_then(Value::as_str);
        now.extend(sets(at(table, "tool.uv.conflicts"), own)?);
    }
    // uv looks at the groups of the root alone.
    if let Some((_, root)) = projects.iter().find(|(dir, _)| *dir == lock.place.dir) {
        now = inferred(now, root)?;
    }
    (now != sets(lock.conflicts.as_ref(), None)?).then(|| "the conflicts have changed".into())
}

/// `None` where something cannot be understood.
fn sets(value: Option<&Value>, own: Option<&str>) -> Option<Sets> {
    let item = |value: &Value| -> Option<Item> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let package = text("package").or(own)?.parse().ok()?;
        let kind = ["extra", "group"].into_iter().find(|kind| text(kind).is_some()).unwrap_or("package");
        let name = text(kind).filter(|_| kind != "package").unwrap_or_default();
        let name = name.parse::<Name>().map_or_else(|_| name.to_owned(), |name| name.to_string());
        Some((package, kind.to_owned(), name))
    };
    let set = |value: &Value| value.as_array()?.iter().map(item).collect::<Option<BTreeSet<Item>>>();
    let Some(value) = value else { return Some(BTreeSet::new()) };
    value.as_array()?.iter().map(set).collect()
}

/// The sets, and all that follow from them. `None` where what follows hangs on an order that uv does not promise.
fn inferred(sets: Sets, root: &Table) -> Option<Sets> {
    let name = at(root, "project.name").and_then(|name| name.as_str()?.parse::<Name>().ok());
    let (includers, Some(name)) = (includers(root), name) else { return Some(sets) };
    let is_group = |item: &Item| item.1 == "group";
    // uv knows groups by their names alone there.
    let is_foreign = |item: &Item| is_group(item) && item.0 != name && includers.contains_key(&item.2);
    if sets.iter().flatten().any(is_foreign) {
        return None;
    }
    let mut all = sets.clone();
    for set in &sets {
        let mut made = vec![BTreeSet::new()];
        for item in set {
            let others = includers.get(&item.2).filter(|_| is_group(item)).into_iter().flatten();
            let others = others.map(|group| (item.0.clone(), item.1.clone(), group.clone()));
            let choices: Vec<Item> = std::iter::once(item.clone()).chain(others).collect();
            if choices.iter().skip(1).any(|choice| set.contains(choice)) || made.len() * choices.len() > MOST
            {
                return None;
            }
            let with =
                |begun: &BTreeSet<Item>, choice: &Item| begun.iter().chain([choice]).cloned().collect();
            made =
                made.iter().flat_map(|begun| choices.iter().map(move |choice| with(begun, choice))).collect();
        }
        if made.iter().any(|new| new.len() < set.len()) {
            return None;
        }
        all.extend(made);
    }
    Some(all)
}

/// The groups of a project that include each one, directly or through others.
fn includers(pyproject: &Table) -> BTreeMap<String, BTreeSet<String>> {
    let normal = |name: &str| name.parse::<Name>().map_or_else(|_| name.to_owned(), |name| name.to_string());
    let groups = pyproject.get("dependency-groups").and_then(Value::as_table);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (group, list) in groups.into_iter().flatten() {
        let included =
            list.as_array().into_iter().flatten().filter_map(|value| value.get("include-group")?.as_str());
        for name in included {
            found.entry(normal(name)).or_default().insert(normal(group));
        }
    }
    loop {
        let further = |group: &BTreeSet<String>| -> BTreeSet<String> {
            group.iter().filter_map(|includer| found.get(includer)).flatten().cloned().collect()
        };
        let next: BTreeMap<String, BTreeSet<String>> =
            found.iter().map(|(group, includers)| (group.clone(), includers | &further(includers))).collect();
        if next == found {
            return found;
        }
        found = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_sets_of_sets() {
        let of = |text: &str| {
            let table: Table = format!("c = {text}").parse().expect("TOML");
            sets(table.get("c"), Some("Hello")).expect("understood")
        };
        let one = of("[[{ extra = 'a' }, { package = 'hello', extra = 'B_2' }]]");
        assert_eq!(one, of("[[{ extra = 'b-2' }, { extra = 'a' }]]"));
        assert!(one != of("[[{ extra = 'a' }, { group = 'b-2' }]]"));
    }

    /// The names of the groups in what follows from `conflicts`, of a project with these groups.
    fn follow(conflicts: &str, groups: &str) -> Option<Vec<String>> {
        let text = format!("[project]\nname = 'hello'\n[dependency-groups]\n{groups}\n[x]\nc = {conflicts}");
        let table: Table = text.parse().expect("TOML");
        let found = inferred(sets(at(&table, "x.c"), Some("hello"))?, &table)?;
        let names =
            |set: &BTreeSet<Item>| set.iter().map(|item| item.2.as_str()).collect::<Vec<_>>().join("+");
        Some(found.iter().map(names).collect())
    }

    #[test]
    fn what_excludes_a_group_excludes_those_that_include_it() {
        let both = "[[{ group = 'a' }, { group = 'b' }]]";
        let groups = "a = ['x']\nb = ['y']\nC_c = [{ include-group = 'A' }]\nd = [{ include-group = 'c-c' }]";
        assert_eq!(follow(both, groups), Some(vec!["a+b".into(), "b+c-c".into(), "b+d".into()]));
        let more = format!("{groups}\ne = [{{ include-group = 'b' }}]");
        assert_eq!(follow(both, &more).map(|sets| sets.len()), Some(6));
        assert_eq!(follow("[[{ extra = 'a' }, { group = 'b' }]]", groups), Some(vec!["a+b".into()]));
        assert_eq!(
            follow(both, "a = []\nb = [{ include-group = 'a' }]"),
            None,
            "one of them includes the other"
        );
        assert_eq!(follow("[[{ group = 'a' }, { package = 'x', group = 'a' }]]", groups), None);
    }
}
