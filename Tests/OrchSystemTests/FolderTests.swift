import OrchSystem
import TestSupport
import Testing

@Suite struct FolderTests {
    @Test func `a tree is listed once, also where links lead round in circles`() throws {
        let folder = TemporaryFolder()
        try Files.makeFolder("\(folder.path)/a/b")
        try Files.replace("\(folder.path)/a/b/file", with: "")
        for name in ["x", "y", "a/up"] { try Files.link("\(folder.path)/\(name)", to: folder.path) }
        try Files.link("\(folder.path)/alias", to: "a/b/file")
        #expect(Files.listTree(folder.path) == ["a/b/file", "alias"])
    }
}
