"""What the recorder of calls tells is what was called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.aws_calls import Call, Recording, actions, load, needs
from tests.s3_server import BUCKET, S3Server

_PROGRAM = """
import sys, boto3
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="eu-central-1")
s3.put_object(Bucket="lakes", Key="told/a", Body=b"")
s3.list_objects_v2(Bucket="lakes", Prefix="told/")
s3.head_object(Bucket="lakes", Key="told/a")
"""


def test_each_call_of_a_process_is_told_with_its_role(s3: S3Server, tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    environment = {**os.environ, **recording.environment("tester")}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", _PROGRAM, s3.url], env=environment, check=True)
    assert recording.calls() == [
        Call("tester", "s3", "HeadObject", f"{BUCKET}/told/a"),
        Call("tester", "s3", "ListObjectsV2", f"{BUCKET}/told/"),
        Call("tester", "s3", "PutObject", f"{BUCKET}/told/a"),
    ]
    assert recording.needs() == {
        "tester": {
            ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/told/a"),
            ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
            ("s3:PutObject", f"arn:aws:s3:::{BUCKET}/told/a"),
        }
    }
    recording.save(tmp_path / "saved.json")
    assert load(tmp_path / "saved.json") == recording.calls()


def test_a_call_about_a_table_needs_its_database_and_the_catalog_too() -> None:
    call = Call("run", "glue", "UpdateTable", "schemahub/trades")
    assert needs([call])["run"] == {
        ("glue:UpdateTable", f"arn:aws:glue:*:*:{what}")
        for what in ("catalog", "database/schemahub", "table/schemahub/trades")
    }


def test_what_athena_does_in_a_roles_name_is_among_its_actions() -> None:
    call = Call("quality", "athena", "StartQueryExecution", "primary")
    assert {"athena:StartQueryExecution", "glue:GetTable", "s3:GetObject"} <= (
        actions([call])["quality"]
    )
