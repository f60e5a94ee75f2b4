//! What staff look at, as files in results/admin/: how the daemon is, every case of the latest submissions, and any two of them beside each
//! other. Made out of the log beside the loop, at a calm pace. Nobody but who may read results/ can read it, and nothing in it is public.

mod disk;
mod follow;
mod pages;

pub use follow::{StaffError, dossiers, kept_text};
pub use pages::Keeper;
