// orch-bench [NAME...]: measures orch against its peers on this machine, in the same run, and prints ratios.
//
// It needs root, and Debian's packages docker.io, iptables, supervisor, busybox-static, haproxy, nginx-light, caddy, wrk and
// syslog-ng-mod-rdkafka; rsyslog, which cannot be installed beside that, is unpacked. Programs of orch are taken from
// its own folder, so run the one of a release build.

import Glibc
import OrchModel
import OrchSystem

// A benchmark's instance runs this program itself.
if CommandLine.arguments.dropFirst() == ["tick"] { ReadBenchmark.tick() }
let wanted = Set(CommandLine.arguments.dropFirst())
let unknown = wanted.subtracting(Benchmark.all.map(\.name))
guard unknown.isEmpty else {
    StandardStream.error.write(
        "orch-bench: there is no \(unknown.sorted().joined(separator: ", ")); known are \(Benchmark.all.map(\.name).joined(separator: ", "))\n"
    )
    exit(2)
}
do {
    let lab = try Lab()
    defer { lab.tearDown() }
    var failures = 0
    for benchmark in Benchmark.all where wanted.isEmpty || wanted.contains(benchmark.name) {
        for result in try benchmark.run(lab) {
            StandardStream.output.write(result.line + "\n")
            if !result.holds { failures += 1 }
        }
    }
    StandardStream.output.write(failures == 0 ? "every bar is met\n" : "\(failures) missed\n")
} catch {
    StandardStream.error.write("orch-bench: \(error)\n")
    exit(1)
}
