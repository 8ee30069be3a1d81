import NIOCore

/// From an instance's answer to the client.
extension HTTPClientConnection {
    /// Bodies up to here are copied behind their head, which costs less than a second piece to write.
    private static let mostCopied = 4096

    func interimAnswer(_ buffer: ByteBuffer) {
        if exchange?.head.isHTTP10 == false { write(buffer) }
    }

    /// - Parameters:
    ///   - source: begins with the head, and goes on with `body`.
    ///   - body: what has come of it.
    func answerBegan(_ head: ResponseHead, _ source: ByteBuffer, body: ByteBuffer?) {
        guard let current = exchange else { return }
        exchange?.isAnswered = true
        exchange?.status = head.status
        exchange?.isEventStream = head.isEventStream
        exchange?.bytesOut += Int64(body?.readableBytes ?? 0)
        deadline = proxy.now + (head.isEventStream ? Self.silenceTime : Self.stallTime)
        if head.framing == .untilClose { exchange?.closesAfter = true }
        let closes = current.closesAfter || head.framing == .untilClose
        let lines: StaticString =
            if head.status == 101 {
                "Connection: upgrade\r\n"
            } else if closes {
                "Connection: close\r\n"
            } else if current.head.isHTTP10 {
                "Connection: keep-alive\r\n"
            } else {
                ""
            }
        if lines.utf8CodeUnitCount == 0, head.dropped.isEmpty {
            write(
                source.getSlice(at: source.readerIndex, length: head.length + (body?.readableBytes ?? 0))
                    ?? ByteBuffer())
        } else {
            writeRewritten(head, source, lines, body)
        }
        if head.status == 101 { beginTunnel() }
        // It began before its instance was told to leave, and lasts.
        if current.member?.backend.isTakenOut == true { endSoon() }
    }

    private func writeRewritten(_ head: ResponseHead, _ source: ByteBuffer, _ lines: StaticString, _ body: ByteBuffer?)
    {
        let copied = body.map { $0.readableBytes <= Self.mostCopied } ?? false
        var out = ByteBuffer()
        out.reserveCapacity(head.length + 32 + (copied ? body?.readableBytes ?? 0 : 0))
        ForwardedHead.write(head, of: source, adding: lines, into: &out)
        if let body, copied { out.writeImmutableBuffer(body) }
        write(out)
        if let body, !copied { write(body) }
    }

    func answerBody(_ buffer: ByteBuffer) {
        exchange?.bytesOut += Int64(buffer.readableBytes)
        deadline = proxy.now + (exchange?.isEventStream == true ? Self.silenceTime : Self.stallTime)
        write(buffer)
        if exchange?.endsSoon == true { endStreamIfPossible() }
    }

    func answerEnded(_ connection: InstanceConnection, reusable: Bool) {
        guard let current = exchange else { return connection.close() }
        if reusable, current.scanner.isDone { current.member?.putBack(connection) } else { connection.close() }
        current.member?.backend.succeeded()
        endExchange(current)
    }

    private func endExchange(_ current: Exchange) {
        let isWhole = current.scanner.isDone
        finishExchange(status: current.status, failed: false)
        if exchangeCloses(current) || !isWhole {
            if !isWhole { unread = ByteBuffer(bytes: [0]) }
            closeAfterFlush()
        } else {
            // The connection to the instance, whose reads end with a flush, is no longer ours.
            flush()
            nextRequest()
        }
    }

    private func exchangeCloses(_ current: Exchange) -> Bool {
        current.closesAfter || isInputClosed && unread.readableBytes == 0
    }

    /// Answers without an instance.
    func answerOurselves(_ answer: ProxyAnswer) {
        guard let current = exchange else { return }
        let closes = closesAfterOwnAnswer(current)
        write(answer.bytes(requestID: current.name, closes: closes, withoutBody: current.head.isHead))
        endOwnAnswer(current, status: answer.status, closes: closes)
    }

    /// - Parameter head: the first lines, without the empty one that ends it.
    func answerOurselves(status: Int, head: String, body: ByteBuffer?) {
        guard let current = exchange else { return }
        let closes = closesAfterOwnAnswer(current)
        write(
            ByteBuffer(string: "\(head)X-Request-Id: \(current.name)\r\n\(closes ? "Connection: close\r\n" : "")\r\n"))
        if let body, body.readableBytes > 0 { write(body) }
        endOwnAnswer(current, status: status, closes: closes)
    }

    /// A client of HTTP/1.0 would wait for the end of a connection that stays open.
    private func closesAfterOwnAnswer(_ current: Exchange) -> Bool {
        current.closesAfter || !current.scanner.isDone || current.head.isHTTP10
    }

    private func endOwnAnswer(_ current: Exchange, status: Int, closes: Bool) {
        finishExchange(status: status, failed: status == 502 || status == 504)
        if closes {
            if !current.scanner.isDone { unread = ByteBuffer(bytes: [0]) }
            closeAfterFlush()
        } else {
            flush()
            nextRequest()
        }
    }

    // MARK: Counting

    /// The end of an exchange, however it came: gives its place back, counts it and logs it.
    func finishExchange(status: Int, failed: Bool) {
        guard let current = exchange else { return }
        exchange = nil
        current.holdTimer?.cancel()
        current.service?.stopWaiting(self)
        let duration = NIODeadline.now() - current.begun
        var counted = current.member?.traffic ?? current.service?.traffic ?? Traffic()
        if (100...599).contains(status) { counted.answers[status / 100] += 1 }
        if failed { counted.failures += 1 }
        counted.bytesIn += current.bytesIn
        counted.bytesOut += current.bytesOut
        counted.latency.record(microseconds: duration.nanoseconds / 1000)
        if let member = current.member {
            member.traffic = counted
            member.backend.leave()
        } else {
            current.service?.traffic = counted
        }
        log(current, status, duration)
    }

    private func log(_ current: Exchange, _ status: Int, _ duration: TimeAmount) {
        guard let service = current.service,
            let skipped = service.accessLog.take(isFailure: status >= 500 || status == 0, at: proxy.now)
        else { return }
        let line = outgoing.withUnsafeReadableBytes { bytes in
            String(decoding: bytes.prefix { $0 != HTTPSyntax.carriageReturn }, as: UTF8.self)
        }
        let words = line.split(separator: " ")
        AccessRecord(
            service: service.name, instance: current.member?.id, client: clientAddress,
            method: String(words.first ?? ""), target: String(words.dropFirst().first ?? ""), status: status,
            bytes: current.bytesOut, duration: duration, requestID: current.name, skipped: skipped
        ).write(to: proxy.logger)
    }

    /// The client is gone, or its connection is being ended with a request under way.
    func abandon(status: Int) {
        guard let current = exchange else { return }
        current.connection?.detach()
        current.connection?.close()
        finishExchange(status: status, failed: false)
    }
}
