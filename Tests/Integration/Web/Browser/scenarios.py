"""What people do in the browser, each as a function that an integration test runs with an agent of its own."""

import http.client
import json
import os
import signal
import sys
import tarfile
import tempfile
import time
import urllib.parse

from browser import Browser, orch, sign_in
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

SHOP = """name: shop
version: "{version}"
command: [python3, -m, http.server, "${{PORT}}"]
ports: [{{name: http}}]
health: {{type: http, path: /, interval: 100ms}}
update: {{monitor: 300ms}}
"""


def deploy(text, status=0):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        return orch("deploy", file.name, "-q", status=status)


def ask(address, method, path, body=None, **headers):
    """A request as any program may send it; gives the status, the fields and the text."""
    host = address.removeprefix("http://")
    # Browsers know by themselves where names below localhost lead.
    connection = http.client.HTTPConnection("127.0.0.1", int(host.split(":")[1]), timeout=20)
    connection.request(method, path, body, {"Host": host} | {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def cookie(address):
    """Signs in without a browser."""
    code = orch("ui").strip().removeprefix(address)
    status, headers, _ = ask(address, "GET", code)
    assert status == 303, status
    return headers["Set-Cookie"].split(";")[0]


def confirm(browser, name):
    browser.until("it is asked", lambda: browser.find("#confirm").is_displayed())
    browser.type("#confirm-name", name)
    browser.click("#confirm-yes")


def signing_in(address):
    link = orch("ui").strip()
    with Browser(address) as browser:
        browser.open("/Service_Instances?q=a")
        browser.until_text("orch ui")
        assert "/sign-in?next=%2FService_Instances%3Fq%3Da" in browser.driver.current_url
        browser.driver.get(link)
        browser.until("the overview is there", lambda: browser.all("#services"))
        held = browser.driver.get_cookies()[0]
        assert held["httpOnly"] and held["sameSite"] == "Strict", held
        # A service of this machine is at another host, and is told nothing.
        deploy(SHOP.format(version="1.0"))
        browser.driver.get("http://" + json.loads(orch("services", "-o", "json"))[0]["endpoints"][0])
        assert browser.driver.get_cookies() == []
        browser.driver.get(address.replace("orch.localhost", "127.0.0.1") + "/Requests?q=a")
        browser.until("the page at its own host", lambda: browser.driver.current_url == address + "/Requests?q=a")
        browser.open("/")
        browser.until_text("Live", "#connection")
        browser.driver.switch_to.new_window("tab")
        browser.open("/Requests")
        browser.click("header button.quiet")
        browser.until_text("orch ui")
        proof = {"Cookie": f"{held['name']}={held['value']}"}
        assert ask(address, "GET", "/v1/status", **proof)[0] == 403, "the cookie is worth nothing any more"
        # The other tab learns of it.
        browser.driver.close()
        browser.driver.switch_to.window(browser.driver.window_handles[0])
        browser.until_text("orch ui")
        orch("shutdown")
        orch("bootstrap", "-q")
        assert ask(address, "GET", "/v1/status", **proof)[0] == 403, "nor to the next agent"
        link = orch("ui").strip()
        browser.driver.get(link)
        browser.until("the overview is there", lambda: browser.all("#services"))
        browser.click("header button.quiet")
        browser.until_text("orch ui")
        browser.driver.get(link)
        browser.until_text("has been used or is too old")
        browser.open("/sign-in?next=/Requests")
        browser.type("#agent-token", "wrong")
        browser.click("main button.primary")
        browser.until_text("That is not the agent's token.")
        with open(f"{os.environ['ORCH_DATA_DIR']}/token", encoding="ascii") as file:
            browser.type("#agent-token", file.read().strip())
        browser.click("main button.primary")
        browser.until("the page that was asked for", lambda: browser.text("h1") == "Requests")
        browser.check("401", "403", "404", "ERR_", elsewhere=["http://127.0.0.1:"])


def deploying_from_nothing(address):
    with Browser(address) as browser:
        sign_in(browser)
        browser.until_text("Nothing is deployed yet.")
        browser.click("#services a")
        browser.until("the module is chosen", lambda: browser.find("#deploy-module").get_attribute("value") == "scheduler")
        browser.click("button[value=plan]")
        browser.until_text("scheduler is new", "#deploy-plan")
        assert "orch-scheduler" in browser.text("#deploy-plan .diff")
        assert json.loads(orch("services", "-o", "json")) == [], "a plan changes nothing"
        browser.click("button[value=deploy]")
        browser.until("the rollout is shown", lambda: "/Deployment_Interface/d-" in browser.driver.current_url)
        browser.until_text("done", "#rollout .headline")
        browser.until_text("healthy", "#rollout tbody")
        browser.until_text("deployment.succeeded", "#steps")
        browser.until_text("scheduler", "#log .lines")
        browser.click("#rollout .pings button")
        browser.until("the ping is answered", lambda: " ms" in browser.text("#rollout .pings output"))
        assert browser.all("#rollout .pings output.good"), browser.text("#rollout .pings")
        browser.open("/")
        browser.until_text("running", "#row-scheduler")
        browser.check()


def mistakes_at_their_lines(address):
    with Browser(address) as browser:
        sign_in(browser)
        browser.open("/Deployment_Interface")
        browser.click("input[value=file]")
        browser.find("#deploy-file").send_keys("name: shop\ncommand: [true]\nreplica: 2\n")
        browser.until_text("Line 3", "#deploy-mistakes")
        assert "replicas" in browser.text("#deploy-mistakes"), "what was meant is said"
        assert browser.text(".gutter .wrong") == "3"
        browser.click("#deploy-mistakes button")
        chosen = browser.run("const box = document.activeElement; return box.value.slice(box.selectionStart, box.selectionEnd)")
        assert chosen == "replica: 2", chosen
        browser.click("button[value=plan]")
        browser.until("it is refused", lambda: "module.yaml:3" in browser.text("#form > [role=alert]"))
        assert "replica: 2" in browser.find("#deploy-file").get_attribute("value"), "nothing that was typed is lost"
        browser.fill("#deploy-file", "name: shop\ncommand: [sleep, '60']\n")
        browser.until_text("No mistakes.", "#deploy-mistakes")
        browser.fill("#deploy-file", "name: shop\ncommand: [sleep, '60'\n")
        browser.until_text("Line", "#deploy-mistakes")
        browser.check("422")


def rolling_back_before_your_eyes(address):
    deploy(SHOP.format(version="1.0"))
    with Browser(address) as browser:
        sign_in(browser)
        browser.open("/Deployment_Interface")
        browser.click("input[value=file]")
        broken = SHOP.format(version="2.0").replace(
            "[python3, -m, http.server, \"${PORT}\"]", "[sh, -c, 'echo cannot find the stock; sleep 0.2; exit 3']")
        browser.fill("#deploy-file", broken)
        browser.click("button[value=plan]")
        browser.until_text("version\t1.0 2.0", "#deploy-plan")
        browser.click("button[value=deploy]")
        browser.until("the rollout is shown", lambda: "/Deployment_Interface/d-" in browser.driver.current_url)
        browser.until_text("the version before it serves", "#rollout .headline")
        browser.until_text("cannot find the stock", "#rollout .tail")
        browser.until_text("exit", "#rollout .why")
        browser.until_text("cannot find the stock", "#log .lines")
        browser.open("/Services/shop")
        browser.until_text("version 1.0, 1 of 1 up", "#service .headline")
        browser.check()


def changing_instances(address):
    deploy(SHOP.format(version="1.0"))
    deploy(SHOP.format(version="1.1"))
    with Browser(address) as browser:
        sign_in(browser)
        browser.open("/Service_Instances")
        browser.until_text("healthy", "#instances")
        instance = json.loads(orch("instances", "-o", "json"))[0]["id"]
        browser.click(f"button[aria-label='Stop {instance}']")
        confirm(browser, instance)
        browser.until_text("stopped", f"#row-{instance}")
        browser.click(f"button[aria-label='Start {instance}']")
        browser.until_text("healthy", f"#row-{instance}")
        # One instance: why it is as it is, and its log.
        browser.click(f"#row-{instance} a")
        browser.until_text("healthy", "#instance .headline")
        browser.until_text("GET / HTTP", "#log .lines")
        # The service: a number, a version before, and the end, which wants its name.
        browser.open("/Services/shop")
        browser.type("#scale-shop", "3")
        browser.click("#service form.inline button")
        browser.until_text("scale of shop: done", "#rollout .headline")
        browser.open("/Services/shop")
        browser.until_text("3 of 3 up", "#service .headline")
        browser.click("#revisions button")
        confirm(browser, "shop")
        browser.until_text("rollback of shop: done", "#rollout .headline")
        browser.open("/Services/shop")
        browser.until_text("version 1.0", "#service .headline")
        browser.click("#service button.danger")
        browser.until("it is asked", lambda: browser.find("#confirm").is_displayed())
        assert not browser.find("#confirm-yes").is_enabled()
        confirm(browser, "shop")
        browser.until_text("remove of shop", "#rollout .headline")
        browser.until("it is not there any more", lambda: json.loads(orch("services", "-o", "json")) == [])
        browser.open("/")
        browser.until_text("Nothing is deployed yet.")
        browser.check()


def following_a_noisy_module(address):
    deploy(
        "name: noisy\ncommand: [python3, -u, -c, \"import time, sys\\nn = 0\\nwhile True:\\n"
        "  sys.stdout.write(''.join(f'level=info line {n + i} of many\\\\n' for i in range(1000))); n += 1000\\n"
        "  sys.stderr.write('level=error msg=\\\\\\\"disk is slow\\\\\\\"\\\\n'); time.sleep(0.1)\"]\n")
    with Browser(address) as browser:
        sign_in(browser)
        browser.open("/Logs?topic=noisy")
        seen = lambda: int((browser.text("[data-lines-count]") or "0").split()[0])
        browser.until("very many lines have come", lambda: seen() > 120_000, patience=60)
        assert "the last" in browser.text("[data-lines-count]"), "what is held is bounded"
        assert browser.run("return document.querySelectorAll('.lines .line').length") < 200, "only what is seen is drawn"
        # The page stays quick: how late a timer is tells how long the page was busy.
        late = browser.driver.execute_async_script(
            "const done = arguments[0]; let worst = 0, count = 0, due = performance.now() + 20;"
            "const timer = setInterval(() => { const now = performance.now(); worst = Math.max(worst, now - due);"
            "due = now + 20; if (++count === 100) { clearInterval(timer); done(worst); } }, 20);")
        print(f"while 10,000 lines a second come, a timer was {late:.0f} ms late at most")
        assert late < 1_000, late
        browser.run("document.querySelector('.lines').scrollTop -= 5000")
        browser.click("[data-lines-pause]")
        held = browser.text(".lines")
        new = lambda: int(browser.text("[data-lines-pause]").split("(")[1].split()[0])
        # So many that the oldest of those that are shown would have gone.
        browser.until("lines go on being counted", lambda: new() > 20_000, patience=60)
        assert browser.text(".lines") == held, "what is shown stands still"
        browser.click("[data-lines-pause]")
        assert browser.text("[data-lines-pause]") == "Pause"
        browser.run("document.querySelector('.lines').scrollTop = 1e9")
        browser.until("it goes on", lambda: browser.text(".lines") != held)
        # The whole of a line, by the keyboard.
        browser.click("[data-lines-pause]")
        browser.find(".lines").send_keys(Keys.ENTER)
        browser.until_text("noisy-", "[data-line-detail]")
        one = browser.text("[data-line-detail]")
        browser.find(".lines").send_keys(Keys.ARROW_UP)
        browser.until("the line before", lambda: browser.text("[data-line-detail]") not in ("", one))
        browser.find(".lines").send_keys(Keys.ESCAPE)
        browser.until("it is let go", lambda: not browser.find("[data-line-detail]").is_displayed())
        # The parts of it.
        browser.until("patterns are shown", lambda: "line <*> of many" in browser.text("[data-patterns]"))
        # An analysis by level looks at all lines: of so many as there are by now.
        orch("stop", "noisy")
        browser.choose("#logs-level", "error")
        browser.until(
            "only errors", lambda: "disk is slow" in browser.text(".lines") and "of many" not in browser.text(".lines"),
            patience=60)
        browser.driver.refresh()
        browser.until("it is still so", lambda: "disk is slow" in browser.text(".lines"), patience=60)
        assert browser.find("#logs-level").get_attribute("value") == "error"
        browser.until("the histogram is of errors", lambda: browser.all("[data-bars] rect.error"), patience=60)
        # A stretch of it: the middle third.
        bars = browser.find("[data-bars]")
        width = bars.size["width"]
        ActionChains(browser.driver).move_to_element_with_offset(bars, -width // 6, 0).click_and_hold().move_by_offset(
            width // 3, 0).release().perform()
        browser.until("it is in the address", lambda: "until=" in browser.driver.current_url)
        assert browser.find("#logs-since").get_attribute("value") < browser.find("#logs-until").get_attribute("value")
        browser.find(".lines").click()
        # From an instance to all that it has written, and nobody else.
        browser.open("/Service_Instances")
        browser.click("#instances tbody a")
        browser.click("#log .line-tools a")
        browser.until("the page of logs", lambda: browser.all("#logs-instance"))
        assert browser.find("#logs-instance").get_attribute("value").startswith("noisy-")
        assert browser.find("#logs-topic").get_attribute("value") == "noisy"
        browser.until_text("of many", ".lines")
        browser.open("/Logs?topic=nowhere")
        browser.until_text("There is no topic nowhere")
        browser.open("/Logs?topic=Events")
        browser.until_text("deployment.succeeded noisy", ".lines")
        browser.check()


def what_has_ended(address):
    """Nobody goes on asking for the lines of a job that is done."""
    deploy("name: once\nrestart: {policy: never}\ncommand: [sh, -c, 'echo all is done']\n")
    with Browser(address) as browser:
        sign_in(browser)
        browser.until_text("completed", "#row-once")
        assert not browser.all("#row-once .bad"), browser.text("#row-once")
        browser.open("/Services/once")
        browser.until_text("all is done", "#log .lines")
        asked = lambda: browser.run("return performance.getEntriesByType('resource').filter((e) => e.name.includes('/v1/logs')).length")
        before = asked()
        browser.open("/Logs?module=once&grep=(")
        browser.until_text("regular expression", "[data-lines-count]")
        time.sleep(2)
        assert asked() <= 2, "what is refused is not asked for again and again"
        browser.open("/Services/once")
        browser.until_text("all is done", "#log .lines")
        time.sleep(2)
        assert asked() == before, "nor what has ended"
        browser.check("400")


def searches_that_last(address):
    deploy(SHOP.format(version="1.0"))
    deploy("name: still\ncommand: [sleep, '600']\nreplicas: 3\n")
    with Browser(address) as browser:
        sign_in(browser)
        browser.open("/Service_Instances")
        browser.until_text("still-", "#instances")
        browser.type("#instances-q", "shop")
        browser.until("only the shop's", lambda: "shop-" in browser.text("#instances") and "still-" not in browser.text("#instances"))
        browser.driver.refresh()
        browser.until_text("shop-", "#instances")
        assert "still-" not in browser.text("#instances")
        browser.choose("#instances-q", "")
        browser.choose("#instances-module", "still")
        browser.until("only the still ones", lambda: len(browser.all("#instances tbody tr")) == 3)
        browser.click("#instances thead a")
        names = [row.text for row in browser.all("#instances tbody th")]
        assert names == sorted(names), names
        browser.click("#instances thead a")
        browser.until("the other way round", lambda: [row.text for row in browser.all("#instances tbody th")] == names[::-1])
        assert "module=still" in browser.driver.current_url
        with Browser(address) as other:
            sign_in(other)
            other.driver.get(browser.driver.current_url)
            assert [row.text for row in other.all("#instances tbody th")] == names[::-1], "whoever has the address sees the same"
            other.check()
        browser.check()


def a_canary_waits(address):
    """What waits for somebody's word says so, and is given it where one looks."""
    deploy(SHOP.format(version="1.0"))
    canary = SHOP.format(version="VERSION").replace("monitor: 300ms", "monitor: 300ms, strategy: canary, canary: 50")
    orch("scale", "shop", "2", "-q")
    for version, word in [("2.0", "promote"), ("3.0", "abort")]:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(canary.replace("VERSION", version))
            file.flush()
            orch("deploy", file.name, "--detach")
        with Browser(address) as browser:
            sign_in(browser)
            browser.until_text("waits for your word", "#row-shop")
            browser.until_text("needs attention", "#figures")
            browser.open("/Services/shop")
            browser.until_text("being deployed", "#revisions")
            assert "did not hold" not in browser.text("#revisions li:first-child")
            browser.click(f"#service form[action$={word}] button")
            if word == "abort":
                confirm(browser, "shop")
            browser.until_text("version 2.0", "#service .headline")
            browser.until("it does not wait any more", lambda: not browser.all("#service form[action$=abort]"))
            browser.check()
    # Only the deployment that brought what runs now can be taken back.
    first = json.loads(orch("history", "shop", "-o", "json"))["deployments"]
    with Browser(address) as browser:
        sign_in(browser)
        for deployment in first:
            if deployment["kind"] != "deploy":
                continue
            browser.open(f"/Deployment_Interface/{deployment['id']}")
            browser.until_text("Live", "#connection")
            offered = [button.text for button in browser.all("#rollout form[action$=rollback] button")]
            is_current = deployment["state"] == "succeeded" and deployment.get("from_revision")
            assert offered == (["Roll back to revision 1"] if is_current else []), (deployment, offered)
            others = {other["id"] for other in first} - {deployment["id"]}
            assert not any(other in browser.text("#steps") for other in others), browser.text("#steps")
        # A page of what is gone can do nothing any more.
        browser.open("/Services/shop")
        browser.until_text("Live", "#connection")
        orch("rm", "shop", "-q")
        browser.until("it is closed", lambda: browser.run("return document.getElementById('main').inert"))
        assert "there is no service shop" in browser.text("#connection")
        browser.check("404")


def two_tabs(address):
    deploy(SHOP.format(version="1.0"))
    with Browser(address) as browser:
        sign_in(browser)
        browser.open("/Services/shop")
        browser.until_text("1 of 1 up", "#service")
        first = browser.driver.current_window_handle
        browser.driver.switch_to.new_window("tab")
        browser.open("/Services/shop")
        browser.click("#service form[action$=stop] button")
        confirm(browser, "shop")
        browser.until_text("stop of shop: done", "#rollout .headline")
        browser.driver.switch_to.window(first)
        browser.until_text("stopped", "#service .headline")
        browser.check()


def agent_killed_and_back(address):
    deploy(SHOP.format(version="1.0"))
    with Browser(address) as browser:
        sign_in(browser)
        browser.open("/Services/shop")
        browser.until_text("Live", "#connection")
        with open(f"{os.environ['ORCH_DATA_DIR']}/agent.lock", encoding="ascii") as file:
            os.kill(int(file.read().split()[0]), signal.SIGKILL)
        browser.until_text("Reconnecting", "#connection")
        orch("bootstrap", "-q")
        browser.until_text("Live", "#connection")
        # One that has ended as it should is found again at the same place, too.
        orch("shutdown")
        browser.until_text("Reconnecting", "#connection")
        browser.click("#service form[action$=restart] button")
        browser.until_text("does not answer", "#notice")
        orch("bootstrap", "-q")
        browser.until_text("Live", "#connection")
        assert not browser.find("#notice").is_displayed(), "it answers again"
        orch("scale", "shop", "2", "-q")
        browser.until_text("2 of 2 up", "#service .headline")
        # The log goes on, too.
        browser.until_text("GET / HTTP", "#log .lines")
        # An agent that goes away while it sends a page leaves no half of one behind.
        browser.block("*/lines.js")
        browser.open("/Services/shop")
        browser.until_text("Reconnecting", "#connection")
        browser.block()
        browser.until_text("GET / HTTP", "#log .lines")
        browser.until_text("Live", "#connection")
        browser.check(
            "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET",
            "ERR_BLOCKED_BY_CLIENT", "dynamically imported module")


def bundles(address):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/greeter.tar.gz"
        with open(f"{folder}/module.yaml", "w", encoding="ascii") as file:
            file.write("name: greeter\nversion: '3.1'\ncommand: [sh, hello.sh]\n")
        with open(f"{folder}/hello.sh", "w", encoding="ascii") as file:
            file.write("while true; do echo hello from a bundle; sleep 0.2; done\n")
        with tarfile.open(path, "w:gz") as archive:
            for name in ["module.yaml", "hello.sh"]:
                archive.add(f"{folder}/{name}", name)
        with Browser(address) as browser:
            sign_in(browser)
            browser.open("/Deployment_Interface")
            browser.until("it can be uploaded", lambda: browser.find("#deploy-bundle").is_displayed())
            browser.find("#deploy-bundle").send_keys(path)
            browser.until("it is chosen", lambda: browser.find("#deploy-module").get_attribute("value") == "greeter:3.1")
            browser.click("button[value=plan]")
            browser.click("button[value=deploy]")
            browser.until_text("done", "#rollout .headline")
            browser.until_text("hello from a bundle", "#log .lines")
            browser.open("/Repository")
            browser.until_text("in use", "[id='row-greeter:3.1']")
            orch("rm", "greeter", "-q")
            browser.until("it can be removed", lambda: browser.all("button[aria-label='Remove greeter:3.1']"))
            browser.click("button[aria-label='Remove greeter:3.1']")
            browser.type("#confirm-name", "greeter:3.1")
            browser.click("#confirm-yes")
            browser.until_text("The repository is empty")
            # What is no bundle is said so, and nothing of it stays.
            with open(path, "wb") as file:
                file.write(b"\x1f\x8b no archive")
            browser.open("/Deployment_Interface")
            browser.until("it can be uploaded", lambda: browser.find("#deploy-bundle").is_displayed())
            browser.find("#deploy-bundle").send_keys(path)
            browser.until("it is refused or kept as a file", lambda: browser.text("#notice") != "" or browser.all(
                "#deploy-module option[value^=greeter]"))
            browser.check("400", "422", "409")


def schedules_and_notifications(address):
    orch("deploy", "scheduler", "-q")
    orch("deploy", "action-notification", "-q")
    deploy(SHOP.format(version="1.0"))
    with Browser(address) as browser:
        sign_in(browser)
        browser.open("/Schedules_and_Notifications")
        browser.until_text("No schedules yet.", "#schedules")
        browser.click("#schedule-form summary")
        browser.type("#schedule-name", "nightly")
        browser.type("#schedule-cron", "0 3 * * *")
        browser.choose("#schedule-action", "restart")
        browser.type("#schedule-module", "shop")
        browser.until_text("03:00:00 UTC", "#schedule-preview")
        browser.type("#schedule-cron", "0 33 * * *")
        browser.until("it says what is wrong", lambda: browser.all("#schedule-preview.bad"))
        browser.type("#schedule-cron", "0 3 * * *")
        browser.click("#schedule-form button.primary")
        browser.until_text("nightly is set.", "#notice")
        browser.until_text("restart shop", "#row-nightly")
        browser.type("#schedules-q", "daily")
        browser.until_text("No schedule has this in its name.", "#schedules")
        assert browser.driver.current_url.endswith("?q=daily"), "the search can be passed on"
        browser.type("#schedules-q", "Night")
        browser.until_text("restart shop", "#row-nightly")
        browser.open("/Schedules_and_Notifications")
        browser.click("#schedule-form summary")
        # Another one does not take its place without a word; it is edited where it stands.
        assert browser.find("#schedule-name").get_attribute("value") == "", "the form is ready for the next one"
        browser.type("#schedule-name", "nightly")
        browser.type("#schedule-cron", "0 5 * * *")
        browser.choose("#schedule-action", "restart")
        browser.type("#schedule-module", "shop")
        browser.click("#schedule-form button.primary")
        browser.until_text("there is a schedule nightly already", "#notice")
        browser.click("a[aria-label='Edit nightly']")
        browser.until("what it says is filled in", lambda: browser.find("#schedule-cron").get_attribute("value") == "0 3 * * *")
        assert browser.find("#schedule-module").get_attribute("value") == "shop"
        browser.type("#schedule-cron", "0 4 * * *")
        browser.click("#schedule-form button.primary")
        browser.until_text("0 4 * * *", "#row-nightly")
        browser.click("button[aria-label='Run nightly now']")
        browser.until_text("done", "#row-nightly")
        browser.click("button[aria-label='Pause nightly']")
        browser.until_text("paused", "#row-nightly")
        browser.click("button[aria-label='Remove nightly']")
        confirm(browser, "nightly")
        browser.until_text("No schedules yet.", "#schedules")
        # Something goes wrong.
        deploy("name: crashy\ncommand: [sh, -c, 'exit 1']\nrestart: {initial_delay: 10ms, give_up_after: 3}\n", status=None)
        browser.until("an incident is shown", lambda: browser.all("#notifications button[aria-label^='Acknowledge']"))
        browser.click("#notifications button[aria-label^='Acknowledge']")
        browser.until_text("browser looks after it", "#notifications")
        # Rules and channels of one's own.
        browser.click("#rules-form summary")
        rules = "channels:\n- {name: hook, type: webhook, url: 'http://127.0.0.1:9/'}\n"
        browser.fill("#rules-file", rules + "rules:\n- {name: own, match: {event: [x]}}\n")
        browser.until_text("Line 4", "#rules-mistakes")
        browser.click("#rules-form button.primary")
        browser.until_text("line 4", "#notice")
        browser.fill("#rules-file", rules + "rules:\n- {name: own, match: {events: [never.*]}, advice: wait}\n")
        browser.until_text("No mistakes.", "#rules-mistakes")
        browser.click("#rules-form button.primary")
        browser.until_text("hook", "#notifications")
        assert "hook" in orch("notify", "channels") and "own" in orch("notify", "rules")
        browser.open("/Schedules_and_Notifications")
        assert "name: own" in browser.find("#rules-file").get_attribute("value"), "the file that holds can be changed further"
        browser.click("#silence-form summary")
        browser.type("#silence-span", "2h")
        browser.type("#silence-module", "crashy")
        browser.click("#silence-form button.primary")
        browser.until_text("module crashy", "#notifications")
        browser.click("#notifications form[action^='/Silences/'] button")
        browser.until("the silence is over", lambda: "module crashy" not in browser.text("#notifications"))
        browser.check("400", "409")


def without_scripts(address):
    deploy(SHOP.format(version="1.0"))
    with Browser(address, scripts=False) as browser:
        browser.driver.get(orch("ui").strip())
        body = lambda: browser.driver.page_source
        assert "shop" in body()
        for path, words in [
            ("/Service_Instances?q=shop", "shop-"), ("/Services/shop", "1 of 1 up"), ("/Logs?topic=shop", "GET / HTTP"),
            ("/Repository", "scheduler"), ("/Documents", "module_name_id_map.json"), ("/Requests", "/v1/deployments"),
        ]:
            browser.open(path)
            assert words in body(), (path, body())
        browser.open("/Deployment_Interface")
        browser.find("input[value=file]").click()
        browser.find("#deploy-file").send_keys("name: plain\ncommand: [sleep, '60']\nreplica: 1\n")
        browser.find("button[value=plan]").click()
        wait = lambda words: WebDriverWait(browser.driver, 20).until(lambda _: words in body())
        wait("Line 3")
        area = browser.find("#deploy-file")
        assert "replica: 1" in area.get_attribute("value"), "nothing that was typed is lost"
        area.clear()
        area.send_keys("name: plain\ncommand: [sleep, '60']\n")
        browser.find("button[value=plan]").click()
        wait("plain is new")
        browser.find("button[value=deploy]").click()
        wait("deploy of")
        assert "/Deployment_Interface/d-" in browser.driver.current_url
        WebDriverWait(browser.driver, 20).until(lambda _: browser.driver.refresh() or ": done" in body())
        # What destroys asks for the name, and nothing else is the name.
        browser.open("/Services/plain")
        browser.find("form[action$=remove] button").click()
        for name in ["plane", "plain"]:
            wait("Type <b>plain</b> to go on")
            assert "plain" in orch("services"), "nothing has happened yet"
            browser.find("#question-answer").send_keys(name)
            browser.find("#question button").click()
            if name == "plane":
                wait("This is not its name.")
        WebDriverWait(browser.driver, 20).until(lambda _: "plain" not in orch("services"))
        browser.open("/Services/shop")
        scale = browser.find("#scale-shop")
        scale.clear()
        scale.send_keys("2")
        browser.find("form[action$=scale] button").click()
        wait("scale of")
        WebDriverWait(browser.driver, 20).until(lambda _: browser.driver.refresh() or ": done" in body())
        browser.check("422", "428")


def people_who_cannot_see(address):
    """Names, roles, order of the focus, contrast, narrow screens: what tools for accessibility look at."""
    deploy(SHOP.format(version="1.0"))
    orch("deploy", "scheduler", "-q")
    pages = [
        "/", "/Deployment_Interface", "/Service_Instances", "/Services/shop", "/Logs", "/Repository",
        "/Schedules_and_Notifications", "/Documents", "/Requests",
        f"/Service_Instances/{json.loads(orch('instances', 'shop', '-o', 'json'))[0]['id']}",
        f"/Deployment_Interface/{json.loads(orch('history', 'shop', '-o', 'json'))['deployments'][0]['id']}",
    ]
    for dark in [False, True]:
        with Browser(address, dark=dark) as browser:
            sign_in(browser)
            for path in pages:
                browser.open(path)
                browser.until_text("Live", "#connection")
                mistakes = browser.run(RULES)
                assert not mistakes, (path, dark, mistakes)
            browser.check()
    with Browser(address, width=360, height=740) as browser:
        sign_in(browser)
        for path in pages:
            browser.open(path)
            wide = browser.run("return document.documentElement.scrollWidth")
            assert wide <= 360, (path, wide, browser.run(
                "return [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > 361"
                " && !e.closest('.scroll, .lines, pre')).map((e) => e.outerHTML.slice(0, 120)).slice(0, 5)"))
    # By the keyboard alone: the skip link comes first, then the menu in its order, and a dialog gives the focus back.
    with Browser(address) as browser:
        sign_in(browser)
        browser.open("/Services/shop")
        browser.until_text("Live", "#connection")
        words = []
        for _ in range(4):
            browser.driver.switch_to.active_element.send_keys(Keys.TAB)
            words.append(browser.driver.switch_to.active_element.text)
        assert words == ["Skip to content", "orch", "Overview", "Deploy"], words
        stop = browser.find("#service form[action$=stop] button")
        browser.run("arguments[0].focus()", stop)
        stop.send_keys(Keys.ENTER)
        browser.until("it asks", lambda: browser.find("#confirm").is_displayed())
        browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        browser.until("the focus is back", lambda: browser.driver.switch_to.active_element == stop)
        assert "running" in browser.text("#service .headline")


RULES = """
const mistakes = [];
const seen = (element) => element.getClientRects().length > 0;
const name = (element) => (element.getAttribute('aria-label') ?? (element.getAttribute('aria-labelledby')
  ? document.getElementById(element.getAttribute('aria-labelledby'))?.textContent
  : [...(element.labels ?? [])].map((label) => label.textContent).join(' ') || element.textContent) ?? '').trim();
const say = (element, what) => mistakes.push(`${what}: ${element.outerHTML.slice(0, 160)}`);
for (const element of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, svg[role=img], [role=log], [role=region], nav, dialog'))
  if (seen(element) && !name(element)) say(element, 'no name');
for (const element of document.querySelectorAll('[id]'))
  if (document.querySelectorAll(`[id="${CSS.escape(element.id)}"]`).length > 1) say(element, 'its id is there twice');
for (const element of document.querySelectorAll('[aria-describedby], [aria-labelledby], label[for]'))
  for (const key of ['aria-describedby', 'aria-labelledby', 'for'])
    if (element.hasAttribute(key) && !document.getElementById(element.getAttribute(key))) say(element, `${key} leads nowhere`);
for (const table of document.querySelectorAll('main table:not(.diff)'))
  if (![...table.querySelectorAll('thead th')].every((head) => head.scope === 'col')) say(table, 'a column without scope');
if (document.querySelectorAll('h1').length !== 1) mistakes.push('not one h1');
if (document.querySelectorAll('main').length !== 1) mistakes.push('not one main');
if (!document.documentElement.lang) mistakes.push('no language');
if ([...document.querySelectorAll('[tabindex]')].some((element) => element.tabIndex > 0)) mistakes.push('a tab order of its own');
for (const element of document.querySelectorAll('.scroll, .lines')) if (element.tabIndex !== 0) say(element, 'cannot be scrolled by keys');

// Contrast (WCAG 2.2, 1.4.3): of every text with the first ground behind it that is not clear.
const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
  .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const known = new Set();
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.nodeValue.trim() || !seen(element) || element.closest('noscript, script, .skip')) continue;
  const style = getComputedStyle(element);
  let behind = element;
  while (behind && (parse(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
  const ground = behind ? getComputedStyle(behind).backgroundColor : 'rgb(255, 255, 255)';
  const pair = `${style.color} on ${ground}`;
  if (known.has(pair)) continue;
  known.add(pair);
  const [one, other] = [light(parse(style.color)), light(parse(ground))].sort((a, b) => b - a);
  const contrast = (one + 0.05) / (other + 0.05);
  if (contrast < 4.5) say(element, `contrast ${contrast.toFixed(2)} of ${pair}`);
}
return mistakes;
"""


def nothing_jumps(address):
    """What is drawn stays where it is while scripts and figures come (layout shifts, as web.dev/cls counts them)."""
    deploy(SHOP.format(version="1.0"))
    for width in [1280, 360]:
        with Browser(address, width=width) as browser:
            sign_in(browser)
            browser.driver.set_script_timeout(10)
            for path in [
                "/", "/Service_Instances", "/Services/shop", "/Deployment_Interface", "/Logs?topic=shop", "/Repository",
                "/Schedules_and_Notifications", "/Documents", "/Requests",
            ]:
                browser.open(path)
                browser.until_text("Live", "#connection")
                moved = browser.driver.execute_async_script(
                    "const done = arguments[0]; let sum = 0;"
                    "new PerformanceObserver((list) => { for (const { value } of list.getEntries()) sum += value; })"
                    ".observe({ type: 'layout-shift', buffered: true }); setTimeout(() => done(sum), 500);")
                assert moved < 0.05, (width, path, moved)
            browser.check()


def attacks(address):
    held = cookie(address)
    form = "application/x-www-form-urlencoded"
    deploy(SHOP.format(version="1.0"))
    token = ask(address, "GET", "/", Cookie=held)[2].split('name="request-token" content="')[1].split('"')[0]
    refused = [
        ("no cookie", "POST", "/Services/shop/stop", f"token={token}", {"Content_Type": form}),
        ("no token", "POST", "/Services/shop/stop", "", {"Cookie": held, "Content_Type": form}),
        ("a wrong token", "POST", "/Services/shop/stop", "token=" + "0" * 64, {"Cookie": held, "Content_Type": form}),
        ("a wrong token in the header", "POST", "/Services/shop/stop", f"token={token}",
         {"Cookie": held, "Content_Type": form, "Request_Token": "0" * 64}),
        ("the API by the cookie alone", "POST", "/v1/services/shop/stop", "", {"Cookie": held}),
        ("the API as a form", "POST", "/v1/services/shop/stop", f"token={token}", {"Cookie": held, "Content_Type": form}),
        ("the API by another spelling", "POST", "//v1/services/shop/stop", "", {"Cookie": held, "Content_Type": form}),
        ("another site", "POST", "/Services/shop/stop", f"token={token}",
         {"Cookie": held, "Content_Type": form, "Origin": "http://evil.example"}),
        ("another site's GET", "GET", "/v1/logs?topic=shop", None, {"Cookie": held, "Origin": "http://evil.example"}),
        ("a name that leads here (DNS rebinding)", "GET", "/", None, {"Cookie": held, "Host": "evil.example"}),
        ("a session at another name of this machine", "GET", "/v1/status", None,
         {"Cookie": held, "Host": address.removeprefix("http://").replace("orch.localhost", "127.0.0.1")}),
        ("a session that somebody made up", "GET", "/v1/status", None, {"Cookie": held[:-4] + "0000"}),
        ("a session that is longer", "GET", "/v1/status", None, {"Cookie": held.replace("=", "=9", 1)}),
        ("a page without a session", "GET", "/live?page=/", None, {}),
        ("an upload by a form", "POST", "/Repository/upload?name=a.tar", "x", {"Cookie": held, "Content_Type": form}),
    ]
    for what, method, path, body, headers in refused:
        status, _, text = ask(address, method, path, body, **headers)
        assert status == 403, (what, status, text)
    assert json.loads(orch("services", "-o", "json"))[0]["state"] == "running", "nothing of it was done"
    for _ in range(20):
        ask(address, "POST", "/v1/services/shop/stop")
        ask(address, "POST", "/sign-in", "agent_token=wrong", Content_Type=form)
    kept = json.loads(ask(address, "GET", "/v1/requests?limit=100", Cookie=held)[2])
    assert not any(request["path"] == "/sign-in" or request.get("by") is None for request in kept), kept
    # A place to go on must be ours.
    for place in ["//evil.example", "https://evil.example", "/\\evil.example", "/a%0d%0aSet-Cookie:%20a=b"]:
        status, headers, _ = ask(
            address, "POST", "/Channels/none/test", f"token={token}&next={urllib.parse.quote(place)}", Cookie=held, Content_Type=form)
        assert "evil" not in headers.get("Location", "") and "a" not in (headers.get("Set-Cookie") or "")
    # What is too large is refused, what is large is taken as it is.
    status, _, text = ask(
        address, "POST", "/Deployment_Interface", f"token={token}&source=file&act=plan&file=" + "a" * (5 << 20), Cookie=held,
        Content_Type=form)
    assert status in (400, 413), (status, text)
    status, _, text = ask(
        address, "POST", "/Deployment_Interface", f"token={token}&source=module&act=plan&module=" + "b" * (1 << 20), Cookie=held,
        Content_Type=form)
    assert status == 422, (status, text[:500])
    status, headers, text = ask(address, "GET", "/nowhere%3Cscript%3E", Cookie=held, Accept="text/html")
    assert status == 404 and "<script>" not in text, text
    # Texts of others are shown as texts.
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    deploy(
        "name: evil\nversion: \"1\"\ndescription: '" + evil + "'\n"
        "command: [sh, -c, 'while true; do echo \"" + evil.replace("'", "") + "\"; sleep 0.2; done']\n"
        "env: {NAME: '" + evil + "'}\n")
    with Browser(address) as browser:
        sign_in(browser)
        for path in [
            "/", "/Services/evil", "/Logs?topic=evil", "/Repository", "/Documents", "/Requests",
            "/Service_Instances?q=" + urllib.parse.quote('"><script>alert(3)</script>'),
            "/Deployment_Interface?module=" + urllib.parse.quote('"><script>alert(4)</script>'),
        ]:
            browser.open(path)
            browser.until_text("Live", "#connection")
            assert not browser.all("main img, main script"), path
        browser.open("/Logs?topic=evil")
        browser.until_text("onerror=alert(1)", ".lines")
        # A page of ours itself cannot run what is not part of the program.
        browser.run("const s = document.createElement('script'); s.textContent = 'window.ran = true'; document.body.append(s)")
        assert browser.run("return window.ran") is None
        browser.watch()
        assert any("Content Security Policy" in entry["message"] for entry in browser.console)
        browser.check("Content Security Policy")
    for field, wanted in [
        ("Content-Security-Policy", "default-src 'none'"), ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"), ("Referrer-Policy", "same-origin"),
    ]:
        assert wanted in ask(address, "GET", "/", Cookie=held)[1][field], field


def requests_are_kept(address):
    orch("deploy", "scheduler", "-q")
    with Browser(address) as browser:
        sign_in(browser)
        browser.open("/Services/scheduler")
        browser.click("#service form[action$=restart] button")
        browser.until_text("restart of scheduler", "#rollout .headline")
        with open(f"{os.environ['ORCH_DATA_DIR']}/agent.lock", encoding="ascii") as file:
            os.kill(int(file.read().split()[0]), signal.SIGKILL)
        orch("bootstrap", "-q")
        browser.open("/Requests")
        browser.until_text("POST /Services/scheduler/restart")
        rows = browser.text("#requests tbody").split("\n")
        assert any("browser" in row and "127.0.0.1" in row and "/Services/scheduler/restart" in row for row in rows), rows
        assert any("owner" in row and "local" in row and "/v1/deployments" in row for row in rows), rows
        # The documents of the outline, as they are.
        browser.open("/Documents?name=Loadbalancer/services.json")
        browser.until_text('"name" : "scheduler"', "#document-text")


def give_up(*_):
    raise TimeoutError("the scenario takes too long")


if __name__ == "__main__":
    # So that the browser is ended, whatever happens.
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(200)
    begin = time.monotonic()
    globals()[sys.argv[1]](orch("ui").strip().split("/sign-in")[0])
    print(f"{sys.argv[1]}: {time.monotonic() - begin:.1f} s")
