import Crypto
package import OrchModel

/// The SHA-256 of content that comes bit by bit.
package struct ContentHash: Sendable {
    private var hash = SHA256()

    package init() {}

    package mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    package mutating func update(_ bytes: borrowing [UInt8], count: Int) {
        bytes.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[0..<count])) }
    }

    package func finish() -> OrchModel.Digest { OrchModel.Digest(hash: hash.finalize()) }

    package static func digest(of bytes: [UInt8]) -> OrchModel.Digest {
        OrchModel.Digest(hash: SHA256.hash(data: bytes))
    }
}
