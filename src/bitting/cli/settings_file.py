"""Loads the settings, and says in words what is wrong with them: names and reasons, never a value."""

from __future__ import annotations

import tomllib

from bitting.cli.errors import Problem, flaws_of
from bitting.settings import SETTINGS_FILE, Settings


def load_settings() -> Settings:
    """The settings of the environment and `bitting.toml`.

    Raises:
        Problem: naming every setting that is wrong.
    """
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{flaw.path}: {flaw.reason}" for flaw in flaws_of(error).flaws)
        raise Problem(f"The settings are wrong. {wrong}", _WHERE) from None
    except SettingsError as error:
        raise Problem(f"The settings are wrong: {error}.", _WHERE) from None
    except tomllib.TOMLDecodeError as error:
        raise Problem(f"{SETTINGS_FILE} is not valid TOML: {error}.") from None
    except OSError as error:
        raise Problem(f"{SETTINGS_FILE} can't be read: {error.strerror}.") from None


_WHERE = f"They come from the environment (BITTING_<NAME>), then from {SETTINGS_FILE} in this folder."
