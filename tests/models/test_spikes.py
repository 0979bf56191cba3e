"""Volumes, pulses and the surprise of them, with plain times and counts."""

import math
import random
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.negative_binomial import LARGEST_SURPRISE, log_ratio, surprise
from models.pulse import Pulse
from models.readings import WINDOWS, Reading
from models.rises import evidence_of_rise
from models.spike_parameters import SpikeParameters
from models.spikes import notice, read, settle_past, tell
from models.volume import HOUR_MS, Volume

MONDAY_MS = 1_767_571_200_000  # 2026-01-05
MINUTE_MS = 60_000
PARAMETERS = SpikeParameters()
DAYS = 14
NOW_MS = MONDAY_MS + DAYS * 24 * HOUR_MS


def steady_volume(per_hour: int = 60, days: int = DAYS) -> Volume:
    volume = Volume()
    for step in range(days * 288):
        volume.count(MONDAY_MS + step * 5 * MINUTE_MS, per_hour // 12)
    return volume


VOLUME = steady_volume().state()


def volume() -> Volume:
    fresh = Volume()
    fresh.load(VOLUME)
    return fresh


def steady_pulse(every_minutes: int, born_ms: int = MONDAY_MS) -> Pulse:
    pulse = Pulse(born_ms=born_ms)
    for at in range(born_ms + 1, NOW_MS, every_minutes * MINUTE_MS):
        pulse.add(at)
    settle_past(pulse, volume(), PARAMETERS, now_ms=NOW_MS)
    return pulse


def burst(pulse: Pulse, mentions: int, minutes: int = 60) -> int:
    """Add mentions after NOW_MS; returns the time of the last."""
    at = NOW_MS
    for n in range(mentions):
        at = NOW_MS + (n + 1) * minutes * MINUTE_MS // mentions
        pulse.add(at)
    return at


def reading(pulse: Pulse, now_ms: int) -> Reading:
    return read(pulse, volume(), PARAMETERS, now_ms=now_ms)


def test_tails_of_the_negative_binomial_are_those_of_its_terms() -> None:
    mean, shape = 2.0, 1.5
    p = mean / (mean + shape)
    terms = [
        math.exp(math.lgamma(n + shape) - math.lgamma(shape) - math.lgamma(n + 1)) * (1 - p) ** shape * p**n
        for n in range(400)
    ]
    for least in (1, 4, 9):
        assert surprise([least], [mean], [shape])[0] == pytest.approx(-math.log10(sum(terms[least:])))
    assert surprise([0, 10_000], [0.1, 0.1], [1e6, 1e6]).tolist() == [0.0, LARGEST_SURPRISE]


def test_the_log_ratio_is_that_of_the_chances() -> None:
    def log_chance(count: int, mean: float, shape: float) -> float:
        p = mean / (mean + shape)
        ways = math.lgamma(count + shape) - math.lgamma(shape) - math.lgamma(count + 1)
        return ways + shape * math.log(1 - p) + count * math.log(p)

    for count in (0, 3, 12):
        wanted = log_chance(count, 8.0, 2.5) - log_chance(count, 4.0, 2.5)
        assert log_ratio(count, 4.0, 2.5, 2.0) == pytest.approx(wanted)


def test_an_ordinary_hour_is_an_hour_of_a_steady_desk() -> None:
    assert volume().busyness(NOW_MS - HOUR_MS, NOW_MS) == pytest.approx(1.0, rel=0.05)
    assert volume().usual(NOW_MS - HOUR_MS, NOW_MS) == pytest.approx(1.0, rel=0.05)
    assert volume().usual(NOW_MS - 100 * HOUR_MS, NOW_MS) == pytest.approx(100.0, rel=0.05)


def test_hours_of_the_week_are_learned() -> None:
    seasonal = Volume()
    for hour in range(21 * 24):
        seasonal.count(MONDAY_MS + hour * HOUR_MS, 100 if hour % 24 < 12 else 10)
    end = MONDAY_MS + 21 * 24 * HOUR_MS
    morning = seasonal.usual(end + 3 * HOUR_MS, end + 4 * HOUR_MS)
    evening = seasonal.usual(end + 20 * HOUR_MS, end + 21 * HOUR_MS)
    assert morning / evening > 6
    assert seasonal.usual(end, end + 168 * HOUR_MS) == pytest.approx(168, rel=0.02)


def test_a_busy_desk_is_told_and_a_series_does_not_make_it_busy_by_itself() -> None:
    busy = volume()
    for minute in range(60):
        busy.count(NOW_MS + minute * MINUTE_MS, 4)
    hour = (NOW_MS, NOW_MS + HOUR_MS)
    assert 3.0 < busy.busyness(*hour) <= 4.0
    assert busy.busyness(*hour, own=180) == pytest.approx(1.0, rel=0.05)
    assert busy.usual(*hour) == pytest.approx(1.0, rel=0.05)


def test_silence_of_weeks_is_no_ordinary_time() -> None:
    quiet = volume()
    quiet.count(NOW_MS + 200 * 24 * HOUR_MS)
    assert quiet.usual(NOW_MS, NOW_MS + 168 * HOUR_MS) == pytest.approx(168, rel=0.02)


def test_what_is_usual_does_not_surprise() -> None:
    for every_minutes in (12, 60, 600):
        found = reading(steady_pulse(every_minutes), NOW_MS)
        assert found.surprise < 2
        hours = {name: seconds / 3_600 for name, seconds in WINDOWS.items()}
        for window in found.windows:
            expected = hours[window.window] * 60 / every_minutes
            # Windows are of whole bins and the one that is not full yet.
            assert window.expected == pytest.approx(expected, rel=0.35, abs=0.05)
            assert window.observed == pytest.approx(expected, rel=0.35, abs=1)


def test_six_mentions_in_an_hour_surprise_where_there_is_one_in_two_days() -> None:
    pulse = steady_pulse(2_400)
    found = reading(pulse, burst(pulse, 6))
    assert found.surprise > PARAMETERS.surprise
    assert {one.window: one.observed for one in found.windows}["1h"] == 6


def test_six_more_do_not_surprise_where_there_are_twenty() -> None:
    pulse = steady_pulse(3)
    assert reading(pulse, burst(pulse, 26)).surprise < PARAMETERS.surprise


def test_evidence_of_a_rise_is_the_sum_of_the_ratios_of_all_its_beginnings() -> None:
    counts, means, spreads, doubts = [3, 9, 12], [4.0, 5.0, 2.5], [1.0, 2.0, 0.5], [0.0, 0.1, 0.2]
    wanted = 0.0
    for begin in range(3):
        count, mean = sum(counts[begin:]), sum(means[begin:])
        alike = sum(doubt * its for doubt, its in zip(doubts[begin:], means[begin:], strict=True))
        shape = 1.0 / ((sum(spreads[begin:]) + alike**2) / mean**2 + 0.01)
        wanted += math.exp(float(log_ratio(count, mean, shape, 2.0)))
    found = evidence_of_rise(counts, means, spreads, doubts, doubt=0.01, factor=2.0)
    assert found == pytest.approx(math.log(wanted))


def test_evidence_of_a_rise_is_as_much_in_the_mean_in_all_calm_series() -> None:
    """One for each beginning: so that one threshold will do."""
    random_numbers = np.random.default_rng(4)
    for mean, excess in ((0.5, 0.0), (4.0, 0.0), (4.0, 1.0)):
        rates = random_numbers.gamma(mean / excess, excess, (4_000, 3)) if excess else mean
        hours = random_numbers.poisson(rates, (4_000, 3)).tolist()
        known = {"doubt": 1e-9, "factor": 1.5}
        sums = [
            math.exp(evidence_of_rise(one, [mean] * 3, [mean * excess] * 3, [0.0] * 3, **known))
            for one in hours
        ]
        assert np.mean(sums) == pytest.approx(3.0, rel=0.15)


def test_a_lively_series_surprises_less_than_a_steady_one() -> None:
    steady, lively = (Pulse(born_ms=MONDAY_MS) for _ in range(2))
    for hour in range(DAYS * 24):
        for n in range(6):
            at = MONDAY_MS + hour * HOUR_MS + n * 9 * MINUTE_MS + 1
            steady.add(at)
            lively.add(at if hour % 3 else at + (hour % 2) * HOUR_MS)
            if hour % 3 == 1:
                lively.add(at + 2)
    settle_past(steady, volume(), PARAMETERS, now_ms=NOW_MS)
    settle_past(lively, volume(), PARAMETERS, now_ms=NOW_MS)
    now = burst(steady, 20)
    burst(lively, 20)
    found, other = (reading(one, now) for one in (steady, lively))
    assert found.windows[1].expected == pytest.approx(6, rel=0.2)
    assert found.surprise > 4 > other.windows[1].surprise


def test_a_long_window_does_not_judge_by_a_shorter_past() -> None:
    young = Pulse(born_ms=NOW_MS - 32 * HOUR_MS)
    for minute in range(2, 32 * 60, 20):  # at first it was night, perhaps
        if minute < 60 or minute > 180:
            young.add(NOW_MS - 32 * HOUR_MS + minute * MINUTE_MS)
    settle_past(young, volume(), PARAMETERS, now_ms=NOW_MS)
    day = reading(young, NOW_MS).windows[3]
    assert day.observed > 2 * day.expected
    assert day.surprise == 0


def test_a_lasting_rise_is_found_that_no_hour_shows() -> None:
    pulse, now = steady_pulse(12), NOW_MS
    for minute in range(0, 8 * 60, 6):
        now = NOW_MS + minute * MINUTE_MS
        pulse.add(now)
    found = reading(pulse, now)
    assert found.windows[1].surprise < PARAMETERS.surprise < found.surprise


def test_more_at_a_busy_desk_surprises_less() -> None:
    pulse = steady_pulse(60)
    now = burst(pulse, 8)
    busy = volume()
    for minute in range(60):
        busy.count(NOW_MS + minute * MINUTE_MS, 4)
    calm = read(pulse, volume(), PARAMETERS, now_ms=now).surprise
    assert read(pulse, busy, PARAMETERS, now_ms=now).surprise < calm - 1


def test_what_founds_a_narrative_is_no_spike_but_far_more_in_its_next_hours_is() -> None:
    newborn = Pulse(born_ms=NOW_MS)
    for minute in range(0, 60, 10):
        newborn.add(NOW_MS - minute * MINUTE_MS)
    at_birth = reading(newborn, NOW_MS)
    assert at_birth.surprise == 0
    assert at_birth.windows[1].observed == 6
    assert at_birth.windows[1].expected > 6
    for minute in range(1, 60, 10):
        newborn.add(NOW_MS + minute * MINUTE_MS)
    assert reading(newborn, NOW_MS + HOUR_MS).surprise < 2  # it goes on as it began
    for second in range(0, 3_600, 20):
        newborn.add(NOW_MS + HOUR_MS + second * 1_000)
    assert reading(newborn, NOW_MS + 2 * HOUR_MS).surprise > PARAMETERS.surprise


def test_an_old_burst_is_not_what_a_new_one_is_measured_by() -> None:
    pulse = Pulse(born_ms=MONDAY_MS)
    for hour in range(0, DAYS * 24, 40):
        pulse.add(MONDAY_MS + hour * HOUR_MS + 1)
    for n in range(300):
        pulse.add(MONDAY_MS + 7 * 24 * HOUR_MS + n * 10_000)
    settle_past(pulse, volume(), PARAMETERS, now_ms=NOW_MS)
    assert pulse.past_mentions < 20


def test_a_spike_is_told_once_and_again_after_calm() -> None:
    pulse, desk = steady_pulse(2_400), volume()
    told = []

    def mention(at_ms: int) -> None:
        pulse.add(at_ms)
        if notice(pulse, desk, PARAMETERS, now_ms=at_ms) is not None:
            tell(pulse, at_ms)
            told.append(at_ms)

    for minute in range(0, 120, 5):
        mention(NOW_MS + minute * MINUTE_MS)
    assert len(told) == 1
    mention(NOW_MS + 14 * HOUR_MS)  # the day is still unusual, but that is known
    assert len(told) == 1
    for minute in range(0, 60, 5):
        mention(NOW_MS + 40 * HOUR_MS + minute * MINUTE_MS)
    assert len(told) == 2


def test_a_mention_that_is_found_late_counts_at_its_own_time() -> None:
    pulse = steady_pulse(2_400)
    for minute in range(8):
        pulse.add(NOW_MS - 8 * HOUR_MS - minute * MINUTE_MS)
    pulse.add(NOW_MS)
    found = {one.window: one for one in reading(pulse, NOW_MS).windows}
    assert (found["1h"].observed, found["6h"].observed, found["24h"].observed) == (1, 1, 10)
    assert found["1h"].surprise < PARAMETERS.surprise


def test_reading_changes_nothing_and_windows_empty_when_time_goes_on() -> None:
    pulse = steady_pulse(600)
    burst(pulse, 6)
    before = msgspec.msgpack.encode(pulse)
    surprises = [reading(pulse, NOW_MS + hours * HOUR_MS).surprise for hours in (1, 8, 26)]
    assert all(one > other for one, other in pairwise(surprises))
    assert [one.observed for one in reading(pulse, NOW_MS + 26 * HOUR_MS).windows] == [0, 0, 0, 0]
    assert msgspec.msgpack.encode(pulse) == before


def test_memory_is_bounded() -> None:
    pulse, desk = Pulse(born_ms=MONDAY_MS), volume()
    for minute in range(4 * 24 * 60):
        at = MONDAY_MS + minute * MINUTE_MS + 1
        pulse.add(at)
        settle_past(pulse, desk, PARAMETERS, now_ms=at)
    assert len(pulse.bins) <= 31 * 12
    assert len(msgspec.msgpack.encode(pulse)) < 4_000


TIMES = st.lists(st.integers(-40 * 60, 60), max_size=40)


@settings(deadline=None, max_examples=20)
@given(TIMES, st.randoms(use_true_random=False))
def test_the_order_of_mentions_does_not_matter(minutes: list[int], order: random.Random) -> None:
    shuffled = list(minutes)
    order.shuffle(shuffled)
    one, other = steady_pulse(600), steady_pulse(600)
    for minute in minutes:
        one.add(NOW_MS + minute * MINUTE_MS)
    for minute in shuffled:
        other.add(NOW_MS + minute * MINUTE_MS)
    assert one.bins == other.bins
    assert one.past_mentions == pytest.approx(other.past_mentions)
    assert reading(one, NOW_MS + HOUR_MS).surprise == pytest.approx(reading(other, NOW_MS + HOUR_MS).surprise)


@settings(deadline=None, max_examples=20)
@given(TIMES)
def test_what_is_taken_back_was_never_there(minutes: list[int]) -> None:
    one = steady_pulse(600)
    for minute in minutes:
        one.add(NOW_MS + minute * MINUTE_MS)
    for minute in minutes:
        one.take_back(NOW_MS + minute * MINUTE_MS)
    assert one.bins == steady_pulse(600).bins
    assert one.past_mentions == pytest.approx(steady_pulse(600).past_mentions)


@settings(deadline=None, max_examples=10)
@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 50)), max_size=30))
def test_state_continues_where_it_was_saved(steps: list[tuple[int, int]]) -> None:
    one, pulse = volume(), steady_pulse(600)
    kept, kept_pulse = volume(), steady_pulse(600)
    now = NOW_MS
    for minutes, comments in steps:
        now += minutes * MINUTE_MS
        for each, its in ((one, pulse), (kept, kept_pulse)):
            each.count(now, comments)
            its.add(now)
            notice(its, each, PARAMETERS, now_ms=now)
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(kept.state()), type=type(kept.state()))
        kept = Volume()
        kept.load(state)
        kept_pulse = msgspec.msgpack.decode(msgspec.msgpack.encode(kept_pulse), type=Pulse)
    assert pulse == kept_pulse
    assert one.state() == kept.state()
    assert read(pulse, one, PARAMETERS, now_ms=now) == read(kept_pulse, kept, PARAMETERS, now_ms=now)


def test_a_volume_of_other_lengths_is_refused() -> None:
    short = msgspec.structs.replace(VOLUME, counts=np.zeros(3).tobytes())
    with pytest.raises(ValueError, match="lengths"):
        Volume().load(short)
