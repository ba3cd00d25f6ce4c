"""Browser tests are a group of their own: `E2E_BROWSER=chromium pytest tests/browser` (any Chromium that runs headless)."""

import os

collect_ignore_glob = [] if os.environ.get("E2E_BROWSER") else ["test_*.py"]
