//! The site: what its pages and files say, what they weigh, and how they behave in a reader's browser.

#![allow(unreachable_pub, reason = "`pub` says here what the tests may use")]

#[path = "../support/mod.rs"]
mod support;

mod about;
mod board;
mod contest;
mod feeds;
mod frozen;
mod live;
mod meanwhile;
mod memory;
mod metrics;
mod past;
mod private;
mod reader;
mod states;
mod strangers;
mod templates;
mod user;
mod valid;
mod words;
