import Glibc
import NIOCore
import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let copy = CommandSpec(
        name: "cp", summary: "Copy files between this machine and an instance",
        discussion:
            "One of the two is INSTANCE:PATH, where a service stands for its first instance that is up; the path of a process goes from its working directory on. "
            + "What is copied into a folder keeps its name; otherwise it gets the new one.",
        operands: [
            OperandSpec("FROM", names: .instances, "A path here, or INSTANCE:PATH."),
            OperandSpec("TO", names: .instances, "INSTANCE:PATH, or a path here."),
        ],
        examples: ["orch cp shop:/var/log/shop.log .", "orch cp shop.conf shop-k3v9qd:/etc/shop/"]
    ) { invocation in
        let client = try invocation.client()
        let (from, to) = (CopyPlace(invocation.operands[0]), CopyPlace(invocation.operands[1]))
        switch (from, to) {
        case (.there(let name, let path), .here(let target)):
            let instance = try await InstanceOrService.running(name, client)
            try await fetch(path, of: instance, to: invocation.absolute(target), client)
        case (.here(let source), .there(let name, let path)):
            let instance = try await InstanceOrService.running(name, client)
            try await send(invocation.absolute(source), to: path, of: instance, client)
        default:
            throw OrchError(.invalidRequest, "one of the two must be of an instance, as in shop:/etc/shop.conf")
        }
        return 0
    }

    private static func send(
        _ source: String, to path: String, of instance: InstanceID, _ client: AgentClient
    ) async throws(OrchError) {
        let base = source.split(separator: "/").last.map(String.init) ?? ""
        let place: FileView = try await client.call(
            "GET", "/v1/instances/\(instance)/file", query: [("path", path)])
        let isInto = place.isFolder == true
        let target = isInto ? path : Files.parent(of: path)
        let name = isInto ? base : path.split(separator: "/").last.map(String.init) ?? base
        try await client.upload(
            TreeContent(source, as: name), to: "/v1/instances/\(instance)/files", query: [("path", target)])
    }

    private static func fetch(
        _ path: String, of instance: InstanceID, to target: String, _ client: AgentClient
    ) async throws {
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        let isInto = Files.isFolder(target)
        let parent = isInto ? target : Files.parent(of: target)
        // Unpacked beside its place and moved there, so that nothing half-done is seen.
        let temporary = "\(parent)/.orch-cp-\(getpid())"
        do throws(SystemError) { try Files.makeFolder(temporary) } catch {
            throw OrchError(.failed, "\(parent) cannot be written: \(error.reason)", cause: error)
        }
        defer { Files.removeTree(temporary) }
        let archive = "\(temporary)/archive"
        let file = try Descriptor(opening: archive, .create)
        let number = file.number
        try await client.download("/v1/instances/\(instance)/files", query: [("path", path)]) { bytes in
            try Descriptor.write(Array(bytes.readableBytesView), to: number)
        }
        let content = "\(temporary)/content"
        try Files.makeFolder(content)
        let tar = ProgramLaunch(
            program: try Programs.find("tar", path: "/usr/local/bin:/usr/bin:/bin", in: "/"),
            arguments: ["tar", "-C", content, "-xf", archive], environment: [])
        guard try tar.run(timeout: .seconds(3600)) == 0, let found = Files.list(content).first else {
            throw OrchError(.failed, "what came of \(path.quotedOneLine) cannot be unpacked")
        }
        do throws(SystemError) {
            try Files.rename("\(content)/\(found)", to: isInto ? "\(target)/\(name.isEmpty ? found : name)" : target)
        } catch {
            throw OrchError(.conflict, "\(target) cannot be replaced: \(error.reason)", cause: error)
        }
    }
}

/// An operand of `orch cp`.
private enum CopyPlace {
    case here(String)
    case there(instance: String, path: String)

    init(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        // A path of this machine with a colon is written with a slash before it.
        self =
            parts.count == 2 && !parts[0].contains("/") && !parts[0].isEmpty
            ? .there(instance: parts[0], path: parts[1].isEmpty ? "." : parts[1]) : .here(text)
    }
}
