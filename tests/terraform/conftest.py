"""One deployment, planned once: with every variable set that makes more of it."""

from __future__ import annotations

import pytest

from tests.terraform.deployment import Plan, copy

VARIABLES: dict[str, object] = {
    "alarm_email": "ops@example.com",
    "billing_alert_email": "ops@example.com",
    "exchanges": ["coinbase", "kraken"],
    "raw_storage_class": "INTELLIGENT_TIERING",
}


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return copy(tmp_path_factory.mktemp("planned") / "copy").plan(**VARIABLES)
