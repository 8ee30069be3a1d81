import Testing

@testable import OrchModel

struct NamesTests {
    @Test(arguments: ["shop", "Shop_2.x-y", "9lives", String(repeating: "a", count: 63)])
    func `a well-formed name is taken`(text: String) throws {
        #expect(try ModuleName(checking: text).rawValue == text)
    }

    @Test(arguments: ["", "-shop", ".hidden", "a/b", "a b", "a\nb", "..", "ä", String(repeating: "a", count: 64)])
    func `a name that could leave its folder or break a topic is refused`(text: String) {
        #expect(throws: OrchError.self) { try ModuleName(checking: text) }
    }

    @Test func `the message about a wrong name stays on one line and is short`() throws {
        let error = #expect(throws: OrchError.self) {
            try ModuleName(checking: "a\n" + String(repeating: "x", count: 5000))
        }
        #expect(error?.message.contains("\n") == false)
        #expect((error?.message.count ?? 0) < 300)
        #expect(error?.code == .invalidRequest)
    }

    @Test func `an instance id begins with its module and ends in six characters`() {
        var generator = SystemRandomNumberGenerator()
        let id = InstanceID.random(of: ModuleName(unchecked: "shop"), using: &generator)
        #expect(id.rawValue.hasPrefix("shop-"))
        #expect(id.rawValue.count == 11)
        #expect(InstanceID(rawValue: id.rawValue) == id)
    }

    @Test(arguments: [("deplyo", "deploy"), ("instnaces", "instances"), ("tpoic", "topic"), ("inst", "instances")])
    func `a mistyped word gets the nearest one`(typed: String, meant: String) {
        #expect(nearest(to: typed, in: ["deploy", "instances", "topic", "logs"]) == meant)
    }

    @Test func `a word that is nothing like the others gets none`() {
        #expect(nearest(to: "xyzzy", in: ["deploy", "logs"]) == nil)
    }
}
