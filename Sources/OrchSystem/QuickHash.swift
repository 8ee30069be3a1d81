package enum QuickHash {
    /// FNV-1a (draft-eastlake-fnv): the same in every run, and no protection against anybody.
    @inlinable package static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }
}
