import COrchSystem

/// The parent of one instance's process: reads its output, keeps its exit status, and takes commands on a socket.
///
/// It lives exactly as long as its instance's process tree and needs nobody else: the agent may come and go.
final class Shim {
    /// What the tree below is doing.
    private enum Phase {
        case running
        /// Asked to end; everything is killed at the deadline, on the monotonic clock.
        case stopping(deadline: Int64)
        /// The program has ended; what it left behind is ended, and its last output read.
        case ended(deadline: Int64)
    }

    private struct Ending {
        var code: Int32
        var signal: Int32
        var at: Int64
    }

    /// How long what the program left behind has between SIGTERM and SIGKILL, and its pipes to be read.
    private static let leftoverGrace: Int64 = 2_000_000_000
    private static let mostClients = 16

    private let pid: Int32
    private let startTicks: Int64
    private let signals: Int32
    private let listener: Int32
    private let spool: Spool
    private var outputs: [(fd: Int32, framer: LineFramer)]
    private var clients: [Int32] = []
    private var clock = ClockText()
    private var phase = Phase.running
    private var ending: Ending?
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 131_072, alignment: 16)
    private let framed = FrameBuffer()

    init(pid: Int32, startTicks: Int64, signals: Int32, listener: Int32, spool: Spool, stdout: Int32, stderr: Int32) {
        self.pid = pid
        self.startTicks = startTicks
        self.signals = signals
        self.listener = listener
        self.spool = spool
        outputs = [(stdout, LineFramer(stream: "stdout")), (stderr, LineFramer(stream: "stderr"))]
    }

    /// Runs until the instance is gone and its exit status is on disk.
    func run() {
        while !isDone {
            wait()
            reap()
            escalate()
        }
        for index in outputs.indices { finish(index) }
        recordExit()
    }

    private var isDone: Bool {
        guard case .ended(let deadline) = phase else { return false }
        let pastDeadline = orch_monotonic_clock() >= deadline + Self.leftoverGrace
        return ProcessTree.isEmpty && outputs.allSatisfy { $0.fd < 0 } || pastDeadline
    }

    // MARK: Waiting

    private func wait() {
        let readsOutput = !spool.mustWait || ending != nil
        var entries = [orch_poll(fd: signals, wanted: 1, ready: 0), orch_poll(fd: listener, wanted: 1, ready: 0)]
        for output in outputs {
            // A negative descriptor is skipped by poll.
            entries.append(orch_poll(fd: readsOutput ? output.fd : -1, wanted: 1, ready: 0))
        }
        for client in clients { entries.append(orch_poll(fd: client, wanted: 1, ready: 0)) }
        guard orch_poll(&entries, entries.count, timeout(readsOutput)) > 0 else { return }

        if entries[0].ready != 0 { takeSignals() }
        if entries[1].ready != 0 { acceptClient() }
        for index in outputs.indices where entries[2 + index].ready != 0 { readOutput(index) }
        let ready = entries.dropFirst(4).filter { $0.ready != 0 }
        for entry in ready { serve(entry.fd) }
    }

    /// Milliseconds until something is due by itself; -1 for never.
    private func timeout(_ readsOutput: Bool) -> Int32 {
        switch phase {
        case .running: return readsOutput ? -1 : 200
        case .stopping(let deadline):
            let left = (deadline - orch_monotonic_clock()) / 1_000_000 + 1
            return Int32(max(0, min(left, readsOutput ? 60_000 : 200)))
        // The tree is asked after often: its members are not all our direct children, so no signal tells.
        case .ended: return 5
        }
    }

    private func takeSignals() {
        while true {
            let number = orch_next_signal(signals)
            if number <= 0 { return }
            // SIGHUP is ignored: the terminal we were started from may go. SIGTERM and SIGINT end the instance with us.
            if number == 15 || number == 2 { stop(signal: 15, grace: 10_000) }
        }
    }

    // MARK: Output

    private func readOutput(_ index: Int) {
        let fd = outputs[index].fd
        let count = Int(orch_read(fd, buffer.baseAddress!, buffer.count))
        guard count > 0 else {
            finish(index)
            return
        }
        let time = clock.now()
        let input = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[0..<count])
        var position = 0
        while position < count {
            let entries = outputs[index].framer.frame(input, from: &position, at: time, into: framed)
            spool.append(framed.bytes, entries: entries)
            framed.removeAll()
        }
    }

    private func finish(_ index: Int) {
        guard outputs[index].fd >= 0 else { return }
        _ = orch_close(outputs[index].fd)
        outputs[index].fd = -1
        let entries = outputs[index].framer.finish(at: clock.now(), into: framed)
        spool.append(framed.bytes, entries: entries)
        framed.removeAll()
    }

    // MARK: Ending

    private func reap() {
        while true {
            var code: Int32 = 0
            var signal: Int32 = 0
            let ended = orch_reap(-1, &code, &signal)
            if ended <= 0 { return }
            if ended == pid {
                ending = Ending(code: code, signal: signal, at: orch_wall_clock())
                ProcessTree.signal(15)
                var deadline = orch_monotonic_clock() + Self.leftoverGrace
                // Whoever was given longer has it.
                if case .stopping(let promised) = phase { deadline = max(deadline, promised) }
                phase = .ended(deadline: deadline)
            }
        }
    }

    private func escalate() {
        switch phase {
        case .running: return
        case .stopping(let deadline), .ended(let deadline):
            if orch_monotonic_clock() >= deadline { ProcessTree.kill() }
        }
    }

    private func stop(signal: Int32, grace: Int64) {
        guard ending == nil else { return }
        // The group, as a terminal would. Whoever has left it is told when the program has ended.
        _ = orch_kill(-pid, signal)
        var deadline = orch_monotonic_clock() + grace * 1_000_000
        // A second stop may only shorten what is left.
        if case .stopping(let earlier) = phase { deadline = min(earlier, deadline) }
        phase = .stopping(deadline: deadline)
    }

    private func recordExit() {
        let last = ending ?? Ending(code: -1, signal: 9, at: orch_wall_clock())
        var text = Bytes()
        text.append("code ")
        text.append(Int64(last.code))
        text.append(" signal ")
        text.append(Int64(last.signal))
        text.append(" at ")
        text.append(last.at)
        text.append("\n")
        replaceFile("exit", via: "exit.new", with: text)
        _ = orch_unlink("shim.sock")
        for client in clients { _ = writeAll(client, [101, 120, 105, 116, 32] + text) }
    }

    // MARK: Clients

    private func acceptClient() {
        let client = orch_accept(listener)
        guard client >= 0 else { return }
        if clients.count >= Self.mostClients { _ = orch_close(clients.removeFirst()) }
        clients.append(client)
    }

    /// One command a line: `status`, `signal N`, or `stop SIGNAL GRACE` with the grace in milliseconds.
    private func serve(_ client: Int32) {
        var command = Bytes(repeating: 0, count: 256)
        let count = command.withUnsafeMutableBytes { orch_read(client, $0.baseAddress!, $0.count) }
        guard count > 0 else {
            _ = orch_close(client)
            clients.removeAll { $0 == client }
            return
        }
        for line in command[0..<Int(count)].split(separator: 10) { obey(Bytes(line), from: client) }
    }

    private func obey(_ command: Bytes, from client: Int32) {
        if command.starts(with: "status") {
            var answer = Bytes()
            answer.append("running ")
            answer.append(Int64(pid))
            answer.append(" ")
            answer.append(startTicks)
            answer.append("\n")
            _ = writeAll(client, answer)
        } else if command.starts(with: "stop ") {
            var index = 5
            let signal = command.number(at: &index)
            stop(signal: Int32(truncatingIfNeeded: signal), grace: command.number(at: &index))
        } else if command.starts(with: "signal ") {
            var index = 7
            if ending == nil { _ = orch_kill(-pid, Int32(truncatingIfNeeded: command.number(at: &index))) }
        }
    }
}
