//! `access`: which endpoints there are, and what their objects may have.

use serde::Serialize;

/// `contests/<id>/access`: what everybody may read, and that nobody may write.
#[derive(Debug, Serialize)]
pub struct Access {
    capabilities: [&'static str; 0],
    endpoints: Vec<Endpoint>,
}

impl Access {
    pub(super) fn all() -> Self {
        Self { capabilities: [], endpoints: ENDPOINTS.map(|(kind, properties)| Endpoint { kind, properties }).into() }
    }
}

#[derive(Debug, Serialize)]
struct Endpoint {
    #[serde(rename = "type")]
    kind: &'static str,
    properties: &'static [&'static str],
}

/// What each endpoint's objects may have.
pub(super) const ENDPOINTS: [(&str, &[&str]); 9] = [
    (
        "contest",
        &[
            "id",
            "name",
            "start_time",
            "duration",
            "scoreboard_freeze_duration",
            "scoreboard_type",
            "main_scoreboard_group_id",
        ],
    ),
    ("judgement-types", &["id", "name", "solved"]),
    ("languages", &["id", "name", "entry_point_required", "extensions"]),
    (
        "problems",
        &[
            "id",
            "label",
            "name",
            "ordinal",
            "time_limit",
            "memory_limit",
            "output_limit",
            "code_limit",
            "test_data_count",
            "max_score",
        ],
    ),
    ("groups", &["id", "name"]),
    ("teams", &["id", "name", "label", "group_ids"]),
    ("state", &["started", "frozen", "ended", "thawed", "finalized", "end_of_updates"]),
    ("submissions", &["id", "language_id", "problem_id", "team_id", "time", "contest_time", "entry_point", "files"]),
    (
        "judgements",
        &[
            "id",
            "submission_id",
            "judgement_type_id",
            "score",
            "start_time",
            "start_contest_time",
            "end_time",
            "end_contest_time",
        ],
    ),
];
