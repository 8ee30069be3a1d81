/// What a stretch of log is made of.
package struct LogAnalysisView: Codable, Sendable {
    /// Lines of one level or another within a span that begins at `at`.
    package struct Bucket: Codable, Sendable {
        package var at: Timestamp
        package var levels: [String: Int]

        package init(at: Timestamp, levels: [String: Int]) {
            self.at = at
            self.levels = levels
        }
    }

    /// Lines that differ in their variable parts only, for which `<*>` stands.
    package struct Pattern: Codable, Sendable {
        package var template: String
        package var level: String
        package var count: Int
        package var first: Timestamp
        package var last: Timestamp
        /// The first line of it.
        package var sample: String
        /// It was not seen before the deployment.
        package var isNew: Bool

        package init(
            template: String, level: String, count: Int, first: Timestamp, last: Timestamp, sample: String, isNew: Bool
        ) {
            self.template = template
            self.level = level
            self.count = count
            self.first = first
            self.last = last
            self.sample = sample
            self.isNew = isNew
        }

        package enum CodingKeys: String, CodingKey {
            case template, level, count, first, last, sample
            case isNew = "is_new"
        }
    }

    /// A span with far more errors than usual.
    package struct Burst: Codable, Sendable {
        package var from: Timestamp
        package var until: Timestamp
        package var errors: Int

        package init(from: Timestamp, until: Timestamp, errors: Int) {
            self.from = from
            self.until = until
            self.errors = errors
        }
    }

    /// A span in which an instance wrote nothing.
    package struct Gap: Codable, Sendable {
        package var instance: String
        package var from: Timestamp
        package var until: Timestamp
        /// The line that ended it.
        package var line: String

        package init(instance: String, from: Timestamp, until: Timestamp, line: String) {
            self.instance = instance
            self.from = from
            self.until = until
            self.line = line
        }
    }

    package struct Instance: Codable, Sendable {
        package var instance: String
        package var lines: Int
        package var errors: Int
        package var bytes: Int
        /// Lines that it could not keep, and lines that were left out for `logs.rate`.
        package var lost: Int
        package var suppressed: Int

        package init(instance: String, lines: Int, errors: Int, bytes: Int, lost: Int, suppressed: Int) {
            self.instance = instance
            self.lines = lines
            self.errors = errors
            self.bytes = bytes
            self.lost = lost
            self.suppressed = suppressed
        }
    }

    package var lines: Int
    package var bytes: Int
    /// The times of the first and the last line; `nil` when there is none.
    package var from: Timestamp?
    package var until: Timestamp?
    package var levels: [String: Int]
    package var bucketWidth: TimeSpan
    package var buckets: [Bucket]
    /// The most frequent first.
    package var patterns: [Pattern]
    /// Lines whose pattern is not told because there are too many.
    package var otherLines: Int
    package var bursts: [Burst]
    /// The longest first.
    package var gaps: [Gap]
    /// Those with the most lines first.
    package var instances: [Instance]
    /// The deployment that new patterns are told from.
    package var deployedAt: Timestamp?

    package init(
        lines: Int, bytes: Int, from: Timestamp?, until: Timestamp?, levels: [String: Int], bucketWidth: TimeSpan,
        buckets: [Bucket], patterns: [Pattern], otherLines: Int, bursts: [Burst], gaps: [Gap], instances: [Instance],
        deployedAt: Timestamp?
    ) {
        self.lines = lines
        self.bytes = bytes
        self.from = from
        self.until = until
        self.levels = levels
        self.bucketWidth = bucketWidth
        self.buckets = buckets
        self.patterns = patterns
        self.otherLines = otherLines
        self.bursts = bursts
        self.gaps = gaps
        self.instances = instances
        self.deployedAt = deployedAt
    }

    package enum CodingKeys: String, CodingKey {
        case lines, bytes, from, until, levels, buckets, patterns, bursts, gaps, instances
        case bucketWidth = "bucket_width"
        case otherLines = "other_lines"
        case deployedAt = "deployed_at"
    }
}
