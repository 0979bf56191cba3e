"""The key that turns authors into hashes: given as a setting, or made once and kept in the data folder.

Whoever has the key can test whether a name is behind a hash; without it names cannot be recovered, and the
same person has other hashes in another installation. Workers on several hosts must share one key, or one
person counts as several authors: set `author_key` there.
"""

import logging
import os
import secrets
from pathlib import Path

from filelock import FileLock

from streams.errors import SettingsError
from streams.settings import Settings

__all__ = ["AUTHOR_KEY_FILE", "resolve_author_key"]

AUTHOR_KEY_FILE = "author.key"
_KEY_BYTES = 32

_logger = logging.getLogger(__name__)


def resolve_author_key(settings: Settings) -> bytes:
    """The key of author hashes: the setting, else the key file, made with mode 0600 if absent.

    Raises SettingsError when the data folder cannot be used or the file holds no key.
    """
    if settings.author_key is not None:
        return settings.author_key.get_secret_value().encode()
    path = settings.data_dir / AUTHOR_KEY_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):  # two workers may start at once
            if not path.exists():
                _create(path)
                _logger.warning(
                    "made the key of author hashes, %s; on other hosts set author_key to the same", path
                )
            key = bytes.fromhex(path.read_text(encoding="ascii"))
    except OSError as error:
        raise SettingsError(f"data_dir {settings.data_dir} cannot be used: {error.strerror}") from None
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise SettingsError(f"{path} holds no author key; restore it, or remove it to make a new one")
    return key


def _create(path: Path) -> None:
    partial = path.with_suffix(".partial")  # renamed when complete: a crash leaves no half key behind
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_KEY_BYTES))
    partial.replace(path)
