import COrchSystem
package import Glibc
package import OrchModel

/// A program to be started, with everything that its process inherits.
package struct ProgramLaunch: Sendable {
    /// An absolute path.
    package var program: String
    package var arguments: [String]
    /// `NAME=value`.
    package var environment: [String]
    package var workdir: String?
    /// Descriptors for 0, 1 and 2; `nil` is /dev/null.
    package var stdio: (Int32?, Int32?, Int32?) = (nil, nil, nil)
    package var startsSession = true
    /// Descriptor 0 is a terminal that becomes the session's own.
    package var hasTerminal = false
    /// `nil` for our own.
    package var user: SystemUser?

    package init(program: String, arguments: [String], environment: [String], workdir: String? = nil) {
        self.program = program
        self.arguments = arguments
        self.environment = environment
        self.workdir = workdir
    }

    /// Starts it and returns once it executes. The caller reaps it.
    package func start() throws(SystemError) -> pid_t {
        var step: Int32 = 0
        let pid = withCStrings(arguments) { argv in
            withCStrings(environment) { envp in
                program.withCString { program in
                    withOptionalCString(workdir) { workdir in
                        (user?.groups ?? []).withUnsafeBufferPointer { groups in
                            var plan = orch_spawn(
                                program: program, argv: argv, envp: envp, workdir: workdir,
                                stdio: (stdio.0 ?? -1, stdio.1 ?? -1, stdio.2 ?? -1),
                                new_session: startsSession ? 1 : 0, terminal: hasTerminal ? 1 : 0,
                                set_user: user == nil ? 0 : 1,
                                uid: user?.uid ?? 0, gid: user?.gid ?? 0, groups: groups.baseAddress,
                                group_count: groups.count, cgroups: nil, cgroup_count: 0, open_files: 0)
                            return orch_spawn(&plan, &step)
                        }
                    }
                }
            }
        }
        guard pid > 0 else { throw SystemError("start", program, errno: -pid) }
        return pid
    }
}

private func withCStrings<Value>(
    _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Value
) -> Value {
    var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
}

private func withOptionalCString<Value>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Value) -> Value {
    guard let text else { return body(nil) }
    return text.withCString { body($0) }
}

package enum Programs {
    /// The absolute path of a program, found as a shell would.
    ///
    /// - Throws: `notFound` when there is none, `invalidRequest` when it may not be executed.
    package static func find(_ name: String, path: String, in directory: String) throws(OrchError) -> String {
        let candidates =
            name.contains("/")
            ? [Files.resolve(name, in: directory)]
            : path.split(separator: ":").map { Files.resolve("\($0)/\(name)", in: directory) }
        var unusable: String?
        for candidate in candidates {
            guard Files.exists(candidate) else { continue }
            if !Files.isFolder(candidate), access(candidate, X_OK) == 0 { return candidate }
            unusable = candidate
        }
        if let unusable {
            throw OrchError(
                .invalidRequest,
                Files.isFolder(unusable)
                    ? "\(unusable) is a directory, not a program: correct 'command'"
                    : "\(unusable) is not executable: run 'chmod +x \(unusable)'")
        }
        throw OrchError(
            .notFound,
            name.contains("/")
                ? "there is no program \(candidates[0]): correct 'command' in the module file"
                : "there is no program '\(name)' in PATH (\(path)): install it, or give its full path in 'command'")
    }
}

/// A user that a process runs as.
package struct SystemUser: Sendable {
    package var uid: UInt32
    package var gid: UInt32
    package var groups: [UInt32]
    package var home: String

    /// - Parameter text: `user`, `uid`, or either with `:group` behind.
    package init(named text: String) throws(OrchError) {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard let name = parts.first else { throw OrchError(.invalidRequest, "user must not be empty") }
        // Only asked for when a module is started; the lookup reads files, so it may block for a moment.
        guard let entry = UInt32(name).map({ getpwuid($0) }) ?? getpwnam(name) else {
            throw OrchError(.invalidRequest, "there is no user '\(name)' on this machine: add it, or correct 'user'")
        }
        uid = entry.pointee.pw_uid
        gid = entry.pointee.pw_gid
        home = String(cString: entry.pointee.pw_dir)
        if parts.count == 2 {
            guard let group = UInt32(parts[1]).map({ getgrgid($0) }) ?? getgrnam(parts[1]) else {
                throw OrchError(
                    .invalidRequest, "there is no group '\(parts[1])' on this machine: add it, or correct 'user'")
            }
            gid = group.pointee.gr_gid
        }
        var found = [gid_t](repeating: 0, count: 256)
        var count = Int32(found.count)
        getgrouplist(entry.pointee.pw_name, gid, &found, &count)
        groups = Array(found.prefix(Int(count)))
    }
}

extension ProcessIdentity {
    /// The boot that this process belongs to.
    package static let currentBootID: String =
        ((try? Files.readText("/proc/sys/kernel/random/boot_id")) ?? "unknown").filter { $0 != "\n" }

    /// The process that runs under a number now.
    package init(running pid: pid_t) {
        self.init(pid: pid, startTicks: UInt64(max(0, orch_start_ticks(pid))), bootID: Self.currentBootID)
    }

    /// Whether just this process, not a later one with its number, is there now.
    package var isAlive: Bool { bootID == Self.currentBootID && orch_start_ticks(pid) == Int64(startTicks) }
}

extension ProgramLaunch {
    /// Runs it to its end. Blocks.
    ///
    /// - Returns: the exit status, 128 and the number for a signal; `nil` when it was killed, with its group, after `timeout`.
    package func run(timeout: TimeSpan) throws(SystemError) -> Int32? {
        let pid = try start()
        let pidfd = Descriptor(owning: try checked("pidfd_open", orch_pidfd_open(pid)))
        var entry = orch_poll(fd: pidfd.number, wanted: Int16(orch_poll_in), ready: 0)
        let isOver = orch_poll(&entry, 1, Int32(clamping: timeout.milliseconds)) > 0
        if !isOver { kill(-pid, SIGKILL) }
        let status = Programs.reap(pid)
        return isOver ? status : nil
    }
}

extension Programs {
    /// Waits for the end of a child. Blocks.
    ///
    /// - Returns: its exit status, 128 and the number for a signal.
    package static func reap(_ pid: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f)
    }

    /// A process and all below it.
    package static func tree(of root: pid_t) -> [pid_t] {
        var found = [root]
        var next = 0
        var children = [pid_t](repeating: 0, count: 256)
        while next < found.count {
            let count = orch_children(found[next], &children, children.count)
            found += children.prefix(min(Int(max(0, count)), children.count))
            next += 1
        }
        return found
    }

    /// Waits until a process, which need not be our child, has ended. Blocks.
    ///
    /// - Returns: `false` after `timeout`.
    package static func waitForEnd(of pid: pid_t, timeout: TimeSpan) -> Bool {
        let number = orch_pidfd_open(pid)
        // Gone already.
        guard number >= 0 else { return true }
        let pidfd = Descriptor(owning: number)
        var entry = orch_poll(fd: pidfd.number, wanted: Int16(orch_poll_in), ready: 0)
        return orch_poll(&entry, 1, Int32(clamping: timeout.milliseconds)) > 0
    }
}
