"""Writes results/log.jsonl of a home as a competition of some days leaves it: nothing is judged, every line is made up, the same each
time but for its end, which is now.

    python3 past.py HOME USERS SUBMISSIONS_EACH [--state closed] [--queue N] [--days N] [--long]

The home's cases are read from its config.toml.
"""

import argparse
import hashlib
import json
import random
import tomllib
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

NAMES = """mira-k tobias yuki-s anna-b deniz lukas-w priya chen-li sofia oskar fatima jonas-m ines viktor amara leo-p hanna-s noor
pavel-d greta-lou kofi maja-ann tomasz elif ruben signe aiko-t benedikt-maximilian-von-hohenst zoe marek lucia hugo-r selma ivo nadia
theo-j karim lena-w mateo freya""".split()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("users", type=int)
    parser.add_argument("each", type=int)
    parser.add_argument("--state", default="open")
    parser.add_argument("--queue", type=int, default=0)
    parser.add_argument("--days", type=float, default=10)
    parser.add_argument("--long", action="store_true", help="every name is as long as names may be")
    arguments = parser.parse_args()
    cases = tomllib.loads((arguments.home / "config.toml").read_text())["testcases"]
    public, private = cases["public"], cases.get("private", [])
    draw = random.Random(7)
    end = datetime.now(timezone.utc)
    start = end - timedelta(days=arguments.days)

    entries = []
    for index in range(arguments.users):
        user = NAMES[index] if index < len(NAMES) else f"student-{index:05}"
        if arguments.long:
            user = f"{user}-maria-of-the-long-family-names"[:31]
        began = draw.uniform(0, 0.5)
        many = max(1, min(arguments.each * 3, round(draw.expovariate(1 / arguments.each))))
        skill = draw.uniform(0.05, 0.9) ** 1.5
        for attempt in range(many):
            when = began + (1 - began) * (draw.random() if attempt else 0) * 0.999
            entries.append((when, user, skill))
    entries.sort()

    progress = {}
    state = {"prev": "0" * 64, "seq": 0}
    results = arguments.home / "results"
    results.mkdir(exist_ok=True, mode=0o700)
    log = results / "log.jsonl"
    log.touch(mode=0o600)
    lines = log.open("w")

    encode = json.JSONEncoder(separators=(",", ":")).encode

    def line(at, event, **fields):
        state["seq"] += 1
        text = encode(
            {"v": 1, "seq": state["seq"], "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "prev": state["prev"],
             "event": event, **fields}
        )
        state["prev"] = hashlib.sha256(text.encode()).hexdigest()
        lines.write(text + "\n")

    def accepted(at, number, user):
        name = str(uuid.UUID(int=draw.getrandbits(128), version=4))
        digest = hashlib.sha256(name.encode()).hexdigest()
        line(at, "accepted", submission=number, id=name, user=user, file=f"{user}_{name}.py", language="py", size=draw.randint(400, 9000),
             sha256=digest, inbox={"changed_ns": number, "inode": number}, role="student", board="open", config_sha256="0" * 64)
        return name, digest

    line(start, "board", state="open", config_sha256="0" * 64)
    number = 0
    for when, user, skill in entries:
        number += 1
        at = start + (end - start) * when
        name, digest = accepted(at, number, user)
        line(at, "started", submission=number, id=name, user=user, attempt=1)
        done = progress.get(user, 0)
        progress[user] = done + 1
        goal = 1180 * (1 + skill)
        total = goal * (1 + 1.2 * 0.75**done * draw.uniform(0.85, 1.1)) / len(public)
        fails = draw.random() < 0.12
        results = []
        for case in public + private:
            score = round(total * draw.uniform(0.97, 1.03) + 0.25 * draw.randint(0, 3), 2)
            failed = fails and case == public[-1]
            took = draw.uniform(0.1, 3)
            results.append({
                "case": case, "verdict": "time-limit" if failed else "accepted", "score": "inf" if failed else score,
                "cpu_seconds": round(took, 3), "wall_seconds": round(took * 1.1, 3), "peak_memory_bytes": draw.randint(9, 200) << 20,
                "message": None, "staff_message": None, "metrics": {} if failed else {"moves": round(score * 3), "waits": round(score / 7)},
                "output_sha256": None, "files": [],
            })
        line(at + timedelta(seconds=draw.choice([9, 11, 12, 14, 15, 19, 25, 38])), "judged", submission=number, id=name, user=user, attempt=1, cases=results, provenance={
            "source_sha256": digest, "evaluator_sha256": "e" * 64, "cases_sha256": "c" * 64, "config_sha256": "0" * 64,
            "engine": "bubblewrap 0.8.0", "image": "host"})
    for index in range(arguments.queue):
        number += 1
        user = NAMES[(index * 5 + 2) % len(NAMES)]
        name, _ = accepted(end, number, user)
        if index < 2:
            line(end, "started", submission=number, id=name, user=user, attempt=1)
    if arguments.state == "closed":
        line(end, "board", state="closed", config_sha256="0" * 64)
    lines.close()


if __name__ == "__main__":
    main()
