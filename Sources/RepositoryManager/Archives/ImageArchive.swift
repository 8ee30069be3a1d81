import FoundationEssentials
import Glibc
import OrchModel
import OrchModuleFile
import OrchSystem

/// An archive of one container image, as `docker save`, `podman save` and `skopeo copy` write it: an OCI image layout, or
/// Docker's older format. Blocks.
struct ImageArchive {
    let path: String
    /// For messages.
    let name: String
    let limits: ArchiveLimits
    let store: BlobStore

    /// An image that has come into the store.
    struct Imported {
        var manifest: Digest
        /// As the archive calls it, such as `shop:1`; empty for none.
        var reference: String
    }

    private struct Entry {
        var digest: Digest
        var size: Int64
    }

    /// What is small enough to be a description of what else there is.
    private static let largestDescription = Manifest.largest

    /// Whether there is an image in it, and no module, which may have files called alike.
    static func isOne(_ path: String, name: String, limits: ArchiveLimits) throws(OrchError) -> Bool {
        var reader = try ArchiveReader(path: path, name: name, limits: limits)
        var isImage = false
        while let entry = try reader.next() {
            let place = normal(entry.path)
            if place == ModuleFile.fileName { return false }
            if place == "oci-layout" || place == "manifest.json" { isImage = true }
        }
        return isImage
    }

    /// Takes all content into the store. What belongs to no image is left for the collection.
    ///
    /// - Throws: ``OrchError`` `invalidRequest` for an archive that holds no image or several, or other content than it says.
    func load() throws -> Imported {
        let entries = try takeContent()
        if let index = entries["index.json"] {
            return try loadLayout(try description(Manifest.self, index), entries)
        }
        guard let list = entries["manifest.json"] else {
            throw refusal("it holds neither index.json nor manifest.json")
        }
        return try loadDocker(try description([DockerImage].self, list), entries)
    }

    private func takeContent() throws -> [String: Entry] {
        var reader = try ArchiveReader(path: path, name: name, limits: limits)
        var entries: [String: Entry] = [:]
        var links: [(path: String, target: String)] = []
        var total: Int64 = 0
        var count = 0
        while let entry = try reader.next() {
            count += 1
            let place = Self.normal(entry.path)
            switch entry.kind {
            case .file(let size):
                try limits.check(bytes: total, adding: size, entries: count, of: name)
                entries[place] = try take(reader, place, &total, count)
            case .folder: break
            // Docker wrote these for layers that were there already.
            case .symbolicLink(let target): links.append((place, Self.normal("\(Files.parent(of: place))/\(target)")))
            case .hardLink(let target): links.append((place, Self.normal(target)))
            case .special(let what): throw refusal("\(entry.path.quotedOneLine) is \(what)")
            }
        }
        for (place, target) in links { entries[place] = entries[target] }
        return entries
    }

    private func take(_ reader: borrowing ArchiveReader, _ place: String, _ total: inout Int64, _ count: Int) throws
        -> Entry
    {
        let temporary = store.temporaryPath()
        do {
            var hash = ContentHash()
            var size: Int64 = 0
            let file = try Descriptor(opening: temporary, .create)
            var chunk = [UInt8](repeating: 0, count: 1 << 18)
            while true {
                let read = try reader.read(into: &chunk)
                if read == 0 { break }
                size += Int64(read)
                total += Int64(read)
                try limits.check(bytes: total, entries: count, of: name)
                hash.update(chunk, count: read)
                try file.write(Array(chunk[0..<read]))
            }
            let digest = hash.finish()
            if place.hasPrefix("blobs/sha256/"), !place.hasSuffix(digest.hex) {
                throw refusal("\(place) has other content than its name says")
            }
            if store.has(digest) {
                store.touch(digest)
                Files.remove(temporary)
            } else {
                let number = file.number
                try retrying("fsync", place) { fsync(number) }
                try store.adopt(temporary, as: digest)
            }
            return Entry(digest: digest, size: size)
        } catch {
            Files.remove(temporary)
            throw error
        }
    }

    // MARK: OCI image layouts

    private func loadLayout(_ index: Manifest, _ entries: [String: Entry]) throws -> Imported {
        let images = index.manifests ?? []
        guard let image = images.first, images.allSatisfy({ $0.digest == image.digest }) else {
            throw refusal(
                images.isEmpty ? "it holds no image" : "it holds \(images.count) images: save them one by one")
        }
        guard entries["blobs/sha256/\(image.digest.hex)"] != nil else {
            throw refusal("it lacks the manifest \(image.digest)")
        }
        let names = image.annotations ?? [:]
        let reference = names[AnnotationKey.imageName] ?? names[AnnotationKey.referenceName] ?? ""
        return Imported(manifest: image.digest, reference: reference)
    }

    /// Of an image for several platforms those that are there: engines save the whole list, and the content of their own.
    func complete(_ digest: Digest) throws -> Digest {
        var index = try Manifest(decoding: store.read(digest, upTo: Manifest.largest))
        guard let all = index.manifests else { return digest }
        let whole = all.filter { child in
            guard let bytes = try? store.read(child.digest, upTo: Manifest.largest),
                let manifest = try? Manifest(decoding: bytes)
            else { return false }
            return manifest.references.allSatisfy { store.has($0.digest) }
        }
        guard !whole.isEmpty else { throw refusal("it holds no platform's image as a whole") }
        if whole.count == all.count { return digest }
        index.manifests = whole
        return try store.write(index.encoded)
    }

    // MARK: Docker's older format

    private struct DockerImage: Decodable {
        var config: String
        var tags: [String]?
        var layers: [String]
        enum CodingKeys: String, CodingKey {
            case config = "Config"
            case tags = "RepoTags"
            case layers = "Layers"
        }
    }

    private func loadDocker(_ images: [DockerImage], _ entries: [String: Entry]) throws -> Imported {
        guard let image = images.first, images.count == 1 else {
            throw refusal(
                images.isEmpty ? "it holds no image" : "it holds \(images.count) images: save them one by one")
        }
        func descriptor(_ path: String, _ type: String) throws -> ContentDescriptor {
            guard let entry = entries[Self.normal(path)] else { throw refusal("it lacks \(path.quotedOneLine)") }
            return ContentDescriptor(type, entry.digest, size: entry.size)
        }
        let manifest = Manifest(
            config: try descriptor(image.config, ContentType.imageConfig),
            layers: try image.layers.map { path in
                var layer = try descriptor(path, ContentType.layer)
                layer.mediaType += try Self.packing(of: store.path(of: layer.digest))
                return layer
            })
        return Imported(manifest: try store.write(manifest.encoded), reference: image.tags?.first ?? "")
    }

    /// The end of a layer's media type, by its first bytes (RFC 1952, RFC 8878).
    private static func packing(of path: String) throws(SystemError) -> String {
        let file = try Descriptor(opening: path, .read)
        var head = [UInt8](repeating: 0, count: 4)
        let count = try file.read(into: &head)
        if count >= 2, head[0...1] == [0x1f, 0x8b] { return "+gzip" }
        return count == 4 && head == [0x28, 0xb5, 0x2f, 0xfd] ? "+zstd" : ""
    }

    private func description<Value: Decodable>(_: Value.Type, _ entry: Entry) throws -> Value {
        guard entry.size <= Self.largestDescription,
            let value = try? JSONDecoder().decode(
                Value.self, from: Data(try store.read(entry.digest, upTo: Self.largestDescription)))
        else { throw refusal("its description of the image is not understood") }
        return value
    }

    /// Without `.` and `..`, relative to the archive's own folder.
    private static func normal(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return parts.joined(separator: "/")
    }

    private func refusal(_ reason: String) -> OrchError {
        OrchError(.invalidRequest, "\(name) cannot be taken: \(reason)")
    }
}
