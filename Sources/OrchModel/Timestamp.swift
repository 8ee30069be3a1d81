/// A point of time in UTC, in nanoseconds since 1970, that reads and writes RFC 3339.
package struct Timestamp: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    /// Times beyond the years 1678 to 2262, which foreign records may carry, become the last one there is.
    package init(milliseconds: Int64) { nanoseconds = milliseconds.clampedProduct(1_000_000) }
    package init(seconds: Int64) { nanoseconds = seconds.clampedProduct(1_000_000_000) }

    package var milliseconds: Int64 { nanoseconds.floorDivided(by: 1_000_000) }
    package var seconds: Int64 { nanoseconds.floorDivided(by: 1_000_000_000) }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.nanoseconds < right.nanoseconds }
    package static func + (left: Timestamp, right: TimeSpan) -> Timestamp {
        Timestamp(nanoseconds: left.nanoseconds &+ right.nanoseconds)
    }
    package static func - (left: Timestamp, right: TimeSpan) -> Timestamp {
        Timestamp(nanoseconds: left.nanoseconds &- right.nanoseconds)
    }
    package static func - (left: Timestamp, right: Timestamp) -> TimeSpan {
        TimeSpan(nanoseconds: left.nanoseconds &- right.nanoseconds)
    }

    /// RFC 3339 with nine decimals, always 30 characters, so that texts sort as times do.
    package var description: String { rfc3339(decimals: 9) }

    /// - Parameter decimals: 0, 3, 6 or 9 digits of the second.
    package func rfc3339(decimals: Int) -> String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        // Up to the second there are 19 characters.
        return String(decoding: bytes.prefix(decimals > 0 ? 20 + decimals : 19), as: UTF8.self) + "Z"
    }

    /// Appends ``description`` as ASCII, a million times a second.
    package func append(to bytes: inout [UInt8]) {
        let civil = CivilTime(self)
        bytes.append(digits: civil.year, 4)
        bytes.append(UInt8(ascii: "-"))
        bytes.append(digits: civil.month, 2)
        bytes.append(UInt8(ascii: "-"))
        bytes.append(digits: civil.day, 2)
        bytes.append(UInt8(ascii: "T"))
        bytes.append(digits: civil.hour, 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(digits: civil.minute, 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(digits: civil.second, 2)
        bytes.append(UInt8(ascii: "."))
        bytes.append(digits: civil.nanosecond, 9)
        bytes.append(UInt8(ascii: "Z"))
    }

    /// `nil` unless `text` is RFC 3339 with `Z` or an offset, or the same without seconds or without the time (taken as UTC).
    package init?(rfc3339 text: some StringProtocol) { self.init(scanning: text.utf8) }

    /// The same from bytes of ASCII, a million times a second.
    package init?(rfc3339Bytes bytes: UnsafeRawBufferPointer) { self.init(scanning: bytes) }

    private init?(scanning bytes: some Collection<UInt8>) {
        var scanner = DigitScanner(bytes)
        guard let year = scanner.digits(4), scanner.skip("-"), let month = scanner.digits(2), scanner.skip("-"),
            let day = scanner.digits(2), (1...12).contains(month),
            (1...CivilTime.days(in: month, of: year)).contains(day)
        else { return nil }
        var hour = 0
        var minute = 0
        var second = 0
        var nanosecond = 0
        var offset = 0
        if !scanner.isAtEnd {
            guard scanner.skip("T") || scanner.skip("t") || scanner.skip(" "), let hours = scanner.digits(2),
                scanner.skip(":"), let minutes = scanner.digits(2), hours < 24, minutes < 60
            else { return nil }
            hour = hours
            minute = minutes
            if scanner.skip(":") {
                guard let seconds = scanner.digits(2), seconds <= 60 else { return nil }
                second = seconds
                if scanner.skip(".") {
                    guard let fraction = scanner.fraction() else { return nil }
                    nanosecond = fraction
                }
            }
            if !scanner.isAtEnd && !scanner.skip("Z") && !scanner.skip("z") {
                let sign = scanner.skip("+") ? 1 : scanner.skip("-") ? -1 : 0
                guard sign != 0, let hours = scanner.digits(2), scanner.skip(":"), let minutes = scanner.digits(2)
                else { return nil }
                offset = sign * (hours * 3600 + minutes * 60)
            }
            guard scanner.isAtEnd else { return nil }
        }
        let days = CivilTime.daysSinceEpoch(year: year, month: month, day: day)
        let seconds = Int64(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
        guard abs(seconds) < Int64.max / 1_000_000_000 - 1 else { return nil }
        nanoseconds = seconds * 1_000_000_000 + Int64(nanosecond)
    }

    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let time = Timestamp(rfc3339: text) else {
            throw OrchError(
                .invalidRequest, "\(text.quotedOneLine) is no time: write RFC 3339, as in 2026-01-31T08:00:00Z")
        }
        self = time
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// A date and a time of day in the proleptic Gregorian calendar, without a time zone.
package struct CivilTime: Hashable, Sendable {
    package var year: Int
    package var month: Int
    package var day: Int
    package var hour: Int
    package var minute: Int
    package var second: Int
    package var nanosecond: Int

    package init(_ time: Timestamp) {
        let days = Int(time.seconds.floorDivided(by: 86_400))
        let secondOfDay = Int(time.seconds) - days * 86_400
        (year, month, day) = Self.date(daysSinceEpoch: days)
        hour = secondOfDay / 3600
        minute = secondOfDay / 60 % 60
        second = secondOfDay % 60
        nanosecond = Int(time.nanoseconds &- time.seconds &* 1_000_000_000)
    }

    /// Days from 1970-01-01, by Howard Hinnant's `days_from_civil` ("chrono-Compatible Low-Level Date Algorithms").
    package static func daysSinceEpoch(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The reverse of ``daysSinceEpoch(year:month:day:)``, by the same source.
    package static func date(daysSinceEpoch: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = daysSinceEpoch + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthIndex + 2) / 5 + 1)
    }

    package static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

/// Reads fixed-width decimal numbers and single characters from the front of a text.
private struct DigitScanner<Bytes: Collection<UInt8>> {
    private var rest: Bytes.SubSequence

    init(_ bytes: Bytes) { rest = bytes[...] }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func digits(_ count: Int) -> Int? {
        let head = rest.prefix(count)
        guard head.count == count, head.allSatisfy(\.isDigit) else { return nil }
        rest = rest.dropFirst(count)
        return head.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    /// One to nine digits behind the point, as nanoseconds; further digits are dropped.
    mutating func fraction() -> Int? {
        let all = rest.prefix(while: \.isDigit)
        guard !all.isEmpty else { return nil }
        rest = rest.dropFirst(all.count)
        var value = all.prefix(9).reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        for _ in all.prefix(9).count..<9 { value *= 10 }
        return value
    }
}

extension [UInt8] {
    /// The last so many decimal digits of a number that is not negative.
    fileprivate mutating func append(digits number: Int, _ width: Int) {
        var divisor = 1
        for _ in 1..<width { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }
}

extension Int64 {
    fileprivate func clampedProduct(_ factor: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? (self < 0 ? .min : .max) : product
    }

    package func floorDivided(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
