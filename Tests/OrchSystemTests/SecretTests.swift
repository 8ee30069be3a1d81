import OrchModel
import Testing

@testable import OrchSystem

struct SecretTests {
    @Test(arguments: [
        ("", "x"), ("a", "b"), ("ab", "bb"), ("abc", "abcd"), ("0f", "8f"), ("10f", "00f"), ("pass", "Pass"),
    ]) func `texts that differ anywhere are not the same`(one: String, other: String) {
        #expect(!Secrets.areEqual(one, other))
        #expect(!Secrets.areEqual(other, one))
        #expect(Secrets.areEqual(one, one))
    }

    /// Bits of one place must not make up for those of another.
    @Test func `no single change of a token is taken for the token`() {
        let token = InstanceTokens(secret: "a secret").token(of: InstanceID(unchecked: "shop-abcdef"))
        for index in token.indices {
            for replacement in "0123456789abcdef-." where replacement != token[index] {
                var forged = token
                forged.replaceSubrange(index...index, with: String(replacement))
                #expect(!Secrets.areEqual(forged, token))
            }
        }
    }
}
