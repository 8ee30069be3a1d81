import OrchModel
import OrchSystem
import Synchronization

/// Shows the events of a deployment on standard error: a line each, and on a terminal a status line below them.
final class ProgressDisplay: Sendable {
    private struct State {
        var started = 0
        var good = 0
        var hasStatusLine = false
    }

    private let console: Console
    private let title: String
    private let state = Mutex(State())

    init(_ console: Console, title: String) {
        self.console = console
        self.title = title
    }

    func show(_ event: Event) {
        guard !console.isQuiet else { return }
        state.withLock { state in
            switch event.kind {
            case "instance.started": state.started += 1
            case "instance.healthy": state.good += 1
            default: break
            }
            clear(&state)
            if let progress = event.progress, StandardStream.error.isTerminal {
                let bar = ProgressBar.text(progress.done, of: progress.total)
                StandardStream.error.write("\(event.instance?.rawValue ?? title): \(bar)")
                state.hasStatusLine = true
                return
            }
            let time = event.at.rfc3339(decimals: 3).dropFirst(11).dropLast()
            let subject = event.instance?.rawValue ?? event.module?.rawValue ?? ""
            let word = event.kind.split(separator: ".").last.map { String($0).replacing("_", with: " ") } ?? event.kind
            let text =
                "\(console.styled(String(time), .dim, on: .error))  \(subject)  \(console.styled(word, Self.style(event.kind), on: .error))"
            StandardStream.error.write("\(text)\(event.message.isEmpty ? "" : "  \(event.message)")\n")
            if StandardStream.error.isTerminal {
                StandardStream.error.write("\(title): \(state.started) started, \(state.good) healthy …")
                state.hasStatusLine = true
            }
        }
    }

    func end() { state.withLock { clear(&$0) } }

    private func clear(_ state: inout State) {
        if state.hasStatusLine { StandardStream.error.write("\r\u{1b}[2K") }
        state.hasStatusLine = false
    }

    private static func style(_ kind: String) -> Console.Style? {
        if kind.hasSuffix("failed") || kind.hasSuffix("exited") || kind.hasSuffix("unhealthy") || kind.contains("roll")
        {
            return .red
        }
        if kind.hasSuffix("healthy") || kind.hasSuffix("succeeded") { return .green }
        return nil
    }
}
