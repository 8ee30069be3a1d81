"""Takes a picture of every page, light and dark, of an agent that has something to show.

usage: pictures.py FOLDER
"""

import json
import os
import sys
import tempfile
import time
import urllib.request

from browser import Browser, orch, sign_in

PROGRAM = """
import http.server, os, random, time
class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(random.random() / 100)
        bad = random.random() < 0.02
        self.send_response(503 if bad else 200)
        self.end_headers()
        self.wfile.write(b"a shop")
        words = "payment refused: connection timed out" if bad else f"served {self.path}"
        print(f'level={"error" if bad else "info"} msg="{words}" ms={random.randint(1, 40)} user={random.randint(100, 999)}')
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Shop).serve_forever()
"""

MODULES = {
    "shop": """
version: "{version}"
command: [python3, -u, "{folder}/shop.py"]
ports: [{{name: http}}]
health: {{type: http, path: /, interval: 1s}}
replicas: 3
update: {{monitor: 0s}}
""",
    "stock": """
version: "2.1"
command: [sleep, '100000']
replicas: 2
""",
    "moody": """
version: "0.3"
command: [sh, -c, 'echo reading /etc/moody.conf; sleep 4; echo "ERROR: no such table: users"; exit 7']
restart: {{initial_delay: 20s, max_delay: 20s}}
""",
}


def deploy(folder, name, version):
    with open(f"{folder}/{name}.yaml", "w", encoding="ascii") as file:
        file.write(f"name: {name}" + MODULES[name].format(version=version, folder=folder))
    orch("deploy", file.name, "-q", status=None)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as modules:
        with open(f"{modules}/shop.py", "w", encoding="ascii") as file:
            file.write(PROGRAM)
        for name, version in [("stock", ""), ("shop", "1.4.0"), ("shop", "1.4.1"), ("moody", "")]:
            deploy(modules, name, version)
        take(folder)


def take(folder):
    orch("deploy", "scheduler", "-q")
    orch("deploy", "action-notification", "-q")
    orch("schedule", "add", "nightly", "--cron", "0 3 * * mon-fri", "--time-zone", "Europe/Berlin", "--restart", "shop")
    shop = next(s for s in json.loads(orch("services", "-o", "json")) if s["name"] == "shop")
    end = time.monotonic() + 95
    count = 0
    while time.monotonic() < end:
        count += 1
        try:
            urllib.request.urlopen(f"{shop['addresses'][0]}/{count % 7}", timeout=5).read()
        except OSError:
            pass
        # More and fewer requests, as by day and night.
        time.sleep(0.005 + 0.02 * ((count // 200) % 5))
    instance = next(i["id"] for i in json.loads(orch("instances", "-o", "json")) if i["module"] == "moody")
    rollout = json.loads(orch("history", "shop", "-o", "json"))["deployments"][0]["id"]
    pages = {
        "overview": "/", "deploy": "/Deployment_Interface?module=shop", "rollout": f"/Deployment_Interface/{rollout}",
        "instances": "/Service_Instances", "instance": f"/Service_Instances/{instance}", "service": "/Services/shop",
        "logs": "/Logs?topic=shop", "repository": "/Repository", "schedules": "/Schedules_and_Notifications",
        "documents": "/Documents", "requests": "/Requests",
    }
    address = orch("ui").strip().split("/sign-in")[0]
    for dark in [False, True]:
        with Browser(address, dark=dark, width=1280, height=720) as browser:
            sign_in(browser)
            for name, path in pages.items():
                browser.open(path)
                browser.until_text("Live", "#connection")
                # Lines and curves come a moment after the page.
                time.sleep(1)
                browser.driver.save_screenshot(f"{folder}/{name}-{'dark' if dark else 'light'}.png")


if __name__ == "__main__":
    main(sys.argv[1])
