import FoundationEssentials
import Glibc
import NIOCore
import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let pull = CommandSpec(
        name: "pull", summary: "Fetch an artifact from the agent's repository into a file",
        discussion:
            "An image comes as an archive that 'docker load' takes, a module as an archive of its directory. A download that broke off goes on where it was, and its content is checked.",
        operands: [OperandSpec("NAME[:VERSION]", "The artifact; the newest version by default.")],
        options: [
            OptionSpec(
                "file", "f", .file, "FILE",
                "Where it goes; - for standard output. By default the artifact's own name, here.")
        ],
        examples: ["orch pull shop:1.2", "orch pull shop -f - | docker load"]
    ) { invocation in
        let reference = try ArtifactReference(checking: invocation.operands[0])
        let client = try invocation.client()
        let all: [ArtifactView] = try await client.call("GET", "/v1/artifacts")
        let found = all.filter {
            $0.name == reference.name && (reference.version == nil || $0.version == reference.version)
                && (reference.digest == nil || $0.digest == reference.digest)
        }
        guard let artifact = found.max(by: { $0.pushedAt < $1.pushedAt }) else {
            throw OrchError(.notFound, "the repository has no \(reference): 'orch artifacts' lists what there is")
        }
        let target = try invocation.text("file") ?? artifact.download
        let path = "/v1/downloads/\(artifact.download.percentEncoded)"
        if target == "-" {
            try await client.download(path, query: [("digest", artifact.digest.rawValue)]) { bytes in
                try Descriptor.write(Array(bytes.readableBytesView), to: STDOUT_FILENO)
            }
            return 0
        }
        let file = invocation.absolute(target)
        try await fetch(path, to: file, artifact, client, invocation.console)
        invocation.console.note("\(artifact.name):\(artifact.version) is in \(target)")
        return 0
    }

    private static func fetch(
        _ path: String, to file: String, _ artifact: ArtifactView, _ client: AgentClient, _ console: Console
    ) async throws(OrchError) {
        let partial = "\(file).part"
        let tagFile = "\(partial).tag"
        let display = TransferDisplay(console, title: "pulling \(artifact.name)", total: artifact.size)
        defer { display.end() }
        do {
            // One that is whole already, or of something else, is begun anew.
            let there = Files.size(partial) ?? 0
            let begun = there < artifact.size ? there : 0
            let output = try Descriptor(opening: partial, .readWrite)
            let number = output.number
            var place = begun
            var expected: Digest?
            try await client.download(
                path, query: [("digest", artifact.digest.rawValue)], from: begun, tag: try? Files.readText(tagFile),
                begin: { head in
                    place = head.offset
                    expected = head.tag.flatMap { Digest(rawValue: $0.filter { $0 != "\"" }) }
                    try retrying("lseek", partial) { lseek(number, off_t(place), SEEK_SET) }
                    try retrying("ftruncate", partial) { ftruncate(number, off_t(place)) }
                    try Files.replace(tagFile, with: head.tag ?? "")
                },
                body: { bytes in
                    try Descriptor.write(Array(bytes.readableBytesView), to: number)
                    place += Int64(bytes.readableBytes)
                    display.show(place)
                })
            // An image is put together for the download; what it consists of was checked by the agent.
            if artifact.kind != .image, let expected { try check(partial, expected) }
            try Files.rename(partial, to: file)
            Files.remove(tagFile)
        } catch let error as SystemError {
            throw OrchError(.failed, "\(file) cannot be written: \(error.reason)", cause: error)
        } catch {
            throw OrchError(wrapping: error, "\(file) cannot be fetched")
        }
    }

    private static func check(_ path: String, _ expected: Digest) throws {
        var hash = ContentHash()
        let file = try Descriptor(opening: path, .read)
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = try file.read(into: &chunk)
            if count == 0 { break }
            hash.update(chunk, count: count)
        }
        guard hash.finish() == expected else {
            Files.remove(path)
            throw OrchError(.failed, "what came is not what the agent has: fetch it again")
        }
    }
}
