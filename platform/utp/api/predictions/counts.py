"""What is counted over a file of predictions."""

from __future__ import annotations

from utp.api.predictions.prediction_file import PredictionFile


def count_pairs(file: PredictionFile) -> dict[tuple[int, int], int]:
    """Return how many samples there are of each (true, predicted) class that occurs."""
    from pyarrow import compute  # noqa: PLC0415  heavy, see prediction_file

    size = max(1, len(file.facts.classes))
    pairs = compute.add(compute.multiply(file.labels.cast("int64"), size), file.predicted.cast("int64"))
    counted = compute.value_counts(pairs).to_pylist()
    return {divmod(one["values"], size): one["counts"] for one in counted}


def sum_confidence_bins(file: PredictionFile, num_bins: int) -> list[tuple[int, float, int]]:
    """Return samples, summed confidence and right ones of each bin of equal width; 1 is in the last."""
    import pyarrow  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    confidence = file.confidences.cast("float64")
    confidence = compute.if_else(compute.is_finite(confidence), confidence, 0.0)
    place = compute.min_element_wise(compute.floor(compute.multiply(confidence, num_bins)), float(num_bins - 1))
    table = pyarrow.table({"bin": place, "confidence": confidence, "right": file.is_right.cast("int64")})
    sums = [("confidence", "count"), ("confidence", "sum"), ("right", "sum")]
    bins = [(0, 0.0, 0)] * num_bins
    for row in table.group_by("bin").aggregate(sums).to_pylist():
        bins[int(row["bin"])] = (row["confidence_count"], row["confidence_sum"], row["right_sum"])
    return bins
