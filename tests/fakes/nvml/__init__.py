"""A library that stands in for NVIDIA's, so that the real nvidia-ml-py runs unmodified on a machine without a GPU.

It answers as a script says, a text file that the environment variable FAKE_NVML names. One thing a line:

    driver 580.95.05          what the driver calls itself
    gpus 2                    how many there are; without it one
    init 9                    nvmlInit gives this code
    init_s 2.5                nvmlInit takes so long
    gpu 0 energy_mj 1 2 !15   one value for each call, the last one for all that follow. `!15` is NVML's error 15,
                              `crash` ends the process, `@100000+5` is 5 plus 100000 a second since nvmlInit
    gpu 0 lost_after 3        from the fourth call of any counter on, this GPU is lost
    gpu 0 handle !4           it cannot be opened. Likewise events (its XIDs), fields and gpm_sample
    gpu 0 gpm 1               it has the profiling counters
    xid 2 0 79                XID 79 of GPU 0, to be had from the second sample on

Counters: energy_mj instant_power_mw power_mw memory_used utilization sm_clock memory_clock temperature
memory_temperature clock_events ecc_corrected ecc_uncorrected sm_active tensor_active dram_active. What the script does
not name is not supported. The first value of memory_used goes to whoever asks for the total, before the first sample.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from infercli.adapters.files import cache_home
from tests.parts.require import require

SOURCE = Path(__file__).with_name("nvml.c")


def library_folder(*, old_driver: bool = False) -> Path:
    """A folder for LD_LIBRARY_PATH with libnvidia-ml.so.1 in it. Compiled once per source; skips without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    require("cc", None if compiler else "there is no C compiler to make the stand-in for NVML (apt-get install gcc)")
    assert compiler is not None
    flags = ["-DOLD_DRIVER"] if old_driver else []
    digest = hashlib.sha256(SOURCE.read_bytes() + " ".join([compiler, *flags]).encode()).hexdigest()[:12]
    folder = cache_home() / f"fake-nvml-{digest}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            target = Path(made) / "done"
            target.mkdir()
            command = [compiler, "-shared", "-fPIC", "-O1", *flags]
            subprocess.run([*command, "-o", str(target / "libnvidia-ml.so.1"), str(SOURCE)], check=True)
            try:
                target.rename(folder)
            except OSError:  # somebody else was faster
                assert folder.exists()
    return folder
