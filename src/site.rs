//! The static site under public/: views made into files.

mod pages;
mod publish;
mod serve;

pub use pages::{Kind, Pages, RenderError};
pub use publish::{Life, PublishError, Publisher};
pub use serve::serve;
