import Glibc
import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let push = CommandSpec(
        name: "push", summary: "Put a module, an image or a file into the agent's repository",
        discussion:
            "PATH is a directory with a module.yaml and whatever belongs to it, where config/ holds configuration files and ui/ web pages; "
            + "or an archive of such a directory, a module file, a container image as 'docker save' or 'skopeo copy' write it, or any other file; - reads standard input. "
            + "What is there already is not sent again, and a broken connection is taken up where it was. A version stays what it is unless --force replaces it; only 'latest' may move. "
            + "In a directory, .git and what the patterns in .orchignore name is left out.",
        operands: [OperandSpec("PATH", "A directory, an archive or a file; - for standard input.")],
        options: [
            OptionSpec("name", nil, .text, "NAME", "Name of the artifact, instead of the one that the content has."),
            OptionSpec("version", "v", .text, "VERSION", "Its version, instead of the one that the content has."),
            OptionSpec("force", "f", "Replace a version that is there."),
        ],
        examples: [
            "orch push ./shop", "docker save shop:1.2 | orch push -", "orch push shop.tar --version 1.2.1",
            "orch push report.pdf",
        ]
    ) { invocation in
        let operand = invocation.operands[0]
        let client = try invocation.client()
        var request = PushRequest(
            digest: ContentHash().finish(), fileName: "",
            name: try invocation.text("name").map { text throws(OrchError) in try ArtifactName(checking: text) },
            version: try invocation.text("version").map { text throws(OrchError) in
                try ArtifactVersion(checking: text)
            }, force: try invocation.flag("force"))
        let artifact: ArtifactView
        if operand == "-" {
            let content = try FileContent.ofStandardInput()
            request.digest = try await send(content, "standard input", client, invocation.console)
            artifact = try await client.call("POST", "/v1/artifacts", body: request, timeout: longest)
        } else {
            artifact = try await push(operand, &request, client, invocation)
        }
        try invocation.console.show(artifact, name: "\(artifact.name):\(artifact.version)") {
            [
                "pushed \(artifact.name):\(artifact.version)  \(artifact.kind.rawValue)  \(ByteSize(bytes: artifact.size))  \(artifact.digest)"
            ]
        }
        return 0
    }

    /// For unpacking and checking a large archive.
    private static let longest = TimeSpan.seconds(3600)

    private static func push(
        _ operand: String, _ request: inout PushRequest, _ client: AgentClient, _ invocation: Invocation
    ) async throws -> ArtifactView {
        guard let path = Files.canonical(invocation.absolute(operand)) else {
            throw OrchError(.notFound, "there is no file or folder \(operand.quotedOneLine)")
        }
        let isFolder = Files.isFolder(path)
        if isFolder, !Files.exists("\(path)/module.yaml") {
            throw OrchError(
                .invalidRequest,
                "\(operand) has no module.yaml: a folder that is pushed is a module; pack others into an archive")
        }
        request.fileName = path.split(separator: "/").last.map(String.init) ?? ""
        let cache = DigestCache(invocation.environment)
        let signature = DigestCache.signature(of: path)
        if let signature, let known = cache.digest(of: path, signature) {
            request.digest = known
            if let artifact = try await pushKnown(request, client) { return artifact }
        }
        request.digest =
            isFolder
            ? try await send(TreeContent(folder: path), request.fileName, client, invocation.console)
            : try await send(FileContent(path), request.fileName, client, invocation.console)
        if let signature { cache.note(request.digest, of: path, signature) }
        return try await client.call("POST", "/v1/artifacts", body: request, timeout: longest)
    }

    /// - Returns: `nil` when the agent does not have the content any more.
    private static func pushKnown(_ request: PushRequest, _ client: AgentClient) async throws(OrchError)
        -> ArtifactView?
    {
        do throws(OrchError) {
            return try await client.call("POST", "/v1/artifacts", body: request, timeout: longest)
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    private static func send(
        _ content: some UploadContent, _ title: String, _ client: AgentClient, _ console: Console
    ) async throws(OrchError) -> Digest {
        let display = TransferDisplay(console, title: "pushing \(title)", total: content.size)
        defer { display.end() }
        return try await client.upload(content) { display.show($0) }
    }
}
