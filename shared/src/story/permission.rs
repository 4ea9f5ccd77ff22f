//! Whether registries will take the push: asked while the build goes on, and heard before anything is sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, try_join_all};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::request::Request;
use crate::error::{Error, Result};
use crate::oci::{Reference, Repository};
use crate::registry::Client;
use crate::sink;
use crate::store::Store;

/// The answer of all repositories that are asked; given where none is.
#[derive(Default)]
pub(super) struct Permission {
    answer: Option<Answer>,
    /// Who asks goes on while the build blocks its own task, and ends with the call.
    _asking: JoinSet<()>,
}

type Answer = Shared<BoxFuture<'static, Result<(), Arc<Error>>>>;

impl Permission {
    /// Begins to ask every repository that is pushed to, but for those that took a push from here before: there the
    /// push itself begins with a question for each tag, which a push without changes ends with, and which is not to
    /// be asked twice.
    pub(super) fn ask(request: &Request, client: &Client, store: &Store, references: &[&Reference]) -> Self {
        let all = references.iter().map(|reference| &reference.repository).filter(|_| request.push);
        let unknown: BTreeSet<Repository> =
            all.filter(|repository| !sink::has_taken(store, repository)).cloned().collect();
        if unknown.is_empty() {
            return Self::default();
        }
        let client = client.clone();
        Self::of(async move {
            try_join_all(unknown.iter().map(|repository| client.check_push(repository))).await.map(drop)
        })
    }

    fn of(question: impl Future<Output = Result<()>> + Send + 'static) -> Self {
        let (tell, told) = oneshot::channel();
        let mut asking = JoinSet::new();
        asking.spawn(async move {
            // Nobody waits for it where the call has ended.
            let _ = tell.send(question.await);
        });
        let answer = told.map(|told| {
            let lost = |_| Err(Error::bug("the question whether the push is allowed got lost"));
            told.unwrap_or_else(lost).map_err(Arc::new)
        });
        Self { answer: Some(answer.boxed().shared()), _asking: asking }
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// Kind network when a registry cannot be reached or refuses.
    pub(super) async fn given(&self) -> Result<()> {
        match self.answer.clone() {
            Some(answer) => answer.await.map_err(|refused| refused.copy()),
            None => Ok(()),
        }
    }

    /// Does `work` while the answer is on its way. A refusal ends it at once, and is what is told although the work has
    /// failed before it came: how fast a registry is does not decide what people read.
    ///
    /// # Errors
    /// The refusal, else those of `work`.
    pub(super) async fn beside<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            Err(refused) = self.given() => Err(refused),
            done = work => match done {
                Err(error) => self.given().await.and(Err(error)),
                done => done,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn refused() -> Permission {
        Permission::of(async { Err(Error::network("refused").hint("log in")) })
    }

    #[tokio::test]
    async fn a_refusal_ends_the_work_and_is_told_rather_than_its_failure() {
        let error = refused().beside(pending::<Result<()>>()).await.expect_err("refused");
        assert_eq!((error.to_string().as_str(), error.hint_text()), ("refused", Some("log in")));
        let late = Permission::of(async {
            tokio::task::yield_now().await;
            Err(Error::network("refused"))
        });
        let failing = async { Err::<(), _>(Error::build("failed")) };
        assert_eq!(late.beside(failing).await.expect_err("refused").to_string(), "refused");
    }

    #[tokio::test]
    async fn who_is_allowed_gets_what_the_work_gives() {
        for permission in [Permission::default(), Permission::of(async { Ok(()) })] {
            assert_eq!(permission.beside(async { Ok(7) }).await.expect("allowed"), 7);
            let failing = permission.beside(async { Err::<(), _>(Error::build("failed")) });
            assert_eq!(failing.await.expect_err("failed").to_string(), "failed");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn work_that_blocks_hears_it_too() {
        let permission = refused();
        let runtime = tokio::runtime::Handle::current();
        let blocking = async { tokio::task::block_in_place(|| runtime.block_on(permission.given())) };
        assert_eq!(permission.beside(blocking).await.expect_err("refused").to_string(), "refused");
    }
}
