//! How best scores came about, as lines in a box: moments to the right, better scores up. Steps and not slopes, since between two
//! submissions nothing happened.
//!
//! Coordinates are whole units of the drawing; a template only writes them down.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde::Serialize;

use crate::core::config::Better;
use crate::core::ids::UserName;
use crate::core::record::moment;
use crate::core::score::Score;
use crate::core::standings::{Row, Step};

/// The size of a row's small line, in CSS pixels.
const SPARK: (i64, i64) = (64, 16);

/// A time from one moment to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: DateTime<Utc>,
    pub(super) end: DateTime<Utc>,
}

impl Span {
    /// The same, up to a little later: an end that stands still for a thirty-second part of the whole, so that small lines do not have to be
    /// drawn anew with every line of the log. A part is a pixel or two of them.
    pub(super) fn in_steps(self) -> Self {
        let seconds = (self.end - self.start).num_seconds().max(1);
        let step = (seconds / 32).max(1).cast_unsigned().next_power_of_two().cast_signed();
        let parts = seconds / step + 1;
        let end = step.checked_mul(parts).and_then(TimeDelta::try_seconds).map(|all| self.start + all);
        Self { end: end.unwrap_or(self.end), ..self }
    }

    /// How far along a moment is, from 0 to 1.
    fn share(self, at: DateTime<Utc>) -> f64 {
        let all = self.end - self.start;
        if all <= TimeDelta::zero() {
            return 1.0;
        }
        ((at - self.start).as_seconds_f64() / all.as_seconds_f64()).clamp(0.0, 1.0)
    }
}

/// A row's small line: its own way from its worst score, at the bottom, to its best, at the top. `None` without a finite score.
pub(super) fn spark(steps: &[Step], span: Span) -> Option<String> {
    let points = finite(steps);
    let (first, last) = (points.first()?.1, points.last()?.1);
    let (width, height) = SPARK;
    let y = |score: f64| if first == last { 0.0 } else { (score - last) / (first - last) };
    #[expect(clippy::cast_precision_loss, reason = "tens of pixels")]
    let place =
        |(at, score): Point| (round(span.share(at) * (width - 2) as f64), 2 + round(y(score) * (height - 4) as f64));
    Some(steps_of(points.into_iter().map(place), width))
}

/// A moment and a score.
type Point = (DateTime<Utc>, f64);

/// The finite scores, with their moments.
fn finite(steps: &[Step]) -> Vec<Point> {
    let number = |step: &Step| match step.score {
        Score::Finite(number) => Some((step.at, number)),
        Score::Infeasible => None,
    };
    steps.iter().filter_map(number).collect()
}

/// A path that goes across to each point and then up to it, and on to the right edge.
fn steps_of(points: impl Iterator<Item = (i64, i64)>, right: i64) -> String {
    let mut corners: Vec<(i64, i64)> = Vec::new();
    for (x, y) in points {
        let begun = corners.len() > 1;
        match corners.last_mut() {
            Some(last) if last.1 == y => {}
            // Two steps that nobody could tell apart are one; where the line begins stays.
            Some(last) if begun && x - last.0 < 2 => last.1 = y,
            Some(_) | None => corners.push((x, y)),
        }
    }
    let Some((mut x, mut y)) = corners.first().copied() else {
        return String::new();
    };
    let mut path = format!("M{x} {y}");
    for (to_x, to_y) in corners.into_iter().skip(1) {
        path += &format!("h{}v{}", to_x - x, to_y - y);
        (x, y) = (to_x, to_y);
    }
    if x < right {
        path += &format!("h{}", right - x);
    }
    path
}

fn round(number: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a place in a drawing of a thousand units")]
    let whole = number.round().clamp(-1e6, 1e6) as i64;
    whole
}

/// A drawing's size, and what stands beside the lines in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// The whole drawing.
    pub(super) width: i64,
    /// The whole drawing.
    pub(super) height: i64,
    /// Room for the scores on the left.
    pub(super) left: i64,
    /// Room for the names on the right.
    pub(super) right: i64,
    /// At most this many letters of a name; none: no names.
    pub(super) letters: usize,
    /// At most this many moments below.
    pub(super) moments: usize,
}

impl Shape {
    /// For a wide page.
    pub(super) const DESK: Shape = Shape { width: 960, height: 280, left: 64, right: 150, letters: 17, moments: 6 };
    /// For a phone: as high, much narrower, with names cut short.
    pub(super) const PHONE: Shape = Shape { width: 360, height: 280, left: 50, right: 86, letters: 9, moments: 3 };
    /// For one user, on either.
    const USER: Shape = Shape { width: 480, height: 240, left: 56, right: 14, letters: 0, moments: 4 };

    const TOP: i64 = 12;
    const BELOW: i64 = 26;
}

/// A chart of several users' best scores over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// The drawing's size.
    pub width: i64,
    /// The drawing's size.
    pub height: i64,
    /// Where the lines' field begins.
    pub left: i64,
    /// Where the lines' field ends.
    pub right: i64,
    /// The lower edge of the field.
    pub bottom: i64,
    /// One for each user, the best first.
    pub lines: Vec<Line>,
    /// Single scores, across and down.
    pub dots: Vec<(i64, i64)>,
    /// Scores beside the field.
    pub scores: Vec<Tick>,
    /// Moments below the field.
    pub moments: Vec<Moment>,
}

/// One user's line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Whose it is.
    pub user: UserName,
    /// The name, cut to the room that there is.
    pub label: String,
    /// The line, as SVG has paths.
    pub path: String,
    /// Where the line ends.
    pub y: i64,
    /// Where its name stands: beside its end, or below the name before.
    pub label_y: i64,
}

/// A word beside a field, and where.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tick {
    /// In units of the drawing.
    pub at: i64,
    /// The word.
    pub text: String,
}

/// A moment below a field, and where.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    /// In units of the drawing.
    pub at: i64,
    /// The moment, RFC 3339 in UTC.
    pub when: String,
    /// How much of it says where one is.
    pub form: Form,
}

/// How a moment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A date.
    Day,
    /// A time of the day.
    Minute,
    /// A time of the day, with seconds.
    Second,
}

/// The scores that a field shows: the best at its upper edge.
///
/// The distance to the best is drawn by its square root: what decides a ranking are small differences at the top, and what began far
/// behind still has a place. What is behind by more than three times as much as the last of the lines now is drawn at the lower edge.
#[derive(Debug, Clone, Copy)]
struct Field {
    best: f64,
    /// The sign of being behind.
    way: f64,
    /// The distance to the best at the lower edge; positive.
    depth: f64,
}

impl Field {
    fn new(lines: &[&[Point]], dots: &[Point], better: Better) -> Option<Field> {
        let way = match better {
            Better::Lower => 1.0,
            Better::Higher => -1.0,
        };
        let gaps = |best: f64, points: &[Point]| {
            points.iter().map(|(_, score)| (score - best) * way).fold(0.0, f64::max).min(f64::MAX)
        };
        let last = lines.iter().filter_map(|points| points.last());
        let best = last.clone().map(|(_, score)| score * way).reduce(f64::min)? * way;
        let now = last.map(|point| gaps(best, std::slice::from_ref(point))).fold(0.0, f64::max);
        let ever = lines.iter().copied().chain([dots]).map(|points| gaps(best, points)).fold(0.0, f64::max);
        let depth = if now > 0.0 { ever.min(3.0 * now) } else { ever };
        // Where all are level, and always were, there is nothing to draw.
        (depth > 0.0).then_some(Field { best, way, depth })
    }

    /// From 0 at the upper edge to 1 at the lower one.
    fn share(self, score: f64) -> f64 {
        ((score - self.best) * self.way / self.depth).clamp(0.0, 1.0).sqrt()
    }

    /// Round numbers at about the quarters of the height, the best itself first.
    fn ticks(self, decimals: u8) -> Vec<(f64, String)> {
        let mut ticks = vec![(self.best, Score::Finite(self.best).shown(decimals))];
        for quarter in [0.25_f64, 0.5, 0.75, 1.0] {
            let gap = self.depth * quarter * quarter;
            let magnitude = gap.log10().floor();
            let unit = 10_f64.powf(magnitude) / 2.0;
            // Towards the best, so that the number lies in the field.
            let units = (self.best + self.way * gap) / unit;
            let number = unit * if self.way > 0.0 { units.floor() } else { units.ceil() };
            let behind = (number - self.best) * self.way;
            if !number.is_finite() || behind <= 0.0 {
                continue;
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=12")]
            let digits = (1.0 - magnitude).clamp(0.0, 12.0) as u8;
            ticks.push((number, Score::Finite(number).shown(if number.fract() == 0.0 { 0 } else { digits })));
        }
        ticks
    }
}

/// A chart of these rows. `None` where there is nothing to be seen yet: all are level.
pub(super) fn chart(rows: &[&Row], span: Span, better: Better, shape: Shape, decimals: u8) -> Option<Chart> {
    let lines: Vec<(&UserName, Vec<Point>)> =
        rows.iter().map(|row| (&row.user, finite(&row.steps))).filter(|(_, points)| !points.is_empty()).collect();
    draw(&lines, &[], Drawing { span, better, shape, decimals })
}

/// A chart of one user's way: the best score as a line, and every score that was reached as a dot.
pub(super) fn attempts(row: &Row, scores: &[(DateTime<Utc>, Score)], better: Better, decimals: u8) -> Option<Chart> {
    let dots: Vec<Point> = scores
        .iter()
        .filter_map(|(at, score)| if let Score::Finite(number) = score { Some((*at, *number)) } else { None })
        .collect();
    // Not to the present: the page changes with what its user hands in, and with nothing else.
    let span = Span { start: scores.first()?.0, end: scores.last()?.0 };
    draw(&[(&row.user, finite(&row.steps))], &dots, Drawing { span, better, shape: Shape::USER, decimals })
}

/// How something is drawn.
#[derive(Clone, Copy)]
struct Drawing {
    span: Span,
    better: Better,
    shape: Shape,
    decimals: u8,
}

fn draw(given: &[(&UserName, Vec<Point>)], dots: &[Point], drawing: Drawing) -> Option<Chart> {
    let Drawing { span, better, shape, decimals } = drawing;
    if span.end <= span.start {
        return None;
    }
    let points: Vec<&[Point]> = given.iter().map(|(_, points)| points.as_slice()).collect();
    let field = Field::new(&points, dots, better)?;
    let (left, right) = (shape.left, shape.width - shape.right);
    let (top, bottom) = (Shape::TOP, shape.height - Shape::BELOW);
    #[expect(clippy::cast_precision_loss, reason = "hundreds of units")]
    let x = |at: DateTime<Utc>| left + round(span.share(at) * (right - left) as f64);
    #[expect(clippy::cast_precision_loss, reason = "hundreds of units")]
    let y = |score: f64| top + round(field.share(score) * (bottom - top) as f64);

    let mut lines: Vec<Line> = given
        .iter()
        .map(|(user, points)| Line {
            user: (*user).clone(),
            label: cut(user.as_str(), shape.letters),
            path: steps_of(points.iter().map(|(at, score)| (x(*at), y(*score))), right),
            y: points.last().map_or(bottom, |(_, score)| y(*score)),
            label_y: 0,
        })
        .collect();
    stack(&mut lines, shape.height);

    let mut scores: Vec<Tick> = Vec::new();
    for (number, text) in field.ticks(decimals) {
        let at = y(number);
        if scores.last().is_none_or(|before| at - before.at >= 18) {
            scores.push(Tick { at, text });
        }
    }
    let moments = moments(span, shape.moments).into_iter();
    let moments = moments.map(|(at, form)| Moment { at: x(at), when: moment::text(at), form }).collect();
    let dots = dots.iter().map(|(at, score)| (x(*at), y(*score))).collect();
    Some(Chart { width: shape.width, height: shape.height, left, right, bottom, lines, dots, scores, moments })
}

fn cut(name: &str, room: usize) -> String {
    if room == 0 {
        return String::new();
    }
    if name.chars().count() <= room {
        return name.to_owned();
    }
    name.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// Names stand below each other, each as near to the end of its line as there is room.
fn stack(lines: &mut [Line], height: i64) {
    const APART: i64 = 17;
    let mut order: Vec<usize> = (0..lines.len()).collect();
    // Best first where lines end at the same place.
    order.sort_by_key(|index| lines[*index].y);
    let mut free = 0;
    for index in &order {
        lines[*index].label_y = lines[*index].y.max(free);
        free = lines[*index].label_y + APART;
    }
    let mut most = height - 8;
    for index in order.iter().rev() {
        lines[*index].label_y = lines[*index].label_y.min(most);
        most = lines[*index].label_y - APART;
    }
}

/// Round moments within a span, at most about `most` of them, each with how it is written.
pub(super) fn moments(span: Span, most: usize) -> Vec<(DateTime<Utc>, Form)> {
    const SECOND: i64 = 1;
    const MINUTE: i64 = 60;
    const HOUR: i64 = 3600;
    const DAY: i64 = 86_400;
    #[rustfmt::skip]
    let units = [
        SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
        DAY, 2 * DAY, 4 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY, 182 * DAY, 365 * DAY,
    ];
    let all = (span.end - span.start).num_seconds();
    let few = |unit: &i64| usize::try_from(all / unit).is_ok_and(|many| many <= most);
    let unit = units.into_iter().find(few).unwrap_or(all.max(1));
    let step = TimeDelta::seconds(unit);
    let Ok(first) = span.start.duration_trunc(step) else {
        return Vec::new();
    };
    let form = |at: DateTime<Utc>| {
        let midnight = at.timestamp() % DAY == 0;
        if midnight || unit >= DAY {
            Form::Day
        } else if unit >= MINUTE {
            Form::Minute
        } else {
            Form::Second
        }
    };
    std::iter::successors(Some(first), |at| at.checked_add_signed(step))
        .skip_while(|at| *at < span.start)
        .take_while(|at| *at <= span.end)
        .take(most + 1)
        .map(|at| (at, form(at)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::Number;
    use proptest::prelude::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn row(user: &str, steps: &[(i64, f64)]) -> Row {
        let steps: Vec<Step> = steps
            .iter()
            .map(|(second, score)| Step {
                at: at(*second),
                score: Score::finite(*score).unwrap_or(Score::Infeasible),
                submission: Number(1),
            })
            .collect();
        let last = *steps.last().expect("a step");
        Row {
            rank: Some(1),
            user: user.parse().expect("a name"),
            score: last.score,
            at: last.at,
            submission: last.submission,
            metrics: std::collections::BTreeMap::new(),
            attempts: steps.len(),
            unseen: 0,
            last: last.at,
            steps,
        }
    }

    fn span(end: i64) -> Span {
        Span { start: at(0), end: at(end) }
    }

    #[test]
    fn a_small_line_goes_in_steps_from_the_worst_to_the_best() {
        let steps = row("a", &[(0, 20.0), (50, 15.0), (75, 10.0)]).steps;
        assert_eq!(spark(&steps, span(100)).as_deref(), Some("M0 14h31v-6h16v-6h17"));
        let one = row("a", &[(100, 20.0)]).steps;
        assert_eq!(spark(&one, span(100)).as_deref(), Some("M62 2h2"));
        let at_once = row("a", &[(0, 30.0), (2, 20.0), (3, 10.0)]).steps;
        assert_eq!(spark(&at_once, span(100)).as_deref(), Some("M0 14h1v-12h63"), "where it begins stays");
        let none = row("a", &[(100, f64::INFINITY)]).steps;
        assert_eq!(spark(&none, span(100)), None);
    }

    #[test]
    fn the_field_is_open_at_the_top_and_the_best_is_its_upper_edge() {
        let rows = [row("ann", &[(0, 3000.0), (10, 1184.0)]), row("ben", &[(20, 1197.0)]), row("cid", &[(5, 1700.0)])];
        let chart = chart(&rows.iter().collect::<Vec<_>>(), span(100), Better::Lower, Shape::DESK, 0).expect("a chart");
        assert_eq!(chart.lines[0].y, Shape::TOP);
        let behind = chart.lines[1].y - Shape::TOP;
        assert!(behind > 15, "13 of 1548 behind are {behind} units");
        assert_eq!(
            chart.scores.iter().map(|tick| tick.text.as_str()).collect::<Vec<_>>(),
            ["1184", "1280", "1550", "2050", "2500"]
        );
        let names: Vec<i64> = chart.lines.iter().map(|line| line.label_y).collect();
        assert!(names.windows(2).all(|pair| pair[1] - pair[0] >= 17), "{names:?}");
        assert!(chart.lines[0].path.starts_with("M64 254h"), "what is far behind is at the lower edge");
    }

    fn written(at: DateTime<Utc>, form: Form) -> String {
        let format = match form {
            Form::Day => "%-d %b",
            Form::Minute => "%H:%M",
            Form::Second => "%H:%M:%S",
        };
        at.format(format).to_string()
    }

    #[test]
    fn moments_are_round_and_few() {
        let words = |seconds, most| {
            moments(span(seconds), most).into_iter().map(|(at, form)| written(at, form)).collect::<Vec<_>>()
        };
        assert_eq!(
            words(40, 6),
            ["00:00:00", "00:00:15", "00:00:30"].map(|w| if w == "00:00:00" { "1 Jan" } else { w })
        );
        assert_eq!(words(4 * 3600, 6), ["1 Jan", "01:00", "02:00", "03:00", "04:00"]);
        assert_eq!(words(10 * 86_400, 6), ["1 Jan", "3 Jan", "5 Jan", "7 Jan", "9 Jan", "11 Jan"]);
        assert!(words(400 * 86_400 * 30, 6).len() <= 7);
    }

    #[test]
    fn one_users_scores_are_dots_and_the_best_of_them_a_line() {
        let scores = [(0, 30.0), (50, 40.0), (100, 10.0)].map(|(second, score)| (at(second), Score::Finite(score)));
        let row = row("ann", &[(0, 30.0), (100, 10.0)]);
        let chart = attempts(&row, &scores, Better::Lower, 0).expect("a chart");
        assert_eq!(chart.dots, [(56, 177), (261, 214), (466, 12)]);
        assert_eq!(chart.lines[0].path, "M56 177h410v-165");
        assert_eq!(chart.lines[0].label, "");
        assert_eq!(attempts(&row, &scores[..1], Better::Lower, 0), None, "one score is no way");
    }

    proptest! {
        #[test]
        fn whatever_the_scores_everything_is_drawn_within_its_box(
            scores in proptest::collection::vec(proptest::num::f64::ANY, 1..8),
            higher in proptest::bool::ANY,
            end in 1..1_000_000_i64,
        ) {
            let better = if higher { Better::Higher } else { Better::Lower };
            let steps: Vec<(i64, f64)> = scores.iter().enumerate().map(|(i, score)| (i as i64, *score)).collect();
            let rows = [row("ann", &steps), row("ben", &[(0, scores[0])])];
            for shape in [Shape::DESK, Shape::PHONE] {
                if let Some(chart) = chart(&rows.iter().collect::<Vec<_>>(), span(end), better, shape, 2) {
                    for line in &chart.lines {
                        prop_assert!((0..=chart.height).contains(&line.y));
                        prop_assert!((0..=chart.height).contains(&line.label_y));
                        prop_assert!(!line.path.contains("NaN") && !line.path.contains("inf"));
                    }
                    prop_assert!(chart.scores.iter().all(|tick| (0..=chart.height).contains(&tick.at)));
                    prop_assert!(chart.moments.iter().all(|tick| (chart.left..=chart.right).contains(&tick.at)));
                }
            }
        }
    }
}
