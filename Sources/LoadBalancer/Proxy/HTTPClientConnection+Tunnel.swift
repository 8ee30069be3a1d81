import NIOCore

/// How a WebSocket is ended for the sake of both sides: between two frames each gets a close frame.
struct WebSocketEnding {
    var toClient = WebSocketFrames()
    var toServer = WebSocketFrames()
    /// Whether it is to end.
    var isWanted = false
    var hasToldClient = false
    var hasToldServer = false
}

/// Connections that last: those that switched to another protocol, and streams of events.
extension HTTPClientConnection {
    private static let closingTime = TimeAmount.seconds(1)

    func beginTunnel() {
        let isWebSocket = outgoing.withUnsafeReadableBytes { bytes in
            String(decoding: bytes, as: UTF8.self).lowercased().contains("\r\nupgrade: websocket")
        }
        state = .tunnel(isWebSocket ? WebSocketEnding() : nil)
        deadline = proxy.now + Self.silenceTime
        if unread.readableBytes > 0 {
            tunnelWrite(unread)
            unread = ByteBuffer()
            exchange?.connection?.flush()
        }
    }

    /// From the client to the instance.
    func tunnelWrite(_ buffer: ByteBuffer) {
        guard case .tunnel(var ending) = state else { return }
        exchange?.bytesIn += Int64(buffer.readableBytes)
        if ending?.hasToldServer == true {
            // After a close frame nothing may follow; what comes now is the answer to the other one.
            if ending?.hasToldClient == true { close() }
            return
        }
        buffer.withUnsafeReadableBytes { ending?.toServer.scan($0) }
        state = .tunnel(ending)
        exchange?.connection?.write(buffer)
        tellIfPossible()
    }

    /// From the instance to the client.
    func tunnelRead(_ buffer: ByteBuffer) {
        guard case .tunnel(var ending) = state else { return }
        exchange?.bytesOut += Int64(buffer.readableBytes)
        deadline = proxy.now + Self.silenceTime
        guard ending?.hasToldClient != true else { return }
        buffer.withUnsafeReadableBytes { ending?.toClient.scan($0) }
        state = .tunnel(ending)
        write(buffer)
        tellIfPossible()
    }

    /// The instance leaves: what lasts is told to end, what does not is let finish.
    func endSoon() {
        switch state {
        case .tunnel(var ending):
            ending?.isWanted = true
            state = .tunnel(ending)
            tellIfPossible()
        case .exchanging where exchange?.isEventStream == true:
            exchange?.endsSoon = true
            endStreamIfPossible()
        case .exchanging, .reading, .waiting, .lingering, .closed: break
        }
    }

    private func tellIfPossible() {
        guard case .tunnel(var found) = state, var ending = found, ending.isWanted else { return }
        if !ending.hasToldClient, ending.toClient.isBetweenFrames {
            ending.hasToldClient = true
            write(WebSocketFrames.closeToClient)
        }
        if !ending.hasToldServer, ending.toServer.isBetweenFrames {
            ending.hasToldServer = true
            exchange?.connection?.write(WebSocketFrames.closeToServer)
        }
        found = ending
        state = .tunnel(found)
        flush()
        exchange?.connection?.flush()
        if ending.hasToldClient, ending.hasToldServer {
            // Both have been told; who does not answer is not waited for.
            proxy.loop.assumeIsolated().scheduleTask(in: Self.closingTime) { [weak self] in self?.close() }
        }
    }

    /// Ends a stream of events so that the client sees a proper end and comes again, between two chunks.
    func endStreamIfPossible() {
        guard let current = exchange, let connection = current.connection else { return }
        if connection.scanner.isBetweenChunks {
            write(ByteBuffer(staticString: "0\r\n\r\n"))
        } else if connection.scanner.endsWithConnection {
            exchange?.closesAfter = true
        } else {
            return
        }
        connection.detach()
        connection.close()
        finishExchange(status: current.status, failed: false)
        if current.closesAfter || connection.scanner.endsWithConnection {
            closeAfterFlush()
        } else {
            flush()
            nextRequest()
        }
    }
}
