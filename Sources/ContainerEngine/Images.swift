package import AsyncHTTPClient
package import NIOCore
import NIOHTTP1
package import OrchModel

extension EngineClient {
    package func hasImage(_ name: String) async throws(OrchError) -> Bool {
        do throws(OrchError) {
            try await call(.GET, "/images/\(name.percentEncoded)/json")
            return true
        } catch  where error.code == .notFound {
            return false
        }
    }

    /// Has the engine fetch an image from its registry.
    ///
    /// - Parameter credentials: the value of `X-Registry-Auth`; empty for none.
    /// - Throws: `notFound` when there is none, with what the engine says.
    package func pullImage(
        _ name: String, credentials: String, progress: (WorkProgress) async -> Void
    ) async throws(OrchError) {
        let reference = ImageReference(name)
        try await stream(
            .POST, "/images/create", query: [("fromImage", reference.repository), ("tag", reference.tag)],
            credentials: credentials
        ) { chunks in
            try await Self.follow(chunks, progress)
        }
    }

    /// Gives the engine the images of an archive, as `docker save` writes it.
    ///
    /// - Parameter size: of the archive, in bytes.
    package func loadImages(
        _ archive: some AsyncSequence<ByteBuffer, any Error> & Sendable, size: Int64
    ) async throws(OrchError) {
        try await stream(
            .POST, "/images/load", query: [("quiet", "1")], sending: .stream(archive, length: .known(size))
        ) { chunks in
            try await Self.follow(chunks) { _ in }
        }
    }

    /// An image as an archive, as `docker save` writes it.
    package func saveImage<Result: Sendable>(
        _ name: String, _ read: (HTTPClientResponse.Body) async throws -> Result
    ) async throws(OrchError) -> Result {
        try await stream(.GET, "/images/\(name.percentEncoded)/get", read)
    }

    /// Sums up what the engine tells of its work, step by step and layer by layer.
    ///
    /// - Throws: `failed` or `notFound` with the error it tells in the stream.
    static func follow(_ chunks: HTTPClientResponse.Body, _ progress: (WorkProgress) async -> Void) async throws {
        struct Document: Decodable {
            struct Detail: Decodable {
                var current: Int64?
                var total: Int64?
            }
            var id: String?
            var status: String?
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
                    WorkProgress(done: layers.values.sum(\.done), total: layers.values.sum(\.total)))
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

extension Collection {
    /// The sum of what may be any number: a registry says how large its layers are.
    fileprivate func sum(_ number: (Element) -> Int64) -> Int64 {
        reduce(0) { sum, element in
            let (next, overflows) = sum.addingReportingOverflow(Swift.max(0, number(element)))
            return overflows ? .max : next
        }
    }
}
