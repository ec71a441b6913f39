"""What runs in the process beside the loop: it judges pair after pair, in the order they come."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import threading
from typing import BinaryIO, Final

import msgspec

from shadow.compare.noise import NoiseProfile
from shadow.errors import where
from shadow.judge import Policy
from shadow.judging import frames
from shadow.judging.frames import LENGTH, Asked, Pair, Verdict
from shadow.judging.judging import Judging, serve_the_parent
from shadow.masking import Hidden, Masker

NICENESS: Final = 10
"""Where a process cannot be told to run only where nobody else wants to."""
PAIR_LIMIT_S: Final = 0.1
"""Seconds that a pair may take here: nobody waits, and whoever goes first may interrupt it."""
_YIELDS: Final = hasattr(os, "sched_yield")


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is started with. Can be pickled."""

    policy: Policy
    noise: bytes
    """The profile's state."""
    key: bytes
    """Of the masks: both processes must mask alike."""
    withhold: bool
    hidden: Hidden


def work(connection: socket.socket, begun: Begun, other: socket.socket | None = None) -> None:
    """Answer each frame of `Asked` with one of verdicts, until the other end is closed.

    That end is `other` where this process is a copy of the one that holds it.
    """
    if other is not None:
        other.close()
    serve_the_parent()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the other process is told too, and drains
    stay_behind()
    noise = NoiseProfile.from_json(begun.noise)
    worker = Worker(
        Judging(begun.policy, noise, here_s=PAIR_LIMIT_S),
        Masker(begun.key, withhold=begun.withhold, hidden=begun.hidden),
    )
    gc.freeze()  # what is shared with the other process stays so
    with connection, connection.makefile("rb") as stream, contextlib.suppress(ConnectionError):
        while (data := _read(stream)) is not None:
            connection.sendall(worker.answer(frames.asked.decode(data)))


def stay_behind() -> None:
    """Let this thread, and what it starts, run after all others on the same core.

    On Linux only where nobody else wants to; it is not to be had back without a privilege.
    """
    with contextlib.suppress(AttributeError, OSError):
        if sys.platform == "linux":
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))
        else:
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)


def _read(stream: BinaryIO) -> bytes | None:
    """The next frame; None at the end."""
    length = stream.read(LENGTH)
    if len(length) < LENGTH:
        return None
    size = int.from_bytes(length, "big")
    data = stream.read(size)
    return data if len(data) == size else None


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
        if _YIELDS:  # a system may let it go on for some ms though others are waiting
            os.sched_yield()
        try:
            judgement = self._judging.tried(pair.exchange, pair.endpoint, *pair.observations)
            if judgement is None:
                return Verdict()
            masked = tuple(map(self._masker.mask_divergence, judgement.divergences))
            return Verdict(judgement, None if masked == judgement.divergences else masked)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next pair is judged
            return Verdict(failure=where(error))


def _is_text(verdict: Verdict) -> bool:
    """Whether it holds no half of a surrogate pair, which cannot be sent."""
    try:
        frames.framed([verdict])
    except UnicodeEncodeError:
        return False
    return True
