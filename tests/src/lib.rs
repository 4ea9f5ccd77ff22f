//! What the integration tests share: projects to build, servers that misbehave on command, and
//! ways to the real things where a machine has them.

pub mod fixture;
pub mod image;
pub mod lab;
pub mod layout;
pub mod program;
pub mod python;
pub mod registry;
pub mod skip;
pub mod socks;

pub use skip::skip;
