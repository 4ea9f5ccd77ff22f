//! One platform's image, before and after.

use super::case::Broken;
use super::standing::Standing;
use crate::base::BaseImage;
use crate::image::Image;
use crate::plan::Runtime;
use crate::story::vouched::Voucher;

/// One platform's image on the new base.
pub(super) struct Moved {
    pub(super) standing: Standing,
    pub(super) runtime: Runtime,
    pub(super) base: BaseImage,
    /// Who has signed the new base.
    pub(super) vouchers: Vec<Voucher>,
    pub(super) image: Image,
    pub(super) broken: Vec<Broken>,
}

impl Moved {
    pub(super) fn is_unchanged(&self) -> bool {
        self.image.manifest == self.standing.image.manifest
    }
}
