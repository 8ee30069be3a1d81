import OrchModel
import OrchSystem
import Synchronization

/// A line on a terminal's standard error that shows how far a transfer is.
final class TransferDisplay: Sendable {
    private static let interval = Duration.milliseconds(100)

    private let title: String
    private let total: Int64?
    private let isShown: Bool
    private let begun = ContinuousClock.now
    private let shown = Mutex<ContinuousClock.Instant?>(nil)

    /// - Parameter total: in bytes; `nil` where nobody knows.
    init(_ console: Console, title: String, total: Int64?) {
        self.title = title
        self.total = total
        isShown = StandardStream.error.isTerminal && !console.isQuiet
    }

    func show(_ done: Int64) {
        guard isShown else { return }
        shown.withLock { shown in
            let now = ContinuousClock.now
            if let last = shown, now - last < Self.interval { return }
            shown = now
            let seconds = max(
                0.001, Double((now - begun).components.attoseconds) / 1e18 + Double((now - begun).components.seconds))
            let rate = "\(ByteSize(bytes: Int64(Double(done) / seconds)))/s"
            StandardStream.error.write("\r\u{1b}[2K\(title)  \(ProgressBar.text(done, of: total))  \(rate)")
        }
    }

    func end() {
        shown.withLock { shown in
            if shown != nil { StandardStream.error.write("\r\u{1b}[2K") }
            shown = nil
        }
    }
}

enum ProgressBar {
    private static let width = 24

    /// - Parameter total: in bytes; `nil` where nobody knows.
    static func text(_ done: Int64, of total: Int64?) -> String {
        guard let total, total > 0 else { return "\(ByteSize(bytes: done))" }
        let filled = min(width, Int(Double(done) / Double(total) * Double(width)))
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
        return "\(bar) \(ByteSize(bytes: done)) of \(ByteSize(bytes: total))"
    }
}
