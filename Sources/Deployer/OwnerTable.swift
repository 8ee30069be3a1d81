import OrchModel
import Synchronization

/// Which module an instance belongs to, readable from any thread.
final class OwnerTable: Sendable {
    private let modules = Mutex<[InstanceID: ModuleName]>([:])

    func module(of id: InstanceID) -> ModuleName? { modules.withLock { $0[id] } }

    func set(_ id: InstanceID, _ module: ModuleName?) { modules.withLock { $0[id] = module } }
}
