//! What a link has counted. Pure.

use crate::wire::{Attribute, Malformed};

/// `statistics!` declares [`Statistics`]: the numbers in the order in which they travel.
macro_rules! statistics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a link has counted since it was made. `struct rtnl_link_stats64`
        ///
        /// Older kernels know fewer numbers; those that they do not send are 0.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Statistics {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Statistics {
            /// Reads `IFLA_STATS64`.
            pub(super) fn read(attribute: &Attribute<'_>) -> Result<Self, Malformed> {
                let numbers = attribute.payload.chunks_exact(8);
                if !numbers.remainder().is_empty() {
                    return Err(Malformed);
                }
                let mut numbers = numbers.map(|bytes| bytes.try_into().map(u64::from_ne_bytes).unwrap_or_default());
                Ok(Self { $($name: numbers.next().unwrap_or_default(),)* })
            }
        }
    };
}

statistics! {
    /// Packets received.
    rx_packets,
    /// Packets sent.
    tx_packets,
    /// Bytes received.
    rx_bytes,
    /// Bytes sent.
    tx_bytes,
    /// Bad packets received.
    rx_errors,
    /// Packets that could not be sent.
    tx_errors,
    /// Received, but dropped for want of memory or of a taker.
    rx_dropped,
    /// Dropped on the way out.
    tx_dropped,
    /// Multicast packets received.
    multicast,
    /// Collisions.
    collisions,
    /// Of `rx_errors`: a wrong length.
    rx_length_errors,
    /// Of `rx_errors`: the receiver's ring was full.
    rx_over_errors,
    /// Of `rx_errors`: a wrong checksum.
    rx_crc_errors,
    /// Of `rx_errors`: a wrong alignment.
    rx_frame_errors,
    /// Of `rx_errors`: the receiver's queue was full.
    rx_fifo_errors,
    /// Missed by the receiver.
    rx_missed_errors,
    /// Of `tx_errors`: given up.
    tx_aborted_errors,
    /// Of `tx_errors`: no carrier.
    tx_carrier_errors,
    /// Of `tx_errors`: the sender's queue was empty too soon.
    tx_fifo_errors,
    /// Of `tx_errors`: no heartbeat.
    tx_heartbeat_errors,
    /// Of `tx_errors`: too late a collision.
    tx_window_errors,
    /// Compressed packets received.
    rx_compressed,
    /// Compressed packets sent.
    tx_compressed,
    /// Received, but nobody handles them.
    rx_nohandler,
    /// Received, but for another machine's hardware address. Since Linux 5.19.
    rx_otherhost_dropped,
}
