//! How much larger an image may be than the one before it.

use super::growth::Growth;
use super::sides::Sides;

/// The most that an image may have grown by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrowthLimit {
    /// Millionths of what the first one takes.
    Millionths(u64),
    /// Bytes.
    Bytes(u64),
}

impl GrowthLimit {
    /// Whether an image has grown by more than that.
    pub fn is_exceeded(self, growth: &Growth) -> bool {
        let Sides { from, to } = growth.sizes;
        let (from, grown) = (u128::from(from), u128::from(to.saturating_sub(from)));
        match self {
            Self::Millionths(limit) => grown * 1_000_000 > from * u128::from(limit),
            Self::Bytes(limit) => grown > u128::from(limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::growth::Measure;
    use super::*;

    #[test]
    fn a_limit_is_the_most_that_is_allowed() {
        let growth = |from, to| Growth { of: Measure::Stored, sizes: Sides { from, to }, parts: Vec::new() };
        let five = GrowthLimit::Millionths(50_000);
        assert!(!five.is_exceeded(&growth(1000, 1050)) && five.is_exceeded(&growth(1000, 1051)));
        assert!(!five.is_exceeded(&growth(1000, 10)), "smaller");
        assert!(five.is_exceeded(&growth(0, 1)) && !five.is_exceeded(&growth(0, 0)));
        assert!(five.is_exceeded(&growth(1, u64::MAX)), "no overflow");
        let none = GrowthLimit::Millionths(0);
        assert!(!none.is_exceeded(&growth(5, 5)) && none.is_exceeded(&growth(5, 6)));
        let ten = GrowthLimit::Bytes(10);
        assert!(!ten.is_exceeded(&growth(0, 10)) && ten.is_exceeded(&growth(0, 11)));
    }
}
