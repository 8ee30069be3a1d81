import Logging
import OrchModel
import OrchSystem

/// The workers of all channels, which are other ones when the settings change.
actor ChannelPool {
    private let store: NotifierStore
    private let topics: any TopicWriting
    private let logger: Logger
    private var workers: [ChannelWorker] = []
    private var version = 0
    private let changes = Signal()

    init(store: NotifierStore, topics: any TopicWriting, logger: Logger) {
        self.store = store
        self.topics = topics
        self.logger = logger
    }

    /// - Throws: `invalidRequest` for a channel that cannot be made; those before stay then.
    func use(_ channels: [ChannelSettings]) throws(OrchError) {
        guard channels != workers.map(\.settings) else { return }
        var made: [ChannelWorker] = []
        for settings in channels {
            made.append(
                ChannelWorker(
                    settings: settings, channel: try Channels.make(settings, topics: topics, logger: logger),
                    store: store, news: Signal(), logger: logger))
        }
        workers = made
        version += 1
        changes.send()
    }

    /// Something was put into the outbox of these channels.
    func wake(_ names: Set<String>) {
        for worker in workers where names.contains(worker.settings.name) { worker.news.send() }
    }

    /// Sends until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            let (current, workers) = (version, workers)
            await withTaskGroup(of: Void.self) { group in
                for worker in workers { group.addTask { await worker.run() } }
                group.addTask { await self.waitForChange(of: current) }
                await group.next()
                group.cancelAll()
            }
        }
    }

    private func waitForChange(of known: Int) async {
        for await _ in changes.listen() where version != known { return }
    }
}
