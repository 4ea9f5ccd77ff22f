//! What a program may do without being root: file capabilities, as `setcap` writes them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The names by their numbers (Linux `include/uapi/linux/capability.h`), without `cap_` in front.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
/// `VFS_CAP_REVISION_2`: two words for each set, and no owner of a user namespace.
const REVISION: u32 = 0x0200_0000;

/// Capabilities of a file, from the text of `cap_from_text(3)`: `cap_net_bind_service=+ep`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(
    with = "String",
    description = "Capabilities in the form that setcap accepts, for example \"cap_net_bind_service=+ep\"."
)]
pub struct Capabilities {
    text: String,
    permitted: u64,
    inheritable: u64,
    effective: bool,
}

impl Capabilities {
    /// The value of the extended attribute (`struct vfs_cap_data`, little endian).
    pub fn to_bytes(&self) -> [u8; 20] {
        let half = |set: u64, high: bool| (if high { set >> 32 } else { set }) as u32;
        let words = [
            REVISION | u32::from(self.effective),
            half(self.permitted, false),
            half(self.inheritable, false),
            half(self.permitted, true),
            half(self.inheritable, true),
        ];
        let mut bytes = [0; 20];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// The three sets, while the text is read.
#[derive(Default)]
struct Sets {
    effective: u64,
    inheritable: u64,
    permitted: u64,
}

impl Sets {
    /// Reads a clause: names, then operators each with the letters of sets.
    fn clause(&mut self, text: &str) -> Option<()> {
        let at = text.find(['=', '+', '-'])?;
        let (names, mut rest) = text.split_at(at);
        // Without names all are meant, which only an assignment may say.
        let named = match names {
            "" if rest.starts_with('=') => all(),
            "all" => all(),
            names => names.split(',').try_fold(0, |set, name| Some(set | number(name)?))?,
        };
        while let Some(operator) = rest.chars().next() {
            rest = &rest[operator.len_utf8()..];
            let end = rest.find(['=', '+', '-']).unwrap_or(rest.len());
            let (letters, next) = rest.split_at(end);
            if operator == '=' {
                self.each(|set| *set &= !named);
            }
            for letter in letters.chars() {
                let set = self.of(letter)?;
                *set = if operator == '-' { *set & !named } else { *set | named };
            }
            rest = next;
        }
        Some(())
    }

    fn of(&mut self, letter: char) -> Option<&mut u64> {
        match letter {
            'e' => Some(&mut self.effective),
            'i' => Some(&mut self.inheritable),
            'p' => Some(&mut self.permitted),
            _ => None,
        }
    }

    fn each(&mut self, change: impl Fn(&mut u64)) {
        [&mut self.effective, &mut self.inheritable, &mut self.permitted].into_iter().for_each(change);
    }
}

fn all() -> u64 {
    (1 << NAMES.len()) - 1
}

fn number(name: &str) -> Option<u64> {
    let name = name.to_ascii_lowercase();
    let short = name.strip_prefix("cap_")?;
    NAMES.iter().position(|known| *known == short).map(|number| 1 << number)
}

impl FromStr for Capabilities {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| format!("the capabilities {text:?} {why}; an example is cap_net_bind_service=+ep");
        let mut sets = Sets::default();
        for clause in text.split_whitespace() {
            sets.clause(clause).ok_or_else(|| wrong("cannot be read"))?;
        }
        let given = sets.permitted | sets.inheritable;
        if given == 0 {
            return Err(wrong("grant nothing"));
        }
        // The kernel keeps one bit for all of them.
        if sets.effective != 0 && sets.effective != given {
            return Err(wrong("make only some effective, which a file cannot express"));
        }
        let (permitted, inheritable) = (sets.permitted, sets.inheritable);
        Ok(Self { text: text.to_owned(), permitted, inheritable, effective: sets.effective != 0 })
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Capabilities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Capabilities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> String {
        let read: Capabilities = text.parse().expect(text);
        read.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The right values are those that `setcap` of libcap 2.66 left, as `getfattr -e hex` shows them.
    #[test]
    fn the_bytes_are_those_that_setcap_writes() {
        for (text, bytes) in [
            ("cap_net_bind_service=+ep", "0100000200040000000000000000000000000000"),
            ("cap_net_bind_service=ep", "0100000200040000000000000000000000000000"),
            ("cap_net_raw,cap_net_admin=eip", "0100000200300000003000000000000000000000"),
            ("CAP_BPF+p", "0000000200000000000000008000000000000000"),
            ("cap_net_raw=p cap_chown+i", "0000000200200000010000000000000000000000"),
            ("all=p cap_chown-p", "00000002feffffff00000000ff01000000000000"),
            ("=p", "00000002ffffffff00000000ff01000000000000"),
        ] {
            assert_eq!(hex(text), bytes, "{text}");
        }
    }

    #[test]
    fn what_no_file_can_have_is_refused() {
        for text in [
            "",
            "cap_x=p",
            "net_raw=p",
            "cap_net_raw",
            "cap_net_raw=x",
            "cap_net_raw=",
            "cap_net_raw=p cap_bpf=ep",
            "+p",
        ] {
            assert!(text.parse::<Capabilities>().is_err(), "{text}");
        }
    }
}
