import COrchSystem

/// What the agent wrote into the file `launch`: keys and values by turns, each ended by a zero byte.
struct LaunchPlan {
    enum WhenFull { case block, dropOldest }

    private(set) var program: UnsafeMutablePointer<CChar>?
    private(set) var arguments: [UnsafeMutablePointer<CChar>?] = []
    private(set) var environment: [UnsafeMutablePointer<CChar>?] = []
    private(set) var workdir: UnsafeMutablePointer<CChar>?
    private(set) var uid: UInt32?
    private(set) var gid: UInt32 = 0
    private(set) var groups: [UInt32] = []
    private(set) var cgroups: [UnsafeMutablePointer<CChar>] = []
    private(set) var openFiles: UInt64 = 0
    private(set) var spoolLimit: Int64 = 268_435_456
    private(set) var segmentLimit: Int64 = 8_388_608
    private(set) var whenFull = WhenFull.dropOldest

    /// Reads the file; the plan points into memory that lives as long as the program.
    init?(file: StaticString) {
        let size = file.withPointer { orch_file_size($0) }
        let fd = file.withPointer { orch_open($0, orch_open_read, 0) }
        guard size > 0, fd >= 0 else { return nil }
        let memory = UnsafeMutablePointer<CChar>.allocate(capacity: Int(size) + 1)
        var filled = 0
        while filled < Int(size) {
            let count = orch_read(fd, memory + filled, Int(size) - filled)
            guard count > 0 else { return nil }
            filled += Int(count)
        }
        _ = orch_close(fd)
        memory[filled] = 0

        var position = memory
        let end = memory + filled
        while position < end {
            let key = position
            let value = key + length(key) + 1
            guard value <= end else { return nil }
            take(key: key, value: value)
            position = value + length(value) + 1
        }
        guard program != nil else { return nil }
        arguments.append(nil)
        environment.append(nil)
    }

    /// Starts the program with these ends of pipes as its output.
    /// - Returns: its pid, or -errno with `step` set.
    func start(stdout: Int32, stderr: Int32, step: inout Int32) -> Int32 {
        let cgroups = cgroups.map { orch_open($0, orch_open_write, 0) }.filter { $0 >= 0 }
        defer { for cgroup in cgroups { _ = orch_close(cgroup) } }
        return arguments.withUnsafeBufferPointer { arguments in
            environment.withUnsafeBufferPointer { environment in
                groups.withUnsafeBufferPointer { groups in
                    cgroups.withUnsafeBufferPointer { cgroups in
                        var plan = orch_spawn(
                            program: program!, argv: arguments.baseAddress!, envp: environment.baseAddress!,
                            workdir: workdir, stdio: (-1, stdout, stderr), new_session: 1, terminal: 0,
                            set_user: uid == nil ? 0 : 1, uid: uid ?? 0, gid: gid,
                            groups: groups.baseAddress, group_count: groups.count,
                            cgroups: cgroups.baseAddress, cgroup_count: cgroups.count, open_files: openFiles)
                        return orch_spawn(&plan, &step)
                    }
                }
            }
        }
    }

    private mutating func take(key: UnsafeMutablePointer<CChar>, value: UnsafeMutablePointer<CChar>) {
        if equals(key, "program") {
            program = value
        } else if equals(key, "arg") {
            arguments.append(value)
        } else if equals(key, "env") {
            environment.append(value)
        } else if equals(key, "workdir") {
            workdir = value
        } else if equals(key, "uid") {
            uid = UInt32(truncatingIfNeeded: number(value))
        } else if equals(key, "gid") {
            gid = UInt32(truncatingIfNeeded: number(value))
        } else if equals(key, "group") {
            groups.append(UInt32(truncatingIfNeeded: number(value)))
        } else if equals(key, "cgroup") {
            cgroups.append(value)
        } else if equals(key, "open_files") {
            openFiles = UInt64(number(value))
        } else if equals(key, "spool") {
            spoolLimit = number(value)
        } else if equals(key, "segment") {
            segmentLimit = number(value)
        } else if equals(key, "when_full") {
            whenFull = equals(value, "block") ? .block : .dropOldest
        }
    }
}

private func length(_ text: UnsafePointer<CChar>) -> Int {
    var count = 0
    while text[count] != 0 { count += 1 }
    return count
}

private func equals(_ text: UnsafePointer<CChar>, _ word: StaticString) -> Bool {
    guard length(text) == word.utf8CodeUnitCount else { return false }
    for index in 0..<word.utf8CodeUnitCount where UInt8(bitPattern: text[index]) != word.utf8Start[index] {
        return false
    }
    return true
}

private func number(_ text: UnsafePointer<CChar>) -> Int64 {
    var value: Int64 = 0
    var index = 0
    while text[index] >= 48, text[index] <= 57 {
        value = value &* 10 &+ Int64(text[index] - 48)
        index += 1
    }
    return value
}
