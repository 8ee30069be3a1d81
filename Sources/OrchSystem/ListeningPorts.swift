package import Glibc

/// Who listens at which TCP port of this machine, as `/proc` tells (proc(5)). Reads many small files, so it may block for
/// milliseconds.
package enum ListeningPorts {
    /// The ports that any of the processes listens at, in order.
    package static func of(_ pids: [pid_t]) -> [Int] {
        let listening = sockets()
        let inodes = Set(pids.flatMap(socketInodes))
        return Set(listening.filter { inodes.contains($0.inode) }.map(\.port)).sorted()
    }

    /// The ports that are listened at in the network namespace of a process, in order.
    package static func inNamespace(of pid: pid_t) -> [Int] {
        Set(sockets(below: "/proc/\(pid)").map(\.port)).sorted()
    }

    /// A process that listens at the port, as in `nginx (pid 4711)`; `nil` when there is none that we may see.
    package static func owner(of port: Int) -> String? {
        let wanted = Set(sockets().filter { $0.port == port }.map(\.inode))
        guard !wanted.isEmpty else { return nil }
        for pid in Files.list("/proc").compactMap({ pid_t($0) }) where !wanted.isDisjoint(with: socketInodes(pid)) {
            let name = (try? Files.readText("/proc/\(pid)/comm"))?.filter { $0 != "\n" } ?? "?"
            return "\(name) (pid \(pid))"
        }
        return nil
    }

    private static func sockets(below folder: String = "/proc") -> [(port: Int, inode: String)] {
        ["\(folder)/net/tcp", "\(folder)/net/tcp6"].flatMap { path in
            ((try? Files.readText(path)) ?? "").split(separator: "\n").dropFirst().compactMap { line in
                let fields = line.split(separator: " ")
                // State 0A is LISTEN; the address is hexadecimal, with the port behind a colon.
                guard fields.count > 9, fields[3] == "0A",
                    let port = fields[1].split(separator: ":").last.flatMap({ Int($0, radix: 16) })
                else { return nil }
                return (port, String(fields[9]))
            }
        }
    }

    private static func socketInodes(_ pid: pid_t) -> [String] {
        let folder = "/proc/\(pid)/fd"
        return Files.list(folder).compactMap { name in
            guard let target = Files.linkTarget("\(folder)/\(name)"), target.hasPrefix("socket:[") else { return nil }
            return String(target.dropFirst(8).dropLast())
        }
    }
}
