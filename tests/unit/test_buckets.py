"""Times in buckets: a quantile is as exact as its bucket is narrow."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bridge.status.daily_sums import estimate_quantile, find_bucket_end

TIMES = st.floats(min_value=0.0, max_value=1_000_000.0)


@given(TIMES)
def test_a_time_is_in_the_bucket_that_ends_right_behind_it(seconds: float) -> None:
    ends = find_bucket_end(seconds)

    assert ends >= seconds - 0.001
    assert ends == 1.0 or ends <= seconds * 1.2501 + 0.001


@given(st.lists(TIMES, min_size=1), st.sampled_from([0.5, 0.9, 1.0]))
def test_a_quantile_is_within_a_quarter_of_the_true_one(times: list[float], part: float) -> None:
    true = sorted(times)[math.ceil(part * len(times)) - 1]

    told = estimate_quantile(Counter(map(find_bucket_end, times)), part)

    assert told is not None
    assert true / 1.26 - 1.0 <= told <= true * 1.26 + 1.0


def test_nothing_has_no_quantile() -> None:
    assert estimate_quantile({}, 0.5) is None
