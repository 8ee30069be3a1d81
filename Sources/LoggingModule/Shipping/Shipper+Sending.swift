import Logging
import OrchKafka
import OrchModel
import OrchSystem

extension Shipper {
    /// A token's lower bits are the entry's number, the upper ones the source's.
    private static let entryBits: UInt64 = 44
    /// The name that our own remarks have in the place of a stream.
    private static let noteStream: StaticString = "orch"

    /// Reads and sends a chunk of a source, and the rest of it in turns with the others.
    func pump(_ number: UInt64) {
        if send(number) { queue(number) }
        removeIfDrained(number)
    }

    /// Reads and sends as much of a source at once as its window and the producer allow.
    func sendAll(_ number: UInt64) {
        while send(number) {}
    }

    /// - Returns: whether there may be more.
    private func send(_ number: UInt64) -> Bool {
        guard let producer, sources[number] != nil else { return false }
        do {
            return try sendChunk(number, producer)
        } catch {
            logger.error(
                "a spool cannot be read", metadata: ["instance": "\(sources[number]?.id ?? "")", "cause": "\(error)"])
            return false
        }
    }

    /// - Returns: whether a whole chunk was sent and more may follow.
    private func sendChunk(_ number: UInt64, _ producer: KafkaProducer) throws -> Bool {
        // Taken out while it is worked on, so that its buffers are not copied.
        guard var source = sources.removeValue(forKey: number) else { return false }
        defer { sources[number] = source }
        guard !source.mustResend else { return false }
        if source.chunk == nil, try !source.readNext() { return false }
        guard let chunk = source.chunk else { return true }
        let topic = try producer.topic(source.topic.rawValue)
        let isSent = chunk.bytes.withUnsafeBytes { bytes in
            if !source.hasToldLoss {
                guard tellLoss(of: chunk, &source, number, producer, topic) else { return false }
                source.hasToldLoss = true
            }
            while source.nextLine < chunk.lines.count {
                guard source.hasRoom else { return false }
                let entry = SpoolEntry(bytes, line: chunk.lines[source.nextLine], fallback: .now())
                let entryNumber = chunk.firstEntry + Int64(source.nextLine)
                if source.rate.isDue(at: entry.at), !tell(&source, number, producer, topic) { return false }
                if source.rate.admits(entryNumber, at: entry.at) {
                    let text = UnsafeRawBufferPointer(rebasing: bytes[entry.text])
                    guard send(entry, text, entryNumber, &source, number, producer, topic) else { return false }
                }
                source.nextLine += 1
            }
            return true
        }
        if isSent {
            source.finishChunk()
            if source.rate.suppressed > 0 { rest(number) }
        } else {
            stalled.insert(number)
        }
        return isSent
    }

    /// - Returns: `false` where there is no room for it yet.
    private func send(
        _ entry: SpoolEntry, _ text: UnsafeRawBufferPointer, _ entryNumber: Int64, _ source: inout ShippingSource,
        _ number: UInt64, _ producer: KafkaProducer, _ topic: KafkaProducer.Topic
    ) -> Bool {
        var headers = RecordHeaders(count: 6)
        headers.add("instance", source.id)
        headers.add("stream", entry.stream)
        headers.add("seq", entryNumber)
        headers.add("at", entry.at.nanoseconds)
        let level = LevelDetector.level(of: text)
        headers.add("level", level.headerValue)
        if entry.isPartial { headers.add("partial", "1" as StaticString) }
        let record = KafkaProducer.Record(
            key: source.id, value: text, timestamp: entry.at, headers: headers,
            token: number << Self.entryBits | UInt64(entryNumber))
        switch producer.produce(record, to: topic) {
        case nil:
            source.noteSent(bytes: text.count)
            if level == .error || level == .critical { source.errorLines += 1 }
            return true
        case .queueFull: return false
        case .never(let reason):
            // A remark takes its place, so that it is acknowledged in its turn.
            let remark = "refused=1 line of \(text.count) bytes stands in \(source.topic).log only: \(reason)"
            guard note(remark, "refused", 1, entry: entryNumber, &source, number, producer, topic) else { return false }
            giveUp(entryNumber, of: source, reason)
            return true
        }
    }

    // MARK: Remarks of our own

    /// Says in the log how many lines are missing before a chunk.
    private func tellLoss(
        of chunk: SpoolReader.Chunk, _ source: inout ShippingSource, _ number: UInt64, _ producer: KafkaProducer,
        _ topic: KafkaProducer.Topic
    ) -> Bool {
        losses.send()
        logger.warning("lines were lost", metadata: ["instance": "\(source.id)", "lines": "\(chunk.lost)"])
        return note(
            "lost=\(chunk.lost) lines were dropped on disk before they could be sent", "lost", chunk.lost,
            entry: chunk.firstEntry - 1, &source, number, producer, topic)
    }

    /// Says how many lines were left out for the rate; nothing is said when none were.
    func tellSuppressed(_ number: UInt64) {
        guard let producer, var source = sources[number], source.rate.suppressed > 0, !source.mustResend,
            let topic = try? producer.topic(source.topic.rawValue)
        else { return }
        let isTold = tell(&source, number, producer, topic)
        sources[number] = source
        if !isTold { rest(number) }
    }

    private func tell(
        _ source: inout ShippingSource, _ number: UInt64, _ producer: KafkaProducer, _ topic: KafkaProducer.Topic
    ) -> Bool {
        let count = source.rate.suppressed
        guard
            note(
                "suppressed=\(count) lines were left out: logs.rate is \(source.rate.linesPerSecond) a second",
                "suppressed", count, entry: source.rate.lastSuppressed, &source, number, producer, topic)
        else { return false }
        _ = source.rate.takeSuppressed()
        return true
    }

    /// - Parameter entry: the number of the last line that the remark stands for.
    private func note(
        _ text: String, _ name: StaticString, _ count: Int64, entry: Int64, _ source: inout ShippingSource,
        _ number: UInt64, _ producer: KafkaProducer, _ topic: KafkaProducer.Topic
    ) -> Bool {
        let now = Timestamp.now()
        let id = source.id
        let bytes = Array(text.utf8)
        let refusal = bytes.withUnsafeBytes { bytes in
            var headers = RecordHeaders(count: 6)
            headers.add("instance", id)
            headers.add("stream", Self.noteStream)
            headers.add("seq", entry)
            headers.add("at", now.nanoseconds)
            headers.add("level", LogLevel.warning.headerValue)
            headers.add(name, count)
            return producer.produce(
                KafkaProducer.Record(
                    key: id, value: bytes, timestamp: now, headers: headers,
                    token: number << Self.entryBits | UInt64(entry)), to: topic)
        }
        guard refusal == nil else { return false }
        source.noteSent(bytes: bytes.count)
        return true
    }

    // MARK: Outcomes

    func take(_ deliveries: [KafkaProducer.Delivery]) {
        var moved: Set<UInt64> = []
        var refusal: String?
        var rest = deliveries[...]
        while let first = rest.first {
            // One source after the other, each with all that came together.
            let number = first.token >> Self.entryBits
            let run = rest.prefix { $0.token >> Self.entryBits == number }
            rest = rest.dropFirst(run.count)
            guard var source = sources.removeValue(forKey: number) else { continue }
            for delivery in run where take(delivery, of: &source, &refusal) { moved.insert(number) }
            sources[number] = source
        }
        acknowledgements.send()
        noteMoved(moved)
        for number in moved { removeIfDrained(number) }
        if let refusal {
            shrinkBatches(refusal)
        } else if sources.values.contains(where: \.mustResend) {
            retryLater()
        } else {
            growBatches()
        }
    }

    /// - Parameter refusal: why a batch was refused that may pass in parts.
    /// - Returns: whether the source's checkpoint has moved.
    private func take(
        _ delivery: KafkaProducer.Delivery, of source: inout ShippingSource, _ refusal: inout String?
    ) -> Bool {
        let entry = Int64(delivery.token & (1 << Self.entryBits - 1))
        source.noteReturned()
        switch delivery.failure {
        case nil:
            noteTaken()
            if source.trouble != nil { source.trouble = nil }
            // Behind one that came back, nothing counts: all of it is sent again.
            return source.mustResend ? false : source.acknowledge(entry)
        case .refused(let reason) where canShrinkBatches:
            refusal = reason
            source.mustResend = true
            return false
        case .refused(let reason):
            // Behind one that came back it is sent, and refused, again.
            guard !source.mustResend else { return false }
            // By itself it would be refused again and again; the ones behind it must pass.
            giveUp(entry, of: source, reason)
            return source.acknowledge(entry)
        case .notSent(let reason):
            source.trouble = reason
            source.mustResend = true
            return false
        }
    }

    /// Puts a line that no broker takes into the topic's file.
    private func giveUp(_ entry: Int64, of source: ShippingSource, _ reason: String) {
        logger.error(
            "the broker refuses a line, which stands in the topic's file only",
            metadata: ["instance": "\(source.id)", "seq": "\(entry)", "cause": "\(reason)"])
        guard let (found, text) = source.entry(entry) else { return }
        onRefused(
            RefusedLine(
                topic: source.topic, instance: source.id, stream: found.stream, at: found.at, text: text, reason: reason
            ))
    }
}
