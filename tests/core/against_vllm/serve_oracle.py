"""Runs in the engine's environment, not in the tests': asks vLLM itself what a `vllm serve` command means.

Reads a JSON list of {argv, names} on standard input and writes for each the values that vLLM reads for those arguments
to the file that is named as argument.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

found = []
for case in json.load(sys.stdin):
    read = make_arg_parser(FlexibleArgumentParser()).parse_args(case["argv"])
    found.append({name: getattr(read, name) for name in case["names"]})
Path(sys.argv[1]).write_text(json.dumps(found))
