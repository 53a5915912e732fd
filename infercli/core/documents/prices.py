"""What a GPU costs per hour. Prices move monthly: they are dated data (profiles/prices.yaml), never constants."""

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from infercli.core.record import Document, Record
from infercli.errors import UnknownName


class Price(Record):
    """On-demand price of one GPU for an hour, over the quotes that were found."""

    low_usd: float = Field(gt=0)
    median_usd: float = Field(gt=0)
    high_usd: float = Field(gt=0)
    quotes: int = Field(ge=1)
    """How many there were: one quote is no market."""
    source: str

    @model_validator(mode="after")
    def _ordered(self) -> "Price":
        if not self.low_usd <= self.median_usd <= self.high_usd:
            raise ValueError("must be ordered: low_usd, median_usd, high_usd")
        return self


class PriceList(Document):
    """prices.yaml."""

    kind: Literal["PriceList"] = "PriceList"
    as_of: date
    prices: dict[str, Price]

    def find(self, key: str) -> Price:
        """The price that a profile names. Raises UnknownName."""
        if key not in self.prices:
            raise UnknownName("price", key, self.prices, "add it to prices.yaml, or leave `price` out of the profile")
        return self.prices[key]
