import Glibc
import OrchModel
import Synchronization
import Testing

@testable import OrchSystem

/// Those that are open, without the one that looking took.
private func openDescriptors() -> Set<Int32> {
    Set(Files.list("/proc/self/fd").compactMap { Int32($0) }.filter { fcntl($0, F_GETFD) >= 0 })
}

@Suite(.serialized) struct SystemTests {
    @Test func `a program is started with its arguments, environment and directory, and its status is kept`() throws {
        let launch = ProgramLaunch(
            program: "/bin/sh", arguments: ["sh", "-c", "test \"$A\" = b && test \"$(pwd)\" = /tmp && exit 7"],
            environment: ["A=b"], workdir: "/tmp")
        #expect(try launch.run(timeout: .seconds(10)) == 7)
    }

    @Test func `a program that takes too long is killed with its group`() throws {
        let launch = ProgramLaunch(
            program: "/bin/sh", arguments: ["sh", "-c", "sleep 100 & sleep 100"], environment: [])
        #expect(try launch.run(timeout: .milliseconds(50)) == nil)
    }

    /// In a process of its own, as other tests open and close descriptors at the same time; the test runner's own may come
    /// and go there too, but not fifty.
    @Test func `what cannot be executed is told and leaves nothing behind`() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let before = openDescriptors().count
            for _ in 0..<50 {
                do throws(SystemError) {
                    _ = try ProgramLaunch(program: "/nonexistent", arguments: ["x"], environment: []).start()
                    exit(1)
                } catch {
                    if error.errno != ENOENT { exit(2) }
                }
            }
            if openDescriptors().count >= before + 25 { exit(3) }
            // No child is left, reaped or not.
            exit(Programs.tree(of: getpid()).count == 1 ? 0 : 4)
        }
    }

    @Test func `fifty starts leak no descriptor`() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let launch = ProgramLaunch(program: "/bin/true", arguments: ["true"], environment: [])
            let before = openDescriptors().count
            for _ in 0..<50 where try launch.run(timeout: .seconds(10)) != 0 { exit(1) }
            exit(openDescriptors().count < before + 25 ? 0 : 3)
        }
    }

    @Test func `a file is replaced as a whole and nothing else stays in its folder`() throws {
        let folder = "/tmp/orch-unit-\(getpid())-replace"
        try Files.makeFolder(folder)
        defer { Files.removeTree(folder) }
        try Files.replace("\(folder)/f", with: "one")
        try Files.replace("\(folder)/f", with: "two", durable: true)
        #expect(try Files.readText("\(folder)/f") == "two")
        #expect(Files.list(folder) == ["f"])
        #expect(throws: SystemError.self) { try Files.replace("\(folder)/none/f", with: "x") }
    }

    @Test func `a folder is locked once`() throws {
        let path = "/tmp/orch-unit-\(getpid())-lock"
        defer { Files.remove(path) }
        func isTaken() throws -> Bool {
            let lock = try FolderLock.take(path)
            return lock == nil
        }
        let first = try FolderLock.take(path)
        #expect(try isTaken())
        _ = consume first
        #expect(try !isTaken())
    }

    @Test func `a process is told from a later one with its number`() {
        let own = ProcessIdentity(pid: getpid(), startTicks: 1, bootID: ProcessIdentity.currentBootID)
        #expect(!own.isAlive)
        #expect(!ProcessIdentity(pid: getpid(), startTicks: 1, bootID: "another boot").isAlive)
    }

    @Test(.timeLimit(.minutes(5))) func `the reactor reports until it is told to stop, and cleans up after that`()
        async throws
    {
        let reactor = try Reactor(name: "test")
        defer { reactor.stop() }
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let (read, write) = (ends[0], ends[1])
        let (stream, continuation) = AsyncStream.makeStream(of: UInt8.self)
        let token = try reactor.watch(read) {
            var byte: UInt8 = 0
            if Glibc.read(read, &byte, 1) == 1 { continuation.yield(byte) }
        }
        var iterator = stream.makeAsyncIterator()
        for value in [7, 8] as [UInt8] {
            var value = value
            #expect(Glibc.write(write, &value, 1) == 1)
            #expect(await iterator.next() == value)
        }
        await withCheckedContinuation { done in reactor.unwatch(token) { done.resume() } }
        close(read)
        close(write)
    }

    @Test(.timeLimit(.minutes(5))) func `an actor on a thread of its own may block without stopping the others`() async
    {
        actor Blocking {
            private let executor = ThreadExecutor(name: "blocking")
            nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
            let semaphore = Semaphore()
            func block() { semaphore.wait() }
        }
        let actors = (0..<4).map { _ in Blocking() }
        await withTaskGroup(of: Void.self) { group in
            for actor in actors { group.addTask { await actor.block() } }
            // With as many blocked as there are threads in the pool, this still runs.
            group.addTask { for actor in actors { actor.semaphore.signal() } }
            await group.waitForAll()
        }
    }

    @Test(arguments: [
        ("no-such-program-x", OrchError.Code.notFound), ("/etc/passwd", .invalidRequest), ("/tmp", .invalidRequest),
    ])
    func `a program that cannot be run is told before anything starts`(name: String, code: OrchError.Code) {
        let error = #expect(throws: OrchError.self) { try Programs.find(name, path: "/bin", in: "/") }
        #expect(error?.code == code)
    }
}
