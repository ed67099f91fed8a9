"""Where the scheduler of a fleet is, and this machine's certificate: as asked, else as `[fleet]` says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.errors import RefusedError
from scanner.setup.config_file import ConfigFile, find_config, read_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scanner.setup.fleet_settings import FleetSettings


def config_of_fleet(asked: str | None, environment: Mapping[str, str] = os.environ) -> ConfigFile | None:
    """The configuration, where there is one; a command with options for all that it needs does without.

    Raises RefusedError or ScopeError, as every reader of it.
    """
    path = find_config(asked, environment)
    return read_config(path) if path is not None else None


def scheduler_of(asked: str | None, config: ConfigFile | None) -> str:
    """The scheduler's address as it was written. Raises RefusedError where nobody wrote one."""
    if found := asked or _settings(config).scheduler:
        return found
    raise RefusedError(
        f'nobody says where the scheduler is; write [fleet] scheduler = "tls://HOST:8786"{_in(config)}, or '
        "name it on the command line"
    )


def certificates_of(asked: str | None, config: ConfigFile | None) -> Path:
    """The folder of this machine's certificate. Raises RefusedError where nobody names one.

    One of the configuration is relative to that file.
    """
    if asked:
        return Path(asked)
    if config is not None and (found := _settings(config).certificates):
        return Path(config.path).parent / found
    raise RefusedError(
        f'nobody says where the certificates are; write [fleet] certificates = "DIR"{_in(config)}, or '
        "--certificates DIR: a folder that `mongosweep fleet init` or `mongosweep fleet issue` made"
    )


def _settings(config: ConfigFile | None) -> FleetSettings:
    from scanner.setup.settings import Settings

    return (config.settings if config is not None else Settings()).fleet


def _in(config: ConfigFile | None) -> str:
    return f" into {config.path}" if config is not None else ""
