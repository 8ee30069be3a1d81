import FoundationEssentials
import NIOCore
import NIOPosix
import NIOSSL
import OrchModel

/// One mail by SMTP (RFC 5321), with STARTTLS (RFC 3207) or TLS from the beginning, and AUTH PLAIN or LOGIN (RFC 4954).
struct SMTPSession: Sendable {
    let host: String
    let port: Int
    let security: ChannelSettings.Security
    /// PEM with certificates to trust besides the system's; empty for none.
    let caFile: String
    let credentials: (user: String, password: String)?
    /// For all of it.
    let timeout: TimeSpan

    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    /// Returns once the server has taken responsibility for the mail.
    ///
    /// - Returns: why it does not take it for some of those who should get it; they are not told again.
    /// - Throws: `invalidRequest` when it refuses for good, `unavailable` and `failed` when it may be tried again.
    func send(from: String, to: [String], message: String) async throws(OrchError) -> [OrchError] {
        do {
            return try await withThrowingTaskGroup(of: [OrchError].self) { group in
                group.addTask { try await converse(from, to, message) }
                group.addTask {
                    try await Task.sleep(for: timeout.duration)
                    throw OrchError(.timedOut, "\(host):\(port) took longer than \(timeout)")
                }
                defer { group.cancelAll() }
                return try await group.next() ?? []
            }
        } catch let error as OrchError {
            throw error
        } catch {
            throw OrchError(.unavailable, "\(host):\(port) does not answer: \(error)", cause: error)
        }
    }

    private func converse(_ from: String, _ to: [String], _ message: String) async throws -> [OrchError] {
        let context = security == .none ? nil : try tlsContext()
        let connection: Connection = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if security == .tls, let context { try addTLS(context, to: channel) }
                    try channel.pipeline.syncOperations.addHandler(ByteCounter())
                    return try Connection(wrappingChannelSynchronously: channel)
                }
            }
        return try await connection.executeThenClose { inbound, outbound in
            var replies = SMTPReplies(bytes: inbound.makeAsyncIterator())
            func ask(_ line: String, _ expected: Int, secret: Bool = false) async throws -> SMTPReply {
                try await outbound.write(ByteBuffer(string: line + "\r\n"))
                return try await replies.next(expecting: expected, of: "\(host):\(port)", to: secret ? "AUTH" : line)
            }
            _ = try await replies.next(expecting: 220, of: "\(host):\(port)", to: "a connection")
            var greeting = try await ask("EHLO orch", 250)
            if security == .starttls, let context {
                guard greeting.has("STARTTLS") else {
                    throw OrchError(.failed, "\(host):\(port) offers no STARTTLS: set 'security' to tls or none")
                }
                _ = try await ask("STARTTLS", 220)
                let (channel, read) = (connection.channel, replies.read)
                try await channel.eventLoop.submit {
                    // What came behind the answer in plain text would count as said under TLS (CVE-2011-0411).
                    guard try channel.pipeline.syncOperations.handler(type: ByteCounter.self).count == read else {
                        throw OrchError(
                            .failed, "\(host):\(port) says more than the answer to STARTTLS: somebody may be between")
                    }
                    try addTLS(context, to: channel)
                }.get()
                greeting = try await ask("EHLO orch", 250)
            }
            if let credentials { try await signIn(credentials, greeting, ask) }
            _ = try await ask("MAIL FROM:<\(from)>", 250)
            var refusals: [OrchError] = []
            for address in to {
                do {
                    _ = try await ask("RCPT TO:<\(address)>", 250)
                } catch let error as OrchError {
                    // The others shall know all the same.
                    guard error.code == .invalidRequest else { throw error }
                    refusals.append(error)
                }
            }
            if refusals.count == to.count, let refusal = refusals.last { throw refusal }
            _ = try await ask("DATA", 354)
            // A line that is a dot ends it (RFC 5321, 4.5.2); none of ours begins with one but by chance.
            let stuffed = message.split(separator: "\r\n", omittingEmptySubsequences: false).map {
                $0.hasPrefix(".") ? "." + $0 : String($0)
            }.joined(separator: "\r\n")
            _ = try await ask(stuffed + ".", 250)
            // The mail is theirs; whether they say goodbye does not matter.
            try? await outbound.write(ByteBuffer(string: "QUIT\r\n"))
            return refusals
        }
    }

    private func signIn(
        _ credentials: (user: String, password: String), _ greeting: SMTPReply,
        _ ask: (String, Int, Bool) async throws -> SMTPReply
    ) async throws {
        func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        if greeting.has("AUTH", "PLAIN") {
            _ = try await ask("AUTH PLAIN " + base64("\0\(credentials.user)\0\(credentials.password)"), 235, true)
        } else if greeting.has("AUTH", "LOGIN") {
            _ = try await ask("AUTH LOGIN", 334, true)
            _ = try await ask(base64(credentials.user), 334, true)
            _ = try await ask(base64(credentials.password), 235, true)
        } else {
            throw OrchError(.failed, "\(host):\(port) offers neither AUTH PLAIN nor AUTH LOGIN")
        }
    }

    // MARK: TLS

    private func tlsContext() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if !caFile.isEmpty {
            configuration.additionalTrustRoots = [.certificates(try NIOSSLCertificate.fromPEMFile(caFile))]
        }
        return try NIOSSLContext(configuration: configuration)
    }

    private func addTLS(_ context: NIOSSLContext, to channel: any Channel) throws {
        // An address has no name that a certificate could be checked by before the handshake.
        let isAddress = (try? SocketAddress(ipAddress: host, port: port)) != nil
        let handler = try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
        try channel.pipeline.syncOperations.addHandler(handler, position: .first)
    }
}

/// What a server answers: a number, and lines.
struct SMTPReply: Sendable {
    var code: Int
    var lines: [String]

    /// Whether an extension is offered, perhaps with a word behind it (RFC 5321, 4.1.1.1).
    func has(_ name: String, _ word: String? = nil) -> Bool {
        lines.contains { line in
            let words = line.uppercased().split(whereSeparator: { $0 == " " || $0 == "=" })
            return words.first == name[...] && (word.map { words.dropFirst().contains($0[...]) } ?? true)
        }
    }
}

/// Reads replies of one or more lines, `250-first` to `250 last`.
private struct SMTPReplies {
    private static let longest = 65_536
    /// The server wants to know who it is before it takes anything (RFC 4954, 6).
    private static let needsPassword = 530

    var bytes: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private var buffer: [UInt8] = []
    private var received = 0

    /// Bytes of the replies so far.
    var read: Int { received - buffer.count }

    init(bytes: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator) { self.bytes = bytes }

    /// - Throws: with what the server says, when it says something else.
    mutating func next(expecting code: Int, of server: String, to request: String) async throws -> SMTPReply {
        var reply = SMTPReply(code: 0, lines: [])
        while true {
            let line = try await line(of: server)
            guard line.utf8.count >= 3, let found = Int(line.prefix(3)) else {
                throw OrchError(.failed, "\(server) does not speak SMTP: \(String(line.prefix(80)).quotedOneLine)")
            }
            reply.code = found
            reply.lines.append(String(line.dropFirst(4)))
            if line.dropFirst(3).first != "-" { break }
        }
        // 251 stands for a mail that goes on to another server (RFC 5321, 4.2.2).
        guard reply.code == code || code == 250 && reply.code == 251 else {
            let words = "\(server) answers \(reply.code) \(reply.lines.joined(separator: " ")) to \(request.prefix(60))"
            // 5yz is for good (RFC 5321, 4.2.1), but a password may be mended, and so may one that is missing.
            let isFinal =
                (500..<600).contains(reply.code) && reply.code != Self.needsPassword && !request.hasPrefix("AUTH")
            throw OrchError(isFinal ? .invalidRequest : .failed, words)
        }
        return reply
    }

    private mutating func line(of server: String) async throws -> String {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = buffer[..<end].filter { $0 != UInt8(ascii: "\r") }
                buffer.removeSubrange(...end)
                return String(decoding: line, as: UTF8.self)
            }
            guard buffer.count < Self.longest, let more = try await bytes.next(isolation: #isolation) else {
                throw OrchError(.unavailable, "\(server) ended the connection")
            }
            buffer += more.readableBytesView
            received += more.readableBytes
        }
    }
}

/// Counts what comes in, as it does behind TLS where there is some.
private final class ByteCounter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private(set) var count = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        count += unwrapInboundIn(data).readableBytes
        context.fireChannelRead(data)
    }
}
