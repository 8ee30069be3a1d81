import AsyncHTTPClient
import Deployer
import NIOCore
import NIOHTTP1
import NIOPosix
import OrchModel

/// Calls a service as its clients would, at an address of its own or of one of its instances.
extension Agent {
    struct Ping: Sendable {
        var isWell: Bool
        var words: String
    }

    private static let pingTimeout = TimeAmount.seconds(5)
    private static let largestPingAnswer = 1 << 20

    /// - Throws: `notFound` for an address that is none of the service's: nothing else is called.
    func ping(_ name: ModuleName, at address: String) async throws -> Ping {
        guard let service = await services().first(where: { $0.name == name }),
            (service.addresses + service.endpoints).contains(address), let spec = await deployer.spec(of: name)
        else { throw OrchError(.notFound, "\(address.quotedOneLine) is no address of \(name)") }
        let host = address.split(separator: "/").last.map(String.init) ?? address
        let start = ContinuousClock.now
        if spec.endpointMode == .http || address.hasPrefix("http") {
            let path = spec.health.type == .http ? spec.health.path : "/"
            let url = address.hasPrefix("http") ? address : "http://\(host)"
            do {
                return try await call(url + path, since: start)
            } catch let error as HTTPClientError where error == .deadlineExceeded {
                return Ping(isWell: false, words: "no answer after \(Self.milliseconds(since: start))")
            } catch {
                // It may speak something else.
            }
        }
        return await connect(host, since: .now)
    }

    private func call(_ url: String, since start: ContinuousClock.Instant) async throws -> Ping {
        var configuration = HTTPClient.Configuration()
        // Whoever refuses is told of at once.
        configuration.connectionPool.retryConnectionEstablishment = false
        let client = HTTPClient(eventLoopGroup: HTTPClient.defaultEventLoopGroup, configuration: configuration)
        do {
            let answer = try await client.execute(HTTPClientRequest(url: url), timeout: Self.pingTimeout)
            let time = Self.milliseconds(since: start)
            _ = try? await answer.body.collect(upTo: Self.largestPingAnswer)
            try? await client.shutdown()
            return Ping(isWell: answer.status.code < 500, words: "\(answer.status) in \(time)")
        } catch {
            try? await client.shutdown()
            throw error
        }
    }

    private func connect(_ address: String, since start: ContinuousClock.Instant) async -> Ping {
        let parts = address.split(separator: ":")
        guard parts.count == 2, let port = Int(parts[1]) else {
            return Ping(isWell: false, words: "no address that can be called")
        }
        do {
            let channel = try await ClientBootstrap(group: HTTPClient.defaultEventLoopGroup)
                .connectTimeout(Self.pingTimeout).connect(host: String(parts[0]), port: port).get()
            let time = Self.milliseconds(since: start)
            try? await channel.close()
            return Ping(isWell: true, words: "connected in \(time)")
        } catch {
            return Ping(isWell: false, words: "no answer after \(Self.milliseconds(since: start))")
        }
    }

    private static func milliseconds(since start: ContinuousClock.Instant) -> String {
        let span = (ContinuousClock.now - start).components
        let microseconds = span.seconds * 1_000_000 + span.attoseconds / 1_000_000_000_000
        return "\(microseconds / 1000).\((microseconds % 1000) / 100) ms"
    }
}
