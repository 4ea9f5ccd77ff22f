//! A name and a home for the user that an image runs as, where its base knows neither: a layer that depends on the
//! base and the user alone, and so is the same in all images on that base.
//!
//! Variables would not do: what asks `getpwuid` (`whoami`, ssh, PostgreSQL's library, `pwd`) reads `/etc/passwd`.

use serde::{Deserialize, Serialize};

use super::preflight;
use super::workshop::{Base, BaseWish, Workshop};
use crate::error::Result;
use crate::facts::details::FileSystem;
use crate::facts::tree::{Node, NodeKind};
use crate::layer::{Content, Entry, Head};
use crate::oci::media_type::Format;
use crate::oci::{Mode, Owner};
use crate::store::Table;

/// As distroless bases and `static` call the user.
const NAME: &str = "nonroot";
const HOME: &str = "home/nonroot";

/// A longer list is not read whole.
const MOST: usize = 64 << 10;

/// What a base lacks for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    passwd: List,
    group: Option<List>,
}

/// A list of users or groups as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct List {
    text: String,
    mode: Mode,
    owner: Owner,
}

impl Workshop<'_> {
    /// The base with a name and a home for the user, if the wish wants one and the base lacks it. With `--dry-run`
    /// nothing is added.
    ///
    /// # Errors
    /// When the base cannot be read, or the layer cannot be written.
    pub(super) async fn with_user(&self, mut base: Base, wish: &BaseWish) -> Result<Base> {
        let wanted = wish.names_user && !self.request.dry_run;
        let Some(user) = numbers(&wish.additions.user).filter(|_| wanted) else { return Ok(base) };
        let key = format!("{} {}:{}", base.image.config.rootfs.identity(), user.uid, user.gid);
        let account = match self.store.recall::<Option<Account>>(Table::Users, &key) {
            Some(known) => known,
            None => {
                let config = &base.image.config;
                let layers = preflight::fetched(base.image.layers.clone(), self.client, self.store).await?;
                let read = || preflight::file_system(&layers, config, self.store, self.jobs(), false);
                let account = account(&tokio::task::block_in_place(read)?, user);
                self.store.remember(Table::Users, &key, &account);
                account
            }
        };
        if let Some(account) = account {
            let head = Head {
                key: format!("user 1 {key}"),
                title: title(),
                compression: wish.additions.compression,
                format: Format::Oci,
            };
            let entries = || Ok(entries(&account, user));
            tokio::task::block_in_place(|| self.add_to_base(&mut base, &head, entries))?;
        }
        Ok(base)
    }
}

/// What the layer is called.
pub(super) fn title() -> String {
    format!("user {NAME}")
}

/// What a base lacks for whom images run as: one that lacks the same gets the same layer.
pub(super) fn lacking(base: &FileSystem, user: &str) -> Option<Account> {
    numbers(user).and_then(|user| account(base, user))
}

/// What is in the layer for a user, that a base lacks.
pub(super) fn added(account: &Account, user: &str) -> Vec<Entry> {
    numbers(user).map(|user| entries(account, user)).unwrap_or_default()
}

/// The user's numbers; `None` for root, and for names, which the base has to know.
fn numbers(user: &str) -> Option<Owner> {
    // Engines take root's group where none is named and the user is unknown.
    let (uid, gid) = user.split_once(':').unwrap_or((user, "0"));
    let numbers = Owner { uid: uid.parse().ok()?, gid: gid.parse().ok()? };
    (numbers.uid != 0).then_some(numbers)
}

/// What the base lacks for the user; `None` where it has a name, or where it cannot get one.
fn account(fs: &FileSystem, Owner { uid, gid }: Owner) -> Option<Account> {
    let mut passwd = list(fs, "etc/passwd", uid)?;
    if fs.contents.tree.get(HOME).is_some() {
        return None;
    }
    passwd.text.push_str(&format!("{NAME}:x:{uid}:{gid}:{NAME}:/{HOME}:/sbin/nologin\n"));
    let mut group = list(fs, "etc/group", gid);
    if let Some(group) = &mut group {
        group.text.push_str(&format!("{NAME}:x:{gid}:\n"));
    }
    Some(Account { passwd, group })
}

/// The list at `path`, to which a line for the number may be added; `None` where it knows the number, where another
/// has the name, or where it is not text that can be rewritten.
fn list(fs: &FileSystem, path: &str, number: u64) -> Option<List> {
    let Some(Node { kind, mode, uid, gid }) = fs.contents.tree.get(path) else {
        return Some(List { text: String::new(), mode: Mode(0o644), owner: Owner::ROOT });
    };
    let text = fs.text(path).unwrap_or_default();
    let number = number.to_string();
    let fields = || text.lines().map(|line| line.split(':'));
    let is_known = fields().any(|mut line| line.nth(2) == Some(number.as_str()));
    let is_taken = fields().any(|mut line| line.next() == Some(NAME));
    let is_whole = *kind == NodeKind::File && text.len() < MOST && !text.contains('\u{fffd}');
    if is_known || is_taken || !is_whole {
        return None;
    }
    let mut text = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    Some(List { text, mode: Mode(*mode), owner: Owner { uid: *uid, gid: *gid } })
}

fn entries(account: &Account, user: Owner) -> Vec<Entry> {
    let file = |path: &str, list: &List| {
        Entry::file(path, Content::Bytes(list.text.clone().into()), list.mode, list.owner)
    };
    let mut entries = vec![file("etc/passwd", &account.passwd), Entry::directory(HOME, Mode(0o700), user)];
    entries.extend(account.group.as_ref().map(|list| file("etc/group", list)));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::LayerFacts;
    use crate::facts::details::{Detail, LayerDetails};

    fn base(files: &[(&str, &str)]) -> FileSystem {
        let mut fs = FileSystem::default();
        let (mut facts, mut details) = (LayerFacts::default(), LayerDetails::new());
        for (path, text) in files {
            let node = Node { kind: NodeKind::File, mode: 0o640, uid: 0, gid: 42 };
            facts.entries.push(((*path).to_owned(), node));
            details.insert((*path).to_owned(), Detail::Text((*text).to_owned()));
        }
        fs.apply(facts, details, false);
        fs
    }

    const USER: Owner = Owner { uid: 65532, gid: 65532 };
    const ROOT: &str = "root:x:0:0:root:/root:/bin/bash";

    #[test]
    fn a_user_that_the_base_does_not_know_gets_a_line_a_group_and_a_home() {
        let fs = base(&[("etc/passwd", ROOT), ("etc/group", "root:x:0:\n")]);
        let found = account(&fs, USER).expect("an account");
        let line = "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
        assert_eq!(found.passwd.text, format!("{ROOT}\n{line}"));
        assert_eq!(
            (found.passwd.mode, found.passwd.owner),
            (Mode(0o640), Owner { uid: 0, gid: 42 }),
            "as the base has it"
        );
        assert_eq!(found.group.as_ref().expect("a group").text, "root:x:0:\nnonroot:x:65532:\n");
        let entries = entries(&found, USER);
        let home = entries.iter().find(|entry| entry.path == HOME).expect("a home");
        assert_eq!((home.mode, home.owner), (Mode(0o700), USER));
        assert_eq!(
            account(&fs, Owner { uid: 7, gid: 0 }).expect("an account").group,
            None,
            "the group is there"
        );
    }

    #[test]
    fn a_base_that_knows_the_user_or_cannot_get_one_stays_as_it_is() {
        let known = format!("{ROOT}\napp:x:65532:1:::\n");
        let taken = format!("{ROOT}\nnonroot:x:1000:1000:::\n");
        for text in [known.as_str(), &taken, "caf\u{fffd}:x:1:1:::\n"] {
            assert_eq!(account(&base(&[("etc/passwd", text)]), USER), None, "{text}");
        }
        let housed = base(&[("etc/passwd", ROOT), ("home/nonroot", "")]);
        assert_eq!(account(&housed, USER), None);
    }

    #[test]
    fn only_numbers_are_named() {
        assert_eq!(numbers("65532:65532"), Some(USER));
        assert_eq!(
            numbers("1000"),
            Some(Owner { uid: 1000, gid: 0 }),
            "the group that it has without a name"
        );
        for text in ["0", "0:0", "app", "app:app", "1000:app", ""] {
            assert_eq!(numbers(text), None, "{text}");
        }
    }
}
