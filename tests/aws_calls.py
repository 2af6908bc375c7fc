"""Which calls a program makes of AWS through boto3, by role, and which IAM actions they need.

    calls = Recording(folder)
    process = start([...], env={**os.environ, **calls.environment("run")})
    calls.needs()["run"]   # {("s3:PutObject", "arn:aws:s3:::lakes/schemahub/raw_…"), …}

The program is not changed: a sitecustomize of the recorded processes (and of those that they
start) has botocore tell each call. What reaches AWS by other ways, as pyarrow's own S3, is not
seen here. `save` writes what stands in tests/aws_calls.json: (role, service, operation, place).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
_FILE, _ROLE = "TEST_AWS_CALLS_FILE", "TEST_AWS_CALLS_ROLE"
_SITE = "from tests.aws_calls import install\n\ninstall()\n"

# Where the action has not the name of the operation: (service, operation) -> actions.
_OTHERWISE = {
    ("s3", "AbortMultipartUpload"): ("s3:AbortMultipartUpload",),
    ("s3", "CompleteMultipartUpload"): ("s3:PutObject",),
    ("s3", "CreateMultipartUpload"): ("s3:PutObject",),
    ("s3", "DeleteObjects"): ("s3:DeleteObject",),
    ("s3", "HeadBucket"): ("s3:ListBucket",),
    ("s3", "HeadObject"): ("s3:GetObject",),
    ("s3", "ListObjects"): ("s3:ListBucket",),
    ("s3", "ListObjectsV2"): ("s3:ListBucket",),
    ("s3", "UploadPart"): ("s3:PutObject",),
}
# What Athena does in the name of whoever starts a statement, or reads its result. No call of
# ours shows it: AWS's own pages on Athena's access to S3 and Glue say so.
BY_ATHENA = {
    "StartQueryExecution": (
        "glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartition",
        "glue:GetPartitions", "s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket",
        "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
    ),
    "GetQueryResults": ("s3:GetObject",),
}  # fmt: skip


class Call(NamedTuple):
    """`place` is what it was about: BUCKET/KEY, a table, DATABASE/TABLE, a workgroup; or `*`."""

    role: str
    service: str
    operation: str
    place: str

    def actions(self) -> tuple[str, ...]:
        own = f"{self.service}:{self.operation}"
        return _OTHERWISE.get((self.service, self.operation), (own,))

    def resources(self) -> tuple[str, ...]:
        """The ARNs that a policy has to allow, in any region and account."""
        bucket, _, key = self.place.partition("/")
        match self.service:
            case "s3" if self.actions() == ("s3:ListBucket",) or not key:
                return (f"arn:aws:s3:::{bucket}",)
            case "s3":
                return (f"arn:aws:s3:::{self.place}",)
            case "dynamodb":
                return (f"arn:aws:dynamodb:*:*:table/{self.place}",)
            case "glue":
                # A table's call needs its database's and the catalog's right as well.
                database = ("arn:aws:glue:*:*:catalog", f"arn:aws:glue:*:*:database/{bucket}")
                return (*database, f"arn:aws:glue:*:*:table/{self.place}") if key else database
            case "athena":
                return (f"arn:aws:athena:*:*:workgroup/{self.place}",)
            case _:
                return ("*",)


@dataclass(frozen=True)
class Recording:
    """Calls in `folder`, by processes that were given `environment`."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "calls.jsonl"

    def environment(self, role: str) -> dict[str, str]:
        """What to add to a process's environment: PYTHONPATH is set anew."""
        site = self.folder / "site"
        site.mkdir(parents=True, exist_ok=True)
        (site / "sitecustomize.py").write_text(_SITE)
        before = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        path = os.pathsep.join([str(site), *before, str(ROOT)])
        return {_FILE: str(self.file), _ROLE: role, "PYTHONPATH": path}

    def calls(self) -> list[Call]:
        """Each once, sorted."""
        if not self.file.exists():
            return []
        return sorted({Call(*json.loads(line)) for line in self.file.read_text().splitlines()})

    def needs(self) -> dict[str, set[tuple[str, str]]]:
        """(IAM action, ARN) by role."""
        return needs(self.calls())

    def save(self, path: Path) -> None:
        lines = ",\n ".join(json.dumps(call) for call in self.calls())
        path.write_text(f"[{lines}]\n")


def load(path: Path) -> list[Call]:
    """What `save` wrote."""
    return [Call(*each) for each in json.loads(path.read_text())]


def needs(calls: Iterable[Call]) -> dict[str, set[tuple[str, str]]]:
    """(IAM action, ARN) by role, without what Athena does in the role's name."""
    found: dict[str, set[tuple[str, str]]] = {}
    for call in calls:
        pairs = {(action, arn) for action in call.actions() for arn in call.resources()}
        found.setdefault(call.role, set()).update(pairs)
    return found


def actions(calls: Iterable[Call]) -> dict[str, set[str]]:
    """IAM actions by role, those that Athena takes in the role's name included."""
    found: dict[str, set[str]] = {}
    for call in calls:
        also = BY_ATHENA.get(call.operation, ()) if call.service == "athena" else ()
        found.setdefault(call.role, set()).update(call.actions(), also)
    return found


def install() -> None:
    """Has every session of this process tell its calls, if the environment asks for it."""
    file, role = os.environ.get(_FILE), os.environ.get(_ROLE)
    if not file or not role:
        return
    from botocore.session import Session

    begin = Session.__init__

    def begun(self: Session, *args: Any, **keywords: Any) -> None:
        begin(self, *args, **keywords)

        def tell(params: Mapping[str, Any], model: Any, **_: Any) -> None:
            service = str(model.service_model.service_name)
            call = Call(role, service, str(model.name), place(service, model.name, params))
            # One write of one line: processes and threads may tell at once.
            at = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(at, (json.dumps(call) + "\n").encode())
            finally:
                os.close(at)

        self.register("provide-client-params", tell)

    Session.__init__ = begun


def place(service: str, operation: str, params: Mapping[str, Any]) -> str:
    """What a call is about, of its parameters."""
    named: list[Any] = []
    match service:
        case "s3":
            named = [params.get("Bucket"), params.get("Key") or params.get("Prefix")]
        case "dynamodb":
            named = [params.get("TableName")]
        case "glue":
            table = params.get("TableInput") or {}
            base = params.get("DatabaseInput") or {}
            own = params.get("Name")
            if "DatabaseName" in params:
                named = [
                    params["DatabaseName"],
                    own or params.get("TableName") or table.get("Name"),
                ]
                named[1] = named[1] or ("*" if "Table" in operation else None)
            else:
                named = [own or base.get("Name")]
        case "athena":
            named = [params.get("WorkGroup")]
        case _:
            pass
    return "/".join(str(part) for part in named if part) or "*"
