import CPCRE2
import OrchModel

/// A regular expression in Perl's manner (pcre2pattern(3)), compiled to machine code where the processor allows.
final class LinePattern: @unchecked Sendable {
    // The code never changes; the match data is used by the one filter that owns the pattern.
    private let code: OpaquePointer
    private let match: OpaquePointer
    private let limits: OpaquePointer
    private let isFreeOfContext: Bool

    /// A pattern that would try longer on one line does not match it.
    private static let mostSteps: UInt32 = 5_000_000

    /// - Throws: `invalidRequest` with the place of the mistake.
    init(_ text: String) throws(OrchError) {
        var error: Int32 = 0
        var offset = 0
        let pattern = Array(text.utf8)
        // Without characters beyond ASCII there is no need to look at lines as UTF-8.
        let isWide = pattern.contains { $0 >= 0x80 } || text.contains("\\p") || text.contains("\\X")
        let options = isWide ? UInt32(PCRE2_UTF) | UInt32(PCRE2_MATCH_INVALID_UTF) : 0
        guard
            let code = pcre2_compile_8(pattern, pattern.count, options, &error, &offset, nil)
        else {
            var message = [UInt8](repeating: 0, count: 256)
            pcre2_get_error_message_8(error, &message, message.count)
            let reason = String(decoding: message.prefix { $0 != 0 }, as: UTF8.self)
            throw OrchError(
                .invalidRequest,
                "\(text.quotedOneLine) is no regular expression: \(reason), at character \(offset + 1)")
        }
        guard let match = pcre2_match_data_create_from_pattern_8(code, nil),
            let limits = pcre2_match_context_create_8(nil)
        else {
            pcre2_code_free_8(code)
            throw OrchError(.failed, "there is no memory for a regular expression")
        }
        pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE))
        pcre2_set_match_limit_8(limits, Self.mostSteps)
        (self.code, self.match, self.limits) = (code, match, limits)
        isFreeOfContext = !isWide && Self.isFreeOfContext(text)
    }

    deinit {
        pcre2_match_context_free_8(limits)
        pcre2_match_data_free_8(match)
        pcre2_code_free_8(code)
    }

    func matches(_ line: UnsafeRawBufferPointer) -> Bool {
        // An empty line may have no address.
        guard !line.isEmpty else {
            return withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { matches(UnsafeRawBufferPointer($0), 0) }
        }
        return matches(line, line.count)
    }

    private func matches(_ memory: UnsafeRawBufferPointer, _ count: Int) -> Bool {
        search(memory, count) >= 0
    }

    private func search(_ memory: UnsafeRawBufferPointer, _ count: Int) -> Int32 {
        pcre2_match_8(code, memory.bindMemory(to: UInt8.self).baseAddress, count, 0, 0, match, limits)
    }

    /// Whether no line in these bytes, between which there may be others, can match.
    func isNowhere(in bytes: UnsafeRawBufferPointer) -> Bool {
        isFreeOfContext && !bytes.isEmpty && search(bytes, bytes.count) == PCRE2_ERROR_NOMATCH
    }

    /// Whether what matches by itself matches also in the middle of other bytes. It need not where a pattern looks at its
    /// surroundings, or holds on to all that it can take.
    private static func isFreeOfContext(_ text: String) -> Bool {
        var rest = text[...]
        var isQuantified = false
        while let character = rest.popFirst() {
            switch character {
            case "^", "$": return false
            case "\\":
                // Classes of characters, and signs that stand for themselves.
                guard let escaped = rest.popFirst(), "dDwWsS.+*?()[]{}|/\\^$-\"".contains(escaped) else { return false }
            case "(" where rest.first == "?" || rest.first == "*":
                guard rest.hasPrefix("?:") else { return false }
                rest = rest.dropFirst(2)
            case "+" where isQuantified: return false
            default: break
            }
            isQuantified = "*+?}".contains(character)
        }
        return true
    }
}
