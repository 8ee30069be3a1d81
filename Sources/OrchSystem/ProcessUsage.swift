package import Glibc

/// What processes use, as `/proc` tells (proc(5)). Reads small files, so it may block for a moment.
package enum ProcessUsage {
    /// The processes below one, which itself is left out; those that have ended count with their processor time.
    ///
    /// - Returns: processor time in seconds, memory in bytes (what several share is divided among them), and their number.
    package static func below(_ root: pid_t) -> (processorSeconds: Double, memory: Int64, processes: Int) {
        let pids = Programs.tree(of: root).dropFirst()
        let ticks = pids.reduce(times(of: root).ended) { sum, pid in
            let times = times(of: pid)
            return sum + times.own + times.ended
        }
        return (
            Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK))), pids.reduce(0) { $0 + memory(of: $1) }, pids.count
        )
    }

    /// In clock ticks: of the process, and of its children that have ended.
    private static func times(of pid: pid_t) -> (own: Int64, ended: Int64) {
        guard let text = try? Files.readText("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else {
            return (0, 0)
        }
        // The fields 14 to 17; the name, which may hold anything, is field 2.
        let fields = text[text.index(after: end)...].split(separator: " ").dropFirst(11).prefix(4).map {
            Int64($0) ?? 0
        }
        return fields.count == 4 ? (fields[0] + fields[1], fields[2] + fields[3]) : (0, 0)
    }

    private static func memory(of pid: pid_t) -> Int64 {
        let lines = ((try? Files.readText("/proc/\(pid)/smaps_rollup")) ?? "").split(separator: "\n")
        let words = lines.first { $0.hasPrefix("Pss:") }?.split(separator: " ")
        return (words?.dropFirst().first.flatMap { Int64($0) } ?? 0) * 1024
    }
}
