import Glibc
import OrchClient
import OrchModel
import OrchSystem

/// An image that comes with the product: a Dockerfile in `dockerfiles`, and programs that lie beside this one.
enum ProductImage: String, CaseIterable {
    case base, deployer, scheduler
    case actionNotification = "action-notification"

    /// Its file in the folder `dockerfiles`.
    private var file: String { rawValue.split(separator: "-").joined(separator: "_") + "_docker" }

    private var programs: [String] {
        switch self {
        case .base: []
        case .deployer: ["orch-agent", "orch", "orch-shim", "orch-scheduler", "orch-notifier"]
        case .scheduler: ["orch-scheduler"]
        case .actionNotification: ["orch-notifier"]
        }
    }

    /// What engines call the image that the others begin with, once it is built.
    private static let baseName = "orch.local/build/base:latest"

    /// Has the image built, and before it the one that it begins with.
    ///
    /// - Returns: the exit status: 0.
    func build(_ client: AgentClient, _ invocation: Invocation) async throws -> Int32 {
        if self != .base { _ = try await Self.base.make(client, invocation, isPart: true) }
        let made = try await make(client, invocation, isPart: false)
        try ImageBuild.show(made, invocation.console)
        return 0
    }

    /// - Parameter isPart: of what was asked for; then it is called latest, which may move.
    private func make(_ client: AgentClient, _ invocation: Invocation, isPart: Bool) async throws -> ArtifactView {
        let stage = try ImageStage()
        defer { stage.remove() }
        try stage.copyDockerfile(file)
        if self == .base {
            try stage.addBase(librariesOf: Self.smallest)
        } else {
            for program in programs { try stage.add(program, withoutLibrariesOf: Self.smallest) }
            try stage.addState()
        }
        var build = ImageBuild(
            content: try TreeContent(folder: stage.folder), file: ImageStage.dockerfile,
            name: ArtifactName(unchecked: rawValue), version: .latest)
        if !isPart {
            build.version = ArtifactVersion(unchecked: OrchVersion.current)
            try build.take(invocation, moduleFile: nil)
        }
        if self != .base { build.arguments["BASE"] = Self.baseName }
        return try await build.make(client, invocation)
    }

    /// The program whose libraries all others need, too.
    private static let smallest = "orch-scheduler"
}

/// A folder that an image of the product is built from: what lies on this machine, put together.
private struct ImageStage {
    static let dockerfile = "Dockerfile"
    private static let libraryPath = "/usr/local/bin:/usr/bin:/bin"

    let folder: String

    init() throws(OrchError) {
        folder =
            "\(getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp")/orch-build-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try Self.writing { () throws(SystemError) in try Files.makeFolder(folder) }
    }

    func remove() { Files.removeTree(folder) }

    /// - Throws: `notFound` when the product was installed without its Dockerfiles.
    func copyDockerfile(_ name: String) throws(OrchError) {
        var above = Files.parent(of: Files.ownProgram)
        while above != "/" {
            for place in ["\(above)/share/orch/dockerfiles/\(name)", "\(above)/dockerfiles/\(name)"]
            where Files.exists(place) {
                return try copy(place, to: Self.dockerfile)
            }
            above = Files.parent(of: above)
        }
        throw OrchError(.notFound, "the folder dockerfiles, which comes with orch, is not above \(Files.ownProgram)")
    }

    func addBase(librariesOf program: String) throws(OrchError) {
        for library in try libraries(of: program) { try copy(library, to: "base\(library)") }
        let accounts = [
            "passwd": "root:x:0:0::/:/nonexistent\north:x:65532:65532::/:/nonexistent\n",
            "group": "root:x:0:\north:x:65532:\n", "nsswitch.conf": "hosts: files dns\n",
        ]
        for (name, text) in accounts {
            try Self.writing { () throws(SystemError) in
                try Files.makeFolder("\(folder)/base/etc")
                try Files.replace("\(folder)/base/etc/\(name)", with: Array(text.utf8), mode: 0o644)
            }
        }
        let certificates = "/etc/ssl/certs/ca-certificates.crt"
        if Files.exists(certificates) { try copy(certificates, to: "base\(certificates)") }
        try Self.writing { () throws(SystemError) in
            try Files.makeFolder("\(folder)/base/usr/share")
            try Files.makeFolder("\(folder)/base/tmp")
        }
        try run("cp", ["-a", "/usr/share/zoneinfo", "\(folder)/base/usr/share/"])
        // The same zones once more, by other clocks.
        for name in ["posix", "right"] { Files.removeTree("\(folder)/base/usr/share/zoneinfo/\(name)") }
    }

    func add(_ program: String, withoutLibrariesOf other: String) throws(OrchError) {
        try copy(Files.sibling(program), to: "program/usr/bin/\(program)")
        for library in Set(try libraries(of: program)).subtracting(try libraries(of: other)).sorted() {
            try copy(library, to: "program\(library)")
        }
    }

    /// An empty folder, which becomes that of a volume.
    func addState() throws(OrchError) {
        try Self.writing { () throws(SystemError) in try Files.makeFolder("\(folder)/state") }
    }

    private func copy(_ source: String, to target: String) throws(OrchError) {
        do throws(SystemError) {
            try Files.makeFolder(Files.parent(of: "\(folder)/\(target)"))
            try Files.replace(
                "\(folder)/\(target)", with: Files.read(source), mode: access(source, X_OK) == 0 ? 0o755 : 0o644)
        } catch {
            throw OrchError(.notFound, "\(source) cannot be put into the image: \(error.reason)", cause: error)
        }
    }

    /// The shared libraries that a program of ours is linked with, and the loader; none where it is linked with all of them.
    private func libraries(of program: String) throws(OrchError) -> [String] {
        let list = "\(folder).list"
        defer { Files.remove(list) }
        try run("ldd", [Files.sibling(program)], output: list)
        let lines = ((try? Files.readText(list)) ?? "").split(separator: "\n")
        return lines.compactMap { line in
            line.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("/") }.map(String.init)
        }
    }

    private func run(_ name: String, _ arguments: [String], output: String? = nil) throws(OrchError) {
        let program = try Programs.find(name, path: Self.libraryPath, in: "/")
        var launch = ProgramLaunch(program: program, arguments: [name] + arguments, environment: [])
        do throws(SystemError) {
            let file = try Descriptor(opening: output ?? "/dev/null", .create)
            launch.stdio = (nil, file.number, nil)
            guard try launch.run(timeout: .seconds(60)) != nil else {
                throw SystemError("wait", name, errno: ETIMEDOUT)
            }
        } catch {
            throw OrchError(.failed, "\(name) failed: \(error.reason)", cause: error)
        }
    }

    private static func writing(_ body: () throws(SystemError) -> Void) throws(OrchError) {
        do throws(SystemError) { try body() } catch {
            throw OrchError(.failed, "what the image is built from cannot be written: \(error)", cause: error)
        }
    }
}
