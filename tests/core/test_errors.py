"""Every error says what, why and what to do, has a code, and survives the way between processes."""

from __future__ import annotations

import pickle

import pytest

from schemahub.core import errors
from schemahub.core.errors import SchemaHubError

MADE: tuple[tuple[SchemaHubError, int], ...] = (
    (SchemaHubError("what", "why", "do"), 1),
    (errors.UsageError("what", "why", "do"), 2),
    (errors.ConfigError("what", "why", "do"), 6),
    (errors.SpecError("what", ("line 1: a", "line 2: b"), "do"), 6),
    (errors.StoreError("what", "why", "do"), 1),
    (errors.ObjectMissing("what", "why", "do"), 1),
    (errors.ObjectCorrupt("key", "why"), 1),
    (errors.RawUnread("key", "why"), 1),
    (errors.ExchangeError("what", "why", "do"), 1),
    (errors.Unreachable("what", "why", "do"), 1),
    (errors.Refused("what", "why", "do", 404), 1),
    (errors.Throttled("what", "why", "do"), 1),
    (errors.BadAnswer("what", "why", "do", b"body", "url"), 1),
    (errors.IdsRestarted("what", "why", "do"), 1),
    (errors.TooManyRejects("what", "why", "do"), 1),
    (errors.ProofFailed("what", "why", "do"), 4),
    (errors.QualityFailed("what", "why", "do"), 4),
    (errors.LeaseHeld("what", "why", "do"), 5),
    (errors.CatalogError("what", "why", "do"), 1),
    (errors.TableLost("what", "why", "do"), 1),
    (errors.EngineError("what", "why", "do"), 1),
    (errors.PartlyFailed("what", "why", "do"), 3),
    (errors.Interrupted(), 130),
    (errors.Interrupted(15), 143),
)
each = pytest.mark.parametrize(("error", "exit_code"), MADE, ids=lambda one: type(one).__name__)


def kinds(base: type[SchemaHubError]) -> set[type[SchemaHubError]]:
    return {base}.union(*(kinds(kind) for kind in base.__subclasses__()))


def test_no_error_is_forgotten_here_or_shares_its_code() -> None:
    ours = {kind for kind in kinds(SchemaHubError) if kind.__module__ == errors.__name__}
    assert {type(error) for error, _ in MADE} == ours
    assert len({kind.code for kind in ours}) == len(ours)
    assert all(kind.code.startswith("SH-") for kind in ours)


def test_the_tree_at_the_top_of_the_module_names_every_error_with_its_exit_code() -> None:
    drawn = errors.__doc__ or ""
    for error, exit_code in MADE:
        line = next(line for line in drawn.splitlines() if f" {type(error).__name__} " in line)
        assert str(exit_code) in line or type(error) is SchemaHubError


@each
def test_an_error_ends_a_run_with_its_exit_code(error: SchemaHubError, exit_code: int) -> None:
    assert error.exit_code == exit_code


@each
def test_an_error_says_what_and_why_on_one_line(error: SchemaHubError, exit_code: int) -> None:
    assert error.what
    assert error.what in str(error)
    assert error.why in str(error)
    assert "\n" not in str(error)
    assert error.do


@each
def test_an_error_comes_back_whole_from_another_process(
    error: SchemaHubError, exit_code: int
) -> None:
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own)
    assert type(back) is type(error)
    assert vars(back) == vars(error)
    assert str(back) == str(error)
    assert back.exit_code == exit_code


def test_without_a_why_an_error_is_its_what() -> None:
    assert str(SchemaHubError("what")) == "what"
    assert str(SchemaHubError("what", "why")) == "what — why"


def test_errors_carry_what_is_needed_to_act_on_them() -> None:
    assert errors.SpecError("what", ("line 1: a", "line 2: b")).mistakes == (
        "line 1: a",
        "line 2: b",
    )
    assert errors.ObjectCorrupt("key", "why").key == "key"
    assert errors.Refused("what", "why", "do", 451).status == 451
    bad = errors.BadAnswer("what", body=b"<html>", url="https://x")
    assert (bad.body, bad.url) == (b"<html>", "https://x")
