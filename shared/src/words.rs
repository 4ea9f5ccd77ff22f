//! Sentences for people, in which this program's commands and flags are data: whoever types `poetry containerize`
//! must not be told to type `containerize`.
//!
//! [`words!`](crate::words!) is written like `format!`. A [`Command`] or [`Flag`] among its arguments stays what it is
//! until a front end words the sentence with its [`Wording`]; read as text, it is the program's own.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A sentence from text, commands and flags.
#[macro_export]
macro_rules! words {
    ($($argument:tt)*) => {
        $crate::words::Words::collect(::std::format_args!($($argument)*))
    };
}

/// How a front end calls this program's commands and flags.
pub trait Wording {
    /// What is typed for the command, with its flags.
    fn command(&self, command: &Command) -> String;
    /// What is typed for the flag, with its value.
    fn flag(&self, flag: &Flag) -> String;
}

/// The program's own wording, for those who call it directly.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Wording for Plain {
    fn command(&self, command: &Command) -> String {
        let verb = match command.verb {
            Verb::Build => "containerize",
            Verb::Lock => "containerize lock",
            Verb::Verify => "containerize verify",
        };
        command.flags.iter().fold(verb.to_owned(), |text, flag| format!("{text} {}", self.flag(flag)))
    }

    fn flag(&self, Flag { name, value }: &Flag) -> String {
        value.as_ref().map_or_else(|| format!("--{name}"), |value| format!("--{name} {}", quoted(value)))
    }
}

/// A word as a shell takes it for one.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into(),
        false => shlex::try_quote(word).unwrap_or(Cow::Borrowed(word)),
    }
}

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    /// Builds images: the verb that need not be typed.
    Build,
    /// Pins what images are built from.
    Lock,
    /// Checks who has signed an image. Tools that call this program have no verb for it.
    Verify,
}

/// A command of this program that someone should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Command {
    pub verb: Verb,
    pub flags: Vec<Flag>,
}

impl Command {
    /// `containerize`.
    pub const BUILD: Self = Self { verb: Verb::Build, flags: Vec::new() };
    /// `containerize lock`.
    pub const LOCK: Self = Self { verb: Verb::Lock, flags: Vec::new() };
    /// `containerize verify`.
    pub const VERIFY: Self = Self { verb: Verb::Verify, flags: Vec::new() };

    /// The command with these flags.
    #[must_use]
    pub fn with(self, flags: impl IntoIterator<Item = Flag>) -> Self {
        Self { flags: flags.into_iter().collect(), ..self }
    }
}

/// A flag of this program, without its dashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Flag {
    pub name: String,
    pub value: Option<String>,
}

/// The flag of this name.
pub fn flag(name: impl Into<String>) -> Flag {
    Flag { name: name.into(), value: None }
}

impl Flag {
    /// The flag with this value.
    #[must_use]
    pub fn of(self, value: impl Into<String>) -> Self {
        Self { value: Some(value.into()), ..self }
    }
}

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Part {
    Text(String),
    Command(Command),
    Flag(Flag),
}

/// A sentence. Dereferenced and displayed, it is in the program's own words.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Words {
    parts: Vec<Part>,
    plain: String,
}

thread_local! {
    /// The parts of the sentence that is being collected, if one is.
    static PARTS: RefCell<Option<Vec<Part>>> = const { RefCell::new(None) };
}

/// Takes the text between commands and flags.
struct Collector;

impl fmt::Write for Collector {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        PARTS.with_borrow_mut(|parts| {
            let parts = parts.get_or_insert_default();
            match parts.last_mut() {
                Some(Part::Text(last)) => last.push_str(text),
                _ => parts.push(Part::Text(text.to_owned())),
            }
        });
        Ok(())
    }
}

/// Adds parts to the sentence that is being collected. Elsewhere, they are text.
fn add(parts: &[Part], plain: impl FnOnce() -> String, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let is_collected = PARTS.with_borrow_mut(|collected| {
        collected.as_mut().map(|collected| collected.extend_from_slice(parts)).is_some()
    });
    if is_collected { Ok(()) } else { f.write_str(&plain()) }
}

impl Words {
    /// What [`words!`](crate::words!) makes of its arguments.
    #[doc(hidden)]
    pub fn collect(arguments: fmt::Arguments<'_>) -> Self {
        // An argument may itself collect a sentence while it is shown.
        let outer = PARTS.replace(Some(Vec::new()));
        let shown = Collector.write_fmt(arguments);
        let parts = PARTS.replace(outer).unwrap_or_default();
        shown.map_or_else(|_| Self::default(), |()| Self::from_parts(parts))
    }

    fn from_parts(parts: Vec<Part>) -> Self {
        let plain = parts.iter().map(|part| said(part, &Plain)).collect();
        Self { parts, plain }
    }

    /// The sentence as a front end words it.
    pub fn said(&self, wording: &dyn Wording) -> String {
        self.parts.iter().map(|part| said(part, wording)).collect()
    }

    /// The sentence, its texts changed.
    #[must_use]
    pub(crate) fn map_text(self, change: impl Fn(&str) -> String) -> Self {
        let changed = self.parts.into_iter().map(|part| match part {
            Part::Text(text) => Part::Text(change(&text)),
            Part::Command(_) | Part::Flag(_) => part,
        });
        Self::from_parts(changed.collect())
    }
}

fn said(part: &Part, wording: &dyn Wording) -> String {
    match part {
        Part::Text(text) => text.clone(),
        Part::Command(command) => wording.command(command),
        Part::Flag(flag) => wording.flag(flag),
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        add(&[Part::Command(self.clone())], || Plain.command(self), f)
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        add(&[Part::Flag(self.clone())], || Plain.flag(self), f)
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        add(&self.parts, || self.plain.clone(), f)
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.plain, f)
    }
}

impl std::ops::Deref for Words {
    type Target = str;

    fn deref(&self) -> &str {
        &self.plain
    }
}

impl<T: Into<String>> From<T> for Words {
    fn from(text: T) -> Self {
        let plain = text.into();
        Self { parts: vec![Part::Text(plain.clone())], plain }
    }
}

impl Serialize for Words {
    /// As text, where it is nothing else.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.parts.iter().all(|part| matches!(part, Part::Text(_))) {
            serializer.serialize_str(&self.plain)
        } else {
            self.parts.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Parts(Vec<Part>),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Text(text) => text.into(),
            Form::Parts(parts) => Self::from_parts(parts),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Hatch;

    impl Wording for Hatch {
        fn command(&self, command: &Command) -> String {
            format!("hatch {}", if command.verb == Verb::Lock { "dep lock" } else { "build" })
        }

        fn flag(&self, flag: &Flag) -> String {
            format!("-o {}", flag.name)
        }
    }

    #[test]
    fn commands_and_flags_are_worded_by_the_front_end_and_nothing_else_is() {
        let path = "containerize lock --push";
        let inner = words!("add {}", flag("push").of("x"));
        let words = words!("in {path}: run `{}`, or {inner}; {n:>3}", Command::LOCK, n = 7);
        assert_eq!(&*words, "in containerize lock --push: run `containerize lock`, or add --push x;   7");
        assert_eq!(
            words.said(&Hatch),
            "in containerize lock --push: run `hatch dep lock`, or add -o push;   7"
        );
        assert_eq!(words.to_string(), &*words, "outside of a sentence it is text");
        assert_eq!(
            format!("{}", Command::LOCK.with([flag("python").of("3.13")])),
            "containerize lock --python 3.13"
        );
    }

    #[test]
    fn a_remembered_sentence_keeps_its_parts_and_text_is_text() {
        let words = words!("run {}", Command::LOCK);
        let again: Words =
            serde_json::from_str(&serde_json::to_string(&words).expect("json")).expect("words");
        assert_eq!(again.said(&Hatch), "run hatch dep lock");
        assert_eq!(serde_json::json!(Words::from("text")).to_string(), "\"text\"");
    }

    #[test]
    fn a_sentence_inside_a_sentence_is_collected_by_itself() {
        struct Nested;
        impl fmt::Display for Nested {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&words!("<{}>", flag("a")))
            }
        }
        assert_eq!(words!("{} {}", Nested, flag("b")).said(&Hatch), "<--a> -o b");
    }
}
