import Deployer
import FoundationEssentials
import Hummingbird
import NIOCore
import OrchModel
import RuntimeManager

/// `orch exec`: a request whose body and answer go on side by side, both made of messages.
extension Routes {
    func addExec(to v1: RouterGroup<APIContext>) {
        v1.post("instances/:id/exec") { request, context in
            let id = try context.name(InstanceID.self, "id")
            guard let instance = await agent.deployer.instances().first(where: { $0.id == id }) else {
                throw OrchError(.notFound, "there is no instance \(id): 'orch instances' lists them")
            }
            guard instance.state.isUp else {
                throw OrchError(
                    .conflict, "\(id) is \(instance.state.rawValue): commands run in instances that are up")
            }
            let plan = try plan(request)
            let input = ExecInputs(body: request.body)
            return StreamedAnswer.response(type: "application/vnd.orch.exec") { send in
                @Sendable func tell(_ message: ExecMessage) async throws {
                    try await send(ByteBuffer(bytes: message.encoded))
                }
                do {
                    let status = try await agent.runtime.driver(of: id).execute(plan, in: id, input: input) {
                        try await tell(.output($0))
                    }
                    try await tell(.exit(status))
                } catch let error as OrchError {
                    try await tell(.failure(Array(JSONEncoder().encode(ErrorBody(error)))))
                }
            }
        }
    }

    private func plan(_ request: Request) throws -> ExecPlan {
        let command = request.uri.queryParameters.getAll("command").map { String($0) }
        guard !command.isEmpty else { throw OrchError(.invalidRequest, "there is no command to run") }
        var terminal: TerminalSize?
        if let rows = try request.number("rows"), let columns = try request.number("columns") {
            terminal = TerminalSize(rows: max(1, rows), columns: max(1, columns))
        }
        return ExecPlan(command: command, terminal: terminal, takesInput: request.flag("stdin"))
    }
}

/// What a client sends to a command, as it comes.
private struct ExecInputs: AsyncSequence, Sendable {
    let body: RequestBody

    struct AsyncIterator: AsyncIteratorProtocol {
        var bytes: RequestBody.AsyncIterator
        var reader = ExecMessageReader()

        mutating func next() async throws -> ExecInput? { try await next(isolation: #isolation) }

        mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> ExecInput? {
            while true {
                switch try reader.next() {
                case .input(let input)?: return input
                case .some: throw OrchError(.invalidRequest, "that is no input of a command")
                case nil: break
                }
                guard let more = try await bytes.next(isolation: actor) else { return nil }
                reader.add(more.readableBytesView)
            }
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(bytes: body.makeAsyncIterator()) }
}
