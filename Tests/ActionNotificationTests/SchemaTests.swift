import OrchModel
import Testing

@testable import ActionNotification

@Suite struct SchemaTests {
    /// Every word that the schema lets through must mean something to the settings.
    @Test func `the words of the schema are those of the settings`() throws {
        func words(_ keys: [ModuleSchema.Key], _ path: String...) -> [String] {
            var keys = keys
            for name in path.dropLast() {
                switch keys.first(where: { $0.name == name })?.shape {
                case .object(let inner)?, .list(.object(let inner))?: keys = inner
                default: return []
                }
            }
            guard case .choice(let words)? = keys.first(where: { $0.name == path.last })?.shape else { return [] }
            return words
        }
        let keys = NotifierSchema.keys
        #expect(words(keys, "channels", "type") == ChannelSettings.Kind.allCases.map(\.rawValue))
        #expect(words(keys, "channels", "security") == ChannelSettings.Security.allCases.map(\.rawValue))
        #expect(words(keys, "channels", "quiet", "except") == Severity.allCases.map(\.rawValue))
        #expect(words(keys, "rules", "severity") == Severity.allCases.map(\.rawValue))
        #expect(words(keys, "rules", "group_by") == Rule.Group.allCases.map(\.rawValue))
        #expect(words(keys, "rules", "act", "action") == Rule.Action.Kind.allCases.map(\.rawValue))
    }
}
