"""`ingest BTC-USD --full` with the spec's rate limit lifted; all else is the product's own."""

from __future__ import annotations

import json
import sys
from functools import cached_property

from schemahub.adapters import specs
from schemahub.app import App
from schemahub.cli.ingest import close, ingest
from schemahub.cli.shell import Shell
from schemahub.core.settings import Settings
from schemahub.pipelines.lake import Specs
from schemahub.pipelines.plan import Wish

UNLIMITED = {"rate": 1_000_000.0, "burst": 1_000_000}


class _Unlimited(App):
    @cached_property
    def specs(self) -> Specs:
        spec = specs.load(specs.installed()["coinbase"])
        limits = spec.limits.model_copy(update=UNLIMITED)
        return Specs({spec.exchange: spec.model_copy(update={"limits": limits})})


def main(url: str, lake: str) -> int:
    app = _Unlimited(Settings(lake=lake, base_urls=(("coinbase", url),)))
    shell = Shell(app, quiet=True, progress=False)
    job = app.job("ingest", {})
    try:
        ingest(shell, job, [app.market("BTC-USD")], Wish(full=True))
    finally:
        close(shell, job)
    print(json.dumps({"trades": app.metrics.total("chunk.landed", "trades")}))
    return job.exit_code


sys.exit(main(*sys.argv[1:]))
