//! Command lines that do nothing without the name of one of their commands.

use super::Question;
use super::files::named;
use crate::python::syntax::{Decorator, Outline, outline};

/// What makes a function the head of several commands.
const HEADS: &[&str] = &["click.group", "click.group()"];
/// Where one of these stands, calling the head alone does something.
const DEFAULTS: &[&str] = &["invoke_without_command", "default_if_no_args"];
/// So many modules are followed from the one that a console script names to the one that defines its function.
const MOST_FOLLOWED: usize = 4;
/// So many commands are named.
const MOST_NAMED: usize = 8;

/// What to say of a console script that only groups several commands.
pub(super) fn note(question: &Question, script: &str) -> Option<String> {
    let (module, function) = question.scripts.get(script)?.split_once(':')?;
    let commands = of_function(question, module, function)?;
    let first = commands.iter().min_by_key(|command| rank(command))?;
    let listed: Vec<&str> = commands.iter().take(MOST_NAMED).map(String::as_str).collect();
    let more = if commands.len() > listed.len() { ", ..." } else { "" };
    Some(format!(
        "`{script}` does nothing without one of its commands ({}{more}); give one to each container, or set entrypoint = {:?}",
        listed.join(", "),
        [script, first]
    ))
}

/// The commands below a function, if it is the head of some that can be seen.
fn of_function(question: &Question, module: &str, function: &str) -> Option<Vec<String>> {
    let (mut module, mut function) = (module.to_owned(), function.to_owned());
    for _ in 0..MOST_FOLLOWED {
        let source = named(question, &module)?;
        let text = source.text()?;
        if DEFAULTS.iter().any(|word| text.contains(word)) {
            return None;
        }
        let outline = outline(&text, &source.module, source.is_package())?;
        if let Some(head) = outline.functions.iter().find(|own| own.name == function) {
            let is_head = head.decorators.iter().any(|decorator| HEADS.contains(&decorator.path.as_str()));
            return is_head.then(|| below(&outline, &function)).filter(|commands| !commands.is_empty());
        }
        let (from, name) = outline.imports.get(&function)?.rsplit_once('.')?;
        (module, function) = (from.to_owned(), name.to_owned());
    }
    None
}

/// The commands that the module itself puts below its function `head`.
fn below(outline: &Outline, head: &str) -> Vec<String> {
    let ways = ["command", "command()", "group", "group()"].map(|way| format!("{head}.{way}"));
    let is_way = |decorator: &&Decorator| ways.contains(&decorator.path);
    let found = outline.functions.iter().filter_map(|function| {
        let decorator = function.decorators.iter().find(is_way)?;
        Some(decorator.text.clone().unwrap_or_else(|| function.name.replace('_', "-")))
    });
    found.collect()
}

/// The lower, the more likely it is what an image is for.
fn rank(command: &str) -> u8 {
    let command = command.to_ascii_lowercase();
    match () {
        () if command.contains("serve") || ["http", "web"].contains(&command.as_str()) => 0,
        () if command.starts_with("run") || command == "start" => 1,
        () => 2,
    }
}
