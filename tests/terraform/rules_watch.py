"""The rules of rules.py about tables, queries, metrics, alarms and the dashboard."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sqlglot

from schemahub.core.trade import UNIFIED_SCHEMA
from tests.terraform.deployment import Plan, document, resources
from tests.terraform.told import EVENTS, OF_QUALITY, PER_EXCHANGE, PER_RUN

Found = Iterator[str]

OF_AWS = {
    ("AWS/Lambda", "Errors", ("FunctionName",)),
    ("AWS/Lambda", "Invocations", ("FunctionName",)),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", ("QueueName",)),
}
# Words of Logs Insights' language.
INSIGHTS = {
    "SOURCE", "fields", "filter", "stats", "sort", "limit", "by", "as", "asc", "desc",
    "sum", "min", "max", "avg", "bin",
}  # fmt: skip
RETENTIONS = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557,
              2922, 3288, 3653}  # fmt: skip


# ---------------------------------------------------------------- tables and watching


def tables(plan: Plan) -> Found:
    for address, one in resources(plan, "aws_dynamodb_table").items():
        named = {each["name"]: each["type"] for each in one["attribute"]}
        if one["hash_key"] != "name" or named != {"name": "S"}:
            yield f"{address}: its key is {one['hash_key']} of {named}"
        if [(each["attribute_name"], each["enabled"]) for each in one["ttl"]] != [
            ("expires_ttl", True)
        ]:
            yield f"{address}: nothing expires"
        if one["billing_mode"] != "PAY_PER_REQUEST":
            yield f"{address}: {one['billing_mode']}"
    iceberg = resources(plan, "aws_glue_catalog_table")["aws_glue_catalog_table.trades"]
    table = iceberg["open_table_format_input"][0]["iceberg_input"][0]["iceberg_table_input"][0]
    types = {
        "string": "string",
        "int64": "long",
        "decimal": "decimal(38,12)",
        "timestamp": "timestamptz",
    }
    wanted = [
        (n, c.name, f'"{types[c.kind]}"', not c.nullable) for n, c in enumerate(UNIFIED_SCHEMA, 1)
    ]
    fields = table["schema"][0]["fields"]
    if [(each["id"], each["name"], each["type"], each["required"]) for each in fields] != wanted:
        yield "trades: not UNIFIED_SCHEMA"
    parts = [
        (each["name"], each["source_id"], each["transform"])
        for each in table["partition_spec"][0]["fields"]
    ]
    if parts != [("exchange", 1, "identity"), ("symbol", 2, "identity")]:
        yield f"trades: partitioned by {parts}"


def logs(plan: Plan) -> Found:
    for address, one in resources(plan, "aws_cloudwatch_log_group").items():
        if one["retention_in_days"] not in RETENTIONS:
            yield f"{address}: {one['retention_in_days']} days"


def is_told(namespace: str, name: str, dimensions: tuple[str, ...]) -> bool:
    """Whether anybody tells this metric with these dimensions."""
    if namespace != "SchemaHub":
        return (namespace, name, dimensions) in OF_AWS
    return {
        (): name in PER_RUN | OF_QUALITY,
        ("command",): name in PER_RUN,
        ("exchange",): name in PER_EXCHANGE,
    }.get(dimensions, False)  # fmt: skip


def alarms(plan: Plan) -> Found:
    found = resources(plan, "aws_cloudwatch_metric_alarm")
    for address, one in found.items():
        dimensions = tuple(sorted(one["dimensions"] or {}))
        if not is_told(one["namespace"], one["metric_name"], dimensions):
            yield f"{address}: nobody tells {one['metric_name']} by {dimensions}"
        # CloudWatch looks back a day; a week where a period is an hour or longer.
        most = 604800 if one["period"] >= 3600 else 86400
        if one["period"] % 60 or one["period"] * one["evaluation_periods"] > most:
            yield f"{address}: {one['evaluation_periods']} of {one['period']} s"
    watched = {one["metric_name"] for one in found.values()}
    missing = {
        "RunsOk",
        "RunsFailed",
        "OldestMarketSeconds",
        "MissingTrades",
        "BreakerOpen",
        "HealthScore",
    } - watched
    if missing:
        yield f"nobody watches {sorted(missing)}"
    for address, one in found.items():
        # It looks some periods further back before it counts a missing one: hours, not days.
        if one["treat_missing_data"] == "breaching" and one["period"] > 3600:
            yield f"{address}: silence is told late, periods are {one['period']} s"
    absent = [one["treat_missing_data"] for one in found.values() if one["metric_name"] == "RunsOk"]
    if absent != ["breaching"]:
        yield "a run that never happens is not told"


def dashboard(plan: Plan) -> Found:
    widgets = document(
        resources(plan, "aws_cloudwatch_dashboard")["aws_cloudwatch_dashboard.main"][
            "dashboard_body"
        ]
    )["widgets"]
    taken: set[tuple[int, int]] = set()
    drawn = set()
    for one in widgets:
        title = one["properties"].get("title")
        cells = {
            (x, y)
            for x in range(one["x"], one["x"] + one["width"])
            for y in range(one["y"], one["y"] + one["height"])
        }
        if any(x > 23 for x, _ in cells):  # 24 columns
            yield f"{title}: off the page"
        if cells & taken:
            yield f"{title}: over another"
        taken |= cells
        for metric in one["properties"].get("metrics", []):
            words = [word for word in metric if isinstance(word, str)]
            if words and not is_told(words[0], words[1], tuple(words[2::2])):
                yield f"{title}: nobody tells {words}"
            drawn |= set(words[1:2])
        if one["type"] == "log":
            yield from _log_query(title, one["properties"]["query"])
    wanted = PER_EXCHANGE | OF_QUALITY | (PER_RUN - {"PartsWritten"})
    if wanted - drawn:
        yield f"nobody draws {sorted(wanted - drawn)}"


def _log_query(title: str, query: str) -> Found:
    """Whether each name in it is a field of the events that it asks for."""
    if not query.startswith("SOURCE '/schemahub/tasks' | "):
        yield f"{title}: of which log?"
    asked = re.findall(r"event = '([^']+)'", query)
    known = frozenset().union(*(EVENTS.get(event, frozenset()) for event in asked))
    bare = re.sub(r"'[^']*'", "", query)
    words = set(re.findall(r"\b[A-Za-z_]\w*", bare)) - INSIGHTS
    unknown = words - known - set(re.findall(r"\bas (\w+)", bare))
    if not asked or unknown:
        yield f"{title}: no event {asked} has {sorted(unknown)}"


def queries(plan: Plan) -> Found:
    for address, one in resources(plan, "aws_athena_named_query").items():
        try:
            parsed = sqlglot.parse(one["query"], dialect="athena")
        except sqlglot.errors.ParseError as error:
            yield f"{address}: {error}"
            continue
        if len(parsed) != 1 or not isinstance(parsed[0], sqlglot.exp.Select):
            yield f"{address}: is not one SELECT"
        if len(one["description"]) < 10:
            yield f"{address}: does not say what it answers"


def athena(plan: Plan) -> Found:
    for address, one in resources(plan, "aws_athena_workgroup").items():
        said = one["configuration"][0]
        if not said["enforce_workgroup_configuration"]:
            yield f"{address}: its limits do not hold"
        if not (said["bytes_scanned_cutoff_per_query"] or 0) >= 10_000_000:
            yield f"{address}: no limit"
