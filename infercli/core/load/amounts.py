"""An amount that may vary from request to request: the same, spread around a mean, in a range, or one of several."""

from __future__ import annotations

import math

from pydantic import Field, model_validator

from infercli.core.load.draws import Draws
from infercli.core.record import Json, Record

_FORMS = (
    "must be a number, a mapping with mean (and stdev, min, max) or with min and max alone, or a list of numbers or of "
    "{value, weight}"
)


class Choice(Record):
    """One of several amounts."""

    value: float = Field(ge=0)
    weight: float = Field(default=1.0, gt=0)
    """How likely, against the other weights."""


class Amount(Record):
    """In a file a number, a mapping (mean, stdev, min, max), or a list of numbers or of {value, weight}.

    Without a mean any amount between `min` and `max` is as likely as another.
    """

    mean: float | None = Field(default=None, ge=0)
    stdev: float = Field(default=0.0, ge=0)
    """Of a normal distribution, cut at `min` and `max`: the mean of what is drawn moves away from the nearer cut."""
    min: float | None = Field(default=None, ge=0)
    """None: the least that makes sense (a token, no time)."""
    max: float | None = Field(default=None, ge=0)
    choices: tuple[Choice, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _as_people_write(cls, value: Json) -> Json:
        if isinstance(value, (bool, str)):
            raise ValueError(_FORMS)  # noqa: TRY004  # pydantic reports only ValueErrors
        if isinstance(value, (int, float)):
            return {"mean": value}
        if isinstance(value, list):
            return {"choices": [c if isinstance(c, (dict, Choice)) else {"value": c} for c in value]}
        return value

    @model_validator(mode="after")
    def _one_form(self) -> Amount:
        ranged = self.mean is None and not self.choices
        if (self.mean is not None and self.choices) or (ranged and (self.min is None or self.max is None)):
            raise ValueError(_FORMS)
        if self.choices and (self.stdev or self.min is not None or self.max is not None):
            raise ValueError("stdev, min and max belong to a mean, not to choices")
        if ranged and self.stdev:
            raise ValueError("stdev belongs to a mean")
        low, high = self.min or 0.0, math.inf if self.max is None else self.max
        if ranged and low > high:
            raise ValueError("must have min <= max")
        if self.mean is not None and not low <= self.mean <= high:
            raise ValueError("must have min <= mean <= max")
        return self

    @property
    def average(self) -> float:
        """Of what is drawn, as far as no cut moves it."""
        if self.mean is not None:
            return self.mean
        if self.min is not None and self.max is not None:
            return (self.min + self.max) / 2
        return sum(c.value * c.weight for c in self.choices) / sum(c.weight for c in self.choices)

    def lowest(self, floor: float) -> float:
        """The least that can be drawn, `floor` being the least that makes sense."""
        if self.choices:
            return min(c.value for c in self.choices)
        if self.stdev or self.mean is None:
            return floor if self.min is None else self.min
        return self.mean

    def draw(self, draws: Draws, floor: float = 0.0) -> float:
        """One amount, not below `floor`."""
        if self.choices:
            return max(floor, self.choices[draws.weighted([c.weight for c in self.choices])].value)
        if self.mean is None:
            assert self.min is not None
            assert self.max is not None
            return max(floor, self.min + (self.max - self.min) * draws.fraction())
        if not self.stdev:
            return max(floor, self.mean)
        from statistics import NormalDist  # 16 ms, and only a spread needs it

        normal, low = NormalDist(self.mean, self.stdev), self.lowest(floor)
        least = normal.cdf(low)
        most = 1.0 if self.max is None else normal.cdf(self.max)
        # The inverse is defined inside (0, 1) only; at its ends it would be infinite.
        share = min(max(least + (most - least) * draws.fraction(), 1e-12), 1 - 1e-12)
        drawn = max(normal.inv_cdf(share), low, floor)
        return drawn if self.max is None else min(drawn, self.max)

    def tokens(self, draws: Draws) -> int:
        """One amount of tokens or turns: whole, and at least 1."""
        return max(1, round(self.draw(draws, 1.0)))
