"""Spans and coverages as hypothesis draws them, and the model they are held against: sets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from schemahub.core.span import Coverage, Span

SMALL = 60


def spans(highest: int = SMALL) -> st.SearchStrategy[Span]:
    """Short spans, so that they touch, overlap and nest often."""
    return st.builds(
        lambda start, length: Span(start, min(highest, start + length)),
        st.integers(0, highest - 1),
        st.integers(1, max(1, highest // 4)),
    )


def coverages(highest: int = SMALL) -> st.SearchStrategy[Coverage]:
    return st.lists(spans(highest), max_size=8).map(Coverage.of)


def points(coverage: Coverage) -> set[int]:
    return {position for span in coverage for position in range(span.start, span.stop)}


def is_normal(coverage: Coverage) -> bool:
    """Sorted, disjoint, not touching."""
    return all(left.stop < right.start for left, right in pairwise(coverage.spans))
