"""Finds a browser for the cockpit's tests, or fetches one. Without one those tests are skipped, and this says so.

Looked for in this order: CEO_TEST_BROWSER, a Chromium or Chrome on the PATH, Playwright's own. Fetched with apt (as root on
Debian) or by Playwright. Always ends with 0: a missing browser must not keep the other tests from running.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def found() -> str | None:
    """Path of a browser that is here already."""
    given = os.environ.get("CEO_TEST_BROWSER")
    if given:
        return given if os.access(given, os.X_OK) else None
    for name in NAMES:
        if path := shutil.which(name):
            return path
    return own()


def own() -> str | None:
    """Playwright's own Chromium, when it was fetched before."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        path = play.chromium.executable_path
    return path if os.access(path, os.X_OK) else None


def fetch() -> str:
    """Tries to get one; returns why it failed, or nothing."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        print("browser: installing chromium with apt (about a minute)", flush=True)
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]):
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                break
        if shutil.which("chromium"):
            return ""
    print("browser: fetching Playwright's chromium (about 150 MB)", flush=True)
    done = subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip().splitlines()[-1]


def main() -> int:
    if found():
        return 0
    problem = fetch()
    if not found():
        print(f"browser: none here and none to be had ({problem or 'not found after installing'}).")
        print("browser: the cockpit's browser tests are skipped. Install chromium, or name one in CEO_TEST_BROWSER.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
