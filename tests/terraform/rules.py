"""Rules that the providers' schema does not know, over a plan: what breaks one, in words.

Each is a function of the plan that yields findings; none means it is well. RULES names them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import botocore.session
from click import ClickException

from schemahub.core.errors import SchemaHubError
from schemahub.core.settings import layer, unknown_variables
from tests.command_line import parse
from tests.terraform.deployment import Plan, document, resources
from tests.terraform.rules_watch import alarms, athena, dashboard, logs, queries, tables

# Permissions that are no operation of an API, or not of that name.
ACTIONS = {
    "s3": {"ListBucket", "GetObject", "PutObject", "DeleteObject", "GetBucketLocation",
           "AbortMultipartUpload", "ListMultipartUploadParts", "*"},
    "iam": {"PassRole"},
    "lambda": {"InvokeFunction"},
    "dynamodb": {"GetItem", "UpdateItem", "DeleteItem", "Scan"},
}  # fmt: skip
TMP = "/tmp"  # noqa: S108  (of the container)
MEMORY = {
    256: [512, 1024, 2048],
    **{cpu: range(low, high + 1, step) for cpu, low, high, step in (
        (512, 1024, 4096, 1024), (1024, 2048, 8192, 1024), (2048, 4096, 16384, 1024),
        (4096, 8192, 30720, 1024), (8192, 16384, 61440, 4096), (16384, 32768, 122880, 8192),
    )},
}  # fmt: skip
_ARN = re.compile(r"arn:aws:[a-z0-9-]+:([a-z]{2}(-[a-z]+)+-[0-9])?:([0-9]{12})?:[^\s]+")
_FIELD = {
    "minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (1, 7),
    "year": (1970, 2199),
}  # fmt: skip
_DAYS = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
Found = Iterator[str]


# ---------------------------------------------------------------- tasks and schedules


def schedules(plan: Plan) -> Found:
    for address, one in resources(plan, "aws_scheduler_schedule").items():
        text = one["schedule_expression"]
        found = re.fullmatch(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)", text)
        if found is None:
            yield f"{address}: {text} is no cron(...) of six fields"
            continue
        if (found[3] == "?") == (found[5] == "?"):
            yield f"{address}: of day and weekday exactly one is ?"
        for name, value in zip(_FIELD, found.groups(), strict=True):
            if not _is_field(name, value):
                yield f"{address}: {value} is no {name}"
        target = one["target"][0]
        if not target["retry_policy"] or not target["retry_policy"][0]["maximum_retry_attempts"]:
            yield f"{address}: is not tried again"
        if not target["dead_letter_config"]:
            yield f"{address}: what could not be started is lost"


def _is_field(name: str, value: str) -> bool:
    low, high = _FIELD[name]
    for part in value.split(","):
        bare = re.sub(r"^0/|/[0-9]+$", "", part)
        if part in {"*", "?"} or (name == "weekday" and bare in _DAYS):
            continue
        if not bare.isdigit() or not low <= int(bare) <= high:
            return False
    return True


def containers(plan: Plan) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for address, task in resources(plan, "aws_ecs_task_definition").items():
        for container in document(f'{{"all": {task["container_definitions"]}}}')["all"]:
            yield address, task, container


def tasks(plan: Plan) -> Found:
    found = list(containers(plan))
    if len(found) != 5:  # ingest, transform, run, compact, repair
        yield f"{len(found)} containers"
    for address, task, one in found:
        if int(task["memory"]) not in MEMORY.get(int(task["cpu"]), []):
            yield f"{address}: Fargate has no {task['cpu']} with {task['memory']}"
        if not one.get("readonlyRootFilesystem"):
            yield f"{address}: its root can be written"
        if str(one.get("user", "0")).split(":")[0] in {"", "0", "root"}:
            yield f"{address}: runs as root"
        if not 5 < one.get("stopTimeout", 0) <= 120:  # Fargate's most; ours is 5
            yield f"{address}: stopTimeout {one.get('stopTimeout')}"
        volumes = {each["name"] for each in task["volume"]}
        if [each["containerPath"] for each in one["mountPoints"]] != [TMP] or not volumes:
            yield f"{address}: nowhere to write"
        if one["image"].endswith(":latest") or ":" not in one["image"]:
            yield f"{address}: {one['image']} does not say which image"


def commands(plan: Plan) -> Found:
    for address, _, one in containers(plan):
        program, *words = one["command"]
        if program != "schemahub":
            yield f"{address}: {program} is not the program"
        try:
            parse(words)
        except (ClickException, SchemaHubError) as error:
            yield f"{address}: {one['command']}: {error}"


def environment(plan: Plan) -> Found:
    environments = {address: {each["name"]: each["value"] for each in one["environment"]}
                    for address, _, one in containers(plan)}  # fmt: skip
    for address, one in resources(plan, "aws_lambda_function").items():
        environments[address] = one["environment"][0]["variables"]
    wanted = {"S3_BUCKET", "DYNAMODB_LOCKS_TABLE", "SCHEMAHUB_DATABASE", "SCHEMAHUB_CATALOG",
              "SCHEMAHUB_PUBLISH", "SCHEMAHUB_ATHENA_WORKGROUP",
              "SCHEMAHUB_ATHENA_OUTPUT"}  # fmt: skip
    for address, variables in environments.items():
        if wanted - set(variables):
            yield f"{address} lacks {sorted(wanted - set(variables))}"
        if unknown_variables(variables):
            yield f"{address}: {unknown_variables(variables)} set nothing"
        try:
            settings, _ = layer({}, variables, {}, "")
        except SchemaHubError as error:
            yield f"{address}: {error}"
            continue
        bucket = next(iter(resources(plan, "aws_s3_bucket").values()))["bucket"]
        if settings.bucket_and_prefix[0] != bucket:
            yield f"{address}: the lake is not in {bucket}"
    for address, one in resources(plan, "aws_lambda_function").items():
        if "AWS_REGION" in one["environment"][0]["variables"]:
            yield f"{address}: Lambda refuses AWS_REGION"
        if one["handler"] != "schemahub.aws.quality.handler":
            yield f"{address}: {one['handler']}"


# ---------------------------------------------------------------- policies


def policies(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """The statements of every policy, by the resource's address."""
    kinds = ("aws_iam_role_policy", "aws_s3_bucket_policy", "aws_sns_topic_policy")
    return {
        address: document(one["policy"])["Statement"]
        for kind in kinds
        for address, one in resources(plan, kind).items()
    }


def _each(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def actions(plan: Plan) -> Found:
    for address, statements in policies(plan).items():
        for one in statements:
            for action in _each(one["Action"]):
                service, _, name = action.partition(":")
                if name not in ACTIONS.get(service, set()) | _operations(service):
                    yield f"{address}: {action} is no action"
                if one["Effect"] == "Allow" and "*" in action:
                    yield f"{address}: {action} allows more than is wanted"


@cache
def _operations(service: str) -> frozenset[str]:
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        return frozenset()
    return frozenset(session.get_service_model(service).operation_names)


def arns(plan: Plan) -> Found:
    for address, statements in policies(plan).items():
        for one in statements:
            for arn in _each(one["Resource"]):
                login = "ecr:GetAuthorizationToken" in one["Action"]
                if not _ARN.fullmatch(arn) and not (arn == "*" and login):
                    yield f"{address}: {arn}"


def deletes(plan: Plan) -> Found:
    """Nobody deletes raw but its evidence; data that raw makes again only compact and repair."""
    data = ("unified_trades/", "quarantine/", "quality/", "runs/", "seeds/")
    for address, statements in policies(plan).items():
        for one in statements:
            if one["Effect"] != "Allow" or "s3:DeleteObject" not in _each(one["Action"]):
                continue
            for arn in _each(one["Resource"]):
                key = arn.partition(":::")[2].partition("/schemahub/")[2]
                if not key or key == "*" or re.fullmatch(r"raw_\S*/\*", key):
                    yield f"{address} may delete {arn}"
                if key.startswith(data) and not re.search(r'"(compact|repair)"', address):
                    yield f"{address} may delete {arn}"


def bucket(plan: Plan) -> Found:
    statements = {one["Sid"]: one for one in policies(plan)["aws_s3_bucket_policy.lake"]}
    tls = statements.get("OnlyTls", {})
    if tls.get("Condition") != {"Bool": {"aws:SecureTransport": "false"}}:
        yield "the lake is reached without TLS"
    kept = statements.get("DataIsCreatedNeverReplaced", {})
    condition = {
        "Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}
    }  # fmt: skip
    if kept.get("Condition") != condition or kept.get("Effect") != "Deny":
        yield "data can be replaced"
    folders = {arn.rpartition("/schemahub/")[2] for arn in kept.get("Resource", [])}
    if folders != {"raw_*/*", "unified_trades/*", "bars_1m/*"}:
        yield f"only {sorted(folders)} are kept from being replaced"
    if any(one["force_destroy"] for one in resources(plan, "aws_s3_bucket").values()):
        yield "destroy deletes the lake"
    for rule in resources(plan, "aws_s3_bucket_lifecycle_configuration")[
        "aws_s3_bucket_lifecycle_configuration.lake"
    ]["rule"]:
        for move in rule["transition"]:
            if move["storage_class"] not in {"STANDARD_IA", "INTELLIGENT_TIERING"}:
                yield f"{rule['id']}: {move['storage_class']} is not read at once"
        prefix = rule["filter"][0]["prefix"] if rule["filter"] else None
        if any(each["days"] for each in rule["expiration"]) and prefix != "schemahub/athena/":
            yield f"{rule['id']}: what the program reads expires"


def network(plan: Plan) -> Found:
    for address in resources(plan, "aws_vpc_security_group_ingress_rule"):
        yield f"{address}: something comes in"
    for kind in ("aws_nat_gateway", "aws_eip"):
        yield from resources(plan, kind)
    for address, one in resources(plan, "aws_security_group").items():
        if one.get("ingress"):
            yield f"{address}: something comes in"
    for address, one in resources(plan, "aws_vpc_security_group_egress_rule").items():
        if (one["ip_protocol"], one["from_port"], one["to_port"]) != ("tcp", 443, 443):
            yield f"{address}: more than HTTPS goes out"
    services = {
        one["service_name"].rpartition(".")[2]
        for one in resources(plan, "aws_vpc_endpoint").values()
    }
    if services != {"s3", "dynamodb"}:
        yield f"endpoints: {sorted(services)}"


RULES: dict[str, Callable[[Plan], Found]] = {
    one.__name__: one
    for one in (schedules, tasks, commands, environment, actions, arns, deletes, bucket, network,
                tables, logs, alarms, dashboard, queries, athena)
}  # fmt: skip


def broken(plan: Plan) -> list[str]:
    """All findings, each with its rule's name."""
    return [f"{name}: {found}" for name, rule in RULES.items() for found in rule(plan)]
