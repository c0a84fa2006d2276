"""The storage layout that `storage_layout.json` pins: modules that come later must not move a slot.

python -m tests.contracts.storage_layout    # write the file; a change in it shows in review
"""

import json
import re
from pathlib import Path
from typing import Any

import solcx

from scripts.compiler import ROOT, solidity_config, standard_input

FILE = Path(__file__).with_name("storage_layout.json")


def compiled() -> dict[str, Any]:
    """What the compiler says of MedRec's storage: variables by place, and the members of what they hold."""
    source = standard_input(outputs=("storageLayout",))
    output = solcx.compile_standard(source, solc_version=str(solidity_config()["version"]), base_path=ROOT)
    layout = output["contracts"]["contracts/MedRec.sol"]["MedRec"]["storageLayout"]
    types = layout["types"]
    return {
        "variables": [_place(variable, types) for variable in layout["storage"]],
        "structs": {
            _name(described): [_place(member, types) for member in described["members"]]
            for described in sorted(types.values(), key=_name)
            if "members" in described
        },
    }


def _place(variable: dict[str, Any], types: dict[str, Any]) -> dict[str, Any]:
    described = types[variable["type"]]
    return {
        "label": variable["label"],
        "slot": int(variable["slot"]),
        "offset": variable["offset"],
        "bytes": int(described["numberOfBytes"]),
        "type": _name(described),
    }


def _name(described: dict[str, Any]) -> str:
    """The type's name, with what it maps to: the compiler's own numbers differ from run to run."""
    return re.sub(r"\)\d+", ")", described["label"])


def render() -> str:
    """The text of the file."""
    return json.dumps(compiled(), indent=1) + "\n"


def slot_named(label: str) -> int:
    """The slot of a variable, by the file."""
    variables = json.loads(FILE.read_text(encoding="utf-8"))["variables"]
    slot: int = next(variable["slot"] for variable in variables if variable["label"] == label)
    return slot


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
