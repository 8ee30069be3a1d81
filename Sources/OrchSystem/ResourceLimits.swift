import Glibc

/// What the system allows this process.
package enum ResourceLimits {
    /// The most descriptors that may be open now.
    package static var openFiles: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// Raises the number of descriptors as far as the process may by itself. Programs that it starts inherit that unless
    /// they are given a limit of their own.
    package static func raiseOpenFiles() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

package enum Processors {
    /// Those that this process may run on (`Cpus_allowed` in proc(5)), at least one.
    package static var available: Int {
        let status = (try? Files.readText("/proc/self/status")) ?? ""
        let mask = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") }?.dropFirst(13) ?? ""
        return max(1, mask.compactMap(\.hexDigitValue).reduce(0) { $0 + $1.nonzeroBitCount })
    }
}
