"""A browser that watches over what no page may do: errors in its console, and requests to anywhere else."""

import json
import os
import shutil
import subprocess
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 20


class Browser:
    """Chromium without a window, in a profile of its own that is gone afterwards."""

    def __init__(self, address, dark=False, width=1280, height=900, scripts=True):
        self.address = address
        self.profile = tempfile.mkdtemp(prefix="orch-browser-")
        options = Options()
        for word in [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={self.profile}", f"--window-size={width},{height}", "--enable-precise-memory-info",
        ]:
            options.add_argument(word)
        if dark:
            options.add_argument("--force-prefers-color-scheme=dark")
            options.add_argument("--blink-settings=preferredColorScheme=0")
        if not scripts:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.driver.set_page_load_timeout(PATIENCE)
        # A window is 500 pixels wide at least; what is narrower is a phone.
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
        self.requests = []
        self.console = []
        if dark:
            self.driver.execute_cdp_cmd(
                "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    # Going about

    def open(self, path):
        self.driver.get(self.address + path)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector="main"):
        return self.driver.execute_script(
            "return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, what, condition, patience=PATIENCE):
        """Waits until something is so."""
        try:
            return WebDriverWait(self.driver, patience, poll_frequency=0.02).until(lambda _: condition())
        except Exception as error:
            raise AssertionError(f"not within {patience} s: {what}\n{self.driver.current_url}\n{self.text()}") from error

    def until_text(self, words, selector="main", patience=PATIENCE):
        return self.until(f"{words!r} in {selector}", lambda: words in self.text(selector), patience)

    def click(self, selector):
        self.until(f"{selector} can be clicked", lambda: self.all(selector))
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, selector, words):
        element = self.find(selector)
        element.clear()
        element.send_keys(words)

    def fill(self, selector, words):
        """Sets a long text at once, as pasting does."""
        self.run(
            "const [box, words] = arguments; box.value = words; box.dispatchEvent(new Event('input', {bubbles: true}))",
            self.find(selector), words)

    def choose(self, selector, value):
        self.run(
            "const [box, value] = arguments; box.value = value;"
            "for (const kind of ['input', 'change']) box.dispatchEvent(new Event(kind, {bubbles: true}))",
            self.find(selector), value)

    def block(self, *patterns):
        """Lets requests of these addresses fail as if nobody answered, and no others."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": list(patterns)})

    # Watching over it

    def watch(self):
        """Takes in what the browser has noted, and says what is wrong with it."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
        self.console += self.driver.get_log("browser")

    def check(self, *allowed, elsewhere=()):
        """
        Nothing was asked of anybody else, and the console has no error.

        allowed: parts of messages that the test itself has caused. elsewhere: where it went itself.
        """
        self.watch()
        known = (self.address, "data:", "blob:", "about:", "chrome", *elsewhere)
        outside = [url for url in self.requests if not url.startswith(known)]
        assert not outside, outside
        errors = [
            entry["message"] for entry in self.console
            if entry["level"] in ("SEVERE", "WARNING") and not any(word in entry["message"] for word in allowed)
        ]
        assert not errors, errors


def orch(*words, status=0):
    """Runs a command of the agent under test."""
    done = subprocess.run(
        [os.environ["ORCH"], *words], capture_output=True, text=True, timeout=60, check=False)
    if status is not None:
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout


def sign_in(browser):
    browser.driver.get(orch("ui").strip())
    browser.until("the overview is there", lambda: browser.all("#services"))
