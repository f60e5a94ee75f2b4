//! The rows of the board, as three documents have them: each drawn once, and again when it would look otherwise.

use serde_json::value::RawValue;

use super::pages::{Pages, RenderError};
use crate::core::config::Board;
use crate::core::ids::UserName;
use crate::core::view::{self, BoardRank, BoardRow, BoardView, LeaderboardRow, Place, Source, Spot};

/// A browser leaves out of its work those pieces of a long table that are out of sight: as many ranked rows make one.
const PIECE: usize = 50;

/// What was drawn of every user on the board.
#[derive(Default)]
#[expect(
    clippy::disallowed_types,
    reason = "ten thousand are looked up by name at every result, and never in the map's own order"
)]
pub struct Rows {
    drawn: Vec<Drawn>,
    /// Which of them is whose.
    index_of: std::collections::HashMap<UserName, usize>,
    /// The columns that they were drawn with.
    metrics: Vec<String>,
    /// Which scores they show: a closed board draws its rows otherwise.
    is_final: bool,
}

/// One user's row, or nothing yet.
#[derive(Default)]
struct Drawn {
    place: Option<Place>,
    /// Its first cell,
    rank: String,
    /// and the others.
    cells: String,
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
            *self = Self { metrics: view.page.metrics.clone(), is_final, ..Self::default() };
        }
        let (site, decimals) = (view::site(source), source.rules.config.score.decimals);
        let mut indices = Vec::with_capacity(view.rows.len() + view.reference.len());
        for (row, place) in view.rows.iter().chain(&view.reference) {
            let index = self.index_of.get(&row.user).copied().unwrap_or_else(|| {
                self.index_of.insert(row.user.clone(), self.drawn.len());
                self.drawn.push(Drawn::default());
                self.drawn.len() - 1
            });
            indices.push(index);
            let drawn = &mut self.drawn[index];
            if drawn.place == Some(*place) {
                continue;
            }
            if drawn.place.is_none_or(|before| !before.has_same_cells(place)) {
                drawn.cells = pages.row(&site, &BoardRow::new(row, place, decimals, &self.metrics))?;
            }
            drawn.rank = pages.rank(&site, &BoardRank::new(&row.user, place))?;
            drawn.csv = view::csv_line(row);
            drawn.json = serde_json::value::to_raw_value(&LeaderboardRow::new(row)).unwrap_or_default();
            drawn.place = Some(*place);
        }
        let drawn: Vec<&Drawn> = indices.into_iter().map(|index| &self.drawn[index]).collect();
        let (ranked, reference) = drawn.split_at(view.rows.len());
        let bytes: usize = drawn.iter().map(|row| row.rank.len() + row.cells.len() + 1).sum();
        let mut html = String::with_capacity(bytes + "<tbody>\n".len() * (drawn.len() / PIECE));
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
            html.push_str(&row.rank);
            html.push_str(&row.cells);
            html.push('\n');
        }
        let mut csv = String::from(view::CSV_HEAD);
        csv.extend(ranked.iter().map(|row| row.csv.as_str()));
        let json = |rows: &[&'a Drawn]| rows.iter().map(|row| &*row.json).collect();
        Ok(Table { html, json: json(ranked), reference: json(reference), csv })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::story::{Story, rules};
    use crate::core::view::{Tables, board};

    /// The three documents' rows.
    fn table(rows: &mut Rows, pages: &Pages, source: Source<'_>) -> (String, Vec<String>, String) {
        let tables = Tables::new(source);
        let table = rows.table(pages, source, &board(source, &tables)).expect("good templates");
        (table.html, table.json.iter().map(|row| row.get().to_owned()).collect(), table.csv)
    }

    #[test]
    fn what_is_kept_of_rows_is_what_they_would_be_anew() {
        let nowhere = tempfile::tempdir().expect("a folder");
        let (pages, problems) = Pages::load(nowhere.path());
        assert_eq!(problems, []);
        let (mut story, rules) = (Story::default(), rules(""));
        let mut kept = Rows::default();
        // Newcomers, one who passes two others, two who draw level, a worse try, and a new first of all.
        for (user, score) in [
            ("alice", 5.0),
            ("bob", 6.0),
            ("carol", 9.0),
            ("dave", 9.5),
            ("carol", 4.0),
            ("bob", 4.0),
            ("dave", 8.0),
            ("alice", 7.0),
            ("dave", 1.0),
        ] {
            story.scores(user, [score, score, 0.0]);
            let source = story.source(&rules);
            assert_eq!(table(&mut kept, &pages, source), table(&mut Rows::default(), &pages, source), "{user} {score}");
        }
    }
}
