//! The crates of a program as parts of a bill.

use std::collections::BTreeSet;

use super::{Bill, Bond, Component, Key, Kind, Licence, Purl};
use crate::cargo::audit::Listed;
use crate::cargo::crates::{CRATES_IO, Crate};
use crate::oci::Digest;
use crate::redact;

/// Adds what a program was built from: the program's own package holds the crates whose code is in it; what built
/// them is named and is not in the image.
pub fn add_crates(bill: &mut Bill, crates: &[Crate]) -> Option<Key> {
    let root = crates.iter().find(|own| own.is_root)?;
    let holder = bill.root();
    // What lies in the project is distributed by whoever distributes the image.
    let supplier = bill.image.supplier.clone();
    let component = |of: &Crate| {
        let made = component(of);
        let supplier = made.supplier.clone().or_else(|| supplier.clone().filter(|_| of.source.is_none()));
        Component { supplier, ..made }
    };
    let program = bill.add(&holder, Component { kind: Kind::Application, ..component(root) });
    let mut keys = Vec::with_capacity(crates.len());
    for own in crates {
        keys.push(match own {
            own if own.is_root => program.clone(),
            own if own.is_in_program => bill.add(&program, component(own)),
            own => bill.make_with(&program, component(own)),
        });
    }
    for (own, from) in crates.iter().zip(&keys) {
        for (needed, to) in own.needs.iter().filter_map(|at| Some((crates.get(*at)?, keys.get(*at)?))) {
            let is_inside = !own.is_in_program || needed.is_in_program;
            bill.relate(from, if is_inside { Bond::Needs } else { Bond::MadeWith }, to);
        }
    }
    Some(program)
}

impl Bill {
    /// The crates in the bill, as a program lists them.
    pub fn crates(&self) -> BTreeSet<Listed> {
        let is_crate = |part: &Component| part.purl.as_ref().is_some_and(|purl| purl.kind() == "cargo");
        let held: BTreeSet<&Key> =
            self.relations.iter().filter(|one| one.bond == Bond::Holds).map(|one| &one.to).collect();
        let all = self.components.iter().filter(|(_, part)| is_crate(part));
        all.map(|(key, part)| Listed {
            name: part.name.clone(),
            version: part.version.clone().unwrap_or_default(),
            is_in_program: held.contains(key),
        })
        .collect()
    }
}

/// A crate as a part: what it is called, and where it came from.
pub fn component(of: &Crate) -> Component {
    let mut purl = Purl::new("cargo", &of.name).version(&of.version);
    let (mut origin, mut supplier, mut file) = (None, None, None);
    match of.source.as_deref() {
        Some(CRATES_IO) => {
            origin = Some(format!("https://static.crates.io/crates/{0}/{0}-{1}.crate", of.name, of.version));
            supplier = Some("crates.io".to_owned());
            file = Some(format!("{}-{}.crate", of.name, of.version));
        }
        Some(source) if source.starts_with("git+") => {
            let source = redact::clean(source).into_owned();
            // The place without what a manifest asked for, at the revision that was taken.
            let (place, revision) = source.split_once('#').unwrap_or((&source, ""));
            let place = place.split('?').next().unwrap_or(place);
            let at = if revision.is_empty() { place.to_owned() } else { format!("{place}@{revision}") };
            purl = purl.with("vcs_url", &at);
            origin = Some(at);
            // Who runs the place distributes what is there.
            supplier = host(place);
        }
        Some(source) => {
            let source = redact::clean(source).into_owned();
            let place = source.split_once('+').map_or(source.as_str(), |(_, place)| place);
            purl = purl.with("repository_url", place);
            supplier = host(place);
            file = Some(format!("{}-{}.crate", of.name, of.version));
        }
        None => {}
    }
    Component {
        version: Some(of.version.clone()),
        purl: Some(purl),
        file,
        sha256: of.checksum.as_deref().and_then(Digest::from_hex),
        origin,
        supplier,
        licence: of.licence.as_deref().map_or(Licence::Unknown, Licence::of_crate),
        ..Component::new(Kind::Library, &of.name)
    }
}

/// The host of an address such as `git+https://example.com/x`.
pub fn host(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some(host.rsplit('@').next().unwrap_or(host).to_owned()).filter(|host| !host.is_empty())
}
