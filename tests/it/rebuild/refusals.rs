//! What cannot be repeated.
