"""The folder of a campaign, and whose it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cosim.files.archive import write_text
from cosim.files.errors import UserError
from cosim.files.json_text import JsonError, from_json, to_json

__all__ = ["CampaignError", "claim_folder"]

_FORMAT = "duramesh campaign"


class CampaignError(UserError, ValueError):
    """A folder holds another campaign, or something else; or what earlier code measured does not suit this one."""


def claim_folder(folder: Path, identity: Mapping[str, Any]) -> None:
    """Make a folder a campaign's, if it is empty or new.

    Raises
    ------
    CampaignError
        If it is another one's, or holds something else.
    OutputError
        If it cannot be written to.
    """
    path = folder / "campaign.json"
    remedy = "give another folder with --out, or remove this one"
    try:
        kept = from_json(path.read_text(encoding="utf-8"))
        if not isinstance(kept, dict) or kept.pop("format", None) != _FORMAT:
            raise JsonError("it is none of ours")
    except FileNotFoundError:
        if folder.exists() and any(folder.iterdir()) and not (folder / "parts").is_dir():
            raise CampaignError(f"{folder} holds files, but no campaign; {remedy}") from None
        write_text(path, to_json({"format": _FORMAT, **identity}, indent=1) + "\n")
        kept = identity
    except (OSError, ValueError) as error:
        raise CampaignError(f"{path} cannot be read as what a campaign is ({error}); {remedy}") from None
    changed = [
        f"{name} {_word(name, kept.get(name))} there, {_word(name, value)} here"
        for name, value in identity.items()
        if kept.get(name) != value
    ]
    if changed:
        raise CampaignError(f"{folder} holds another campaign ({'; '.join(changed)}); {remedy}")


def _word(name: str, value: Any) -> str:
    """A setting, in a message; of a digest its beginning."""
    text = str(value) if value is not None else "none"
    return text[:12] if name == "data" else text
