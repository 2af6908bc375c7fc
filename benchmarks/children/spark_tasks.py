"""Tasks that do nothing, on Spark within this process: what it costs to have them done there."""

from __future__ import annotations

import json
import sys
import time

from schemahub.adapters.clock import Stop
from schemahub.adapters.spark import SparkTasks
from schemahub.adapters.tasks import Threads


def main(count: int) -> None:
    tasks = SparkTasks(Threads(Stop()), "local[2]", sys.executable)
    found = {}
    for name, width, number in (("begin", 1, 1), ("alone", 1, count), ("beside", 8, count)):
        started = time.perf_counter()
        done = list(tasks.each(len, ["x"] * number, width))
        found[name] = (time.perf_counter() - started) / number
        if [result for _, result in done] != [1] * number:
            sys.exit(f"{name}: not every task was done")
    tasks.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
