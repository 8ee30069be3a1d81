import Glibc
import OrchClient
import OrchModel
import OrchSystem

extension CommandSpec {
    static let exec = CommandSpec(
        name: "exec", summary: "Run a command within an instance",
        discussion:
            "In a container it runs there; beside a process it gets the same variables, directory and user. Of a service the first instance that is up is taken. "
            + "The exit status is the command's own, 128 and the number of a signal, or 125 to 127 when it could not be run: 126 for what cannot be executed, 127 for what is not there.",
        operands: [
            OperandSpec("NAME", names: .instances, "An instance or a service."),
            OperandSpec("COMMAND", repeats: true, "The command and its arguments, behind --."),
        ],
        options: [
            OptionSpec("stdin", "i", "Hand standard input on to the command."),
            OptionSpec(
                "tty", "t", "Give the command a terminal; by default where input and output are one. Includes --stdin."),
        ],
        examples: [
            "orch exec shop -- sh", "orch exec shop-k3v9qd -- cat /etc/hosts", "orch exec -i db -- psql < dump.sql",
        ]
    ) { invocation in
        do throws(OrchError) {
            return try await run(invocation)
        } catch {
            guard let status = ExecStatus.of(error) else { throw error }
            invocation.console.error(error.message)
            return status
        }
    }

    private static func run(_ invocation: Invocation) async throws(OrchError) -> Int32 {
        let client = try invocation.client()
        let instance = try await InstanceOrService.running(invocation.operands[0], client)
        let isInteractive = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
        let hasTerminal = try invocation.text("tty") == nil ? isInteractive : invocation.flag("tty")
        let size = Terminal.size(of: STDIN_FILENO) ?? TerminalSize(rows: 24, columns: 80)
        let plan = ExecPlan(
            command: Array(invocation.operands.dropFirst()), terminal: hasTerminal ? size : nil,
            takesInput: hasTerminal ? true : try invocation.flag("stdin"))
        let settings = hasTerminal ? Terminal.makeRaw(STDIN_FILENO) : nil
        defer { if let settings { Terminal.restore(STDIN_FILENO, settings) } }
        let input = TerminalInput(readsInput: plan.takesInput, hasTerminal: hasTerminal)
        defer { input.end() }
        let wanted = input.wanted
        return try await client.execute(
            plan, in: instance, input: input.items, whenTaken: { wanted.signal() },
            output: { output in
                switch output {
                case .output(let bytes): try Descriptor.write(bytes, to: STDOUT_FILENO)
                case .errors(let bytes): try Descriptor.write(bytes, to: STDERR_FILENO)
                }
            })
    }
}

/// The exit statuses of a command that could not be run, as shells and `docker exec` have them.
enum ExecStatus {
    static let failed: Int32 = 125
    static let notExecutable: Int32 = 126
    static let notFound: Int32 = 127

    /// - Returns: `nil` for errors that concern the agent or the instance, which have their own.
    static func of(_ error: OrchError) -> Int32? {
        switch error.code {
        case .notFound where error.message.contains("there is no program"): notFound
        case .invalidRequest where error.message.contains("program") || error.message.contains("executable"):
            notExecutable
        case .failed, .unavailable, .conflict: failed
        default: nil
        }
    }
}
