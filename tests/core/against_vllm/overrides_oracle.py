"""Runs in the engine's environment, not in the tests': asks vLLM itself how long requests of an overridden config are.

Reads a JSON list of {config, hf_overrides} on standard input and writes the list of maximum lengths to the file that is
named as argument, null where vLLM refuses (vLLM logs to standard output).
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from vllm.config import ModelConfig

found = []
for case in json.load(sys.stdin):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(case["config"]))
        try:
            model = ModelConfig(model=folder, skip_tokenizer_init=True, hf_overrides=case["hf_overrides"])
        except (KeyError, ValueError):
            found.append(None)
        else:
            found.append(model.max_model_len)
Path(sys.argv[1]).write_text(json.dumps(found))
