//! Whether layers may be laid on another base: they may where a build on it would make the same ones, and where all that
//! their files need is still there.

use std::collections::BTreeSet;

use super::case::{Broken, Case, Fact, Found, Ground};
use super::interpreter;
use super::paths;
use crate::check::{Finding, Kind, Report};
use crate::oci::MOST_LAYERS;
use crate::story::user;

/// All facts that are broken; none where the image may be laid on the new base.
pub(super) fn judge(case: &Case<'_>) -> Vec<Broken> {
    let python = if case.choices.python { interpreter::broken(case) } else { Vec::new() };
    let single = [packages(case), libraries(case), user(case), layers(case)];
    let mut found = Found::default();
    found.extend(python);
    found.extend(single.into_iter().flatten());
    paths::broken(case, &mut found);
    found.extend(needs(&case.old.report, &case.new.report));
    found.all()
}

/// Debian's lists of packages and libraries are written over those of the base.
fn packages(Case { choices, old, new, .. }: &Case<'_>) -> Option<Broken> {
    let same = old.config.rootfs == new.config.rootfs;
    (choices.packages && !same).then(|| {
        Broken::new(
            Fact::Packages,
            "the image adds Debian packages, which were chosen and listed for the files of the old base, but the new one has others",
        )
    })
}

/// Those of the building machine are what the base did not have, and their folder follows those that the base names.
fn libraries(Case { choices, old, new, .. }: &Case<'_>) -> Option<Broken> {
    let folders = |ground: &Ground| {
        let set = ground.config.config.env.iter().filter(|line| line.starts_with("LD_LIBRARY_PATH="));
        set.cloned().collect::<Vec<String>>()
    };
    let same = old.config.rootfs == new.config.rootfs && folders(old) == folders(new);
    (choices.libraries && !same).then(|| {
        Broken::new(
            Fact::Libraries,
            "the image has libraries of the machine that built it, which were chosen for the files and the LD_LIBRARY_PATH of the old base, but the new one has others",
        )
    })
}

/// The layer with the user's name is made anew, but only in its place: one more or one less would leave other room for
/// wheels.
fn user(Case { choices, old, new, remade, .. }: &Case<'_>) -> Option<Broken> {
    let lacking = |ground: &Ground| user::lacking(&ground.base, &choices.runtime.user);
    let (then, now) = (lacking(old), lacking(new));
    let is_right = !choices.python || remade.user.is_some() || then == now;
    let user = &choices.runtime.user;
    let words = match (then, now) {
        (_, None) => "which the new base does not need or does not allow",
        (None, _) => "which only the new base needs",
        _ => "but not as this version of containerize does it",
    };
    (!is_right).then(|| {
        Broken::new(
            Fact::User,
            format!("a layer gives the user {user} a name in /etc/passwd and /etc/group, {words}"),
        )
    })
}

/// Wheels share layers where there is room for few.
fn layers(Case { choices, old, new, .. }: &Case<'_>) -> Option<Broken> {
    let layers = |ground: &Ground| ground.config.rootfs.diff_ids.len();
    let room = |ground: &Ground| choices.max_layers.min(MOST_LAYERS.saturating_sub(layers(ground)));
    (choices.python && room(old) != room(new)).then(|| {
        Broken::new(
            Fact::Layers,
            format!(
                "the new base has {} layers instead of {}, so wheels would be divided in another way",
                layers(new),
                layers(old)
            ),
        )
    })
}

/// What the image would lack on the new base, and has on the old one.
fn needs<'r>(old: &'r Report, new: &'r Report) -> impl Iterator<Item = Broken> + use<'r> {
    let known: BTreeSet<_> = old.findings.iter().map(about).collect();
    let is_new = move |finding: &&'r Finding| !known.contains(&about(finding));
    new.findings.iter().filter(is_new).map(|finding| Broken {
        fact: Fact::Need,
        message: finding.message.clone(),
        through: finding.through.clone(),
    })
}

/// What names a finding, whatever its words are.
fn about(Finding { kind, library, through, .. }: &Finding) -> (Kind, Option<&str>, &[String]) {
    (*kind, library.as_deref(), through)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::case::{Ours, Remade};
    use super::*;
    use crate::check::Severity;
    use crate::facts::LayerFacts;
    use crate::facts::details::FileSystem;
    use crate::facts::tree::{Node, NodeKind};
    use crate::image::Choices;
    use crate::oci::{Digest, ImageConfig};

    fn choices(changes: Value) -> Choices {
        let mut all = json!({
            "runtime": {"user": "", "workdir": null, "entrypoint": ["/a"], "cmd": null, "env": {}, "unset_env": [],
                "ports": [], "volumes": [], "labels": {}, "annotations": {}, "stop_signal": null, "healthcheck": null},
            "python": false, "extends-path": false, "owner": "0:0", "max-layers": 40, "packages": false,
            "bytecode": false, "libraries": false, "exact-python": false,
        });
        let changes = changes.as_object().expect("a table").clone();
        all.as_object_mut().expect("a table").extend(changes);
        serde_json::from_value(all).expect("choices")
    }

    fn base(layers: usize, files: &[&str]) -> Ground {
        let mut config = ImageConfig::default();
        config.rootfs.diff_ids = vec![Digest::of(layers.to_string().as_bytes()); layers];
        let mut fs = FileSystem::default();
        let node = Node { kind: NodeKind::File, mode: 0o755, uid: 0, gid: 0 };
        let entries = files.iter().map(|path| ((*path).to_owned(), node.clone())).collect();
        fs.apply(LayerFacts { entries, ..LayerFacts::default() }, Default::default(), false);
        Ground { config, base: fs, report: Report::default() }
    }

    fn facts(choices: &Choices, old: &Ground, new: &Ground) -> Vec<Fact> {
        let case = Case { choices, ours: &[], old, new, remade: Remade::default() };
        judge(&case).into_iter().map(|broken| broken.fact).collect()
    }

    #[test]
    fn what_was_added_to_the_base_needs_the_same_files() {
        for (what, fact) in [("packages", Fact::Packages), ("libraries", Fact::Libraries)] {
            let choices = choices(json!({what: true}));
            assert_eq!(facts(&choices, &base(1, &[]), &base(2, &[])), [fact]);
            assert_eq!(facts(&choices, &base(1, &[]), &base(1, &[])), []);
        }
        assert_eq!(facts(&choices(json!({})), &base(1, &[]), &base(2, &[])), []);
    }

    #[test]
    fn of_many_broken_facts_the_first_are_told_and_the_others_counted() {
        let node = Node { kind: NodeKind::File, mode: 0o755, uid: 0, gid: 0 };
        let paths: Vec<String> = (0..50_000).map(|number| format!("app-{number:05}")).collect();
        let entries = || paths.iter().map(|path| (path.clone(), node.clone())).collect();
        let layer = |title: &str| Ours {
            title: title.into(),
            facts: LayerFacts { entries: entries(), ..LayerFacts::default() },
        };
        // Both layers have each file: it is counted once.
        let ours = [layer("one"), layer("two")];
        let names: Vec<&str> = paths.iter().map(String::as_str).collect();
        let (old, new) = (base(1, &[]), base(1, &names));
        let choices = choices(json!({}));
        let found =
            judge(&Case { choices: &choices, ours: &ours, old: &old, new: &new, remade: Remade::default() });
        assert_eq!(found.len(), Found::TOLD + 1);
        assert!(found.iter().all(|broken| broken.fact == Fact::Place));
        assert_eq!(found[0].through, ["layer one", "/app-00000"]);
        assert_eq!(found[Found::TOLD].message, "and 49980 more of this kind");
    }

    #[test]
    fn wheels_are_divided_by_the_room_that_a_base_leaves() {
        let few = choices(json!({"python": true, "max-layers": 4}));
        let many = choices(json!({"python": true, "max-layers": 100}));
        let has_layers = |choices| facts(choices, &base(20, &[]), &base(30, &[])).contains(&Fact::Layers);
        assert!(has_layers(&many) && !has_layers(&few));
    }

    #[test]
    fn a_shell_may_have_decided_about_the_command() {
        let (with, without) = (base(1, &["bin/sh"]), base(2, &[]));
        let python = choices(json!({"python": true}));
        assert!(facts(&python, &with, &without).contains(&Fact::Shell));
        assert!(facts(&python, &without, &with).contains(&Fact::Shell));
        assert!(!facts(&python, &with, &with).contains(&Fact::Shell));
        assert_eq!(facts(&choices(json!({})), &with, &without), []);
    }

    #[test]
    fn only_what_is_found_on_the_new_base_alone_counts() {
        let finding = |message: &str, library: &str| Finding {
            severity: Severity::Warning,
            kind: Kind::MissingVersion,
            message: message.into(),
            library: Some(library.into()),
            through: vec!["/a".into(), "/b".into()],
            fix: None,
        };
        let mut old = base(1, &[]);
        old.report.findings = vec![finding("a needs GLIBC_2.38, but the base has 2.36", "libc.so.6")];
        let mut new = base(2, &[]);
        new.report.findings = vec![finding("a needs GLIBC_2.38, but the base has 2.37", "libc.so.6")];
        assert_eq!(facts(&choices(json!({})), &old, &new), [], "it was so before, in other words");
        new.report.findings.push(finding("b needs libx.so", "libx.so"));
        let choices = choices(json!({}));
        let case = Case { choices: &choices, ours: &[], old: &old, new: &new, remade: Remade::default() };
        let found = judge(&case);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].fact, found[0].through.len()), (Fact::Need, 2));
    }
}
