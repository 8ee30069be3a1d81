import FoundationEssentials
package import OrchModel
import OrchSystem

/// The folder of one instance: what `orch-shim` runs, its configuration, its log and its exit status.
package struct InstanceFolder: Sendable {
    package let path: String
    package let id: InstanceID

    package init(_ id: InstanceID, in instances: String) {
        self.id = id
        path = "\(instances)/\(id)"
    }

    var configuration: String { "\(path)/config" }
    package var spool: String { "\(path)/spool" }

    /// What the instance was launched with, also for an agent that has lost its database.
    package var launch: InstanceLaunch? {
        guard let bytes = try? Files.read("\(path)/instance.json") else { return nil }
        return try? JSONDecoder().decode(InstanceLaunch.self, from: Data(bytes))
    }

    /// How the last run ended; `nil` while one runs or when none has.
    var exit: Exit? {
        // `code N signal N at NANOSECONDS`, where -1 stands for none.
        guard let text = try? Files.readText("\(path)/exit") else { return nil }
        let fields = text.split(whereSeparator: \.isWhitespace)
        guard fields.count == 6, let code = Int32(fields[1]), let signal = Int32(fields[3]), let at = Int64(fields[5])
        else { return nil }
        return Exit(code: code < 0 ? nil : code, signal: signal < 0 ? nil : signal, at: Timestamp(nanoseconds: at))
    }

    /// Writes down everything the shim reads.
    func prepare(_ launch: InstanceLaunch, _ plan: ShimPlan) throws(OrchError) {
        try prepare(launch) { () throws(SystemError) in
            try Files.replace("\(path)/launch", with: plan.encoded)
            Files.remove("\(path)/exit")
        }
    }

    /// Writes down what is launched in a container.
    func prepare(_ launch: InstanceLaunch) throws(OrchError) {
        try prepare(launch) { () throws(SystemError) in Files.remove(containerFile) }
    }

    private func prepare(_ launch: InstanceLaunch, _ more: () throws(SystemError) -> Void) throws(OrchError) {
        do {
            try Files.makeFolder(configuration)
            try Files.replace("\(path)/instance.json", with: Array(JSONEncoder().encode(launch)))
            try more()
        } catch {
            throw OrchError(.failed, "the instance's folder \(path) cannot be written: \(error)", cause: error)
        }
    }

    private var containerFile: String { "\(path)/container.json" }

    /// The container that it runs in, or ran in last.
    var container: ContainerRecord? {
        guard let bytes = try? Files.read(containerFile) else { return nil }
        return try? JSONDecoder().decode(ContainerRecord.self, from: Data(bytes))
    }

    /// - Throws: `failed` when it cannot be written: then nobody would find the container again.
    func note(_ container: ContainerRecord) throws(OrchError) {
        do {
            try Files.replace(containerFile, with: Array(JSONEncoder().encode(container)))
        } catch {
            throw OrchError(.failed, "the instance's folder \(path) cannot be written: \(error)", cause: error)
        }
    }

    /// All instances that have a folder.
    package static func all(in instances: String) -> [InstanceID] {
        Files.list(instances).compactMap(InstanceID.init(rawValue:))
    }
}

/// What `orch-shim` is told in the file `launch`: keys and values by turns, each ended by a zero byte.
struct ShimPlan {
    private var bytes: [UInt8] = []

    var encoded: [UInt8] { bytes }

    mutating func add(_ key: String, _ value: some CustomStringConvertible) {
        bytes.append(contentsOf: key.utf8)
        bytes.append(0)
        bytes.append(contentsOf: value.description.utf8)
        bytes.append(0)
    }
}
