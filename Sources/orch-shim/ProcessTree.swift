import COrchSystem

/// Signals everything that an instance has started, however it was re-parented: this program is the subreaper, so all of
/// it hangs below.
enum ProcessTree {
    /// SIGKILL to every descendant. Repeated by the caller until none is left: a process may fork while we walk.
    static func kill() { signal(9) }

    /// - Parameter signal: a signal number; each descendant gets it once.
    static func signal(_ signal: Int32) {
        var seen = [orch_getpid()]
        var next = 0
        while next < seen.count {
            // Parents before children: a killed parent cannot fork again.
            let children = children(of: seen[next])
            for child in children {
                _ = orch_kill(child, signal)
                seen.append(child)
            }
            next += 1
        }
    }

    static var isEmpty: Bool { children(of: orch_getpid()).isEmpty }

    private static func children(of pid: Int32) -> [Int32] {
        var capacity = 64
        while true {
            var pids = [Int32](repeating: 0, count: capacity)
            let found = Int(orch_children(pid, &pids, capacity))
            if found <= capacity { return [Int32](pids.prefix(max(0, found))) }
            capacity = found * 2
        }
    }
}
