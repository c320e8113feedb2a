"""Ray's job API without Ray, with its semantics as read in Ray 2.60 (and compared with the real one in a test)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from utp.cluster.job_client import ClusterUnreachable, JobReport, JobStatus, RayJob


@dataclass
class FakeJob:
    """A job; `is_stop_asked` is all that a stop does, until its process leaves."""

    spec: RayJob
    status: JobStatus = JobStatus.PENDING
    message: str = ""
    is_stop_asked: bool = False


@dataclass
class FakeJobClient:
    """Jobs that a test starts, ends and loses by hand."""

    jobs: dict[str, FakeJob] = field(default_factory=dict)
    is_down: bool = False
    submitted: list[str] = field(default_factory=list)
    """Ids in the order of acceptance, each once per life of Ray."""

    def submit(self, spec: RayJob) -> None:
        self._answer()
        if spec.submission_id not in self.jobs:  # put_info(overwrite=False)
            self.jobs[spec.submission_id] = FakeJob(spec)
            self.submitted.append(spec.submission_id)

    def report(self, submission_id: str) -> JobReport | None:
        self._answer()
        job = self.jobs.get(submission_id)
        return JobReport(job.status, job.message) if job else None

    def stop(self, submission_id: str) -> None:
        self._answer()
        job = self.jobs.get(submission_id)
        if job and not job.status.is_over:
            job.is_stop_asked = True

    def delete(self, submission_id: str) -> None:
        self._answer()
        job = self.jobs.get(submission_id)
        if job is None:
            return
        if not job.status.is_over:
            raise ClusterUnreachable("fake", "a job that runs can't be deleted")
        del self.jobs[submission_id]

    def list_ours(self) -> Mapping[str, JobStatus]:
        self._answer()
        return {submission_id: job.status for submission_id, job in self.jobs.items()}

    def run(self, submission_id: str) -> None:
        """Have the job's process start."""
        if self.jobs[submission_id].status is JobStatus.PENDING:
            self.jobs[submission_id].status = JobStatus.RUNNING

    def end(self, submission_id: str, status: JobStatus, message: str = "") -> None:
        """Have the job end; a terminal status never changes."""
        job = self.jobs[submission_id]
        if not job.status.is_over:
            job.status, job.message = status, message

    def obey(self) -> None:
        """Have the processes of all jobs that were asked to stop leave, the pending ones too."""
        for submission_id, job in self.jobs.items():
            if job.is_stop_asked:
                self.end(submission_id, JobStatus.STOPPED)

    def forget(self) -> None:
        """Have the head restart without its memory."""
        self.jobs.clear()

    def _answer(self) -> None:
        if self.is_down:
            raise ClusterUnreachable("fake", "it is down")
