import Deployer
import OrchModel

/// Workloads that run to an end by themselves.
extension Agent {
    /// Returns when no instance of these modules runs or will run again by itself, or when the task is cancelled.
    func waitForEnd(of modules: Set<ModuleName>) async {
        for await _ in events.news() {
            let instances = await deployer.instances().filter { modules.contains($0.module) }
            if instances.allSatisfy({ $0.state.isFinal }) { return }
        }
    }

    /// 0 where all has ended well, otherwise that of an instance that has not: its own, or 128 and the signal.
    func exitStatus(of modules: Set<ModuleName>) async -> Int32 {
        let instances = await deployer.instances().filter { modules.contains($0.module) && $0.state != .completed }
        guard let failed = instances.first(where: { $0.state == .failed }) ?? instances.first else { return 0 }
        guard let exit = failed.exit else { return failed.state == .failed ? 1 : 0 }
        return exit.signal.map { 128 + $0 } ?? exit.code ?? 1
    }
}

extension InstanceState {
    /// Nothing more comes by itself.
    fileprivate var isFinal: Bool { self == .completed || self == .failed || self == .stopped }
}
