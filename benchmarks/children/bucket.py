"""A bucket of a real S3 service on loopback, behind a proxy that counts every attempt.

Prints where it is; then, for each line on stdin, how many requests of each kind there were since
the line before.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

from tests.s3_proxy import proxy
from tests.s3_server import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, seaweed


def main(folder: Path) -> None:
    with seaweed(folder) as server, proxy(server) as between:
        where = {
            "AWS_ENDPOINT_URL": between.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        print(json.dumps({"bucket": f"{BUCKET}/lake", "environment": where}), flush=True)
        for _ in sys.stdin:
            asked = between.asked
            between.reset()
            print(json.dumps(Counter(each.kind for each in asked)), flush=True)


if __name__ == "__main__":
    os.environ.update({"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY})
    main(Path(sys.argv[1]))
