import OrchModel
import OrchSystem
import Testing

extension Integration {
    @Suite(.serialized) struct Broker {
        private func broker(_ agent: TestAgent) async throws -> String {
            try await agent.orch("status", "-o", "json").json(AgentStatus.self).broker
        }

        @Test(.timeLimit(.minutes(2)), arguments: ["none", "gzip", "snappy", "lz4", "zstd"])
        func `kcat writes and reads back the same, with every compression`(codec: String) async throws {
            try await TestAgent.withAgent { agent in
                let address = try await broker(agent)
                let input = (1...20_000).map { "record \($0)\n" }.joined()
                try Files.replace("\(agent.folder)/input", with: input)
                let write = try await agent.run([
                    "kcat", "-b", address, "-P", "-t", "t", "-z", codec, "-l", "\(agent.folder)/input",
                ])
                #expect(write.status == 0, "\(write)")
                let read = try await agent.run(["kcat", "-b", address, "-C", "-t", "t", "-o", "beginning", "-e", "-q"])
                #expect(read.output == input)
                #expect(
                    try await agent.run(["kcat", "-b", address, "-C", "-t", "t", "-o", "-3", "-e", "-q"]).output
                        == "record 19998\nrecord 19999\nrecord 20000\n")
                #expect(
                    try await agent.run(["kcat", "-b", address, "-L"]).output.contains("topic \"t\" with 1 partitions"))
            }
        }

        @Test(.timeLimit(.minutes(2))) func `more clients than there may be are refused, and the others served`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let address = try await broker(agent)
                let script = """
                    import socket, sys
                    host, port = sys.argv[1].split(":")
                    held = [socket.create_connection((host, int(port))) for _ in range(520)]
                    held[-1].settimeout(20)
                    assert held[-1].recv(1) == b"", "it is not refused"
                    """
                let crowd = try await agent.run(["python3", "-c", script, address])
                #expect(crowd.status == 0, "\(crowd)")
                try await agent.eventually("it serves again") {
                    try await agent.run(["kcat", "-b", address, "-L"]).status == 0
                }
            }
        }

        @Test(.timeLimit(.minutes(2))) func `python3-kafka creates, writes, reads and seeks`() async throws {
            try await TestAgent.withAgent { agent in
                let script = """
                    import sys
                    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
                    from kafka.admin import NewTopic
                    from kafka.errors import TopicAlreadyExistsError
                    at = sys.argv[1]
                    admin = KafkaAdminClient(bootstrap_servers=at)
                    admin.create_topics([NewTopic("p", 3, 1)])
                    try:
                        admin.create_topics([NewTopic("p", 3, 1)])
                        sys.exit("created twice")
                    except TopicAlreadyExistsError:
                        pass
                    for acks in (0, 1, "all"):
                        producer = KafkaProducer(bootstrap_servers=at, acks=acks, compression_type="gzip")
                        for i in range(1000):
                            producer.send("p", key=b"k%d" % i, value=b"v%d" % i, headers=[("h", b"x")], timestamp_ms=1000 + i)
                        producer.flush()
                        producer.close()
                    consumer = KafkaConsumer(bootstrap_servers=at, group_id=None, consumer_timeout_ms=5000)
                    parts = [TopicPartition("p", n) for n in sorted(consumer.partitions_for_topic("p"))]
                    assert len(parts) == 3, parts
                    assert sum(consumer.end_offsets(parts).values()) == 3000
                    assert sum(consumer.beginning_offsets(parts).values()) == 0
                    consumer.assign(parts)
                    consumer.seek_to_beginning(*parts)
                    seen = 0
                    for record in consumer:
                        assert record.value[1:] == record.key[1:] and record.headers == [("h", b"x")]
                        seen += 1
                        if seen == 3000: break
                    assert seen == 3000, seen
                    found = consumer.offsets_for_times({parts[0]: 1500})[parts[0]]
                    assert found is not None and found.offset >= 0
                    print("fine")
                    """
                try Files.replace("\(agent.folder)/client.py", with: script)
                let outcome = try await agent.run([
                    "/usr/bin/python3", "\(agent.folder)/client.py", try await broker(agent),
                ])
                #expect(outcome.output.contains("fine"), "\(outcome)")
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `acknowledged records survive kills of the agent, and a torn end is cut off`() async throws {
            try await TestAgent.withAgent { agent in
                let address = try await broker(agent)
                for round in 0..<5 {
                    let lines = (0..<2000).map { "\(round * 2000 + $0)\n" }.joined()
                    try Files.replace("\(agent.folder)/input", with: lines)
                    #expect(
                        try await agent.run([
                            "kcat", "-b", address, "-P", "-t", "kept", "-X", "acks=all", "-l", "\(agent.folder)/input",
                        ]).status == 0)
                    try await agent.killAgent()
                    let segments = Files.list("\(agent.data)/broker/kept/0")
                    try Descriptor(opening: "\(agent.data)/broker/kept/0/\(try #require(segments.last))", .append)
                        .write([1, 2, 3, 4, 5])
                    try await agent.bootstrap()
                    #expect(try await broker(agent) == address)
                }
                let read = try await agent.run([
                    "kcat", "-b", address, "-C", "-t", "kept", "-o", "beginning", "-e", "-q",
                ])
                #expect(read.lines == (0..<10_000).map { String($0) })
            }
        }

        @Test(.timeLimit(.minutes(2))) func `garbage closes its own connection and no other`() async throws {
            try await TestAgent.withAgent { agent in
                let address = try await broker(agent)
                let script = """
                    import os, socket, sys
                    host, port = sys.argv[1].split(":")
                    for data in (os.urandom(500), b"\\x7f\\xff\\xff\\xff" + b"x" * 100, b"GET / HTTP/1.1\\r\\n\\r\\n", b"\\x00\\x00\\x00\\x02\\x00\\x03"):
                        with socket.create_connection((host, int(port)), timeout=20) as s:
                            s.sendall(data)
                            s.shutdown(socket.SHUT_WR)
                            while s.recv(4096): pass
                    print("closed")
                    """
                try Files.replace("\(agent.folder)/garbage.py", with: script)
                let outcome = try await agent.run(["python3", "\(agent.folder)/garbage.py", address])
                #expect(outcome.output.contains("closed"), "\(outcome)")
                #expect(try await agent.run(["kcat", "-b", address, "-L"]).status == 0)
            }
        }

        private static let programs =
            #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Programs"

        @Test(.timeLimit(.minutes(3)), arguments: [("/usr/bin/python3", "kafka-python"), ("python3", "confluent")])
        func `the members of a group share a topic, and go on where they were`(python: String, client: String)
            async throws
        {
            try await TestAgent.withAgent { agent in
                let address = try await broker(agent)
                let outcome = try await agent.run(
                    [python, "\(Self.programs)/groups.py", client, address], timeout: .seconds(120))
                #expect(outcome.output == "fine\n", "\(outcome)")
            }
        }

        @Test(.timeLimit(.minutes(2))) func `kcat reads in a group, and over a kill of the broker goes on behind it`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let address = try await broker(agent)
                func write(_ numbers: ClosedRange<Int>) async throws {
                    try Files.replace("\(agent.folder)/input", with: numbers.map { "record \($0)\n" }.joined())
                    let outcome = try await agent.run(
                        ["kcat", "-b", address, "-P", "-t", "t", "-l", "\(agent.folder)/input"])
                    #expect(outcome.status == 0, "\(outcome)")
                }
                func read() async throws -> [String] {
                    let outcome = try await agent.run([
                        "kcat", "-b", address, "-G", "g", "-X", "auto.offset.reset=earliest", "-e", "-q", "t",
                    ])
                    return outcome.lines
                }
                try await write(1...100)
                #expect(try await read() == (1...100).map { "record \($0)" })
                try await agent.killAgent()
                try await agent.bootstrap()
                try await write(101...110)
                #expect(try await read() == (101...110).map { "record \($0)" })
            }
        }

        @Test(.timeLimit(.minutes(2))) func `garbage and unknown requests close their own connection only`()
            async throws
        {
            try await TestAgent.withAgent { agent in
                let address = try await broker(agent)
                let script = """
                    import os, socket, struct, sys
                    host, port = sys.argv[1].split(":")
                    steady = socket.create_connection((host, int(port)), 10)
                    def ask(connection, data):
                        connection.sendall(struct.pack(">i", len(data)) + data)
                    for round in range(200):
                        with socket.create_connection((host, int(port)), 10) as other:
                            other.sendall(os.urandom(1 + round * 7))
                    with socket.create_connection((host, int(port)), 10) as other:
                        other.settimeout(10)
                        other.sendall(struct.pack(">i", 0x7fffffff))
                        assert other.recv(1) == b"", "a frame of 2 GB"
                    ask(steady, struct.pack(">hhih", 9999, 0, 7, -1))
                    answer = steady.recv(100)
                    assert answer[4:] == struct.pack(">ih", 7, 35), answer
                    ask(steady, struct.pack(">hhih", 18, 0, 8, -1))
                    assert steady.recv(4096)[4:8] == struct.pack(">i", 8)
                    print("fine")
                    """
                let outcome = try await agent.run(["python3", "-c", script, address])
                #expect(outcome.output == "fine\n", "\(outcome)")
                #expect(try await agent.orch("logs", "--topic", "Events").status == 0)
            }
        }
    }
}
