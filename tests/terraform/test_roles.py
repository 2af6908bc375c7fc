"""The roles of the plan against what the program does on AWS: seen, not read from the code.

S3 is seen by a proxy for each role, since pyiceberg does not go through boto3; the rest by a
hook of botocore. The database and its table `trades` are there before, as Terraform makes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import NestedField

from schemahub.sandbox import Generated, Sandbox
from tests.aws_world import AwsWorld, aws_world
from tests.e2e.world import BTC, Clock
from tests.lease_places import TABLE
from tests.s3_actions import prefixes
from tests.s3_server import BUCKET, REGION, S3Server
from tests.terraform.deployment import Plan, resources
from tests.terraform.rules import policies
from tests.terraform.test_permissions import compare, grants

if TYPE_CHECKING:
    from pyiceberg.table import Table

pytestmark = pytest.mark.heavy
ETH = "ETH-USD"
TASKS = ("ingest", "transform", "run", "compact", "repair")

Spared = dict[tuple[str, str], str]
_BACK = "what was created is read back where the answer was lost"
_TRIAL = "an empty bucket is tried out once"
_ROWS = "there is none where no row is refused and no answer is unreadable"
_NAMES = "Glue wants catalog and database beside the table that was asked for"
_LARGER = "larger parts are made from 2^18 trades on"
_ATHENA = "Athena does it in the name of whoever asks; the stand-in of the tests does not ask"


def _read_back(*folders: str) -> Spared:
    return {("s3:GetObject", f"/{one}/*"): _BACK for one in folders}


def _names(action: str) -> Spared:
    return {(action, end): _NAMES for end in (":catalog", ":database/schemahub", "/schemahub/*")}


_REFUSED: Spared = {("s3:PutObject", "/quarantine/*"): _ROWS, **_read_back("quarantine")}
SPARED: dict[str, Spared] = {
    "ingest": {
        ("s3:GetObject", "/seeds/*"): "read where no market is named",
        ("s3:PutObject", "/seeds/*"): "`update-seed` is run as this task",
        **_read_back("runs"), **_REFUSED,
    },
    "transform": {
        ("s3:DeleteObject", "/bars_1m/*"): "bars that are not their part's are made anew",
        **_read_back("runs", "bars_1m", "unified_trades"), **_REFUSED,
    },
    "run": {
        ("s3:GetObject", "/probe-*"): _TRIAL, ("s3:PutObject", "/probe-*"): _TRIAL,
        ("s3:DeleteObject", "/probe-*"): _TRIAL,
        ("s3:GetObject", "/seeds/*"): "read where no market is named",
        ("s3:DeleteObject", "/checkpoints/*"): "a checkpoint of before an older origin goes",
        ("s3:DeleteObject", "/bars_1m/*"): "bars that are not their part's are made anew",
        ("glue:GetDatabase", "/schemahub/*"): _NAMES,
        ("s3:DeleteObject", "/iceberg/*"): "metadata of expired snapshots, a day later",
        **_read_back("runs", "bars_1m", "unified_trades"), **_REFUSED,
    },
    "compact": {
        ("s3:DeleteObject", "/quarantine/*"): _ROWS,
        ("s3:GetObject", "/raw_*/*"): _LARGER, ("s3:PutObject", "/unified_trades/*"): _LARGER,
        ("s3:PutObject", "/bars_1m/*"): _LARGER,
        **_read_back("runs", "bars_1m"), **_REFUSED, **_names("glue:GetTable"),
    },
    "repair": {
        ("s3:PutObject", "/raw_*/*"): "what raw lacks is fetched again; here a part was damaged",
        ("s3:PutObject", "/checkpoints/*"): "the same",
        ("s3:DeleteObject", "/bars_1m/*"): "damaged bars",
        ("s3:DeleteObject", "/quarantine/*"): _ROWS,
        ("s3:DeleteObject", ".absent.jsonl.zst"): "damaged evidence is asked for anew",
        ("s3:DeleteObject", ".seen.*.jsonl.zst"): "the same",
        **_read_back("runs", "bars_1m"), **_REFUSED,
    },
    "quality": {
        ("s3:GetBucketLocation", ""): _ATHENA, ("s3:GetObject", ""): _ATHENA,
        ("s3:PutObject", "/athena/*"): _ATHENA, ("s3:AbortMultipartUpload", ""): _ATHENA,
        ("s3:ListMultipartUploadParts", ""): _ATHENA,
        ("athena:StopQueryExecution", ""): "only where time is over",
        ("glue:GetDatabase", ""): _ATHENA, ("glue:GetTable", ""): _ATHENA,
        ("glue:GetTables", ""): _ATHENA, ("glue:GetPartition", ""): _ATHENA,
        ("glue:GetPartitions", ""): _ATHENA,
        ("logs:CreateLogStream", ""): "Lambda writes the log in the function's name",
        ("logs:PutLogEvents", ""): "the same",
    },
}  # fmt: skip


def variables(plan: Plan) -> dict[str, str]:
    function = resources(plan, "aws_lambda_function")["aws_lambda_function.quality"]
    return dict(function["environment"][0]["variables"])


def declared(plan: Plan, world: AwsWorld) -> Table:
    """`trades` as the plan has it, in the world's Glue."""
    made = resources(plan, "aws_glue_catalog_table")["aws_glue_catalog_table.trades"]
    given = made["open_table_format_input"][0]["iceberg_input"][0]["iceberg_table_input"][0]
    fields = [
        NestedField.model_validate(
            {"id": one["id"], "name": one["name"], "type": json.loads(one["type"]),
             "required": one["required"], "doc": one["doc"]}
        )
        for one in given["schema"][0]["fields"]
    ]  # fmt: skip
    parts = [
        PartitionField(one["source_id"], one["field_id"], IdentityTransform(), one["name"])
        for one in given["partition_spec"][0]["fields"]
    ]
    environment = world.environment
    catalog = GlueCatalog("plan", **{
        "glue.endpoint": environment["AWS_ENDPOINT_URL_GLUE"], "glue.region": REGION,
        "s3.endpoint": world.s3.url, "s3.region": REGION,
        "s3.access-key-id": environment["AWS_ACCESS_KEY_ID"],
        "s3.secret-access-key": environment["AWS_SECRET_ACCESS_KEY"],
        "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
    })  # fmt: skip
    catalog.create_namespace(environment["SCHEMAHUB_DATABASE"])
    place = given["location"].removeprefix(f"s3://{variables(plan)['S3_BUCKET']}/")
    return catalog.create_table(
        (environment["SCHEMAHUB_DATABASE"], "trades"),
        Schema(*fields),
        location=f"s3://{environment['S3_BUCKET']}/{place}",
        partition_spec=PartitionSpec(*parts),
        properties={"format-version": "2"},
    )


def ok(world: AwsWorld, command: str, *more: str, role: str = "") -> None:
    said = world.run(command, *more, role=role or command)
    assert said.code == 0, f"{command}: {said.code}\n{said.out}\n{said.err}"


def damaged(world: AwsWorld, folder: str) -> None:
    """The live part is no longer what it was."""
    key = max(one for one in world.objects() if one.startswith(folder) and one.endswith(".parquet"))
    world.s3.client.put_object(Bucket=BUCKET, Key=f"{world.prefix}/{key}", Body=b"damage")


@pytest.fixture(scope="module")
def world(
    plan: Plan, seaweed_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AwsWorld]:
    """After every kind of task, the first two of them as tasks of their own."""
    sources = {BTC: Generated(seed=5, trades=3000), ETH: Generated(seed=6, trades=500)}
    folder = tmp_path_factory.mktemp("roles")
    with Sandbox(sources, clock=Clock()) as box, aws_world(seaweed_server, box, folder) as made:
        made.gated = True
        told = variables(plan)
        made.environment |= {
            name: told[name]
            for name in (
                "SCHEMAHUB_DATABASE",
                "SCHEMAHUB_CATALOG",
                "SCHEMAHUB_PUBLISH",
                "SCHEMAHUB_ATHENA_WORKGROUP",
            )
        }
        made.athena.manners.workgroups[told["SCHEMAHUB_ATHENA_WORKGROUP"]] = ""
        # As tasks have it (terraform/ecs.tf).
        made.environment["SCHEMAHUB_QUALITY"] = "false"
        declared(plan, made)
        ok(made, "ingest", BTC, ETH, "--full")
        ok(made, "transform")
        for count in (0, 500):
            box.grow(BTC, count)
            ok(made, "run", BTC, ETH)
        box.grow(BTC, 500)
        ok(made, "ingest", BTC)
        ok(made, "transform")
        # A day's publishes later: no snapshot names what was superseded.
        ok(made, "publish", "--keep", "0s", role="run")
        ok(made, "compact", "--grace", "0s")
        damaged(made, "unified_trades/")
        ok(made, "repair", BTC, ETH)
        with made.quality(SCHEMAHUB_FAIL_ON="never") as function:
            state, body = function.invoke({})
            assert state == "ok", body
        yield made


def needs(world: AwsWorld, plan: Plan, role: str) -> set[tuple[str, str]]:
    """By the names of the plan."""
    told = variables(plan)
    lake = told["S3_BUCKET"]
    names = {
        f":::{BUCKET}/{world.prefix}/": f":::{lake}/",
        f":table/{TABLE}": f":table/{told['DYNAMODB_LOCKS_TABLE']}",
    }

    def renamed(arn: str) -> str:
        if arn == f"arn:aws:s3:::{BUCKET}":
            return f"arn:aws:s3:::{lake.partition('/')[0]}"
        for ours, theirs in names.items():
            arn = arn.replace(ours, theirs)
        return arn

    return {(action, renamed(arn)) for action, arn in world.needs(role)}


@pytest.mark.parametrize("role", [*TASKS, "quality"])
def test_a_role_may_do_what_its_task_does_and_no_more(
    world: AwsWorld, plan: Plan, role: str
) -> None:
    odd = list(compare(needs(world, plan, role), grants(plan, role), SPARED.get(role, {})))
    assert not odd, "\n".join(odd)


@pytest.mark.parametrize("role", [*TASKS, "quality"])
def test_listings_ask_below_the_lake_as_the_policies_demand(
    world: AwsWorld, plan: Plan, role: str
) -> None:
    kind = "quality" if role == "quality" else f'task["{role}"]'
    (statement,) = [
        one for one in policies(plan)[f"aws_iam_role_policy.{kind}"] if one["Sid"] == "List"
    ]
    lake = variables(plan)["S3_BUCKET"].partition("/")[2]
    allowed: list[Any] = statement["Condition"]["StringLike"]["s3:prefix"]
    for asked in prefixes(world.gates[role].asked):
        renamed = asked.replace(world.prefix, lake, 1)
        assert any(fnmatchcase(renamed, one) for one in allowed), asked
