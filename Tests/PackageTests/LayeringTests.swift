import Glibc
import Testing

/// Executables -> OrchCLI and OrchAgent -> managers -> leaves -> OrchModel: who may use whom. A manager never uses another
/// one; the CLI links neither Kafka nor a server.
struct LayeringTests {
    private static let managers: Set<String> = [
        "RequestManager", "Deployer", "RuntimeManager", "RepositoryManager", "LoadBalancer", "LoggingModule",
    ]
    private static let leaves: Set<String> = [
        "ContainerEngine", "LogBroker", "OrchKafka", "CRdkafka", "OrchStore", "OrchSystem", "COrchSystem", "OrchModel",
        "OrchModuleFile",
    ]

    private let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

    /// The imports of every file of a target, as the compiler sees them.
    private func imports(of target: String) throws -> Set<String> {
        var found: Set<String> = []
        for file in try files(in: "\(root)/Sources/\(target)") {
            for line in try text(of: file).split(separator: "\n") {
                let words = line.split(separator: " ")
                if let index = words.firstIndex(of: "import"), index < 2, words.count == index + 2 {
                    found.insert(String(words[index + 1]))
                }
            }
        }
        return found
    }

    private func files(in folder: String) throws -> [String] {
        let directory = try #require(opendir(folder))
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".swift") { found.append("\(folder)/\(name)") }
            if entry.pointee.d_type == UInt8(DT_DIR), !name.hasPrefix(".") {
                found += try files(in: "\(folder)/\(name)")
            }
        }
        return found
    }

    private func text(of path: String) throws -> String {
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
            text += String(decoding: buffer[0..<count], as: UTF8.self)
        }
        return text
    }

    @Test(arguments: managers) func `a manager knows no other manager`(manager: String) throws {
        #expect(
            try imports(of: manager).isDisjoint(
                with: Self.managers.subtracting([manager]).union(["OrchAgent", "OrchCLI", "OrchClient"])))
    }

    @Test(arguments: leaves.subtracting(["CRdkafka", "COrchSystem"])) func `a leaf knows no manager`(leaf: String)
        throws
    {
        #expect(try imports(of: leaf).isDisjoint(with: Self.managers.union(["OrchAgent", "OrchCLI", "OrchClient"])))
    }

    @Test func `the model knows nobody`() throws {
        #expect(try imports(of: "OrchModel").isDisjoint(with: Self.leaves.union(Self.managers)))
    }

    @Test(arguments: ["OrchCLI", "OrchClient"]) func `the command line links neither Kafka nor a server nor a database`(
        target: String
    ) throws {
        let heavy: Set<String> = [
            "OrchKafka", "LogBroker", "OrchStore", "OrchAgent", "Hummingbird", "GRDB", "Yams", "OrchModuleFile",
        ]
        #expect(try imports(of: target).isDisjoint(with: Self.managers.union(heavy)))
    }

    @Test func `nothing of the whole of Foundation is used, which would bring ICU`() throws {
        for target in Self.managers.union(Self.leaves).union(["OrchAgent", "OrchCLI", "OrchClient", "Scheduler"])
            .subtracting(["CRdkafka", "COrchSystem"])
        {
            #expect(try !imports(of: target).contains("Foundation"), "\(target)")
        }
    }
}
