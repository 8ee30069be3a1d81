import Logging
import NIOCore
import OrchModel

/// From a request to an instance that answers it.
extension HTTPClientConnection {
    private static let mostTries = 3

    func proceed() {
        guard let service = exchange?.service else { return }
        guard let member = service.choose(not: exchange?.failed) else { return hold() }
        exchange?.member = member
        if let connection = member.takeIdle() { send(on: connection) } else { connect(to: member) }
    }

    private func connect(to member: LoopMember) {
        guard let number = exchange?.number else { return }
        member.connect().assumeIsolated().whenComplete { result in
            guard case .waiting = self.state, self.exchange?.number == number else {
                // The client is gone; the next one may use the connection.
                if case .success(let connection) = result { member.putBack(connection) }
                return
            }
            switch result {
            case .success(let connection): self.send(on: connection)
            case .failure: self.instanceFailed(.unreachable)
            }
        }
    }

    private func send(on connection: InstanceConnection) {
        guard let service = exchange?.service else { return }
        state = .exchanging
        exchange?.connection = connection
        exchange?.sent += 1
        exchange?.holdTimer?.cancel()
        exchange?.holdTimer = nil
        deadline = proxy.now + service.timeout
        connection.begin(for: self)
        connection.write(outgoing)
        if context?.channel.isWritable == false { connection.setPaused(true) }
        forwardBody()
        connection.flush()
        resumeReading()
    }

    /// Passes on what has come of the request's body.
    func forwardBody() {
        guard let connection = exchange?.connection, exchange?.scanner.isDone == false, unread.readableBytes > 0 else {
            return
        }
        do {
            let count = try unread.withUnsafeReadableBytes { try exchange?.scanner.scan($0) } ?? 0
            exchange?.bytesIn += Int64(count)
            if let service = exchange?.service { deadline = proxy.now + service.timeout }
            if count == unread.readableBytes {
                connection.write(unread)
                unread = ByteBuffer()
            } else if let part = unread.readSlice(length: count) {
                connection.write(part)
            }
        } catch {
            refuse(error as? HTTPViolation ?? .bad("\(error)"))
        }
    }

    // MARK: When nobody is there

    /// Waits for an instance, for as long as the service allows.
    private func hold() {
        guard let exchange, let service = exchange.service else { return }
        state = .waiting
        let since = exchange.heldSince ?? .now()
        self.exchange?.heldSince = since
        if exchange.holdTimer == nil {
            let number = exchange.number
            // However often it is tried in between, the whole wait has one end.
            let left = TimeAmount.nanoseconds(max(0, (since + service.hold - .now()).nanoseconds))
            self.exchange?.holdTimer = proxy.loop.assumeIsolated().scheduleTask(in: left) {
                if case .waiting = self.state, self.exchange?.number == number { self.giveUp() }
            }
        }
        if !service.wait(self, { [weak self] in self?.tryAgain() }) { giveUp() }
    }

    private func tryAgain() {
        guard case .waiting = state, exchange?.member == nil else { return }
        exchange?.tries = 0
        proceed()
    }

    private func giveUp() {
        guard let service = exchange?.service else { return }
        service.stopWaiting(self)
        if let member = exchange?.member {
            member.backend.leave()
            exchange?.member = nil
        }
        let count = service.members.count
        let state = count == 0 ? "has no instance that works" : "has \(count) that cannot be reached"
        answerOurselves(
            ProxyAnswer(
                status: 503,
                text:
                    "service \(service.name) \(state); waited \(service.spec.hold); 'orch why \(service.name)' tells why",
                retryAfter: 1))
    }

    // MARK: When an instance fails

    func instanceFailed(_ failure: InstanceFailure) {
        guard let current = exchange, let member = current.member else { return close() }
        if case .tunnel = state {
            finishExchange(status: current.status, failed: false)
            return closeAfterFlush()
        }
        let wasReused = current.connection?.isReused ?? false
        if let connection = current.connection {
            connection.detach()
            connection.close()
        }
        exchange?.connection = nil
        guard !current.isAnswered else {
            // Half an answer can only be told from a whole one by how the connection ends.
            finishExchange(status: current.status, failed: true)
            return close()
        }
        // A connection that an idle instance closes just now says nothing of the instance.
        let isFault = if case .closed = failure { !wasReused } else { true }
        if isFault, member.backend.failed() { notePassedOver(member) }
        let mayRepeat =
            switch failure {
            case .unreachable: true
            // A request that ends every instance it comes to must come to an end itself.
            case .closed: current.head.isRepeatable && current.sent < Self.mostTries
            case .brokeProtocol, .tooSlow: false
            }
        guard mayRepeat else { return failed(failure, member) }
        member.backend.leave()
        member.traffic.retries += 1
        exchange?.member = nil
        exchange?.failed = member
        exchange?.tries += 1
        state = .waiting
        if current.tries + 1 < Self.mostTries { proceed() } else { hold() }
    }

    private func failed(_ failure: InstanceFailure, _ member: LoopMember) {
        let answer =
            switch failure {
            case .tooSlow:
                ProxyAnswer(
                    status: 504,
                    text:
                        "instance \(member.id) did not begin its answer within \(exchange?.service?.spec.timeout.description ?? "")"
                )
            case .brokeProtocol(let reason):
                ProxyAnswer(status: 502, text: "instance \(member.id) sent no proper answer: \(reason)")
            case .closed, .unreachable:
                ProxyAnswer(
                    status: 502, text: "instance \(member.id) closed the connection; the request is not sent again")
            }
        answerOurselves(answer)
    }

    private func notePassedOver(_ member: LoopMember) {
        proxy.report(
            TrafficNotice(
                kind: "instance.passed_over", service: exchange?.service?.name, instance: member.id,
                message: "its connections fail again and again; it gets no requests for a while"))
    }
}
