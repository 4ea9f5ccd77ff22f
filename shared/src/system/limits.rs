//! How much of the system a process may use.

/// As many open files as several layers, downloads and their caches need at once, with room to spare.
#[cfg(any(test, unix))]
const OPEN_FILES: u64 = 4096;

/// Lets this process, and what it starts, have enough files open. macOS allows 256 unless it is asked for more; who
/// allows more already is left as it is.
#[cfg(unix)]
pub fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    if let Some(wanted) = raised(now.current, now.maximum)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..now })
    {
        tracing::debug!(%error, "the limit of open files stays");
    }
}

/// Lets this process have enough files open: Windows has no limit that matters.
#[cfg(not(unix))]
pub fn raise_open_files() {}

/// The limit to ask for, if it is more than there is; nothing stands for no limit.
#[cfg(any(test, unix))]
fn raised(current: Option<u64>, maximum: Option<u64>) -> Option<u64> {
    let wanted = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    current.is_some_and(|current| current < wanted).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_raised_as_far_as_it_may_be() {
        assert_eq!(raised(Some(256), None), Some(4096), "macOS");
        assert_eq!(raised(Some(1024), Some(1 << 19)), Some(4096), "Linux");
        assert_eq!(raised(Some(256), Some(512)), Some(512));
        for enough in
            [(None, None), (Some(4096), None), (Some(1 << 20), Some(1 << 20)), (Some(512), Some(512))]
        {
            assert_eq!(raised(enough.0, enough.1), None);
        }
    }
}
