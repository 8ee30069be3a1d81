/// What an instance is doing, as every list shows it.
package enum InstanceState: String, Codable, Sendable, CaseIterable {
    /// Waits for its turn, for a dependency or for a free slot.
    case pending
    case starting
    /// Its process is up; a health check, where there is one, has not passed yet or there is none.
    case running
    case healthy
    case unhealthy
    /// Gets no more requests, and finishes those it has before it is told to end.
    case draining
    case stopping
    case stopped
    /// Waits before it is started again.
    case backoff
    /// Given up.
    case failed
    /// Ended by itself with 0, as a job does.
    case completed
    /// The runtime cannot be asked.
    case unknown

    /// Whether something of it may be running.
    package var isActive: Bool {
        switch self {
        case .starting, .running, .healthy, .unhealthy, .draining, .stopping, .unknown: true
        case .pending, .stopped, .backoff, .failed, .completed: false
        }
    }

    /// Whether it counts as serving.
    package var isUp: Bool { self == .running || self == .healthy }
}

/// How a process ended.
package struct Exit: Codable, Hashable, Sendable, CustomStringConvertible {
    /// The exit status, or `nil` when a signal ended it.
    package var code: Int32?
    package var signal: Int32?
    package var outOfMemory: Bool
    package var at: Timestamp

    package init(code: Int32?, signal: Int32?, outOfMemory: Bool = false, at: Timestamp) {
        self.code = code
        self.signal = signal
        self.outOfMemory = outOfMemory
        self.at = at
    }

    package var isClean: Bool { code == 0 }

    package var description: String {
        if outOfMemory { return "killed: out of memory" }
        if let signal { return "signal \(signal)" }
        return "exit \(code ?? -1)"
    }

    package enum CodingKeys: String, CodingKey {
        case code, signal, at
        case outOfMemory = "out_of_memory"
    }
}

/// A process that cannot be mistaken for a later one with the same number.
package struct ProcessIdentity: Codable, Hashable, Sendable {
    package var pid: Int32
    /// Field 22 of `/proc/PID/stat`: clock ticks after boot.
    package var startTicks: UInt64
    package var bootID: String

    package init(pid: Int32, startTicks: UInt64, bootID: String) {
        self.pid = pid
        self.startTicks = startTicks
        self.bootID = bootID
    }

    package enum CodingKeys: String, CodingKey {
        case pid
        case startTicks = "start_ticks"
        case bootID = "boot_id"
    }
}
