"""Two workers of a real Ray compute what one does: with an odd number of images, none counted twice."""

from __future__ import annotations

import pytest
from pyarrow import parquet
from tests.support.live_platform import WITHOUT_BATCH_NORM, LivePlatform, epoch_rows

from utp.store.repositories.runs import RunDetail

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]


def predictions(platform: LivePlatform, run: RunDetail) -> dict[str, int]:
    table = parquet.read_table(platform.paths(run).predictions / "val_last.parquet")
    names = table["sample_id"].to_pylist()
    assert len(names) == len(set(names)) == 79
    return dict(zip(names, table["predicted"].to_pylist(), strict=True))


def test_two_workers_have_the_losses_and_predictions_of_one(platform: LivePlatform) -> None:
    alone_id, together_id = platform.submit(WITHOUT_BATCH_NORM), platform.submit(WITHOUT_BATCH_NORM, num_workers=2)
    alone, together = platform.wait_ended(alone_id), platform.wait_ended(together_id)
    assert [attempt.failure_kind for attempt in together.attempts] == [None]
    ours, theirs = (epoch_rows(platform.paths(run))[0] for run in (together, alone))
    assert ours["val_loss"] == pytest.approx(theirs["val_loss"], rel=1e-4)
    assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-4)
    one, two = predictions(platform, alone), predictions(platform, together)
    assert one.keys() == two.keys()
    assert sum(one[name] != two[name] for name in one) <= 1
    assert (platform.paths(together).attempt(1).directory / "rank1.log").exists()
