"""THE ONE WRITER of a run's progress."""

from utp.store.recorder.recorder import Recorder

__all__ = ["Recorder"]
