//! A small init for images that want one: Debian's `tini`, linked statically, in a layer of its own on the base.

use std::path::Path;

use super::{Question, fetched};
use crate::config::{Debian, Suites};
use crate::debian::{Database, Installed, Package, Unpacked, architecture, sources};
use crate::error::{Context, Error, Result};
use crate::layer::{Entry, Head};
use crate::oci::Digest;
use crate::oci::media_type::Format;
use crate::plan::{Additions, INIT};
use crate::story::workshop::{Base, BaseWish, Workshop};

/// The package, and what of it goes where.
const PACKAGE: &str = "tini";
const FILES: [(&str, &str); 2] =
    [("usr/bin/tini-static", INIT), ("usr/share/doc/tini/copyright", "/usr/local/share/doc/tini/copyright")];

/// Where it comes from, unless `debian` names another suite: it does not depend on the base.
const SUITE: &str = "trixie";

/// What the package depends on and its static program does not need.
const UNNEEDED: &str = "Package: libc6\nVersion: 999:0\n";

/// The name under which the lock has it.
const NAME: &str = "init";

impl Workshop<'_> {
    /// The base with the init, if the wish wants one. With `--dry-run` nothing is fetched.
    ///
    /// # Errors
    /// When the package cannot be had, or trusted.
    pub(in crate::story) async fn with_init(&self, mut base: Base, wish: &BaseWish) -> Result<Base> {
        if !wish.additions.init || self.request.dry_run {
            return Ok(base);
        }
        let wish = wish_for_init(wish);
        let chosen = self.pinned_or_chosen(&wish, question(&wish)?).await.map_err(advised)?;
        let package = chosen.packages.iter().find(|package| package.name == PACKAGE);
        let package = package.ok_or_else(|| Error::bug("no package was chosen for the init"))?.clone();
        tokio::task::block_in_place(|| self.add_init(&mut base, &wish, package))?;
        Ok(base)
    }

    /// Chooses the package of the init as the archive is now.
    ///
    /// # Errors
    /// When it cannot be asked, or trusted.
    pub(in crate::story) async fn chosen_init(
        &self,
        wish: &BaseWish,
    ) -> Result<crate::base::lock::LockedPackages> {
        let wish = wish_for_init(wish);
        self.choose(&wish, question(&wish)?).await.map_err(advised)
    }

    fn add_init(&self, base: &mut Base, wish: &BaseWish, package: Package) -> Result<()> {
        let archives = self.archives(&wish.additions.debian)?;
        let head = Head {
            key: format!("init 1 {} {}", base.image.config.rootfs.identity(), package.digest.hex()),
            title: format!("{} {}", package.name, package.version),
            compression: wish.additions.compression,
            format: Format::Oci,
        };
        // Lives as long as the layer is read from it.
        base.init = Some(package.clone());
        let scratch = tempfile::tempdir().context(|| "cannot make a temporary folder".into())?;
        self.add_to_base(base, &head, || {
            let files = fetched(&archives, std::slice::from_ref(&package))?;
            let file = files.first().ok_or_else(|| Error::bug("a fetched package is lost"))?;
            entries(file, scratch.path())
        })
    }
}

/// What is asked of Debian for the init, whatever the base is.
fn wish_for_init(wish: &BaseWish) -> BaseWish {
    let suite = wish.additions.debian.suite.clone().unwrap_or_else(|| Suites::Exactly(vec![SUITE.into()]));
    let debian =
        Debian { packages: vec![PACKAGE.into()], suite: Some(suite), ..wish.additions.debian.clone() };
    let additions = Additions { debian, ..wish.additions.clone() };
    BaseWish { name: NAME.into(), additions, ..wish.clone() }
}

fn question(wish: &BaseWish) -> Result<Question> {
    let architecture = architecture(&wish.platform).ok_or_else(|| {
        Error::usage(format!("Debian has no init for {}", wish.platform))
            .hint("leave init out, or choose another platform")
    })?;
    let nothing = crate::debian::Base { os_release: None, apt: Vec::new() };
    let (sources, _) = sources(&super::wanted(&wish.additions.debian), &nothing)?;
    let state = Digest::of(format!("{sources:?} {architecture} {PACKAGE}").as_bytes());
    let installed = Installed::parse(UNNEEDED).into_iter().collect();
    Ok(Question { sources, architecture, installed, state })
}

/// The program and its licence.
fn entries(file: &Path, scratch: &Path) -> Result<Vec<Entry>> {
    let unpacked = Unpacked::read(file, PACKAGE, true, scratch)?;
    let mut found = unpacked.entries(&Default::default(), Database::Parts);
    let mut entries = Vec::new();
    for (from, to) in FILES {
        let at = found.iter().position(|entry| entry.path == from).ok_or_else(|| {
            Error::integrity(format!("the Debian package {PACKAGE} has no {from}"))
                .hint("use another suite: debian = { suite = \"trixie\" }")
        })?;
        entries.push(Entry { path: to.trim_start_matches('/').to_owned(), ..found.swap_remove(at) });
    }
    Ok(entries)
}

fn advised(error: Error) -> Error {
    match error.hint_text() {
        Some(_) => error,
        None => error.hint("`init` downloads tini from Debian's archive; set a mirror with debian = { mirror = \"...\" }, or leave out init"),
    }
}
