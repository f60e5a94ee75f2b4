"""Reads the Contest API of a site as a client does that was written from the specification, and stops at the first thing that is not as that
says: types and forms of what must be there, references that lead somewhere, the order of states and ranks, a feed that tells the same.

    python3 contest.py PUBLIC
"""

import json
import re
import sys
from pathlib import Path

ID = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,34}[A-Za-z0-9_-])?\Z")
TIME = re.compile(r"[12]\d{3}-[01]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d\.\d{3}Z\Z")
SPAN = re.compile(r"-?([1-9]\d*)?\d:[0-5]\d:[0-5]\d\.\d{3}\Z")
KNOWN = set("AC RE WA TLE RTE CE OLE PE NO WTL MLE JE".split())

api = Path(sys.argv[1], "api")


def endpoint(path, ending="json"):
    """As a server that adds the ending finds it."""
    text = (api / f"{path}.{ending}").read_text()
    return json.loads(text) if ending == "json" else [json.loads(line) for line in text.splitlines()]


def whole(number):
    return type(number) is int


def check(value, form, where):
    good = form(value) if callable(form) else bool(form.match(value))
    assert good, f"{where}: {value!r}"


def each(objects, kind, **forms):
    assert isinstance(objects, list), kind
    for thing in objects:
        check(thing["id"], ID, kind)
        for name, form in forms.items():
            check(thing[name], form, f"{kind}/{thing['id']}: {name}")
    found = {thing["id"]: thing for thing in objects}
    assert len(found) == len(objects), f"{kind}: an id twice"
    return found


text = lambda value: isinstance(value, str) and value != ""
number = lambda value: type(value) in (int, float) and value >= 0

information = endpoint("api")
assert re.match(r"\d{4}-\d{2}\Z", information["version"]) and information["provider"]["name"]
[contest] = endpoint("contests")
check(contest["id"], ID, "contest")
assert endpoint(f"contests/{contest['id']}") == contest
base = f"contests/{contest['id']}/"
assert endpoint(base + "contest") == contest and endpoint(base + "api") == information, "a package has its own"
assert contest["scoreboard_type"] == "score" and "penalty_time" not in contest
check(contest["duration"], SPAN, "duration")

kinds = each(endpoint(base + "judgement-types"), "judgement-types", name=text, solved=lambda value: type(value) is bool)
assert set(kinds) <= KNOWN, kinds
languages = each(endpoint(base + "languages"), "languages", name=text, extensions=lambda value: len(value) > 0)
problems = each(endpoint(base + "problems"), "problems", label=text, name=text, ordinal=whole, test_data_count=whole, time_limit=number,
                memory_limit=whole, output_limit=whole, code_limit=whole, max_score=number)
groups = each(endpoint(base + "groups"), "groups", name=text)
assert contest["main_scoreboard_group_id"] in groups
teams = each(endpoint(base + "teams"), "teams", name=text, label=text, group_ids=lambda ids: set(ids) <= set(groups))
submissions = each(endpoint(base + "submissions"), "submissions", language_id=languages.__contains__, problem_id=problems.__contains__,
                   team_id=teams.__contains__, time=TIME, contest_time=SPAN, files=lambda files: files == [])
judgements = each(endpoint(base + "judgements"), "judgements", submission_id=submissions.__contains__, judgement_type_id=kinds.__contains__,
                  start_time=TIME, start_contest_time=SPAN, end_time=TIME, end_contest_time=SPAN)
for one in judgements.values():
    assert submissions[one["submission_id"]]["time"] <= one["start_time"] <= one["end_time"], one
    assert 0 <= one.get("score", 0) <= problems["problem"]["max_score"], one

state = endpoint(base + "state")
assert state["started"] == contest["start_time"]
for names in (("started", "frozen", "ended", "thawed", "end_of_updates"), ("ended", "finalized", "end_of_updates")):
    passed = [state[name] for name in names if state.get(name)]
    assert len(set(passed)) == len(passed) and passed == sorted(passed), state

board = endpoint(base + "scoreboard")
check(board["time"], TIME, "scoreboard")
check(board["contest_time"], SPAN, "scoreboard")
assert board["state"] == state
order = [(row["rank"], row["team_id"]) for row in board["rows"]]
assert order == sorted(order) and len(set(team for _, team in order)) == len(order) > 0, order
for row in board["rows"]:
    assert teams[row["team_id"]]["group_ids"] == [contest["main_scoreboard_group_id"]]
    check(row["score"]["time"], SPAN, "row")
    for problem in row["problems"]:
        assert problem["problem_id"] in problems and problem["score"] == row["score"]["score"]
        assert ("time" in problem) == (problem["score"] > 0)

feed = endpoint(base + "event-feed", "ndjson")
told = {}
for event in feed:
    told.setdefault(event["type"], {})[event["id"]] = event["data"]
assert feed[-1]["type"] == "state" and told["state"] == {None: state} and told["contest"] == {None: contest}
for kind, objects in [("judgement-types", kinds), ("languages", languages), ("problems", problems), ("groups", groups), ("teams", teams),
                      ("submissions", submissions), ("judgements", judgements)]:
    assert told[kind] == objects, kind
seen = set()
for event in feed:
    assert event["type"] != "judgements" or event["data"]["submission_id"] in seen, "judged before it came"
    seen.add(event["id"])

access = endpoint(base + "access")
assert access["capabilities"] == [] and {one["type"] for one in access["endpoints"]} == set(told)
print(len(submissions), len(judgements), len(board["rows"]), contest["id"])
