package import OrchModel
import OrchSystem

/// Files by their names, for whoever has no client of a registry.
extension ArtifactRepository {
    /// What is downloaded.
    package enum Download: Sendable {
        /// A file, with the digest of its content where that is known.
        case file(path: String, size: Int64, digest: Digest?)
        /// An image, put together as it is sent.
        case image(ImageExport)
    }

    /// The file that an artifact is called under `/v1/downloads/`.
    func downloadName(of tag: ArtifactTagRecord, _ manifest: Manifest) -> String {
        switch manifest.kind {
        case .file, .other:
            if let title = manifest.layers?.first?.annotations?[AnnotationKey.title], !title.contains("/") {
                let dot = title.dropFirst().lastIndex(of: ".") ?? title.endIndex
                return tag.version == .latest ? title : "\(title[..<dot])-\(tag.version)\(title[dot...])"
            }
        case .bundle, .image: break
        }
        return "\(tag.name.rawValue.split(separator: "/").joined(separator: "_"))-\(tag.version).tar"
    }

    /// The content behind a name: an artifact's, or a file that somebody has put into the folder `Downloads`.
    ///
    /// - Parameter digest: of the artifact that is meant, where several have files of one name.
    /// - Throws: `notFound`, `invalidRequest` for what is no name of a file.
    package func download(_ name: String, of digest: Digest? = nil) async throws(OrchError) -> Download {
        guard !name.contains("/"), name != "..", name != ".", !name.isEmpty else {
            throw OrchError(.invalidRequest, "\(name.quotedOneLine) is no name of a file")
        }
        for tag in tags {
            guard let manifest = await content(of: tag.digest), downloadName(of: tag, manifest) == name else {
                continue
            }
            if manifest.kind == .image { return .image(try await export(tag)) }
            guard let digest = manifest.layers?.first?.digest, let size = store.size(of: digest) else { continue }
            return .file(path: store.path(of: digest), size: size, digest: digest)
        }
        let path = "\(downloads)/\(name)"
        let found = try await FileWork.run { Files.isFolder(path) ? nil : Files.size(path) }
        guard let found else {
            throw OrchError(
                .notFound, "there is no download \(name.quotedOneLine): 'orch artifacts -o wide' shows names")
        }
        return .file(path: path, size: found, digest: nil)
    }

    package func open(_ download: Download, range: Range<Int64>?) async throws(OrchError) -> BlobReader? {
        guard case .file(let path, _, let digest) = download else { return nil }
        if let digest { return try await open(digest, range: range) }
        return try await FileWork.run { try BlobReader(path: path, range: range) }
    }

    /// Keeps the folder `Downloads` in step: a link for each artifact that is one file.
    func linkDownloads() async {
        var wanted: [String: String] = [:]
        for tag in tags {
            guard let manifest = await content(of: tag.digest), manifest.kind != .image,
                let digest = manifest.layers?.first?.digest
            else { continue }
            wanted[downloadName(of: tag, manifest)] = "../blobs/sha256/\(digest.hex)"
        }
        let (downloads, links) = (downloads, wanted)
        _ = try? await FileWork.run {
            for name in Files.list(downloads) {
                // What somebody has put there stays.
                guard let target = Files.linkTarget("\(downloads)/\(name)"), target.hasPrefix("../blobs/"),
                    links[name] != target
                else { continue }
                Files.remove("\(downloads)/\(name)")
            }
            for (name, target) in links where Files.linkTarget("\(downloads)/\(name)") == nil {
                try? Files.link("\(downloads)/\(name)", to: target)
            }
        }
    }
}
