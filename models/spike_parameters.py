"""What spikes are decided by. `models.spikes` uses it; docs/spikes.md says what it was fitted on."""

import msgspec

__all__ = ["SpikeParameters"]


class SpikeParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Rates are mentions in an ordinary hour (see `models.volume`)."""

    surprise: float = 4.0  # decades from which a series spikes
    calm: float = 2.0  # decades below which it does not stir
    calm_hours: float = 6.0  # for so long, before another spike of it can be told
    min_authors: int = 3  # within the window, and at least the square root of its mentions
    # Mentions that a rate is worth before anything is known, and the mean of rates, in an ordinary hour.
    prior_mentions: float = 0.5
    prior_rate: float = 0.2
    # A newborn is mentioned as often as in the hour before it emerged, and so often besides; attention then
    # goes with the power -1.5 of age, counted from three hours.
    newborn_rate: float = 1.0
    newborn_hours: float = 3.0
    newborn_power: float = -1.5
    # Variance beyond Poisson within an hour, usually: a share of the mean (replies come in bursts) and one of
    # its square (an hour is livelier than another). A series has so many times as much, 1 to begin with,
    # which is worth an excess of so much. In shorter and longer windows it goes with these powers of their
    # length.
    excess_of_mean: float = 0.05
    excess_of_square: float = 0.1
    excess_of_minutes: float = 0.1  # at least, of the mean in less than an hour: comments beget one another
    excess_weight: float = 4.0
    # How much more it may be than has been seen: half, and less after more hours than these.
    excess_doubt: float = 0.5
    excess_doubt_hours: float = 10.0
    excess_power_short: float = 0.5
    excess_power_long: float = 0.2
    least_excess: float = 0.1
    # What is known of the hours of a week may be wrong by so much (standard deviation, a share).
    season_doubt: float = 0.08
    # Of how much more is said than usual, this share is in doubt for any single series.
    busy_doubt: float = 0.25
    # And what is known from a short past: this variance (a share squared, at most 1) goes with its
    # hours to the -1.5.
    young_doubt: float = 8.0
    # Hours between the past and each window.
    guard_hours: tuple[float, float, float, float] = (1.0, 1.0, 6.0, 6.0)
    # Decades that the evidence of a slow rise is worth within a quarter of an hour.
    rise_correction: float = 1.2
    rise_factor: float = 2.0
    rise_hours: int = 6  # and the one that is not over: what began earlier is no news
    # It is looked for where the windows of one or six hours show as many decades, and where the past has so
    # many mentions in so many ordinary hours.
    rise_stirs: float = 1.0
    rise_past_mentions: float = 20.0
    rise_past_hours: float = 72.0
    # A past hour counts at most this many standard deviations above what was expected, and two mentions:
    # an old burst must not hide the next.
    most_deviations: float = 3.0
