"""The counters of a DCGM exporter, as the same columns that NVML fills.

The one thing to know: an exporter reads its counters every 30 s unless it is told otherwise (`-c`), and repeats itself
in between. Over a run that is short against that, energy is not known.

Names and units: `etc/default-counters.csv` and `etc/dcp-metrics-included.csv` of NVIDIA/dcgm-exporter 4.5.3; which of
them an exporter gives is its own configuration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from infercli.core.telemetry.exposition import Exposition, Labels, Scrape
from infercli.core.telemetry.gpus import GpuTelemetry, Telemetry, Xid, gpu_telemetry
from infercli.core.units import MIB


class _Column(NamedTuple):
    names: tuple[str, ...]
    """The first that is there; an old name after the new one."""
    factor: float = 1
    """From the exporter's unit to ours."""
    whole: bool = True
    """An integer here, whatever the exporter prints."""


_COLUMNS: dict[str, _Column] = {
    "memory_used_bytes": _Column(("DCGM_FI_DEV_FB_USED",), MIB),
    "power_w": _Column(("DCGM_FI_DEV_POWER_USAGE",), whole=False),
    "busy_fraction": _Column(("DCGM_FI_DEV_GPU_UTIL",), 0.01, whole=False),
    "sm_clock_mhz": _Column(("DCGM_FI_DEV_SM_CLOCK",)),
    "memory_clock_mhz": _Column(("DCGM_FI_DEV_MEM_CLOCK",)),
    "temperature_c": _Column(("DCGM_FI_DEV_GPU_TEMP",)),
    "memory_temperature_c": _Column(("DCGM_FI_DEV_MEMORY_TEMP",)),
    "energy_mj": _Column(("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",)),
    "clock_events": _Column(("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS")),
    "ecc_corrected": _Column(("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",)),
    "ecc_uncorrected": _Column(("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",)),
    "sm_active_fraction": _Column(("DCGM_FI_PROF_SM_ACTIVE",), whole=False),
    "tensor_active_fraction": _Column(("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",), whole=False),
    "dram_active_fraction": _Column(("DCGM_FI_PROF_DRAM_ACTIVE",), whole=False),
}
_TOTALS = (("DCGM_FI_DEV_FB_TOTAL",), ("DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_RESERVED"))
"""What the driver calls the total, or its parts, in MiB. Used and free alone leave out what the driver keeps."""
_XID = "DCGM_FI_DEV_XID_ERRORS"
"""The last XID, 0 for none: a second one of the same number cannot be seen."""
_MOST_FRACTION = 1.01
"""A hundredth for rounding. DCGM now and then says some millions of a percentage (NVIDIA/dcgm-exporter#418)."""
_OF_THE_WHOLE_GPU = ("power_w", "energy_mj")
"""What an exporter repeats for each MIG instance of a GPU."""


class _Gpu(NamedTuple):
    host: str
    number: str
    uuid: str
    instance: str
    """MIG; `` for a whole GPU."""


def is_dcgm(exposition: Exposition) -> bool:
    """Whether a DCGM exporter answered."""
    return any(name.startswith("DCGM_FI_") for name in {*exposition.series, *exposition.problems})


def wanted(name: str) -> bool:
    """Whether a series is one that `telemetry` reads."""
    return name in _WANTED


def telemetry(source: str, scrapes: Sequence[Scrape], *, interval_s: float) -> Telemetry:
    """Scrapes in order of time."""
    tables = [_by_gpu(scrape.exposition) if scrape.exposition is not None else {} for scrape in scrapes]
    gpus = sorted({gpu for table in tables for gpu in table})
    at_s = [scrape.at_s for scrape in scrapes]
    labels = [gpu_labels for table in tables for rows in table.values() for gpu_labels, _ in rows.values()]
    return Telemetry(
        source=source,
        interval_s=interval_s,
        window_s=at_s[-1] - at_s[0] if at_s else 0.0,
        driver_version=next((v for row in labels if (v := dict(row).get("DCGM_FI_DRIVER_VERSION"))), None),
        gpus=tuple(_telemetry(gpu, scrapes, [table.get(gpu, {}) for table in tables]) for gpu in gpus),
    )


_Rows = Mapping[str, tuple[Labels, float]]
"""Name -> labels and value, of one GPU."""


def _by_gpu(exposition: Exposition) -> dict[_Gpu, dict[str, tuple[Labels, float]]]:
    table: dict[_Gpu, dict[str, tuple[Labels, float]]] = {}
    for name, rows in exposition.series.items():
        if not wanted(name):
            continue  # of an engine, or of the process that answers: one address may give several exporters' counters
        for labels, value in rows.items():
            if not math.isfinite(value):
                continue
            said = dict(labels)
            host = said.get("hostname") or said.get("Hostname") or ""
            uuid = said.get("UUID") or said.get("uuid") or ""
            gpu = _Gpu(host, said.get("gpu", ""), uuid, said.get("GPU_I_ID", ""))
            # Where pods share a GPU it has a row for each of them, with the same value.
            table.setdefault(gpu, {}).setdefault(name, (labels, value))
    return table


def _telemetry(gpu: _Gpu, scrapes: Sequence[Scrape], tables: Sequence[_Rows]) -> GpuTelemetry:
    seen = {name for table in tables for name in table}
    problems = {name: bad for s in scrapes if s.exposition for name, bad in s.exposition.problems.items()}
    why: dict[str, str] = {}
    for column, spec in _COLUMNS.items():
        if not seen.intersection(spec.names):
            bad = next((problems[name] for name in spec.names if name in problems), None)
            why[column] = bad or f"{spec.names[0]} is not among this exporter's counters"
        if gpu.instance and column in _OF_THE_WHOLE_GPU:
            why[column] = "the exporter gives the whole GPU's for each of its MIG instances"
    failed = [s.reason for s in scrapes if s.reason is not None]
    gone = any(not table and s.exposition is not None for s, table in zip(scrapes, tables, strict=True))
    if failed or gone:
        why["gpu"] = failed[0] if failed else "the exporter did not list this GPU"
    rows = [{column: _value(spec, table) for column, spec in _COLUMNS.items() if column not in why} for table in tables]
    for row in rows:
        for column, value in row.items():
            if column.endswith("_fraction") and value is not None and value > _MOST_FRACTION:
                row[column] = None
                why[column] = f"{_COLUMNS[column].names[0]} said more than all of it"
    name = next((n for t in tables for labels, _ in t.values() if (n := dict(labels).get("modelName"))), None)
    if name is not None and gpu.instance:
        name = f"{name}, MIG instance {gpu.instance}"
    totals = [sum(t[n][1] for n in names) for names in _TOTALS for t in tables if all(n in t for n in names)]
    if _XID not in seen:
        why["xids"] = f"{_XID} is not among this exporter's counters"
    return gpu_telemetry(
        int(gpu.number) if gpu.number.isdecimal() else 0,
        [scrape.at_s for scrape in scrapes],
        rows,
        why,
        name=name,
        host=gpu.host or None,
        uuid=gpu.uuid or None,
        memory_total_bytes=round(totals[0]) * MIB if totals else None,
        power_source=_COLUMNS["power_w"].names[0],
        xids=_xids(scrapes, tables) if _XID in seen else None,
    )


def _value(spec: _Column, table: _Rows) -> float | None:
    for name in spec.names:
        if name in table:
            value = table[name][1] * spec.factor
            return round(value) if spec.whole else value
    return None


def _xids(scrapes: Sequence[Scrape], tables: Sequence[_Rows]) -> tuple[Xid, ...]:
    """The changes of the gauge: what it holds at first is from before the run."""
    found: list[Xid] = []
    last: float | None = None
    for scrape, table in zip(scrapes, tables, strict=True):
        if _XID not in table:
            continue
        value = table[_XID][1]
        if last is not None and value not in (last, 0):
            found.append(Xid(at_s=scrape.at_s, code=round(value)))
        last = value
    return tuple(found)


_WANTED = frozenset(
    {*(name for names in _TOTALS for name in names), _XID, *(name for spec in _COLUMNS.values() for name in spec.names)}
)
