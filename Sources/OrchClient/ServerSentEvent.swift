package struct ServerSentEvent: Sendable, Equatable {
    package var kind: String
    package var data: String
}

/// Cuts a byte stream into server-sent events (WHATWG HTML, 9.2.6), as far as the agent uses them.
package struct ServerSentEventParser: Sendable {
    private var line: [UInt8] = []
    private var kind = "message"
    private var data: [String] = []

    package init() {}

    package mutating func feed(_ bytes: some Sequence<UInt8>) -> [ServerSentEvent] {
        var events: [ServerSentEvent] = []
        for byte in bytes {
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            take(String(decoding: line, as: UTF8.self), into: &events)
            line.removeAll(keepingCapacity: true)
        }
        return events
    }

    private mutating func take(_ line: String, into events: inout [ServerSentEvent]) {
        if line.isEmpty {
            if !data.isEmpty { events.append(ServerSentEvent(kind: kind, data: data.joined(separator: "\n"))) }
            kind = "message"
            data = []
        } else if line.hasPrefix("event: ") {
            kind = String(line.dropFirst(7))
        } else if line.hasPrefix("data: ") {
            data.append(String(line.dropFirst(6)))
        }
    }
}
