import OrchModel
import OrchSystem
import TestSupport
import Testing

@testable import RequestManager

struct SessionTests {
    private let folder = TemporaryFolder()
    private let sessions: Sessions
    private let now = Timestamp(seconds: 1_800_000_000)

    init() { sessions = Sessions(secret: "a secret", endedFile: "\(folder.path)/ended") }

    @Test func `a code works once, and not for ever`() {
        let code = sessions.issueCode(at: now)
        #expect(sessions.redeem(code, at: now) != nil)
        #expect(sessions.redeem(code, at: now) == nil)
        let late = sessions.issueCode(at: now)
        #expect(sessions.redeem(late, at: now + Sessions.codeLifetime + .seconds(1)) == nil)
        #expect(sessions.redeem("", at: now) == nil)
    }

    @Test func `of codes that nobody uses the oldest are forgotten`() {
        let codes = (0..<40).map { _ in sessions.issueCode(at: now) }
        #expect(sessions.redeem(codes[0], at: now) == nil)
        #expect(sessions.redeem(codes[39], at: now) != nil)
    }

    @Test func `a cookie proves its session to every agent with the same secret, until it ends`() throws {
        let session = sessions.begin(at: now)
        let field = "other=1; \(sessions.cookieName)=\(session.cookie); more=2"
        let again = Sessions(secret: "a secret", endedFile: "\(folder.path)/ended")
        #expect(try #require(again.session(in: field, at: now)).requestToken == session.requestToken)
        #expect(again.session(in: field, at: now + Sessions.lifetime + .seconds(1)) == nil)
        #expect(Sessions(secret: "another", endedFile: "").session(in: field, at: now) == nil)
    }

    @Test func `a session that was ended stays so, and no other`() throws {
        let (one, other) = (sessions.begin(at: now), sessions.begin(at: now))
        try sessions.end(one, at: now)
        for sessions in [sessions, Sessions(secret: "a secret", endedFile: "\(folder.path)/ended")] {
            #expect(sessions.isOver(one))
            #expect(sessions.session(in: "\(sessions.cookieName)=\(one.cookie)", at: now) == nil)
            #expect(sessions.session(in: "\(sessions.cookieName)=\(other.cookie)", at: now) != nil)
        }
        // What would be over anyway is not kept.
        let later = now + Sessions.lifetime + .seconds(1)
        try sessions.end(sessions.begin(at: later), at: later)
        #expect(try Files.readText("\(folder.path)/ended").split(separator: "\n").count == 1)
    }

    @Test(arguments: ["", "orch", "=", ";;", "a-b-c"]) func `what is no session of ours is none`(cookie: String) {
        #expect(sessions.session(in: "\(sessions.cookieName)=\(cookie)", at: now) == nil)
        #expect(sessions.session(in: cookie, at: now) == nil)
        #expect(sessions.session(in: nil, at: now) == nil)
    }

    @Test func `nobody can make a session last longer`() {
        let session = sessions.begin(at: now)
        let longer = "9\(session.cookie)"
        #expect(sessions.session(in: "\(sessions.cookieName)=\(longer)", at: now) == nil)
    }
}

struct PageAddressTests {
    @Test func `what is chosen is read and written`() {
        let address = PageAddress("/Service_Instances?q=a%26b+c&state=&sort=id")
        #expect(address.path == "/Service_Instances")
        #expect(address["q"] == "a&b c")
        #expect(address["state"] == nil)
        #expect(address.text == "/Service_Instances?q=a%26b%20c&sort=id")
        #expect(address.with(["sort": nil, "page": "2"]) == "/Service_Instances?page=2&q=a%26b%20c")
        #expect(PageAddress("/").text == "/")
        #expect(PageAddress("").text == "/")
    }
}

struct SeriesTests {
    private static let shop = ModuleName(unchecked: "shop")

    @Test func `the oldest give way`() {
        var series = Series(capacity: 3)
        #expect(series.last == nil)
        for value in 1...5 { series.add(Double(value)) }
        #expect(series.values == [3, 4, 5])
        #expect(series.last == 5)
    }

    @Test func `a rate is of the time between two looks, and begins anew with a new route`() throws {
        let history = ActivityHistory()
        func look(_ answers: [String: Int64], failures: Int64 = 0) {
            var service = ServiceView(
                name: Self.shop, version: "1", revision: 1, state: .running, replicas: 1, up: 1,
                topic: TopicName(unchecked: "shop"),
                addresses: [], endpoints: [], dependsOn: [], deployment: nil)
            service.traffic = TrafficView(
                answers: answers, failures: failures, retries: 0, connections: 0, bytesIn: 0, bytesOut: 0, inFlight: 0,
                p50: nil, p99: nil, isPassedOver: false)
            history.note([service], errorLines: [InstanceID(unchecked: "shop-abcdef"): 0], over: .seconds(10))
        }
        look(["2xx": 100])
        look(["2xx": 150, "5xx": 50])
        look(["2xx": 7])
        look(["2xx": 17], failures: 5)
        let activity = try #require(history[Self.shop])
        #expect(activity.requests.values == [10, 1])
        #expect(activity.failures.values == [0.5, 0.5])
    }
}

struct LivePartsTests {
    @Test func `only what has changed is told`() {
        var live = LiveParts()
        let parts = [PagePart(id: "a", html: "1"), PagePart(id: "b", html: "2")]
        #expect(live.changed(parts).map(\.id) == ["a", "b"])
        #expect(live.changed(parts).isEmpty)
        #expect(live.changed([parts[0], PagePart(id: "b", html: "3")]).map(\.id) == ["b"])
    }
}

struct DeployFormTests {
    @Test func `a form says what is asked for`() throws {
        let form = DeployForm([
            "source": "module", "module": "shop:2", "replicas": "3", "env": "A=1\n\nB=x=y", "strategy": "canary",
            "runtime": "", "server": "one", "configuration_path": "app.conf", "configuration": "debug", "act": "plan",
        ])
        #expect(
            try form.request()
                == DeployRequest(
                    module: "shop:2", replicas: 3, env: ["A": "1", "B": "x=y"], strategy: .canary, server: "one",
                    configuration: ["app.conf": "debug"]))
        #expect(!form.isConfirmed)
    }

    @Test(arguments: [
        (["source": "module"], "choose a module"), (["source": "file"], "the module file is empty"),
        (["module": "shop", "replicas": "-1"], "'replicas'"), (["module": "shop", "env": "=1"], "NAME=value"),
        (["module": "shop", "strategy": "wild"], "is no strategy"),
        (["module": "shop", "configuration": "x"], "needs the name of its file"),
    ]) func `what is wrong is said`(values: [String: String], words: String) {
        let error = #expect(throws: OrchError.self) { try DeployForm(values).request() }
        #expect(error?.message.contains(words) == true)
    }
}

struct TemplateTests {
    @Test func `all templates can be read, and show texts as texts`() throws {
        let templates = try Templates()
        let text = templates.render("failure", ["message": "<script>\"'&"])
        #expect(text.contains("&lt;script&gt;&quot;&#39;&amp;"))
        #expect(templates.render("no such", [:]).isEmpty)
    }
}

struct TableChoiceTests {
    private let columns = [("name", "Name", false), ("size", "Size", true)]

    private func choice(_ text: String) -> TableChoice { TableChoice(address: PageAddress(text), columns: columns) }

    @Test func `a long table has pages, and none is beyond the last`() {
        let rows = Array(0..<250)
        #expect(Array(choice("/?page=1").page(of: rows)) == Array(0..<100))
        #expect(Array(choice("/?page=3").page(of: rows)) == Array(200..<250))
        #expect(Array(choice("/?page=9").page(of: rows)) == Array(200..<250))
        #expect(Array(choice("/?page=-4").page(of: rows)) == Array(0..<100))
        #expect(choice("/").page(of: [Int]()).isEmpty)
    }

    @Test func `it is sorted by a column that there is`() {
        let rows = [3, 1, 2]
        func sorted(_ text: String) -> [Int] { choice(text).sorted(rows) { row, _ in .number(Double(row)) } }
        #expect(sorted("/?sort=size") == [1, 2, 3])
        #expect(sorted("/?sort=size&order=down") == [3, 2, 1])
        #expect(sorted("/?sort=nothing") == rows)
    }
}
