import COrchSystem

/// Text is built as bytes: without Unicode tables the program stays small.
typealias Bytes = [UInt8]

extension Bytes {
    mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Decimal, with leading zeros up to `width` digits.
    mutating func append(_ number: Int64, width: Int = 1) {
        var digits = Bytes()
        var rest = number.magnitude
        repeat {
            digits.append(UInt8(rest % 10) + 48)
            rest /= 10
        } while rest > 0
        if number < 0 { append(45) }
        for _ in 0..<Swift.max(0, width - digits.count) { append(48) }
        append(contentsOf: digits.reversed())
    }

    /// Calls `body` with the bytes as a C string.
    func withCString<Value>(_ body: (UnsafePointer<CChar>) -> Value) -> Value {
        let terminated = self + [0]
        return terminated.withUnsafeBytes { body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
    }

    /// The decimal number at the front of the bytes from `index` on, which moves behind it.
    func number(at index: inout Int) -> Int64 {
        while index < count, self[index] == 32 { index += 1 }
        var value: Int64 = 0
        while index < count, self[index] >= 48, self[index] <= 57 {
            value = value &* 10 &+ Int64(self[index] - 48)
            index += 1
        }
        return value
    }

    func starts(with text: StaticString) -> Bool {
        guard count >= text.utf8CodeUnitCount else { return false }
        for index in 0..<text.utf8CodeUnitCount where self[index] != text.utf8Start[index] { return false }
        return true
    }
}

/// Writes all bytes, or gives the error.
/// - Returns: 0, or -errno.
func writeAll(_ fd: Int32, _ bytes: Bytes) -> Int64 { bytes.withUnsafeBytes { writeAll(fd, $0) } }

func writeAll(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) -> Int64 {
    guard var rest = bytes.baseAddress else { return 0 }
    var count = bytes.count
    while count > 0 {
        let written = orch_write(fd, rest, count)
        if written < 0 { return written }
        rest += Int(written)
        count -= Int(written)
    }
    return 0
}

/// Makes a file of spaces, which keeps the room for what is written over it later.
func reserve(_ name: StaticString, size: Int) {
    let file = name.withPointer { orch_open($0, orch_open_create, 0o600) }
    guard file >= 0 else { return }
    _ = writeAll(file, Bytes(repeating: 32, count: size - 1) + [10])
    _ = orch_close(file)
}

/// Replaces a file so that at any moment either the old or the new one is whole on disk.
/// The working directory is the instance's folder; `temporary` must lie in it too.
func replaceFile(_ name: StaticString, via temporary: StaticString, with bytes: Bytes) {
    // Made before by ``reserve(_:size:)``, so that a full disk does not cost the content.
    let file = temporary.withPointer { orch_open($0, orch_open_write, 0) }
    guard file >= 0 else { return }
    defer { _ = orch_close(file) }
    guard writeAll(file, bytes) == 0 else { return }
    // The content must be durable before the name points at it.
    _ = orch_fsync(file)
    _ = temporary.withPointer { from in name.withPointer { orch_rename(from, $0) } }
    let folder = orch_open(".", orch_open_directory, 0)
    guard folder >= 0 else { return }
    _ = orch_fsync(folder)
    _ = orch_close(folder)
}

extension StaticString {
    func withPointer<Value>(_ body: (UnsafePointer<CChar>) -> Value) -> Value {
        body(UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self))
    }
}
