"""All of AWS that the program uses, on loopback, and a lake in it: for the end-to-end test.

S3 is SeaweedFS, Glue and DynamoDB are moto's (Glue with its check of versions), Athena is the
stand-in that runs the SQL, Lambda is its own runtime client in a process that sees nothing but
the zip of the source, boto3 and the standard library.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import awslambdaric
import pytest

import schemahub
from schemahub.sandbox import Sandbox
from tests.athena_server import AthenaServer, athena
from tests.aws_calls import Recording
from tests.dynamodb import make_table
from tests.dynamodb import moto as dynamodb
from tests.e2e.world import TALKS, Said, ended, start
from tests.glue_server import glue
from tests.lambda_runtime import Function, function
from tests.lease_places import TABLE
from tests.s3_actions import needs as s3_needs
from tests.s3_proxy import Proxy, proxy
from tests.s3_server import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, S3Server

# What Lambda's Python has beside the standard library; the runtime client needs the last two.
_GIVEN = (
    "boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3",
    "awslambdaric", "simplejson", "snapshot_restore_py",
)  # fmt: skip
_RECORD = "import aws_calls; aws_calls.install()"
_BEGIN = (
    "import sys, runpy; sys.path[:0] = sys.argv[1:3]; "
    "sys.argv = ['awslambdaric', sys.argv[3]]; "
    "runpy.run_module('awslambdaric', run_name='__main__')"
)


@dataclass
class AwsWorld:
    s3: S3Server
    athena: AthenaServer
    box: Sandbox
    folder: Path
    prefix: str
    environment: dict[str, str]
    recording: Recording
    closed_after: ExitStack
    # By role, once its S3 is to be seen whatever library asks it.
    gates: dict[str, Proxy] = field(default_factory=dict)
    gated: bool = False

    def acting(self, role: str) -> dict[str, str]:
        """The environment of a task or function in this role."""
        own = {**self.environment, **self.recording.environment(role)}
        if self.gated:
            if role not in self.gates:
                self.gates[role] = self.closed_after.enter_context(proxy(self.s3))
            own["AWS_ENDPOINT_URL_S3"] = self.gates[role].url
        return own

    def needs(self, role: str) -> set[tuple[str, str]]:
        """(IAM action, ARN) of all that was done in a role, by boto3 or past it; if gated."""
        told = {one for one in self.recording.needs().get(role, ()) if one[0][:3] != "s3:"}
        return told | s3_needs(self.gates[role].asked)

    def start(self, command: str, *more: str, role: str = "run") -> Any:
        """The program in a process of its own, as a task on AWS."""
        url = ["--base-url", f"coinbase={self.box.url}"] if command in TALKS else []
        environment = {**os.environ, **self.acting(role)}
        return start([command, *more, *url], env=environment, cwd=self.folder)

    def run(self, command: str, *more: str, role: str = "run") -> Said:
        return ended(self.start(command, *more, role=role))

    def objects(self) -> dict[str, bytes]:
        return self.s3.objects(self.prefix)

    def ask(self, sql: str) -> list[Any]:
        """What Athena says, over what is published."""
        out = self.run("query", sql, "--engine", "athena", "--json", role="analyst")
        assert out.code == 0, out.err
        return list(out.json()["rows"])

    @contextmanager
    def quality(self, timeout: float = 120, **environment: str) -> Iterator[Function]:
        """The function as it is deployed: what stands beside the zip is Lambda's, no more."""
        task, given = self.folder / "task", self.folder / "runtime"
        if not task.exists():
            _unpacked(_zipped(self.folder / "schemahub.zip"), task)
            _runtime(given)
        told = {
            **self.acting("quality"),
            **environment,
            "PATH": os.environ["PATH"],
        }
        if "site" in told.pop("PYTHONPATH", ""):
            shutil.copy(Path(__file__).with_name("aws_calls.py"), given / "aws_calls.py")
        begin = f"import sys; sys.path.insert(0, sys.argv[1]); {_RECORD}; {_BEGIN}"
        python = [sys.executable, "-I", "-S", "-c", begin, str(given), str(task)]
        with function("schemahub.aws.quality.handler", task, python, told, timeout) as made:
            yield made


@contextmanager
def aws_world(s3: S3Server, box: Sandbox, folder: Path) -> Iterator[AwsWorld]:
    prefix = s3.prefix()
    with ExitStack() as stack:
        glue_url = stack.enter_context(glue())
        dynamo_url = stack.enter_context(dynamodb())
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        server = stack.enter_context(athena(glue_url, s3.url))
        environment = {
            **keys,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": s3.url,
            "AWS_ENDPOINT_URL_GLUE": glue_url,
            "AWS_ENDPOINT_URL_DYNAMODB": dynamo_url,
            "AWS_ENDPOINT_URL_ATHENA": server.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "S3_BUCKET": f"{BUCKET}/{prefix}",
            "DYNAMODB_LOCKS_TABLE": TABLE,
            "SCHEMAHUB_DATABASE": "schemahub",
            "SCHEMAHUB_PUBLISH": "true",
            "SCHEMAHUB_CATALOG": "glue",
            "SCHEMAHUB_METRICS": "emf",
        }
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in keys.items():
            patch.setenv(name, value)
        make_table(dynamo_url)
        calls = Recording(folder / "calls")
        yield AwsWorld(s3, server, box, folder, prefix, environment, calls, stack)


def _zipped(path: Path) -> Path:
    """The source as it is, as Terraform's archive provider packs it."""
    source = Path(schemahub.__file__).parent
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(source.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                packed.write(file, Path("schemahub") / file.relative_to(source))
    return path


def _unpacked(packed: Path, folder: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)


def _runtime(folder: Path) -> None:
    folder.mkdir()
    for name in _GIVEN:
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            continue
        origin = Path(found.origin)
        path = origin.parent if origin.name == "__init__.py" else origin
        (folder / path.name).symlink_to(path)
    for path in Path(awslambdaric.__file__).parents[1].glob("runtime_client*"):
        (folder / path.name).symlink_to(path)
