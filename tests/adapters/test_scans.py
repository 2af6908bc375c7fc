"""When compiled reading of answers is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemahub import kernels
from schemahub.adapters import scans
from schemahub.core.told import Told
from tests.core.dialect import SPEC

if TYPE_CHECKING:
    import pytest


def test_without_the_extra_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "installed", lambda: False)
    assert scans.scan(SPEC) is None


def test_it_is_loaded_once_enough_was_seen_to_pay_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    told = Told((), (), None)

    def load(self: scans.Deferred) -> object:
        loads.append(self)
        return lambda body, latest: told

    monkeypatch.setattr(kernels, "installed", lambda: True)
    monkeypatch.setattr(scans, "WORTH_LOADING", 100)
    monkeypatch.setattr(scans.Deferred, "_load", load)
    scan = scans.scan(SPEC)
    assert scan is not None
    assert [scan(b"x" * 40, 0) for _ in range(4)] == [None, None, told, told]
    assert len(loads) == 1


def test_who_waits_too_long_for_it_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "WORTH_LOADING", 0)
    monkeypatch.setattr(scans, "PATIENCE", 0.01)
    inner = []

    def load(self: scans.Deferred) -> object:
        inner.append(self(b"x", 0))
        return lambda body, latest: Told((), (), None)

    monkeypatch.setattr(scans.Deferred, "_load", load)
    assert scans.Deferred(SPEC)(b"x", 0) is not None
    assert inner == [None]


def test_kernels_that_cannot_be_loaded_are_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []

    def load(self: scans.Deferred) -> object:
        loads.append(self)
        raise ImportError("made for another Python")

    monkeypatch.setattr(scans, "WORTH_LOADING", 0)
    monkeypatch.setattr(scans.Deferred, "_load", load)
    scan = scans.Deferred(SPEC)
    assert [scan(b"x", 0) for _ in range(3)] == [None] * 3
    assert len(loads) == 1
