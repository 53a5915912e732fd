"""From a line of JSON to an answer: reads config files once, whatever the number of lines that name them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from infercli.adapters.files import unique_keys
from infercli.core.bench.learned_speed import speed_notes
from infercli.core.estimates.answer import Estimate, EstimateError
from infercli.core.estimates.estimate import estimate, read_request
from infercli.core.estimates.model import Model, read_draft, read_model, shipped_model
from infercli.core.estimates.problems import Problems
from infercli.core.record import canonical
from infercli.errors import InferError

if TYPE_CHECKING:
    from infercli.core.estimates.learning import LearnedRuns
    from infercli.core.estimates.request import EstimateRequest
    from infercli.core.memory.batch import Draft
    from infercli.core.record import Json


class Answers:
    """Answers requests; remembers the models that it has read, and nothing else.

    `learned`: what this installation's own runs printed and measured, said in the notes of estimates of their kind.
    """

    def __init__(self, learned: LearnedRuns | None = None) -> None:
        self._models: dict[object, Model | InferError] = {}
        self._learned = learned

    def answer_line(self, line: bytes, number: int) -> Estimate | EstimateError:
        """The answer to a line of a stream; `number` counts from 1."""
        try:
            value = json.loads(line.decode("utf-8-sig").rstrip(), object_pairs_hook=unique_keys)
            if b"\\u" in line:
                canonical(value)
        except UnicodeDecodeError:
            what = "is not UTF-8 text"
        except UnicodeEncodeError as error:  # its answer, which repeats it, could not be written
            what = f"has half a character in a text: \\u{ord(error.object[error.start]):x}"
        except RecursionError:
            what = "is nested too deeply"
        except json.JSONDecodeError as error:  # which counts lines of its own
            what = f"is not JSON: {error.msg.removesuffix(' at')} at column {error.colno}"
        except ValueError as error:
            what = str(error)
        else:
            return self.answer(value, number)
        return _refused(None, number, what, "one whole JSON object a line")

    def answer(self, value: Json, number: int | None = None) -> Estimate | EstimateError:
        """The answer to a request as JSON has it; `number` is its line, where it came from a stream."""
        asked = read_request(value)
        if isinstance(asked, EstimateError):
            return asked.model_copy(update={"line": number})
        try:
            model = self._model(asked)
            answer = estimate(asked, model, self._draft(asked, model), self._learned)
        except Exception as error:  # a stream of a thousand lines does not end at our fault in one
            if os.environ.get("INFERCLI_DEBUG"):
                raise
            what = f"infercli's own fault: {type(error).__name__}: {error}"
            return _refused(asked.id, number, what, "run again with INFERCLI_DEBUG=1 and report the traceback")
        if self._learned is not None and isinstance(answer, Estimate):
            known = speed_notes(self._learned, answer, asked.workload)
            answer = answer.model_copy(update={"notes": (*answer.notes, *known)})
        return answer.model_copy(update={"line": number})

    def _model(self, asked: EstimateRequest) -> Model | InferError:
        """The model of a request, or why it cannot be planned. Read and parsed once."""
        key: object = asked.model
        given = (asked.config_path, asked.config, asked.hf_quant_config_path, asked.hf_quant_config)
        if any(one is not None for one in given):
            key = (asked.model, canonical(list(given)))
        if key not in self._models:
            try:
                self._models[key] = _load(asked)
            except InferError as error:
                self._models[key] = error
        return self._models[key]

    @staticmethod
    def _draft(asked: EstimateRequest, model: Model | InferError) -> Draft | InferError | None:
        """What drafts for it, or why that cannot be planned."""
        speculation = asked.speculation
        if speculation is None or isinstance(model, InferError):
            return None
        try:
            if speculation.config_path is None:
                return read_draft(speculation, model, speculation.config)
            from infercli.adapters.models.model_config import read_model_config

            files = read_model_config(speculation.config_path, None)
            return read_draft(speculation, model, files.config, files.hf_quant_config)
        except InferError as error:
            return error


def _refused(request_id: str | int | None, number: int | None, what: str, hint: str) -> EstimateError:
    problems = Problems()
    problems.add("", what, hint)
    return problems.answer(request_id, number)


def _load(asked: EstimateRequest) -> Model:
    from infercli.adapters.models.model_config import read_model_config, read_object

    if asked.config_path is not None:
        files = read_model_config(asked.config_path, asked.hf_quant_config_path)
        config, hf_quant_config = files.config, asked.hf_quant_config or files.hf_quant_config
        return read_model(asked.model or asked.config_path, config, hf_quant_config)
    hf_quant_config = asked.hf_quant_config
    if asked.hf_quant_config_path is not None:
        hf_quant_config = read_object(Path(asked.hf_quant_config_path))
    if asked.config is not None:
        return read_model(asked.model or "config", asked.config, hf_quant_config)
    assert asked.model is not None
    return shipped_model(asked.model, hf_quant_config)
