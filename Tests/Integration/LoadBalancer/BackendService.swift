import OrchModel
import OrchSystem
import Testing

/// A service that answers in every way a test needs (`Programs/backend.py`).
enum BackendService {
    static let program = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Programs"

    /// A module file.
    ///
    /// - Parameters:
    ///   - env: what its manners are.
    ///   - more: further lines of the file.
    static func module(
        _ agent: TestAgent, _ name: String = "shop", version: String = "1", replicas: Int = 1, env: String = "",
        endpoint: String = "", update: String = "monitor: 200ms", more: String = ""
    ) throws -> String {
        try agent.module(
            name,
            """
            version: "\(version)"
            command: [python3, \(program)/backend.py]
            replicas: \(replicas)
            env: {\(env)}
            ports: [{name: http}]
            endpoint: {\(endpoint)}
            health: {type: http, path: /health, interval: 200ms, start_period: 1s}
            stop: {grace: 3s}
            update: {\(update)}
            \(more)
            """)
    }
}

extension TestAgent {
    func service(_ name: String) async throws -> ServiceView {
        let all: [ServiceView] = try await orch("services", "-o", "json").json()
        return try #require(all.first { $0.name.rawValue == name })
    }

    /// The service's own address.
    func address(_ name: String) async throws -> String { try #require(try await service(name).addresses.first) }

    func port(_ name: String) async throws -> Int {
        try #require(try await address(name).split(separator: ":").last.flatMap { Int($0.split(separator: "/")[0]) })
    }

    func curl(_ words: String...) async throws -> Outcome { try await run(["curl", "-sS", "-m", "10"] + words) }

    /// Sends bytes as they are and gives what comes back until the other side closes, or for five seconds.
    func raw(_ port: Int, _ text: String) async throws -> String {
        try await run(
            [
                "python3", "-c",
                """
                import socket, sys
                s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
                s.settimeout(5)
                s.sendall(sys.argv[2].encode("latin-1").decode("unicode_escape").encode("latin-1"))
                answer = b""
                try:
                    while block := s.recv(65536): answer += block
                except TimeoutError:
                    answer += b"(still open)"
                sys.stdout.buffer.write(answer)
                """, String(port), text,
            ]
        ).output
    }

    /// A certificate and its key, made by openssl.
    ///
    /// - Parameter days: how long it is good; negative for one whose time is over.
    func certificate(_ name: String, days: Int = 30) async throws -> (certificate: String, key: String) {
        let (certificate, key) = ("\(folder)/\(name).crt", "\(folder)/\(name).key")
        let made = try await run([
            "sh", "-c",
            """
            openssl req -x509 -newkey rsa:2048 -nodes -keyout \(key).new -subj /CN=\(name) -days \(max(1, days)) -out \(certificate).new
            if test \(days) -lt 0; then
                openssl req -new -key \(key).new -subj /CN=\(name) -out request.csr
                mkdir -p ca && : > ca/index.txt && echo 01 > ca/serial
                printf '[ca]\\ndefault_ca=c\\n[c]\\ndatabase=ca/index.txt\\nserial=ca/serial\\nnew_certs_dir=ca\\npolicy=p\\ndefault_md=sha256\\n[p]\\ncommonName=supplied\\n' > ca.conf
                openssl ca -batch -config ca.conf -selfsign -keyfile \(key).new -in request.csr -out \(certificate).new -startdate 20200101000000Z -enddate 20210101000000Z -notext
            fi
            mv \(key).new \(key) && mv \(certificate).new \(certificate)
            """,
        ])
        try #require(made.status == 0, "\(made)")
        return (certificate, key)
    }
}
