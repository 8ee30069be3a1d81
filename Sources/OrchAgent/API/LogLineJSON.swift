import NIOCore
import OrchModel

/// Writes lines as JSON without an encoder's detours: they come by the million.
///
/// The keys are those of ``LogLine``, in their order.
enum LogLineJSON {
    static func write(_ line: LogLine, into buffer: inout ByteBuffer) {
        buffer.writeString("{\"at\":\"\(line.at)\"")
        if let base64 = line.base64 { buffer.writeString(",\"base64\":\"\(base64)\"") }
        if let context = line.context { buffer.writeString(",\"context\":\(context)") }
        if let continues = line.continues { buffer.writeString(",\"continues\":\(continues)") }
        write(line.instance, as: ",\"instance\":", into: &buffer)
        write(line.level, as: ",\"level\":", into: &buffer)
        write(line.line, as: ",\"line\":", into: &buffer)
        buffer.writeString(",\"seq\":\(line.seq)")
        write(line.stream, as: ",\"stream\":", into: &buffer)
        write(line.topic.rawValue, as: ",\"topic\":", into: &buffer)
        buffer.writeString("}")
    }

    private static func write(_ text: String, as key: StaticString, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(key)
        buffer.writeInteger(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { bytes in
            var start = 0
            for index in bytes.indices where needsEscape(bytes[index]) {
                buffer.writeBytes(bytes[start..<index])
                escape(bytes[index], into: &buffer)
                start = index + 1
            }
            buffer.writeBytes(bytes[start...])
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private static func escape(_ byte: UInt8, into buffer: inout ByteBuffer) {
        switch byte {
        case UInt8(ascii: "\""): buffer.writeStaticString("\\\"")
        case UInt8(ascii: "\\"): buffer.writeStaticString("\\\\")
        case UInt8(ascii: "\n"): buffer.writeStaticString("\\n")
        case UInt8(ascii: "\r"): buffer.writeStaticString("\\r")
        case UInt8(ascii: "\t"): buffer.writeStaticString("\\t")
        default:
            let digits = String(byte, radix: 16)
            buffer.writeString(digits.count == 1 ? "\\u000\(digits)" : "\\u00\(digits)")
        }
    }
}
