"""Captures that are encrypted at rest with age: written for public keys, read with private ones.

The file is that of the `age` program (https://age-encryption.org/v1), in binary or armoured. It is
made of pieces of 64 KiB, each authenticated: what stands before a cut or a change can be read.
The package pyrage, of the extra `age`, works on whole files, so it runs in a thread behind a pipe;
memory is that of a few pieces.
"""

from __future__ import annotations

import binascii
import contextlib
import io
import os
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import IO, Any, Final

from shadow.captures.key_files import read_key
from shadow.errors import ConfigError

IDENTITY_VARIABLE: Final = "SHADOW_AGE_IDENTITY"
"""Names the file with the private keys."""
SUFFIX: Final = ".age"
MAGICS: Final = (b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----")
LONGEST_MAGIC: Final = max(map(len, MAGICS))

_MAX_KEY_BYTES: Final = 64 * 1024
_READ_BYTES: Final = 64 * 1024
_MAX_HEADER_BYTES: Final = 32 * 1024
"""That of three hundred public keys."""
_END_OF_HEADER: Final = b"\n--- "
_EMPTY_BYTES: Final = 16 + 16
"""Behind the header: a nonce, and the tag of a piece without data."""
START_BYTES: Final = 2 * _MAX_HEADER_BYTES
"""What shows whether there is any data."""
_MAKE_ONE: Final = "age-keygen -o key.txt makes one, and prints the public key"
_PRIVATE: Final = ("AGE-SECRET-KEY-", "AGE-PLUGIN-", "-----BEGIN")
"""How private keys begin."""


class Encryptor:
    """Encrypts as data comes; for one thread, which must `finish` or `abandon` it."""

    def __init__(self, recipients: Sequence[str]) -> None:
        """`recipients` are those that `parse_recipients` gave."""
        pyrage = _pyrage()
        keys = [_recipient(pyrage, text) for text in recipients]
        self._made = bytearray()
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        reading, writing = os.pipe()
        self._pipe = os.fdopen(writing, "wb", buffering=0)
        self._thread = threading.Thread(
            target=self._work, args=(pyrage, os.fdopen(reading, "rb"), keys), daemon=True
        )
        self._thread.start()

    def feed(self, data: bytes) -> bytes:
        """Take data, and return what is encrypted so far; some 64 KiB wait for more."""
        rest = memoryview(data)
        with contextlib.suppress(BrokenPipeError):  # it failed, which `finish` says
            while rest:  # a signal may end a write in the middle
                rest = rest[self._pipe.write(rest) :]
        return self._taken()

    def finish(self) -> bytes:
        """Return the rest. Raises OSError where encrypting failed."""
        self.abandon()
        if self._error is not None:
            raise OSError(0, f"cannot be encrypted: {self._error}")
        return self._taken()

    def abandon(self) -> None:
        """End the thread."""
        with contextlib.suppress(OSError):
            self._pipe.close()
        self._thread.join()

    def _taken(self) -> bytes:
        with self._lock:
            data = bytes(self._made)
            self._made.clear()
        return data

    def _work(self, pyrage: Any, plain: IO[bytes], keys: list[Any]) -> None:
        try:
            with plain:
                pyrage.encrypt_io(plain, _Output(self._keep), keys)
        except BaseException as error:  # noqa: BLE001 - `finish` tells of it
            self._error = error

    def _keep(self, data: bytes) -> None:
        with self._lock:
            self._made += data


class _Output:
    """A file that hands on what is written to it."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take

    def write(self, data: bytes) -> int:
        self._take(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


class Decrypted(io.RawIOBase):
    """What is in an encrypted file, as a stream that may end too early: `damage` says why."""

    def __init__(self, file: IO[bytes], identities: Sequence[Any]) -> None:
        self.damage = ""
        reading, writing = os.pipe()
        self._pipe = os.fdopen(reading, "rb", buffering=0)
        self._thread = threading.Thread(
            target=self._work, args=(file, os.fdopen(writing, "wb"), identities), daemon=True
        )
        self._thread.start()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there; 0 at the end, when `damage` is known."""
        count = self._pipe.readinto(buffer)
        if not count:
            self._thread.join()
        return int(count or 0)

    def close(self) -> None:
        """End the thread, however far it has come."""
        if not self.closed:
            self._pipe.close()
            self._thread.join()
        super().close()

    def _work(self, file: IO[bytes], plain: IO[bytes], identities: Sequence[Any]) -> None:
        pyrage = _pyrage()
        try:
            with plain:
                pyrage.decrypt_io(_Source(file), plain, list(identities))
        except BrokenPipeError:
            pass  # nobody wants the rest
        except BaseException as error:  # noqa: BLE001 - the stream's end, and never a traceback
            self.damage = _why(error)


class _Source:
    """A file that is read in pieces, for pyrage reads ahead without bound.

    Its time goes with the square of the header, which must therefore end soon.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Raises ValueError for a header that is too long."""
        self._file = file
        start = file.read(START_BYTES)  # armoured it is longer by a third
        if _END_OF_HEADER not in _unarmoured(start)[:_MAX_HEADER_BYTES]:
            raise ValueError("the header has no end")
        self._start = io.BytesIO(start)

    def read(self, size: int = -1) -> bytes:
        size = _READ_BYTES if size < 0 else size
        return self._start.read(size) or self._file.read(size)


def _unarmoured(start: bytes) -> bytes:
    """Return the start of a file in binary, as far as it can be decoded."""
    if not start.startswith(MAGICS[1]):
        return start
    text = b"".join(start.partition(b"\n")[2].partition(b"-----END")[0].split())
    try:
        return binascii.a2b_base64(text[: len(text) // 4 * 4])
    except binascii.Error:
        return b""


def holds_nothing(start: bytes) -> bool:
    """Whether a file that begins so has a header at most, and no piece of data behind it.

    `start` is all of it, or at least `START_BYTES`.
    """
    behind = start.partition(_END_OF_HEADER)[2].partition(b"\n")[2]
    return len(start) < START_BYTES and len(behind) <= _EMPTY_BYTES


def _why(error: BaseException) -> str:
    text = str(error)
    if "No matching keys" in text:
        return f"it is encrypted for other keys than those that {IDENTITY_VARIABLE} names"
    return "the encrypted data ends in the middle, or was changed"


def parse_recipients(given: Sequence[str]) -> tuple[str, ...]:
    """Return public keys: given as `age1…` or `ssh-…`, or a line each in the files named.

    Raises ConfigError for what is none, and where pyrage is not installed.
    """
    if not given:
        return ()
    pyrage = _pyrage()
    found: list[str] = []
    for text in given:
        if text.startswith(("age1", "ssh-")):
            found.append(text)
            continue
        lines = _read(text, "--encrypt-to").decode("utf-8", "replace").splitlines()
        found += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    for key in found:
        _recipient(pyrage, key)
    if not found:
        raise ConfigError("--encrypt-to: there is no public key in the file", _MAKE_ONE)
    return tuple(found)


def _recipient(pyrage: Any, text: str) -> Any:
    kind = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
    try:
        return kind.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise ConfigError(f"--encrypt-to: {text[:12]!a}… is no public key", _MAKE_ONE) from None


def load_identities() -> list[Any]:
    """Return the private keys in the file that `SHADOW_AGE_IDENTITY` names.

    Raises ConfigError where it names none, or others can read it.
    """
    path = os.environ.get(IDENTITY_VARIABLE, "")
    if not path:
        raise ConfigError(
            "it is encrypted with age", f"name the file with the private key in {IDENTITY_VARIABLE}"
        )
    pyrage = _pyrage()
    data = _read(path, IDENTITY_VARIABLE, private=True)
    try:
        if data.lstrip().startswith(b"-----BEGIN"):
            return [pyrage.ssh.Identity.from_buffer(data)]
        lines = data.decode("utf-8", "replace").splitlines()
        keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        found = [pyrage.x25519.Identity.from_str(key) for key in keys]
    except (pyrage.IdentityError, ValueError):
        found = []
    if not found:
        raise ConfigError(f"{IDENTITY_VARIABLE}: there is no private key in the file", _MAKE_ONE)
    return found


def _read(path: str, source: str, *, private: bool = False) -> bytes:
    if path.lstrip().upper().startswith(_PRIVATE):  # which no message must repeat
        raise ConfigError(f"{source}: a private key itself was given", "name a file instead")
    return read_key(path, most=_MAX_KEY_BYTES, private=private, source=source)


def _pyrage() -> Any:
    if find_spec("pyrage") is None:
        raise ConfigError(
            "for age the package pyrage is needed, which is not installed",
            "pip install 'shadow-traffic[age]'",
        )
    import pyrage  # noqa: PLC0415 - only with the extra `age`

    return pyrage
