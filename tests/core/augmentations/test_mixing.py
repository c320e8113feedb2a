"""Mixup and CutMix: the stated distributions, timm's targets, and draws that are a function of (seed, epoch, batch)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from timm.data.mixup import mixup_target
from timm.loss import SoftTargetCrossEntropy

from utp.config.train import TrainConfig
from utp.core.augmentations.mixing import Mix, Mixer, cut_box
from utp.core.catalog import check_config
from utp.core.losses.entries import LOSSES
from utp.errors import ConfigError

MIXUP = Mixer(mixup_alpha=0.8, cutmix_alpha=0.0, probability=1.0, off_epoch=None, seed=0)
CUTMIX = replace(MIXUP, mixup_alpha=0.0, cutmix_alpha=1.0)
BOTH = replace(MIXUP, cutmix_alpha=1.0)


def draws(mixer: Mixer, count: int, side: int = 64) -> list[Mix | None]:
    return [mixer.draw(number // 500, number % 500, side, side) for number in range(count)]


def test_share_of_mixup_has_the_moments_of_its_beta_distribution() -> None:
    shares = torch.tensor([mix.share for mix in draws(MIXUP, 4000) if mix], dtype=torch.float64)
    assert len(shares) == 4000
    variance = 1 / (4 * (2 * 0.8 + 1))
    assert abs(shares.mean() - 0.5) < 4 * (variance / 4000) ** 0.5
    assert abs(shares.var() / variance - 1) < 0.06


def test_box_of_cutmix_has_the_area_that_its_share_lacks() -> None:
    for mix in draws(CUTMIX, 1000):
        assert mix is not None
        assert mix.box is not None
        top, bottom, left, right = mix.box
        assert 0 <= top <= bottom <= 64
        assert 0 <= left <= right <= 64
        assert mix.share == 1 - (bottom - top) * (right - left) / 64**2


@pytest.mark.parametrize("share", [0.1, 0.36, 0.75, 0.99])
def test_box_that_no_border_cuts_keeps_the_drawn_share(share: float) -> None:
    assert cut_box(share, (500, 500), 1000, 1000).share == pytest.approx(share, abs=0.003)
    assert cut_box(share, (0, 0), 1000, 1000).share > share


def test_half_of_the_batches_are_cut_where_both_are_on_and_probability_spares_the_rest() -> None:
    mixes = draws(replace(BOTH, probability=0.6), 4000)
    mixed = [mix for mix in mixes if mix]
    assert abs(len(mixed) - 2400) < 4 * (4000 * 0.24) ** 0.5
    assert abs(sum(mix.box is not None for mix in mixed) / len(mixed) - 0.5) < 0.04


def test_draw_is_a_function_of_seed_epoch_and_batch() -> None:
    draw = MIXUP.draw(3, 7, 32, 32)
    assert MIXUP.draw(3, 7, 32, 32) == draw
    others = (MIXUP.draw(4, 7, 32, 32), MIXUP.draw(3, 8, 32, 32), replace(MIXUP, seed=1).draw(3, 7, 32, 32))
    assert draw not in others


def test_draws_leave_the_generators_of_dropout_alone() -> None:
    before = torch.default_generator.get_state()
    draws(BOTH, 10)
    assert torch.equal(torch.default_generator.get_state(), before)


def test_off_epoch_ends_mixing() -> None:
    mixer = replace(BOTH, off_epoch=2)
    assert [mixer.draw(epoch, 0, 8, 8) is None for epoch in range(4)] == [False, False, True, True]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_batches_of_any_size_are_mixed_with_their_mirror(size: int) -> None:
    images = torch.rand(size, 3, 6, 6)
    expected = images * 0.7 + images.flip(0) * 0.3
    torch.testing.assert_close(Mix(0.7).mix_images(images.clone()), expected)
    cut = Mix(0.75, (0, 3, 3, 6)).mix_images(images.clone())
    assert torch.equal(cut[..., :3, 3:], images.flip(0)[..., :3, 3:])
    assert torch.equal(cut[..., 3:, :], images[..., 3:, :])
    assert torch.equal(cut[..., :3, :3], images[..., :3, :3])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_of_mixed_labels_is_timms(smoothing: float) -> None:
    labels, logits = torch.tensor([0, 1, 2, 2, 4]), torch.randn(5, 6)
    entry = LOSSES.get("cross_entropy")
    loss = entry.load()(entry.check_options({"label_smoothing": smoothing}, "loss_options"), is_training=True)
    ours = loss(logits, Mix(0.3).mix_labels(labels, 6)).mean()
    theirs = SoftTargetCrossEntropy()(logits, mixup_target(labels, 6, 0.3, smoothing))
    torch.testing.assert_close(ours, theirs)


def test_dominant_label_is_the_one_that_a_picture_shows_most_of() -> None:
    labels = torch.tensor([0, 1, 2])
    assert Mix(0.5).dominant_labels(labels).tolist() == [0, 1, 2]
    assert Mix(0.49).dominant_labels(labels).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    "fields",
    [
        {"mixup_prob": 0.5},
        {"mixup_off_epoch": 3},
        {"mixup_alpha": 0.8, "mixup_off_epoch": 10, "epochs": 10},
    ],
)
def test_setting_without_effect_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="has no effect"):
        TrainConfig(root="x", model_flavour="x", **fields)


def test_loss_that_takes_labels_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))
    LOSSES.register("hard", "utp.core.losses.cross_entropy:build", doc="Hard.", soft_targets=False)
    config = TrainConfig(root="x", model_flavour="builtin/resnet-micro", loss="hard", cutmix_alpha=1.0)
    with pytest.raises(ConfigError, match=r"cutmix_alpha: 1\.0 mixes labels, which loss 'hard' can't take"):
        check_config(config)
    check_config(replace(config, loss="cross_entropy"))
