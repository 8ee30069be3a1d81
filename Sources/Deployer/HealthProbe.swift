import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import OrchModel
import OrchSystem

/// What is checked of one instance.
struct HealthTarget: Sendable {
    var instance: InstanceID
    var spec: HealthSpec
    /// The port that `tcp` and `http` ask.
    var port: Int

    /// What is checked, as people say it.
    var description: String {
        switch spec.type {
        case .none: "no check"
        case .tcp: "tcp connect to port \(port)"
        case .http: "http GET \(spec.path) at port \(port)"
        case .exec: "exec \(spec.command.joined(separator: " "))"
        case .image: "the check of its image"
        }
    }
}

/// Makes one check. The outcome is `nil` when it passed, otherwise what was wrong.
struct HealthProbe: Sendable {
    let client: HTTPClient
    /// Makes the checks that are made from within the instance.
    let checkInside: @Sendable (InstanceID, HealthSpec) async -> String?

    func check(_ target: HealthTarget, on loop: any EventLoop) -> EventLoopFuture<String?> {
        switch target.spec.type {
        case .none: loop.makeSucceededFuture(nil)
        case .tcp: tcp(target, on: loop)
        case .http: http(target, on: loop)
        case .exec, .image: inside(target, on: loop)
        }
    }

    private func tcp(_ target: HealthTarget, on loop: any EventLoop) -> EventLoopFuture<String?> {
        ClientBootstrap(group: loop)
            .connectTimeout(.nanoseconds(target.spec.timeout.nanoseconds))
            .connect(host: "127.0.0.1", port: target.port)
            .map { channel in
                channel.close(promise: nil)
                return nil
            }
            .flatMapErrorThrowing { _ in "nothing accepts connections at port \(target.port)" }
    }

    private func http(_ target: HealthTarget, on loop: any EventLoop) -> EventLoopFuture<String?> {
        let url = "http://127.0.0.1:\(target.port)\(target.spec.path)"
        do {
            // A kept connection would hold up the instance's end.
            let request = try HTTPClient.Request(
                url: url, headers: ["connection": "close", "user-agent": "orch-health"])
            return client.execute(
                request: request, eventLoop: .delegateAndChannel(on: loop),
                deadline: .now() + .nanoseconds(target.spec.timeout.nanoseconds)
            )
            .map { (200..<400).contains($0.status.code) ? nil : "\(target.spec.path) answers \($0.status.code)" }
            .flatMapErrorThrowing { error in
                "\(target.spec.path) at port \(target.port) does not answer: \(Self.shortened(error))"
            }
        } catch {
            return loop.makeSucceededFuture("\(url.quotedOneLine) is no address")
        }
    }

    private func inside(_ target: HealthTarget, on loop: any EventLoop) -> EventLoopFuture<String?> {
        let promise = loop.makePromise(of: String?.self)
        let timeout = loop.scheduleTask(in: .nanoseconds(target.spec.timeout.nanoseconds)) {
            promise.succeed("the check took longer than \(target.spec.timeout)")
        }
        loop.makeFutureWithTask { await checkInside(target.instance, target.spec) }.whenSuccess { failure in
            timeout.cancel()
            promise.succeed(failure)
        }
        return promise.futureResult
    }

    /// The most frequent errors of the client in plain words.
    private static func shortened(_ error: any Error) -> String {
        let text = "\(error)"
        let known = [
            ("Connection refused", "connection refused"), ("eadlineExceeded", "it takes too long"),
            ("imeout", "it takes too long"), ("remoteConnectionClosed", "it closed the connection"),
            ("Connection reset", "it reset the connection"),
        ]
        return known.first { text.contains($0.0) }?.1 ?? String(text.prefix(80))
    }
}
