"""What a run was made of: builds of both services, the config's commit, the machine."""

from __future__ import annotations

from typing import Final

import msgspec

from shadow.masking import Masker, cut

VERSION_BYTES: Final = 200


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the build of one service; what is not known is empty."""

    version: str = ""
    """As given on the command line, or as the service said before the run."""
    toolchain: str = ""
    """What it was built with: `go1.23`, `rustc 1.83`."""
    lockfile: str = ""
    """SHA-256 of the file that pins its dependencies, in hex."""
    note: str = ""
    """Why the version is missing, where it was asked for."""

    def masked(self, masker: Masker) -> Build:
        """Return it without credentials and bounded: a service may answer anything."""
        return Build(
            version=masker.mask_and_cut(self.version, VERSION_BYTES),
            toolchain=masker.mask_and_cut(self.toolchain, VERSION_BYTES),
            lockfile=cut(self.lockfile, VERSION_BYTES),
            note=masker.mask_and_cut(self.note, 2 * VERSION_BYTES),
        )


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was made of; what is not known is empty or None."""

    shadow: str
    digest: str
    """SHA-256 of the captures; of a diff, of the baseline's."""
    baseline: Build
    candidate: Build
    commit: Commit | None
    """Of the folder of the config."""
    machine: Machine | None
    seed: int | None
    """Of sampling and order."""


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit of git."""

    sha: str
    """In full, in hex."""
    dirty: bool = False
    """Files under version control had changes that were not committed."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was made on, as far as latencies depend on it. Nothing names the machine."""

    cores: int
    """Those that the process may use."""
    architecture: str
    system: str
    """The kernel and its release: `Linux 6.8.0`."""
    cpu: str = ""
    """The processor's model, where the system tells."""
    python: str = ""
