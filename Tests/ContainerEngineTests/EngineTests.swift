import NIOCore
import OrchModel
import OrchSystem
import TestSupport
import Testing

@testable import ContainerEngine

struct EngineFinderTests {
    private let folder = TemporaryFolder()

    private func sockets(_ kinds: [EngineKind], _ environment: [String: String]) throws -> [String] {
        try EngineFinder(environment: environment).addresses(of: kinds).map(\.socket)
    }

    @Test func `variables come before contexts, and contexts before the usual places`() throws {
        #expect(try sockets([.docker], ["DOCKER_HOST": "unix:///x/y.sock", "DOCKER_CONTEXT": "z"]) == ["/x/y.sock"])
        #expect(
            try sockets([.docker, .podman], ["HOME": folder.path, "XDG_RUNTIME_DIR": "/run/user/1"]) == [
                "/var/run/docker.sock", "/run/user/1/docker.sock", "\(folder.path)/.docker/run/docker.sock",
                "/run/user/1/podman/podman.sock", "/run/podman/podman.sock",
            ])
        try Files.makeFolder("\(folder.path)/contexts/meta/abc")
        try Files.replace("\(folder.path)/config.json", with: #"{"currentContext":"far"}"#)
        try Files.replace(
            "\(folder.path)/contexts/meta/abc/meta.json",
            with: #"{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///far.sock"}}}"#)
        #expect(try sockets([.docker], ["DOCKER_CONFIG": folder.path]) == ["/far.sock"])
        #expect(throws: OrchError.self) {
            try sockets([.docker], ["DOCKER_CONFIG": folder.path, "DOCKER_CONTEXT": "none"])
        }
    }

    @Test(arguments: ["tcp://1.2.3.4:2375", "ssh://host", "unix://", "/var/run/docker.sock"])
    func `an engine of another machine is refused`(host: String) {
        #expect(throws: OrchError.self) { try sockets([.docker], ["DOCKER_HOST": host]) }
    }
}

struct ImageReferenceTests {
    @Test(arguments: [
        ("nginx", "nginx", "latest"), ("nginx:1.27", "nginx", "1.27"),
        ("localhost:5000/a/b", "localhost:5000/a/b", "latest"), ("localhost:5000/a/b:2", "localhost:5000/a/b", "2"),
        ("a@sha256:abc", "a", "sha256:abc"), ("host:1/a@sha256:abc", "host:1/a", "sha256:abc"),
    ])
    func `names are taken apart`(name: String, repository: String, tag: String) {
        let reference = ImageReference(name)
        #expect(reference.repository == repository)
        #expect(reference.tag == tag)
    }
}

struct OutputDecoderTests {
    private func frame(_ stream: UInt8, _ text: String) -> ByteBuffer {
        var buffer = ByteBuffer(bytes: [stream, 0, 0, 0])
        buffer.writeInteger(UInt32(text.utf8.count))
        buffer.writeString(text)
        return buffer
    }

    private static let time = "2026-01-02T03:04:05.123456789Z"

    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func `entries are the same however the stream is cut`(seed: UInt64) throws {
        var stream = frame(1, "\(Self.time) one\n")
        stream.writeImmutableBuffer(frame(2, "\(Self.time) two parts, "))
        stream.writeImmutableBuffer(frame(2, "\(Self.time) of one line\n"))
        stream.writeImmutableBuffer(frame(1, "\(Self.time) \n"))
        var numbers = SeededNumbers(seed: seed)
        var decoder = OutputDecoder()
        var found: [OutputEntry] = []
        while stream.readableBytes > 0 {
            let count = Int.random(in: 1...min(stream.readableBytes, 20), using: &numbers)
            let slice = stream.readSlice(length: count)
            decoder.add(try #require(slice))
            while let frame = try decoder.next() { found.append(try #require(OutputEntry(frame))) }
        }
        #expect(found.map { String(decoding: $0.text, as: UTF8.self) } == ["one", "two parts, ", "of one line", ""])
        #expect(found.map(\.stream) == [.output, .error, .error, .output])
        #expect(found.map(\.isPartial) == [false, true, false, false])
        #expect(found.allSatisfy { $0.at.description == Self.time })
    }

    @Test func `what is no such stream is refused`() {
        var decoder = OutputDecoder()
        decoder.add(ByteBuffer(string: "plain text of a terminal"))
        #expect(throws: OrchError.self) { try decoder.next() }
    }
}

struct ContainerPlanTests {
    @Test func `a plan says what is meant and nothing is left to defaults`() throws {
        var plan = ContainerPlan(image: "shop:1")
        plan.command = ["serve"]
        plan.publications = [.init(containerPort: 80, address: "127.0.0.1", port: 20_001)]
        plan.memory = 64 << 20
        plan.network = "orch-default"
        plan.aliases = ["shop"]
        plan.capabilities = ["NET_BIND_SERVICE"]
        let json = plan.json
        #expect(json["Entrypoint"] == ["serve"])
        #expect(json["Cmd"] == nil)
        #expect(json["Healthcheck"] == ["Test": ["NONE"]])
        let host = try #require(json["HostConfig"])
        #expect(host["PortBindings"] == ["80/tcp": [["HostIp": "127.0.0.1", "HostPort": "20001"]]])
        #expect(host["CapDrop"] == ["ALL"])
        #expect(host["CapAdd"] == ["NET_BIND_SERVICE"])
        #expect(host["RestartPolicy"] == ["Name": "no"])
        #expect(host["MemorySwap"] == host["Memory"])
        #expect(host["SecurityOpt"] == ["no-new-privileges"])
    }
}
