package import AsyncHTTPClient
import NIOCore
import NIOHTTP1
package import OrchModel

/// How far a pull or a build is.
package struct EngineProgress: Sendable {
    /// Bytes of all layers that are known of.
    package var done: Int64
    package var total: Int64
    /// What is done, as the engine says it.
    package var text: String
}

/// What the engine tells of an image.
package struct ImageState: Sendable, Decodable {
    package var id: String
    package var size: Int64
    package var tags: [String]?
    package var digests: [String]?

    package enum CodingKeys: String, CodingKey {
        case id = "Id"
        case size = "Size"
        case tags = "RepoTags"
        case digests = "RepoDigests"
    }
}

extension EngineClient {
    /// - Returns: `nil` when the engine does not have it.
    package func image(_ name: String) async throws(OrchError) -> ImageState? {
        do throws(OrchError) {
            return try await get("/images/\(Self.escaped(name))/json")
        } catch  where error.code == .notFound {
            return nil
        }
    }

    /// Has the engine fetch an image from its registry.
    ///
    /// - Throws: `notFound` when there is none, with what the engine says.
    package func pullImage(_ name: String, progress: (EngineProgress) async -> Void) async throws(OrchError) {
        let reference = ImageReference(name)
        try await stream(
            .POST, "/images/create", query: [("fromImage", reference.repository), ("tag", reference.tag)]
        ) { chunks in
            try await Self.follow(chunks, progress)
        }
    }

    /// Gives the engine an archive of images (`docker save`).
    ///
    /// - Returns: their names, or ids where they have none.
    @discardableResult
    package func loadImages(_ archive: HTTPClientRequest.Body) async throws(OrchError) -> [String] {
        try await stream(.POST, "/images/load", query: [("quiet", "1")], sending: archive) { chunks in
            var names: [String] = []
            try await Self.follow(chunks) { progress in
                for line in progress.text.split(separator: "\n") {
                    // `Loaded image: NAME` or `Loaded image ID: sha256:…`.
                    guard line.hasPrefix("Loaded image"), let colon = line.firstIndex(of: ":") else { continue }
                    names.append(line[line.index(after: colon)...].filter { !$0.isWhitespace })
                }
            }
            return names
        }
    }

    package func removeImage(_ name: String) async throws(OrchError) {
        try await call(.DELETE, "/images/\(Self.escaped(name))")
    }

    /// Sums up what the engine tells of its work, step by step and layer by layer.
    ///
    /// - Throws: `failed` or `notFound` with the error it tells in the stream.
    static func follow(_ chunks: HTTPClientResponse.Body, _ progress: (EngineProgress) async -> Void) async throws {
        struct Document: Decodable {
            struct Detail: Decodable {
                var current: Int64?
                var total: Int64?
            }
            var id: String?
            var status: String?
            var stream: String?
            var error: String?
            var progressDetail: Detail?
        }
        var layers: [String: (done: Int64, total: Int64)] = [:]
        var lines = JSONLines<Document>()
        for try await chunk in chunks {
            for document in lines.add(chunk) {
                if let error = document.error {
                    let isMissing = error.contains("not found") || error.contains("manifest unknown")
                    throw OrchError(isMissing ? .notFound : .failed, "the container engine says: \(error)")
                }
                if let id = document.id, document.status == "Downloading", let detail = document.progressDetail {
                    layers[id] = (detail.current ?? 0, detail.total ?? 0)
                } else if let id = document.id, let layer = layers[id], document.status == "Download complete" {
                    layers[id] = (layer.total, layer.total)
                }
                await progress(
                    EngineProgress(
                        done: layers.values.map(\.done).reduce(0, +), total: layers.values.map(\.total).reduce(0, +),
                        text: document.stream ?? document.status ?? ""))
            }
        }
    }
}

/// The name of an image taken apart: `[HOST[:PORT]/]PATH[:TAG|@DIGEST]`.
package struct ImageReference: Sendable, Equatable {
    package var repository: String
    /// A tag, or a digest as in `sha256:…`.
    package var tag: String

    package init(_ name: String) {
        if let at = name.firstIndex(of: "@") {
            repository = String(name[..<at])
            tag = String(name[name.index(after: at)...])
        } else if let colon = name.lastIndex(of: ":"), !name[colon...].contains("/") {
            repository = String(name[..<colon])
            tag = String(name[name.index(after: colon)...])
        } else {
            repository = name
            tag = "latest"
        }
    }
}
