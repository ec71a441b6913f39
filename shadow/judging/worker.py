"""What runs in the process beside the loop: it judges pair after pair, in the order they come."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import BinaryIO, Final

import msgspec

from shadow.compare.noise import NoiseProfile
from shadow.errors import where
from shadow.judge import Policy
from shadow.judging import frames
from shadow.judging.frames import LENGTH, Asked, Pair, Verdict
from shadow.judging.judging import Judging, serve_the_parent
from shadow.masking import Hidden, Masker

NICENESS: Final = 5
"""So that who waits for an answer goes first, and what follows still gets a quarter of a core."""

A_PAIR_S: Final = 0.1
"""Seconds that a pair may take here: nobody waits, and whoever goes first may interrupt it."""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is started with. Can be pickled."""

    policy: Policy
    noise: bytes | None
    """The profile's state."""
    key: bytes
    """What is masked is masked under."""
    withhold: bool
    hidden: Hidden


def work(connection: socket.socket, begun: Begun) -> None:
    """Answer each frame of `Asked` with one of verdicts, until the other end is closed."""
    serve_the_parent()
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    noise = None if begun.noise is None else NoiseProfile.from_json(begun.noise)
    worker = Worker(
        Judging(begun.policy, noise, here_s=A_PAIR_S),
        Masker(begun.key, withhold=begun.withhold, hidden=begun.hidden),
    )
    with connection, connection.makefile("rb") as stream, contextlib.suppress(ConnectionError):
        while (data := _read(stream)) is not None:
            connection.sendall(worker.answer(frames.asked.decode(data)))


def _read(stream: BinaryIO) -> bytes | None:
    """The next frame; None at the end."""
    length = stream.read(LENGTH)
    if len(length) < LENGTH:
        return None
    data = stream.read(int.from_bytes(length, "big"))
    return data if len(data) == int.from_bytes(length, "big") else None


class Worker:
    """Judges by one policy, and by what it is told of the noise."""

    def __init__(self, judging: Judging, masker: Masker) -> None:
        self._judging = judging
        self._masker = masker

    def answer(self, asked: Asked) -> bytes:
        """The frame that answers one."""
        if self._judging.noise is not None:
            for each in asked.learned:
                self._judging.noise.learn(each.endpoint, each.differences)
        verdicts = [self._judged(pair) for pair in asked.pairs]
        try:
            return frames.framed(verdicts)
        except UnicodeEncodeError:
            return frames.framed([each if _is_text(each) else Verdict() for each in verdicts])

    def _judged(self, pair: Pair) -> Verdict:
        try:
            judgement = self._judging.tried(pair.exchange, pair.endpoint, *pair.observations)
            if judgement is None:
                return Verdict()
            return Verdict(
                judgement, tuple(map(self._masker.mask_divergence, judgement.divergences))
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the next pair is judged
            return Verdict(failure=where(error))


def _is_text(verdict: Verdict) -> bool:
    """Whether it holds no half of a surrogate pair, which cannot be sent."""
    try:
        frames.framed([verdict])
    except UnicodeEncodeError:
        return False
    return True
