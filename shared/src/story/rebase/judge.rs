//! Whether layers may be laid on another base: they may where a build on it would make the same ones, and where all that
//! their files need is still there.

use super::case::{Broken, Case, Fact, Ground};
use super::interpreter;
use super::paths;
use crate::check::{Finding, Report};
use crate::oci::MOST_LAYERS;
use crate::story::user;

/// All facts that are broken; none where the image may be laid on the new base.
pub(super) fn judge(case: &Case<'_>) -> Vec<Broken> {
    let python = if case.choices.python { interpreter::broken(case) } else { Vec::new() };
    let single = [packages(case), libraries(case), user(case), layers(case)];
    let mut all = python;
    all.extend(single.into_iter().flatten());
    all.extend(paths::broken(case));
    all.extend(needs(&case.old.report, &case.new.report));
    all
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

/// Those of the building machine are what the base did not have.
fn libraries(Case { choices, old, new, .. }: &Case<'_>) -> Option<Broken> {
    let same = old.config.rootfs == new.config.rootfs;
    (choices.libraries && !same).then(|| {
        Broken::new(
            Fact::Libraries,
            "the image has libraries of the machine that built it, which were chosen for the files of the old base, but the new one has others",
        )
    })
}

/// The layer with the user's name holds the base's own lists.
fn user(Case { choices, old, new, .. }: &Case<'_>) -> Option<Broken> {
    let lacking = |ground: &Ground| user::lacking(&ground.base, &choices.runtime.user);
    (choices.python && lacking(old) != lacking(new)).then(|| {
        Broken::new(
            Fact::User,
            format!(
                "a layer gives the user {} a name in /etc/passwd and /etc/group, but these lists are others in the new base",
                choices.runtime.user
            ),
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
    let same = |one: &Finding, other: &Finding| {
        (one.kind, &one.library, &one.through) == (other.kind, &other.library, &other.through)
    };
    let is_new = move |finding: &&Finding| !old.findings.iter().any(|other| same(finding, other));
    new.findings.iter().filter(is_new).map(|finding| Broken {
        fact: Fact::Need,
        message: finding.message.clone(),
        through: finding.through.clone(),
    })
}
