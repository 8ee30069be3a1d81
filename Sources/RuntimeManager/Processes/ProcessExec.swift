import Glibc
import NIOCore
import NIOPosix
import OrchModel
import OrchSystem
import Synchronization

/// A command beside an instance that is talked to while it runs.
struct ProcessExec {
    /// How long after its end a command's output is waited for: what it has started may hold it open for ever.
    private static let outputPatience = Duration.milliseconds(500)

    /// Longer than anybody waits, and not too long for poll(2).
    private static let forever = TimeSpan.seconds(2_000_000)

    /// A command that runs, and our ends of what it reads and writes.
    private struct Running {
        var pid: pid_t
        var input: Int32
        var output: Int32
        /// `nil` for a command with a terminal, which writes everything there.
        var errors: Int32? = nil
        var terminal: Terminal? = nil
    }

    let launch: ProgramLaunch
    let plan: ExecPlan

    /// Runs it to its end. When it is cancelled the command is killed, with all that belongs to its group.
    ///
    /// - Returns: its exit status; 128 and the number for a signal.
    func run(
        input: some AsyncSequence<ExecInput, any Error> & Sendable,
        output: @escaping @Sendable (ExecOutput) async throws -> Void
    ) async throws(OrchError) -> Int32 {
        do {
            let running = try plan.terminal.map(start(terminal:)) ?? start()
            return try await withTaskCancellationHandler {
                try await converse(running, input, output)
            } onCancel: {
                kill(-running.pid, SIGKILL)
            }
        } catch {
            throw OrchError(wrapping: error, "the command cannot be run: \(error)")
        }
    }

    // MARK: Starting

    private func start() throws -> Running {
        let input = try Pipe()
        let output = try Pipe()
        let errors = try Pipe()
        var launch = launch
        launch.stdio = (plan.takesInput ? input.reading.number : nil, output.writing.number, errors.writing.number)
        // Ours are taken first: the start must not succeed and then leave nobody to talk to it.
        let (written, read, readErrors) = (
            try input.writing.duplicate(), try output.reading.duplicate(), try errors.reading.duplicate()
        )
        do {
            return Running(pid: try launch.start(), input: written, output: read, errors: readErrors)
        } catch {
            for number in [written, read, readErrors] { close(number) }
            throw error
        }
    }

    private func start(terminal size: TerminalSize) throws -> Running {
        try Terminal.make(size: size) { terminal, end in
            var launch = launch
            launch.stdio = (end.number, end.number, end.number)
            launch.hasTerminal = true
            let (written, read) = (try terminal.descriptor.duplicate(), try terminal.descriptor.duplicate())
            do {
                return Running(pid: try launch.start(), input: written, output: read, terminal: terminal)
            } catch {
                for number in [written, read] { close(number) }
                throw error
            }
        }
    }

    // MARK: Talking

    private func converse(
        _ running: Running, _ input: some AsyncSequence<ExecInput, any Error> & Sendable,
        _ output: @escaping @Sendable (ExecOutput) async throws -> Void
    ) async throws -> Int32 {
        // Reaped by a thread that nobody cancels, so that nothing stays of it.
        async let status = runBlocking(name: "exec") { Programs.reap(running.pid) }
        let flow = Flow()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await Self.write(input, to: running)
                } catch let error where !(error is CancellationError) {
                    // Whoever asked for it is gone.
                    kill(-running.pid, SIGKILL)
                    throw error
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { readers in
                readers.addTask { try await Self.read(running.output, flow) { try await output(.output($0)) } }
                if let errors = running.errors {
                    readers.addTask { try await Self.read(errors, flow) { try await output(.errors($0)) } }
                }
                readers.addTask {
                    _ = await runBlocking(name: "exec-end") {
                        Programs.waitForEnd(of: running.pid, timeout: Self.forever)
                    }
                    // What is still being delivered, to somebody who may be slow, is waited for.
                    var last: Int?
                    while flow.isBusy || flow.count != last {
                        last = flow.count
                        try await Task.sleep(for: Self.outputPatience)
                    }
                    throw Overdue()
                }
                do {
                    for _ in 0..<(running.errors == nil ? 1 : 2) { try await readers.next() }
                } catch is Overdue {
                    // It has ended; who holds its output open is not waited for.
                }
                readers.cancelAll()
            }
            group.cancelAll()
        }
        return await status
    }

    private struct Overdue: Error {}

    /// How much has come of a command.
    private final class Flow: Sendable {
        private let pieces = Atomic(0)
        private let deliveries = Atomic(0)

        var count: Int { pieces.load(ordering: .acquiring) }
        var isBusy: Bool { deliveries.load(ordering: .acquiring) > 0 }

        func deliver(_ body: () async throws -> Void) async throws {
            deliveries.add(1, ordering: .acquiringAndReleasing)
            defer {
                deliveries.subtract(1, ordering: .acquiringAndReleasing)
                pieces.add(1, ordering: .acquiringAndReleasing)
            }
            try await body()
        }
    }

    private static func write(
        _ input: some AsyncSequence<ExecInput, any Error> & Sendable, to running: Running
    ) async throws {
        let pipe = try await NIOPipeBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .takingOwnershipOfDescriptor(output: running.input).get()
        defer { pipe.close(promise: nil) }
        // Each write is waited for until the pipe has it: closing drops what is still to be written.
        // A command that does not read any more is no failure.
        try await withTaskCancellationHandler {
            for try await item in input {
                switch item {
                case .bytes(let bytes): try? await pipe.writeAndFlush(ByteBuffer(bytes: bytes))
                case .end:
                    if let terminal = running.terminal {
                        try? await pipe.writeAndFlush(ByteBuffer(bytes: [terminal.endOfFile]))
                    } else {
                        try? await pipe.close()
                    }
                case .resize(let size): running.terminal?.resize(to: size)
                }
            }
        } onCancel: {
            pipe.close(promise: nil)
        }
    }

    private static func read(_ descriptor: Int32, _ flow: Flow, _ body: ([UInt8]) async throws -> Void) async throws {
        let pipe = try await NIOPipeBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .takingOwnershipOfDescriptor(input: descriptor) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, Never>(wrappingChannelSynchronously: channel)
                }
            }
        try await pipe.executeThenClose { inbound, _ in
            do {
                for try await bytes in inbound {
                    try await flow.deliver { try await body(Array(bytes.readableBytesView)) }
                }
            } catch let error as IOError where error.errnoCode == EIO {
                // How a terminal says that nobody has its other end open any more (tty_ioctl(4), pty(7)).
            }
        }
    }
}
