"""What is refused before it is queued, since its job could only fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from utp.config.request import RunRequest
from utp.config.submission import MAX_CONFIG_BYTES, check_submission
from utp.config.train import TrainConfig
from utp.errors import ConfigError

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-micro", batch_size=8)


def test_workers_that_cannot_share_a_batch_are_refused_with_what_would_do() -> None:
    check_submission(CONFIG, RunRequest(num_workers=4))
    told = "batch_size: 8 images can't be shared out evenly among 3 workers; set it to 9, or ask for"
    with pytest.raises(ConfigError, match=told):
        check_submission(CONFIG, RunRequest(num_workers=3))


def test_elastic_workers_may_be_any_number() -> None:
    check_submission(CONFIG, RunRequest(num_workers=3, min_workers=1))


def test_config_that_no_command_takes_is_refused_by_its_largest_field() -> None:
    names = [f"class {number} it's" for number in range(8000)]
    large = replace(CONFIG, label_map={name: index for index, name in enumerate(names)})
    with pytest.raises(ConfigError, match=rf"label_map: makes the config \d{{6}} bytes long.* {MAX_CONFIG_BYTES};"):
        check_submission(large, RunRequest())
    check_submission(replace(CONFIG, label_map={name: index for index, name in enumerate(names[:2000])}), RunRequest())
