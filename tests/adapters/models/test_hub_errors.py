"""Every exception of the Hub's client is either in words or known not to come up."""

from __future__ import annotations

import errno
import inspect
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import errors

from infercli.adapters.models.hub_errors import TRANSLATIONS, Asked, pause_s, translate
from infercli.errors import InferError

OF_ITS_CACHE = """CacheNotFound CorruptedCacheException CachedRepoTreeNotFoundError LocalEntryNotFoundError
    IncompleteSnapshotError DryRunError FileMetadataError FileDuplicationError XetDownloadError"""
OF_CALLS_NOT_MADE = """InferenceTimeoutError InferenceEndpointError InferenceEndpointTimeoutError TextGenerationError
    ValidationError GenerationError OverloadedError IncompleteGenerationError UnknownError SafetensorsParsingError
    NotASafetensorsRepoError BucketNotFoundError BucketBatchError JobNotFoundError HfUriError DDUFError
    DDUFCorruptedFileError DDUFExportError DDUFInvalidEntryNameError CLIError ConfirmationError
    CLIExtensionInstallError SandboxError SandboxCommandError StrictDataclassError StrictDataclassDefinitionError
    StrictDataclassFieldValidationError StrictDataclassClassValidationError SSEError"""
OF_A_WRONG_CALLER = "CookieConflict StreamError StreamConsumed StreamClosed ResponseNotRead RequestNotRead"
"""Bugs, which must stay ones."""
NOT_ASKED_FOR = set(f"{OF_ITS_CACHE} {OF_CALLS_NOT_MADE} {OF_A_WRONG_CALLER}".split())

ASKED = Asked("org/tiny", "v1", "https://hub", has_token=False, doing="pinning")
ADDRESS = "https://cdn/x?X-Amz-Signature=signed"
SECRET = f"{ADDRESS} hf_secret"


def exceptions_of(module: object) -> dict[str, type[Exception]]:
    found = dict(inspect.getmembers(module, lambda m: inspect.isclass(m) and issubclass(m, Exception)))
    return {
        name: kind for name, kind in found.items() if kind.__module__.split(".")[0] in ("huggingface_hub", "httpx2")
    }


CLIENTS = exceptions_of(errors) | exceptions_of(httpx2)


def test_every_exception_of_the_client_is_translated_or_known_not_to_come_up() -> None:
    assert set(CLIENTS) - set(TRANSLATIONS) - NOT_ASKED_FOR == set()


def test_no_row_is_for_an_exception_that_the_client_no_longer_has() -> None:
    assert set(TRANSLATIONS) - set(CLIENTS) == {"OSError"}
    assert set(CLIENTS) >= NOT_ASKED_FOR
    assert not NOT_ASKED_FOR & set(TRANSLATIONS)


def made(kind: type[Exception], status: int = 418) -> Exception:
    request = httpx2.Request("GET", ADDRESS)
    response = httpx2.Response(status, request=request, headers={"retry-after": "soon"})
    if issubclass(kind, errors.HfHubHTTPError):
        return kind(SECRET, response=response)
    if issubclass(kind, httpx2.HTTPStatusError):
        return kind(SECRET, request=request, response=response)
    return kind(SECRET)


@pytest.mark.parametrize("doing", ["pinning", "downloading"])
@pytest.mark.parametrize("name", sorted(set(TRANSLATIONS) & set(CLIENTS)))
def test_each_becomes_one_sentence_and_a_hint_without_the_foreign_text(name: str, doing: str) -> None:
    ours = translate(made(CLIENTS[name]), ASKED._replace(doing=doing))
    assert isinstance(ours, InferError)
    assert ours.hint
    assert "\n" not in ours.message
    assert not ours.message.endswith(".")
    if name not in ("ConnectError", "ConnectTimeout", "ProxyError", "RevisionResolutionError"):
        # these speak of the socket, before any redirect: "Connection refused" is what one needs to know
        assert "Signature" not in ours.message + ours.hint


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500, 503])
def test_each_status_becomes_a_sentence(status: int) -> None:
    ours = translate(made(errors.HfHubHTTPError, status), ASKED)
    assert ours is not None
    assert "Signature" not in ours.message + (ours.hint or "")


@pytest.mark.parametrize("name", sorted(set(CLIENTS) & set(TRANSLATIONS)))
@pytest.mark.parametrize("endpoint", ["https://me:pass@hub:8443/api", "https://me:p@ss@hub:8443/api"])
def test_the_password_of_a_mirror_is_never_said(name: str, endpoint: str) -> None:
    for status in (401, 403, 404, 429, 503):
        ours = translate(made(CLIENTS[name], status), ASKED._replace(endpoint=endpoint))
        assert ours is not None
        assert "ss@" not in f"{ours.message} {ours.hint}"
    assert ASKED._replace(endpoint=endpoint).page == "https://hub:8443/api/org/tiny"


def test_what_no_row_explains_stays_the_bug_that_it_is() -> None:
    assert translate(ZeroDivisionError(), ASKED) is None
    assert translate(httpx2.StreamConsumed(), ASKED) is None


def test_a_certificate_that_is_not_trusted_says_which_variable_to_set() -> None:
    ours = translate(httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), ASKED)
    assert "does not trust" in ours.message
    assert "SSL_CERT_FILE" in ours.hint
    assert "`infercli pin org/tiny --revision v1`" in ours.hint


def test_a_quota_is_not_called_a_full_disk() -> None:
    error = OSError(errno.EDQUOT, "Disk quota exceeded")
    ours = translate(error, ASKED._replace(directory=Path("/models/x")))
    assert ours.message == "/models/x: the disk quota is used up"


def test_only_what_may_pass_is_tried_again() -> None:
    assert pause_s(made(errors.HfHubHTTPError, 503), 0, first_contact=True) == 1.0
    assert pause_s(made(errors.HfHubHTTPError, 503), 4, first_contact=True) is None
    assert pause_s(made(errors.GatedRepoError, 403), 0, first_contact=False) is None
    assert pause_s(httpx2.ConnectError("refused"), 0, first_contact=True) is None
    assert pause_s(httpx2.ConnectError("refused"), 0, first_contact=False) == 1.0
    assert pause_s(httpx2.ReadTimeout("slow"), 1, first_contact=True) == 2.0
    assert pause_s(httpx2.UnsupportedProtocol("x"), 0, first_contact=False) is None
    assert pause_s(OSError(errno.ENOSPC, "full"), 0, first_contact=False) is None
