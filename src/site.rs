//! The static site under public/: views made into files.

mod contest;
mod downloads;
mod letters;
mod live;
mod looks;
mod pages;
mod publish;
mod rebuild;
mod results;
mod rows;
mod serve;
mod statement;
mod words;

pub use live::{Live, Teller};
pub use pages::{Kind, Pages, RenderError, built_in_files};
pub use publish::{AboutPage, Life, PublishError, Publisher, Round};
pub use rows::{Rows, Table};
pub use serve::{serve, serve_below};
pub use statement::Statement;
