//! Signatures that a registry has already. A call without the cache of the one before finds its own there, and neither
//! asks for a certificate nor adds to a public log.

use std::collections::BTreeSet;

use futures_util::future::{BoxFuture, join_all};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{Desk, Signed};
use crate::image::SIGNED_BY;
use crate::oci::{Digest, Repository};
use crate::trust::{self, Identity, Statement, TrustedRoot};

/// What one signer has signed about some images, in some repositories. They are asked when the first signature is
/// needed.
pub(super) struct Known<'a> {
    pub(super) places: &'a BTreeSet<&'a Repository>,
    pub(super) subjects: BTreeSet<Digest>,
    pub(super) signer: Identity,
    pub(super) root: &'a TrustedRoot,
    pub(super) found: OnceCell<Vec<Found>>,
}

/// A bundle whose signature is good.
pub(super) struct Found {
    statement: Statement<Value>,
    bundle: Vec<u8>,
}

impl Known<'_> {
    /// The bundle that says what `wanted` says.
    pub(super) async fn get(&self, desk: Desk<'_>, wanted: &Statement<Value>) -> Option<Signed> {
        let found = self.found.get_or_init(|| self.look(desk)).await;
        let found = found.iter().find(|found| stands_for(&found.statement, wanted))?;
        Some(Signed { bundle: found.bundle.clone(), by: self.signer.line() })
    }

    async fn look(&self, desk: Desk<'_>) -> Vec<Found> {
        let asked =
            self.places.iter().flat_map(|place| self.subjects.iter().map(move |subject| (*place, subject)));
        // Boxed, as the compiler cannot see otherwise that these futures may move between threads.
        let asked: Vec<BoxFuture<'_, Vec<Found>>> =
            asked.map(|(place, subject)| Box::pin(self.look_at(desk, place, subject)) as _).collect();
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// A registry that cannot be asked has none: whether it can be reached at all is for the push to say.
    async fn look_at(&self, desk: Desk<'_>, place: &Repository, subject: &Digest) -> Vec<Found> {
        let listed = desk.client.attached(place, subject, Some(trust::BUNDLE)).await.unwrap_or_default();
        let by = self.signer.line();
        let ours = listed.iter().filter(|entry| entry.annotations.get(SIGNED_BY) == Some(&by));
        let mut found = Vec::new();
        // One after the other, since nobody knows how large they are.
        for entry in ours {
            let Ok(bundle) = desk.client.document(place, &entry.digest, desk.store).await else { continue };
            // The list is a hint: what counts is what the bundle proves.
            if let Ok((signer, statement)) = self.root.verify(&bundle, subject)
                && signer == self.signer
            {
                found.push(Found { statement, bundle });
            }
        }
        found
    }
}

/// Whether somebody who has signed this need not sign `wanted`. How the same images were built is told once: another
/// run of the same build differs in the run alone.
fn stands_for(signed: &Statement<Value>, wanted: &Statement<Value>) -> bool {
    let is_same = |one: &Statement<Value>| (one.subject.clone(), one.predicate_type.clone());
    is_same(signed) == is_same(wanted)
        && (wanted.predicate_type == trust::PROVENANCE || signed.predicate == wanted.predicate)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trust::Resource;

    fn statement(of: &[u8], kind: &str, predicate: Value) -> Statement<Value> {
        Statement::new(vec![Resource::default().sha256(&Digest::of(of))], kind, predicate)
    }

    #[test]
    fn a_signature_stands_for_the_same_statement_about_the_same_image() {
        let bill = statement(b"image", trust::SPDX_DOCUMENT, json!({"packages": 1}));
        assert!(stands_for(&bill, &bill));
        assert!(!stands_for(&statement(b"other", trust::SPDX_DOCUMENT, json!({"packages": 1})), &bill));
        assert!(!stands_for(&statement(b"image", trust::CYCLONEDX_BOM, json!({"packages": 1})), &bill));
        assert!(!stands_for(&statement(b"image", trust::SPDX_DOCUMENT, json!({"packages": 2})), &bill));
        let run = |number: u8| statement(b"image", trust::PROVENANCE, json!({"run": number}));
        assert!(stands_for(&run(1), &run(2)), "the run before has told how the same image was built");
        assert!(!stands_for(&statement(b"other", trust::PROVENANCE, json!({"run": 1})), &run(1)));
    }
}
