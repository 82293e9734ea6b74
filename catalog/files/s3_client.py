"""Requests to S3, and what their answers mean.

s3fs makes the client, from the environment, profiles and fsspec's configuration. The requests are
made here: its own functions take keys for paths, and change those that end in a slash, begin with
one or hold `?versionId=`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import aiohttp
import fsspec.config
import s3fs
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from fsspec.asyn import sync

from catalog.errors import BucketMissing, StorageError
from catalog.files.remote import Replaced, Version, plain_etag, version, why_of

TRIES = 4
"""How often an object is asked for whose bytes broke off."""

PAUSE_S = 0.2
"""How long to wait before the second time; then twice as long each time."""

CONNECTIONS = 64
_CONNECT_S, _READ_S = 10, 60
_ATTEMPTS = 4
"""How often botocore makes a request that was refused for now, or got no answer."""

Answer = TypeVar("Answer")

_BROKEN = (
    boto.HTTPClientError,
    boto.IncompleteReadError,
    boto.ResponseStreamingError,
    boto.ConnectionError,
    ResponseParserError,
    aiohttp.ClientError,
    asyncio.TimeoutError,
    TimeoutError,
    ConnectionError,
)
"""What a connection that was lost looks like."""

_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.ProfileNotFound,
    boto.TokenRetrievalError,
    boto.SSOError,
)
_REFUSED = frozenset(
    [
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidToken",
        "InvalidSecurity",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    ]
)
_ELSEWHERE = frozenset(
    ["PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "301", "307"]
)
_BUSY = frozenset(
    [
        "SlowDown",
        "ServiceUnavailable",
        "InternalError",
        "RequestTimeout",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequests",
        "429",
        "500",
        "502",
        "503",
        "504",
    ]
)
_DENIED = frozenset(["AccessDenied", "AllAccessDisabled", "Forbidden", "403"])
_ABSENT = frozenset(["NoSuchKey", "NoSuchVersion", "404", "NotFound"])
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class _BrokenOff(ConnectionError):
    """The bytes of an object broke off."""


class Client:
    """What asks for the objects of one bucket; `root` is the URL that messages name."""

    def __init__(self, root: str, bucket: str) -> None:
        self.root = root
        self._bucket = bucket
        self._fs = s3fs.S3FileSystem(use_listings_cache=False, config_kwargs=_config())

    def page(self, prefix: str, token: str | None, most: int | None = None) -> dict[str, Any]:
        """Return a page of the listing of all keys that begin with `prefix`.

        Raises
        ------
        StorageError
            If it cannot be had.
        """
        arguments: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix}
        if token is not None:
            arguments["ContinuationToken"] = token
        if most is not None:
            arguments["MaxKeys"] = most
        try:
            answer = self._done(self._call("list_objects_v2", arguments))
        except OSError as exc:
            raise StorageError(f"{self.root} cannot be listed: {why_of(exc)}.") from exc
        if "IsTruncated" not in answer:
            # A console, a proxy or a sign-in page answers 200 to anything; botocore finds no keys
            # in it, as in the listing of an empty bucket, but that says whether it is complete.
            raise StorageError(
                f"{self.root} cannot be listed: what came is no listing of S3. Is the endpoint right (AWS_ENDPOINT_URL), and no console or proxy{self._endpoint()}?"
            )
        return answer

    def version(self, key: str) -> Version:
        """Return the version of an object.

        Raises
        ------
        OSError
            If it is not there, or access to it is denied.
        StorageError
            If the storage cannot be reached or used.
        """
        answer = self._done(self._call("head_object", {"Bucket": self._bucket, "Key": key}))
        return _version(answer, answer["ContentLength"])

    def read(self, key: str, start: int, end: int, etag: str | None) -> tuple[Version, bytes]:
        """Return the version of an object and its bytes from `start` to before `end`, or to its end.

        Parameters
        ----------
        etag:
            Of the version that is wanted; `None`: any.

        Raises
        ------
        OSError, StorageError
            As `version`; `Replaced` if it is another version.
        """
        return self._done(self._read(key, start, end, etag))

    async def _read(
        self, key: str, start: int, end: int, etag: str | None
    ) -> tuple[Version, bytes]:
        """Return the version of an object and its bytes from `start` to before `end`, or to its end."""
        arguments = {"Bucket": self._bucket, "Key": key, "Range": f"bytes={start}-{end - 1}"}
        if etag is not None:
            arguments["IfMatch"] = f'"{etag}"'
        pause_s = PAUSE_S
        for attempt in range(1, TRIES + 1):
            try:
                return await self._read_once(arguments, start, end)
            except _BrokenOff:
                if attempt == TRIES:
                    raise
            await asyncio.sleep(pause_s)
            pause_s *= 2
        raise AssertionError

    async def _read_once(
        self, arguments: dict[str, Any], start: int, end: int
    ) -> tuple[Version, bytes]:
        try:
            answer = await self._call("get_object", arguments)
        except boto.ClientError as exc:
            if _code(exc) not in ("InvalidRange", "416") or start:
                raise
            return await self._empty(arguments)
        async with answer["Body"] as body:
            match = _RANGE.fullmatch(answer.get("ContentRange") or "")
            if match is None:
                if start or answer.get(
                    "ContentRange"
                ):  # such as bytes 0-99/*, of who knows how many
                    raise OSError(errno.EIO, "its storage does not give parts of it")
                size = answer["ContentLength"]
                expected = min(end, size)
            else:
                size = int(match[3])
                expected = min(end, size) - start
                if int(match[1]) != start:
                    raise OSError(
                        errno.EIO, "its storage gave another part of it than was asked for"
                    )
            pieces, left = [], expected
            try:
                while left and (piece := await body.read(left)):
                    pieces.append(piece)
                    left -= len(piece)
            except _BROKEN as exc:
                raise _BrokenOff(_brief(exc)) from exc
        if left:
            raise _BrokenOff(f"{left:,} of {expected:,} bytes did not come")
        return _version(answer, size), b"".join(pieces)

    async def _empty(self, arguments: dict[str, Any]) -> tuple[Version, bytes]:
        """Return the version of an object that has no first byte."""
        plain = {name: arguments[name] for name in ("Bucket", "Key")}
        answer = await self._call("head_object", plain)
        if answer["ContentLength"]:
            raise Replaced
        return _version(answer, 0), b""

    async def _call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        await self._fs.set_session()
        client = await self._fs.get_s3(self._bucket)
        answer: dict[str, Any] = await getattr(client, name)(**arguments, **self._fs.req_kw)
        return answer

    def _done(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Return what came of requests.

        Raises
        ------
        OSError
            If something is wrong with the one object.
        StorageError
            If something is wrong with the storage, or the way to it.
        """

        async def run() -> Answer:
            return await work

        try:
            done: Answer = sync(self._fs.loop, run)
        except boto.ClientError as exc:
            self._refused(exc)
        except _NO_CREDENTIALS as exc:
            raise StorageError(
                f"There are no credentials for {self.root}: {why_of(exc)}. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; FSSPEC_S3_ANON=true for a public bucket."
            ) from exc
        except _BROKEN as exc:
            where = self._endpoint()
            raise StorageError(
                f"The connection to {self.root}{where} was lost, or there was none: {_brief(exc)}. Is the endpoint right (AWS_ENDPOINT_URL), and the network there?"
            ) from exc
        except (boto.ParamValidationError, boto.InvalidRegionError) as exc:
            raise StorageError(f"{self.root} cannot be asked for: {_brief(exc)}.") from exc
        except (boto.BotoCoreError, ValueError) as exc:  # such as an endpoint that is no URL
            raise StorageError(f"{self.root} cannot be used: {_brief(exc)}.") from exc
        return done

    def _refused(self, exc: boto.ClientError) -> NoReturn:
        code = _code(exc)
        said = str(exc.response.get("Error", {}).get("Message") or "").rstrip(".")
        where = self._endpoint()
        if code == "NoSuchBucket":
            raise BucketMissing(
                f"There is no bucket {self._bucket}{where}. Is its name right, and the endpoint (AWS_ENDPOINT_URL)?"
            ) from exc
        if code in _REFUSED:
            raise StorageError(
                f"The storage{where} does not take the credentials for {self.root}: {said or code}. Renew them, or set others (AWS_PROFILE)."
            ) from exc
        if code in _ELSEWHERE:
            raise StorageError(
                f"{self.root} is not reached there: {said or code}. Set its region (AWS_DEFAULT_REGION) or endpoint (AWS_ENDPOINT_URL)."
            ) from exc
        if code in _BUSY:
            raise StorageError(
                f"The storage of {self.root}{where} is busy or faulty, also after {_ATTEMPTS} requests: {said or code}. Try again later, with fewer --jobs."
            ) from exc
        if code in _ABSENT:
            raise FileNotFoundError(errno.ENOENT, "there is no such object") from exc
        if code in _DENIED:
            raise PermissionError(errno.EACCES, "access was denied") from exc
        if code in ("PreconditionFailed", "412"):
            raise Replaced from exc
        if code == "InvalidObjectState":
            raise OSError(
                errno.EIO, "it lies in an archive of the storage, and must be restored there first"
            ) from exc
        raise OSError(errno.EIO, f"the storage said: {said or code}") from exc

    def _endpoint(self) -> str:
        """Return where the storage is, for a message; nothing if it is Amazon's."""
        client = getattr(self._fs, "_s3", None)
        url = str(client.meta.endpoint_url) if client is not None else ""
        return "" if not url or ".amazonaws.com" in url else f" at {_without_user(url)}"


def _config() -> dict[str, Any]:
    """Return how requests are made, unless the user's configuration of fsspec says otherwise."""
    config: dict[str, Any] = {
        "connect_timeout": _CONNECT_S,
        "read_timeout": _READ_S,
        "max_pool_connections": CONNECTIONS,
    }
    if not {"AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"} & os.environ.keys():
        config["retries"] = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
    own: dict[str, Any] = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
    return config | own


def _version(answer: dict[str, Any], size_bytes: int) -> Version:
    etag = answer.get("ETag")
    return version(size_bytes, answer.get("LastModified"), plain_etag(etag) if etag else None)


def _code(exc: boto.ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Code") or "")


def _brief(exc: BaseException) -> str:
    """Return what happened, in one line."""
    return _without_user(" ".join(why_of(exc).split())[:300])


def _without_user(text: str) -> str:
    """Return a text without the user and password that a URL in it may hold."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", text)
