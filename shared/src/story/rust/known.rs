//! Programs that are known by what they are built from, so that cargo need not be asked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::building::{Builder, Built, Call, Key, Program};
use crate::cargo::build::Compiler;
use crate::cargo::crates::Crate;
use crate::cargo::inputs::{Counter, Further, Inputs, Trail};
use crate::cargo::linkage::Linkage;
use crate::cargo::target;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::layer::{Content, Later};
use crate::oci::Digest;
use crate::store::Table;

/// What is remembered of a program.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    digest: Digest,
    size: u64,
    linkage: Linkage,
    crates: Vec<Crate>,
    compiler: Compiler,
}

/// What is remembered of the programs of one call, by their names.
type Records = BTreeMap<Key, Record>;

/// Which programs of a plan are known, and which have to be built.
pub(super) struct Ledger<'a> {
    /// `None` where nobody asks, or nothing can be counted.
    counter: Option<Counter<'a>>,
    builder: &'a Builder,
    /// By the names of the calls' programs.
    known: BTreeMap<String, Records>,
}

impl<'a> Ledger<'a> {
    /// Opens it for the calls of a plan.
    pub(super) fn open(builder: &'a Builder, calls: &[Call]) -> Self {
        let mut ledger = Self { counter: None, builder, known: BTreeMap::new() };
        if calls.iter().any(|call| call.if_changed) {
            match Counter::new(&builder.cargo, &builder.project, &builder.store) {
                Ok(counter) => ledger.counter = Some(counter),
                Err(error) => tell_unknown(&builder.events, "the programs", &error),
            }
        }
        ledger
    }

    /// Whether all programs of a call are known. Where they are not, it is said what has changed, if that can be told.
    pub(super) fn knows(&mut self, call: &Call) -> bool {
        let trail = self.trail(call);
        let Some(inputs) = self.inputs(call, &trail.further) else { return false };
        match self.records(call, &inputs) {
            Some(records) => _ = self.known.insert(name(call), records),
            None => {
                if let Some(change) = trail.change_since(&inputs) {
                    self.builder.events.step("Changed", format!("{}: {change}", what(call)));
                }
                return false;
            }
        }
        true
    }

    fn records(&self, call: &Call, inputs: &Inputs) -> Option<Records> {
        let records: Option<Records> =
            self.builder.store.recall(Table::Programs, &inputs.digest().to_string());
        records.filter(|records| call.wanted.iter().all(|wanted| records.contains_key(&wanted.key)))
    }

    /// Says what the programs of these calls are built from, and whether that has changed.
    pub(super) fn explain(&self, calls: &[Call]) {
        for call in calls {
            let trail = self.trail(call);
            let Some(inputs) = self.inputs(call, &trail.further) else { continue };
            let change = match (self.records(call, &inputs), trail.change_since(&inputs)) {
                (Some(_), _) => "nothing of it has changed since it was built".to_owned(),
                (None, Some(change)) => format!("{change} since it was built"),
                (None, None) => "it was not built yet".to_owned(),
            };
            self.builder.events.note(format!("{} is built from {}; {change}", what(call), inputs.summary()));
        }
    }

    /// The programs of a call that is known, built by need.
    pub(super) fn programs(&self, call: &Call, by_need: &Arc<ByNeed>) -> Vec<(Key, Program)> {
        let records = self.known.get(&name(call)).into_iter().flatten();
        let program = |(key, record): (&Key, &Record)| {
            let Record { digest, size, linkage, crates, compiler } = record.clone();
            let (by_need, wanted) = (by_need.clone(), key.clone());
            let make = Arc::new(move || by_need.path(&wanted, &digest));
            let content = Content::Later(Later { size, digest, make });
            (key.clone(), Program { content, made: None, linkage, crates, compiler })
        };
        records.map(program).collect()
    }

    /// Builds the programs of these calls, and remembers what they were built from.
    ///
    /// # Errors
    /// When cargo cannot build one.
    pub(super) async fn build(&self, calls: &[Call]) -> Result<Built> {
        let (start, nothing) = (SystemTime::now(), Further::default());
        let before: Vec<Option<Inputs>> = calls.iter().map(|call| self.inputs(call, &nothing)).collect();
        let built = self.builder.build(calls).await?;
        let Builder { cargo, project, store, .. } = self.builder;
        // Reads all files again: what was edited meanwhile may or may not be in a program.
        let after = if self.counter.is_some() { Counter::new(cargo, project, store).ok() } else { None };
        for (at, (call, before)) in calls.iter().zip(before).enumerate() {
            if let (Some(before), Some(after)) = (before, &after)
                && let Err(error) = self.remember((at, call), (&before, after), start, &built)
            {
                tell_unknown(&self.builder.events, &what(call), &error);
            }
        }
        Ok(built)
    }

    /// What is known of the last build of a call's programs: in this folder, else anywhere.
    fn trail(&self, call: &Call) -> Trail {
        let known = self.names(call).into_iter();
        let mut known = known.filter_map(|name| self.builder.store.recall(Table::ProgramInputs, &name));
        known.next().unwrap_or_default()
    }

    /// The names of a call's last build: for this folder, and for all machines. Several projects may have programs of
    /// one name.
    fn names(&self, call: &Call) -> [String; 2] {
        let root = &self.builder.project.workspace_root;
        [format!("{}\n{}", root.display(), name(call)), name(call)]
    }

    fn inputs(&self, call: &Call, further: &Further) -> Option<Inputs> {
        let counter = self.counter.as_ref().filter(|_| call.if_changed)?;
        tokio::task::block_in_place(|| counter.count(&call.request, &asked(call), further))
            .inspect_err(|error| tracing::debug!(%error, "cannot count inputs"))
            .ok()
    }

    fn remember(
        &self,
        (at, call): (usize, &Call),
        (before, counter): (&Inputs, &Counter<'_>),
        start: SystemTime,
        built: &Built,
    ) -> Result<()> {
        let unknown = || Error::build("cargo gives no account of what it has read");
        let reads = built.reads.get(&at).and_then(Option::as_ref).ok_or_else(unknown)?;
        if counter.count(&call.request, &asked(call), &Further::default())? != *before {
            return Err(Error::build("its files have changed while it was built"));
        }
        let before = self.trail(call).further;
        let further = counter.further(&call.request, reads, start, &before)?;
        let inputs = counter.count(&call.request, &asked(call), &further)?;
        let record = |program: &Program| {
            let Program { content, linkage, crates, compiler, .. } = program.clone();
            Some(Record { digest: content.digest()?, size: content.size(), linkage, crates, compiler })
        };
        let named = call
            .wanted
            .iter()
            .filter_map(|wanted| Some((wanted.key.clone(), record(built.programs.get(&wanted.key)?)?)));
        let store = &self.builder.store;
        store.remember(Table::Programs, &inputs.digest().to_string(), &named.collect::<Records>());
        let trail = inputs.trail(further);
        self.names(call).iter().for_each(|name| store.remember(Table::ProgramInputs, name, &trail));
        Ok(())
    }
}

/// Names a call, whatever its programs are built from.
fn name(call: &Call) -> String {
    let keys: Vec<&str> = call.wanted.iter().map(|wanted| wanted.key.as_str()).collect();
    keys.join("\n")
}

/// What the plan makes of a call's programs.
fn asked(call: &Call) -> String {
    let lists: Vec<(&str, bool)> =
        call.wanted.iter().map(|wanted| (wanted.bin.as_str(), wanted.is_auditable)).collect();
    format!("{lists:?}")
}

/// A call's programs, in words.
fn what(call: &Call) -> String {
    let names: Vec<&str> = call.request.binaries.iter().map(|binary| binary.name.as_str()).collect();
    format!("{} for {}", names.join(", "), target::bare(&call.request.triple))
}

fn tell_unknown(events: &Events, what: &str, error: &Error) {
    events.note(format!("if-changed does not serve {what}, so cargo is asked: {error}"));
}

/// Programs that are built when their bytes are needed, all of them at once.
pub(super) struct ByNeed {
    builder: Builder,
    calls: Vec<Call>,
    runtime: Handle,
    built: Mutex<Option<Result<Built>>>,
    is_another: AtomicBool,
}

impl ByNeed {
    /// Those of these calls. Called within the runtime that will build them.
    pub(super) fn of(builder: &Builder, calls: &[Call]) -> Arc<Self> {
        let (builder, runtime) = (builder.clone(), Handle::current());
        let (built, is_another) = (Mutex::default(), AtomicBool::default());
        Arc::new(Self { builder, calls: calls.to_vec(), runtime, built, is_another })
    }

    /// Whether a program has become another one than it was known to be.
    pub(super) fn has_made_another(&self) -> bool {
        self.is_another.load(Ordering::Relaxed)
    }

    /// Where a program is, once it is built. Not to be called where the runtime's own threads must not wait.
    fn path(&self, key: &Key, digest: &Digest) -> Result<PathBuf> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        // A failure is the same for all who wait.
        let built = built.get_or_insert_with(|| self.runtime.block_on(self.builder.build(&self.calls)));
        let built = built.as_ref().map_err(Error::copy)?;
        let program = built.programs.get(key);
        let path = match program.map(|program| &program.content) {
            Some(Content::File { path, digest: own, .. }) if own == digest => Some(path.clone()),
            _ => None,
        };
        path.ok_or_else(|| {
            self.is_another.store(true, Ordering::Relaxed);
            Error::build("a program is another than the one that was built from the same")
        })
    }
}
