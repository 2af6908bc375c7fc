"""The stand-in for Glue refuses what Glue refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.glue_server import client, glue


def test_of_commits_to_one_version_one_wins(credentials: None) -> None:
    with glue() as url:
        there = client(url)
        there.create_database(DatabaseInput={"Name": "db"})
        there.create_table(DatabaseName="db", TableInput={"Name": "t"})
        version = there.get_table(DatabaseName="db", Name="t")["Table"]["VersionId"]

        def commit(number: int) -> str:
            given: dict[str, Any] = {"Name": "t", "Description": str(number)}
            try:
                there.update_table(DatabaseName="db", TableInput=given, VersionId=version)
            except ClientError as error:
                return str(error.response["Error"]["Code"])
            return "committed"

        with ThreadPoolExecutor(8) as pool:
            said = list(pool.map(commit, range(8)))
        assert sorted(said) == ["ConcurrentModificationException"] * 7 + ["committed"]
        table = there.get_table(DatabaseName="db", Name="t")["Table"]
        assert table["Description"] == str(said.index("committed"))
        there.update_table(DatabaseName="db", TableInput={"Name": "t"})
        with pytest.raises(ClientError, match="EntityNotFound"):
            there.get_table(DatabaseName="db", Name="other")
