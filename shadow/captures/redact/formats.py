"""Stand-ins that look like what they stand for: a masked e-mail address is still one.

Each is in a range that is never given to anybody, by which it is known again, so that to redact
twice changes nothing: the domain `invalid` (RFC 2606), card numbers of six zeros, the country code
999 (ITU-T E.164), the IBAN country XX (user-assigned in ISO 3166-1), 240.0.0.0/4 (RFC 1112) and
2001:db8::/32 (RFC 3849), and UUIDs that begin with 48 ones.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final

from shadow.detectors import iban_remainder, luhn, recognised

_EMAIL: Final = "@redacted.invalid"
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_OURS: Final = re.compile(
    r"[0-9a-f]{20}@redacted\.invalid|24[0-9](?:\.[0-9]{1,3}){3}|25[0-5](?:\.[0-9]{1,3}){3}"
    r"|2001:db8:[0-9a-f:]+|f{8}-f{4}-8[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_OUR_NUMBERS: Final = re.compile(r"0{6}[0-9]{7,13}|\+999[0-9]{5,12}|XX[0-9]{13,32}")
_SEPARATORS: Final = str.maketrans("", "", " .()/-")
_MAX_CHARS: Final = 400


def in_format(value: bytes, digest: bytes) -> str | None:
    """Return what stands for a value, made of 32 bytes of its hash; None where it has no format.

    Formats are those of e-mail addresses, card numbers, telephone numbers, IBANs, IP addresses and
    UUIDs. What was made here comes back as it is.
    """
    try:
        text = value.decode("ascii")
    except UnicodeDecodeError:
        return None
    if len(text) > _MAX_CHARS:
        return None
    if _OURS.fullmatch(text) or _OUR_NUMBERS.fullmatch(text.translate(_SEPARATORS)):
        return text
    if _UUID.fullmatch(text):
        digits = digest.hex()
        return f"ffffffff-ffff-8{digits[:3]}-{digits[3:7]}-{digits[7:19]}"
    make = _MAKERS.get(recognised(text))
    return None if make is None else make(text, digest)


def _email(_: str, digest: bytes) -> str:
    return digest.hex()[:20] + _EMAIL


def _pan(text: str, digest: bytes) -> str:
    """Card numbers keep their length and grouping, and their check digit is right."""
    count = sum(map(str.isdigit, text))
    body = "000000" + _digits(digest, count - 7)
    check = next(digit for digit in "0123456789" if luhn(body + digit) == 0)
    return _spelled(text, body + check)


def _phone(text: str, digest: bytes) -> str:
    count = sum(map(str.isdigit, text))
    if not text.startswith("+"):
        return "+999 " + _digits(digest, count)
    return _spelled(text, "999" + _digits(digest, count - 3))


def _iban(text: str, digest: bytes) -> str:
    """The check digits are right (ISO 7064, mod 97-10), the length stays."""
    count = len(text.replace(" ", ""))
    body = _digits(digest, count - 4)
    check = 98 - iban_remainder(f"XX00{body}")
    return _spelled(text, f"XX{check:02}{body}")


def _ip(text: str, digest: bytes) -> str:
    if ipaddress.ip_address(text).version == 4:
        return str(ipaddress.IPv4Address(0xF0000000 | int.from_bytes(digest[:4], "big") >> 4))
    suffix = int.from_bytes(digest[:12], "big")
    return str(ipaddress.IPv6Address((0x20010DB8 << 96) | suffix))


def _digits(digest: bytes, count: int) -> str:
    return str(int.from_bytes(digest, "big")).rjust(78, "0")[-count:]


def _spelled(text: str, characters: str) -> str:
    """Put characters in the places of the letters and digits of a text."""
    left = iter(characters)
    return "".join(next(left) if character.isalnum() else character for character in text)


_MAKERS: Final[dict[str, Callable[[str, bytes], str]]] = {
    "email": _email,
    "pan": _pan,
    "phone": _phone,
    "iban": _iban,
    "ip": _ip,
}
