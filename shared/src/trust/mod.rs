//! What is stated about images for those who must trust them: statements in the words of in-toto, and the
//! provenance of a build in those of SLSA. Everything here is a value.

mod provenance;
mod statement;

pub use provenance::{BUILD_TYPE, Build, Builder, LOCAL_BUILDER, PROVENANCE, Provenance, Run};
pub use statement::{IN_TOTO, Resource, Statement};
