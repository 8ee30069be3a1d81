import COrchSystem
import Glibc
import OrchModel
import OrchSystem

/// The `orch-shim` of one running instance, seen from the agent. Identified by a pidfd, so that its number cannot be
/// taken for another's.
final class ShimConnection: Sendable {
    let pid: pid_t
    private let pidfd: Int32
    private let reactor: Reactor
    private let token: Reactor.Token
    private let folder: InstanceFolder

    /// - Parameter onEnd: called on the reactor's thread when the shim is gone.
    init(pid: pid_t, folder: InstanceFolder, reactor: Reactor, onEnd: @escaping @Sendable () -> Void)
        throws(SystemError)
    {
        self.pid = pid
        self.folder = folder
        self.reactor = reactor
        pidfd = try checked("pidfd_open", orch_pidfd_open(pid))
        token = try reactor.watch(pidfd, onEnd)
    }

    /// Frees the descriptor, and the process' entry when it was our child.
    func close() {
        let (pidfd, pid) = (pidfd, pid)
        reactor.unwatch(token) {
            Glibc.close(pidfd)
            var code: Int32 = 0
            var signal: Int32 = 0
            // Not our child after a restart of the agent: then this fails, and whoever adopted it reaps it.
            _ = orch_reap(pid, &code, &signal)
        }
    }

    /// Sends one command line. Blocks for as long as the shim takes to accept.
    func send(_ command: String) throws(SystemError) {
        try Sockets.connect(in: folder.path, "shim.sock").write(Array("\(command)\n".utf8))
    }

    /// Asks a shim what it runs.
    ///
    /// - Returns: the shim's pid and the process below it, or `nil` when nobody answers.
    static func ask(_ folder: InstanceFolder) -> (shim: pid_t, process: ProcessIdentity)? {
        guard let socket = try? Sockets.connect(in: folder.path, "shim.sock"), let shim = try? Sockets.peer(of: socket),
            (try? Sockets.setTimeout(.seconds(1), on: socket)) != nil,
            (try? socket.write(Array("status\n".utf8))) != nil
        else { return nil }
        var answer = [UInt8](repeating: 0, count: 128)
        guard let count = try? socket.read(into: &answer) else { return nil }
        return process(in: String(decoding: answer[0..<count], as: UTF8.self), word: "running").map { (shim, $0) }
    }

    /// Reads `<word> PID TICKS`.
    static func process(in text: String, word: String) -> ProcessIdentity? {
        let fields = text.split(whereSeparator: \.isWhitespace)
        guard fields.count >= 3, fields[0] == word, let pid = Int32(fields[1]), let ticks = UInt64(fields[2]) else {
            return nil
        }
        return ProcessIdentity(pid: pid, startTicks: ticks, bootID: ProcessIdentity.currentBootID)
    }
}
