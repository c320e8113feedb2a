"""One script of what a dispatcher asks of Ray's jobs, for the real ones and the fake: what each answers, in order.

`python -m tests.support.job_script ADDRESS` plays it on a real Ray, whose client has to be told of the token first.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from utp.cluster.job_client import ClusterUnreachable, JobClient, JobStatus, RayJob, RayJobClient

TIMEOUT_S = 600.0
IDS = {name: f"run-{number:032x}-a1" for number, name in enumerate(("good", "bad", "long", "never"), start=1)}


class World(Protocol):
    """What happens to the jobs meanwhile."""

    jobs: JobClient

    def reach(self, name: str, status: JobStatus) -> None:
        """Return once the job stands there."""
        ...


def play(world: World) -> list[Any]:
    """Return the trace: what was asked, and the answer."""
    jobs, trace = world.jobs, []

    def ask(what: str, call: Callable[[], Any]) -> None:
        try:
            answer = call()
        except ClusterUnreachable:
            answer = "refused"
        trace.append([what, answer])

    def status(name: str) -> Any:
        report = jobs.report(IDS[name])
        return str(report.status) if report else None

    def ours() -> dict[str, str]:
        listed = jobs.list_ours()
        return {name: str(listed[id_]) for name, id_ in IDS.items() if id_ in listed}

    ask("report of an unknown job", lambda: status("never"))
    ask("stop of an unknown job", lambda: jobs.stop(IDS["never"]))
    ask("delete of an unknown job", lambda: jobs.delete(IDS["never"]))
    for name, command in (("good", "true"), ("bad", "exit 3"), ("long", "exec sleep 600")):
        job = RayJob(submission_id=IDS[name], entrypoint=command, env={"RAY_JOB_STOP_SIGNAL": "SIGINT"})
        ask(f"submit {name}", lambda job=job: jobs.submit(job))
        ask(f"submit {name} again", lambda job=job: jobs.submit(job))
    world.reach("good", JobStatus.SUCCEEDED)
    world.reach("bad", JobStatus.FAILED)
    world.reach("long", JobStatus.RUNNING)
    ask("all", ours)
    ask("exit code is told", lambda: "exit code 3" in (jobs.report(IDS["bad"]) or world).message)  # type: ignore[union-attr]
    ask("delete of one that runs", lambda: jobs.delete(IDS["long"]))
    ask("stop of one that is over", lambda: jobs.stop(IDS["good"]))
    ask("it stays", lambda: status("good"))
    ask("stop", lambda: jobs.stop(IDS["long"]))
    ask("stop again", lambda: jobs.stop(IDS["long"]))
    world.reach("long", JobStatus.STOPPED)
    ask("submit of a stopped one", lambda: jobs.submit(RayJob(submission_id=IDS["long"], entrypoint="true")))
    ask("it is not started again", lambda: status("long"))
    for name in ("good", "bad", "long"):
        ask(f"delete {name}", lambda name=name: jobs.delete(IDS[name]))
        ask(f"{name} is forgotten", lambda name=name: status(name))
    ask("none is left", ours)
    return trace


class RealRay:
    """Jobs that run, and end by themselves."""

    def __init__(self, address: str) -> None:
        self.jobs = RayJobClient(address)

    def reach(self, name: str, status: JobStatus) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while (report := self.jobs.report(IDS[name])) is None or report.status is not status:
            assert time.monotonic() < deadline, f"{name} is {report}, not {status}"
            time.sleep(0.2)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(play(RealRay(sys.argv[1]))))
