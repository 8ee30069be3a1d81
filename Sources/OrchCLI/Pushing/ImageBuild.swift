import FoundationEssentials
import OrchClient
import OrchModel
import OrchSystem

/// A build of an image: uploads what it is built from, and shows what the engine prints.
struct ImageBuild {
    var content: TreeContent
    /// Path of the Dockerfile in the content.
    var file: String
    var name: ArtifactName
    var version: ArtifactVersion
    var arguments: [String: String] = [:]

    init(content: TreeContent, file: String, name: ArtifactName, version: ArtifactVersion) {
        self.content = content
        self.file = file
        self.name = name
        self.version = version
    }

    /// Takes name, version and arguments from the options, or else from a module file.
    mutating func take(_ invocation: Invocation, moduleFile: String?) throws(OrchError) {
        // Only the two keys that tell what it is called; the agent reads the whole when it is deployed.
        for line in (moduleFile ?? "").split(separator: "\n") {
            // Those of what is within stand further to the right.
            let parts = (line.split(separator: "#", omittingEmptySubsequences: false).first ?? "").split(
                separator: ":", maxSplits: 1, omittingEmptySubsequences: false
            )
            .enumerated().map { $0.offset == 0 ? String($0.element) : $0.element.filter { !" \t\"'\r".contains($0) } }
            guard parts.count == 2 else { continue }
            if parts[0] == "name", let found = ArtifactName(rawValue: parts[1]) { name = found }
            if parts[0] == "version", let found = ArtifactVersion(rawValue: parts[1]) { version = found }
        }
        if let text = try invocation.text("name") { name = try ArtifactName(checking: text) }
        if let text = try invocation.text("version") { version = try ArtifactVersion(checking: text) }
        for text in try invocation.values("build-arg") {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw OrchError(.invalidRequest, "--build-arg must be NAME=VALUE, not \(text.quotedOneLine)")
            }
            arguments[parts[0]] = parts[1]
        }
    }

    /// - Returns: what was made.
    func make(_ client: AgentClient, _ invocation: Invocation) async throws -> ArtifactView {
        let console = invocation.console
        let display = TransferDisplay(console, title: "sending \(name)", total: content.size)
        let context = try await client.upload(content) { display.show($0) }
        display.end()
        let request = BuildRequest(
            context: context, file: file, name: name, version: version,
            runtime: try invocation.text("runtime").flatMap(RuntimeKind.init(rawValue:)) ?? .auto,
            arguments: arguments, force: try version == .latest || invocation.flag("force"))
        var made: ArtifactView?
        try await client.stream("/v1/build", posting: request) { event in
            switch event.kind {
            case "output":
                let text = try JSONDecoder().decode(String.self, from: Data(event.data.utf8))
                if !console.isQuiet { StandardStream.error.write(text) }
            case "artifact": made = try JSONDecoder().decode(ArtifactView.self, from: Data(event.data.utf8))
            case "end": return false
            default: break
            }
            return true
        }
        guard let made else { throw OrchError(.unavailable, "the agent ended before the image was there") }
        return made
    }

    static func show(_ made: ArtifactView, _ console: Console) throws {
        try console.show(made, name: "\(made.name):\(made.version)") {
            ["built \(made.name):\(made.version)  \(ByteSize(bytes: made.size))  \(made.digest)"]
        }
    }
}
