"""What the dispatcher asks of Ray's jobs. The only file that imports `ray.job_submission`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from utp.errors import UtpError

TIMEOUT_S = 15.0
"""For Ray's answer to one request; a loaded head has taken several seconds."""

OUR_JOB = re.compile(r"run-[0-9a-f]{32}-a[1-9][0-9]*")
_SUBMISSION_ID = re.compile(r"[a-z0-9-]{1,63}")


class JobStatus(StrEnum):
    """Ray's own words."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def is_over(self) -> bool:
        """Whether nothing of the job runs any more."""
        return self in (JobStatus.STOPPED, JobStatus.SUCCEEDED, JobStatus.FAILED)


@dataclass(frozen=True)
class JobReport:
    """What Ray says of a job. It may be wrong: a job that ended well while the head was away is called FAILED."""

    status: JobStatus
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class RayJob:
    """A job as Ray is given it."""

    submission_id: str
    entrypoint: str
    """A shell command: constant, but for quoted arguments."""
    env: Mapping[str, str] = field(default_factory=dict)
    """No secrets: Ray shows it."""
    num_cpus: float = 0
    num_gpus: int = 0
    memory_bytes: int = 0
    node_id: str | None = None
    """Where the entry point has to run."""


class ClusterUnreachable(UtpError):
    """Ray does not answer, or not to us."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        return f"Ray at {self.address} does not answer: {self.reason}; `utp status` says what is up, `utp up` starts it"


class JobClient(Protocol):
    """Jobs by submission id. Every method may raise `ClusterUnreachable`, and may be called again then."""

    def submit(self, spec: RayJob) -> None:
        """Hand a job over; one that Ray has already is left as it is."""
        ...

    def report(self, submission_id: str) -> JobReport | None:
        """Return what Ray says of a job; None if it knows of none, as after a restart of its head."""
        ...

    def stop(self, submission_id: str) -> None:
        """Ask for the end of a job; returns before it has ended, and does nothing where there is none."""
        ...

    def delete(self, submission_id: str) -> None:
        """Have Ray forget a job that is over."""
        ...

    def list_ours(self) -> Mapping[str, JobStatus]:
        """Return all jobs that a dispatcher ever handed over and Ray remembers; costs Ray one look-up for each."""
        ...


class RayJobClient:
    """Ray's job API, which is HTTP to the dashboard of the head.

    Args:
        address: of the dashboard, `http://127.0.0.1:8265`. The token comes from `RAY_AUTH_TOKEN[_PATH]`.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: _TimedClient | None = None

    def submit(self, spec: RayJob) -> None:
        """Hand a job over; see `JobClient`."""
        if not _SUBMISSION_ID.fullmatch(spec.submission_id):  # it becomes part of a file's name
            raise ValueError(f"submission_id: {spec.submission_id!r} is no id of ours")
        content = {
            "entrypoint": spec.entrypoint,
            "submission_id": spec.submission_id,
            "runtime_env": {"env_vars": dict(spec.env)},
            "metadata": {"job_submission_id": spec.submission_id},
            "entrypoint_num_cpus": spec.num_cpus or None,
            "entrypoint_num_gpus": spec.num_gpus or None,
            "entrypoint_memory": spec.memory_bytes or None,
            "entrypoint_label_selector": {"ray.io/node-id": spec.node_id} if spec.node_id else None,
        }
        given = {name: value for name, value in content.items() if value is not None}
        response = self._request("POST", "/api/jobs/", json_data=given)
        if response.status_code != 200 and "already exists" not in response.text:
            raise ClusterUnreachable(self._address, _last_line(response.text))

    def report(self, submission_id: str) -> JobReport | None:
        """Return what Ray says of a job; see `JobClient`."""
        response = self._request("GET", f"/api/jobs/{submission_id}")
        if response.status_code == 404:
            return None
        content = self._read(response)
        return JobReport(JobStatus(content["status"]), content.get("message") or "")

    def stop(self, submission_id: str) -> None:
        """Ask for the end of a job; see `JobClient`."""
        response = self._request("POST", f"/api/jobs/{submission_id}/stop")
        if response.status_code != 404:
            self._read(response)

    def delete(self, submission_id: str) -> None:
        """Have Ray forget a job that is over; see `JobClient`."""
        response = self._request("DELETE", f"/api/jobs/{submission_id}")
        if response.status_code != 404:
            self._read(response)

    def list_ours(self) -> Mapping[str, JobStatus]:
        """Return the jobs whose id has our form; see `JobClient`."""
        jobs = self._read(self._request("GET", "/api/jobs/"))
        return {
            job["submission_id"]: JobStatus(job["status"])
            for job in jobs
            if OUR_JOB.fullmatch(job.get("submission_id") or "")
        }

    def _request(self, method: str, path: str, **more: Any) -> requests.Response:
        try:
            if self._client is None:
                self._client = _TimedClient(self._address)
            return self._client.request(method, path, **more)
        except (requests.RequestException, ConnectionError, AuthenticationError, RuntimeError) as error:
            raise ClusterUnreachable(self._address, _last_line(str(error))) from error

    def _read(self, response: requests.Response) -> Any:
        if response.status_code != 200:
            raise ClusterUnreachable(self._address, _last_line(response.text))
        return response.json()


class _TimedClient(JobSubmissionClient):
    """Ray's client, which brings the address rules and the token, with a limit of time that it lacks."""

    def request(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send one request."""
        response: requests.Response = self._do_request(method, path, **more)
        return response

    def _do_request(self, method: str, endpoint: str, **more: Any) -> Any:
        return super()._do_request(method, endpoint, **{"timeout": TIMEOUT_S, **more})


def _last_line(text: str) -> str:
    """The error itself, without the traceback of Ray's server before it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason given"
