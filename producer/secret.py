"""SHELL (files). A provider's key that may be replaced while the producer runs: secrets rotate by replacing their files."""

from __future__ import annotations

from pathlib import Path

import structlog
from pydantic import SecretStr

from producer.settings import SettingsError, secret_of

_log = structlog.get_logger()


class Secret:
    """One key. Where it stands in a file, the file is read again whenever the key is needed; never printable by accident."""

    def __init__(self, variable: str, value: SecretStr, file: Path | None = None, known: list[str] | None = None) -> None:
        """Read it for the first time.

        Args:
            variable: name of the setting.
            value: the key, where no file is named.
            file: that holds it.
            known: where every text that was ever the key is noted, before it is used: the old one may still be said of.

        Raises:
            SettingsError: there is none, or the file cannot be read.
        """
        self._variable, self._value, self._file = variable, value, file
        self.known = [] if known is None else known
        self._text = secret_of(variable, value, file)
        self._note(self._text)

    def read(self) -> str:
        """Return the key as it is now; as it was, where the file is empty or cannot be read (it is being replaced)."""
        try:
            text = secret_of(self._variable, self._value, self._file)
        except SettingsError as error:
            _log.warning("secret.not_read", reason=str(error))
            return self._text
        if text != self._text:
            self._note(text)
            self._text = text
            _log.info("secret.replaced", setting=f"{self._variable}_FILE")
        return text

    def has_changed(self) -> bool:
        """Tell whether the file holds another key than the one that was read last."""
        if self._file is None:
            return False
        try:
            return secret_of(self._variable, self._value, self._file) != self._text
        except SettingsError:
            return False

    def _note(self, text: str) -> None:
        if text not in self.known:
            self.known.append(text)
