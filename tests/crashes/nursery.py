"""A fork server: one warm process that has imported everything and forks the program from it.

A run of the program so costs what its job costs, not what importing Python costs; thousands
of them can be started and killed. Each is a process of its own, with its own streams.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from schemahub.pipelines import transform
from tests.crashes.mortal import Death
from tests.e2e.world import Said, checked

ROOT = Path(__file__).parents[2]
# Libraries that start threads when they are imported: a process with threads must not fork.
QUIET = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_CONF": "background_thread:false",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "JE_ARROW_PRIVATE_MALLOC_CONF": "background_thread:false",
}
GATE = "go\n"
PRODUCT = "schemahub.cli.main"


@dataclass
class Child:
    """A run of the program, under way or ended."""

    nursery: Nursery
    pid: int
    out: Path
    err: Path
    product: bool = True  # and not one of ours

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Its pid is nobody else's until `wait` returned."""
        os.kill(self.pid, number)

    def go(self) -> None:
        """Lets one that was started `held` begin."""
        Path(f"{self.out}.gate").write_text(GATE, "utf-8")

    def over(self) -> bool:
        """Whether it ended; `wait` returns at once then."""
        state = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
        return state == "Z"

    def wait(self) -> Said:
        """What it answered; a negative code is the signal that ended it."""
        code = int(self.nursery.ask({"wait": self.pid})["code"])
        said = Said(code, self.out.read_text("utf-8"), self.err.read_text("utf-8"))
        for path in (self.out, self.err, Path(f"{self.out}.gate")):
            path.unlink(missing_ok=True)
        return checked(said) if self.product else said


@dataclass
class Nursery:
    """Forks the program in the small world. To be used from one thread.

    `environ` is what its runs find set besides what this process does.
    """

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    _started: int = 0
    _server: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        self._server = subprocess.Popen(
            [sys.executable, "-B", "-m", "tests.crashes.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.folder,  # no schemahub.toml of whoever runs the tests
            env=os.environ | QUIET | dict(self.environ) | {"PYTHONPATH": path},
        )

    def start(
        self,
        arguments: Sequence[str],
        death: Death | None = None,
        *,
        calls: Path | None = None,
        acks: Path | None = None,
        record: Path | None = None,
        environ: Mapping[str, str] | None = None,
        held: bool = False,
        spread: bool = False,
        module: str = PRODUCT,
    ) -> Child:
        """Starts `module.main(arguments)`.

        `death` and `calls`: it dies at that call of the store, and notes its calls there.
        `acks`: it notes there what the store answered. `environ`: of this run alone.
        `record`: its file operations, see power.py. `held`: it waits for `Child.go`.
        `spread`: a transform, however small, works in processes of its own.
        """
        self._started += 1
        out, err = (self.folder / f"{self._started}.{stream}" for stream in ("out", "err"))
        for path in (out, err):
            path.touch()  # one that is killed at once leaves them empty
        order = {
            "arguments": list(arguments),
            "out": str(out),
            "err": str(err),
            "death": death.as_json() if death else None,
            "calls": str(calls or os.devnull),
            "acks": str(acks or os.devnull),
            "environ": dict(environ or {}),
            "record": str(record) if record else None,
            "held": held,
            "spread": spread,
            "module": module,
        }
        pid = int(self.ask(order)["pid"])
        return Child(self, pid, out, err, product=module == PRODUCT)

    def run(self, arguments: Sequence[str], death: Death | None = None, **more: Any) -> Said:
        return self.start(arguments, death, **more).wait()

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return dict(json.loads(self._server.stdout.readline()))

    def close(self) -> None:
        if self._server.stdin is not None:
            self._server.stdin.close()
        self._server.wait(30)
        if self._server.stdout is not None:
            self._server.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


# ---------------------------------------------------------------- in the server


def serve() -> None:
    from tests.crashes import warm  # imports what a child would
    from tests.crashes.small import shrink

    shrink()
    if "AWS_ENDPOINT_URL" in os.environ:
        warm.share_client()
    # What is found by import or fork later would be paid for by every child.
    threads = list(Path("/proc/self/task").iterdir())
    assert threading.active_count() == 1
    assert len(threads) == 1, f"a process with {len(threads)} threads must not fork"
    gc.collect()
    gc.freeze()  # else the first collection of every child copies every page
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        else:
            pid = os.fork()
            if pid == 0:
                _be(order)
            answer = {"pid": pid}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _be(order: dict[str, Any]) -> NoReturn:
    """The rest of this process's life is the program."""
    code = 70  # of a fault in these tests
    try:
        _redirect(order)
        if order["held"]:
            _hold(Path(order["out"] + ".gate"))
        code = _live(order)
    except BaseException:  # noqa: BLE001  (whatever it is, the server must not live twice)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(order: dict[str, Any]) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)


def _hold(gate: Path) -> None:
    """Waits for the tracer; a system that lets only parents trace is told that others may."""
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
    while not gate.exists() or gate.read_text("utf-8") != GATE:
        signal.sigtimedwait([], 0.005)


def _live(order: dict[str, Any]) -> int:
    import importlib

    from tests.crashes.mortal import doom

    if order["held"]:
        from tests.crashes.mortal import name_in_turn

        name_in_turn()
    if order["spread"]:
        transform.ROWS_WORTH_A_PROCESS = 0
    os.environ.update(order["environ"])
    if order["death"] or {order["calls"], order["acks"]} != {os.devnull}:
        doom(Death(**(order["death"] or {"at": 0})), Path(order["calls"]), Path(order["acks"]))
    try:
        if order["record"]:
            from tests.crashes.recorder import recording

            with recording(Path(order["record"])):
                importlib.import_module(order["module"]).main(order["arguments"])
        else:
            importlib.import_module(order["module"]).main(order["arguments"])
    except SystemExit as done:
        if isinstance(done.code, str):
            sys.stderr.write(done.code)
            return 1
        return done.code or 0
    return 0


if __name__ == "__main__":
    serve()
