import OrchModel
import Testing

@testable import RepositoryManager

@Suite struct BundleTreeTests {
    private static func tree(bytes: Int64 = 1000, entries: Int = 100) -> BundleTree {
        BundleTree(name: "x.tar", limits: ArchiveLimits(bytes: bytes, entries: entries, interfaceBytes: 50))
    }

    private static func file(_ path: String) -> ArchiveEntry {
        ArchiveEntry(path: path, kind: .file(size: 1), mode: 0o644)
    }

    private static func link(_ path: String, _ target: String) -> ArchiveEntry {
        ArchiveEntry(path: path, kind: .symbolicLink(target: target), mode: 0o777)
    }

    @Test(arguments: [
        ([file("/etc/passwd")], "absolute path"),
        ([file("../x")], "outside of the bundle"),
        ([file("a/../../x")], "outside of the bundle"),
        ([file("a/..")], "outside of the bundle"),
        ([link("l", "/etc")], "outside of the bundle"),
        ([link("l", "..")], "outside of the bundle"),
        ([link("a/l", "../../x")], "outside of the bundle"),
        ([link("l", "nowhere")], "not in it"),
        ([link("l", "")], "outside of the bundle"),
        // Each by itself stays inside; together they do not.
        ([link("q", "."), link("p", "q/..")], "outside of the bundle"),
        ([link("a", "b"), link("b", "a")], "outside of the bundle"),
        ([link("d", "e"), file("e/x"), file("d/y")], "no folder"),
        ([file("d"), file("d/y")], "no folder"),
        ([file("x"), file("./x")], "twice"),
        ([file("x"), link("x", "y"), file("y")], "twice"),
        ([ArchiveEntry(path: "h", kind: .hardLink(target: "../x"), mode: 0)], "outside of the bundle"),
        ([ArchiveEntry(path: "h", kind: .hardLink(target: "x"), mode: 0)], "not in it"),
        ([ArchiveEntry(path: "dev", kind: .special("a device"), mode: 0)], "a device"),
        ([file(String(repeating: "d/", count: 70) + "x")], "too long"),
        ([file(String(repeating: "n", count: 300))], "too long"),
    ])
    func `what may not be unpacked is refused with the reason`(entries: [ArchiveEntry], reason: String) {
        let error = #expect(throws: OrchError.self) {
            var tree = Self.tree()
            for entry in entries { _ = try tree.add(entry) }
            try tree.checkLinks()
        }
        #expect(error?.code == .invalidRequest)
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
    }

    @Test func `links that stay inside are taken`() throws {
        var tree = Self.tree()
        let entries = [
            ArchiveEntry(path: "./", kind: .folder, mode: 0o755), Self.file("./bin/app"), Self.link("run", "bin/app"),
            Self.link("bin/up", ".."), Self.link("bin/again", "../bin/up/run"),
            ArchiveEntry(path: "copy", kind: .hardLink(target: "./bin/app"), mode: 0o644),
        ]
        for entry in entries { _ = try tree.add(entry) }
        try tree.checkLinks()
        #expect(tree.nodes["bin"] == .folder)
        #expect(tree.nodes["copy"] == .file)
        #expect(tree.nodes.count == 6)
    }

    @Test func `limits are those that were declared`() throws {
        var tree = Self.tree(bytes: 1000, entries: 2)
        _ = try tree.add(Self.file("a"))
        try tree.count(1000, at: "a")
        #expect(throws: OrchError.self) { try tree.count(1, at: "a") }
        var many = Self.tree(entries: 2)
        _ = try many.add(Self.file("a"))
        _ = try many.add(Self.file("b"))
        #expect(throws: OrchError.self) { _ = try many.add(Self.file("c")) }
        var pages = Self.tree()
        _ = try pages.add(Self.file("ui/a"))
        try pages.count(50, at: "ui/a")
        #expect(throws: OrchError.self) { try pages.count(1, at: "ui/a") }
    }
}
