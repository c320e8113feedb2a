import pytest
from pydantic import TypeAdapter, ValidationError

from utp.config.request import RunRequest


def test_a_request_without_values_is_one_worker_wherever_there_is_room():
    assert RunRequest() == RunRequest(num_workers=1, priority=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_workers": 0}, "num_workers"),
        ({"num_workers": 2, "min_workers": 3}, "above num_workers"),
        ({"gpus_per_worker": -1}, "gpus_per_worker"),
        ({"gpus_per_worker": 0, "gpu_model": "A100"}, "no effect with gpus_per_worker 0"),
        ({"priority": 101}, "priority"),
        ({"max_run_time_s": float("nan")}, "max_run_time_s"),
        ({"workers": 2}, "workers"),
    ],
)
def test_a_request_that_nobody_can_mean_is_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        RunRequest(**values)


def test_a_request_survives_json():
    adapter = TypeAdapter(RunRequest)
    request = RunRequest(num_workers=4, min_workers=2, gpus_per_worker=1, gpu_model="H100", max_run_time_s=3600.0)
    assert adapter.validate_json(adapter.dump_json(request)) == request


def test_every_field_has_its_help():
    properties = TypeAdapter(RunRequest).json_schema()["properties"]
    assert [name for name, schema in properties.items() if not schema.get("description")] == []
