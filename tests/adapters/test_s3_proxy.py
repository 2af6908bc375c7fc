"""The proxy hands on what every S3 client sends: pyarrow's sends chunks, and asks for sizes."""

from __future__ import annotations

from pyarrow.fs import S3FileSystem

from tests.s3_actions import needs
from tests.s3_proxy import Proxy
from tests.s3_server import ACCESS_KEY, BUCKET, REGION, SECRET_KEY


def test_pyarrow_writes_and_reads_through_it(between: Proxy) -> None:
    place = f"{BUCKET}/{between.server.prefix()}"
    there = S3FileSystem(
        access_key=ACCESS_KEY, secret_key=SECRET_KEY, region=REGION, endpoint_override=between.url,
        request_timeout=10, connect_timeout=2,
    )  # fmt: skip
    with there.open_output_stream(f"{place}/one") as stream:
        stream.write(b"some words")
    with there.open_input_file(f"{place}/one") as file:
        assert file.read() == b"some words"
    there.delete_file(f"{place}/one")
    asked = needs(between.asked)
    for action in ("s3:PutObject", "s3:GetObject", "s3:DeleteObject"):
        assert (action, f"arn:aws:s3:::{place}/one") in asked
