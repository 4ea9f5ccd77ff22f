//! A bill without what is known to come from elsewhere: so it can be laid on something else.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bill, Bond, Component, Key, Relation};

/// Some of the parts of a bill, and how they belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Share {
    /// The bill's own name for the image, which is another one elsewhere.
    root: Option<Key>,
    components: BTreeMap<Key, Component>,
    relations: BTreeSet<Relation>,
}

impl Share {
    /// The parts, in the order of their names.
    pub fn parts(&self) -> impl Iterator<Item = &Component> {
        self.components.values()
    }

    /// The same, as somebody else distributes it who distributes the image.
    #[must_use]
    pub fn of_another_supplier(mut self, old: Option<&String>, new: Option<&String>) -> Self {
        let theirs = self.components.values_mut().filter(|part| part.supplier.as_ref() == old);
        theirs.for_each(|part| part.supplier = new.cloned());
        self
    }

    /// Whether a build would give the parts the same names on `new` as on `old`: of several with one name, all but the
    /// first are marked, and what is below may be the first.
    pub fn is_named_alike(&self, old: &Bill, new: &Bill) -> bool {
        self.components.iter().all(|(key, part)| {
            let plain = part.key();
            let (then, now) = (old.components.get(&plain), new.components.get(&plain));
            let is_free = || now.is_none_or(|there| there == part);
            match *key == plain {
                true => then == now || is_free(),
                false => then == now && *key == part.marked(),
            }
        })
    }

    /// The same of an image that has this name for itself.
    #[must_use]
    pub fn under(&self, root: &Key) -> Self {
        let named = |key: &Key| if self.root.as_ref() == Some(key) { root.clone() } else { key.clone() };
        let relations = self.relations.iter();
        let relations =
            relations.map(|one| Relation { from: named(&one.from), bond: one.bond, to: named(&one.to) });
        Self { root: Some(root.clone()), components: self.components.clone(), relations: relations.collect() }
    }
}

impl Bill {
    /// What is in this bill and not in `other`, which is about the same image.
    pub fn beyond(&self, other: &Self) -> Share {
        let root = self.root();
        let relations: BTreeSet<Relation> = self.relations.difference(&other.relations).cloned().collect();
        // Both may speak of a part, of which only one says what it belongs to.
        let related: BTreeSet<&Key> = relations.iter().flat_map(|one| [&one.from, &one.to]).collect();
        let is_own = |key: &Key, part: &Component| {
            related.contains(key) || other.components.get(key).is_none_or(|theirs| theirs != part)
        };
        let own = self.components.iter().filter(|(key, part)| is_own(key, part));
        let components = own.map(|(key, part)| (key.clone(), part.clone())).collect();
        Share { root: Some(root), components, relations }
    }

    /// Adds a share of another bill, under the names that it has there.
    pub fn take(&mut self, share: &Share) {
        let Share { components, relations, .. } = share.under(&self.root());
        for (key, part) in components {
            self.components.entry(key).or_insert(part);
        }
        self.relations.extend(relations);
    }

    /// What the image itself holds.
    pub fn held(&self) -> impl Iterator<Item = &Component> {
        self.related(&self.root(), Bond::Holds).filter_map(|held| self.components.get(held))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Purl};
    use std::slice;

    use super::*;
    use crate::oci::Digest;

    fn bill(name: &str) -> Bill {
        Bill::new(Component::new(Kind::Image, name), Digest::of(name.as_bytes()), "1980-01-01T00:00:00Z")
    }

    fn part(name: &str) -> Component {
        let purl = Some(Purl::new("deb", name));
        Component { purl, supplier: Some("old".into()), ..Component::new(Kind::Library, name) }
    }

    #[test]
    fn a_share_goes_with_what_it_belongs_to_and_leaves_the_rest() {
        let mut base = bill("old");
        let root = base.root();
        base.add(&root, part("libc"));
        base.add(&root, part("zlib"));
        let mut all = base.clone();
        let wheel = all.add(&root, part("wheel"));
        // The wheel carries what the base has, too.
        all.add(&wheel, part("zlib"));
        let share = all.beyond(&base);
        assert_eq!(share.parts().map(|part| part.name.as_str()).collect::<Vec<_>>(), ["wheel", "zlib"]);
        base.take(&share);
        assert_eq!(base, all, "laid on the same again");
        let mut other = bill("new");
        let new = "new".to_owned();
        other.take(&share.of_another_supplier(Some(&"old".to_owned()), Some(&new)));
        let held: Vec<&Component> = other.held().collect();
        assert_eq!(held.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), ["wheel"]);
        assert_eq!(held[0].supplier, Some(new));
        assert_eq!(other.relations.len(), 2);
    }

    #[test]
    fn a_share_is_refused_where_what_is_below_would_have_its_names() {
        let (empty, root) = (bill("old"), bill("old").root());
        let holding = |parts: &[Component]| {
            let mut bill = empty.clone();
            parts.iter().for_each(|part| _ = bill.add(&root, part.clone()));
            bill
        };
        let of = |supplier: &str| Component { supplier: Some(supplier.into()), ..part("zlib") };
        let (base, own) = (of("base"), of("own"));
        let (none, old, same) =
            (holding(&[]), holding(slice::from_ref(&base)), holding(slice::from_ref(&own)));
        let plain = holding(slice::from_ref(&own)).beyond(&none);
        assert!(plain.is_named_alike(&none, &none) && plain.is_named_alike(&none, &same));
        assert!(!plain.is_named_alike(&none, &old), "it would be marked now");
        let marked = holding(&[base, own]).beyond(&old);
        assert!(marked.is_named_alike(&old, &old));
        assert!(!marked.is_named_alike(&old, &none), "it would not be marked any more");
        assert!(!marked.is_named_alike(&old, &same), "nor there");
        let (then, now) = ("own".to_owned(), "another".to_owned());
        let marked = marked.of_another_supplier(Some(&then), Some(&now));
        assert!(!marked.is_named_alike(&old, &old), "the mark would be another one");
    }
}
