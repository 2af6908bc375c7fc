"""What each role may do against what was seen done: nothing missing, nothing to spare.

`tests/aws_calls.json`, written by the recorder of calls (tests/aws_calls.py), is what was seen:
(role, service, operation, place). Before it is there only `compare` itself is tested.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.terraform.deployment import Plan
from tests.terraform.rules import policies

Need = tuple[str, str]  # an IAM action, an ARN

# Allowed although no recorded run does it: each with the reason.
SPARED = {
    "kms:Decrypt": "only with a key of one's own",
    "kms:GenerateDataKey": "only with a key of one's own",
}


def grants(plan: Plan, role: str) -> list[tuple[str, str]]:
    """(action, ARN with wildcards) that a task's role allows; `quality` is the function's."""
    address = (
        "aws_iam_role_policy.quality"
        if role == "quality"
        else f'aws_iam_role_policy.task["{role}"]'
    )
    return [
        (action, arn)
        for one in policies(plan)[address]
        if one["Effect"] == "Allow"
        for action in one["Action"]
        for arn in one["Resource"]
    ]


def compare(
    needs: Iterable[Need], granted: Iterable[tuple[str, str]], spared: Mapping[str, str]
) -> Iterator[str]:
    """What is missing, and which granted action nobody needs. `*` in a need's ARN is any text."""
    needs, granted = list(needs), list(granted)
    for action, arn in needs:
        if not any(action == each and _covers(pattern, arn) for each, pattern in granted):
            yield f"missing: {action} on {arn}"
    used = {action for action, _ in needs}
    for action in sorted({each for each, _ in granted} - used - set(spared)):
        yield f"to spare: {action}"


def _covers(pattern: str, arn: str) -> bool:
    """Region and account of a need are not known (`*`): those parts are not compared."""
    mine, theirs = pattern.split(":", 5), arn.split(":", 5)
    if len(mine) < 6 or len(theirs) < 6:
        return pattern == arn
    alike = all(b in (a, "*") for a, b in zip(mine[:5], theirs[:5], strict=True))
    return alike and fnmatchcase(theirs[5], mine[5])


GRANTED = [
    ("s3:PutObject", "arn:aws:s3:::b/lake/raw_*/*"),
    ("glue:GetTable", "arn:aws:glue:eu-central-1:1:table/d/*"),
]


def test_what_is_covered_is_well() -> None:
    needs = [
        ("s3:PutObject", "arn:aws:s3:::b/lake/raw_x_trades/A/1"),
        ("glue:GetTable", "arn:aws:glue:*:*:table/d/trades"),
    ]
    assert list(compare(needs, GRANTED, {})) == []


@pytest.mark.parametrize("need", [
    ("s3:DeleteObject", "arn:aws:s3:::b/lake/raw_x_trades/A/1"),
    ("s3:PutObject", "arn:aws:s3:::b/lake/unified_trades/v1"),
    ("glue:GetTable", "arn:aws:glue:*:*:table/other/trades"),
])  # fmt: skip
def test_what_is_not_covered_is_missing(need: Need) -> None:
    assert any(one.startswith(f"missing: {need[0]}") for one in compare([need], GRANTED, {}))


def test_what_nobody_needs_is_told() -> None:
    needs = [("glue:GetTable", "arn:aws:glue:*:*:table/d/trades")]
    assert list(compare(needs, GRANTED, {})) == ["to spare: s3:PutObject"]
    assert list(compare(needs, GRANTED, {"s3:PutObject": "why"})) == []


@pytest.mark.heavy
def test_every_job_has_a_role_that_may_read_and_write_its_lake(plan: Plan) -> None:
    for role in ("ingest", "transform", "run", "compact", "repair", "quality"):
        allowed: dict[str, Any] = {action: None for action, _ in grants(plan, role)}
        assert {"s3:ListBucket", "s3:GetObject", "s3:PutObject"} <= set(allowed), json.dumps(role)
