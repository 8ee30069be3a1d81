import FoundationEssentials
package import OrchModel

/// Reads `module.yaml`.
package enum ModuleFile {
    /// The name of a module file in its folder.
    package static let fileName = "module.yaml"
    /// Larger files are refused, in bytes: nobody writes one by hand.
    package static let largest = 1 << 20

    /// - Parameters:
    ///   - path: for messages; its folder is where relative paths are taken from.
    ///   - baseDirectory: that folder, absolute.
    /// - Throws: ``ModuleFileError`` with every mistake and its place.
    package static func parse(_ text: String, path: String, baseDirectory: String) throws(ModuleFileError) -> ModuleSpec
    {
        let json = try SchemaFile.read(text, path: path, subject: "a module file", keys: ModuleSchema.keys)
        do {
            return try spec(from: json, baseDirectory: baseDirectory)
        } catch {
            throw ModuleFileError(diagnostics: [Diagnostic(file: path, line: 1, column: 1, message: "\(error)")])
        }
    }

    private static func spec(from json: JSONValue, baseDirectory: String) throws -> ModuleSpec {
        guard case .object(var members) = json else { throw OrchError(.invalidRequest, "a module file must be a map") }
        members["base_directory"] = .string(baseDirectory)
        if members["topic"] == "" { members["topic"] = members["name"] }
        let spec = try JSONDecoder().decode(ModuleSpec.self, from: JSONEncoder().encode(JSONValue.object(members)))
        try check(spec)
        return spec
    }

    /// What concerns several keys at once.
    package static func check(_ spec: ModuleSpec) throws(OrchError) {
        if TopicName.reserved.contains(spec.topic) {
            throw OrchError(.invalidRequest, "'topic' must not be \(spec.topic): that one is the control plane's own")
        }
        try checkRuntime(spec)
        let portNames = spec.ports.map(\.name)
        if Set(portNames).count != portNames.count {
            throw OrchError(.invalidRequest, "each port in 'ports' needs a name of its own")
        }
        switch spec.health.type {
        case .http, .tcp:
            if spec.ports.isEmpty {
                throw OrchError(
                    .invalidRequest, "a health check of type \(spec.health.type.rawValue) needs a port: add 'ports'")
            }
            if !spec.health.port.isEmpty, !portNames.contains(spec.health.port) {
                throw OrchError(
                    .invalidRequest, "'health.port' names no port: known are \(portNames.joined(separator: ", "))")
            }
        case .exec:
            if spec.health.command.isEmpty {
                throw OrchError(.invalidRequest, "a health check of type exec needs 'health.command'")
            }
        case .image:
            if !spec.runtime.isContainer {
                throw OrchError(
                    .invalidRequest, "a health check of type image is for containers: set 'runtime: docker'")
            }
        case .none: break
        }
        let fixed = spec.ports.map(\.port).filter { $0 != 0 }
        if Set(fixed).count != fixed.count { throw OrchError(.invalidRequest, "two 'ports' have the same number") }
        if !fixed.isEmpty, spec.replicas > 1 {
            throw OrchError(
                .invalidRequest,
                "\(spec.replicas) replicas cannot share port \(fixed[0]): use 'port: 0' for a free one each")
        }
        guard spec.ports.allSatisfy({ (0...65535).contains($0.port) }) else {
            throw OrchError(.invalidRequest, "a port must be from 0 to 65535")
        }
        try checkEndpoint(spec)
        if ([spec.workdir, spec.user] + spec.command + spec.args + spec.env.values).contains(where: {
            $0.contains("\0")
        }) {
            throw OrchError(.invalidRequest, "no text of a module may hold a zero byte")
        }
        for name in spec.env.keys where name.isEmpty || name.contains("=") || name.contains("\0") {
            throw OrchError(.invalidRequest, "\(name.quotedOneLine) in 'env' is no name of a variable")
        }
        for file in spec.files { try check(file) }
        if spec.dependsOn.contains(spec.name) { throw OrchError(.invalidRequest, "a module cannot depend on itself") }
    }

    private static func checkRuntime(_ spec: ModuleSpec) throws(OrchError) {
        guard spec.runtime.isContainer else {
            guard spec.command.isEmpty else { return }
            throw OrchError(
                .invalidRequest,
                spec.image.isEmpty
                    ? "'command' is missing: what shall run?"
                    : "'image' is for containers: set 'runtime: docker', or give a 'command'")
        }
        if spec.image.isEmpty {
            throw OrchError(.invalidRequest, "'runtime' is \(spec.runtime.rawValue), so 'image' must say which image")
        }
        for volume in spec.container.volumes {
            guard volume.path.hasPrefix("/"), !volume.path.split(separator: "/").contains("..") else {
                throw OrchError(
                    .invalidRequest, "\(volume.path.quotedOneLine) in 'container.volumes' must be an absolute path")
            }
            let isPath = volume.source.hasPrefix("/") || volume.source.hasPrefix("./")
            guard volume.source.isEmpty || isPath || ModuleName(rawValue: volume.source) != nil else {
                throw OrchError(
                    .invalidRequest,
                    "\(volume.source.quotedOneLine) in 'container.volumes' must be the name of a volume, an absolute path, or begin with ./"
                )
            }
        }
        for capability in spec.container.capabilities
        where !capability.utf8.allSatisfy({ $0.isAlphanumeric || $0 == UInt8(ascii: "_") }) || capability.isEmpty {
            throw OrchError(
                .invalidRequest,
                "\(capability.quotedOneLine) in 'container.capabilities' is no capability, as in NET_BIND_SERVICE")
        }
    }

    private static func checkEndpoint(_ spec: ModuleSpec) throws(OrchError) {
        let endpoint = spec.endpoint
        if endpoint.mode == .http || endpoint.mode == .tcp, spec.ports.isEmpty {
            throw OrchError(.invalidRequest, "an endpoint needs instances that listen: add 'ports'")
        }
        if !endpoint.target.isEmpty, spec.endpointTarget == nil {
            let names = spec.ports.map(\.name).joined(separator: ", ")
            throw OrchError(.invalidRequest, "'endpoint.target' names no port: known are \(names)")
        }
        let address = endpoint.address.split(separator: ".", omittingEmptySubsequences: false)
        guard address.count == 4, address.allSatisfy({ UInt8($0) != nil }) else {
            throw OrchError(
                .invalidRequest,
                "'endpoint.address' must be an IPv4 address, as in 127.0.0.1, not \(endpoint.address.quotedOneLine)")
        }
        if spec.update.order == .startFirst, let fixed = spec.ports.first(where: { $0.port != 0 }) {
            throw OrchError(
                .invalidRequest,
                "'update.order' is start-first, but port \(fixed.port) is fixed: two versions cannot both have it")
        }
        if endpoint.port != 0, spec.ports.contains(where: { $0.port == endpoint.port }) {
            throw OrchError(
                .invalidRequest,
                "'endpoint.port' and 'ports' both say \(endpoint.port): the instances need another, best 'port: 0' for a free one each"
            )
        }
        guard endpoint.path.hasPrefix("/"),
            !endpoint.path.contains(where: { $0.isWhitespace || $0 == "?" || $0 == "#" })
        else { throw OrchError(.invalidRequest, "'endpoint.path' must begin with '/' and have no query, as in /shop") }
        for host in endpoint.hosts {
            let name = host.hasPrefix("*.") ? host.dropFirst(2) : host[...]
            guard !name.isEmpty,
                name.utf8.allSatisfy({ $0.isAlphanumeric || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") })
            else {
                throw OrchError(
                    .invalidRequest,
                    "\(host.quotedOneLine) in 'endpoint.hosts' is no name, as in shop.example.com or *.example.com")
            }
        }
        if spec.endpointMode == .tcp, !endpoint.hosts.isEmpty || endpoint.path != "/" {
            throw OrchError(
                .invalidRequest, "'endpoint.hosts' and 'endpoint.path' are for http: this endpoint speaks tcp")
        }
        if endpoint.tls.certificate.isEmpty != endpoint.tls.key.isEmpty {
            throw OrchError(.invalidRequest, "'endpoint.tls' needs both 'certificate' and 'key'")
        }
    }

    private static func check(_ file: ConfigurationFile) throws(OrchError) {
        guard !file.path.isEmpty, !file.path.hasPrefix("/"), !file.path.split(separator: "/").contains("..") else {
            throw OrchError(
                .invalidRequest,
                "the path \(file.path.quotedOneLine) in 'files' must be relative and stay in the folder")
        }
        guard let mode = UInt32(file.mode, radix: 8), mode <= 0o777 else {
            throw OrchError(
                .invalidRequest, "the mode \(file.mode.quotedOneLine) of \(file.path) must be octal, as in 0640")
        }
        if file.secret, file.source.isEmpty {
            throw OrchError(
                .invalidRequest,
                "\(file.path) in 'files' is a secret: it needs 'source', so that the module file holds none")
        }
        if !file.content.isEmpty, !file.source.isEmpty {
            throw OrchError(.invalidRequest, "\(file.path) in 'files' has 'content' and 'source': give one of them")
        }
    }
}
