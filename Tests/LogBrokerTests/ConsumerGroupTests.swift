import NIOCore
import TestSupport
import Testing

@testable import LogBroker

struct ConsumerGroupTests {
    private let start = ContinuousClock.now

    private func candidate(
        _ id: String, instance: String? = nil, protocols: [String] = ["range"], metadata: String = "m"
    ) -> ConsumerGroup.Candidate {
        ConsumerGroup.Candidate(
            memberID: id, instanceID: instance, clientID: "c", protocolType: "consumer",
            protocols: protocols.map { ($0, ByteBuffer(string: metadata)) }, sessionTimeout: .seconds(10),
            rebalanceTimeout: .seconds(60))
    }

    private func time(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    /// Lets a member in that was given its id.
    private func join(
        _ group: inout ConsumerGroup, _ candidate: ConsumerGroup.Candidate, at second: Int = 0
    ) throws {
        if group.members[candidate.memberID] == nil {
            try group.promise(candidate, id: candidate.memberID, now: time(second))
        }
        try group.join(candidate, now: time(second))
    }

    /// A group with an assignment.
    private func stable(_ ids: [String]) throws -> ConsumerGroup {
        var group = ConsumerGroup()
        for id in ids { try join(&group, candidate(id)) }
        // Those that were there before the last one join again.
        for id in ids.dropLast() { try join(&group, candidate(id)) }
        for id in ids { _ = try group.joined(id, now: time(0)) }
        let assignments = Dictionary(uniqueKeysWithValues: ids.map { ($0, ByteBuffer(string: "for \($0)")) })
        for id in ids {
            try group.sync(
                id, instanceID: nil, generation: group.generation, assignments: id == group.leader ? assignments : [:],
                now: time(0))
        }
        for id in ids { _ = try group.assignment(of: id, generation: group.generation, now: time(0)) }
        #expect(group.phase == .stable)
        return group
    }

    @Test func `a single member leads at once, and gets what it assigns itself`() throws {
        var group = ConsumerGroup()
        try join(&group, candidate("a"))
        let joined = try #require(try group.joined("a", now: time(0)))
        #expect(joined.generation == 1)
        #expect(joined.leader == "a")
        #expect(joined.members.map(\.memberID) == ["a"])
        #expect(try group.assignment(of: "a", generation: 1, now: time(0)) == nil)
        try group.sync(
            "a", instanceID: nil, generation: 1, assignments: ["a": ByteBuffer(string: "all")], now: time(0))
        #expect(try group.assignment(of: "a", generation: 1, now: time(0)) == ByteBuffer(string: "all"))
    }

    @Test func `a second member makes the first join again, which its heartbeat tells`() throws {
        var group = try stable(["a"])
        try join(&group, candidate("b"), at: 1)
        #expect(try group.joined("b", now: time(1)) == nil)
        #expect(throws: KafkaError.rebalanceInProgress) {
            try group.heartbeat("a", instanceID: nil, generation: group.generation, now: time(2))
        }
        try join(&group, candidate("a"), at: 3)
        let leader = try #require(try group.joined("a", now: time(3)))
        let follower = try #require(try group.joined("b", now: time(3)))
        #expect(leader.members.map(\.memberID) == ["a", "b"])
        #expect(follower.members.isEmpty)
        #expect(follower.leader == "a")
        #expect(leader.generation == follower.generation)
    }

    @Test func `who says nothing for its session is gone, and its part is given to others`() throws {
        var group = try stable(["a", "b"])
        try group.heartbeat("a", instanceID: nil, generation: group.generation, now: time(8))
        #expect(group.nextDeadline == time(10))
        #expect(throws: KafkaError.rebalanceInProgress) {
            try group.heartbeat("a", instanceID: nil, generation: group.generation, now: time(11))
        }
        #expect(group.members.keys.sorted() == ["a"])
        try join(&group, candidate("a"), at: 12)
        #expect(try group.joined("a", now: time(12))?.members.count == 1)
    }

    @Test func `who does not join again in time is left out`() throws {
        var group = try stable(["a", "b"])
        try join(&group, candidate("c"), at: 1)
        try join(&group, candidate("a"), at: 2)
        // b goes on with its heartbeats only.
        for second in stride(from: 3, to: 60, by: 5) {
            #expect(throws: KafkaError.rebalanceInProgress) {
                try group.heartbeat("b", instanceID: nil, generation: group.generation, now: time(second))
            }
        }
        #expect(try group.joined("a", now: time(60)) == nil)
        #expect(try group.joined("a", now: time(62))?.generation == group.generation)
        #expect(group.members.keys.sorted() == ["a", "c"])
        #expect(throws: KafkaError.unknownMember) {
            try group.heartbeat("b", instanceID: nil, generation: group.generation, now: time(63))
        }
    }

    @Test func `a leader that dies before it assigns does not hold up the others`() throws {
        var group = try stable(["a", "b"])
        try join(&group, candidate("a", metadata: "new"), at: 1)
        try join(&group, candidate("b"), at: 1)
        for id in ["a", "b"] { _ = try group.joined(id, now: time(1)) }
        let follower = group.leader == "a" ? "b" : "a"
        let generation = group.generation
        try group.sync(follower, instanceID: nil, generation: generation, assignments: [:], now: time(1))
        #expect(try group.assignment(of: follower, generation: generation, now: time(2)) == nil)
        #expect(throws: KafkaError.rebalanceInProgress) {
            try group.assignment(of: follower, generation: generation, now: time(12))
        }
        try join(&group, candidate(follower), at: 13)
        #expect(try group.joined(follower, now: time(13))?.leader == follower)
    }

    @Test func `who leaves is gone at once; the last one empties the group`() throws {
        var group = try stable(["a", "b"])
        try group.leave("a", instanceID: nil, now: time(1))
        #expect(group.phase == .preparing)
        try group.leave("b", instanceID: nil, now: time(1))
        #expect(group.phase == .empty)
        #expect(group.isDeserted)
        #expect(throws: KafkaError.unknownMember) { try group.leave("b", instanceID: nil, now: time(1)) }
    }

    @Test func `members must know a common protocol, and most of them decide which`() throws {
        var group = ConsumerGroup()
        try join(&group, candidate("a", protocols: ["range", "sticky"]))
        #expect(throws: KafkaError.inconsistentGroupProtocol) { try join(&group, candidate("b", protocols: ["other"])) }
        try join(&group, candidate("b", protocols: ["sticky", "range"]))
        try join(&group, candidate("c", protocols: ["sticky"]))
        try join(&group, candidate("a", protocols: ["range", "sticky"]))
        try join(&group, candidate("b", protocols: ["sticky", "range"]))
        #expect(try group.joined("c", now: time(0))?.protocolName == "sticky")
    }

    @Test func `an unknown or earlier generation is refused`() throws {
        var group = try stable(["a"])
        #expect(throws: KafkaError.illegalGeneration) {
            try group.checkCommit("a", instanceID: nil, generation: group.generation - 1, now: time(1))
        }
        #expect(throws: KafkaError.unknownMember) {
            try group.checkCommit("x", instanceID: nil, generation: group.generation, now: time(1))
        }
        #expect(throws: KafkaError.unknownMember) { try group.join(candidate("never promised"), now: time(1)) }
        try group.checkCommit("a", instanceID: nil, generation: group.generation, now: time(1))
    }

    @Test func `a static member that comes back keeps its part without a rebalance`() throws {
        var group = ConsumerGroup()
        try join(&group, candidate("a-1", instance: "a"))
        _ = try group.joined("a-1", now: time(0))
        try group.sync(
            "a-1", instanceID: "a", generation: 1, assignments: ["a-1": ByteBuffer(string: "all")], now: time(0))
        try join(&group, candidate("a-2", instance: "a"), at: 1)
        let joined = try #require(try group.joined("a-2", now: time(1)))
        #expect(joined.generation == 1)
        #expect(joined.leader == "a-2")
        #expect(try group.assignment(of: "a-2", generation: 1, now: time(1)) == ByteBuffer(string: "all"))
        #expect(throws: KafkaError.fencedInstance) {
            try group.heartbeat("a-1", instanceID: "a", generation: 1, now: time(2))
        }
    }

    @Test func `a member that comes late for its answer takes part in the next round`() throws {
        var group = try stable(["a"])
        try join(&group, candidate("b"), at: 1)
        try join(&group, candidate("a"), at: 1)
        #expect(group.phase == .completing)
        // Before b has come for its answer, c begins another round.
        try join(&group, candidate("c"), at: 1)
        #expect(try group.joined("b", now: time(1)) == nil)
        try join(&group, candidate("a"), at: 2)
        let generation = group.generation
        #expect(try group.joined("b", now: time(2))?.generation == generation)
        #expect(try group.joined("c", now: time(2))?.generation == generation)
        #expect(group.members.keys.sorted() == ["a", "b", "c"])
    }

    @Test func `a static member that nobody knows may come anew`() throws {
        var group = try stable(["a"])
        #expect(throws: KafkaError.unknownMember) {
            try group.join(candidate("old-id", instance: "s"), now: time(1))
        }
    }

    /// Whatever members do and whenever they die: the generation only grows, and a group with members that all keep asking
    /// ends in an assignment.
    @Test(arguments: 1...40 as ClosedRange<UInt64>) func `random lives of a group come to rest`(seed: UInt64) throws {
        var numbers = SeededNumbers(seed: seed)
        var group = ConsumerGroup()
        var last: Int32 = 0
        for second in 0..<300 {
            let id = "m\(Int.random(in: 0..<5, using: &numbers))"
            switch Int.random(in: 0..<6, using: &numbers) {
            case 0, 1: try? join(&group, candidate(id, metadata: "\(second % 7)"), at: second)
            case 2: try? group.leave(id, instanceID: nil, now: time(second))
            case 3: _ = try? group.joined(id, now: time(second))
            case 4:
                let generation = group.generation
                try? group.sync(id, instanceID: nil, generation: generation, assignments: [:], now: time(second))
            default: try? group.heartbeat(id, instanceID: nil, generation: group.generation, now: time(second))
            }
            #expect(group.generation >= last)
            last = group.generation
            #expect(group.members.isEmpty == (group.phase == .empty))
        }
        // From now on two members do as they should.
        for second in stride(from: 400, to: 700, by: 3) {
            for id in ["x", "y"] {
                let needsJoin = group.members[id] == nil || group.phase == .preparing
                if needsJoin, group.members[id]?.awaitsJoin != true { try join(&group, candidate(id), at: second) }
                if try group.joined(id, now: time(second)) != nil, group.phase == .completing {
                    try group.sync(
                        id, instanceID: nil, generation: group.generation, assignments: [:], now: time(second))
                }
                if group.phase == .stable {
                    try group.heartbeat(id, instanceID: nil, generation: group.generation, now: time(second))
                }
            }
        }
        #expect(group.phase == .stable)
        #expect(group.members.keys.sorted() == ["x", "y"])
    }
}
