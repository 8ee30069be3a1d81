import Glibc
import OrchModel
import OrchSystem

/// A push of a gigabyte, against what has to be done with it at least: copied, and its digest found out.
enum PushBenchmark {
    private static let bytes = 1 << 30
    private static let rounds = 5

    static func run(_ lab: Lab) throws -> [BenchResult] {
        let file = "\(lab.folder)/large.bin"
        try lab.run(["sh", "-c", "head -c \(bytes) /dev/urandom > \(file)"])
        var ours: [Double] = []
        var again: [Double] = []
        var theirs: [Double] = []
        let before = Benchmark.residentMB(lab.agentPID)
        for round in 1...rounds {
            try Files.overwrite(file, with: Array("round \(round)".utf8))
            // What was changed just now may be changed again unnoticed, so its digest would not be remembered.
            sleep(3)
            theirs.append(try lab.run(["cp", file, "\(file).copy"]) + lab.run(["sha256sum", "\(file).copy"]))
            Files.remove("\(file).copy")
            ours.append(try lab.orch("push", file, "--version", "\(round)", "-q"))
            again.append(try lab.orch("push", file, "--version", "\(round)", "-q"))
            try lab.orch("rm", "--artifact", "large.bin:\(round)", "-q")
            try lab.orch("prune", "--older-than", "0s", "-q")
        }
        let after = Benchmark.peakMB(lab.agentPID)
        let (first, second) = (median(ours), median(again))
        return [
            // Half the speed is twice the time.
            BenchResult(
                name: "push of 1 GB", value: first, unit: "ms", peer: ("cp and sha256sum", median(theirs)),
                bar: .atMost(2)),
            BenchResult(
                name: "the same once more", value: second, unit: "ms", peer: ("the first time", first),
                bar: .atMost(0.05)),
            BenchResult(
                name: "agent's most memory meanwhile", value: after - before, unit: "MB more", bar: .atMost(64)),
        ]
    }
}
