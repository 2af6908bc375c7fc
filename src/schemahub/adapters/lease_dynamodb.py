"""Leases as items of a DynamoDB table, for lakes that many machines work on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from schemahub.core import lease as rules
from schemahub.core.errors import ConfigError, StoreError
from schemahub.core.lease import Holder

# A renewal that hangs must not cost the next one, nor a signal its five seconds; a request
# that failed is asked again by whoever renews.
_CONFIG = Config(
    connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1}, max_pool_connections=4
)
# DynamoDB may delete what was not renewed for so long. Nothing else goes by it.
_GARBAGE_AFTER = timedelta(days=1)
_TAKEN = "ConditionalCheckFailedException"
_TOO_MUCH = {"ThrottlingException", "ProvisionedThroughputExceededException"}
_NAMES = {
    "#name": "name", "#owner": "owner", "#generation": "generation", "#nonce": "nonce",
    "#renewed_at": "renewed_at", "#ttl": "ttl", "#expires": "expires_ttl",
}  # fmt: skip


class LeaseItems:
    """adapters.leases.Board in `table`, whose key is the text `name`.

    The keys begin with `lake`, so that lakes may share a table. Every write is conditional on
    the nonce, and one whose answer was lost may be sent again: the holder knows its own.
    """

    host = ""  # an item says nothing of who lives: silence alone counts

    def __init__(self, table: str, lake: str, region: str | None, endpoint: str | None) -> None:
        self._table = table
        self._lake = lake
        self._region = region
        self._endpoint = endpoint

    @cached_property
    def _client(self) -> object:
        with self._translated():
            return boto3.Session().client(
                "dynamodb", region_name=self._region, endpoint_url=self._endpoint, config=_CONFIG
            )

    def check(self) -> None:
        """Raises ConfigError if the table is not there or not of this shape.

        Raises StoreError if DynamoDB does not answer, which is no mistake of a setting.
        """
        try:
            with self._translated():
                self._ask("get_item", Key=self._key("jobs/check"), ConsistentRead=True)
        except StoreError as error:
            cause = error.__cause__
            if isinstance(cause, (NoRegionError, NoCredentialsError, ValueError)):
                raise self._misconfigured(str(cause)) from cause
            if isinstance(cause, ClientError) and _is_mistake(cause):
                raise self._misconfigured(str(cause)) from cause
            raise

    def read(self, name: str) -> Holder | None:
        with self._translated():
            said = self._ask("get_item", Key=self._key(name), ConsistentRead=True)
        item = said.get("Item")
        return None if item is None else self._holder(item)

    def take(self, new: Holder, over: Holder | None, *, dead: bool) -> bool:
        if over is not None and not dead:
            return False
        # Its own token: the answer to the first of two tries may have been lost.
        condition = "begins_with(#nonce, :token)"
        values = {":token": {"S": f"{new.token}."}}
        if over is None:
            # What is no record is nobody's: it has no nonce, or one that nobody could write.
            condition += " OR attribute_not_exists(#nonce)"
        else:
            condition += " OR #nonce = :over"
            values[":over"] = {"S": over.nonce}
        return self._write(new, condition, values)

    def renew(self, new: Holder) -> bool:
        return self._write(new, "begins_with(#nonce, :token)", {":token": {"S": f"{new.token}."}})

    def drop(self, mine: Holder) -> None:
        self._conditional(
            "delete_item",
            Key=self._key(mine.name),
            ConditionExpression="begins_with(#nonce, :token)",
            ExpressionAttributeNames={"#nonce": "nonce"},
            ExpressionAttributeValues={":token": {"S": f"{mine.token}."}},
        )

    def remove(self, name: str) -> bool:
        return self._conditional(
            "delete_item",
            Key=self._key(name),
            ConditionExpression="attribute_exists(#name)",
            ExpressionAttributeNames={"#name": "name"},
        )

    def records(self) -> Iterator[Holder]:
        start: dict[str, Any] = {}
        while True:
            with self._translated():
                page = self._ask(
                    "scan",
                    ConsistentRead=True,
                    FilterExpression="begins_with(#name, :lake)",
                    ExpressionAttributeNames={"#name": "name"},
                    ExpressionAttributeValues={":lake": self._key("")["name"]},
                    **start,
                )
            for item in page["Items"]:
                holder = self._holder(item)
                if holder is not None:
                    yield holder
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    # ------------------------------------------------------------ items

    def _key(self, name: str) -> dict[str, dict[str, str]]:
        return {"name": {"S": f"{self._lake}#{name}"}}

    def _holder(self, item: dict[str, dict[str, str]]) -> Holder | None:
        try:
            return rules.checked(
                Holder(
                    item["name"]["S"].rpartition("#")[2],
                    item["owner"]["S"],
                    int(item["generation"]["N"]),
                    item["nonce"]["S"],
                    datetime.fromisoformat(item["renewed_at"]["S"]),
                    float(item["ttl"]["N"]),
                )
            )
        except (KeyError, ValueError):
            return None

    def _write(self, new: Holder, condition: str, values: dict[str, dict[str, str]]) -> bool:
        expires = int((new.renewed_at + _GARBAGE_AFTER).timestamp())
        told = {
            "owner": {"S": new.owner},
            "generation": {"N": str(new.generation)},
            "nonce": {"S": new.nonce},
            "renewed_at": {"S": new.renewed_at.isoformat()},
            "ttl": {"N": f"{new.ttl:g}"},
            "expires": {"N": str(expires)},
        }
        return self._conditional(
            "update_item",
            Key=self._key(new.name),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in told),
            ConditionExpression=condition,
            ExpressionAttributeNames={name: _NAMES[name] for name in _NAMES if name != "#name"},
            ExpressionAttributeValues={f":{name}": value for name, value in told.items()} | values,
        )

    # ------------------------------------------------------------ asking

    def _conditional(self, verb: str, **more: object) -> bool:
        with self._translated():
            try:
                self._ask(verb, **more)
            except ClientError as error:
                if _code(error) == _TAKEN:
                    return False
                raise
        return True

    def _ask(self, verb: str, **more: object) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self._client, verb)(TableName=self._table, **more)
        return answer

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Botocore's errors become ours here and nowhere else."""
        try:
            yield
        except (BotoCoreError, ClientError, ValueError) as error:
            raise StoreError(
                f"the leases in DynamoDB's table {self._table} cannot be kept",
                str(error),
                "nothing depends on them but the sparing of double work",
            ) from error

    def _misconfigured(self, why: str) -> ConfigError:
        return ConfigError(
            f"leases cannot be kept in DynamoDB's table {self._table}",
            why,
            "make the table with the text `name` as its partition key and let this user read and "
            "write its items, or unset locks_table",
        )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _is_mistake(error: ClientError) -> bool:
    """Refused for what was asked or who asked, not because the service has trouble."""
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
    return 400 <= status < 500 and _code(error) not in _TOO_MUCH  # noqa: PLR2004
