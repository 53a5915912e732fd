"""A model's config.json and hf_quant_config.json from this machine: read, checked to be JSON objects, not understood.

The one thing to know: nothing else of a model is read, so a directory with only these two files can be sized.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import NamedTuple

from infercli.adapters.files import bounded_text
from infercli.core.record import Json
from infercli.errors import InvalidFile

CONFIG, QUANTIZATION = "config.json", "hf_quant_config.json"


class ModelConfig(NamedTuple):
    """The two files, as they are."""

    config: dict[str, Json]
    hf_quant_config: dict[str, Json] | None
    """None: the checkpoint has none."""


def read_model_config(config_path: str, hf_quant_config_path: str | None) -> ModelConfig:
    """Read `config_path`: the file, or the directory that has it.

    hf_quant_config.json is found by itself in a directory, and beside a file that is called config.json; beside one of
    another name it must be named, since files of several models may lie together. Raises InputError where a file cannot
    be read, InvalidFile where it is not a JSON object.
    """
    path = Path(config_path)
    directory = path.is_dir()
    quantization = None if hf_quant_config_path is None else Path(hf_quant_config_path)
    own = path if directory else path.parent
    if quantization is None and (directory or path.name == CONFIG) and (own / QUANTIZATION).exists():
        quantization = own / QUANTIZATION
    return ModelConfig(
        config=read_object(path / CONFIG if directory else path),
        hf_quant_config=None if quantization is None else read_object(quantization),
    )


def read_object(path: Path) -> dict[str, Json]:
    """The JSON object that a file holds. Raises as `read_model_config`."""
    text = bounded_text(path, encoding="utf-8")
    if text.startswith("\ufeff"):  # as what reads it in vLLM refuses it
        away = f"`sed -i '1s/^\\xEF\\xBB\\xBF//' {shlex.quote(str(path))}` takes it away"
        raise InvalidFile(str(path), [("", "begins with a byte order mark, with which vLLM does not read it")], away)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        cut_off = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
        ends = "it ends too early: " if cut_off else ""
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidFile(str(path), [(where, f"not JSON: {ends}{error.msg}")], "fetch the file again, whole") from None
    except RecursionError:
        raise InvalidFile(str(path), [("", "is nested too deeply to be a config.json")]) from None
    if not isinstance(value, dict):
        raise InvalidFile(str(path), [("", "must hold a JSON object")], "fetch the file again, whole")
    return value
