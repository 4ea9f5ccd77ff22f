//! Debian packages on top of a base: chosen, fetched, and put into layers that count as the base's.

mod init;
mod layers;

use std::path::PathBuf;
use std::time::SystemTime;

pub(super) use layers::list_with;

use super::workshop::{Base, BaseWish, Workshop};
use crate::base::lock::LockedPackages;
use crate::base::spec::BaseSpec;
use crate::config::{Debian, Suites};
use crate::debian::{self, Archives, Installed, Keyring, Package, Source, Wanted, architecture, sources};
use crate::error::{Context, Error, Result};
use crate::facts::Contents;
use crate::facts::notes::Note;
use crate::oci::Digest;
use crate::read;
use crate::store::Table;
use crate::words;
use crate::words::{Command, flag};

/// Everything that a choice of packages depends on.
struct Question {
    sources: Vec<Source>,
    architecture: &'static str,
    installed: Vec<Installed>,
    state: Digest,
}

impl Workshop<'_> {
    /// The base with the packages that the wish adds to it. With `--dry-run` they are only chosen,
    /// unless nothing is known of the base without them.
    ///
    /// # Errors
    /// When packages cannot be chosen, had, or trusted.
    pub(super) async fn with_packages(&self, mut base: Base, wish: &BaseWish) -> Result<Base> {
        if wish.additions.debian.packages.is_empty() {
            return Ok(base);
        }
        let chosen = self.locked_packages(&base, wish).await?;
        base.debian = chosen.packages;
        if base.debian.is_empty() {
            self.events.note(format!(
                "{} already has {}",
                wish.name,
                wish.additions.debian.packages.join(", ")
            ));
        }
        if !self.request.dry_run || matches!(wish.name.parse()?, BaseSpec::Debian(_)) {
            let archives = self.archives(&wish.additions.debian)?;
            tokio::task::block_in_place(|| self.add_layers(&mut base, wish, &archives))?;
        }
        Ok(base)
    }

    /// The packages that the lock names; else those that are chosen now.
    async fn locked_packages(&self, base: &Base, wish: &BaseWish) -> Result<LockedPackages> {
        self.pinned_or_chosen(wish, self.question(base, wish, false)?).await
    }

    async fn pinned_or_chosen(&self, wish: &BaseWish, question: Question) -> Result<LockedPackages> {
        let platform = wish.platform.to_string();
        let locked = self.lock.packages(&wish.name, &platform, &wish.additions.debian.packages);
        if let Some(locked) = locked.filter(|locked| locked.state == question.state) {
            return Ok(locked.clone());
        }
        let lack = || format!("the Debian packages for {} ({platform}) are not pinned", wish.name);
        if self.request.locking.is_locked() {
            return Err(Error::usage(words!("{locked} was given, but {}", lack(), locked = flag("locked")))
                .hint(words!("run `{lock}`", lock = Command::LOCK)));
        }
        if locked.is_some() {
            self.events.note(words!(
                "{} as they are now; run `{lock}` to pin them again",
                lack(),
                lock = Command::LOCK
            ));
        }
        let last = || self.store.recall::<LockedPackages>(Table::DebianChosen, &question.state.to_string());
        if self.request.locking.is_offline()
            && let Some(last) = last()
        {
            return Ok(last);
        }
        self.choose(wish, question).await
    }

    /// Chooses packages as the archives are now.
    ///
    /// # Errors
    /// When there is no such package, or what the archives say cannot be trusted.
    pub(super) async fn chosen_packages(&self, base: &Base, wish: &BaseWish) -> Result<LockedPackages> {
        let question = self.question(base, wish, true)?;
        self.choose(wish, question).await
    }

    async fn choose(&self, wish: &BaseWish, question: Question) -> Result<LockedPackages> {
        let Question { sources, architecture, installed, state } = question;
        let wanted = &wish.additions.debian.packages;
        let archives = self.archives(&wish.additions.debian)?;
        let chosen = archives.resolve(&sources, architecture, installed, wanted, SystemTime::now()).await;
        let chosen = chosen
            .context(|| format!("cannot add Debian packages to {} for {}", wish.name, wish.platform))?;
        let set = LockedPackages {
            base: wish.name.clone(),
            platform: wish.platform.to_string(),
            wanted: wanted.clone(),
            state,
            packages: chosen,
        };
        self.store.remember(Table::DebianChosen, &state.to_string(), &set);
        Ok(set)
    }

    fn question(&self, base: &Base, wish: &BaseWish, quiet: bool) -> Result<Question> {
        let architecture = architecture(&wish.platform).ok_or_else(|| {
            Error::usage(format!("Debian has no packages for {}", wish.platform))
                .hint("choose another platform, or leave out debian for it")
        })?;
        let (sources, notes) = sources_of(&wish.additions.debian, &base.contents)?;
        if !quiet {
            notes.into_iter().for_each(|note| self.events.note(note));
        }
        let installed = installed(&base.contents);
        let there: Vec<_> = base.contents.packages().into_iter().map(|p| (&p.name, &p.version)).collect();
        let state = format!("{sources:?} {architecture} {there:?} {:?}", wish.additions.debian.packages);
        Ok(Question { sources, architecture, installed, state: Digest::of(state.as_bytes()) })
    }

    fn archives(&self, wanted: &Debian) -> Result<Archives> {
        let keyring = match &wanted.keyring {
            None => Keyring::debian()?,
            Some(path) => {
                let path = self.dir.join(path);
                let bytes = read::bytes(&path, read::DOCUMENT).map_err(|e| {
                    Error::usage(format!("cannot read the keyring {}", path.display()))
                        .because(e)
                        .hint("debian.keyring must be a file with OpenPGP keys, relative to the project")
                })?;
                Keyring::read(&bytes).context(|| format!("cannot use the keyring {}", path.display()))?
            }
        };
        let http = self.request.registry.http.clone();
        Archives::new(http, self.store.clone(), self.events.clone(), keyring)
    }
}

fn sources_of(wanted: &Debian, base: &Contents) -> Result<(Vec<Source>, Vec<String>)> {
    let apt = base.notes().filter_map(|(path, note)| match note {
        Note::Text(text) if path.starts_with("etc/apt/") => Some((path, text.as_str())),
        _ => None,
    });
    let os_release = base.os_release();
    sources(&self::wanted(wanted), &debian::Base { os_release, apt: apt.collect() })
}

/// What the settings say of where packages come from.
fn wanted(settings: &Debian) -> Wanted<'_> {
    let (suites, exactly): (&[String], bool) = match &settings.suite {
        None => (&[], false),
        Some(Suites::WithUpdates(suite)) => (std::slice::from_ref(suite), false),
        Some(Suites::Exactly(suites)) => (suites, true),
    };
    Wanted {
        mirror: settings.mirror.as_deref(),
        suites,
        exactly,
        snapshot: settings.snapshot.as_deref(),
        keyring: settings.keyring.is_some(),
    }
}

/// The files of packages, from where nothing can be waited for.
///
/// # Errors
/// When one cannot be had.
fn fetched(archives: &Archives, packages: &[Package]) -> Result<Vec<PathBuf>> {
    let runtime = tokio::runtime::Handle::current();
    // On a thread of its own: what waits on this one for another base would lose its wake-up.
    let fetch = || runtime.block_on(archives.fetch(packages));
    let fetched = std::thread::scope(|scope| scope.spawn(fetch).join());
    fetched.map_err(|_| Error::bug("fetching packages panicked"))?
}

/// The base's packages, with what they need and give.
fn installed(base: &Contents) -> Vec<Installed> {
    let texts = base.notes().filter_map(|(_, note)| match note {
        Note::Dpkg { text, .. } => Some(text),
        _ => None,
    });
    let paragraphs = texts.flat_map(|text| text.split("\n\n"));
    paragraphs.filter(|text| is_installed(text)).filter_map(Installed::parse).collect()
}

/// Distroless images do not say it of what they have.
fn is_installed(paragraph: &str) -> bool {
    let status = paragraph.lines().find_map(|line| line.strip_prefix("Status:"));
    status.is_none_or(|status| status.trim_end().ends_with(" installed"))
}
