import NIOCore

/// The members of one consumer group, and how they agree on who reads what: Kafka's classic group protocol
/// (cwiki.apache.org, "Kafka Client-side Assignment Proposal"; KIP-345 for members with an instance id, KIP-394).
///
/// Decides only: where an answer is not there yet it is `nil`, and asked for again after a change. Nothing in it is kept
/// over a restart, after which members are unknown and join again.
struct ConsumerGroup {
    typealias Instant = ContinuousClock.Instant

    enum Phase: String {
        case empty = "Empty"
        /// Members are awaited, until the deadline.
        case preparing = "PreparingRebalance"
        /// The leader's assignment is awaited.
        case completing = "CompletingRebalance"
        case stable = "Stable"
    }

    struct Candidate {
        var memberID: String
        var instanceID: String?
        var clientID: String
        var protocolType: String
        /// In the order of the member's liking, each with what the leader needs to know.
        var protocols: [(name: String, metadata: ByteBuffer)]
        var sessionTimeout: Duration
        var rebalanceTimeout: Duration
    }

    struct Member {
        var candidate: Candidate
        var assignment = ByteBuffer()
        /// Without a word from it by then it is taken for dead.
        var deadline: Instant
        var awaitsJoin = false
        var awaitsSync = false

        func metadata(_ protocolName: String) -> ByteBuffer {
            candidate.protocols.first { $0.name == protocolName }?.metadata ?? ByteBuffer()
        }
    }

    struct Joined: Equatable {
        var generation: Int32
        var protocolName: String
        var leader: String
        var memberID: String
        /// All members with their metadata; for the leader only.
        var members: [Entry]

        struct Entry: Equatable {
            var memberID: String
            var instanceID: String?
            var metadata: ByteBuffer
        }
    }

    static let mostMembers = 1000

    private(set) var phase = Phase.empty
    private(set) var generation: Int32 = 0
    private(set) var protocolType = ""
    private(set) var protocolName = ""
    private(set) var leader = ""
    private(set) var members: [String: Member] = [:]
    private var joinDeadline: Instant?
    /// Ids that were handed out and whose owners have yet to come back with them, with the time until which they may.
    private var promised: [String: Instant] = [:]

    // MARK: Joining

    /// An id for somebody who is to come back with it; it proves that the client hears our answers.
    mutating func promise(_ candidate: Candidate, id: String, now: Instant) throws(KafkaError) {
        guard members.count + promised.count < Self.mostMembers else { throw .groupMaxSizeReached }
        promised[id] = now + candidate.sessionTimeout
    }

    /// Takes a member in. Its answer comes from ``joined(_:)``, which may have to wait for the others.
    mutating func join(_ candidate: Candidate, now: Instant) throws(KafkaError) {
        let id = candidate.memberID
        expire(now: now)
        if !members.isEmpty || phase != .empty {
            guard candidate.protocolType == protocolType, !commonProtocols(with: candidate).isEmpty else {
                throw .inconsistentGroupProtocol
            }
        }
        guard !candidate.protocolType.isEmpty, !candidate.protocols.isEmpty else { throw .inconsistentGroupProtocol }
        protocolType = candidate.protocolType

        var isNews = true
        if let known = members[id] {
            isNews = !Self.agree(known.candidate, candidate) || (id == leader && phase == .stable)
        } else {
            guard members.count < Self.mostMembers else { throw .groupMaxSizeReached }
            isNews = try !admit(candidate)
        }
        var member = members[id] ?? Member(candidate: candidate, deadline: now)
        member.candidate = candidate
        member.deadline = now + candidate.sessionTimeout
        member.awaitsJoin = true
        member.awaitsSync = false
        members[id] = member
        if phase != .preparing, isNews || phase == .empty { prepare(now: now) }
        completeIfAllJoined(now: now)
    }

    /// Lets a member in that is not there yet.
    ///
    /// - Returns: whether it takes the place of its earlier self, so that nothing changes for the others.
    private mutating func admit(_ candidate: Candidate) throws(KafkaError) -> Bool {
        guard promised.removeValue(forKey: candidate.memberID) != nil else {
            let isTaken = members.values.contains { other in
                other.candidate.instanceID != nil && other.candidate.instanceID == candidate.instanceID
            }
            throw isTaken ? .fencedInstance : .unknownMember
        }
        guard let instanceID = candidate.instanceID,
            let earlier = members.first(where: { $0.value.candidate.instanceID == instanceID })?.key,
            var member = members.removeValue(forKey: earlier)
        else { return false }
        let staysSame = phase == .stable && Self.agree(member.candidate, candidate)
        member.candidate = candidate
        members[candidate.memberID] = member
        if leader == earlier { leader = candidate.memberID }
        return staysSame
    }

    private static func agree(_ left: Candidate, _ right: Candidate) -> Bool {
        left.protocols.map(\.name) == right.protocols.map(\.name)
            && left.protocols.map(\.metadata) == right.protocols.map(\.metadata)
    }

    private func commonProtocols(with candidate: Candidate) -> Set<String> {
        members.values.filter { $0.candidate.memberID != candidate.memberID }.reduce(
            Set(candidate.protocols.map(\.name))
        ) { $0.intersection($1.candidate.protocols.map(\.name)) }
    }

    private mutating func prepare(now: Instant) {
        phase = .preparing
        joinDeadline = now + (members.values.map(\.candidate.rebalanceTimeout).max() ?? .zero)
        for (id, member) in members where member.awaitsSync {
            // It could not say anything while it waited.
            members[id]?.awaitsSync = false
            touch(id, now: now)
        }
    }

    private mutating func completeIfAllJoined(now: Instant) {
        guard phase == .preparing, members.values.allSatisfy(\.awaitsJoin) else { return }
        joinDeadline = nil
        guard !members.isEmpty else {
            phase = .empty
            (leader, protocolName) = ("", "")
            return
        }
        generation = generation == .max ? 1 : generation + 1
        protocolName = electProtocol()
        if members[leader] == nil { leader = members.keys.min() ?? "" }
        phase = .completing
        for id in members.keys {
            members[id]?.assignment = ByteBuffer()
            // Whoever does not come for its answer is silent from now on.
            members[id]?.awaitsJoin = false
            touch(id, now: now)
        }
    }

    /// The one that most members like best among those that all of them know.
    private func electProtocol() -> String {
        let sets = members.values.map { Set($0.candidate.protocols.map(\.name)) }
        let common = sets.dropFirst().reduce(sets.first ?? []) { $0.intersection($1) }
        var votes: [String: Int] = [:]
        for member in members.values {
            if let favourite = member.candidate.protocols.first(where: { common.contains($0.name) }) {
                votes[favourite.name, default: 0] += 1
            }
        }
        return votes.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? ""
    }

    /// The answer to a member that joins, or `nil` while the others are awaited.
    mutating func joined(_ id: String, now: Instant) throws(KafkaError) -> Joined? {
        expire(now: now)
        guard members[id] != nil else { throw .unknownMember }
        if phase == .preparing {
            // Others have joined before it came for its answer: it waits still, so it takes part in this round.
            members[id]?.awaitsJoin = true
            completeIfAllJoined(now: now)
        }
        guard phase == .completing || phase == .stable else { return nil }
        members[id]?.awaitsJoin = false
        touch(id, now: now)
        let all = members.values.sorted { $0.candidate.memberID < $1.candidate.memberID }.map {
            Joined.Entry(
                memberID: $0.candidate.memberID, instanceID: $0.candidate.instanceID,
                metadata: $0.metadata(protocolName))
        }
        return Joined(
            generation: generation, protocolName: protocolName, leader: leader, memberID: id,
            members: id == leader ? all : [])
    }

    // MARK: Assignment

    /// Takes the leader's assignment in; the answer comes from ``assignment(of:generation:now:)``.
    mutating func sync(
        _ id: String, instanceID: String?, generation: Int32, assignments: [String: ByteBuffer], now: Instant
    ) throws(KafkaError) {
        expire(now: now)
        try check(id, instanceID: instanceID, generation: generation)
        touch(id, now: now)
        switch phase {
        case .empty: throw .unknownMember
        case .preparing: throw .rebalanceInProgress
        case .stable: break
        case .completing:
            members[id]?.awaitsSync = true
            guard id == leader else { break }
            phase = .stable
            for member in members.keys {
                members[member]?.assignment = assignments[member] ?? ByteBuffer()
                if members[member]?.awaitsSync == true { touch(member, now: now) }
                members[member]?.awaitsSync = false
            }
        }
    }

    /// What a member is to read, or `nil` while the leader is awaited.
    mutating func assignment(of id: String, generation: Int32, now: Instant) throws(KafkaError) -> ByteBuffer? {
        expire(now: now)
        guard let member = members[id] else { throw .unknownMember }
        guard generation == self.generation, phase != .preparing else { throw .rebalanceInProgress }
        guard phase == .stable else { return nil }
        touch(id, now: now)
        return member.assignment
    }

    // MARK: Life

    mutating func heartbeat(_ id: String, instanceID: String?, generation: Int32, now: Instant) throws(KafkaError) {
        expire(now: now)
        try check(id, instanceID: instanceID, generation: generation)
        touch(id, now: now)
        if phase == .preparing { throw .rebalanceInProgress }
    }

    /// - Parameter instanceID: stands for the member where the id is empty.
    mutating func leave(_ id: String, instanceID: String?, now: Instant) throws(KafkaError) {
        expire(now: now)
        var leaving = id
        if let instanceID, id.isEmpty {
            guard let found = members.first(where: { $0.value.candidate.instanceID == instanceID })?.key else {
                throw .unknownMember
            }
            leaving = found
        }
        if promised.removeValue(forKey: leaving) != nil { return }
        guard members[leaving] != nil else { throw .unknownMember }
        remove([leaving], now: now)
    }

    /// Whether a member may commit offsets now.
    mutating func checkCommit(_ id: String, instanceID: String?, generation: Int32, now: Instant) throws(KafkaError) {
        expire(now: now)
        // Who reads without a group's help commits without one.
        if generation < 0, members.isEmpty { return }
        try check(id, instanceID: instanceID, generation: generation)
        touch(id, now: now)
        if phase == .completing { throw .rebalanceInProgress }
    }

    private func check(_ id: String, instanceID: String?, generation: Int32) throws(KafkaError) {
        if let instanceID,
            let holder = members.first(where: { $0.value.candidate.instanceID == instanceID })?.key, holder != id
        {
            throw .fencedInstance
        }
        guard members[id] != nil else { throw .unknownMember }
        guard generation == self.generation else { throw .illegalGeneration }
    }

    private mutating func touch(_ id: String, now: Instant) {
        guard let timeout = members[id]?.candidate.sessionTimeout else { return }
        members[id]?.deadline = now + timeout
    }

    private mutating func remove(_ ids: [String], now: Instant) {
        for id in ids { members[id] = nil }
        if members.isEmpty {
            phase = .preparing
        } else if phase == .stable || phase == .completing {
            prepare(now: now)
        }
        completeIfAllJoined(now: now)
    }

    /// Nobody is in it or has been let in.
    var isDeserted: Bool { members.isEmpty && promised.isEmpty }

    /// The next time at which something happens by itself.
    var nextDeadline: Instant? {
        let silent = members.values.filter { !$0.awaitsJoin && !$0.awaitsSync }.map(\.deadline)
        return (silent + [joinDeadline].compactMap(\.self)).min()
    }

    /// Removes the members that were silent for too long, and ends the waiting for those that do not join.
    mutating func expire(now: Instant) {
        promised = promised.filter { $0.value > now }
        let dead = members.filter { !$0.value.awaitsJoin && !$0.value.awaitsSync && $0.value.deadline <= now }
        if !dead.isEmpty { remove(Array(dead.keys), now: now) }
        if phase == .preparing, let joinDeadline, joinDeadline <= now {
            remove(members.filter { !$0.value.awaitsJoin }.map(\.key), now: now)
            completeIfAllJoined(now: now)
        }
    }
}
