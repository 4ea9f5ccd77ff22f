//! Python source, read by parsing it and never by running it.

mod outline;
mod setup_py;
mod tests_used;

pub(super) use outline::{Binding, Call, Decorator, Function, Outline, Scope, Value, outline};
pub(super) use setup_py::{FIND, FIND_NAMESPACES, setup_arguments, setup_omits};
pub use tests_used::tests_used;
