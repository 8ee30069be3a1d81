/// One piece of what an instance prints: a line, or a part of a long one.
package struct OutputEntry: Sendable, Equatable {
    package enum Stream: Sendable, CaseIterable { case output, error }

    package var at: Timestamp
    package var stream: Stream
    /// The line goes on in the next entry of this stream.
    package var isPartial: Bool
    /// Without a line end.
    package var text: [UInt8]

    package init(at: Timestamp, stream: Stream, isPartial: Bool, text: [UInt8]) {
        self.at = at
        self.stream = stream
        self.isPartial = isPartial
        self.text = text
    }
}
