from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from infercli.serving.engine import root_cause

# What vLLM 0.29 prints when its KV cache gets no memory, shortened in the middle.
NO_MEMORY = """\
INFO 11-21 07:00:02 [__init__.py:239] Automatically detected platform cpu.
WARNING 11-21 07:00:03 [envs.py:1] NotAnError: this line is a lower one of no interest
(EngineCore_DP0 pid=912) ERROR 11-21 07:00:09 [core.py:868] EngineCore failed to start.
(EngineCore_DP0 pid=912) ERROR 11-21 07:00:09 [core.py:868] Traceback (most recent call last):
(EngineCore_DP0 pid=912) ERROR 11-21 07:00:09 [core.py:868]     raise ValueError(
(EngineCore_DP0 pid=912) ERROR 11-21 07:00:09 [core.py:868] ValueError: No available memory for the cache blocks. Try X.
(EngineCore_DP0 pid=912) Process EngineCore_DP0:
(EngineCore_DP0 pid=912) Traceback (most recent call last):
(EngineCore_DP0 pid=912) ValueError: No available memory for the cache blocks. Try X.
Traceback (most recent call last):
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""


def test_the_cause_is_the_last_error_that_does_not_point_to_another():
    assert root_cause.find(NO_MEMORY) == "ValueError: No available memory for the cache blocks. Try X."


def test_an_exception_is_named_without_its_module():
    text = "  File x\ntorch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
    assert root_cause.find(text) == "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"


def test_without_an_exception_there_is_no_cause():
    assert root_cause.find("") is None
    assert root_cause.find("INFO all is well: no Error here\nan error: lower case\n") is None
    assert root_cause.find("RuntimeError: Engine core initialization failed. See root cause above.") is None


def test_a_cause_of_any_length_fits_into_a_status_line():
    assert len(root_cause.find("ValueError: " + "x" * 10_000)) == 800


def test_what_a_child_printed_is_read_back_from_the_shared_file_without_what_stood_there_before():
    program = (
        "import os, subprocess, sys\n"
        "from infercli.serving.engine import root_cause\n"
        "print('ValueError: of an earlier task', flush=True)\n"
        "since = root_cause.size(1)\n"
        "subprocess.run([sys.executable, '-c', 'raise LookupError(\"of the child\")'], stderr=1)\n"
        "print(root_cause.find(root_cause.printed(1, since)), file=sys.stderr)\n"
    )
    with tempfile.TemporaryFile() as log:
        ran = subprocess.run([sys.executable, "-c", program], stdout=log, stderr=subprocess.PIPE, text=True, check=True)
    assert ran.stderr.strip() == "LookupError: of the child"


def test_a_descriptor_that_is_no_file_has_printed_nothing():
    reading, writing = os.pipe()
    try:
        assert root_cause.printed(writing, 0) == ""
        assert root_cause.size(10_000) == 0
    finally:
        os.close(reading)
        os.close(writing)
