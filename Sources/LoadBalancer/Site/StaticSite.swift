import Glibc
import NIOCore
import OrchModel
import OrchSystem

/// The web pages of a service, in memory: read once, the same for every event loop.
final class StaticSite: Sendable {
    struct File: Sendable {
        let body: ByteBuffer
        let type: String
        /// With its quotes.
        let tag: String
        let caching: StaticString
    }

    /// Bytes of all files, as the repository has it for what is pushed.
    private static let largest = 32 << 20
    private static let most = 10_000
    private static let index = "index.html"

    let folder: String
    /// Of the service: another version may have other pages in the same folder.
    let revision: Int
    /// By path below the folder.
    private let files: [String: File]

    /// Reads a folder. Blocks.
    ///
    /// - Throws: `invalidRequest` for one that is too large, or no folder.
    init(folder: String, revision: Int) throws(OrchError) {
        self.folder = folder
        self.revision = revision
        guard Files.isFolder(folder) else {
            throw OrchError(.invalidRequest, "the folder \(folder) of 'ui' is not there")
        }
        var files: [String: File] = [:]
        var total = 0
        for path in Files.listTree(folder) {
            let size = Int(Files.size("\(folder)/\(path)") ?? 0)
            total += size
            guard total <= Self.largest, files.count < Self.most else {
                throw OrchError(
                    .invalidRequest,
                    "the folder \(folder) of 'ui' has more than \(ByteSize(bytes: Int64(Self.largest))) or \(Self.most) files"
                )
            }
            do throws(SystemError) {
                let bytes = try Files.read("\(folder)/\(path)")
                files[path] = File(
                    body: ByteBuffer(bytes: bytes), type: MediaType.of(fileName: path),
                    tag: "\"\(ContentHash.digest(of: bytes).short)\"", caching: Self.caching(of: path))
            } catch {
                throw OrchError(.invalidRequest, "\(folder)/\(path) cannot be read: \(error.reason)", cause: error)
            }
        }
        self.files = files
    }

    /// What a name tells of its content: one with a hash in it never changes, all others are asked about each time.
    private static func caching(of path: String) -> StaticString {
        let name = path.split(separator: "/").last ?? ""
        let hasHash = name.split(whereSeparator: { ".-_".contains($0) }).contains { part in
            // A date has digits alone.
            part.utf8.count >= 8 && part.allSatisfy(\.isHexDigit) && part.contains(where: \.isNumber)
                && part.contains(where: \.isLetter)
        }
        return hasHash ? "public, max-age=31536000, immutable" : "no-cache"
    }

    /// - Parameter path: below the site, without a slash at its beginning.
    func file(at path: String) -> File? {
        files[path] ?? files[path.isEmpty || path.hasSuffix("/") ? path + Self.index : path + "/" + Self.index]
    }
}
