import Glibc
import NIOCore
import OrchSystem
import Synchronization
import TestSupport

@testable import LogBroker

/// A disk in memory that forgets as a machine without power does: of what was not synced any part may be there afterwards,
/// in any order, and of the names that were not synced any.
final class SimulatedDisk: Disk {
    /// What happens at the operation with a given number.
    enum Fault: Equatable {
        case none
        /// This one fails, as where there is no room; half of a write is done.
        case failure(at: Int)
        /// The power goes: this one and all after it fail.
        case powerLoss(at: Int)
    }

    fileprivate struct Content {
        var current: [UInt8] = []
        /// What is on the medium.
        var durable: [UInt8] = []
        /// Writes since, each of which may have reached it by itself.
        var pending: [(position: Int, bytes: [UInt8])] = []
    }

    fileprivate struct State {
        var files: [Int: Content] = [:]
        var nextFile = 0
        /// `nil` stands for a folder.
        var names: [String: Int?] = [:]
        var durableNames: [String: Int?] = [:]
        var operations = 0
        var fault = Fault.none
    }

    fileprivate let state = Mutex(State())

    init(fault: Fault = .none) { state.withLock { $0.fault = fault } }

    /// The operation that comes so many after those that were done fails.
    func fail(after count: Int) { state.withLock { $0.fault = .failure(at: $0.operations + count) } }

    var operations: Int { state.withLock(\.operations) }

    /// The power goes and comes back: what is left is decided by the seed.
    func losePower(seed: UInt64) {
        state.withLock { state in
            var numbers = SeededNumbers(seed: seed)
            state.fault = .none
            for (id, content) in state.files {
                var left = content.durable
                for write in content.pending.shuffled(using: &numbers) where Bool.random(using: &numbers) {
                    // A part of a write, to the sector.
                    let whole = Int.random(in: 0...2, using: &numbers) > 0
                    let count = whole ? write.bytes.count : Int.random(in: 0...write.bytes.count, using: &numbers)
                    Self.write(Array(write.bytes.prefix(count)), at: write.position, to: &left)
                }
                state.files[id] = Content(current: left, durable: left)
            }
            for (path, file) in state.names where state.durableNames[path] == nil && Bool.random(using: &numbers) {
                state.durableNames[path] = .some(file)
            }
            // Below a folder whose name is lost nothing is found.
            let all = state.durableNames
            state.names = all.filter { path, _ in
                var folder = Files.parent(of: path)
                while folder != "/", folder != "." {
                    if all[folder] == nil { return false }
                    folder = Files.parent(of: folder)
                }
                return true
            }
            state.durableNames = state.names
        }
    }

    fileprivate static func write(_ bytes: [UInt8], at position: Int, to content: inout [UInt8]) {
        if content.count < position + bytes.count {
            content += [UInt8](repeating: 0, count: position + bytes.count - content.count)
        }
        content.replaceSubrange(position..<position + bytes.count, with: bytes)
    }

    /// Counts an operation, and fails where it must.
    fileprivate static func step(_ state: inout State, _ what: String) throws(SystemError) {
        state.operations += 1
        let isHit =
            switch state.fault {
            case .none: false
            case .failure(let number): state.operations == number
            case .powerLoss(let number): state.operations >= number
            }
        guard isHit else { return }
        errno = ENOSPC
        throw SystemError(what)
    }

    // MARK: Disk

    func makeFolder(_ path: String) throws(SystemError) {
        try state.withLock { (state) throws(SystemError) in
            try Self.step(&state, "mkdir")
            var folder = path
            while folder != "/", folder != ".", state.names[folder] == nil {
                state.names[folder] = .some(nil)
                folder = Files.parent(of: folder)
            }
        }
    }

    func list(_ folder: String) throws(SystemError) -> [String] {
        state.withLock { state in
            state.names.keys.filter { Files.parent(of: $0) == folder }.map { String($0.dropFirst(folder.count + 1)) }
                .sorted()
        }
    }

    func isFolder(_ path: String) -> Bool {
        state.withLock { state in if case .some(nil) = state.names[path] { true } else { false } }
    }

    func open(_ path: String) throws(SystemError) -> any DiskFile {
        let id = try state.withLock { (state) throws(SystemError) -> Int in
            try Self.step(&state, "open")
            if case .some(let file?) = state.names[path] { return file }
            return Self.makeFile(path, Content(), &state)
        }
        return SimulatedFile(disk: self, id: id)
    }

    private static func makeFile(_ path: String, _ content: Content, _ state: inout State) -> Int {
        state.nextFile += 1
        state.files[state.nextFile] = content
        state.names[path] = .some(state.nextFile)
        return state.nextFile
    }

    func read(_ path: String) throws(SystemError) -> [UInt8]? {
        state.withLock { state in
            guard case .some(let file?) = state.names[path] else { return nil }
            return state.files[file]?.current
        }
    }

    func replace(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        try state.withLock { (state) throws(SystemError) in
            try Self.step(&state, "write")
            try Self.step(&state, "fsync")
            let file = Self.makeFile(path, Content(current: bytes, durable: bytes), &state)
            // The old name stands until the folder is synced, or the new one is there already.
            try Self.step(&state, "fsync")
            state.durableNames[path] = .some(file)
        }
    }

    func rename(_ path: String, to target: String) throws(SystemError) {
        try state.withLock { (state) throws(SystemError) in
            try Self.step(&state, "rename")
            for (name, file) in state.names where name == path || name.hasPrefix(path + "/") {
                state.names[name] = nil
                state.names[target + name.dropFirst(path.count)] = file
            }
            // What lies durably in a folder goes with it, wherever its name is found afterwards.
            for (name, file) in state.durableNames where name.hasPrefix(path + "/") {
                state.durableNames[target + name.dropFirst(path.count)] = file
            }
        }
    }

    func remove(_ path: String) { state.withLock { $0.names[path] = nil } }

    func removeTree(_ path: String) {
        state.withLock { state in
            for name in state.names.keys where name == path || name.hasPrefix(path + "/") { state.names[name] = nil }
        }
    }

    func syncFolder(_ path: String) throws(SystemError) {
        try state.withLock { (state) throws(SystemError) in
            try Self.step(&state, "fsync")
            for (name, file) in state.names where Files.parent(of: name) == path { state.durableNames[name] = file }
            for name in state.durableNames.keys where Files.parent(of: name) == path && state.names[name] == nil {
                state.durableNames[name] = nil
            }
        }
    }
}

private final class SimulatedFile: DiskFile {
    private let disk: SimulatedDisk
    private let id: Int

    init(disk: SimulatedDisk, id: Int) {
        self.disk = disk
        self.id = id
    }

    var size: Int { disk.state.withLock { $0.files[id]?.current.count ?? 0 } }

    func read(at position: Int, count: Int) throws(SystemError) -> ByteBuffer {
        disk.state.withLock { state in
            ByteBuffer(bytes: (state.files[id]?.current ?? []).dropFirst(position).prefix(count))
        }
    }

    func write(_ bytes: ByteBuffer, at position: Int) throws(SystemError) {
        try disk.state.withLock { (state) throws(SystemError) in
            var written = Array(bytes.readableBytesView)
            var failure: SystemError?
            do throws(SystemError) {
                try SimulatedDisk.step(&state, "pwrite")
            } catch {
                failure = error
                written = Array(written.prefix(written.count / 2))
            }
            SimulatedDisk.write(written, at: position, to: &state.files[id, default: .init()].current)
            state.files[id]?.pending.append((position, written))
            if let failure { throw failure }
        }
    }

    func truncate(to size: Int) throws(SystemError) {
        try disk.state.withLock { (state) throws(SystemError) in
            try SimulatedDisk.step(&state, "ftruncate")
            let excess = (state.files[id]?.current.count ?? 0) - size
            state.files[id]?.current.removeLast(max(0, excess))
        }
    }

    func sync() throws(SystemError) {
        try disk.state.withLock { (state) throws(SystemError) in
            try SimulatedDisk.step(&state, "fdatasync")
            guard let current = state.files[id]?.current else { return }
            state.files[id]?.durable = current
            state.files[id]?.pending = []
        }
    }
}
