"""The deployment as the real terraform sees it, offline, and by the rules of AWS it cannot see."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.terraform.deployment import SOURCE, Plan, Refused, copy, environment, resources
from tests.terraform.rules import RULES

pytestmark = pytest.mark.heavy


def test_its_files_are_formatted(tmp_path: Path) -> None:
    here = copy(tmp_path / "copy")
    here.run("fmt", "-check", "-recursive", "-diff")


def test_its_own_tests_pass(tmp_path: Path) -> None:
    said = copy(tmp_path / "copy").run("test", "-no-color")
    assert "0 failed" in said
    assert re.search(r"[5-9] passed", said)


@pytest.mark.parametrize("rule", RULES)
def test_the_plan_keeps_the_rules(plan: Plan, rule: str) -> None:
    assert list(RULES[rule](plan)) == []


def test_the_example_of_variables_can_be_planned(tmp_path: Path) -> None:
    here = copy(tmp_path / "copy")
    shutil.copy(SOURCE / "terraform.tfvars.example", here.folder / "terraform.tfvars")
    assert resources(here.plan(), "aws_glue_catalog_table").keys() >= {
        'aws_glue_catalog_table.raw["coinbase"]', 'aws_glue_catalog_table.raw["kraken"]',
    }  # fmt: skip


def test_the_example_of_a_remote_state_is_valid(tmp_path: Path) -> None:
    here = copy(tmp_path / "copy")
    shutil.copy(SOURCE / "backend.tf.example", here.folder / "backend.tf")
    here.run("validate", "-no-color")


def test_outputs_print_the_next_commands(plan: Plan) -> None:
    told = plan["planned_values"]["outputs"]
    assert {"push_image", "first_run", "first_query", "dashboard", "lake"} <= set(told)
    assert "docker login" in told["push_image"]["value"]
    assert "--work-group schemahub" in told["first_query"]["value"]


def test_no_lock_file_of_the_mirror_lies_beside_the_real_thing() -> None:
    assert not (SOURCE / ".terraform.lock.hcl").exists()


# A mistake: the file, what stands there, what is planted instead.
MISTAKES = {
    "typo in an argument": ("ecs.tf", "requires_compatibilities = ", "requires_compatibilites = "),
    "typo in a block": ("s3.tf", "  versioning_configuration {", "  versioning_configuraton {"),
    "typo in a resource": ("network.tf", '"aws_internet_gateway" "main"', '"aws_internet_gatway" "main"'),
    "an argument that AWS decides": ("logs.tf", "  name              = local.log_group", "  arn = local.log_group\n  name              = local.log_group"),
    "wrong type": ("lambda.tf", "  timeout     = 900", '  timeout     = "long"'),
    "a reference to nothing": ("ecs.tf", "aws_iam_role.execution.arn", "aws_iam_role.executor.arn"),
    "a required argument left out": ("schedules.tf", "  schedule_expression          = each.value\n", ""),
    "a schedule of another service": ("locals.tf", '"cron(0 ${local.hours} * * ? *)"', '"0 */6 * * *"'),
    "day and weekday both": ("locals.tf", '"cron(45 ${local.hours} * * ? *)"', '"cron(45 ${local.hours} * * * *)"'),
    "cpu without that memory": ("ecs.tf", "tostring(var.memory)", '"3000"'),
    "a root that can be written": ("ecs.tf", "readonlyRootFilesystem = true", "readonlyRootFilesystem = false"),
    "root": ("ecs.tf", "= var.container_user", '= "root"'),
    "a command that is none": ("locals.tf", '"schemahub", "compact"', '"schemahub", "compacted"'),
    "an option that is none": ("locals.tf", '"transform", "--no-progress"', '"transform", "--noprogress"'),
    "a setting that is none": ("locals.tf", "SCHEMAHUB_DATABASE  ", "SCHEMAHUB_DATABASES "),
    "a setting that cannot be": ("locals.tf", 'SCHEMAHUB_CATALOG          = "glue"', 'SCHEMAHUB_CATALOG          = "Glue"'),
    "open ingress": ("network.tf", 'resource "aws_vpc_security_group_egress_rule" "https" {', 'resource "aws_vpc_security_group_ingress_rule" "https" {'),
    "all goes out": ("network.tf", "  to_port           = 443", "  to_port           = 65535"),
    "delete allowed to ingest": ("iam.tf", "      delete = [local.cache, local.trial]", "      delete = [local.parts, local.cache, local.trial]"),
    "repair may delete raw": ("iam.tf", "local.cache], local.evidence)", "local.cache], [local.raw])"),
    "an action that is none": ("iam.tf", '"dynamodb:GetItem", ', '"dynamodb:ReadItem", '),
    "a wildcard": ("iam.tf", '["ecs:RunTask"]', '["ecs:*"]'),
    "no ARN": ("iam.tf", "Resource = [local.arn.images]", "Resource = [aws_ecr_repository.image.name]"),
    "data may be replaced": ("s3.tf", '"s3:if-none-match" = "true"', '"s3:if-none-match" = "false"'),
    "an archive": ("s3.tf", "storage_class = rule.value", 'storage_class = "DEEP_ARCHIVE"'),
    "the key of no attribute": ("dynamodb.tf", '  hash_key     = "name"', '  hash_key     = "lease"'),
    "the wrong attribute expires": ("dynamodb.tf", '"expires_ttl"', '"ttl"'),
    "a column's type": ("glue.tf", '{ name = "trade_id", type = "long"', '{ name = "trade_id", type = "int"'),
    "a metric that nobody tells": ("alarms.tf", 'metric = "MissingTrades"', 'metric = "TradesMissing"'),
    "a run that never happens": ("alarms.tf", '      missing = "breaching"\n    }\n    "run-failed"', '      missing = "missing"\n    }\n    "run-failed"'),
    "silence that is seen a day late": ("alarms.tf", "      period      = 3600, periods = local.silent_hours\n      # No run", "      period      = local.run_seconds, periods = 2\n      # No run"),
    "a field that no event has": ("dashboard.tf", "stats sum(trades) by bin", "stats sum(rows) by bin"),
    "an event that nobody tells": ("dashboard.tf", "filter event = 'market.done' | stats sum(trades) by bin", "filter event = 'market.ended' | stats sum(trades) by bin"),
    "a panel over another": ("dashboard.tf", "x = n * 6, y = 4", "x = n * 5, y = 4"),
    "a panel of nothing": ("dashboard.tf", '["SchemaHub", "SpanDays"', '["SchemaHub", "SpanYears"'),
    "no limit of a query": ("athena.tf", "enforce_workgroup_configuration    = true", "enforce_workgroup_configuration    = false"),
    "SQL that does not parse": ("queries/latest_trades.sql", "ORDER BY trade_ts", "ORDER trade_ts BY"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_found(tmp_path: Path, name: str) -> None:
    from tests.terraform.conftest import VARIABLES
    from tests.terraform.rules import broken

    here = copy(tmp_path / "copy")
    here.change(*MISTAKES[name])
    try:
        found = broken(here.plan(**VARIABLES))
    except (Refused, KeyError) as error:
        found = [str(error)]
    assert found


# ---------------------------------------------------------------- checkov


def skipped() -> dict[str, str]:
    lines = (SOURCE / ".checkov.yaml").read_text().splitlines()
    found = [
        re.fullmatch(r"  - (CKV\w+)\s+# (.+)", line) for line in lines if line.startswith("  - ")
    ]
    assert all(found), "a skip without a reason"
    return {one[1]: one[2] for one in found if one}


def test_checkov_finds_nothing_but_what_is_left_out_with_a_reason(tmp_path: Path) -> None:
    program = environment("checkov") / "bin" / "checkov"
    # Without the list of skips: so a skip that has become needless is found, too.
    for file in SOURCE.glob("*.tf"):
        shutil.copy(file, tmp_path)
    done = subprocess.run(
        [program, "-d", tmp_path, "--framework", "terraform", "--quiet", "--compact", "--skip-download", "-o", "json"],
        stdout=subprocess.PIPE, check=False, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    told = json.loads(done.stdout)
    results = (told[0] if isinstance(told, list) else told)["results"]
    assert {one["check_id"] for one in results["failed_checks"]} == set(skipped())
    assert all(len(reason) > 20 for reason in skipped().values())
