import FoundationEssentials
import LoadBalancer
import Logging
import OrchModel
import OrchSystem
import RepositoryManager
import RuntimeManager
import Synchronization

/// Keeps the JSON documents for people and scripts in step with the truth. Each is replaced as a whole; changes that come
/// while one is written are written together.
final class ViewWriter: Sendable {
    /// Of the documents, as paths below the data directory.
    static let names = [
        "Runtime/module_name_id_map.json", "Repository/initiate_server.json", "Loadbalancer/services.json",
        "Loadbalancer/servers.json",
    ]
    private static let pause = Duration.milliseconds(50)

    private let data: String
    private let logger: Logger
    private let latest = Mutex<(services: [ServiceView], instances: [InstanceView])>(([], []))
    private let signal: AsyncStream<Void>.Continuation
    private let signals: AsyncStream<Void>

    init(data: String, logger: Logger) {
        self.data = data
        self.logger = logger
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func update(_ services: [ServiceView], _ instances: [InstanceView]) {
        latest.withLock { $0 = (services, instances) }
        signal.yield()
    }

    func run() async {
        for await _ in signals {
            await runBlocking(name: "views") { self.writeAll() }
            try? await Task.sleep(for: Self.pause)
        }
        writeAll()
    }

    private func writeAll() {
        let (services, instances) = latest.withLock(\.self)
        write(Self.names[0], RuntimeDocument.make(instances))
        write(Self.names[1], ModuleRepository.serverDocument(services))
        write(Self.names[2], services)
        write(Self.names[3], Servers.current(instances: instances))
    }

    private func write(_ name: String, _ document: some Encodable) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            let path = "\(data)/\(name)"
            try Files.makeFolder(Files.parent(of: path))
            try Files.replace(path, with: Array(encoder.encode(document)) + [UInt8(ascii: "\n")])
        } catch {
            logger.warning("a document cannot be written", metadata: ["name": "\(name)", "cause": "\(error)"])
        }
    }
}
