"""A built-in exchange on loopback, for the demo, tests and benchmarks. Standard library only.

It shares no code with the rest of schemahub, so that a misreading of an exchange would have to
be made twice to go unseen.
"""

from schemahub.sandbox.bad_rows import BAD_ROWS
from schemahub.sandbox.dialects import DIALECTS
from schemahub.sandbox.exchange import Stats
from schemahub.sandbox.fault_kinds import KINDS
from schemahub.sandbox.faults import Fault, Faults
from schemahub.sandbox.history import Generated, Recorded, Trade
from schemahub.sandbox.server import PortTaken, Sandbox
from schemahub.sandbox.wire import Market

__all__ = [
    "BAD_ROWS",
    "DIALECTS",
    "KINDS",
    "Fault",
    "Faults",
    "Generated",
    "Market",
    "PortTaken",
    "Recorded",
    "Sandbox",
    "Stats",
    "Trade",
]
