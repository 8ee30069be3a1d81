import Glibc
package import OrchModel
import OrchSystem

/// A machine that instances can be put on.
package struct Server: Codable, Sendable {
    package var name: String
    package var address: String
    package var cpus: Int
    package var memory: ByteSize
    package var freeMemory: ByteSize
    package var instances: Int

    package enum CodingKeys: String, CodingKey {
        case name, address, cpus, memory, instances
        case freeMemory = "free_memory"
    }
}

/// The servers there are. One so far: this machine.
package enum Servers {
    /// The name by which instances say where they run.
    package static let local: String = {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "local" }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }()

    package static func current(instances: [InstanceView]) -> [Server] {
        let memory = memoryInfo()
        return [
            Server(
                name: local, address: "127.0.0.1", cpus: Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))),
                memory: memory["MemTotal"] ?? ByteSize(bytes: 0),
                freeMemory: memory["MemAvailable"] ?? ByteSize(bytes: 0),
                instances: instances.count { $0.state.isUp })
        ]
    }

    /// `/proc/meminfo`, whose numbers are in KiB.
    private static func memoryInfo() -> [String: ByteSize] {
        var values: [String: ByteSize] = [:]
        for line in ((try? Files.readText("/proc/meminfo")) ?? "").split(separator: "\n") {
            let fields = line.split(whereSeparator: { $0 == ":" || $0 == " " })
            if fields.count >= 2, let number = Int64(fields[1]) {
                values[String(fields[0])] = ByteSize(bytes: number * 1024)
            }
        }
        return values
    }
}
