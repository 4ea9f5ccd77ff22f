//! Integration tests.

mod architecture;
mod base;
mod cache;
mod cargo;
mod circles;
mod docs;
#[cfg(unix)]
mod engines;
mod index;
mod kill;
mod lock;
mod mistakes;
mod outcomes;
#[cfg(target_os = "linux")]
mod processes;
mod python;
mod race;
mod rebase;
mod rebuild;
mod registry;
mod reproducible;
mod rooms;
mod style;
