/// Everything that explains why an instance is as it is, for `orch why`.
package struct WhyView: Codable, Sendable {
    package var instance: InstanceView
    /// What it is in a sentence.
    package var summary: String
    package var checks: CheckView?
    /// Bounds that it has run into, in words.
    package var limits: [String]
    /// Ports that its processes listen at.
    package var listening: [Int]
    /// The last events that concern it, the oldest first.
    package var timeline: [Event]
    package var lastLines: [String]
    /// What to do next, the most promising first.
    package var advice: [String]

    package init(
        instance: InstanceView, summary: String, checks: CheckView?, limits: [String], listening: [Int],
        timeline: [Event], lastLines: [String], advice: [String]
    ) {
        self.instance = instance
        self.summary = summary
        self.checks = checks
        self.limits = limits
        self.listening = listening
        self.timeline = timeline
        self.lastLines = lastLines
        self.advice = advice
    }

    package enum CodingKeys: String, CodingKey {
        case instance, summary, checks, limits, listening, timeline, advice
        case lastLines = "last_lines"
    }
}

/// What the health checks of an instance have found.
package struct CheckView: Codable, Sendable {
    /// What is checked, as in `http GET /health at port 20011`.
    package var check: String
    package var passes: Int
    package var failures: Int
    package var lastAt: Timestamp?
    /// Why the last one failed; `nil` when it passed.
    package var lastFailure: String?

    package init(check: String, passes: Int, failures: Int, lastAt: Timestamp?, lastFailure: String?) {
        self.check = check
        self.passes = passes
        self.failures = failures
        self.lastAt = lastAt
        self.lastFailure = lastFailure
    }

    package enum CodingKeys: String, CodingKey {
        case check, passes, failures
        case lastAt = "last_at"
        case lastFailure = "last_failure"
    }
}

/// Why a service, or one instance of it, is as it is.
package struct WhyAnswer: Codable, Sendable {
    package var service: ServiceView
    /// The last change of the service, finished or not.
    package var deployment: DeploymentView?
    /// The instances that tell most, the worst first.
    package var instances: [WhyView]

    package init(service: ServiceView, deployment: DeploymentView?, instances: [WhyView]) {
        self.service = service
        self.deployment = deployment
        self.instances = instances
    }
}
