"""Where the page of a unit lies: names that any file system and any host takes, and that never change.

The address of a unit is worked out from the unit alone, so that links hold however often, and with whatever else, a
site is written: `units/layer4/162/index.html`. Two units never share an address, whatever their names are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vital.units import Unit
from vital.utils.hashing import sha256

LONGEST = 60

_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_HASHED = re.compile(r".*-[0-9a-f]{8}")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?|index\.html")


def file_name(text: str) -> str:
    """Name a file after a text: lower-case letters, digits, dots, dashes and underscores, and never one name twice.

    A text that is no such name, or could be taken for another's, gets a hash.

    >>> file_name("layer4"), file_name("blocks.9.mlp")
    ('layer4', 'blocks.9.mlp')
    >>> file_name("Layer4"), file_name("../layer4")
    ('layer4-2c0790a4', 'layer4-7164e63c')
    """
    plain = _PLAIN.fullmatch(text) and len(text) <= LONGEST
    if plain and not _HASHED.fullmatch(text) and not _RESERVED.fullmatch(text):
        return text
    kept = re.sub(r"[^a-z0-9._-]+", "_", text.lower()).strip("._-")[:LONGEST].rstrip("._-")
    if not kept or _RESERVED.fullmatch(kept):
        kept = f"unit-{kept}".rstrip("-")
    return f"{kept}-{sha256(text)[:8]}"


@dataclass(frozen=True)
class Address:
    """Where a unit's page lies in a site: in a folder of its own, in that of its layer."""

    root: str
    layer: str
    page: str

    @property
    def folder(self) -> str:
        """The folder of the unit, from the folder of the site."""
        return f"{self.root}/{self.layer}/{self.page}"


def address(unit: Unit, root: str = "units") -> Address:
    """The address of a unit; `root` is the folder of its network.

    >>> address(Unit.parse("layer4:162")).folder
    'units/layer4/162'
    """
    text = str(unit)
    own = text if unit.source else text.removeprefix(f"{unit.layer}:")
    return Address(root, file_name(unit.layer), file_name(own))


def root_of(network: str, main: str) -> str:
    """The folder of the units of a network: "units", and with a hash for all but the site's main one.

    >>> root_of("a", "a"), root_of("b", "a")
    ('units', 'units-3e23e816')
    """
    return "units" if network == main else f"units-{sha256(network)[:8]}"
