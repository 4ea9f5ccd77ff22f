//! Looking into a pyproject.toml: what is there must have the right type, what is unknown is not
//! looked at, and what is wrong is named by its full key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pyproject_toml::PyProjectToml;
use toml::{Table, Value};

use crate::error::{Context, Error, Result};
use crate::read;

/// A pyproject.toml that was read.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) file: PathBuf,
    text: String,
    pub(super) table: Table,
}

/// A table of a document, which knows its own key.
#[derive(Clone)]
pub(super) struct View<'a> {
    document: &'a Document,
    table: &'a Table,
    path: String,
}

impl Document {
    /// Reads `file`; `None` where there is none.
    pub(super) fn read(file: &Path) -> Result<Option<Self>> {
        let Some(text) = text_of(file)? else { return Ok(None) };
        let table = toml::from_str(&text).map_err(|e| {
            Error::usage(format!("{} is not valid TOML", file.display()))
                .because(read::toml_words(file, &e).trim_end())
        })?;
        Ok(Some(Self { file: file.to_owned(), text, table }))
    }

    /// The whole document as a table.
    pub(super) fn root(&self) -> View<'_> {
        View { document: self, table: &self.table, path: String::new() }
    }

    /// What is wrong in the words of the standard's own schema, where it agrees that something is.
    fn strictly(&self) -> Option<String> {
        PyProjectToml::new(&self.text).err().map(|e| e.to_string().trim_end().to_owned())
    }

    /// An error about this file; the strict reader's message is its cause, if it has one.
    pub(super) fn wrong(&self, sentence: String) -> Error {
        let error = Error::usage(sentence);
        match self.strictly() {
            Some(cause) => error.because(cause),
            None => error,
        }
    }
}

impl<'a> View<'a> {
    /// The table itself.
    pub(super) fn raw(&self) -> &'a Table {
        self.table
    }

    /// The document that it is in.
    pub(super) fn document(&self) -> &'a Document {
        self.document
    }

    /// Whether the key is there, whatever it holds.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The text at `key`.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.typed(key, "a string", Value::as_str)
    }

    /// The flag at `key`.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// The table at `key`.
    pub(super) fn table(&self, key: &str) -> Result<Option<View<'a>>> {
        let table = self.typed(key, "a table", Value::as_table)?;
        Ok(table.map(|table| View { document: self.document, table, path: self.path_of(key) }))
    }

    /// The table at the end of a path of keys; `None` where any of them is missing.
    pub(super) fn below(&self, keys: &[&str]) -> Result<Option<View<'a>>> {
        let mut view = self.clone();
        for key in keys {
            match view.table(key)? {
                Some(next) => view = next,
                None => return Ok(None),
            }
        }
        Ok(Some(view))
    }

    /// The list of texts at `key`; empty where there is none.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>> {
        let Some(list) = self.list(key)? else { return Ok(Vec::new()) };
        let text = |(at, value): (usize, &Value)| {
            let text = value.as_str().map(str::to_owned);
            text.ok_or_else(|| self.mistyped(&format!("{key}[{at}]"), value, "a string"))
        };
        list.iter().enumerate().map(text).collect()
    }

    /// The list at `key`.
    pub(super) fn list(&self, key: &str) -> Result<Option<&'a Vec<Value>>> {
        self.typed(key, "a list", Value::as_array)
    }

    /// The table of texts at `key`; empty where there is none.
    pub(super) fn map(&self, key: &str) -> Result<BTreeMap<String, String>> {
        let Some(view) = self.table(key)? else { return Ok(BTreeMap::new()) };
        view.table.keys().map(|key| Ok((key.clone(), view.text(key)?.unwrap_or_default().into()))).collect()
    }

    /// An error about the value of `key`, which is not `wanted`.
    pub(super) fn mistyped(&self, key: &str, value: &Value, wanted: &str) -> Error {
        let path = self.path_of(key);
        let file = self.document.file.display();
        self.document.wrong(format!("{path} in {file} is {}, not {wanted}", kind_of(value)))
    }

    /// The full key, as `project.name`.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn typed<T>(&self, key: &str, wanted: &str, get: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        get(value).map(Some).ok_or_else(|| self.mistyped(key, value, wanted))
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// The value at a path of keys in the settings of a tool that is not ours: `None` where anything
/// on the way is missing or of another type. The tool itself will complain.
pub(super) fn peek<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (last, way) = keys.split_last()?;
    let mut table = table;
    for key in way {
        table = table.get(*key)?.as_table()?;
    }
    table.get(*last)
}

/// The text at a path of keys, as [`peek`].
pub(super) fn peek_text<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a str> {
    peek(table, keys)?.as_str()
}

/// The texts at a path of keys, as [`peek`]; one text counts as a list of one.
pub(super) fn peek_texts(table: &Table, keys: &[&str]) -> Vec<String> {
    match peek(table, keys) {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// The text of a file; `None` where there is none.
pub(super) fn text_of(file: &Path) -> Result<Option<String>> {
    match read::text(file, read::DOCUMENT) {
        Ok(text) => Ok(Some(text)),
        Err(e) if read::is_absent(&e) => Ok(None),
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            Err(Error::usage(format!("{} is not UTF-8", file.display())).because(e))
        }
        Err(e) => Err(e).context(|| format!("cannot read {}", file.display())),
    }
}
