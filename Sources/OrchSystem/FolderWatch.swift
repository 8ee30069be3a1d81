import COrchSystem
import Glibc
import Synchronization

/// Tells when something is written in one of many folders (inotify).
package final class FolderWatch: Sendable {
    private let inotify: Int32
    private let reactor: Reactor
    private let watches = Mutex<[Int32: String]>([:])

    /// - Parameter onChange: gets the folders that have news, on the reactor's thread; must not block.
    package init(reactor: Reactor, onChange: @escaping @Sendable ([String]) -> Void) throws(SystemError) {
        inotify = try checked("inotify_init1", orch_inotify_create())
        self.reactor = reactor
        _ = try reactor.watch(inotify) { [weak self] in
            guard let folders = self?.changedFolders(), !folders.isEmpty else { return }
            onChange(folders)
        }
    }

    /// Watches a folder; nothing happens when it is watched already.
    package func add(_ folder: String) throws(SystemError) {
        let watch = try checked("inotify_add_watch", orch_inotify_add(inotify, folder), folder)
        watches.withLock { $0[watch] = folder }
    }

    package func remove(_ folder: String) {
        let watch = watches.withLock { watches in
            let watch = watches.first { $0.value == folder }?.key
            if let watch { watches[watch] = nil }
            return watch
        }
        if let watch { _ = orch_inotify_remove(inotify, watch) }
    }

    private func changedFolders() -> [String] {
        // One look a turn: where something is written all the time there would be no end of it, and the reactor's other
        // descriptors would wait. What is left makes the descriptor ready again.
        var buffer = [Int32](repeating: 0, count: 1024)
        let count = Int(orch_inotify_read(inotify, &buffer, buffer.count))
        guard count > 0 else { return [] }
        let changed = Set(buffer[0..<count])
        // -1 tells that news was lost: then all may have some.
        if changed.contains(-1) { return watches.withLock { Array($0.values) } }
        return watches.withLock { watches in changed.compactMap { watches[$0] } }
    }
}
