"""How fast the web interface is, with few and with very many services. Needs programs of a release build.

usage: speed.py [SERVICES INSTANCES_OF_EACH]
"""

import os
import statistics
import sys
import tempfile
import time

from browser import Browser, orch, sign_in

PAINT = """
return [performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
  performance.getEntriesByType('navigation')[0].responseEnd,
  performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))
    .filter((entry) => !entry.name.includes('/live')).reduce((sum, entry) => sum + entry.encodedBodySize, 0)]
"""

# From a key in the search to the last change of the table.
SEARCH = """
const [words, done] = arguments;
const box = document.querySelector('[data-search] input[type=search]');
const begin = performance.now();
const watcher = new MutationObserver(() => { watcher.disconnect(); requestAnimationFrame(() => done(performance.now() - begin)); });
watcher.observe(document.querySelector('main'), { childList: true, subtree: true, attributes: true, characterData: true });
box.value = words;
box.dispatchEvent(new Event('input', { bubbles: true }));
"""


def agent_memory():
    """Of the agent, in MB."""
    with open(f"{os.environ['ORCH_DATA_DIR']}/agent.lock", encoding="ascii") as file:
        pid = file.read().split()[0]
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024


def say(what, value, unit, bar):
    print(f"{what:58} {value:8.1f} {unit:3} (bar {bar}) {'ok' if value <= bar else 'MISSED'}")


def median_of_pages(browser, path, count=9):
    entries = []
    for _ in range(count):
        browser.open(path)
        browser.until("it is painted", lambda: browser.run(PAINT)[0] is not None)
        entries.append(browser.run(PAINT))
    return [statistics.median(values) for values in zip(*entries)]


def deploy(count, replicas):
    """All at once, as each waits for its own instances."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            with open(f"{folder}/{number}.yaml", "w", encoding="ascii") as file:
                file.write(f"name: s{number:04}\ncommand: [sleep, '100000']\nreplicas: {replicas}\nupdate: {{monitor: 0s}}\n")
        for number in range(count):
            orch("deploy", f"{folder}/{number}.yaml", "--detach", "-q")


def main(services, replicas):
    address = orch("ui").strip().split("/sign-in")[0]
    with Browser(address) as browser:
        sign_in(browser)
        orch("deploy", "scheduler", "-q")
        paint, _, size = median_of_pages(browser, "/")
        # What the browser has already comes with an answer of no content; all of it counts for somebody who comes first.
        browser.driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
        _, _, size = median_of_pages(browser, "/", 3)
        say("first page, everything together", size / 1024, "KB", 60)
        say("first contentful paint", paint, "ms", 100)
        browser.driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": False})
        browser.open("/Service_Instances")
        browser.until_text("Live", "#connection")
        browser.driver.set_script_timeout(20)
        times = [browser.driver.execute_async_script(SEARCH, word) for word in ["scheduler", "zz"] * 10]
        say("from a key to what is found", statistics.median(times), "ms", 50)

        before = agent_memory()
        for _ in range(49):
            browser.driver.switch_to.new_window("tab")
            browser.open("/")
        # Tabs that are not seen end their streams, so these are held by others.
        import http.client
        cookie = "; ".join(f"{c['name']}={c['value']}" for c in browser.driver.get_cookies())
        held = []
        for _ in range(50):
            host = address.removeprefix("http://")
            connection = http.client.HTTPConnection("127.0.0.1", int(host.split(":")[1]))
            connection.request("GET", "/live?page=%2F", headers={"Cookie": cookie, "Host": host})
            held.append((connection, connection.getresponse()))
        time.sleep(15)
        say("agent grows with 50 pages open", agent_memory() - before, "MB", 10)
        for connection, _ in held:
            connection.close()

    if not services:
        return
    deploy(services, replicas)
    while True:
        states = [word for word in orch("status").split("\n") if word.startswith("instances")][0].split()
        if int(states[2]) >= services * replicas:
            break
        time.sleep(2)
    print(f"{services} services, {services * replicas} instances")
    with Browser(address) as browser:
        sign_in(browser)
        for path in ["/Service_Instances", "/"]:
            paint, answer, _ = median_of_pages(browser, path)
            say(f"{path}: answer complete", answer, "ms", 200)
            say(f"{path}: first contentful paint", paint, "ms", 200)
            browser.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
            say(f"{path}: memory of scripts and document",
                browser.run("return performance.memory.usedJSHeapSize") / 1e6, "MB", 100)
        browser.open("/Service_Instances")
        browser.driver.set_script_timeout(20)
        times = [browser.driver.execute_async_script(SEARCH, word) for word in ["s0001", "s0002", "s00", "s1", "s0003"] * 3]
        say("from a key to what is found", statistics.median(times), "ms", 50)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]] + [0, 0]
    main(numbers[0], numbers[1])
