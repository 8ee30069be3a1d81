import HTTPTypes
import Hummingbird
import NIOCore
import OrchModel
import RepositoryManager

/// Answers with a file, or with the part of it that is asked for (RFC 9110, 14).
struct FileAnswer {
    var size: Int64
    /// Tells contents apart (RFC 9110, 8.8.3), without quotes; `nil` where nothing does.
    var tag: String?
    var type: String
    /// Further fields of the answer's head.
    var fields: HTTPFields = [:]

    /// Content that lies in memory.
    static func whole(_ content: [UInt8], tag: String, type: String, fields: HTTPFields, to request: Request) throws
        -> Response
    {
        var headers = fields
        (headers[.contentType], headers[.eTag]) = (type, "\"\(tag)\"")
        if request.headers[.ifNoneMatch] == headers[.eTag] { return Response(status: .notModified, headers: headers) }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: content)))
    }

    /// - Parameter open: the file from a place to another; `nil` stands for all of it.
    func response(
        to request: Request, open: (Range<Int64>?) async throws -> BlobReader?
    ) async throws -> Response {
        var headers = fields
        headers[.contentType] = type
        headers[.acceptRanges] = "bytes"
        headers[.orchVersion] = OrchVersion.current
        if let tag {
            headers[.eTag] = "\"\(tag)\""
            if let known = request.headers[.ifNoneMatch], known == "*" || known.contains("\"\(tag)\"") {
                return Response(status: .notModified, headers: headers)
            }
        }
        var range: Range<Int64>?
        // A part of what the client has is of no use when it has become something else.
        let isWanted = request.headers[.ifRange].map { $0 == headers[.eTag] } ?? true
        switch isWanted ? ByteRange(request.headers[.range], size: size) : .all {
        case .all: break
        case .part(let part): range = part
        case .impossible:
            headers[.contentRange] = "bytes */\(size)"
            return Response(status: .rangeNotSatisfiable, headers: headers)
        }
        let length = range.map { $0.upperBound - $0.lowerBound } ?? size
        if let range { headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size)" }
        let status: HTTPResponse.Status = range == nil ? .ok : .partialContent
        headers[.contentLength] = String(length)
        guard request.method != .head, let reader = try await open(range) else {
            return Response(status: status, headers: headers)
        }
        return Response(
            status: status, headers: headers,
            body: ResponseBody(contentLength: Int(length)) { writer in
                while let bytes = try await reader.next() { try await writer.write(bytes) }
                try await writer.finish(nil)
            })
    }
}

/// The field `Range` of a request.
enum ByteRange: Equatable {
    case all
    case part(Range<Int64>)
    case impossible

    /// Several parts, other units and what is not understood stand for all, as RFC 9110, 14.2 allows.
    init(_ field: String?, size: Int64) {
        self = .all
        guard let field, field.hasPrefix("bytes="), !field.contains(",") else { return }
        let bounds = field.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
        guard bounds.count == 2 else { return }
        if bounds[0].isEmpty {
            guard let count = Int64(bounds[1]), count >= 0 else { return }
            self = count == 0 || size == 0 ? .impossible : .part(max(0, size - count)..<size)
            return
        }
        guard let first = Int64(bounds[0]), first >= 0 else { return }
        guard let last = bounds[1].isEmpty ? Int64.max : Int64(bounds[1]), last >= first else { return }
        self = first >= size ? .impossible : .part(first..<min(size, last == .max ? size : last + 1))
    }
}
