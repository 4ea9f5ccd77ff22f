//! The wheels of environments, fetched where nothing is known of them; large ones become layers while others are still on
//! their way. A layer that cannot be made so is no failure: whoever needs it makes it, and says why it cannot be.

use std::sync::{Mutex, PoisonError, mpsc};

use tokio::runtime::Handle;

use super::draft::Draft;
use super::form::{Chosen, Form};
use super::ready::{ReadyWheel, Supplied};
use super::wheel_layers::{Pressed, WheelLayers, target};
use crate::config::{Settings, TrimRule};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::layer::Press;
use crate::plan::{ImagePlan, PlatformPlan, is_large, surely_alone};
use crate::python::index::Fetched;
use crate::python::{DistFile, Interpreter, Package};
use crate::story::pack::room;
use crate::story::supply::{Supply, known_size};
use crate::story::upload::Uploads;
use crate::story::workshop::{Bases, Workshop};

/// An environment that is to be made.
pub(super) struct Site<'a> {
    pub(super) image: &'a ImagePlan,
    pub(super) platform: &'a PlatformPlan,
    pub(super) settings: &'a Settings,
    pub(super) interpreter: &'a Interpreter,
    pub(super) chosen: &'a [Chosen],
}

impl Site<'_> {
    fn wheels(&self) -> impl Iterator<Item = (&Package, &DistFile)> {
        self.chosen.iter().filter_map(|chosen| wheel_of(chosen).map(|file| (&chosen.package, file)))
    }
}

/// The file of what is taken as a wheel.
fn wheel_of(chosen: &Chosen) -> Option<&DistFile> {
    match &chosen.form {
        Form::Wheel(file) => Some(file),
        Form::Archive(_) | Form::Source => None,
    }
}

/// The wheels of all environments in their order, and the layers that were made of some.
///
/// # Errors
/// When one cannot be fetched; the refusal of a push.
pub(super) fn supply(
    workshop: &Workshop<'_>,
    draft: &Draft,
    sites: &[Site<'_>],
    bases: &Bases,
) -> Result<(Vec<Supplied>, Vec<Pressed>)> {
    let downloads = &draft.tools.downloads;
    let known = |file: &DistFile| Some((file.sha256()?, known_size(workshop.store, &file.sha256()?)?));
    let mut supplied = Vec::new();
    let mut wanted = Vec::new();
    for (number, (package, file)) in
        sites.iter().enumerate().flat_map(|(number, site)| site.wheels().map(move |wheel| (number, wheel)))
    {
        let supply = known(file).map(|(digest, size)| {
            let supply = Supply::by_need(downloads, package, file);
            Supplied { supply, digest, size }
        });
        if supply.is_none() {
            wanted.push(Wanted { site: number, package, file });
        }
        supplied.push(supply);
    }
    if wanted.is_empty() {
        return Ok((supplied.into_iter().flatten().collect(), vec![Pressed::new(); sites.len()]));
    }
    let tables = sites.iter().map(|site| Table::of(workshop, site, bases)).collect::<Result<_>>()?;
    let pressing = Pressing { workshop, draft, wanted, tables };
    let mut fetched = pressing.fetch()?.into_iter().map(here);
    let lost = || Error::bug("a wheel was not fetched");
    let supplied = supplied.into_iter().map(|known| known.or_else(|| fetched.next()).ok_or_else(lost));
    let supplied = supplied.collect::<Result<_>>()?;
    let made = |table: Table<'_>| table.pressed.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((supplied, pressing.tables.into_iter().map(made).collect()))
}

fn here(Fetched { path, digest, size }: Fetched) -> Supplied {
    Supplied { supply: Supply::here(path), digest, size }
}

/// A wheel that is to be fetched, and for which environment.
struct Wanted<'a> {
    site: usize,
    package: &'a Package,
    file: &'a DistFile,
}

/// Where the layers of one environment are made.
struct Table<'a> {
    layers: WheelLayers<'a>,
    /// The files that have a layer of their own when they are large.
    alone: Vec<&'a str>,
    uploads: Option<Uploads>,
    /// What is left out of wheels. Tests that only another wheel uses are not known yet: layers without them are not used.
    trim: &'a [TrimRule],
    pressed: Mutex<Pressed>,
}

impl<'a> Table<'a> {
    fn of(workshop: &Workshop<'_>, site: &'a Site<'_>, bases: &'a Bases) -> Result<Self> {
        let (image, platform) = (site.image, site.platform);
        let base = bases.get(&platform.base, &platform.platform, &image.additions)?;
        let target = target(site.interpreter, site.settings.owner);
        let sizes = site.chosen.iter().map(|chosen| {
            let file = wheel_of(chosen)?;
            file.size.or_else(|| known_size(workshop.store, &file.sha256()?))
        });
        let alone = surely_alone(&sizes.collect::<Vec<_>>(), room(image, platform, base));
        let alone = site.chosen.iter().zip(alone).filter(|(_, alone)| *alone);
        Ok(Self {
            layers: WheelLayers::of(&target, &base.contents.tree, (image.compression, image.format)),
            alone: alone.filter_map(|(chosen, _)| Some(wheel_of(chosen)?.filename.as_str())).collect(),
            uploads: Uploads::ahead(workshop, image),
            trim: &site.settings.python.trim,
            pressed: Mutex::default(),
        })
    }
}

struct Pressing<'a> {
    workshop: &'a Workshop<'a>,
    draft: &'a Draft,
    wanted: Vec<Wanted<'a>>,
    /// By environment.
    tables: Vec<Table<'a>>,
}

/// A wheel that has come: its place in what is wanted.
type Arrival = (usize, Fetched);

impl Pressing<'_> {
    fn fetch(&self) -> Result<Vec<Fetched>> {
        let wheels: Vec<_> = self.wanted.iter().map(|wanted| (wanted.package, wanted.file)).collect();
        let (tell, arrivals) = mpsc::channel();
        let (arrivals, runtime) = (Mutex::new(arrivals), Handle::current());
        let fetching = async move {
            let arrived = |place, fetched: &Fetched| {
                // Nobody may be there to hear it.
                let _ = tell.send((place, fetched.clone()));
            };
            let fetching = self.draft.tools.downloads.fetch_telling(&wheels, arrived);
            tokio::select! {
                fetched = self.workshop.permission.beside(fetching) => fetched,
                () = interrupt::raised() => Err(interrupt::error()),
            }
        };
        tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                for _ in 0..self.workers() {
                    scope.spawn(|| self.work(&arrivals, &runtime));
                }
                let fetched = runtime.block_on(fetching);
                if fetched.is_err() {
                    // Nobody needs what has come.
                    arrivals.lock().unwrap_or_else(PoisonError::into_inner).try_iter().for_each(drop);
                }
                fetched
            })
        })
    }

    /// Where nothing of what was made is believed, layers that are made here would be made again.
    fn workers(&self) -> usize {
        if self.workshop.believes_layers() { self.workshop.jobs().min(self.wanted.len()) } else { 0 }
    }

    /// Makes layers until everything has come.
    fn work(&self, arrivals: &Mutex<mpsc::Receiver<Arrival>>, runtime: &Handle) {
        let next = || arrivals.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
        while let Some((place, fetched)) = next() {
            if let Err(error) = self.press(&self.wanted[place], fetched, runtime) {
                tracing::debug!(%error, "no layer was made ahead");
            }
        }
    }

    fn press(&self, wanted: &Wanted<'_>, fetched: Fetched, runtime: &Handle) -> Result<()> {
        let Wanted { site, package, file } = *wanted;
        let table = &self.tables[site];
        if !is_large(fetched.size) || !table.alone.contains(&file.filename.as_str()) {
            return Ok(());
        }
        let lineage = self.draft.tools.lineage(package, &Form::Wheel(file.clone()));
        let wheel = ReadyWheel::of(package, file, here(fetched), lineage).trimmed(table.trim)?;
        // With a second thread a layer is examined as it is made, and need not be read again.
        let jobs = self.workshop.jobs().clamp(1, 2);
        let mut layer = table.layers.make(&[&wheel], Press { jobs, ..self.workshop.press() })?;
        // Another wheel may use its tests, and then this layer is not wanted.
        let is_certain = !wheel.leaves_tests() || !wheel.tests(self.workshop.store)?.has_any();
        if let Some(uploads) = table.uploads.as_ref().filter(|_| layer.fresh && is_certain) {
            runtime.block_on(async {
                tokio::select! {
                    given = self.workshop.permission.given() => given,
                    () = interrupt::raised() => Err(interrupt::error()),
                }
            })?;
            uploads.begin(&layer.blob, &layer.title);
            layer.fresh = false;
        }
        let name = table.layers.name(&[&wheel]);
        table.pressed.lock().unwrap_or_else(PoisonError::into_inner).insert(name, layer);
        Ok(())
    }
}
