//! The programs of a plan: built by cargo, or known from what they are built from; and held to what their bases can run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::building::{Builder, Built, Call, Key, Program, calls, key, rust};
use super::known::{ByNeed, Ledger};
use crate::base::spec::BaseSpec;
use crate::cargo::{Project, traces};
use crate::error::{Error, Result};
use crate::facts::tree::Tree;
use crate::plan::{self, ImagePlan, Plan, PlatformPlan};
use crate::story::workshop::Workshop;

/// All programs of a plan.
pub(super) struct Programs {
    found: BTreeMap<Key, Program>,
    /// Keeps what was built for as long as it is read.
    _built: Built,
    by_need: Option<Arc<ByNeed>>,
}

impl Programs {
    /// The program of one platform's image.
    ///
    /// # Errors
    /// A bug when there is none.
    pub(super) fn get(&self, image: &ImagePlan, platform: &PlatformPlan) -> Result<&Program> {
        let (binary, target, linkage) = rust(image, platform)?;
        let key = key(binary, target, linkage);
        let lost = || Error::bug(format!("the program {} for {target} is lost", binary.name));
        self.found.get(&key).ok_or_else(lost)
    }

    /// Whether a program that was known has become another one when it was built.
    pub(super) fn were_others(&self) -> bool {
        self.by_need.as_ref().is_some_and(|by_need| by_need.has_made_another())
    }
}

/// Says of programs that are built only when something has changed what counts, and whether it has.
///
/// # Errors
/// A bug when the plan does not belong to the project.
pub(super) fn explain(workshop: &Workshop<'_>, project: &Arc<Project>, plan: &Plan) -> Result<()> {
    let builder = Builder::of(workshop, project);
    let calls = calls(workshop.request, project, plan)?;
    Ledger::open(&builder, &calls).explain(&calls);
    Ok(())
}

/// All programs of the plan. Those whose inputs have not changed are not built, where the plan says that these decide,
/// unless `must_build`.
///
/// # Errors
/// When cargo cannot build one.
pub(super) async fn provide(
    workshop: &Workshop<'_>,
    project: &Arc<Project>,
    plan: &Plan,
    must_build: bool,
) -> Result<Programs> {
    let builder = Builder::of(workshop, project);
    let calls = calls(workshop.request, project, plan)?;
    let mut ledger = Ledger::open(&builder, &calls);
    let may_know = !must_build && workshop.request.use_cache;
    let (known, unknown): (Vec<Call>, Vec<Call>) =
        calls.into_iter().partition(|call| may_know && ledger.knows(call));
    let built = ledger.build(&unknown).await?;
    let mut found = built.programs.clone();
    let by_need = (!known.is_empty()).then(|| ByNeed::of(&builder, &known));
    if let Some(by_need) = &by_need {
        known.iter().for_each(|call| found.extend(ledger.programs(call, by_need)));
    }
    Ok(Programs { found, _built: built, by_need })
}

/// Says which paths of this machine are in a program: in another folder it would be another one.
pub(super) fn note_traces(
    workshop: &Workshop<'_>,
    folders: &[String],
    program: &Program,
    platform: &PlatformPlan,
) {
    let Some(program) = &program.made else { return };
    let found = traces::find(program, folders, workshop.store);
    let Some(name) = program.file_name().filter(|_| !found.is_empty()) else { return };
    workshop.events.note(format!(
        "{} for {} contains paths of this machine, so building it in another folder gives a different image: {}",
        name.display(),
        platform.platform,
        found.join(", ")
    ));
}

/// The program must run on the base: its machine, its libraries, its loader.
///
/// # Errors
/// Build: with what does not fit.
pub(super) fn check(
    program: &Program,
    image: &ImagePlan,
    platform: &PlatformPlan,
    base: &Tree,
) -> Result<()> {
    let (binary, _, wanted) = rust(image, platform)?;
    program.linkage.verify(&binary.name, &platform.platform, wanted != plan::Linkage::Any)?;
    let Some(loader) = &program.linkage.interpreter else { return Ok(()) };
    let path = loader.trim_start_matches('/');
    let there = base.real_path(path).is_some_and(|path| base.get(&path).is_some());
    if there {
        return Ok(());
    }
    let fix = match platform.base.parse()? {
        BaseSpec::Debian(_) => "add glibc to the base with --debian libc6, or remove --target",
        _ => "use a base with glibc, such as --base gcr.io/distroless/cc-debian13, or remove --target",
    };
    Err(Error::build(format!(
        "{} is linked dynamically and the base {} has no {loader}",
        binary.name, platform.base
    ))
    .hint(fix))
}
