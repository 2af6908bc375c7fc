"""`python -m fuzz TARGET`: runs one target until the time is over or a promise is broken.

`exact` is no fuzzing: it sends `--count` generated trades from the wire to SQL's text.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import FunctionType, ModuleType

from fuzz.mutator import Mutator
from fuzz.targets import TARGETS, Target
from tests.adapters.decimals import differing

EXACT = "exact"
MOST_KEPT = 2_000
EACH = 256  # inputs between two looks at the clock


def main() -> int:
    """0 if every promise held, 1 with the input that broke one."""
    asked = _arguments()
    if asked.target == EXACT:
        return _exact(asked.count, asked.seed)
    target = TARGETS[asked.target]
    if asked.input is not None:
        print(target.check(asked.input.read_bytes()))
        return 0
    if asked.engine == "atheris":
        return _by_atheris(target, asked.seconds, asked.seed)
    return _by_mutator(asked.target, target, asked.seconds, asked.seed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted([*TARGETS, EXACT]))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same inputs")
    parser.add_argument("--engine", choices=("mutator", "atheris"), default="mutator",
                        help="atheris is led by coverage, and has to be installed")  # fmt: skip
    parser.add_argument("--count", type=int, default=1_000_000,
                        help=f"of {EXACT}: decimals from the wire to SQL's text")  # fmt: skip
    parser.add_argument("--input", type=Path, help="only this file, as a finding was stored")
    return parser.parse_args()


def _exact(count: int, seed: int) -> int:
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        wrong = differing(Path(folder), count, seed)
    print(f"{EXACT}: {count:,} trades, {2 * count:,} decimals, {wrong} of the trades differ, "
          f"{time.monotonic() - start:.0f} s, seed {seed}")  # fmt: skip
    return 1 if wrong else 0


def _by_mutator(name: str, target: Target, seconds: float, seed: int) -> int:
    mutator = Mutator(target.seeds, target.words, seed)
    outcomes: dict[str, int] = {}
    done, start = 0, time.monotonic()
    data = b""
    try:
        for data in target.seeds:
            outcomes[target.check(data)] = 1
        while time.monotonic() - start < seconds:
            for _ in range(EACH):
                data = mutator.next()
                outcome = target.check(data)
                if outcome not in outcomes and len(outcomes) < MOST_KEPT:
                    mutator.keep(data)
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
            done += EACH
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            print(f"{name}: stopped after {done:,} inputs")
            raise
        traceback.print_exc()
        print(f"{name}: a promise is broken; the input is {_stored(name, data)}")
        return 1
    took = time.monotonic() - start
    print(f"{name}: {done:,} inputs in {took:.0f} s, {done / took:,.0f}/s, "
          f"{len(outcomes)} different outcomes, seed {seed}")  # fmt: skip
    for outcome, count in sorted(outcomes.items(), key=lambda one: -one[1])[:8]:
        print(f"  {count:>10,}  {outcome}")
    return 0


def _stored(name: str, data: bytes) -> Path:
    path = Path(f"fuzz-{name}-{hashlib.sha256(data).hexdigest()[:12]}.bin")
    path.write_bytes(data)
    return path


def _by_atheris(target: Target, seconds: float, seed: int) -> int:
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: `pip install atheris`, or leave --engine out")
        return 2
    for name, module in list(sys.modules.items()):
        if name.startswith("schemahub."):
            _watch(atheris, module)
    options = [f"-max_total_time={int(seconds)}", f"-seed={seed}", "-max_len=4096"]
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(target.seeds):
            Path(corpus, str(number)).write_bytes(data)
        atheris.Setup([sys.argv[0], *options, corpus], lambda data: _checked(target, data))
        atheris.Fuzz()
    return 0


def _watch(atheris: ModuleType, module: ModuleType) -> None:
    """Coverage of a module that is imported already: its functions, and those of its classes."""
    for name, value in list(vars(module).items()):
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            setattr(module, name, atheris.instrument_func(value))
        elif isinstance(value, type) and value.__module__ == module.__name__:
            for inner, function in list(vars(value).items()):
                if isinstance(function, FunctionType):
                    setattr(value, inner, atheris.instrument_func(function))


def _checked(target: Target, data: bytes) -> None:
    target.check(data)


if __name__ == "__main__":
    sys.exit(main())
