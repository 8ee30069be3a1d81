import Glibc
import OrchModel
import OrchSystem
import TestSupport
import Testing

@testable import OrchCLI

@Suite struct TreeContentTests {
    private static func all(_ content: TreeContent) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while Int64(bytes.count) < content.size { bytes += try content.read(from: Int64(bytes.count), upTo: 1 << 20) }
        return bytes
    }

    private static func fill(_ folder: String) throws {
        try Files.makeFolder("\(folder)/a/b")
        try Files.makeFolder("\(folder)/.git")
        try Files.replace("\(folder)/.git/config", with: "secret")
        try Files.replace("\(folder)/a/b/ä.txt", with: [UInt8](repeating: 7, count: 1500))
        try Files.replace("\(folder)/a/empty", with: "")
        try Files.replace("\(folder)/a/x.tmp", with: "left out")
        try Files.replace("\(folder)/run", with: "#!/bin/sh", durable: false)
        chmod("\(folder)/run", 0o755)
        try Files.link("\(folder)/link", to: "a/b")
        try Files.replace("\(folder)/.orchignore", with: "# mine\n*.tmp\n")
    }

    @Test func `what is read from any place is what is there`() throws {
        let folder = TemporaryFolder()
        try Self.fill(folder.path)
        let content = try TreeContent(folder: folder.path)
        let whole = try Self.all(content)
        #expect(Int64(whole.count) == content.size)
        var numbers = SeededNumbers(seed: 5)
        for _ in 0..<300 {
            let start = Int(numbers.next() % UInt64(whole.count))
            let count = Int(numbers.next() % 3000) + 1
            let part = try content.read(from: Int64(start), upTo: count)
            #expect(part == Array(whole[start..<min(start + count, whole.count)]), "\(start) \(count)")
        }
    }

    @Test func `equal folders give equal archives, whoever made them and when`() throws {
        let (one, other) = (TemporaryFolder(), TemporaryFolder())
        try Self.fill(one.path)
        try Self.fill(other.path)
        utimes("\(other.path)/run", nil)
        #expect(try Self.all(TreeContent(folder: one.path)) == Self.all(TreeContent(folder: other.path)))
        let text = String(decoding: try Self.all(TreeContent(folder: one.path)), as: UTF8.self)
        #expect(!text.contains("secret"))
        #expect(!text.contains("left out"))
    }

    @Test func `a file that changes meanwhile ends the push`() throws {
        let folder = TemporaryFolder()
        try Self.fill(folder.path)
        let content = try TreeContent(folder: folder.path)
        try Files.replace("\(folder.path)/run", with: "longer than before")
        let error = #expect(throws: OrchError.self) { _ = try Self.all(content) }
        #expect(error?.message.contains("was changed") == true)
    }
}
