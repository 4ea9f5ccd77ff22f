//! How the client behaves beyond plain HTTP.

use super::Mirror;
use crate::http;

/// How registries are spoken to; total, made once.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How HTTP is spoken.
    pub http: http::Options,
    /// Who is asked first for what is read.
    pub mirrors: Vec<Mirror>,
    /// The size in bytes of the chunks that blobs are sent in; without it they are sent whole, except
    /// to a registry that asks for chunks.
    pub chunk_size: Option<u64>,
}

impl From<http::Options> for Options {
    /// Nothing but HTTP.
    fn from(http: http::Options) -> Self {
        Self { http, ..Self::default() }
    }
}
