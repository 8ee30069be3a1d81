import Glibc
package import OrchModel

/// The control groups of one instance, in whichever hierarchies this machine lets us write to.
package struct Cgroup: Sendable {
    package enum Controller: String, CaseIterable, Sendable { case memory, cpu, pids }

    /// The folders, one for each controller that could be set up; with version 2 they are the same.
    private let folders: [Controller: String]

    /// What a child writes itself into before it executes.
    package var entrances: [String] { Set(folders.values).sorted().map { "\($0)/cgroup.procs" } }

    private static let root = "/sys/fs/cgroup"

    /// Makes the groups `orch/<id>` that the limits need.
    ///
    /// - Returns: the group, and a notice for every limit that this machine does not let us set.
    package static func make(for id: InstanceID, limits: LimitSpec) -> (cgroup: Cgroup, notices: [String]) {
        var wanted: [(Controller, [(file: String, value: String)])] = []
        let isUnified = Files.exists("\(root)/cgroup.controllers")
        if limits.memory.bytes > 0 {
            wanted.append((.memory, [(isUnified ? "memory.max" : "memory.limit_in_bytes", "\(limits.memory.bytes)")]))
        }
        if limits.cpu > 0 {
            let quota = Int(limits.cpu * 100_000)
            wanted.append(
                (
                    .cpu,
                    isUnified
                        ? [("cpu.max", "\(quota) 100000")]
                        : [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "\(quota)")]
                ))
        }
        if limits.processes > 0 { wanted.append((.pids, [("pids.max", "\(limits.processes)")])) }

        var folders: [Controller: String] = [:]
        var notices: [String] = []
        for (controller, settings) in wanted {
            let folder = folder(of: controller, id: id, isUnified: isUnified)
            do throws(SystemError) {
                if isUnified { try enable(controller) }
                try Files.makeFolder(folder, mode: 0o755)
                for setting in settings { try write(setting.value, to: "\(folder)/\(setting.file)") }
                folders[controller] = folder
            } catch {
                notices.append("the \(controller.rawValue) limit cannot be set here (\(error.reason))")
            }
        }
        return (Cgroup(folders: folders), notices)
    }

    /// The groups of an instance that an earlier agent made.
    package static func existing(for id: InstanceID) -> Cgroup {
        let isUnified = Files.exists("\(root)/cgroup.controllers")
        let folders = Controller.allCases.map { ($0, folder(of: $0, id: id, isUnified: isUnified)) }
        return Cgroup(folders: Dictionary(uniqueKeysWithValues: folders.filter { Files.exists($0.1) }))
    }

    /// Whether the kernel killed a process of the group because its memory was used up.
    package var wasOutOfMemory: Bool {
        guard let folder = folders[.memory] else { return false }
        for file in ["memory.events", "memory.oom_control"] {
            guard let text = try? Files.readText("\(folder)/\(file)") else { continue }
            for line in text.split(separator: "\n") where line.hasPrefix("oom_kill ") {
                return line.dropFirst(9) != "0"
            }
        }
        return false
    }

    /// The bounds that the group has run into, in words, as the kernel has counted.
    package var limitsHit: [String] {
        var hits: [String] = []
        if let kills = count(.memory, ["memory.events", "memory.oom_control"], "oom_kill"), kills > 0 {
            hits.append("memory: \(kills) killed because it was used up")
        }
        if let times = count(.memory, ["memory.events"], "max") ?? count(.memory, ["memory.failcnt"], nil), times > 0 {
            hits.append("memory: at its bound \(times) times")
        }
        if let periods = count(.cpu, ["cpu.stat"], "nr_throttled"), periods > 0 {
            hits.append("cpu: held back in \(periods) periods of 100 ms")
        }
        if let times = count(.pids, ["pids.events"], "max"), times > 0 {
            hits.append("processes: \(times) could not be started")
        }
        return hits
    }

    /// A counter in the first of the files that is there; without a key the file holds nothing else.
    private func count(_ controller: Controller, _ files: [String], _ key: String?) -> Int64? {
        guard let folder = folders[controller] else { return nil }
        for file in files {
            guard let text = try? Files.readText("\(folder)/\(file)") else { continue }
            for line in text.split(separator: "\n") {
                let fields = line.split(separator: " ")
                if key == nil { return fields.first.flatMap { Int64($0) } }
                if fields.count == 2, fields[0] == key! { return Int64(fields[1]) }
            }
        }
        return nil
    }

    /// Removes the groups; fails silently while a process is still in one.
    package func remove() {
        for folder in Set(folders.values) {
            rmdir(folder)
            // The last one takes the folder above along.
            rmdir(Files.parent(of: folder))
        }
    }

    private static func folder(of controller: Controller, id: InstanceID, isUnified: Bool) -> String {
        isUnified ? "\(root)/orch/\(id)" : "\(root)/\(controller.rawValue)/orch/\(id)"
    }

    /// Version 2 hands a controller down only where the group above says so.
    private static func enable(_ controller: Controller) throws(SystemError) {
        try Files.makeFolder("\(root)/orch", mode: 0o755)
        try write("+\(controller.rawValue)", to: "\(root)/cgroup.subtree_control")
        try write("+\(controller.rawValue)", to: "\(root)/orch/cgroup.subtree_control")
    }

    private static func write(_ text: String, to path: String) throws(SystemError) {
        let number = try retrying("open", path) { open(path, O_WRONLY | O_CLOEXEC) }
        try Descriptor(owning: number).write(Array(text.utf8))
    }
}
