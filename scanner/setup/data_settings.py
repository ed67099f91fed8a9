"""What can be configured of the dated tables: `[data]`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

_PATH = r"^[^\x00-\x1f\x7f]*\Z"


class DataSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `mongosweep data update` keeps newer tables, and who may sign them. Paths are relative to this
    file. See [data](data.md)."""

    directory: Annotated[
        str,
        Meta(
            max_length=4096,
            pattern=_PATH,
            description="the folder of newer tables; `mongosweep` below XDG_DATA_HOME (~/.local/share) when "
            "left out",
            examples=["/var/lib/mongosweep/data"],
        ),
    ] = ""
    signers: Annotated[
        str,
        Meta(
            max_length=4096,
            pattern=_PATH,
            description="a file of allowed signers of tables, as [scope] signers is one of allow-lists",
            examples=["data-signers"],
        ),
    ] = ""
