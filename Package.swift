// swift-tools-version:6.2
import PackageDescription

/// The strict settings of every target: Swift 6 language mode comes with the tools version.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// The shim is one process per instance, so it is built without the Swift runtime's metadata and standard library parts
/// it does not use: 1.3 MB resident instead of 9.
let embedded: [SwiftSetting] = [
    .enableExperimentalFeature("Embedded"),
    .unsafeFlags(["-wmo", "-Osize"]),
]

extension Target.Dependency {
    static let asyncAlgorithms: Self = .product(name: "AsyncAlgorithms", package: "swift-async-algorithms")
    static let httpTypes: Self = .product(name: "HTTPTypes", package: "swift-http-types")
    static let ahc: Self = .product(name: "AsyncHTTPClient", package: "async-http-client")
    static let crypto: Self = .product(name: "Crypto", package: "swift-crypto")
    static let grdb: Self = .product(name: "GRDB", package: "GRDB.swift")
    static let heap: Self = .product(name: "HeapModule", package: "swift-collections")
    static let hummingbird: Self = .product(name: "Hummingbird", package: "hummingbird")
    static let lifecycle: Self = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let signals: Self = .product(name: "UnixSignals", package: "swift-service-lifecycle")
    static let log: Self = .product(name: "Logging", package: "swift-log")
    static let mustache: Self = .product(name: "Mustache", package: "swift-mustache")
    static let nio: Self = .product(name: "NIOCore", package: "swift-nio")
    static let nioPosix: Self = .product(name: "NIOPosix", package: "swift-nio")
    static let nioHTTP: Self = .product(name: "NIOHTTP1", package: "swift-nio")
    static let nioSSL: Self = .product(name: "NIOSSL", package: "swift-nio-ssl")
    static let nioEmbedded: Self = .product(name: "NIOEmbedded", package: "swift-nio")
    static let yams: Self = .product(name: "Yams", package: "Yams")
}

/// The proxy's objects belong to one event loop each. Checking at every access that no other one is under way costs 2 % of
/// a request (perf), and debug builds still do it.
let dataPath: [SwiftSetting] = [
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
]

/// A library target in `Sources/<name>`.
///
/// - Parameter resources: files that become part of the program, so that it needs none beside it.
func room(
    _ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = [], settings: [SwiftSetting] = []
) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict + settings)
}

/// An executable of a few lines in `Sources/<name>`.
func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// The unit tests of a target, in `Tests/<name>Tests`.
func tests(of name: String, _ dependencies: [Target.Dependency] = [], excluding files: [String] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.target(name: name), "TestSupport"] + dependencies, exclude: files,
        swiftSettings: strict)
}

let package = Package(
    name: "orch",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "orch", targets: ["orch"]),
        .executable(name: "orch-agent", targets: ["orch-agent"]),
        .executable(name: "orch-shim", targets: ["orch-shim"]),
        .executable(name: "orch-scheduler", targets: ["orch-scheduler"]),
        .executable(name: "orch-notifier", targets: ["orch-notifier"]),
        .executable(name: "orch-bench", targets: ["orch-bench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-async-algorithms", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.36.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Leaves.
        .target(name: "COrchSystem"),
        .systemLibrary(name: "CRdkafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
        .systemLibrary(name: "CCompression", providers: [.apt(["liblz4-dev", "libzstd-dev", "zlib1g-dev"])]),
        .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        room("OrchModel"),
        room("OrchModuleFile", ["OrchModel", .yams]),
        room("OrchSystem", ["OrchModel", "COrchSystem", .crypto]),
        room("OrchStore", ["OrchModel", "OrchSystem", .grdb]),
        room("OrchKafka", ["OrchModel", "OrchSystem", "CRdkafka"]),
        room("ContainerEngine", ["OrchModel", "OrchSystem", .ahc, .nio, .nioHTTP, .nioPosix]),
        room(
            "LogBroker", ["OrchModel", "OrchSystem", "COrchSystem", "CCompression", .nio, .nioPosix, .lifecycle, .log]),

        // Managers: each knows the leaves and its own ports, never another manager.
        room(
            "LoggingModule",
            [
                "OrchModel", "OrchSystem", "OrchKafka", "LogBroker", "COrchSystem", "CCompression", "CPCRE2",
                .asyncAlgorithms, .lifecycle, .log,
            ]),
        room("RuntimeManager", ["OrchModel", "OrchSystem", "ContainerEngine", .ahc, .nio, .nioPosix, .log]),
        room("LoadBalancer", ["OrchModel", "OrchSystem", .nio, .nioPosix, .nioSSL, .log], settings: dataPath),
        room(
            "RepositoryManager",
            ["OrchModel", "OrchModuleFile", "OrchSystem", "CArchive", .nio, .nioPosix, .log]),
        room("Deployer", ["OrchModel", "OrchSystem", .ahc, .nio, .nioHTTP, .nioPosix, .log]),
        room(
            "RequestManager", ["OrchModel", "OrchSystem", .asyncAlgorithms, .log, .mustache],
            resources: [.embedInCode("Web/Templates"), .embedInCode("Web/Assets")]),
        room(
            "Scheduler",
            [
                "OrchModel", "OrchSystem", "OrchClient", "ModuleKit", .ahc, .grdb, .heap, .hummingbird, .lifecycle,
                .log,
                .nio, .nioHTTP, .yams,
            ]),
        room(
            "ActionNotification",
            [
                "OrchModel", "OrchModuleFile", "OrchSystem", "OrchKafka", "OrchClient", "ModuleKit", .ahc, .grdb,
                .hummingbird, .lifecycle, .log, .mustache, .nio, .nioHTTP, .nioPosix, .nioSSL,
            ]),

        // Who joins them, and who talks to it.
        room(
            "OrchAgent",
            [
                "OrchModel", "OrchModuleFile", "OrchSystem", "OrchStore", "OrchKafka", "LogBroker", "LoggingModule",
                "ContainerEngine", "RuntimeManager", "LoadBalancer", "RepositoryManager", "Deployer", "RequestManager",
                .ahc, .asyncAlgorithms, .httpTypes, .hummingbird, .lifecycle, .signals, .log, .nio, .nioHTTP,
            ]),
        // What the modules that ship have in common.
        room(
            "ModuleKit",
            ["OrchModel", "OrchSystem", "OrchClient", .ahc, .hummingbird, .httpTypes, .log, .nio, .nioHTTP]),
        room("OrchClient", ["OrchModel", "OrchSystem", .nio, .nioPosix, .nioHTTP]),
        room("OrchCLI", ["OrchModel", "OrchSystem", "OrchClient"]),

        // Programs.
        program("orch", ["OrchCLI"]),
        program("orch-agent", ["OrchAgent", "OrchCLI"]),
        program("orch-scheduler", ["Scheduler", "ModuleKit", "OrchModel", "OrchSystem"]),
        program("orch-notifier", ["ActionNotification", "LoggingModule", "ModuleKit", "OrchModel", "OrchSystem"]),
        program("orch-bench", ["OrchModel", "OrchSystem", "CRdkafka"]),
        .executableTarget(
            name: "orch-shim", dependencies: ["COrchSystem"], swiftSettings: embedded,
            // With the C library linked in, only the pages that are used are resident, and a start takes half the time.
            linkerSettings: [.unsafeFlags(["-Xclang-linker", "-static"])]),

        // Tests.
        .target(name: "TestSupport", dependencies: ["OrchSystem"], path: "Tests/Support", swiftSettings: strict),
        tests(of: "OrchModel"),
        tests(of: "OrchModuleFile", ["OrchModel"]),
        tests(of: "OrchSystem", ["OrchModel"]),
        tests(of: "ContainerEngine", ["OrchModel", "OrchSystem", .nio]),
        tests(of: "Deployer", ["OrchModel", "OrchModuleFile"]),
        tests(of: "LoadBalancer", ["OrchModel", "OrchSystem", .nio, .nioEmbedded, .log]),
        tests(of: "LogBroker", ["COrchSystem", "OrchModel", "OrchSystem", .nio], excluding: ["Frames"]),
        tests(of: "LoggingModule", ["OrchModel", "OrchSystem", "OrchKafka", "LogBroker", "CRdkafka", .log]),
        tests(of: "RepositoryManager", ["OrchModel", "OrchSystem", .log, .nio]),
        tests(of: "RequestManager", ["OrchModel", "OrchSystem"]),
        tests(of: "OrchCLI", ["OrchModel", "OrchSystem"]),
        tests(of: "Scheduler", ["OrchModel", "OrchSystem", .log], excluding: ["due_times.py"]),
        tests(of: "ActionNotification", ["OrchModel", "OrchModuleFile", "OrchSystem", .log, .nio]),
        .testTarget(name: "PackageTests", swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests", dependencies: ["OrchModel", "OrchSystem"], path: "Tests/Integration",
            exclude: ["Programs", "Web/Browser"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
