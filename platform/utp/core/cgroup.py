"""What the container or job that this process runs in may use; less than the machine has. None means no limit.

Reads control groups version 2, as of the kernel's Documentation/admin-guide/cgroup-v2.rst, and version 1 where a
container mounts it. A limit can sit on any group between the process's own and the root, and the smallest holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CGROUP_MOUNT = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
_FILE_CACHE = ("inactive_file ", "total_inactive_file ")  # version 1 has both, and the second is the whole group's


def cpu_quota(mount: Path = CGROUP_MOUNT, own: Path = OWN_CGROUP) -> float | None:
    """Return how many cores' worth of time the process may use."""
    quotas = [_parse_cpu_max(text) for text in _read_upwards("cpu.max", mount, own)]
    quotas.append(_cpu_quota_v1(mount))
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_limit_bytes(mount: Path = CGROUP_MOUNT, own: Path = OWN_CGROUP) -> int | None:
    """Return how much memory the process may use together with the rest of its group."""
    texts = [*_read_upwards("memory.max", mount, own), _read(mount / "memory" / "memory.limit_in_bytes")]
    limits = [int(text) for text in texts if text.isdigit()]
    return min((limit for limit in limits if limit < 1 << 60), default=None)  # version 1 writes no limit as 2**63


def memory_used_bytes(mount: Path = CGROUP_MOUNT, own: Path = OWN_CGROUP) -> int:
    """Return what the process's group uses, without the file cache that the kernel gives back on demand; 0: unknown."""
    used = next(_read_upwards("memory.current", mount, own), "") or _read(mount / "memory" / "memory.usage_in_bytes")
    stat = next(_read_upwards("memory.stat", mount, own), "") or _read(mount / "memory" / "memory.stat")
    cache = max((int(line.split()[1]) for line in stat.splitlines() if line.startswith(_FILE_CACHE)), default=0)
    return max(0, int(used) - cache) if used.isdigit() else 0


def _read_upwards(name: str, mount: Path, own: Path) -> Iterator[str]:
    relative = next((line[3:] for line in _read(own).splitlines() if line.startswith("0::")), "/")
    group = mount / relative.lstrip("/")
    for folder in (group, *group.parents):
        yield _read(folder / name)
        if folder == mount:
            return


def _parse_cpu_max(text: str) -> float | None:
    quota_us, _, period_us = text.partition(" ")
    return int(quota_us) / int(period_us) if quota_us.isdigit() else None


def _cpu_quota_v1(mount: Path) -> float | None:
    quota_us, period_us = (_read(mount / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return int(quota_us) / int(period_us) if quota_us.isdigit() else None  # -1 is no limit


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
