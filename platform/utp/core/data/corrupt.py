"""Files of a run that can't be read: left out up to a limit, each reported once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from utp.core.distributed import gather_objects, world_size
from utp.core.durable import write_json_durably
from utp.errors import DatasetError

DEFAULT_MAX_SHARE = 0.01
_MAX_LISTED = 20


@dataclass(frozen=True)
class CorruptFile:
    """A file that was left out: its split, its path relative to the root, and why it can't be decoded."""

    split: str
    path: str
    reason: str


class CorruptFiles:
    """What was found so far. `listener` is told of each file once, as soon as it is found.

    Args:
        root: of the dataset.
        split_sizes: number of images by split.
        max_share: largest share of a split's images that may be left out.
    """

    def __init__(self, root: Path, split_sizes: Mapping[str, int], max_share: float) -> None:
        self._root = root
        self._split_sizes = split_sizes
        self._max_share = max_share
        self._found: dict[tuple[str, str], CorruptFile] = {}
        self.listener: Callable[[CorruptFile], None] | None = None

    def add(self, split: str, found: Sequence[tuple[str, str]]) -> None:
        """Take (path, reason) of files. Raises `DatasetError`, which lists them, when they are more than allowed."""
        for name, reason in found:
            path = name.encode(errors="backslashreplace").decode()  # it need not be UTF-8, which what is told must be
            if (split, path) not in self._found:
                file = self._found[split, path] = CorruptFile(split, path, reason)
                if self.listener:
                    self.listener(file)
        files = [file for file in self._found.values() if file.split == split]
        if len(files) > self._max_share * self._split_sizes[split]:
            raise DatasetError(str(self._root), self._refusal(split, files))

    def tell_all_ranks(self) -> None:
        """Take what the other workers found. Raises `DatasetError` on all of them alike."""
        if world_size() == 1:
            return
        for found in gather_objects(tuple(self._found.values())):
            for file in found:
                self.add(file.split, [(file.path, file.reason)])

    def _refusal(self, split: str, files: Sequence[CorruptFile]) -> str:
        listed = "; ".join(f"{file.path} ({file.reason})" for file in files[:_MAX_LISTED])
        more = f"; and {len(files) - _MAX_LISTED} more" if len(files) > _MAX_LISTED else ""
        return (
            f"{len(files)} of {self._split_sizes[split]} images of {split} can't be decoded, more than "
            f"max_corrupt_share {self._max_share:g} allows: {listed}{more}. "
            "Replace or delete them, or raise the share; `utp data check ROOT` lists every such file"
        )


class CorruptFileLog:
    """Writes `corrupt.json` of an attempt, and a line of its log for each file.

    Args:
        path: of `corrupt.json`; there only once a file was found.
        log_note: takes a sentence for the run's log.
    """

    def __init__(self, path: Path, log_note: Callable[[str], None]) -> None:
        self._path = path
        self._log_note = log_note
        self._files: list[CorruptFile] = []
        self._num_written = 0

    def add(self, file: CorruptFile) -> None:
        """Log a file; the list on disk is written anew whenever it has grown by a tenth."""
        self._files.append(file)
        self._log_note(f"{file.path} can't be decoded and is left out of {file.split}: {file.reason}")
        if len(self._files) >= 1.1 * self._num_written:
            with suppress(OSError):  # a disk that is full now: the next one writes all
                self.write()

    def write(self) -> None:
        """Write the list, unless it holds all already."""
        if len(self._files) > self._num_written:
            counts = Counter(file.split for file in self._files)
            write_json_durably(self._path, {"counts": dict(counts), "files": [asdict(file) for file in self._files]})
            self._num_written = len(self._files)
