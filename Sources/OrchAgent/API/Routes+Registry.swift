import HTTPTypes
import Hummingbird
import NIOCore
import OrchModel
import RepositoryManager

/// The registry's API (OCI Distribution Specification 1.1), as `docker push` and `docker pull`, Podman and skopeo speak it.
extension Routes {
    private static let longestList = 1000

    func addRegistry(to router: RouterGroup<APIContext>) {
        for path in ["v2", "v2/**"] as [RouterPath] {
            for method in [.get, .head, .post, .patch, .put, .delete] as [HTTPRequest.Method] {
                router.on(path, method: method) { request, context in
                    do {
                        let parts = context.parameters.getCatchAll().map { String($0).percentDecoded }
                        return try await registry(RegistryTarget(parts), request, context)
                    } catch let error as RegistryError {
                        return error.response
                    }
                }
            }
        }
    }

    private func registry(_ target: RegistryTarget, _ request: Request, _ context: APIContext) async throws -> Response
    {
        switch (target, request.method) {
        case (.root, .get), (.root, .head):
            return Response(status: .ok, headers: [.registryVersion: "registry/2.0", .contentType: "application/json"])
        case (.catalog, .get):
            return try list("repositories", await agent.artifacts.names.map(\.rawValue), request)
        case (.versions(let name), .get):
            return try await translated(missing: "NAME_UNKNOWN") {
                let versions = try await agent.artifacts.versions(of: name).map(\.rawValue)
                return try list("tags", versions, request, name: name)
            }
        case (.blob(_, let digest), .get), (.blob(_, let digest), .head):
            return try await translated(missing: "BLOB_UNKNOWN") { try await blob(digest, request) }
        case (.uploads(let name), .post):
            return try await translated(missing: "BLOB_UPLOAD_UNKNOWN", invalid: "DIGEST_INVALID") {
                try await beginUpload(name, request)
            }
        case (.upload(let name, let id), _):
            return try await translated(missing: "BLOB_UPLOAD_UNKNOWN", invalid: "DIGEST_INVALID") {
                try await upload(name, id, request)
            }
        case (.manifest(let reference), _):
            return try await translated(missing: "MANIFEST_UNKNOWN", invalid: "MANIFEST_INVALID") {
                try await manifest(reference, request, context)
            }
        case (.referrers(let name, let digest), .get):
            let type = request.uri.queryParameters["artifactType"].map(String.init)
            var headers: HTTPFields = [.contentType: "application/vnd.oci.image.index.v1+json"]
            if type != nil { headers[.filtersApplied] = "artifactType" }
            let bytes = try await agent.artifacts.referrers(of: digest, in: name, type: type)
            return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
        default:
            throw RegistryError(
                .methodNotAllowed, "UNSUPPORTED",
                "that cannot be done here: content goes when no manifest needs it any more")
        }
    }

    private func translated(
        missing: String, invalid: String = "NAME_INVALID", _ body: () async throws -> Response
    ) async throws -> Response {
        do {
            return try await body()
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw RegistryError(error, missing: missing, invalid: invalid)
        }
    }

    // MARK: Content

    private func blob(_ digest: Digest, _ request: Request) async throws -> Response {
        guard let size = try await agent.artifacts.size(of: digest) else {
            throw OrchError(.notFound, "the repository does not have \(digest)")
        }
        return try await FileAnswer(
            size: size, tag: digest.rawValue, type: "application/octet-stream",
            fields: [.contentDigest: digest.rawValue, .cacheControl: "private, max-age=31536000, immutable"]
        ).response(to: request) { try await agent.artifacts.open(digest, range: $0) }
    }

    private func beginUpload(_ name: ArtifactName, _ request: Request) async throws -> Response {
        let parameters = request.uri.queryParameters
        // All names share one store, so what one of them has the others have, too.
        if let text = parameters["mount"], let digest = Digest(rawValue: String(text)),
            try await agent.artifacts.size(of: digest) != nil
        {
            return created(name, digest)
        }
        let id = try await agent.artifacts.uploads.begin()
        guard let text = parameters["digest"] else { return accepted(name, id, size: 0) }
        let digest: Digest
        do {
            digest = try RegistryTarget.digest(String(text))
            _ = try await agent.artifacts.uploads.append(request.body, to: id)
        } catch {
            await agent.artifacts.uploads.cancel(id)
            throw error
        }
        try await agent.artifacts.uploads.finish(id, digest: digest)
        return created(name, digest)
    }

    private func upload(_ name: ArtifactName, _ id: String, _ request: Request) async throws -> Response {
        let uploads = agent.artifacts.uploads
        switch request.method {
        case .get:
            var response = accepted(name, id, size: try await uploads.size(of: id))
            response.status = .noContent
            return response
        case .patch, .put:
            let size = try await uploads.size(of: id)
            if let start = try firstByte(request), start != size {
                var response = accepted(name, id, size: size)
                response.status = .rangeNotSatisfiable
                return response
            }
            if request.method == .patch {
                return accepted(name, id, size: try await uploads.append(request.body, to: id, at: size))
            }
            let digest = try RegistryTarget.digest(String(request.uri.queryParameters["digest"] ?? ""))
            _ = try await uploads.append(request.body, to: id, at: size)
            try await uploads.finish(id, digest: digest)
            return created(name, digest)
        case .delete:
            _ = try await uploads.size(of: id)
            await uploads.cancel(id)
            return Response(status: .noContent)
        default: throw RegistryError(.methodNotAllowed, "UNSUPPORTED", "an upload takes PATCH, PUT, GET and DELETE")
        }
    }

    /// Where a piece of an upload begins; `nil` where the request does not say so.
    private func firstByte(_ request: Request) throws -> Int64? {
        guard let range = request.headers[.contentRange] else { return nil }
        guard let first = range.split(separator: "-").first.flatMap({ Int64($0) }) else {
            throw RegistryError(.badRequest, "BLOB_UPLOAD_INVALID", "Content-Range must be FIRST-LAST")
        }
        return first
    }

    private func accepted(_ name: ArtifactName, _ id: String, size: Int64) -> Response {
        Response(
            status: .accepted,
            headers: [
                .location: "/v2/\(name)/blobs/uploads/\(id)", .range: "0-\(max(0, size - 1))", .uploadID: id,
                .uploadOffset: String(size), .contentLength: "0",
            ])
    }

    private func created(_ name: ArtifactName, _ digest: Digest) -> Response {
        Response(
            status: .created,
            headers: [
                .location: "/v2/\(name)/blobs/\(digest)", .contentDigest: digest.rawValue, .contentLength: "0",
            ])
    }

    // MARK: Manifests

    private func manifest(_ reference: ArtifactReference, _ request: Request, _ context: APIContext) async throws
        -> Response
    {
        switch request.method {
        case .get, .head:
            let stored = try await agent.artifacts.manifest(reference)
            var headers: HTTPFields = [
                .contentType: stored.mediaType, .contentDigest: stored.digest.rawValue,
                .eTag: "\"\(stored.digest)\"", .contentLength: String(stored.bytes.count),
            ]
            guard request.method == .get else { return Response(status: .ok, headers: headers) }
            if request.headers[.ifNoneMatch] == headers[.eTag] {
                headers[.contentLength] = nil
                return Response(status: .notModified, headers: headers)
            }
            return Response(
                status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: stored.bytes)))
        case .put:
            let body = try await request.body.collect(upTo: Self.largestManifest)
            let stored = try await agent.artifacts.put(
                Array(body.readableBytesView), mediaType: request.headers[.contentType], as: reference,
                force: request.flag("force"))
            var headers: HTTPFields = [
                .location: "/v2/\(reference.name)/manifests/\(stored.digest)",
                .contentDigest: stored.digest.rawValue, .contentLength: "0",
            ]
            if let subject = stored.subject { headers[.subject] = subject.rawValue }
            return Response(status: .created, headers: headers)
        case .delete:
            if let version = reference.version {
                try await agent.artifacts.forget(reference.name, version: version)
            } else if let digest = reference.digest {
                try await agent.artifacts.forget(digest, of: reference.name)
            }
            return Response(status: .accepted)
        default: throw RegistryError(.methodNotAllowed, "UNSUPPORTED", "a manifest takes GET, HEAD, PUT and DELETE")
        }
    }

    private static let largestManifest = 4 << 20

    // MARK: Lists

    /// A page of names: `n` of them behind `last`.
    private func list(_ member: String, _ names: [String], _ request: Request, name: ArtifactName? = nil) throws
        -> Response
    {
        let count = min(try request.number("n") ?? Self.longestList, Self.longestList)
        let sorted = names.sorted()
        let last = request.uri.queryParameters["last"].map(String.init)
        let rest = last.map { last in sorted.filter { $0 > last } } ?? sorted
        var body: [String: JSONValue] = [member: .array(rest.prefix(count).map(JSONValue.string))]
        if let name { body["name"] = .string(name.rawValue) }
        var response = try JSONAnswer.response(JSONValue.object(body))
        if rest.count > count, count > 0 {
            response.headers[.link] = "<\(request.uri.path)?n=\(count)&last=\(rest[count - 1])>; rel=\"next\""
        }
        return response
    }
}

extension HTTPField.Name {
    fileprivate static let registryVersion = HTTPField.Name("Docker-Distribution-Api-Version")!
    fileprivate static let contentDigest = HTTPField.Name("Docker-Content-Digest")!
    fileprivate static let uploadID = HTTPField.Name("Docker-Upload-UUID")!
    /// The size that came, also where that is nothing, which `Range` cannot tell (IETF draft "Resumable Uploads for HTTP").
    fileprivate static let uploadOffset = HTTPField.Name("Upload-Offset")!
    fileprivate static let filtersApplied = HTTPField.Name("OCI-Filters-Applied")!
    fileprivate static let subject = HTTPField.Name("OCI-Subject")!
    fileprivate static let link = HTTPField.Name("Link")!
}
