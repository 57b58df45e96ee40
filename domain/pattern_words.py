"""Patterns in plain English: what goes with what and on how many days, never what causes it or what to do about it.

Names stand as whoever logged them typed them.
"""

from domain.patterns import Pattern

DIGITS_MAX = 15


def sentence(pattern: Pattern) -> str:
    """One pattern as a sentence."""
    moods = "brighter moods" if pattern.rho > 0 else "lower moods"
    strength = pattern.strength.capitalize()
    if pattern.contrast is None:
        return f"{strength}: more “{pattern.name}” goes with {moods}, over {pattern.n} days."
    by, with_, without = signed(pattern.contrast.difference), pattern.contrast.days_with, pattern.contrast.days_without
    return f"{strength}: “{pattern.name}” goes with {moods}: {by} on {with_} days with, {without} days without."


def signed(difference: float) -> str:
    """+0.4; with as many more digits as it takes not to read as none."""
    digits = next((digits for digits in range(1, DIGITS_MAX) if float(f"{difference:.{digits}f}")), 1)
    return f"{difference:+.{digits}f}".replace("-", "−")
