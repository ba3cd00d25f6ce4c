"""Tests in a real browser: any Chromium on the path, or the one that E2E_BROWSER names.

Where there is none they are skipped, and the summary says so; E2E_BROWSER=required makes that a failure.
"""

import os

import pytest

from tests.support import chromium


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    try:
        chromium.find()
    except chromium.NoBrowserError as error:
        if os.environ.get(chromium.VARIABLE):
            raise
        pytest.skip(str(error))
    running = chromium.Browser(tmp_path_factory.mktemp("browser"))
    yield running
    running.close()
