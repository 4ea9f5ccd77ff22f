//! Layers of wheels that are made while the base is still read, of what will probably go into the images. Such a layer depends
//! on the base's interpreter, which mostly its name tells, and on what the base has in the environment's place, which is
//! mostly nothing. A wrong guess does no harm: layers are looked up by all that they depend on, so its layer is never used.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::attested::demand;
use super::draft::{Draft, DraftImage};
use super::form::Form;
use super::interpreter::SLIM;
use super::ready::{ReadyWheel, Supplied};
use super::resolve::form;
use super::trimmed::Trimmed;
use super::wanted::of_base;
use super::wheel_layers::{Pressed, WheelLayers, target};
use crate::error::Result;
use crate::facts::tree::Tree;
use crate::layer::Press;
use crate::oci::media_type::{Compression, Format};
use crate::oci::{Digest, Platform};
use crate::plan::{base_for, is_large, share_out, surely_alone};
use crate::python::index::Fetched;
use crate::python::{DistFile, Interpreter, Libc, Package, PythonVersion, Source, Tags, lock};
use crate::story::ingredients::Lineage;
use crate::story::supply::Supply;
use crate::wheel;

/// The C library of Python's images on Alpine.
const ALPINE: Libc = Libc::Musl { major: 1, minor: 2 };

/// Places in an image that are kept for other layers than those of wheels, since nobody knows yet how many there will be.
const OTHERS: usize = 16;

/// A layer of wheels with more bytes is not begun: whoever has to wait for it should be sure that it is needed.
const MOST: u64 = 64 * 1024 * 1024;

/// So often it is looked whether layers are still wanted.
const LOOK: Duration = Duration::from_millis(5);

/// An environment that will probably be made.
pub(super) struct Foreseen {
    target: wheel::Venv,
    shape: (Compression, Format),
    /// By name.
    wheels: Vec<ForeseenWheel>,
    /// Whether nothing has to be built for it, or verified before it is used.
    is_whole: bool,
    /// How many layers there may be of wheels.
    budget: usize,
}

/// A wheel, and where it comes from.
struct ForeseenWheel {
    package: Package,
    file: DistFile,
    lineage: Lineage,
    /// What is left out of it.
    trim: Option<Trimmed>,
    /// Whether it may be opened.
    is_free: bool,
}

impl Foreseen {
    /// The environment of an image, if its interpreter is what the base's name says.
    ///
    /// # Errors
    /// Whatever stands in the way of the image, or of the guess.
    pub(super) fn of(draft: &Draft, image: &DraftImage, platform: &Platform) -> Result<Option<Self>> {
        let settings = &image.settings;
        let name = base_for(settings, platform)?;
        let (Some(lock), Some(version)) = (&draft.lock, of_base(name)) else { return Ok(None) };
        if draft.bundled(settings)?.is_some() {
            return Ok(None);
        }
        let interpreter = Interpreter {
            path: "/usr/local/bin/python3".into(),
            version: PythonVersion { micro: 99, ..version },
            libc: if name.contains("alpine") { ALPINE } else { SLIM },
            platform: platform.clone(),
        };
        let (tags, policy) = (Tags::of(&interpreter), draft.policy(settings)?);
        let (mut wheels, mut is_whole) = (Vec::new(), true);
        for package in lock::select(lock, &draft.selection(settings)?, &interpreter)? {
            // A lock without names of files leaves them to the index, which is asked later.
            let is_named = package.files.iter().any(|file| !file.filename.is_empty());
            let form = if is_named {
                form(&package, &package.files, &tags, &policy, &interpreter)?
            } else {
                Form::Source
            };
            let lineage = draft.tools.lineage(&package, &form);
            // What must be attested is not touched before it is known to be.
            let is_free = demand(&package, &settings.python.wheel_verify).is_none();
            match form {
                Form::Wheel(file) => {
                    let trim = Trimmed::of(&settings.python.trim, &package.name)?;
                    wheels.push(ForeseenWheel { package, file, lineage, trim, is_free });
                }
                // It goes where the project goes.
                Form::Source if matches!(package.source, Source::Directory { .. }) => {}
                Form::Archive(_) | Form::Source => is_whole = false,
            }
        }
        wheels.sort_by(|a, b| a.package.name.cmp(&b.package.name));
        Ok(Some(Self {
            target: target(&interpreter, settings.owner),
            shape: (settings.compression, settings.format),
            wheels,
            is_whole,
            budget: settings.max_layers.saturating_sub(OTHERS),
        }))
    }

    /// The wheels that it will probably hold.
    pub(super) fn wheels(&self) -> impl Iterator<Item = (&Package, &DistFile)> {
        self.wheels.iter().map(|wheel| (&wheel.package, &wheel.file))
    }

    /// The wheels that have a layer of their own when they are large.
    fn alone(&self) -> impl Iterator<Item = &ForeseenWheel> {
        let sizes: Vec<_> = self.wheels.iter().map(|wheel| wheel.file.size).collect();
        let alone = surely_alone(&sizes, self.budget);
        self.wheels.iter().zip(alone).filter(|(_, alone)| *alone).map(|(wheel, _)| wheel)
    }

    /// The wheels of each layer, if all have come and it does not take the base to tell.
    fn groups(&self, here: &Here) -> Vec<Vec<&ForeseenWheel>> {
        let sizes = self.wheels.iter().map(|wheel| Some(here.get(&wheel.file.sha256()?)?.size));
        match sizes.collect::<Option<Vec<u64>>>() {
            Some(sizes)
                if self.is_whole && sizes.iter().filter(|size| is_large(**size)).count() < self.budget =>
            {
                let groups = share_out(&sizes, self.budget).into_iter();
                groups.map(|group| group.into_iter().map(|place| &self.wheels[place]).collect()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Makes the layer of these wheels, all of which are here. If it cannot be made, whoever needs it says why.
    fn press(&self, group: &[&ForeseenWheel], here: &Here, press: Press<'_>, pressed: &mut Pressed) {
        let ready: Option<Vec<ReadyWheel>> = group.iter().map(|wheel| wheel.ready(here)).collect();
        let Some(ready) = ready.filter(|ready| ready.iter().map(|wheel| wheel.size).sum::<u64>() <= MOST)
        else {
            return;
        };
        let (empty, wheels) = (Tree::default(), ready.iter().collect::<Vec<_>>());
        let layers = WheelLayers::of(&self.target, &empty, self.shape);
        let name = layers.name(&wheels);
        if pressed.contains_key(&name) {
            return;
        }
        match layers.make(&wheels, press) {
            Ok(layer) => drop(pressed.insert(name, layer)),
            Err(error) => tracing::debug!(%error, "no layer was made ahead"),
        }
    }
}

impl ForeseenWheel {
    fn ready(&self, here: &Here) -> Option<ReadyWheel> {
        let fetched = here.get(&self.file.sha256()?).filter(|_| self.is_free)?;
        let Fetched { path, digest, size } = fetched.clone();
        let supplied = Supplied { supply: Supply::here(path), digest, size };
        let ready = ReadyWheel::of(&self.package, &self.file, supplied, self.lineage.clone());
        Some(ReadyWheel { trim: self.trim.clone(), ..ready })
    }
}

/// Wheels that have come, by their digests.
type Here = BTreeMap<Digest, Fetched>;

/// Makes layers of wheels as they come, until all have come or the bases are open.
pub(super) fn press(
    foreseen: &[Foreseen],
    arrivals: &Receiver<Fetched>,
    is_open: &AtomicBool,
    press: Press<'_>,
) -> Pressed {
    let (mut pressed, mut here) = (Pressed::new(), Here::new());
    let is_needed = || !is_open.load(Ordering::Relaxed);
    while let Some(fetched) = next(arrivals, is_needed) {
        let (digest, is_large) = (fetched.digest, is_large(fetched.size));
        here.insert(digest, fetched);
        for environment in foreseen.iter().filter(|_| is_large).take_while(|_| is_needed()) {
            let came = environment.alone().filter(|wheel| wheel.file.sha256() == Some(digest));
            came.for_each(|wheel| environment.press(&[wheel], &here, press, &mut pressed));
        }
    }
    for environment in foreseen {
        let groups = environment.groups(&here);
        let wanted = groups.iter().take_while(|_| is_needed());
        wanted.for_each(|group| environment.press(group, &here, press, &mut pressed));
    }
    pressed
}

/// The next wheel, or nothing where all have come or none is needed any more.
fn next(arrivals: &Receiver<Fetched>, is_needed: impl Fn() -> bool) -> Option<Fetched> {
    while is_needed() {
        match arrivals.recv_timeout(LOOK) {
            Ok(fetched) => return Some(fetched),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}
