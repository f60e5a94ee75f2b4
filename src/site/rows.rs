//! The rows of the board, as three documents have them: each drawn once, and again when it would look otherwise.

use serde_json::value::RawValue;

use super::pages::{Pages, RenderError};
use crate::core::config::Board;
use crate::core::ids::UserName;
use crate::core::standings::Row;
use crate::core::view::{self, BoardRow, BoardView, LeaderboardRow, Place, Site, Source, Spot};

/// A browser leaves out of its work those pieces of a long table that are out of sight: as many ranked rows make one.
const PIECE: usize = 50;

/// What was drawn of every user on the board.
#[derive(Default)]
#[expect(
    clippy::disallowed_types,
    reason = "ten thousand are looked up by name at every result, and never in the map's own order"
)]
pub struct Rows {
    drawn: std::collections::HashMap<UserName, Drawn>,
    /// The columns that they were drawn with.
    metrics: Vec<String>,
    /// Which scores they show: a closed board draws its rows otherwise.
    is_final: bool,
}

struct Drawn {
    place: Place,
    html: String,
    json: Box<RawValue>,
    csv: String,
}

/// The rows of three documents.
pub struct Table<'a> {
    /// Of index.html: what stands in its `tbody`.
    pub html: String,
    /// Of leaderboard.json, the ranked ones.
    pub json: Vec<&'a RawValue>,
    /// Of leaderboard.json, the reference ones.
    pub reference: Vec<&'a RawValue>,
    /// leaderboard.csv, whole.
    pub csv: String,
}

impl Rows {
    /// The rows of a board. The rules have to be those of the last time.
    ///
    /// # Errors
    /// When the template of a row fails.
    pub fn table<'a>(
        &'a mut self,
        pages: &Pages,
        source: Source<'_>,
        view: &BoardView<'_>,
    ) -> Result<Table<'a>, RenderError> {
        let is_final = source.board() == Board::Closed;
        if self.metrics != view.page.metrics || self.is_final != is_final {
            *self = Self { drawn: Default::default(), metrics: view.page.metrics.clone(), is_final };
        }
        let site = view::site(source);
        for (row, place) in view.rows.iter().chain(&view.reference) {
            if self.drawn.get(&row.user).is_none_or(|drawn| drawn.place != *place) {
                let drawn = self.draw(pages, &site, source, row, *place)?;
                self.drawn.insert(row.user.clone(), drawn);
            }
        }
        let drawn = |rows: &[(&Row, Place)]| -> Vec<&'a Drawn> {
            rows.iter().filter_map(|(row, _)| self.drawn.get(&row.user)).collect()
        };
        let (ranked, reference) = (drawn(&view.rows), drawn(&view.reference));
        let mut html = String::new();
        for spot in view.in_order(source.rules.config.score.better) {
            let row = match spot {
                Spot::Ranked(i) => {
                    if i > 0 && i.is_multiple_of(PIECE) {
                        html.push_str("<tbody>\n");
                    }
                    ranked[i]
                }
                Spot::Reference(i) => reference[i],
            };
            html.push_str(&row.html);
            html.push('\n');
        }
        let mut csv = String::from(view::CSV_HEAD);
        csv.extend(ranked.iter().map(|row| row.csv.as_str()));
        let json = |rows: &[&'a Drawn]| rows.iter().map(|row| &*row.json).collect();
        Ok(Table { html, json: json(&ranked), reference: json(&reference), csv })
    }

    fn draw(
        &self,
        pages: &Pages,
        site: &Site,
        source: Source<'_>,
        row: &Row,
        place: Place,
    ) -> Result<Drawn, RenderError> {
        let shown = BoardRow::new(source, row, &place, &self.metrics);
        Ok(Drawn {
            place,
            html: pages.row(site, &shown)?,
            json: serde_json::value::to_raw_value(&LeaderboardRow::new(row)).unwrap_or_default(),
            csv: view::csv_line(row),
        })
    }
}
