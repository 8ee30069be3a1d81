import Testing

@testable import OrchModel

struct QuantityTests {
    @Test(arguments: [
        ("0", 0), ("1s", 1_000_000_000), ("1m30s", 90_000_000_000), ("250ms", 250_000_000), ("1.5s", 1_500_000_000),
        ("2h", 7_200_000_000_000), ("1d", 86_400_000_000_000), ("10us", 10_000), ("7ns", 7),
    ])
    func `durations are read as people write them`(text: String, nanoseconds: Int64) {
        #expect(TimeSpan(text)?.nanoseconds == nanoseconds)
    }

    @Test(arguments: ["", "5", "s", "1x", "1m 30s", "-1s", "1..5s", "99999999999d"])
    func `what is no duration is refused`(text: String) {
        #expect(TimeSpan(text) == nil)
    }

    @Test(arguments: ["1m30s", "250ms", "2h", "0s", "1d1h1ns"])
    func `a duration is written as it is read`(text: String) {
        #expect(TimeSpan(text == "0s" ? "0" : text)?.description == text)
    }

    @Test(arguments: [
        ("64K", 65_536), ("512M", 536_870_912), ("1.5G", 1_610_612_736), ("100", 100), ("2MiB", 2_097_152),
        ("1kb", 1024),
    ])
    func `sizes are read with units of 1024`(text: String, bytes: Int64) {
        #expect(ByteSize(text)?.bytes == bytes)
    }

    @Test(arguments: ["", "K", "-1", "1X", "1 M"])
    func `what is no size is refused`(text: String) {
        #expect(ByteSize(text) == nil)
    }

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2026-11-24T18:10:51.5Z", 1_795_543_851_500_000_000),
        ("2024-02-29T12:00:00+01:00", 1_709_204_400_000_000_000), ("1969-12-31T23:59:59Z", -1_000_000_000),
    ])
    func `times are read by RFC 3339`(text: String, nanoseconds: Int64) {
        #expect(Timestamp(rfc3339: text)?.nanoseconds == nanoseconds)
    }

    @Test(arguments: [
        "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00Zx", "now",
    ])
    func `what is no time is refused`(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test func `a time is written with nine decimals and read back the same`() {
        for nanoseconds in [0, 1, -1, 1_795_543_851_123_456_789, -62_135_596_800_000_000_00] as [Int64] {
            let time = Timestamp(nanoseconds: nanoseconds)
            #expect(time.description.count == 30)
            #expect(Timestamp(rfc3339: time.description) == time)
        }
    }
}
