//! Planted differences.
