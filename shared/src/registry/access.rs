//! What a request may do.

use crate::oci::Repository;

/// What is to be done where: the scopes of distribution's "Token Scope Documentation".
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// The repository that it is about.
    pub(super) repository: Repository,
    pub(super) scopes: Vec<String>,
}

impl Access {
    /// Reading.
    pub(super) fn pull(repository: &Repository) -> Self {
        Self { repository: repository.clone(), scopes: vec![format!("repository:{}:pull", repository.name)] }
    }

    /// Reading and writing.
    pub(super) fn push(repository: &Repository) -> Self {
        let scopes = vec![format!("repository:{}:pull,push", repository.name)];
        Self { repository: repository.clone(), scopes }
    }

    /// And reading from another repository of the same registry.
    pub(super) fn and_pull(mut self, source: &Repository) -> Self {
        self.scopes.push(format!("repository:{}:pull", source.name));
        self
    }

    /// And whatever else a challenge says is needed.
    pub(super) fn and(mut self, scope: Option<&str>) -> Self {
        for scope in scope.iter().flat_map(|text| text.split_whitespace()) {
            if !self.scopes.iter().any(|known| covers(known, scope)) {
                self.scopes.push(scope.to_owned());
            }
        }
        self
    }

    /// One token serves all accesses of one key.
    pub(super) fn key(&self) -> String {
        self.scopes.join(" ")
    }
}

/// Whether the scope `known` allows all that `wanted` does.
fn covers(known: &str, wanted: &str) -> bool {
    match (known.rsplit_once(':'), wanted.rsplit_once(':')) {
        (Some((known, have)), Some((wanted, want))) => {
            known == wanted && want.split(',').all(|action| have.split(',').any(|have| have == action))
        }
        _ => known == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_asks_for_both_repositories() {
        let (to, from) = ("r.io/a/to".parse().expect("to"), "r.io/b/from".parse().expect("from"));
        let access = Access::push(&to).and_pull(&from);
        assert_eq!(access.scopes, ["repository:a/to:pull,push", "repository:b/from:pull"]);
    }

    #[test]
    fn only_scopes_that_are_missing_are_added() {
        let access = Access::push(&"r.io/x".parse().expect("repository"));
        let same = access.clone().and(Some("repository:x:pull repository:x:push,pull"));
        assert_eq!(same.scopes, access.scopes);
        let more = access.and(Some("repository:x:delete registry:catalog:*"));
        assert_eq!(more.scopes[1..], ["repository:x:delete", "registry:catalog:*"]);
    }
}
