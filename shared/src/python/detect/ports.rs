//! The ports that programs name themselves.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::python::syntax::{Call, Outline, Value};

/// The port that a program gives to what serves it, as a number: the module's own calls, those of
/// its main part and of the functions that it calls there; or those of one `function`. `None`
/// where there is none, or more than one.
pub(super) fn literal_port(outline: &Outline, function: Option<&str>) -> Option<u16> {
    let main: Vec<&Rc<Call>> = match function {
        Some(name) => {
            outline.functions.iter().filter(|own| own.name == name).flat_map(|own| &own.body.calls).collect()
        }
        None => outline.body.calls.iter().chain(outline.main.iter().flat_map(|main| &main.calls)).collect(),
    };
    let inner = outline.called_by(main.iter().copied()).flat_map(|own| &own.body.calls);
    let serves = |callee: &str| {
        let name = callee.rsplit('.').next().unwrap_or(callee);
        matches!(name, "run" | "run_app" | "launch" | "serve" | "run_simple")
    };
    let ports: BTreeSet<u16> = main
        .iter()
        .copied()
        .chain(inner)
        .filter(|call| serves(&call.callee))
        .flat_map(|call| &call.keywords)
        .filter_map(|(key, value)| match value {
            Value::Int(port) if matches!(key.as_str(), "port" | "server_port") => u16::try_from(*port).ok(),
            _ => None,
        })
        .filter(|port| *port != 0)
        .collect();
    ports.first().copied().filter(|_| ports.len() == 1)
}
