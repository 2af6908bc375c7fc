"""Metadata of the published tables, damaged at random: told as the catalog's fault, or harmless."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import Make

# The last: a table of that name and of another schema, which somebody else may have made.
CODES = {"SH-CATALOG", "SH-PROOF", "SH-TABLE-LOST", "SH-CONFIG"}
KINDS = ("empty", "cut", "bit", "bytes", "json", "gone", "another's")


def damaged(dice: random.Random, kind: str, data: bytes, others: list[Path]) -> bytes | None:
    """None: the file is removed."""
    changed = bytearray(data)
    match kind:
        case "cut":
            return data[: dice.randrange(len(data))]
        case "bit":
            changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            return bytes(changed)
        case "bytes":
            for _ in range(30):
                changed[dice.randrange(len(data))] = dice.randrange(256)
            return bytes(changed)
        case "json":
            return dice.choice([b"{}", b"[]", b"null", b"1", b'"x"', b"[" * 100_000])
        case "another's":
            return dice.choice(others).read_bytes()
        case _:
            return b"" if kind == "empty" else None


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(4))
def test_damage_is_the_catalogs_fault_or_harmless(make: Make, seed: int) -> None:
    w = make(1_500)
    w.fetch()
    w.ok("publish")
    warehouse, kept = w.lake / "iceberg", w.lake.parent / "kept"
    shutil.copytree(warehouse, kept)
    names = [path.relative_to(kept) for path in sorted(kept.rglob("metadata/*"))]
    names += [path.relative_to(kept) for path in kept.glob("*.db")]
    assert len(names) > 20
    dice = random.Random(seed)
    told = 0
    for kind in KINDS:
        name = dice.choice(names)
        others = [kept / other for other in names if other != name]
        found = damaged(dice, kind, (kept / name).read_bytes(), others)
        (warehouse / name).unlink()
        if found is not None:
            (warehouse / name).write_bytes(found)
        for options in (["--verify"], []):
            said = w.run("publish", *options)
            assert said.code in {0, 1, 3, 4}, (kind, name, said)
            if said.code:
                codes = {line.split()[1].rstrip(":") for line in said.errors}
                assert codes <= CODES, (kind, name, said)
                told += bool(codes)
        shutil.rmtree(warehouse)
        shutil.copytree(kept, warehouse)
    assert told
    assert w.certificate()["status"] == "proven"
