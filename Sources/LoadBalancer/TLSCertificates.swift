import Glibc
import NIOCore
import NIOSSL
import OrchModel
import OrchSystem
import Synchronization

/// The certificates of one listener, chosen by the name that a client asks for (SNI), and read again when their files
/// change. Connections that are open keep what they began with.
final class TLSCertificates: Sendable {
    private struct Loaded: Sendable {
        var source: Source
        var chain: [NIOSSLCertificate]
        var key: NIOSSLPrivateKey
        var stamp: String
        /// When somebody was last told that it is near its end.
        var toldAt: Timestamp?
        /// Whether it was seen to be far from its end.
        var isWell = false

        var endsAt: Timestamp {
            Timestamp(seconds: Int64(chain.first?.notValidAfter ?? 0))
        }
    }

    /// From so long before its end on somebody is told, once a day.
    private static let warning = TimeSpan.seconds(14 * 86_400)
    private static let warningInterval = TimeSpan.seconds(86_400)

    /// Where a certificate lies.
    struct Source: Hashable, Sendable {
        /// In lower case; beginning with a dot for every name below; empty for any.
        var hosts: [String]
        var certificate: String
        var key: String
        var service: ModuleName

        init(_ entrance: ServiceRoute.Entrance, of service: ModuleName) {
            self.service = service
            hosts = RouteTable.hosts(of: entrance.spec)
            certificate = Files.resolve(entrance.spec.tls.certificate, in: entrance.baseDirectory)
            key = Files.resolve(entrance.spec.tls.key, in: entrance.baseDirectory)
        }
    }

    private let loaded = Mutex<[Loaded]>([])
    private let report: @Sendable (TrafficNotice) -> Void

    init(report: @escaping @Sendable (TrafficNotice) -> Void) { self.report = report }

    /// - Throws: `invalidRequest` for a file that cannot be read, is no certificate or key, or whose time is over.
    static func check(_ entrance: ServiceRoute.Entrance, of service: ModuleName) throws(OrchError) {
        _ = try load(Source(entrance, of: service))
    }

    /// Blocks while it reads.
    func set(_ sources: [Source]) {
        let known = loaded.withLock(\.self)
        let all = sources.compactMap { source -> Loaded? in
            if let same = known.first(where: { $0.source == source }) { return same }
            return reload(source, instead: nil)
        }
        loaded.withLock { $0 = all }
    }

    /// Reads files that have changed. A bad one is reported, and the certificate before stays. Blocks.
    func refresh() {
        let known = loaded.withLock(\.self)
        let all = known.map { old in
            var current = old.stamp == Self.stamp(old.source) ? old : reload(old.source, instead: old) ?? old
            warn(of: &current, before: old, at: .now())
            return current
        }
        loaded.withLock { $0 = all }
    }

    private func warn(of current: inout Loaded, before old: Loaded, at now: Timestamp) {
        guard current.endsAt - now < Self.warning else {
            current.toldAt = nil
            current.isWell = true
            if !old.isWell {
                report(
                    TrafficNotice(
                        kind: "certificate.renewed", service: current.source.service,
                        message: "it holds until \(current.endsAt.rfc3339(decimals: 0))", ends: "certificate.ending"))
            }
            return
        }
        current.toldAt = old.toldAt
        current.isWell = false
        if let told = old.toldAt, now - told < Self.warningInterval { return }
        current.toldAt = now
        tell(
            current.source, "certificate.ending",
            "the certificate \(current.source.certificate) ends at \(current.endsAt.rfc3339(decimals: 0))")
    }

    private func reload(_ source: Source, instead old: Loaded?) -> Loaded? {
        do throws(OrchError) {
            let new = try Self.load(source)
            if old != nil { tell(source, "certificate.changed", "\(source.certificate) was read again") }
            return new
        } catch {
            let rest = old == nil ? "" : "; the one before stays"
            tell(source, "certificate.failed", error.message + rest)
            guard var old else { return nil }
            old.stamp = Self.stamp(source)
            return old
        }
    }

    private func tell(_ source: Source, _ kind: String, _ message: String) {
        report(TrafficNotice(kind: kind, service: source.service, message: message))
    }

    /// A server that asks this object for its certificate at each handshake.
    func context() throws -> NIOSSLContext {
        // Without a certificate of its own, which a server's configuration would demand.
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        configuration.sslContextCallback = { [weak self] values, promise in
            promise.completeWith(Result { try self?.certificate(for: values.serverHostname) ?? .noChanges })
        }
        return try NIOSSLContext(configuration: configuration)
    }

    private func certificate(for name: String?) throws -> NIOSSLContextConfigurationOverride {
        let all = loaded.withLock(\.self)
        let host = name?.lowercased() ?? ""
        guard
            let found = all.first(where: { $0.source.hosts.contains(host) })
                ?? all.first(where: { $0.source.hosts.contains { $0.hasPrefix(".") && host.hasSuffix($0) } })
                ?? all.first
        else { throw OrchError(.unavailable, "no certificate can be used") }
        var answer = NIOSSLContextConfigurationOverride()
        answer.certificateChain = found.chain.map { .certificate($0) }
        answer.privateKey = .privateKey(found.key)
        return answer
    }

    // MARK: Files

    private static func load(_ source: Source) throws(OrchError) -> Loaded {
        let chain: [NIOSSLCertificate]
        let key: NIOSSLPrivateKey
        let stamp = stamp(source)
        do throws(SystemError) {
            for path in [source.certificate, source.key] { _ = try Files.read(path) }
        } catch {
            throw OrchError(.invalidRequest, "\(error): correct 'endpoint.tls'", cause: error)
        }
        do {
            chain = try NIOSSLCertificate.fromPEMFile(source.certificate)
        } catch {
            throw OrchError(.invalidRequest, "\(source.certificate) holds no certificate in PEM form", cause: error)
        }
        do {
            key = try NIOSSLPrivateKey(file: source.key, format: .pem)
        } catch {
            throw OrchError(.invalidRequest, "\(source.key) holds no key in PEM form", cause: error)
        }
        guard let first = chain.first else {
            throw OrchError(.invalidRequest, "\(source.certificate) holds no certificate")
        }
        let now = Timestamp.now().seconds
        guard first.notValidAfter > now else {
            let end = Timestamp(seconds: Int64(first.notValidAfter)).rfc3339(decimals: 0)
            throw OrchError(.invalidRequest, "the certificate \(source.certificate) has expired at \(end): renew it")
        }
        var pair = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        pair.minimumTLSVersion = .tlsv12
        do {
            _ = try NIOSSLContext(configuration: pair)
        } catch {
            throw OrchError(
                .invalidRequest, "the key \(source.key) does not belong to the certificate \(source.certificate)",
                cause: error)
        }
        return Loaded(source: source, chain: chain, key: key, stamp: stamp)
    }

    /// Changes whenever one of the files does.
    private static func stamp(_ source: Source) -> String {
        [source.certificate, source.key].map { path in
            var status = stat()
            guard stat(path, &status) == 0 else { return "-" }
            return "\(status.st_ino).\(status.st_size).\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
        }.joined(separator: " ")
    }
}
