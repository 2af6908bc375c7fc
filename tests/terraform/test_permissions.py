"""What a role may do against what is needed: nothing missing, nothing to spare.

What is seen of the real program is compared in test_roles.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

import pytest

from tests.terraform.deployment import Plan
from tests.terraform.rules import policies

Need = tuple[str, str]  # an IAM action, an ARN


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
    needs: Iterable[Need], granted: Iterable[tuple[str, str]], spared: Mapping[tuple[str, str], str]
) -> Iterator[str]:
    """What is missing, and which grants nobody used. `*` in a need's ARN is any text.

    `spared` are grants that may be unused: the action and the end of the ARN, with the reason.
    """
    needs, granted = sorted(needs), list(granted)
    for action, arn in needs:
        if not any(action == each and _covers(pattern, arn) for each, pattern in granted):
            yield f"missing: {action} on {arn}"
    for action, pattern in granted:
        used = any(action == each and _covers(pattern, arn) for each, arn in needs)
        let = any(action == each and pattern.endswith(end) for each, end in spared)
        if not used and not let:
            yield f"to spare: {action} on {pattern}"


def _covers(pattern: str, arn: str) -> bool:
    """Region and account of a need are not known (`*`): those parts are not compared."""
    mine, theirs = pattern.split(":", 5), arn.split(":", 5)
    if len(mine) < 6 or len(theirs) < 6:
        return pattern == arn
    alike = all(b in (a, "*") for a, b in zip(mine[:5], theirs[:5], strict=True))
    return alike and (fnmatchcase(theirs[5], mine[5]) or fnmatchcase(mine[5], theirs[5]))


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
    told = "to spare: s3:PutObject on arn:aws:s3:::b/lake/raw_*/*"
    assert list(compare(needs, GRANTED, {})) == [told]
    assert list(compare(needs, GRANTED, {("s3:PutObject", "/raw_*/*"): "why"})) == []
